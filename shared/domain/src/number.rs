//! What Meta says of a business number: how much it may send, how it is rated, how it is called.
//!
//! Each is an aspect of its own, as it was last told ([`Told`]). Whether the number may send at all is
//! decided by its account too ([`crate::account`]).

use crate::as_of::Told;
use crate::status::Learned;
use serde::{Deserialize, Serialize};

/// How much a number may send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limit {
    /// Meta's word, such as `TIER_2K`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// How many people its business may write to first, in 24 hours; −1 means any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_daily_conversations: Option<i64>,
}

/// Whether Meta has flagged a number, because customers block or report it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flag {
    /// Whether it has. Of two told in the same second, yes is believed.
    pub is_flagged: bool,
}

/// How customers rate a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberQuality {
    /// `GREEN`, `YELLOW`, `RED`, `UNKNOWN`, or what Meta says some day.
    pub score: String,
}

/// How fast a number may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Throughput {
    /// `HIGH`: 1,000 messages a second instead of 80.
    pub level: String,
}

/// What came of a review of the name that customers see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NameReview {
    /// `APPROVED`, `REJECTED`, `PENDING`, `DEFERRED`, or what Meta says some day.
    pub decision: String,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why it was refused, in a word such as `NAME_NOT_CONSISTENT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The name that customers see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedName {
    /// The name.
    pub name: String,
}

/// Something that was told of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberFact {
    /// How much it may send.
    Limit(Told<Limit>),
    /// Whether it is flagged.
    Flag(Told<Flag>),
    /// How it is rated.
    Quality(Told<NumberQuality>),
    /// How fast it may send.
    Throughput(Told<Throughput>),
    /// What came of a review of its name.
    NameReview(Told<NameReview>),
    /// The name that customers see; a later name that is refused does not change it.
    VerifiedName(Told<VerifiedName>),
}

/// Everything that was told of a number, the newest of each aspect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NumberState {
    /// How much it may send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Told<Limit>>,
    /// Whether it is flagged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<Told<Flag>>,
    /// How it is rated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Told<NumberQuality>>,
    /// How fast it may send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput: Option<Told<Throughput>>,
    /// What came of the last review of its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_review: Option<Told<NameReview>>,
    /// The name that customers see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_name: Option<Told<VerifiedName>>,
}

impl NumberState {
    /// Adds what was told, unless something newer is known of the same aspect.
    pub fn learn(&mut self, fact: NumberFact) -> Learned {
        match fact {
            NumberFact::Limit(told) => told.settle(&mut self.limit),
            NumberFact::Flag(told) => told.settle(&mut self.flag),
            NumberFact::Quality(told) => told.settle(&mut self.quality),
            NumberFact::Throughput(told) => told.settle(&mut self.throughput),
            NumberFact::NameReview(told) => told.settle(&mut self.name_review),
            NumberFact::VerifiedName(told) => told.settle(&mut self.verified_name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::as_of::AsOf;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn told<T: std::fmt::Debug>(at: i64, weight: u8, value: T) -> Told<T> {
        let payload = format!("{value:?}");
        Told { as_of: AsOf::new(Timestamp::from_second(at).unwrap(), weight, &payload), value }
    }

    fn any_fact() -> impl Strategy<Value = NumberFact> {
        (0..6_usize, 0..4_i64, 0..3_usize).prop_map(|(aspect, at, choice)| {
            let word = ["ONE", "OTHER", "THIRD"][choice].to_owned();
            match aspect {
                0 => NumberFact::Limit(told(at, 0, Limit { tier: Some(word), max_daily_conversations: None })),
                1 => NumberFact::Flag(told(at, u8::from(choice > 0), Flag { is_flagged: choice > 0 })),
                2 => NumberFact::Quality(told(at, 0, NumberQuality { score: word })),
                3 => NumberFact::Throughput(told(at, 0, Throughput { level: word })),
                4 => NumberFact::NameReview(told(at, 0, NameReview { decision: word, name: None, reason: None })),
                _ => NumberFact::VerifiedName(told(at, 0, VerifiedName { name: word })),
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn every_order_and_repetition_ends_in_the_same_state(
            (heard, shuffled) in proptest::collection::vec(any_fact(), 1..30).prop_flat_map(|heard| {
                let mut twice = heard.clone();
                twice.extend_from_within(..heard.len() / 2);
                (Just(heard), Just(twice).prop_shuffle())
            }),
        ) {
            let learn = |facts: &[NumberFact]| {
                let mut state = NumberState::default();
                for fact in facts {
                    state.learn(fact.clone());
                }
                state
            };
            let state = learn(&heard);
            prop_assert_eq!(&state, &learn(&shuffled));
            let stored: NumberState = serde_json::from_value(serde_json::to_value(&state).unwrap()).unwrap();
            prop_assert_eq!(stored, state, "what is stored is what was learned");
        }
    }
}
