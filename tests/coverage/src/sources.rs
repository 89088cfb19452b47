//! What the repository's sources have.

/// Where the steps of `cargo xtask test` are.
pub(crate) const STEPS: &str = "infra/xtask/src/test.rs";

/// Whether a source has a test of this name that is run.
pub(crate) fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let is_it = |line: &str| {
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        function.and_then(|function| function.strip_prefix(name)).is_some_and(|rest| rest.starts_with(['(', '<']))
    };
    let places = (0..lines.len()).filter(|place| is_it(lines[*place]));
    places.into_iter().any(|place| is_run(&lines[..place]))
}

/// Whether what stands above a function makes it a test, and one that is not ignored.
fn is_run(above: &[&str]) -> bool {
    let attributes = above.iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    let (mut is_test, mut is_ignored) = (false, false);
    for line in attributes {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        is_ignored |= line.starts_with("#[ignore");
    }
    is_test && !is_ignored
}

/// Whether the steps of `cargo xtask test` have one that begins like this.
pub(crate) fn has_step(source: &str, step: &str) -> bool {
    source.contains(&format!("\"{step}"))
}
