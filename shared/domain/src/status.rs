//! What state a message is in.
//!
//! Meta reports states in any order, more than once, sometimes skipping some, sometimes
//! contradicting itself (WHATSAPP.md §2.3). So a message does not *have* a state that events move:
//! it has the set of everything ever heard about it, each with its earliest time, and its state is
//! read off that set. Adding to a set is commutative and idempotent, hence every order of arrival
//! ends in the same state.

use crate::personal::Personal;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A state of a message.
///
/// **The order of the variants is the rule**: of everything heard, the last variant is the state.
/// `Failed` stands between `Sent` and `Delivered`, because a failure ends what was only sent, but a
/// message that reached the phone did not fail, whatever else was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MessageStatus {
    /// Inbound: we have it.
    Received,
    /// To be sent at a later time.
    Scheduled,
    /// To be sent now.
    Pending,
    /// Claimed by a sender; the answer is awaited.
    Sending,
    /// Meta may or may not have it: the answer was lost. Only a status, or a person, can tell.
    Unknown,
    /// Meta accepted it.
    Sent,
    /// It will not arrive.
    Failed,
    /// It is on the customer's phone.
    Delivered,
    /// The customer has seen it.
    Read,
    /// The customer has listened to it (voice messages).
    Played,
}

impl MessageStatus {
    /// Every status, in order.
    pub const ALL: [Self; 10] = [
        Self::Received,
        Self::Scheduled,
        Self::Pending,
        Self::Sending,
        Self::Unknown,
        Self::Sent,
        Self::Failed,
        Self::Delivered,
        Self::Read,
        Self::Played,
    ];

    /// The name in the API and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "RECEIVED",
            Self::Scheduled => "SCHEDULED",
            Self::Pending => "PENDING",
            Self::Sending => "SENDING",
            Self::Unknown => "UNKNOWN",
            Self::Sent => "SENT",
            Self::Failed => "FAILED",
            Self::Delivered => "DELIVERED",
            Self::Read => "READ",
            Self::Played => "PLAYED",
        }
    }

    /// The state that one of Meta's status words reports; `None` for a word we do not know.
    pub fn of_meta(word: &str) -> Option<Self> {
        Some(match word {
            "sent" => Self::Sent,
            "delivered" => Self::Delivered,
            "read" => Self::Read,
            "played" => Self::Played,
            "failed" => Self::Failed,
            _ => return None,
        })
    }
}

/// Why a message failed, in Meta's terms.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryError {
    /// Meta's error code (WHATSAPP.md §2.9); `None` where Meta gave none, or was not asked.
    pub code: Option<i64>,
    /// Meta's short title.
    pub title: Option<String>,
    /// Meta's message. It may quote what was sent.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub message: Option<Personal<String>>,
    /// Meta's details. As above.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub details: Option<Personal<String>>,
}

/// One thing heard about a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// When it became so.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// Why, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<DeliveryError>,
}

impl Fact {
    /// Something that simply became so.
    pub const fn at(at: Timestamp) -> Self {
        Self { at, error: None }
    }

    /// Whether this fact is the one to keep of two about the same status: the earlier one. At the same
    /// time the one that gives a reason; of two reasons the smaller, which means nothing but makes the
    /// choice the same in every order of arrival.
    fn goes_before(&self, other: &Self) -> bool {
        let place = |fact: &Self| (fact.at, fact.error.is_none());
        (place(self), &self.error) < (place(other), &other.error)
    }
}

/// Everything heard about a message: the earliest fact of each status, and so the same set in whatever
/// order it was heard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct States(BTreeMap<MessageStatus, Fact>);

/// Whether being told something changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// It was news.
    News,
    /// It was known already, or something that goes before it was.
    Known,
}

impl States {
    /// A message about which only this is known.
    pub fn new(status: MessageStatus, at: Timestamp) -> Self {
        Self(BTreeMap::from([(status, Fact::at(at))]))
    }

    /// Adds what was heard. The earliest fact of a status is the one that is kept.
    pub fn learn(&mut self, status: MessageStatus, fact: Fact) -> Learned {
        match self.0.get(&status) {
            Some(known) if !fact.goes_before(known) => Learned::Known,
            _ => {
                self.0.insert(status, fact);
                Learned::News
            }
        }
    }

    /// The state, and since when; `None` for a message about which nothing is known.
    pub fn current(&self) -> Option<(MessageStatus, Timestamp)> {
        self.0.last_key_value().map(|(status, fact)| (*status, fact.at))
    }

    /// Every state the message went through, in their natural order, each with its time.
    pub fn history(&self) -> impl Iterator<Item = (MessageStatus, Timestamp)> {
        self.0.iter().map(|(status, fact)| (*status, fact.at))
    }

    /// Why it failed, if failed is what it is.
    pub fn error(&self) -> Option<&DeliveryError> {
        let (status, fact) = self.0.last_key_value()?;
        fact.error.as_ref().filter(|_| *status == MessageStatus::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::MessageStatus::*;
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Fact {
        Fact::at(Timestamp::from_second(second).unwrap())
    }

    fn current(heard: &[MessageStatus]) -> MessageStatus {
        let mut states = States::default();
        for (second, status) in (0..).zip(heard) {
            states.learn(*status, at(second));
        }
        states.current().unwrap().0
    }

    #[test]
    fn all_lists_the_statuses_in_their_order() {
        assert!(MessageStatus::ALL.is_sorted(), "`ALL` must follow the order of the variants");
        for status in MessageStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }

    #[test]
    fn late_news_never_moves_a_message_back() {
        assert_eq!(current(&[Pending, Read, Sent, Delivered]), Read);
        assert_eq!(current(&[Unknown, Sent]), Sent);
        assert_eq!(current(&[Sent, Unknown]), Sent);
    }

    #[test]
    fn a_failure_ends_what_was_only_sent_and_nothing_that_arrived() {
        assert_eq!(current(&[Pending, Sent, Failed]), Failed);
        assert_eq!(current(&[Delivered, Failed]), Delivered);
        assert_eq!(current(&[Failed, Read]), Read);
    }

    #[test]
    fn a_failure_is_explained_only_while_it_stands() {
        let mut states = States::default();
        let error = DeliveryError { code: Some(131_026), ..DeliveryError::default() };
        states.learn(Failed, Fact { error: Some(error.clone()), ..at(1) });
        assert_eq!(states.error(), Some(&error));
        states.learn(Delivered, at(2));
        assert_eq!(states.error(), None);
    }

    /// The merge rule of WHATSAPP.md §2.3 in its own words, without the order of the variants.
    fn by_the_rule(heard: &[(MessageStatus, Fact)]) -> (MessageStatus, Timestamp) {
        let heard_of = |status| heard.iter().any(|(heard, _)| *heard == status);
        let arrived = [Played, Read, Delivered].into_iter().find(|status| heard_of(*status));
        let underway = [Failed, Sent, Unknown, Sending, Pending, Scheduled, Received];
        let current = arrived.or_else(|| underway.into_iter().find(|status| heard_of(*status))).unwrap();
        let first = heard.iter().filter(|(status, _)| *status == current).map(|(_, fact)| fact.at).min();
        (current, first.unwrap())
    }

    fn learn(order: &[(MessageStatus, Fact)]) -> States {
        let mut states = States::default();
        for (status, fact) in order {
            states.learn(*status, fact.clone());
        }
        states
    }

    fn failed(second: i64, code: i64) -> (MessageStatus, Fact) {
        (Failed, Fact { error: Some(DeliveryError { code: Some(code), ..DeliveryError::default() }), ..at(second) })
    }

    /// Tries every sequence that begins with `sequence` and has at most `longest` elements.
    fn try_all(pool: &[(MessageStatus, Fact)], sequence: &mut Vec<usize>, longest: usize, tried: &mut usize) {
        for next in 0..pool.len() {
            sequence.push(next);
            let heard: Vec<_> = sequence.iter().map(|index| pool[*index].clone()).collect();
            let mut sorted = sequence.clone();
            sorted.sort_unstable();
            sorted.dedup();
            let sorted: Vec<_> = sorted.iter().map(|index| pool[*index].clone()).collect();
            let states = learn(&heard);
            assert_eq!(states, learn(&sorted), "{heard:?}");
            assert_eq!(states.current(), Some(by_the_rule(&heard)), "{heard:?}");
            *tried += 1;
            if sequence.len() < longest {
                try_all(pool, sequence, longest, tried);
            }
            sequence.pop();
        }
    }

    /// Every order of every subset, each element any number of times: all sequences of up to six.
    #[test]
    fn every_order_of_every_subset_ends_in_the_same_states() {
        let pool = [
            (Pending, at(0)),
            (Sent, at(3)),
            (Delivered, at(2)),
            (Read, at(4)),
            (Played, at(1)),
            failed(2, 131_026),
            failed(2, 131_049),
            (Failed, at(2)),
        ];
        let mut tried = 0;
        try_all(&pool, &mut Vec::new(), 6, &mut tried);
        assert_eq!(tried, 8 + 64 + 512 + 4_096 + 32_768 + 262_144);
    }

    fn any_fact() -> impl Strategy<Value = (MessageStatus, Fact)> {
        let error = proptest::option::of((131_000_i64..131_003, proptest::option::of("[ab]")));
        (0..MessageStatus::ALL.len(), 0..4_i64, error).prop_map(|(status, second, error)| {
            let error =
                error.map(|(code, title)| DeliveryError { code: Some(code), title, ..DeliveryError::default() });
            (MessageStatus::ALL[status], Fact { error, ..at(second) })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn every_order_and_repetition_ends_in_the_same_states(
            (heard, shuffled) in proptest::collection::vec(any_fact(), 1..40).prop_flat_map(|heard| {
                let mut twice = heard.clone();
                twice.extend_from_within(..heard.len() / 2);
                (Just(heard), Just(twice).prop_shuffle())
            }),
        ) {
            let states = learn(&heard);
            prop_assert_eq!(&states, &learn(&shuffled));
            prop_assert_eq!(states.current(), Some(by_the_rule(&heard)));
        }
    }
}
