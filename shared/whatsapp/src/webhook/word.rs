//! Words, ids and names where nothing may fail.

use super::lenient::mend_surrogates;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// An id or a word of Meta's. A number is taken as its digits; anything else, and the empty text, as
/// nothing. Borrowed unless it was written with escapes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word<'a>(Option<Cow<'a, str>>);

impl<'a> Word<'a> {
    pub(super) fn of(raw: &'a RawValue) -> Self {
        let text = raw.get();
        Self(match text.as_bytes() {
            [b'"', ..] => unquoted(text).filter(|text| !text.is_empty()),
            [b'-' | b'0'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => Some(Cow::Borrowed(text)),
            _ => None,
        })
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub(super) fn into_text(self) -> Option<Cow<'a, str>> {
        self.0
    }
}

/// What a JSON string says; halves of surrogate pairs are replaced.
fn unquoted(text: &str) -> Option<Cow<'_, str>> {
    let inside = text.get(1..text.len() - 1)?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str::<String>(&mend_surrogates(text)).ok().map(Cow::Owned)
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Self::of)
    }
}

/// The name of a member. Names that cannot be written otherwise keep their halves of surrogate pairs, as
/// replacement characters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> serde::de::Visitor<'de> for Reader {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_bytes<E>(self, name: &'de [u8]) -> Result<Self::Value, E> {
                Ok(Name(String::from_utf8_lossy(name)))
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(String::from_utf8_lossy(name).into_owned())))
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        // Only as bytes does the reader let half a surrogate pair pass.
        deserializer.deserialize_bytes(Reader)
    }
}
