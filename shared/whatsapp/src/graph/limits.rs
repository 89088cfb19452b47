//! What a draft must keep to, and how a broken rule is told.

use crate::Invalid;
use reqwest::Url;
use std::fmt;

pub(super) type Checked = Result<(), Invalid>;

/// A place in a message. Its path is only written out when a rule is broken.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

impl<'a> Field<'a> {
    pub(super) const fn root(name: &'a str) -> Self {
        Self { parent: None, step: Step::Name(name) }
    }

    pub(super) const fn at(&'a self, name: &'a str) -> Self {
        Field { parent: Some(self), step: Step::Name(name) }
    }

    pub(super) const fn nth(&'a self, index: usize) -> Self {
        Field { parent: Some(self), step: Step::Index(index) }
    }

    /// Fails with `rule` unless it holds.
    pub(super) fn must(&self, holds: bool, rule: impl fmt::Display) -> Checked {
        if holds { Ok(()) } else { Err(Invalid::new(self.to_string(), rule.to_string())) }
    }

    /// A text that says something, of at most `most` characters. Meta counts Unicode scalar values.
    pub(super) fn text(&self, text: &str, most: usize) -> Checked {
        self.must(!text.trim().is_empty(), "must not be empty")?;
        self.must(fits(text, most), format_args!("at most {most} characters"))
    }

    /// As [`Field::text`], for a text that may be missing.
    pub(super) fn optional_text(&self, text: Option<&str>, most: usize) -> Checked {
        text.map_or(Ok(()), |text| self.text(text, most))
    }

    /// Between `least` and `most` things.
    pub(super) fn count(&self, count: usize, least: usize, most: usize, things: &str) -> Checked {
        self.must(count >= least, format_args!("at least {least}"))?;
        // The first one too many is the one to point at.
        self.nth(most).must(count <= most, format_args!("at most {most} {things}"))
    }

    /// An https link with a host, of at most 2,000 characters (what a URL button takes).
    pub(super) fn link(&self, link: &str) -> Checked {
        let url = Url::parse(link).ok().filter(|url| url.scheme() == "https" && url.has_host());
        self.must(url.is_some(), "must be an https link")?;
        self.must(fits(link, 2000), "at most 2000 characters")
    }

    /// No two of these are equal; `things` says which of them.
    pub(super) fn unique<'t>(&self, name: &str, values: impl IntoIterator<Item = &'t str>) -> Checked {
        let mut seen = std::collections::BTreeSet::new();
        for (index, value) in values.into_iter().enumerate() {
            self.nth(index).at(name).must(seen.insert(value), "must be unique")?;
        }
        Ok(())
    }
}

/// Whether a text has at most `most` characters.
pub(super) fn fits(text: &str, most: usize) -> bool {
    text.len() <= most || text.chars().nth(most).is_none()
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match (self.step, self.parent) {
            (Step::Index(index), _) => write!(f, "[{index}]"),
            (Step::Name(name), None) => f.write_str(name),
            (Step::Name(name), Some(_)) => write!(f, ".{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_a_person_would_write_it() {
        let root = Field::root("interactive");
        let action = root.at("action");
        let error = action.at("buttons").count(4, 1, 3, "buttons").unwrap_err();
        assert_eq!(error.to_string(), "interactive.action.buttons[3]: at most 3 buttons");
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        assert!(fits("ñandú", 5));
        assert!(!fits("ñandú", 4));
        assert!(fits("👍🏽", 2), "an emoji with a skin tone is two characters");
    }
}
