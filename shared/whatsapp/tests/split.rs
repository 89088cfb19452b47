//! What the splitter promises, tried with a great many bodies: it never panics, never loses or changes
//! a neighbour of something bad, and hands out nothing that is not in the body.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use recado_testkit::samples;
use recado_whatsapp::envelope::{Envelope, Item, Kind};
use recado_whatsapp::signature::{AppSecrets, sign, verify};
use recado_whatsapp::webhook::split::{Split, split, split_entry};
use serde_json::{Value, json};

/// Splits a body as if Meta had signed it, and hands its items on; `None`: it was no webhook at all.
fn with_items<T>(body: &[u8], look: impl FnOnce(&[Item<'_>]) -> T) -> Option<T> {
    let secrets = AppSecrets { current: "secret".into(), previous: None };
    let header = sign(body, &secrets.current);
    match split(verify(body, Some(header.as_bytes()), &secrets).unwrap()) {
        Split::Items(items) => Some(look(&items)),
        Split::Foreign | Split::Unreadable(_) => None,
    }
}

/// Splits a body, and checks what must be so of every item of every body.
fn check(body: &[u8]) -> Option<Vec<(Kind, String)>> {
    with_items(body, |items| {
        let bytes: usize = items.iter().map(|item| item.raw.get().len()).sum();
        assert!(bytes <= body.len(), "{bytes} bytes of items out of a body of {}", body.len());
        for item in items {
            let message = Envelope::new("app".into(), 5, item.clone()).to_message();
            let read = Envelope::parse(&message).expect("what was written can be read");
            assert_eq!(
                (read.item.kind, read.item.raw.get(), read.item.position, &read.item.phone_number_id),
                (item.kind, item.raw.get(), item.position, &item.phone_number_id)
            );
        }
        items.iter().map(|item| (item.kind, item.raw.get().to_owned())).collect()
    })
}

fn bodies() -> Vec<Vec<u8>> {
    samples::manifest().into_iter().map(|sample| samples::webhook(&sample.file)).collect()
}

/// A body with one value in it.
fn body_of(field: &str, value: &Value) -> Vec<u8> {
    let whole = json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"value": value, "field": field}]}],
    });
    whole.to_string().into_bytes()
}

fn message(id: &str) -> Value {
    json!({"id": id, "from": "5491155551234", "timestamp": "1", "type": "text", "text": {"body": id}})
}

/// The kinds of the items, each with the name of the part that it is.
fn outline(items: &[Item<'_>]) -> Vec<(Kind, Option<String>)> {
    items.iter().map(|item| (item.kind, item.part.as_deref().map(str::to_owned))).collect()
}

#[test]
fn every_beginning_of_every_sample_is_refused_as_a_whole() {
    let mut cases = 0_usize;
    for body in bodies() {
        for end in 0..body.trim_ascii_end().len() {
            assert_eq!(check(&body[..end]), None, "half a body is no webhook");
            cases += 1;
        }
    }
    assert!(cases > 80_000, "{cases} cases");
}

#[test]
fn every_sample_with_any_one_of_its_bytes_changed_is_taken_apart_or_refused() {
    let mut cases = 0_usize;
    for body in bodies() {
        for place in 0..body.len() {
            let mut changed = body.clone();
            changed[place] = b"\"{}[],:0\\\xff\x00n"[(place * 7 + body.len()) % 12];
            check(&changed);
            cases += 1;
        }
    }
    assert!(cases > 80_000, "{cases} cases");
}

/// The paths of every member and element of a document.
fn paths(value: &Value, path: &mut String, found: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(place, value)| (place.to_string(), value)).collect(),
        _ => return,
    };
    for (name, value) in members {
        let length = path.len();
        path.push('/');
        path.push_str(&name);
        found.push(path.clone());
        paths(value, path, found);
        path.truncate(length);
    }
}

#[test]
fn a_sample_whose_members_are_removed_or_replaced_one_by_one_still_comes_apart() {
    let mut cases = 0_usize;
    for body in bodies() {
        let whole: Value = serde_json::from_slice(&body).unwrap();
        let mut found = Vec::new();
        paths(&whole, &mut String::new(), &mut found);
        for path in found {
            let (parent, name) = path.rsplit_once('/').unwrap();
            let mut removed = whole.clone();
            match removed.pointer_mut(parent).unwrap() {
                Value::Object(members) => drop(members.remove(name)),
                Value::Array(list) => drop(list.remove(name.parse().unwrap())),
                _ => unreachable!("only these have members"),
            }
            check(removed.to_string().as_bytes());
            for other in [json!(null), json!(7), json!("x"), json!([]), json!({}), json!([[{}]]), json!(true)] {
                let mut replaced = whole.clone();
                *replaced.pointer_mut(&path).unwrap() = other;
                check(replaced.to_string().as_bytes());
                cases += 1;
            }
            cases += 1;
        }
    }
    assert!(cases > 19_000, "{cases} cases");
}

/// Puts this text between two good messages, and expects them to come out as if it were not there.
fn beside_good_neighbours(bad: &str) {
    let (first, last) = (message("first").to_string(), message("last").to_string());
    let body = format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{
        "metadata":{{"phone_number_id":"9"}},"contacts":[{{"wa_id":"5491155551234"}}],
        "messages":[{first},{bad},{last}]}}}}]}}]}}"#
    );
    let shown: String = bad.chars().take(80).collect();
    let items = with_items(body.as_bytes(), |items| {
        items.iter().map(|item| (item.raw.get().to_owned(), item.contact.is_some())).collect::<Vec<_>>()
    });
    let items = items.unwrap_or_else(|| panic!("the body was refused because of {shown}"));
    assert_eq!(items.len(), 3, "{shown}");
    assert_eq!((&items[0], &items[2]), (&(first, true), &(last, true)), "the neighbours of {shown}");
    assert_eq!(items[1].0, bad, "the bad one itself is kept as it is");
    check(body.as_bytes());
}

#[test]
fn odd_json_hurts_nobody_beside_it() {
    let deep_list = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!("{}0{}", r#"{"x":"#.repeat(100_000), "}".repeat(100_000));
    for bad in [
        deep_list.as_str(),
        deep_object.as_str(),
        r#"{"id":"\ud83d","from":"5491155551234"}"#,
        r#"{"id":"a","from":"\udc00\ud83d"}"#,
        r#"{"from":"1","from":"5491155551234","from":{}}"#,
        r#"{"\ud800":1}"#,
        r#"{"timestamp":1e999999,"from":123456789012345678901234567890}"#,
        r#"{"timestamp":-0.0000000000000000000000000000000000001E-400}"#,
        "123456789123456789123456789123456789123456789",
        "null",
        "true",
        r#""text""#,
        "[]",
        "{}",
    ] {
        beside_good_neighbours(bad);
    }
}

#[test]
fn odd_members_at_any_level_hurt_nobody() {
    let good = [message("first").to_string(), message("last").to_string()];
    for odd in
        [r#""\ud83d":1,"#, r#""time":1e400,"#, r#""time":{},"#, r#""id":"1","#, r#""new":[[{}]],"#, r#""\n":"\udc00","#]
    {
        for level in 0..5 {
            let at = |here: usize| if here == level { odd } else { "" };
            let body = format!(
                r#"{{{}"object":"whatsapp_business_account","entry":[{{{}"id":"1","changes":[{{{}"field":"messages",
                "value":{{{}"metadata":{{{}"phone_number_id":"9","display_phone_number":"\ud83d"}},
                "contacts":[{{"wa_id":"5491155551234","profile":{{"name":"\ud83d"}}}}],
                "messages":[{},{}]}}}}]}}]}}"#,
                at(0),
                at(1),
                at(2),
                at(3),
                at(4),
                good[0],
                good[1]
            );
            let messages = with_items(body.as_bytes(), |items| {
                let messages = items.iter().filter(|item| item.kind == Kind::Message);
                for item in messages.clone() {
                    let around = (item.waba_id.as_deref(), item.phone_number_id.as_deref(), item.contact.is_some());
                    assert_eq!(around, (Some("1"), Some("9"), true), "{odd} at level {level}");
                }
                messages.map(|item| item.raw.get().to_owned()).collect::<Vec<_>>()
            });
            assert_eq!(messages.unwrap_or_default(), good, "{odd} at level {level}");
        }
    }
}

#[test]
fn what_is_far_larger_than_meta_sends_stays_in_one_piece() {
    let many = json!({"metadata": {"phone_number_id": "9"}, "messages": vec![json!({}); 5_001], "statuses": [{}]});
    let taken = with_items(&body_of("messages", &many), outline).unwrap();
    assert_eq!(taken, [(Kind::Malformed, Some("messages".to_owned())), (Kind::Status, None)]);

    let contact = json!({"wa_id": "5491155551234", "profile": {"name": "x".repeat(5_000)}});
    let value = json!({"contacts": [contact], "messages": [message("m")]});
    let has_contact = with_items(&body_of("messages", &value), |items| items[0].contact.is_some());
    assert_eq!(has_contact, Some(false), "a contact that large does not travel with every message");
}

#[test]
fn whoever_changed_their_number_is_found_by_the_new_one_and_a_participant_by_theirs() {
    let contacts = json!([{"wa_id": "222"}, {"user_id": "AR.3"}]);
    let system = json!({"id": "w", "from": "111", "type": "system", "system": {"wa_id": "222"}});
    let status = json!({"id": "w", "recipient_id": "group", "recipient_participant_user_id": "AR.3"});
    let value = json!({"contacts": contacts, "messages": [system], "statuses": [status]});
    let found = with_items(&body_of("messages", &value), |items| {
        items.iter().map(|item| item.contact.map(|raw| raw.get().to_owned())).collect::<Vec<_>>()
    });
    assert_eq!(found.unwrap(), [Some(contacts[0].to_string()), Some(contacts[1].to_string())]);
}

#[test]
fn one_entry_of_another_transport_is_taken_apart_alike() {
    let sample: Value = serde_json::from_slice(&samples::graph("aws_eum_social_sns_message.json")).unwrap();
    let message = sample["Message"].as_str().map_or_else(|| sample.clone(), |text| serde_json::from_str(text).unwrap());
    let entry = message["whatsAppWebhookEntry"].as_str().unwrap();
    let items = split_entry(serde_json::from_str(entry).unwrap());
    assert!(!items.is_empty() && items.iter().all(|item| item.kind != Kind::Malformed), "{items:?}");
}

#[test]
fn a_list_that_is_none_is_set_aside_and_the_lists_beside_it_are_taken() {
    for bad in [json!(7), json!("x"), json!({"id": "a"}), json!(true)] {
        let value = json!({"metadata": {"phone_number_id": "9"}, "messages": bad, "statuses": [{"id": "s"}]});
        let taken = with_items(&body_of("messages", &value), outline).unwrap();
        assert_eq!(taken, [(Kind::Malformed, Some("messages".to_owned())), (Kind::Status, None)], "{bad}");
    }
    for nothing in [json!(null), json!([])] {
        let value = json!({"contacts": nothing, "statuses": nothing, "errors": nothing, "messages": [message("m")]});
        assert_eq!(with_items(&body_of("messages", &value), outline).unwrap(), [(Kind::Message, None)], "{nothing}");
    }
    let value = json!({"contacts": "x", "metadata": 7, "messages": [message("m")]});
    assert_eq!(with_items(&body_of("messages", &value), outline).unwrap(), [(Kind::Message, None)]);
}

#[test]
fn errors_and_news_beside_the_messages_come_out_as_parts_and_alone_as_the_whole_value() {
    let errors = json!([{"code": 131_000}]);
    let beside = json!({"metadata": {"phone_number_id": "9"}, "messages": [message("m")], "errors": errors, "new": 1});
    let expected =
        [(Kind::Other, Some("errors".to_owned())), (Kind::Message, None), (Kind::Other, Some("new".to_owned()))];
    assert_eq!(with_items(&body_of("messages", &beside), outline).unwrap(), expected);
    let alone = json!({"metadata": {"phone_number_id": "9"}, "errors": errors});
    assert_eq!(with_items(&body_of("messages", &alone), outline).unwrap(), [(Kind::Other, None)]);
}

#[test]
fn echoes_history_and_standby_are_taken_apart_and_other_fields_are_left_whole() {
    for (field, list, kind) in [
        ("smb_message_echoes", "message_echoes", Kind::Echo),
        ("history", "history", Kind::History),
        ("standby", "messages", Kind::Message),
        ("standby", "standby", Kind::Message),
        ("standby", "statuses", Kind::Status),
    ] {
        let value = json!({
            "metadata": {"phone_number_id": 9, "display_phone_number": "549"},
            "contacts": [{"wa_id": "other"}, {"wa_id": 5}],
            list: [{"to": "5", "from": "business"}, {}],
        });
        let seen = with_items(&body_of(field, &value), |items| {
            assert_eq!(items[0].phone_number_id.as_deref(), Some("9"), "an id may be a number");
            assert_eq!(items[0].display_phone_number.as_deref(), Some("549"));
            assert_eq!(items[0].contact.map(|raw| raw.get()), Some(r#"{"wa_id":5}"#));
            assert!(items[1].contact.is_none(), "an item about nobody has no contact");
            items.iter().map(|item| (item.kind, item.field.as_deref().unwrap().to_owned())).collect::<Vec<_>>()
        });
        assert_eq!(seen.unwrap(), [(kind, field.to_owned()), (kind, field.to_owned())]);
    }
    for field in ["calls", "account_update", "messaging_handovers", "tomorrow"] {
        let value = json!({"statuses": [{"id": "1"}], "messages": [1]});
        let taken = check(&body_of(field, &value)).unwrap();
        assert_eq!(taken, [(Kind::Other, value.to_string())], "{field}");
    }
}

#[test]
fn an_entry_says_its_account_and_time_in_either_spelling() {
    for (id, time) in [(json!("77"), json!(1_795_171_200)), (json!(77), json!("1795171200"))] {
        let body = json!({
            "object": "whatsapp_business_account",
            "entry": [{"time": time, "changes": [{"value": {}, "field": "account_update"}], "id": id}],
        });
        let seen = with_items(body.to_string().as_bytes(), |items| {
            (items[0].waba_id.as_deref().map(str::to_owned), items[0].time)
        });
        assert_eq!(seen.unwrap(), (Some("77".to_owned()), Some(1_795_171_200)));
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::from("messages")),
        Just(Value::from("5491155551234")),
    ];
    let name = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "object", "entry", "id", "time", "changes", "field", "value", "metadata", "contacts", "messages",
            "statuses", "errors", "from", "wa_id", "history",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_refused_or_taken_apart(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn arbitrary_json_in_every_place_is_taken_apart(value in json_value(), depth in 0..4_usize) {
        let object = "whatsapp_business_account";
        let body = match depth {
            0 => value,
            1 => json!({"object": object, "entry": [value]}),
            2 => json!({"object": object, "entry": [{"id": "1", "changes": [value]}]}),
            _ => json!({"object": object, "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]}),
        };
        let text = body.to_string();
        let taken = check(text.as_bytes());
        prop_assert!(depth == 0 || taken.is_some(), "{text}");
    }

    #[test]
    fn whatever_stands_between_good_messages_leaves_them_alone(value in json_value()) {
        beside_good_neighbours(&value.to_string());
    }

    #[test]
    fn a_change_or_an_entry_of_any_form_leaves_the_next_one_alone(value in json_value()) {
        let good = json!({"field": "messages", "value": {"messages": [message("good")]}});
        let whole = json!({
            "object": "whatsapp_business_account",
            "entry": [{"id": "1", "changes": [value, good]}, value, {"id": "2", "changes": [good]}],
        });
        let text = message("good").to_string();
        let taken = check(whole.to_string().as_bytes()).unwrap_or_default();
        let good = taken.iter().filter(|(kind, raw)| *kind == Kind::Message && *raw == text).count();
        prop_assert!(good >= 2, "{good} of two good messages came out of {whole}");
    }
}
