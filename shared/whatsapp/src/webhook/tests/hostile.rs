//! What should never happen, one thing after another: no panic, no loss, no bad neighbour.

use super::*;

/// What may stand where something else should.
const ODD: [&str; 16] = [
    "null",
    "true",
    "0",
    "-1.5",
    "7e300",
    "1e999",
    "123456789012345678901234567890",
    "\"\"",
    "\"x\"",
    r#""\ud83d""#,
    r#""\udE00\ud83d\ude00""#,
    r#""a\u0000b""#,
    "[]",
    "[null,1,\"x\"]",
    "{}",
    r#"{"id":{},"type":[],"\ud83d":1,"id":"x"}"#,
];

#[test]
fn each_field_may_be_missing_and_only_an_id_or_a_time_costs_the_item() {
    let mut cases = 0;
    for (field, value) in distinct_changes() {
        let all = count(&check(&field, &value.to_string()));
        for path in paths(&value) {
            let left = count(&check(&field, &removed(&value, &path)));
            match within_item(&path) {
                Some("id" | "timestamp") => assert!(left + 1 >= all, "{field}{path} took neighbours along"),
                Some(_) => assert_eq!(left, all, "an item was lost with {field}{path}"),
                None => {}
            }
            cases += 1;
        }
    }
    assert!(cases >= 1_200, "only {cases} cases");
}

#[test]
fn each_field_may_be_anything_and_only_an_id_or_a_time_costs_the_item() {
    let mut cases = 0;
    for (field, value) in distinct_changes() {
        let all = count(&check(&field, &value.to_string()));
        for path in paths(&value) {
            for odd in ODD {
                let left = count(&check(&field, &replaced(&value, &path, odd)));
                match within_item(&path) {
                    Some("id" | "timestamp") => assert!(left + 1 >= all, "{field}{path} took neighbours along"),
                    Some(_) => assert_eq!(left, all, "an item was lost when {field}{path} was {odd}"),
                    None => {}
                }
                cases += 1;
            }
        }
    }
    assert!(cases >= 1_200 * ODD.len(), "only {cases} cases");
}

#[test]
fn a_value_that_ends_early_is_refused_and_one_that_was_patched_up_is_read() {
    let mut cases = 0;
    for (field, value) in distinct_changes() {
        let json = value.to_string();
        for (end, _) in json.char_indices() {
            let cut = &json[..end];
            assert!(serde_json::from_str::<crate::webhook::change::Messages>(cut).is_err(), "{cut} was read");
            let patched = closed(cut);
            if serde_json::from_str::<&RawValue>(&patched).is_ok() {
                check(&field, &patched);
                cases += 1;
            }
        }
    }
    assert!(cases >= 17_000, "only {cases} cases");
}

/// Closes whatever is open.
fn closed(cut: &str) -> String {
    let (mut open, mut in_text, mut escaped) = (Vec::new(), false, false);
    for c in cut.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => {}
            '{' => open.push('}'),
            '[' => open.push(']'),
            '}' | ']' => drop(open.pop()),
            _ => {}
        }
    }
    let quote = if in_text { "\"" } else { "" };
    format!("{cut}{quote}{}", open.into_iter().rev().collect::<String>())
}

#[test]
fn a_value_with_a_wrong_byte_is_no_json_or_is_read() {
    const FLIPS: usize = 1_000;
    let (mut cases, mut read) = (0, 0);
    let mut random: u64 = 2026;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    for (field, value) in distinct_changes() {
        let json = value.to_string();
        for _ in 0..FLIPS {
            let mut bytes = json.clone().into_bytes();
            let at = next(bytes.len());
            // Half of them hit what JSON itself is made of.
            bytes[at] = if next(2) == 0 { br#"{}[]",:\0e-."#[next(12)] } else { next(256) as u8 };
            let Ok(json) = String::from_utf8(bytes) else { continue };
            cases += 1;
            if serde_json::from_str::<&RawValue>(&json).is_ok() {
                check(&field, &json);
                read += 1;
            }
        }
    }
    assert!(cases >= 50_000 && read >= 30_000, "only {cases} cases, {read} of them JSON");
}

#[test]
fn no_depth_of_nesting_matters() {
    const LEVELS: usize = 100_000;
    let lists = format!("{}{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(LEVELS), "}".repeat(LEVELS));
    let edits = format!(r#"{}1{}"#, r#"{"type":"edit","edit":{"message":"#.repeat(LEVELS / 2), "}}".repeat(LEVELS / 2));
    let mut cases = 0;
    for file in ["msg_text.json", "msg_edit_text.json", "status_sent_with_conversation.json"] {
        let (field, value) = changes(file).remove(0);
        for path in paths(&value).into_iter().filter(|path| within_item(path).is_some()) {
            let left = count(&check(&field, &replaced(&value, &path, &lists)));
            if !matches!(within_item(&path), Some("id" | "timestamp")) {
                assert_eq!(left, 1, "an item was lost with {field}{path}");
            }
            cases += 1;
        }
    }
    let (_, edit) = changes("msg_edit_text.json").remove(0);
    for deep in [&objects, &edits] {
        for path in ["/contacts", "/messages/0/edit", "/messages/0/edit/message"] {
            check("messages", &replaced(&edit, path, deep));
            cases += 1;
        }
        check("messages", deep);
        check("brand_new", deep);
        cases += 2;
    }
    assert!(cases >= 40, "only {cases} cases");
}

#[test]
fn of_two_values_under_one_name_the_last_counts() {
    let json = r#"{"messages":[{"id":"w","timestamp":"1","type":"image","text":{"body":"a"},"text":{"body":"b"},
        "type":"text","id":"v"}]}"#;
    let message = InboundMessage::parse(items(raw(json))[0].1, None);
    assert!(matches!(message, Err(crate::webhook::message::MessageError::Anonymous)));
    let Change::Messages(value) = check("messages", json) else { panic!("not messages") };
    assert_eq!(value.messages[0].id.as_str(), "v");
    let written = serde_json::to_string(&value.messages[0].content_text()).unwrap();
    assert_eq!(written, r#""b""#);
}

#[test]
fn half_an_emoji_costs_nothing_but_itself() {
    let message = InboundMessage::parse(
        raw(r#"{"id":"w","from":"549","timestamp":"1","\ud83d":1,"type":"text","text":{"body":"Hola \ud83d"}}"#),
        Some(raw(r#"{"wa_id":"549","profile":{"name":"Luc\udc00ía 😊 \ud83d\ude0a"}}"#)),
    )
    .unwrap();
    let Act::Says(said) = message.act else { panic!("{:?}", message.act) };
    assert_eq!(said.content.expose()["text"], "Hola \u{fffd}");
    assert_eq!(said.preview.expose(), "Hola \u{fffd}");
    assert_eq!(message.sender.name.unwrap().expose(), "Luc\u{fffd}ía 😊 😊");
}

impl crate::webhook::message::Message {
    fn content_text(&self) -> Option<&str> {
        match &self.content {
            crate::webhook::message::Content::Text(text) => Some(text.body.as_ref()?.expose()),
            _ => None,
        }
    }
}
