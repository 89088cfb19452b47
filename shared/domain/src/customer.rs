//! Which customer a contact is.
//!
//! A contact is somebody who writes; a customer is somebody in the business's books. Matching brings the
//! two together by phone or e-mail (REQUIREMENTS IN-03, §13). What a person decides, matching leaves alone.

use crate::contact::Identities;
use crate::email::Email;
use crate::ids::CustomerId;
use crate::phone::{MatchKey, match_key_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a contact and a customer can have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MatchOn {
    /// A phone number, in whatever spelling.
    Phone(MatchKey),
    /// An e-mail address.
    Email(Email),
}

/// What a contact can be matched on: the number that Meta vouches for, and the e-mail address that an
/// agent or another system stored. What customers send of others (a contact card, say) is not theirs.
pub fn matchable(identities: &Identities, email: Option<&Email>) -> Vec<MatchOn> {
    let phone = identities.wa_id.as_ref().and_then(match_key_of).map(MatchOn::Phone);
    phone.into_iter().chain(email.cloned().map(MatchOn::Email)).collect()
}

/// Who said which customer a contact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LinkedBy {
    /// Phone or e-mail.
    #[default]
    Match,
    /// A person, who may also have said that it is none of them.
    Person,
}

/// How many customers are kept for a person to choose from.
pub const MAX_CANDIDATES: usize = 10;

/// Which customer a contact is, as far as anybody knows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The customer; `None` if nobody knows, or if it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<CustomerId>,
    /// Who said so.
    pub by: LinkedBy,
    /// What they matched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<MatchOn>,
    /// Whom phone and e-mail lead to, if that is several: a person has to choose. At most
    /// [`MAX_CANDIDATES`], in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CustomerId>,
}

/// Whom something that a contact can be matched on leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// What it is.
    pub on: MatchOn,
    /// The customers who have it.
    pub customers: Vec<CustomerId>,
}

impl Link {
    /// What a person says: this customer, or none.
    pub const fn by_person(id: Option<CustomerId>) -> Self {
        Self { id, by: LinkedBy::Person, via: None, candidates: Vec::new() }
    }

    /// What matching makes of it: exactly one customer is the one; of several, nobody is until a person
    /// chooses.
    ///
    /// What a person said stays. A match stays too, whoever else turns up with the same phone, until its
    /// own customer no longer has what they matched on: then everything is looked at anew.
    pub fn after_match(&self, leads: &[Lead]) -> Self {
        let is_void = |id: &CustomerId| {
            leads.iter().any(|lead| Some(&lead.on) == self.via.as_ref() && !lead.customers.contains(id))
        };
        if self.by == LinkedBy::Person || self.id.as_ref().is_some_and(|id| !is_void(id)) {
            return self.clone();
        }
        let found: BTreeSet<CustomerId> = leads.iter().flat_map(|lead| lead.customers.iter().copied()).collect();
        if let (Some(only), 1) = (found.first().copied(), found.len()) {
            let via = leads.iter().find(|lead| lead.customers.contains(&only)).map(|lead| lead.on.clone());
            return Self { id: Some(only), via, ..Self::default() };
        }
        Self { candidates: found.into_iter().take(MAX_CANDIDATES).collect(), ..Self::default() }
    }

    /// What goes on when two contacts turn out to be one person: what a person said goes before a match,
    /// a match before candidates; of equals, the survivor's. Candidates add up.
    pub fn merged(survivor: &Self, loser: &Self) -> Self {
        let strength = |link: &Self| match (link.by, link.id) {
            (LinkedBy::Person, _) => 2,
            (LinkedBy::Match, Some(_)) => 1,
            (LinkedBy::Match, None) => 0,
        };
        let goes_on = if strength(loser) > strength(survivor) { loser } else { survivor };
        if strength(goes_on) > 0 {
            return goes_on.clone();
        }
        let all: BTreeSet<CustomerId> = survivor.candidates.iter().chain(&loser.candidates).copied().collect();
        Self { candidates: all.into_iter().take(MAX_CANDIDATES).collect(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::WaId;
    use crate::phone::{AreaCode, Phone};
    use proptest::prelude::*;

    fn customer(bits: u8) -> CustomerId {
        CustomerId::from_bits(bits.into())
    }

    fn phone() -> MatchOn {
        MatchOn::Phone(Phone::parse("11 5555-1234", AreaCode::BUENOS_AIRES).unwrap().match_key())
    }

    fn email() -> MatchOn {
        MatchOn::Email(Email::parse("lucia@correo.example").unwrap())
    }

    fn lead(on: MatchOn, customers: &[u8]) -> Lead {
        Lead { on, customers: customers.iter().copied().map(customer).collect() }
    }

    #[test]
    fn exactly_one_is_linked_several_are_candidates_and_nobody_is_nothing() {
        let one = Link { id: Some(customer(1)), via: Some(phone()), ..Link::default() };
        let several = Link { candidates: vec![customer(1), customer(2)], ..Link::default() };
        for (leads, expected) in [
            (vec![], Link::default()),
            (vec![lead(phone(), &[])], Link::default()),
            (vec![lead(phone(), &[1])], one.clone()),
            (vec![lead(phone(), &[1]), lead(email(), &[1])], one.clone()),
            (vec![lead(phone(), &[2, 1])], several.clone()),
            (vec![lead(phone(), &[1]), lead(email(), &[2])], several),
            (vec![lead(phone(), &[]), lead(email(), &[1])], Link { via: Some(email()), ..one }),
        ] {
            assert_eq!(Link::default().after_match(&leads), expected, "{leads:?}");
        }
    }

    #[test]
    fn a_match_stays_until_its_customer_has_lost_what_they_matched_on() {
        let link = Link { id: Some(customer(1)), via: Some(phone()), ..Link::default() };
        assert_eq!(link.after_match(&[lead(phone(), &[1, 2])]), link, "a second customer takes nobody's place");
        assert_eq!(
            link.after_match(&[lead(email(), &[2])]),
            link,
            "they have another phone now, and stay who they are"
        );
        assert_eq!(link.after_match(&[lead(phone(), &[2])]).id, Some(customer(2)));
        assert_eq!(link.after_match(&[lead(phone(), &[])]), Link::default());
    }

    #[test]
    fn two_that_are_one_keep_what_is_surer() {
        let matched = |bits| Link { id: Some(customer(bits)), via: Some(phone()), ..Link::default() };
        let (said, none) = (Link::by_person(Some(customer(9))), Link::by_person(None));
        let unsure = |bits: &[u8]| Link { candidates: bits.iter().copied().map(customer).collect(), ..Link::default() };
        for (survivor, loser, expected) in [
            (matched(1), matched(2), matched(1)),
            (unsure(&[]), matched(2), matched(2)),
            (matched(1), said.clone(), said.clone()),
            (none.clone(), matched(1), none),
            (said.clone(), Link::by_person(Some(customer(8))), said),
            (unsure(&[1, 3]), unsure(&[2, 3]), unsure(&[1, 2, 3])),
        ] {
            assert_eq!(Link::merged(&survivor, &loser), expected, "{survivor:?} and {loser:?}");
        }
    }

    #[test]
    fn a_contact_is_matched_on_its_own_phone_and_its_stored_email_only() {
        let said = Identities {
            phone: Some(Phone::parse("11 5555-1234", AreaCode::BUENOS_AIRES).unwrap()),
            ..Identities::default()
        };
        assert_eq!(matchable(&said, None), [], "a number that somebody typed or sent is not vouched for");
        for spelling in ["5491155551234", "541155551234"] {
            let who = Identities { wa_id: WaId::parse(spelling).ok(), ..Identities::default() };
            let mail = Email::parse("LUCIA@correo.example").unwrap();
            assert_eq!(matchable(&who, Some(&mail)), [phone(), email()], "{spelling}");
        }
    }

    proptest! {
        #[test]
        fn matching_again_changes_nothing_and_never_what_a_person_said(
            by_phone in prop::collection::vec(0_u8..4, 0..5),
            by_email in prop::collection::vec(0_u8..4, 0..5),
            said in prop::option::of(0_u8..4),
        ) {
            let leads = [lead(phone(), &by_phone), lead(email(), &by_email)];
            let link = Link::default().after_match(&leads);
            prop_assert_eq!(&link.after_match(&leads), &link);
            prop_assert!(link.id.is_none() || link.candidates.is_empty(), "linked, and still to be chosen");
            prop_assert!(link.candidates.len() != 1, "one candidate is the one");
            let by_person = Link::by_person(said.map(customer));
            prop_assert_eq!(&by_person.after_match(&leads), &by_person);
        }
    }
}
