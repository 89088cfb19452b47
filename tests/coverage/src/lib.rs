#![doc = include_str!("../README.md")]

mod entries;
mod ranges;
mod sources;
#[cfg(test)]
mod tests;

use entries::{Entry, Proof, Rest};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// How many requirements stand how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Tests prove them.
    pub proven: usize,
    /// Tests prove a part, and the rest is named.
    pub partly: usize,
    /// They come later.
    pub planned: usize,
    /// Nothing about them can be tested.
    pub noted: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proven, partly, planned, noted } = self;
        let all = proven + partly + planned + noted;
        write!(f, "{all} requirements: {proven} proven, {partly} partly, {planned} planned, {noted} notes")
    }
}

/// Reads the lists in a folder.
///
/// # Errors
///
/// If the folder or one of its files cannot be read.
pub fn read(folder: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut lists = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            lists.push((name, std::fs::read_to_string(&path)?));
        }
    }
    lists.sort();
    Ok(lists)
}

/// Checks lists, given as file name and text, against their own ranges and against the sources.
///
/// `source` returns the text of a file of the repository.
///
/// # Errors
///
/// Everything that is wrong with the lists, each in a line that names the requirement.
pub fn check(lists: &[(String, String)], source: impl Fn(&str) -> Option<String>) -> Result<Counts, Vec<String>> {
    let mut faults = Vec::new();
    let mut entries = Vec::new();
    let mut asked_for = Vec::new();
    for (name, text) in lists {
        match name.as_str() {
            ranges::FILE => asked_for.extend(ranges::ids(text, &mut faults)),
            _ => entries.extend(entries::read(name, text, &mut faults)),
        }
    }

    let mut places: BTreeMap<&str, &Entry> = BTreeMap::new();
    for entry in &entries {
        let Entry { id, place, .. } = entry;
        if !asked_for.contains(id) {
            faults.push(format!("{id} ({place}) lies outside of the ranges in {}", ranges::FILE));
        }
        if let Some(other) = places.insert(id, entry) {
            faults.push(format!("{id} stands twice: {} and {place}", other.place));
        }
    }
    for id in asked_for.iter().filter(|id| !places.contains_key(id.as_str())) {
        faults.push(format!("{id} is neither mapped to tests nor planned nor noted: no list names it"));
    }

    let mut counts = Counts::default();
    for entry in &entries {
        count(entry, &mut counts, &mut faults);
        for proof in &entry.proofs {
            if let Some(missing) = missing(proof, &source) {
                faults.push(format!("{} ({}) names {missing}", entry.id, entry.place));
            }
        }
    }
    if faults.is_empty() { Ok(counts) } else { Err(faults) }
}

fn count(entry: &Entry, counts: &mut Counts, faults: &mut Vec<String>) {
    let Entry { id, place, proofs, rest } = entry;
    match (proofs.is_empty(), rest) {
        (false, None) => counts.proven += 1,
        (false, Some(Rest::Open)) => counts.partly += 1,
        (true, Some(Rest::Planned)) => counts.planned += 1,
        (true, Some(Rest::Note)) => counts.noted += 1,
        (true, None) => faults.push(format!("{id} ({place}) is neither mapped to tests nor planned nor noted")),
        (true, Some(Rest::Open)) => {
            faults.push(format!("{id} ({place}) is open and names no test: then it is planned"));
        }
        (false, Some(Rest::Planned | Rest::Note)) => {
            faults.push(format!("{id} ({place}) names tests: what is missing beside them is open"));
        }
    }
}

/// What a proof names and the sources do not have.
fn missing(proof: &Proof, source: impl Fn(&str) -> Option<String>) -> Option<String> {
    match proof {
        Proof::Test { file, name } => match source(file) {
            None => Some(format!("{file}, and there is no such file")),
            Some(text) if sources::has_test(&text, name) => None,
            Some(_) => Some(format!("{file}::{name}, and there is no such test")),
        },
        Proof::Step(step) => {
            let steps = source(sources::STEPS).unwrap_or_default();
            let found = sources::has_step(&steps, step);
            (!found).then(|| format!("the step {step}, and {} has no such step", sources::STEPS))
        }
    }
}
