use super::*;
use crate::as_of::AsOf;
use NumberStatus::{Active, Disconnected, Pending, Suspended, Verifying};
use proptest::prelude::*;

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn told<T: std::fmt::Debug>(at: i64, weight: u8, value: T) -> Told<T> {
    let payload = format!("{value:?}");
    Told { as_of: AsOf::new(second(at), weight, &payload), value }
}

fn ban(at: i64, state: BanState) -> AccountFact {
    AccountFact::Ban(told(at, state as u8, Ban { state, date: None }))
}

fn link(at: i64, state: LinkState) -> AccountFact {
    AccountFact::Link(told(at, state as u8, Link { state, reason: None }))
}

fn restricted(at: i64, kind: &str, until: Option<i64>) -> AccountFact {
    let restriction = Restriction { kind: kind.to_owned(), until: until.map(second) };
    AccountFact::Restriction(told(at, restriction.weight(), restriction))
}

fn learn<'a>(facts: impl IntoIterator<Item = &'a AccountFact>) -> AccountState {
    let mut state = AccountState::default();
    for fact in facts {
        state.learn(fact.clone());
    }
    state
}

/// The status of a number that is active as far as the hub is concerned, at second 100.
fn status(facts: &[AccountFact]) -> NumberStatus {
    learn(facts).status_of_number(Active, second(100))
}

#[test]
fn a_number_follows_what_became_of_its_account() {
    assert_eq!(status(&[]), Active, "of an account of which nothing was told");
    assert_eq!(status(&[ban(1, BanState::Scheduled)]), Active, "not disabled yet");
    assert_eq!(status(&[ban(1, BanState::Disabled)]), Suspended);
    assert_eq!(status(&[ban(1, BanState::Disabled), ban(2, BanState::Reinstated)]), Active);
    assert_eq!(status(&[ban(2, BanState::Disabled), ban(1, BanState::Reinstated)]), Suspended, "the older came late");
    for gone in [LinkState::Removed, LinkState::Offboarded, LinkState::Deleted] {
        assert_eq!(status(&[link(1, gone)]), Disconnected, "{gone:?}");
        assert_eq!(status(&[link(1, gone), link(2, LinkState::Connected)]), Active, "back after {gone:?}");
        assert_eq!(status(&[link(1, gone), link(1, LinkState::Connected)]), Disconnected, "in the same second");
    }
}

#[test]
fn lifting_one_obstacle_lifts_no_other() {
    let disabled = [ban(1, BanState::Disabled), link(1, LinkState::Removed), link(2, LinkState::Connected)];
    assert_eq!(status(&disabled), Suspended, "a link that is restored does not lift a ban");
    let removed = [link(1, LinkState::Removed), ban(1, BanState::Disabled), ban(2, BanState::Reinstated)];
    assert_eq!(status(&removed), Disconnected, "an account that is reinstated is not linked by that");
}

#[test]
fn the_account_takes_from_what_the_hub_knows_of_a_number_and_never_gives() {
    let good = learn(&[ban(1, BanState::Reinstated), link(1, LinkState::Connected)]);
    for own in [Pending, Verifying, Active, Suspended, Disconnected] {
        assert_eq!(good.status_of_number(own, second(100)), own);
    }
    let disabled = learn(&[ban(1, BanState::Disabled)]);
    for (own, expected) in [(Pending, Pending), (Active, Suspended), (Disconnected, Disconnected)] {
        assert_eq!(disabled.status_of_number(own, second(100)), expected, "{own:?}");
    }
}

#[test]
fn a_restriction_holds_until_its_end_and_only_one_of_them_forbids_to_answer() {
    let state = learn(&[restricted(1, NO_ANSWERS, Some(50)), restricted(1, "RESTRICTED_UTILITY_TEMPLATES", None)]);
    assert_eq!(state.status_of_number(Active, second(49)), Suspended);
    assert_eq!(state.status_of_number(Active, second(50)), Active);
    assert!(state.is_restricted("RESTRICTED_UTILITY_TEMPLATES", second(1_000)));
    assert!(!state.is_restricted("RESTRICTED_ADD_PHONE_NUMBER_ACTION", second(1)), "of that nothing was told");
}

#[test]
fn a_restriction_without_an_end_ends_when_the_account_is_reinstated() {
    let endless = restricted(2, NO_ANSWERS, None);
    assert_eq!(status(std::slice::from_ref(&endless)), Suspended);
    assert_eq!(status(&[endless.clone(), ban(1, BanState::Reinstated)]), Suspended, "reinstated before it");
    assert_eq!(status(&[endless, ban(3, BanState::Reinstated)]), Active);
    let dated = restricted(2, NO_ANSWERS, Some(200));
    assert_eq!(status(&[dated, ban(3, BanState::Reinstated)]), Suspended, "its own end counts");
}

fn any_fact() -> impl Strategy<Value = AccountFact> {
    (0..5_usize, 0..4_i64, 0..3_usize).prop_map(|(aspect, at, choice)| match aspect {
        0 => ban(at, [BanState::Reinstated, BanState::Scheduled, BanState::Disabled][choice]),
        1 => link(at, [LinkState::Connected, LinkState::Removed, LinkState::Deleted][choice]),
        2 => {
            let decision = ["APPROVED", "REJECTED", "SOMETHING_NEW"][choice].to_owned();
            AccountFact::Review(told(at, 0, Review { decision }))
        }
        3 => {
            let max_daily_conversations = [None, Some(250), Some(-1)][choice];
            AccountFact::Capability(told(at, 0, Capability { max_daily_conversations, ..Capability::default() }))
        }
        _ => restricted(at, ["A", "B", NO_ANSWERS][choice], [None, Some(200)][usize::from(at > 1)]),
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
        let state = learn(&heard);
        prop_assert_eq!(&state, &learn(&shuffled));
        let stored: AccountState = serde_json::from_value(serde_json::to_value(&state).unwrap()).unwrap();
        prop_assert_eq!(stored, state, "what is stored is what was learned");
    }
}
