//! Webhook payloads, read leniently.
//!
//! [`split()`] takes a verified body apart into single items without interpreting them, so that a
//! malformed or unknown item never hurts its neighbours. [`message`] and [`status`] read one item, and
//! [`change`] reads the value of any field.
//!
//! Every field but the ids is optional, numbers may come as strings and strings as numbers, and what
//! we do not know is kept as Meta sent it: each model has a `rest`, and writing it gives back all that
//! was read. How that is done is told in [`lenient`].

pub mod account;
pub mod call;
pub mod change;
pub mod coexistence;
pub mod contact;
pub mod handover;
pub mod lenient;
pub mod message;
mod object;
pub mod preference;
pub mod split;
pub mod status;
pub mod template;
#[cfg(test)]
mod tests;
mod word;

pub use split::split;

/// JSON that cannot be read: what is wrong, and where.
///
/// Unlike the parser's own error it never quotes the JSON, because that is personal data and this ends
/// up in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(Problem);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("{problem} at line {line}, column {column}")]
    Json { problem: &'static str, line: usize, column: usize },
    #[error("`{0}` is missing or cannot be read")]
    Missing(&'static str),
}

impl Unreadable {
    pub(crate) const fn missing(field: &'static str) -> Self {
        Self(Problem::Missing(field))
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        let problem = match error.classify() {
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "not JSON",
            serde_json::error::Category::Data => "not of the expected form",
            serde_json::error::Category::Eof => "incomplete",
        };
        Self(Problem::Json { problem, line: error.line(), column: error.column() })
    }
}

/// A word of Meta's vocabulary that we do not know, if it looks like one, as `request_welcome` and
/// `TIER_2K` do; personal data does not.
pub fn word(text: &str) -> &str {
    let small = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_word =
        text.bytes().all(small) || text.bytes().all(capital) && !text.starts_with(|c: char| c.is_ascii_digit());
    if is_word && (1..=64).contains(&text.len()) { text } else { "(not a word)" }
}
