//! The entries of a list.

/// A requirement, and what is said of it.
pub(crate) struct Entry {
    pub(crate) id: String,
    /// File and line.
    pub(crate) place: String,
    pub(crate) proofs: Vec<Proof>,
    pub(crate) rest: Option<Rest>,
}

/// What would fail if the requirement were broken.
pub(crate) enum Proof {
    /// A test in a file of the repository.
    Test { file: String, name: String },
    /// A step of `cargo xtask test`.
    Step(String),
}

/// What no test proves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rest {
    /// A part of it.
    Open,
    /// All of it, because it does not exist yet.
    Planned,
    /// All of it, because it says nothing that can be tested.
    Note,
}

const RESTS: [(&str, Rest); 3] = [("open: ", Rest::Open), ("planned: ", Rest::Planned), ("note: ", Rest::Note)];

/// Reads a list. A line that looks like one of a list and is none of ours is a fault, so that nothing is overlooked.
pub(crate) fn read(file: &str, text: &str, faults: &mut Vec<String>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let place = format!("{file}:{number}");
        if !line.starts_with(['-', '*', '+', ' ', '\t']) {
            continue;
        }
        let understood = match line.strip_prefix("  - ") {
            Some(item) => entries.last_mut().is_some_and(|entry| add(entry, item)),
            None => head(line).map(|id| entries.push(Entry { id, place, proofs: Vec::new(), rest: None })).is_some(),
        };
        if !understood {
            faults.push(format!("{file}:{number} is not understood: {line}"));
        }
    }
    entries
}

/// The id in `- **API-03** What it says`.
fn head(line: &str) -> Option<String> {
    let (id, statement) = line.strip_prefix("- **")?.split_once("** ")?;
    (!id.is_empty() && !statement.trim().is_empty()).then(|| id.to_owned())
}

/// Takes what stands below an entry; `false` if it is not understood.
fn add(entry: &mut Entry, item: &str) -> bool {
    if let Some((_, rest)) = RESTS.iter().find(|(word, _)| item.starts_with(word) && item.len() > word.len()) {
        return entry.rest.replace(*rest).is_none();
    }
    let proof = proof(item);
    let understood = proof.is_some();
    entry.proofs.extend(proof);
    understood
}

fn proof(item: &str) -> Option<Proof> {
    if let Some(step) = item.strip_prefix("step `") {
        return step.strip_suffix("` of `cargo xtask test`").map(|step| Proof::Step(step.to_owned()));
    }
    let (file, name) = item.strip_prefix('`')?.strip_suffix('`')?.split_once("::")?;
    Some(Proof::Test { file: file.to_owned(), name: name.to_owned() })
}
