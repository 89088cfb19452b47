//! Whether a customer wants to be written to (REQUIREMENTS IN-20, CU-05).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// What a customer last said about being written to unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preference {
    /// Whether they want it.
    pub wanted: bool,
    /// When they said so.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// How they said so.
    pub source: PreferenceSource,
}

/// How a customer said what they want.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PreferenceSource {
    /// By a message that holds nothing but a word known for it.
    Keyword,
    /// In WhatsApp's own settings of the conversation.
    WhatsApp,
}

impl Preference {
    /// Whether this is the one to keep of two: the later one; at the same time, the one that says no; of two that say
    /// the same, the keyword.
    pub fn goes_before(&self, other: &Self) -> bool {
        let rank = |preference: &Self| (preference.at, !preference.wanted, Reverse(preference.source));
        rank(self) > rank(other)
    }
}

/// What a message says about being written to, if it says nothing else: `Some(false)` for words like
/// BAJA and STOP, `Some(true)` for words like ALTA. Case, accents' absence, punctuation and white space
/// around the word do not matter.
pub fn keyword(text: &str) -> Option<bool> {
    const NO: [&str; 6] = ["BAJA", "DAR DE BAJA", "STOP", "UNSUBSCRIBE", "DESUSCRIBIR", "CANCELAR SUSCRIPCION"];
    const YES: [&str; 4] = ["ALTA", "START", "SUBSCRIBE", "SUSCRIBIR"];
    // The longest of them has 20 letters; what is much longer says something else.
    if text.len() > 64 {
        return None;
    }
    let letters = text.to_uppercase().replace('Ó', "O");
    let words: Vec<&str> = letters.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let said = words.join(" ");
    let is_in = |words: &[&str]| words.contains(&said.as_str());
    if is_in(&NO) { Some(false) } else { is_in(&YES).then_some(true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_alone_says_yes_or_no_and_a_sentence_says_neither() {
        for (text, said) in [
            ("BAJA", Some(false)),
            (" baja. ", Some(false)),
            ("Dar de  baja!", Some(false)),
            ("¡Stop!", Some(false)),
            ("cancelar suscripción", Some(false)),
            ("Alta", Some(true)),
            ("start", Some(true)),
            ("la presión está baja", None),
            ("STOP please", None),
            ("", None),
        ] {
            assert_eq!(keyword(text), said, "{text:?}");
        }
    }
}
