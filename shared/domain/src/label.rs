//! What people call a conversation, to find it again.

use serde::{Deserialize, Deserializer, Serialize};

/// How many labels a conversation may have. It is read and written with every message, so they are few and short.
pub const MAX_LABELS: usize = 10;

/// The most characters of a label.
pub const MAX_LABEL_CHARS: usize = 30;

/// A word or two, such as `presupuesto`. Case matters; there is no white space around it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Label(String);

/// The rule that a label breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a label has 1 to 30 characters, no control characters, and no spaces around it")]
pub struct InvalidLabel;

impl Label {
    /// Takes a label as it is.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidLabel> {
        let text = text.into();
        let fits = (1..=MAX_LABEL_CHARS).contains(&text.chars().count());
        if fits && text.trim() == text && !text.chars().any(char::is_control) {
            Ok(Self(text))
        } else {
            Err(InvalidLabel)
        }
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_short_and_shows_as_it_is() {
        for text in ["urgente", "Año 2026", "á", &"x".repeat(MAX_LABEL_CHARS)] {
            assert_eq!(Label::parse(text).map(|label| label.as_str().to_owned()), Ok(text.to_owned()));
        }
        for text in ["", " ", " urgente", "urgente ", "ur\ngente", &"x".repeat(MAX_LABEL_CHARS + 1)] {
            assert_eq!(Label::parse(text), Err(InvalidLabel), "{text:?} passed for a label");
        }
    }
}
