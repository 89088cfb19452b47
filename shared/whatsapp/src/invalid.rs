//! A limit of Meta's that something would break.

use std::borrow::Cow;
use std::fmt;

/// What is wrong with which field: found before Meta is asked, so that a person can be told both.
///
/// Never quotes the value: it may be personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The path of the field, such as `interactive.action.buttons[3]`.
    pub field: String,
    /// The rule that it breaks, such as `at most 3 buttons`.
    pub rule: Cow<'static, str>,
}

impl Invalid {
    /// This field breaks this rule.
    pub fn new(field: impl Into<String>, rule: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), rule: rule.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.rule)
    }
}

impl std::error::Error for Invalid {}

/// Several findings about one thing, each under the path of the part it is about.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Invalid>);

impl Findings {
    pub(crate) fn add(&mut self, field: impl Into<String>, rule: impl Into<Cow<'static, str>>) {
        self.0.push(Invalid::new(field, rule));
    }

    /// Adds the rule unless it is kept.
    pub(crate) fn require(&mut self, kept: bool, field: &str, rule: impl Into<Cow<'static, str>>) {
        if !kept {
            self.add(field, rule);
        }
    }

    pub(crate) fn into_result(self) -> Result<(), Vec<Invalid>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}
