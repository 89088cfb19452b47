//! Webhook payloads, read leniently.
//!
//! [`split()`] takes a verified body apart into single items without interpreting them, so that a
//! malformed or unknown item never hurts its neighbours. [`message`] and [`status`] read one item.
//! Every field but the ids is optional, numbers may come as strings and strings as numbers, and
//! what we do not know is kept as Meta sent it.

pub mod message;
pub mod split;
pub mod status;
mod word;

pub use split::split;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// JSON that cannot be read: what is wrong, and where.
///
/// Unlike the parser's own error it never quotes the JSON, because that is personal data and this ends
/// up in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at line {line}, column {column}")]
pub struct Unreadable {
    problem: &'static str,
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        let problem = match error.classify() {
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "not JSON",
            serde_json::error::Category::Data => "not of the expected form",
            serde_json::error::Category::Eof => "incomplete",
        };
        Self { problem, line: error.line(), column: error.column() }
    }
}

/// A word of Meta's vocabulary that we do not know, if it looks like one; personal data does not.
pub fn word(text: &str) -> &str {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    match text.len() {
        1..=64 if text.bytes().all(is_word) => text,
        _ => "(not a word)",
    }
}

/// A whole number that Meta writes as a string in most places and as a number in others.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText<'a> {
    Number(i64),
    #[serde(borrow)]
    Text(std::borrow::Cow<'a, str>),
}

/// Reads Meta's unix seconds, written either way.
fn unix_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let seconds = match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Number(seconds) => seconds,
        NumberOrText::Text(text) => text.parse().map_err(serde::de::Error::custom)?,
    };
    Timestamp::from_second(seconds).map_err(serde::de::Error::custom)
}

/// Reads an optional id. Absent, `null` and empty all mean that there is none, and so does a text
/// that cannot be an id: an odd id must not cost us the message.
fn lenient_id<'de, D, T>(deserializer: D, parse: impl FnOnce(String) -> Option<T>) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = match Option::<NumberOrText<'_>>::deserialize(deserializer)? {
        Some(NumberOrText::Text(text)) => text.into_owned(),
        Some(NumberOrText::Number(number)) => number.to_string(),
        None => return Ok(None),
    };
    Ok(parse(text))
}
