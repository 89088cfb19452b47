//! The registry of identifiers.
//!
//! Ours are prefix-tagged: `tnt_`, `con_`, `cnv_`, `cus_`, `key_`, `msg_`, then the 26 characters in which a
//! ULID is written. Those that name an effect are *derived* from what makes the effect unique (a wamid, a
//! client's own id), so that doing the same thing twice arrives at the same key and a conditional
//! write can tell. Meta's ids are opaque text. None of them can be built without being checked.

use crate::contact::Identities;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// A text that is not the identifier it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {rule}")]
pub struct InvalidId {
    /// The identifier that was expected, such as `conversation id`.
    pub kind: &'static str,
    /// The rule that the text breaks.
    pub rule: &'static str,
}

/// 128 bits that name `parts` and nothing else: the first half of a SHA-256 over the length-prefixed parts.
fn derive(parts: &[&str]) -> u128 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest[..16].iter().fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
}

macro_rules! our_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            /// An id of these 128 bits; the caller brings the randomness.
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits.
            pub const fn to_bits(self) -> u128 {
                self.0
            }

            /// Reads the form that `Display` writes, and no other spelling of it.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { kind: $kind, rule: concat!("expected `", $prefix, "` and 26 characters of Crockford base32") };
                let digits = text.strip_prefix($prefix).ok_or_else(|| invalid.clone())?;
                let id = Self(ulid::Ulid::from_string(digits).map_err(|_| invalid.clone())?.into());
                if id.to_string() == text { Ok(id) } else { Err(invalid) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, ulid::Ulid::from(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                crate::schema::our_id($prefix, $kind)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
    )*};
}

our_ids! {
    /// A key with which a tenant's own systems call the API; not the key itself.
    ApiKeyId = "key_", "key id";
    /// A person who wrote to a tenant, or was written to.
    ContactId = "con_", "contact id";
    /// The conversation of one contact with one of the tenant's numbers.
    ConversationId = "cnv_", "conversation id";
    /// Somebody in the books of a tenant.
    CustomerId = "cus_", "customer id";
    /// A message, inbound or outbound.
    MessageId = "msg_", "message id";
    /// A business that uses the hub.
    TenantId = "tnt_", "tenant id";
}

macro_rules! opaque_ids {
    ($($(#[$doc:meta])* $name:ident, $kind:expr, $debug:ident $(, $example:literal)?;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes 1 to 256 bytes of text without control characters; of a WhatsApp id, digits
            /// only; of a client's own id and of a job's, printable ASCII only.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                check_opaque($kind, &text)?;
                Ok(Self(text))
            }

            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                opaque_ids!(@debug $debug self f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                crate::schema::opaque_id($kind, pattern_of($kind), &[$($example)?], OPAQUE_MAX_BYTES)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
    )*};
    (@debug shown $self:ident $f:ident) => { $f.write_str(&$self.0) };
    (@debug hidden $self:ident $f:ident) => { write!($f, "(hidden, {} bytes)", $self.0.len()) };
}

opaque_ids! {
    /// The Meta app whose secret signed a webhook, by the name the deployment gave it.
    AppKey, "app key", shown, "default";
    /// Meta's business-scoped user id, such as `AR.7092…`; it means a person only within one tenant.
    Bsuid, "business-scoped user id", hidden, "AR.70921846350912837465";
    /// The id a client chose for a message it wants sent once.
    ClientMessageId, CLIENT_MESSAGE_ID, shown, "reply-1";
    /// A job, by the id that the business's own books give it.
    JobId, JOB_ID, shown, "job-1042";
    /// Meta's user id across the business portfolios of one parent, such as `AR.ENT.5061…`; not an address.
    ParentBsuid, "parent business-scoped user id", hidden;
    /// Meta's id of a business phone number; not the number itself.
    PhoneNumberId, "phone number id", shown, "109876543210987";
    /// A person who signs in: the subject of their access token.
    UserId, "user id", shown, "1f0e3dad-9990-4b3a-8b6e-2c0f3a7d5e41";
    /// A phone number as WhatsApp spells it (digits, no plus). Never rewritten.
    WaId, WA_ID, hidden, "5491155551234";
    /// Meta's id of a message template.
    WaTemplateId, "template id", shown, "1026573095658757";
    /// Meta's id of a WhatsApp Business account.
    WabaId, "WhatsApp Business account id", shown, "102938475610293";
    /// Meta's id of a message. The customer's phone number is encoded in it, so it is personal data.
    Wamid, "wamid", hidden, "wamid.HBgNNTQ5MTE1NTU1MTIzNBUCABIYFDNBQTY";
}

const WA_ID: &str = "WhatsApp id";
const CLIENT_MESSAGE_ID: &str = "client message id";
const JOB_ID: &str = "job id";

/// Long enough for every id Meta has been seen to use, short enough for a key.
const OPAQUE_MAX_BYTES: usize = 256;

fn check_opaque(kind: &'static str, text: &str) -> Result<(), InvalidId> {
    let broken = |rule| Err(InvalidId { kind, rule });
    match text {
        "" => broken("it is empty"),
        long if long.len() > OPAQUE_MAX_BYTES => broken("it is longer than 256 bytes"),
        text if text.chars().any(char::is_control) => broken("it contains control characters"),
        // A business-scoped id in a phone's place would be lost without a word (WHATSAPP.md §2.6).
        text if kind == WA_ID && !text.bytes().all(|byte| byte.is_ascii_digit()) => broken("it has other than digits"),
        // So that its length in characters, which a client can be told of, is its length in bytes.
        text if matches!(kind, CLIENT_MESSAGE_ID | JOB_ID) && !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => {
            broken("it has other than printable ASCII characters")
        }
        _ => Ok(()),
    }
}

/// What [`check_opaque`] lets pass, as a regular expression.
#[cfg(feature = "openapi")]
fn pattern_of(kind: &str) -> &'static str {
    match kind {
        WA_ID => "^[0-9]+$",
        CLIENT_MESSAGE_ID | JOB_ID => "^[ -~]+$",
        _ => r"^[^\x00-\x1f\x7f-\x9f]+$",
    }
}

impl MessageId {
    /// The id of the inbound message with this wamid. For a message that we sent ourselves, the id
    /// under which a pointer to it is kept.
    pub fn of_wamid(number: &PhoneNumberId, wamid: &Wamid) -> Self {
        Self(derive(&["wamid", number.as_str(), wamid.as_str()]))
    }

    /// The id of the message that a client asked for under its own id. Asking again gives the same id.
    pub fn of_request(conversation: ConversationId, client: &ClientMessageId) -> Self {
        Self(derive(&["request", &conversation.to_string(), client.as_str()]))
    }
}

impl MessageId {
    /// Stands for the first message of somebody who never wrote, but said what they want.
    pub fn of_preference(number: &PhoneNumberId, who: &Identities, at: Timestamp) -> Self {
        let (phone, id) = (who.wa_id.as_ref().map_or("", WaId::as_str), who.bsuid.as_ref().map_or("", Bsuid::as_str));
        Self(derive(&["preference", number.as_str(), phone, id, &at.as_millisecond().to_string()]))
    }

    /// What decides the order of messages that are equal in everything else.
    pub const fn tie(self) -> u32 {
        (self.0 >> 96) as u32
    }
}

impl AppKey {
    /// The key of a tenant's own Meta app, by Meta's id of it. It names both, so no two tenants share one.
    pub fn of_tenant(tenant: TenantId, meta_id: &str) -> Result<Self, InvalidId> {
        let is_id = (1..=32).contains(&meta_id.len()) && meta_id.bytes().all(|byte| byte.is_ascii_digit());
        let invalid = InvalidId { kind: "app id", rule: "expected 1 to 32 digits" };
        if is_id { Ok(Self(format!("{tenant}.{meta_id}"))) } else { Err(invalid) }
    }

    /// Whether it is the key of an app of this tenant's own.
    pub fn is_of(&self, tenant: TenantId) -> bool {
        self.0.split_once('.').is_some_and(|(whose, _)| whose == tenant.to_string())
    }
}

impl ContactId {
    /// The id of the contact that its first message creates. Derived from that message, so that a
    /// replay creates the same contact, and a recycled phone number a different one.
    pub fn of_first_message(message: MessageId) -> Self {
        Self(derive(&["contact", &message.to_string()]))
    }
}

impl ConversationId {
    /// The conversation of a contact with a number: there is exactly one.
    pub fn between(contact: ContactId, number: &PhoneNumberId) -> Self {
        Self(derive(&["conversation", &contact.to_string(), number.as_str()]))
    }

    /// Where the messages of a group that a number belongs to are kept, apart from all conversations.
    pub fn of_group(number: &PhoneNumberId, group: &str) -> Self {
        Self(derive(&["group", number.as_str(), group]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_reads_back_only_in_the_spelling_it_was_written_in() {
        let id = TenantId::from_bits(42);
        assert_eq!(id.to_string(), "tnt_0000000000000000000000001A");
        assert_eq!(TenantId::parse("tnt_0000000000000000000000001A"), Ok(id));
        for other in [
            "tnt_0000000000000000000000001a",
            "con_0000000000000000000000001A",
            "tnt_",
            "",
            "tnt_8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        ] {
            assert!(TenantId::parse(other).is_err(), "{other:?} was accepted as a tenant id");
        }
    }

    #[test]
    fn an_opaque_id_refuses_nothing_too_much_and_line_breaks() {
        assert!(Wamid::parse("wamid.HBgNNTQ5").is_ok());
        for bad in [String::new(), "x".repeat(257), "a\nb".to_owned()] {
            assert!(Wamid::parse(bad.clone()).is_err(), "{bad:?} was accepted as a wamid");
        }
    }

    #[test]
    fn a_whatsapp_id_has_digits_only_so_that_no_other_id_can_stand_in_a_phones_place() {
        assert!(WaId::parse("5491155551234").is_ok());
        for other in ["AR.70921846350912837465", "+5491155551234", "549 11"] {
            assert!(WaId::parse(other).is_err(), "{other:?} was accepted as a WhatsApp id");
        }
    }

    #[test]
    fn a_clients_own_id_is_as_many_bytes_long_as_characters() {
        assert!(ClientMessageId::parse("pedido 7/b").is_ok());
        for other in ["pedido-ñ", "a\tb"] {
            assert!(ClientMessageId::parse(other).is_err(), "{other:?} was accepted as a client message id");
        }
    }

    #[test]
    fn personal_ids_do_not_show_in_debug() {
        let wamid = Wamid::parse("wamid.5491155551234").unwrap();
        assert!(!format!("{wamid:?}").contains("549"), "the wamid shows in {wamid:?}");
    }

    #[test]
    fn the_same_wamid_on_two_numbers_names_two_messages() {
        let wamid = Wamid::parse("wamid.A").unwrap();
        let [one, two] = ["1", "2"].map(|number| PhoneNumberId::parse(number).unwrap());
        assert_ne!(MessageId::of_wamid(&one, &wamid), MessageId::of_wamid(&two, &wamid));
    }

    #[test]
    fn an_app_of_a_tenants_own_names_the_tenant_and_no_path() {
        let (tenant, other) = (TenantId::from_bits(1), TenantId::from_bits(2));
        let key = AppKey::of_tenant(tenant, "670123456789").unwrap();
        assert_eq!(key.as_str(), "tnt_00000000000000000000000001.670123456789");
        assert!(key.is_of(tenant) && !key.is_of(other));
        assert!(!AppKey::parse("default").unwrap().is_of(tenant));
        for bad in ["", "1/2", "x", "1.2", &"1".repeat(33)] {
            assert!(AppKey::of_tenant(tenant, bad).is_err(), "{bad:?} was taken for an app id");
        }
    }

    proptest! {
        #[test]
        fn every_id_survives_being_written_and_read(bits: u128) {
            let id = MessageId::from_bits(bits);
            prop_assert_eq!(MessageId::parse(&id.to_string()), Ok(id));
        }

        #[test]
        fn moving_text_between_two_parts_names_something_else(a in "[a-z]{1,8}", b in "[a-z]{1,8}") {
            prop_assert_ne!(derive(&[&a, &b]), derive(&[&format!("{a}{b}")]));
            prop_assert_ne!(derive(&[&a, &b]), derive(&[&format!("{a}{b}"), ""]));
        }
    }
}
