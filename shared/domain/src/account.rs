//! What is known of a WhatsApp Business account, and what follows for its numbers (REQUIREMENTS §3.2, ST-05).
//!
//! Meta disables and reinstates accounts, restricts them for a while, cuts and restores their link to us;
//! each is an aspect of its own, as it was last told ([`Told`]). Whether a number may send is not stored
//! but read off all of them ([`AccountState::status_of_number`]), so that lifting one obstacle never
//! lifts another.

use crate::as_of::Told;
use crate::status::Learned;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a number may send (REQUIREMENTS §4, AccountStatus).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NumberStatus {
    /// Not yet: what it takes to connect it is incomplete.
    Pending,
    /// Not yet: the connection is being tried.
    Verifying,
    /// It may.
    Active,
    /// Meta refuses its token, or has disabled or restricted its account. Receiving goes on.
    Suspended,
    /// The tenant disconnected it, or Meta did.
    Disconnected,
}

/// Whether Meta has disabled an account. Of two told in the same second, the later variant is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BanState {
    /// No longer.
    Reinstated,
    /// Not yet, but it will.
    Scheduled,
    /// It has.
    Disabled,
}

/// A ban, and its day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ban {
    /// Whether the account is disabled.
    pub state: BanState,
    /// The day as Meta writes it, such as `November 20, 2026`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// Whether an account exists and lets us work for it. Of two told in the same second, the later variant is
/// believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LinkState {
    /// It does.
    Connected,
    /// We, or the app, were removed from it.
    Removed,
    /// The business left the API.
    Offboarded,
    /// It does not exist any more.
    Deleted,
}

/// The link between an account and us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Whether there is one.
    pub state: LinkState,
    /// Why not, in a word such as `PRIMARY_INACTIVITY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What came of Meta's review of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// `APPROVED`, `REJECTED`, `PENDING`, `DEFERRED`, or what Meta says some day.
    pub decision: String,
}

/// How much a business may do. −1 means that there is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capability {
    /// How many people it may write to first, in 24 hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_daily_conversations: Option<i64>,
    /// How many numbers it may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_numbers: Option<i64>,
    /// How many numbers an account may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_numbers_per_account: Option<i64>,
}

/// Something that an account may not do for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restriction {
    /// What, in Meta's word, such as `RESTRICTED_BIZ_INITIATED_MESSAGING`.
    pub kind: String,
    /// Until when; `None` until Meta reinstates the account.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub until: Option<Timestamp>,
}

/// The restriction under which customers may not even be answered.
const NO_ANSWERS: &str = "RESTRICTED_CUSTOMER_INITIATED_MESSAGING";

impl Restriction {
    /// Of two told in the same second, the heavier is believed: the one without an end.
    pub fn weight(&self) -> u8 {
        u8::from(self.until.is_none())
    }
}

/// Something that was told of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountFact {
    /// Whether it is disabled.
    Ban(Told<Ban>),
    /// Whether it is ours to work for.
    Link(Told<Link>),
    /// What came of a review.
    Review(Told<Review>),
    /// How much its business may do.
    Capability(Told<Capability>),
    /// Something that it may not do. Each kind is an aspect of its own.
    Restriction(Told<Restriction>),
}

/// Everything that was told of an account, the newest of each aspect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountState {
    /// Whether it is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ban: Option<Told<Ban>>,
    /// Whether it is ours to work for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<Told<Link>>,
    /// What came of the last review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Told<Review>>,
    /// How much its business may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<Told<Capability>>,
    /// What it may not do, by kind; also what it may do again by now ([`AccountState::is_restricted`]).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub restrictions: BTreeMap<String, Told<Restriction>>,
}

impl AccountState {
    /// Adds what was told, unless something newer is known of the same aspect.
    pub fn learn(&mut self, fact: AccountFact) -> Learned {
        match fact {
            AccountFact::Ban(told) => told.settle(&mut self.ban),
            AccountFact::Link(told) => told.settle(&mut self.link),
            AccountFact::Review(told) => told.settle(&mut self.review),
            AccountFact::Capability(told) => told.settle(&mut self.capability),
            AccountFact::Restriction(told) => {
                let kind = told.value.kind.clone();
                let mut known = self.restrictions.remove(&kind);
                let learned = told.settle(&mut known);
                self.restrictions.extend(known.map(|known| (kind, known)));
                learned
            }
        }
    }

    /// Whether the account is under a restriction of this kind at this time: until the end that Meta named,
    /// or, if it named none, until Meta has reinstated the account since.
    pub fn is_restricted(&self, kind: &str, now: Timestamp) -> bool {
        let Some(told) = self.restrictions.get(kind) else { return false };
        match told.value.until {
            Some(until) => now < until,
            None => !self
                .ban
                .as_ref()
                .is_some_and(|ban| ban.value.state == BanState::Reinstated && ban.as_of.at() >= told.as_of.at()),
        }
    }

    /// Whether a number of the account may send at this time, given what the hub itself knows of the number.
    /// The account can only take from that, never give.
    pub fn status_of_number(&self, own: NumberStatus, now: Timestamp) -> NumberStatus {
        let is_linked = self.link.as_ref().is_none_or(|link| link.value.state == LinkState::Connected);
        let is_disabled = self.ban.as_ref().is_some_and(|ban| ban.value.state == BanState::Disabled);
        match own {
            NumberStatus::Disconnected => NumberStatus::Disconnected,
            _ if !is_linked => NumberStatus::Disconnected,
            NumberStatus::Pending | NumberStatus::Verifying | NumberStatus::Suspended => own,
            NumberStatus::Active if is_disabled || self.is_restricted(NO_ANSWERS, now) => NumberStatus::Suspended,
            NumberStatus::Active => NumberStatus::Active,
        }
    }
}

#[cfg(test)]
mod tests;
