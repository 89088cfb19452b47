//! What somebody can be found by: their name from the beginning of any of its words, and any part of their phone
//! number (REQUIREMENTS UI-L01).
//!
//! A beginning can be looked up in an index, a part cannot. So a phone is kept under everything that it ends with:
//! whatever part of it somebody types, one of those begins with it.

use crate::contact::Identities;
use crate::ids::WaId;
use crate::phone::match_key_of;
use icu_normalizer::DecomposingNormalizerBorrowed;
use std::fmt;

/// The least that is looked for.
const LEAST_DIGITS: usize = 3;
const LEAST_LETTERS: usize = 2;

/// How many words of a name are looked at, and how many characters from each on. What comes later finds nobody.
const WORDS: usize = 6;
const CHARS: usize = 40;

/// What is looked for, or what somebody is found by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// Digits, as they stand in a number in its country.
    Phone(String),
    /// Words of lower case letters without accents.
    Name(String),
}

/// Too little to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have at least 2 letters of a name, or 3 digits of a phone")]
pub struct TooShort;

impl Term {
    /// What a person means by what they typed: digits, and what people write between them, are part of a phone.
    pub fn parse(text: &str) -> Result<Self, TooShort> {
        let is_of_phone = |c: char| c.is_ascii_digit() || c.is_whitespace() || "+-./()".contains(c);
        if text.chars().all(is_of_phone) {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let part = national(&digits, text.trim_start().starts_with('+'));
            return if part.len() >= LEAST_DIGITS { Ok(Self::Phone(part.to_owned())) } else { Err(TooShort) };
        }
        let name: String = folded(text).chars().take(CHARS).collect();
        if name.chars().count() >= LEAST_LETTERS { Ok(Self::Name(name)) } else { Err(TooShort) }
    }

    /// Everything that somebody with this phone is found by.
    pub fn of_phone(wa_id: &WaId) -> Vec<Self> {
        ends(&digits_of(wa_id)).into_iter().map(Self::Phone).collect()
    }

    /// Everything that somebody of this name is found by.
    pub fn of_name(name: &str) -> Vec<Self> {
        beginnings(&folded(name)).into_iter().map(Self::Name).collect()
    }

    /// The first of what somebody who is known by this now is kept under that begins with this; `None` if it finds
    /// them not.
    pub fn found_under(&self, who: &Identities) -> Option<String> {
        let (all, part) = match self {
            Self::Phone(part) => (ends(&digits_of(who.wa_id.as_ref()?)), part),
            Self::Name(part) => (beginnings(&folded(who.name.as_ref()?.expose())), part),
        };
        all.into_iter().find(|known| known.starts_with(part))
    }

    /// The text, and the part of it that everything that begins with what was asked for has in common with it.
    pub fn key(&self) -> (&'static str, &str, &str) {
        let (kind, text, least) = match self {
            Self::Phone(text) => ("PHONE", text, LEAST_DIGITS),
            Self::Name(text) => ("NAME", text, LEAST_LETTERS),
        };
        let end = text.char_indices().nth(least).map_or(text.len(), |(end, _)| end);
        (kind, &text[..end], text)
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden search term)")
    }
}

/// Of an Argentine number the area code and the subscriber, of any other one all digits.
fn digits_of(wa_id: &WaId) -> String {
    let key = match_key_of(wa_id);
    key.map_or_else(|| wa_id.as_str().to_owned(), |key| key.as_str().trim_start_matches('+').to_owned())
}

/// Everything of some length that digits end with.
fn ends(digits: &str) -> Vec<String> {
    let starts = 0..(digits.len() + 1).saturating_sub(LEAST_DIGITS);
    starts.map(|start| digits[start..].to_owned()).collect()
}

/// Without what is written in front of an Argentine number to call it from elsewhere.
fn national(digits: &str, is_international: bool) -> &str {
    let digits = digits.trim_start_matches('0');
    match digits.strip_prefix("54") {
        Some(rest) if is_international || digits.len() > 10 => rest.strip_prefix('9').unwrap_or(rest),
        _ => digits,
    }
}

/// Without accents, in lower case, with single spaces in place of everything that is neither letter nor digit.
fn folded(text: &str) -> String {
    let apart = DecomposingNormalizerBorrowed::new_nfkd().normalize(text);
    let letters: String = apart.chars().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).collect();
    let words = letters.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().flat_map(char::to_lowercase).collect()
}

/// A folded name from each of its first words on.
fn beginnings(name: &str) -> Vec<String> {
    let starts = name.char_indices().filter(|(place, _)| *place == 0 || name.as_bytes()[place - 1] == b' ');
    let rest = starts.take(WORDS).map(|(place, _)| name[place..].chars().take(CHARS).collect::<String>());
    rest.filter(|rest| rest.chars().count() >= LEAST_LETTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personal::Personal;
    use proptest::prelude::*;

    fn who(phone: &str, name: &str) -> Identities {
        let (wa_id, name) = (WaId::parse(phone).ok(), Some(Personal::new(name.to_owned())));
        Identities { wa_id, name, ..Identities::default() }
    }

    #[test]
    fn a_name_is_found_from_any_word_on_in_any_case_and_with_or_without_accents() {
        let lucia = who("5491155551234", "Lucía  Núñez de Álzaga");
        for typed in ["lu", "LUCÍA", "lucia n", "nunez", "nuñez de al", "de", "álz"] {
            assert!(Term::parse(typed).unwrap().found_under(&lucia).is_some(), "{typed} does not find her");
        }
        for typed in ["ucia", "unez", "lucian", "marta"] {
            assert!(Term::parse(typed).unwrap().found_under(&lucia).is_none(), "{typed} finds her");
        }
        let taller = who("5491155551234", "Taller \"El Ñandú\" 🔧 O'Higgins");
        for typed in ["el ñ", "nandu o", "\"El", "higgins", "o'higgins", "NANDÚ 🔧"] {
            assert!(Term::parse(typed).unwrap().found_under(&taller).is_some(), "{typed} does not find them");
        }
        for typed in ["", " ", "l", "12", "1-2", "+54 9", "🔧🔧"] {
            assert_eq!(Term::parse(typed), Err(TooShort), "{typed:?}");
        }
    }

    #[test]
    fn a_phone_is_found_by_any_part_however_it_is_written() {
        let lucia = who("5491155551234", "L");
        for typed in ["1155551234", "11 5555-1234", "+54 9 11 5555 1234", "5491155551234", "011 5555", "551", "234"] {
            assert!(Term::parse(typed).unwrap().found_under(&lucia).is_some(), "{typed} does not find her");
        }
        for typed in ["5552", "549", "123456"] {
            assert!(Term::parse(typed).unwrap().found_under(&lucia).is_none(), "{typed} finds her");
        }
        assert!(
            Term::parse("0971").unwrap().found_under(&who("260971234567", "Z")).is_some(),
            "a foreign number has all its digits"
        );
    }

    proptest! {
        #[test]
        fn whatever_finds_somebody_begins_something_that_they_are_kept_under(
            phone in "(549[123][0-9]{9}|[1-9][0-9]{6,14})", name in "\\PC{0,30}", typed in "(\\PC{2,6}|[0-9]{3,8})",
        ) {
            let person = who(&phone, &name);
            let kept = [Term::of_phone(person.wa_id.as_ref().unwrap()), Term::of_name(&name)].concat();
            if let Ok(asked) = Term::parse(&typed) {
                let (kind, bucket, text) = asked.key();
                let is_kept = kept.iter().any(|term| {
                    let (its_kind, its_bucket, its_text) = term.key();
                    its_kind == kind && its_bucket == bucket && its_text.starts_with(text)
                });
                prop_assert_eq!(asked.found_under(&person).is_some(), is_kept, "{} of {} {}", typed, phone, name);
            }
            prop_assert!(kept.len() <= 13 + WORDS);
        }
    }
}
