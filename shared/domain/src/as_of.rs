//! Newest wins, in whatever order the news arrives.
//!
//! What Meta says about templates, numbers and accounts replaces what it said before. It arrives in any
//! order and more than once, so each aspect of a thing is kept together with the moment it was told of
//! ([`Told`]), and gives way only to what has a greater [`AsOf`]. The greatest of a set does not depend on
//! the order in which the set was seen, nor on how often.

use crate::status::Learned;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;

/// The place of a piece of news among all that was told of the same aspect.
///
/// First the time that Meta gave the event, in whole seconds. Of two in the same second, the one that
/// weighs more; its author says what that means, and it is the one that is safer to believe. The rest is
/// decided by a digest of the payload, which means nothing but makes the choice the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AsOf {
    second: i64,
    weight: u8,
    digest: u64,
}

impl AsOf {
    /// The place of an event of this time that said `payload`.
    pub fn new(at: Timestamp, weight: u8, payload: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(payload.as_bytes()).into();
        let digest = digest[..8].iter().fold(0, |bits, byte| (bits << 8) | u64::from(*byte));
        Self { second: at.as_second().max(0), weight, digest }
    }

    /// When it was so.
    pub fn at(self) -> Timestamp {
        Timestamp::from_second(self.second).expect("it was taken from a timestamp")
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let second = parts.next()?.parse().ok().filter(|second| Timestamp::from_second(*second).is_ok())?;
        let (weight, digest) = (parts.next()?.parse().ok()?, u64::from_str_radix(parts.next()?, 16).ok()?);
        let as_of = Self { second, weight, digest };
        (as_of.to_string() == text).then_some(as_of)
    }
}

/// Written so that the texts sort as the places do.
impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}.{:03}.{:016x}", self.second, self.weight, self.digest)
    }
}

impl Serialize for AsOf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AsOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a second, a weight and a digest"))
    }
}

/// One aspect of something, as it was last told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told<T> {
    /// The place of the news that told it.
    pub as_of: AsOf,
    /// What it told.
    #[serde(flatten)]
    pub value: T,
}

impl<T> Told<T> {
    /// Takes its place, unless what stands there is as new or newer.
    pub fn settle(self, place: &mut Option<Self>) -> Learned {
        match place {
            Some(known) if known.as_of >= self.as_of => Learned::Known,
            _ => {
                *place = Some(self);
                Learned::News
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_as_of() -> impl Strategy<Value = AsOf> {
        // Few of each, so that they are often equal; and some far apart.
        let second = prop_oneof![0..3_i64, Just(1_795_171_200), Just(Timestamp::MAX.as_second())];
        let digest = prop_oneof![0..3_u64, any::<u64>()];
        (second, prop_oneof![0..3_u8, any::<u8>()], digest).prop_map(|(second, weight, digest)| AsOf {
            second,
            weight,
            digest,
        })
    }

    #[test]
    fn a_time_before_1970_is_taken_for_1970_so_that_texts_still_sort() {
        let early = AsOf::new(Timestamp::from_second(-5).unwrap(), 0, "");
        assert_eq!(early.at(), Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn the_second_goes_before_the_weight_and_the_weight_before_the_payload() {
        let of = |second, weight, payload| AsOf::new(Timestamp::from_second(second).unwrap(), weight, payload);
        assert!(of(2, 0, "a") > of(1, 9, "a"), "a later second is newer, whatever it weighs");
        assert!(of(1, 2, "a") > of(1, 1, "b") && of(1, 2, "b") > of(1, 1, "a"), "then the weight decides");
        assert_ne!(of(1, 1, "a"), of(1, 1, "b"), "two payloads have two places");
        assert_eq!(of(1, 1, "a"), of(1, 1, "a"), "a duplicate has the same place");
    }

    proptest! {
        #[test]
        fn the_written_form_sorts_as_the_places_do_and_reads_back(a in any_as_of(), b in any_as_of()) {
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
            prop_assert_eq!(AsOf::parse(&a.to_string()), Some(a));
        }
    }
}
