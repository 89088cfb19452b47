//! The place of a message in its conversation.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Where a message stands in its conversation: by Meta's timestamp first, then by when it was
/// received, then by its position in the webhook that brought it, and at the very last by its id.
///
/// Meta delivers in any order and its timestamps are whole seconds, so the order of arrival only
/// decides between messages of the same second. No two messages stand at the same place: which of
/// them is the newest must not depend on which was stored first. `Display` writes a fixed-width text whose
/// alphabetical order is this order (for times from 1970 to 2286).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageOrder {
    /// Meta's timestamp, in seconds since 1970; for an outbound message, when it was asked for.
    pub timestamp: i64,
    /// When the webhook was received, in milliseconds since 1970.
    pub received: i64,
    /// The position in the webhook, from 0.
    pub position: u32,
    /// Decides when everything else is equal; taken from the message's id.
    pub tie: u32,
}

impl MessageOrder {
    /// Before every message.
    pub const FIRST: Self = Self { timestamp: 0, received: 0, position: 0, tie: 0 };

    /// Behind every message, as far as orders are written.
    pub const LAST: Self =
        Self { timestamp: 9_999_999_999, received: 9_999_999_999_999, position: 999_999, tie: u32::MAX };

    /// The place of a message that is written here and now, in a conversation whose last message
    /// stands at `last`: after it, however far Meta's clock is ahead of ours, and even within the
    /// same millisecond.
    pub fn of_outbound(now: Timestamp, last: Self) -> Self {
        let here = Self { timestamp: now.as_second(), received: now.as_millisecond(), position: 0, tie: 0 };
        let not_before = Self { timestamp: here.timestamp.max(last.timestamp), ..here };
        if not_before > last { not_before } else { Self { position: last.position + 1, tie: 0, ..last } }
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let order = Self {
            timestamp: parts.next()?.parse().ok()?,
            received: parts.next()?.parse().ok()?,
            position: parts.next()?.parse().ok()?,
            tie: u32::from_str_radix(parts.next()?, 16).ok()?,
        };
        (order.to_string() == text).then_some(order)
    }
}

impl fmt::Display for MessageOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { timestamp, received, position, tie } = self;
        write!(f, "{:010}.{:013}.{position:06}.{tie:08x}", timestamp.max(&0), received.max(&0))
    }
}

impl Serialize for MessageOrder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).ok_or_else(|| {
            serde::de::Error::custom("not a message order of the form `seconds.milliseconds.position.tie`")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_order() -> impl Strategy<Value = MessageOrder> {
        (0..9_999_999_999_i64, 0..9_999_999_999_999_i64, 0..999_999_u32, any::<u32>())
            .prop_map(|(timestamp, received, position, tie)| MessageOrder { timestamp, received, position, tie })
    }

    #[test]
    fn a_reply_stands_after_the_message_it_answers_even_if_metas_clock_is_ahead() {
        let question = MessageOrder { timestamp: 1_000_005, received: 1_000_000_000, position: 0, tie: 7 };
        let now = Timestamp::from_millisecond(1_000_002_000).unwrap();
        assert!(MessageOrder::of_outbound(now, question) > question);
        let at_once = MessageOrder { timestamp: 1_000_002, received: 1_000_002_000, position: 0, tie: 7 };
        assert!(MessageOrder::of_outbound(now, at_once) > at_once, "in the same millisecond");
    }

    proptest! {
        #[test]
        fn the_written_form_sorts_as_the_order_does(a in any_order(), b in any_order()) {
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        }

        #[test]
        fn the_written_form_reads_back(order in any_order()) {
            prop_assert_eq!(MessageOrder::parse(&order.to_string()), Some(order));
        }
    }
}
