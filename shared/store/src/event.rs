//! What a webhook event is called, in the log and among the parked.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use recado_domain::ids::InvalidId;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;

/// Names a webhook event: when it was received, and a digest of its queue message. The same queue message
/// has the same name, however often it is delivered or replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    received: i64,
    digest: u128,
}

impl EventId {
    /// The name of the event that was received at this time, in milliseconds since 1970 (0 if that is
    /// unknown), as this queue message.
    pub fn of(received: i64, message: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(message.as_bytes()).into();
        let digest = digest[..16].iter().fold(0, |bits, byte| (bits << 8) | u128::from(*byte));
        Self { received: received.max(0), digest }
    }

    /// When the event was received, in milliseconds since 1970.
    pub const fn received(&self) -> i64 {
        self.received
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let read = || {
            let (received, digest) = text.split_once('-')?;
            let id = Self { received: received.parse().ok()?, digest: u128::from_str_radix(digest, 16).ok()? };
            (id.to_string() == text).then_some(id)
        };
        read().ok_or(InvalidId { kind: "event id", rule: "expected 13 digits, `-` and 32 hexadecimal digits" })
    }

    /// The day it was received, in UTC: `2026-11-20`.
    pub(crate) fn day(&self) -> String {
        let at = Timestamp::from_millisecond(self.received).unwrap_or(Timestamp::MAX);
        at.to_zoned(TimeZone::UTC).date().to_string()
    }

    /// One of so many shards, evenly.
    pub(crate) fn shard(&self, shards: u32) -> u32 {
        u32::try_from(self.digest % u128::from(shards)).expect("a remainder below a u32 is a u32")
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:013}-{:032x}", self.received, self.digest)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for EventId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let text = utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("An event id"))
            .pattern(Some("^[0-9]{13}-[0-9a-f]{32}$"))
            .examples(["1795171200000-0f1e2d3c4b5a69788796a5b4c3d2e1f0"]);
        text.into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for EventId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_one_name_and_one_spelling_of_it() {
        let id = EventId::of(1_795_171_200_000, "text");
        assert_eq!(EventId::parse(&id.to_string()).unwrap(), id);
        assert_eq!(id.day(), "2026-11-20");
        assert_ne!(id, EventId::of(1_795_171_200_000, "texts"));
        assert_ne!(id, EventId::of(1_795_171_200_001, "text"));
        for odd in ["", "1-2", &id.to_string().to_uppercase(), &format!("{id}0"), &format!("+{id}")] {
            assert!(EventId::parse(odd).is_err(), "{odd}");
        }
    }
}
