//! Which ids there are.

/// The list of ranges.
pub(crate) const FILE: &str = "README.md";

/// Every id of the table's ranges: `| API-01 to API-40 | … |`, or one id alone.
pub(crate) fn ids(text: &str, faults: &mut Vec<String>) -> Vec<String> {
    let mut ids = Vec::new();
    for line in text.lines() {
        let Some(cell) = line.strip_prefix("| ").and_then(|line| line.split(" |").next()) else { continue };
        let (first, last) = cell.split_once(" to ").unwrap_or((cell, cell));
        match (parts(first), parts(last)) {
            (Some((prefix, from, width)), Some((other, to, _))) if prefix == other && from <= to => {
                ids.extend((from..=to).map(|number| format!("{prefix}{number:0width$}")));
            }
            // The table's head.
            (None, None) => {}
            _ => faults.push(format!("{FILE} has a range that is none: {cell}")),
        }
    }
    ids
}

/// `UI-L01` is `UI-L`, 1, and has two digits.
fn parts(id: &str) -> Option<(&str, u32, usize)> {
    let prefix = id.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &id[prefix.len()..];
    Some((prefix, digits.parse().ok()?, digits.len()))
}
