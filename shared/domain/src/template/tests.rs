use super::*;
use crate::as_of::AsOf;
use proptest::prelude::*;
use serde_json::json;

fn told<T: std::fmt::Debug>(second: i64, weight: u8, value: T) -> Told<T> {
    let payload = format!("{value:?}");
    Told { as_of: AsOf::new(Timestamp::from_second(second).unwrap(), weight, &payload), value }
}

fn id(text: &str) -> Option<WaTemplateId> {
    Some(WaTemplateId::parse(text).unwrap())
}

fn stands(second: i64, of: &str, word: &str) -> TemplateFact {
    let status = TemplateStatus::of(word);
    let standing =
        Standing { wa_template_id: id(of), status: status.clone(), reason: None, details: None, recommendation: None };
    TemplateFact::Standing(told(second, status.weight(), standing))
}

fn rated(second: i64, of: &str, score: &str) -> TemplateFact {
    let quality = TemplateQuality { wa_template_id: id(of), score: score.to_owned() };
    TemplateFact::Quality(told(second, weight_of_score(score), quality))
}

fn is_for(second: i64, of: &str, weight: u8, category: &str) -> TemplateFact {
    let category = TemplateCategory { wa_template_id: id(of), category: category.to_owned() };
    TemplateFact::Category(told(second, weight, category))
}

fn will_be_for(second: i64, of: &str, category: &str) -> TemplateFact {
    let coming = ComingCategory { wa_template_id: id(of), category: category.to_owned(), from: None };
    TemplateFact::ComingCategory(told(second, 0, coming))
}

fn consists_of(second: i64, of: &str, body: &str) -> TemplateFact {
    let parts = json!([{"type": "BODY", "text": body}]);
    TemplateFact::Components(told(second, 0, TemplateComponents { wa_template_id: id(of), parts }))
}

fn learn<'a>(facts: impl IntoIterator<Item = &'a TemplateFact>) -> TemplateState {
    let mut state = TemplateState::default();
    for fact in facts {
        state.learn(fact.clone());
    }
    state
}

#[test]
fn a_status_is_written_as_the_word_that_it_was_read_from() {
    for word in ["DRAFT", "PENDING", "APPROVED", "REJECTED", "PAUSED", "DISABLED", "FLAGGED", "SOMETHING_NEW"] {
        let status = TemplateStatus::of(word);
        assert_eq!(serde_json::to_value(&status).unwrap(), word);
        assert_eq!(serde_json::from_value::<TemplateStatus>(json!(word)).unwrap(), status);
    }
}

#[test]
fn a_key_takes_what_meta_calls_templates_and_nothing_that_could_break_a_key_of_ours() {
    assert!(TemplateKey::parse("job_scheduled_2", "es_AR").is_ok());
    assert!(TemplateKey::parse("a".repeat(512), "fil").is_ok());
    let too_long = "a".repeat(513);
    for (name, language) in
        [("", "es"), ("Job", "es"), ("a#b", "es"), ("a b", "es"), (too_long.as_str(), "es"), ("a", "e"), ("a", "es#AR")]
    {
        assert!(TemplateKey::parse(name, language).is_err(), "{name:?} in {language:?} was accepted");
    }
    let odd = json!({"name": "a#b", "language": "es"});
    assert!(serde_json::from_value::<TemplateKey>(odd).is_err(), "reading a stored key must check it too");
}

#[test]
fn an_older_event_changes_nothing_and_a_newer_one_touches_its_own_aspect_only() {
    let mut state = learn(&[stands(5, "1", "APPROVED"), rated(5, "1", "GREEN"), is_for(5, "1", 0, "UTILITY")]);
    assert_eq!(state.learn(stands(4, "1", "REJECTED")), Learned::Known);
    assert_eq!(state.learn(stands(5, "1", "APPROVED")), Learned::Known, "a duplicate");
    assert_eq!(state.learn(rated(6, "1", "RED")), Learned::News);
    assert_eq!(state.standing().map(|standing| &standing.status), Some(&TemplateStatus::Approved));
    assert_eq!((state.quality(), state.category()), (Some("RED"), Some("UTILITY")));
}

#[test]
fn in_the_same_second_the_safer_word_is_believed() {
    let status = |words: [&str; 2]| {
        let state = learn(&words.map(|word| stands(1, "1", word)));
        state.standing().unwrap().status.as_str().to_owned()
    };
    for (safer, other) in
        [("APPROVED", "PENDING"), ("PAUSED", "APPROVED"), ("REJECTED", "PENDING"), ("DISABLED", "PAUSED")]
    {
        assert_eq!([status([safer, other]), status([other, safer])], [safer, safer]);
    }
    let both = [is_for(1, "1", CATEGORY_MENTIONED, "UTILITY"), is_for(1, "1", CATEGORY_CHANGED, "MARKETING")];
    assert_eq!(learn(&both).category(), Some("MARKETING"), "the news itself weighs more than a mention");
}

#[test]
fn what_was_told_of_a_deleted_template_is_not_said_of_the_one_that_took_its_name() {
    let mut state = learn(&[stands(1, "1", "DELETED"), rated(1, "1", "RED"), consists_of(1, "1", "viejo")]);
    state.learn(stands(2, "2", "APPROVED"));
    assert_eq!(state.wa_template_id().map(WaTemplateId::as_str), Some("2"));
    assert_eq!(state.standing().unwrap().status, TemplateStatus::Approved);
    assert_eq!((state.quality(), state.components()), (None, None), "they were the former template's");
}

#[test]
fn an_announced_category_is_coming_until_it_is_there() {
    let mut state = learn(&[is_for(1, "1", 0, "UTILITY"), will_be_for(1, "1", "MARKETING")]);
    assert_eq!(state.coming_category().map(|coming| coming.category.as_str()), Some("MARKETING"));
    state.learn(is_for(2, "1", CATEGORY_CHANGED, "MARKETING"));
    assert_eq!((state.category(), state.coming_category()), (Some("MARKETING"), None));
}

fn any_fact() -> impl Strategy<Value = TemplateFact> {
    let id = prop_oneof![Just("1"), Just("2")];
    (0..5_usize, 0..4_i64, id, 0..3_usize).prop_map(|(aspect, second, id, choice)| match aspect {
        0 => stands(second, id, ["PENDING", "APPROVED", "SOMETHING_NEW"][choice]),
        1 => rated(second, id, ["GREEN", "RED", "BLUE"][choice]),
        2 => is_for(second, id, u8::from(choice == 0), ["UTILITY", "MARKETING", "NEW"][choice]),
        3 => will_be_for(second, id, ["UTILITY", "MARKETING", "NEW"][choice]),
        _ => consists_of(second, id, ["uno", "dos", "tres"][choice]),
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
        let stored: TemplateState = serde_json::from_value(serde_json::to_value(&state).unwrap()).unwrap();
        prop_assert_eq!(stored, state, "what is stored is what was learned");
    }

    #[test]
    fn what_stands_last_is_what_has_the_latest_second(heard in proptest::collection::vec(any_fact(), 1..30)) {
        let seconds = heard.iter().filter_map(|fact| match fact {
            TemplateFact::Standing(told) => Some(told.as_of.at()),
            _ => None,
        });
        let latest = seconds.max();
        prop_assert_eq!(learn(&heard).standing.map(|told| told.as_of.at()), latest);
    }
}

/// Every order of every subset of a week's events, exhaustively.
#[test]
fn every_order_of_every_subset_of_a_week_ends_in_the_same_state() {
    let pool = [
        stands(1, "1", "PENDING"),
        stands(1, "1", "APPROVED"),
        is_for(1, "1", CATEGORY_MENTIONED, "UTILITY"),
        rated(2, "1", "YELLOW"),
        stands(3, "1", "PAUSED"),
        is_for(3, "1", CATEGORY_CHANGED, "MARKETING"),
        consists_of(4, "1", "nuevo"),
    ];
    let mut tried = 0;
    try_all(&pool, &mut Vec::new(), 6, &mut tried);
    assert_eq!(tried, 7 + 49 + 343 + 2_401 + 16_807 + 117_649);
}

fn try_all(pool: &[TemplateFact], sequence: &mut Vec<usize>, longest: usize, tried: &mut usize) {
    for next in 0..pool.len() {
        sequence.push(next);
        let mut sorted = sequence.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let state = learn(sequence.iter().map(|index| &pool[*index]));
        assert_eq!(state, learn(sorted.iter().map(|index| &pool[*index])), "{sequence:?}");
        *tried += 1;
        if sequence.len() < longest {
            try_all(pool, sequence, longest, tried);
        }
        sequence.pop();
    }
}
