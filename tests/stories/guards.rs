//! The guards that the chaos driver holds up.
//!
//! `tests/guards/` has a patch for each, which takes it away, so that `cargo xtask chaos` fails; the README says how to
//! see that.

use recado_testkit::template::repository;
use std::process::Command;

#[test]
fn every_guard_can_still_be_taken_away() {
    let folder = repository().join("tests/guards");
    let patches: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(patches.len(), 5, "each guard that the README names has its patch in {}", folder.display());
    for patch in patches {
        let apply = Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(repository()).output();
        let answer = apply.expect("git is installed where the repository was cloned");
        let why = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "{} must take away its guard as it stands now: {why}", patch.display());
    }
}
