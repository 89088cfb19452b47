//! E-mail addresses as people type them.

use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// An e-mail address in lower case, so that two spellings of one are equal.
///
/// The part before the `@` could be told apart by case, but no provider does, and people do not either.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Email(String);

/// The rule that a typed e-mail address breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmail {
    /// It is not of the form `name@host`.
    #[error("an e-mail address has something on both sides of one @")]
    At,
    /// There is something in it that does not belong there.
    #[error("an e-mail address has no spaces, control characters, commas, semicolons, double quotes or brackets")]
    Character,
    /// What comes after the `@` is no host.
    #[error("after the @ comes a host such as example.com")]
    Host,
    /// It is longer than any address (RFC 5321 §4.5.3.1: 64 before the `@`, 254 in all).
    #[error("an e-mail address has at most 64 bytes before the @ and 254 in all")]
    Length,
}

impl Email {
    /// Reads an address as a person types it. White space around it does not matter.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let address = text.trim().to_lowercase();
        if address.chars().any(|c| c.is_whitespace() || c.is_control() || ",;:\"()<>[]\\".contains(c)) {
            return Err(InvalidEmail::Character);
        }
        let (name, host) = address.split_once('@').ok_or(InvalidEmail::At)?;
        if name.is_empty() || host.is_empty() || host.contains('@') {
            return Err(InvalidEmail::At);
        }
        if name.len() > 64 || address.len() > 254 {
            return Err(InvalidEmail::Length);
        }
        let is_label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        if !host.contains('.') || !host.split('.').all(is_label) {
            return Err(InvalidEmail::Host);
        }
        Ok(Self(address))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden e-mail)")
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_address_are_equal_and_do_not_show() {
        let email = Email::parse("  Lucia.Fernandez+casa@Correo.Example ").unwrap();
        assert_eq!(email.as_str(), "lucia.fernandez+casa@correo.example");
        assert_eq!(email, Email::parse("LUCIA.FERNANDEZ+CASA@CORREO.EXAMPLE").unwrap());
        assert!(Email::parse("siobhan.o'brien@correo.example").is_ok(), "an apostrophe is in many names");
        assert!(!format!("{email:?}").contains("lucia"), "the address shows in {email:?}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, rule) in [
            ("", InvalidEmail::At),
            ("lucia", InvalidEmail::At),
            ("@correo.example", InvalidEmail::At),
            ("lucia@", InvalidEmail::At),
            ("a@b@correo.example", InvalidEmail::At),
            ("lu cia@correo.example", InvalidEmail::Character),
            ("a@x.example,b@x.example", InvalidEmail::Character),
            ("<lucia@correo.example>", InvalidEmail::Character),
            ("lucia@correo", InvalidEmail::Host),
            ("lucia@.example", InvalidEmail::Host),
            ("lucia@-correo.example", InvalidEmail::Host),
        ] {
            assert_eq!(Email::parse(text), Err(rule), "{text:?}");
        }
        let long = format!("{}@correo.example", "a".repeat(65));
        assert_eq!(Email::parse(&long), Err(InvalidEmail::Length));
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back(text in "\\PC{0,20}@\\PC{1,20}\\.[a-z]{2,5}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
            }
        }
    }
}
