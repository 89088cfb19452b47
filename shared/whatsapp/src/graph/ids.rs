//! Meta's ids that only this client deals in.

use recado_domain::ids::InvalidId;
use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes 1 to 256 letters, digits, `_`, `-` or `.`: an id stands in the path of a call.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
                if (1..=256).contains(&text.len()) && text.bytes().all(is_plain) && text.bytes().any(|byte| byte != b'.') {
                    Ok(Self(text))
                } else {
                    Err(InvalidId { kind: $kind, rule: "expected 1 to 256 letters, digits, `_`, `-` or `.`" })
                }
            }

            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// Meta's id of an app.
    AppId, "app id";
    /// Meta's id of an uploaded or received file. Received ones live 7 days, uploaded ones 30 (WHATSAPP.md §2.8).
    MediaId, "media id";
    /// Meta's id of one translation of a template.
    TemplateId, "template id";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_change_the_path_it_stands_in() {
        assert!(MediaId::parse("1234567890123456").is_ok());
        for bad in ["", ".", "..", "1/2", "1?x=2", "1#", "1 2", "ñ", "%2e"] {
            assert!(MediaId::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
