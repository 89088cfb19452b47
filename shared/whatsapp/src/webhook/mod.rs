//! Webhook payloads, read leniently.
//!
//! [`split()`] takes a verified body apart into single items without interpreting them, so that a
//! malformed or unknown item never hurts its neighbours. [`message`] and [`status`] read one item.
//! Every field but the ids is optional, numbers may come as strings and strings as numbers, and
//! what we do not know is kept as Meta sent it.

pub mod message;
pub mod split;
pub mod status;

pub use split::split;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

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
    Ok(Option::<String>::deserialize(deserializer)?.and_then(parse))
}
