//! What Meta sends, as recorded in the samples.

use super::*;
use std::fmt::Write;

#[test]
fn every_sample_is_written_as_it_was_sent_and_understood_to_the_last_field() {
    let samples = testkit::manifest();
    assert_eq!(samples.len(), 94);
    for sample in samples {
        for (field, value) in changes(&sample.file) {
            let change = check(&field, &value.to_string());
            assert!(!matches!(change, Change::Unknown(_)), "{}: {field} is not known", sample.file);
            assert_eq!(count(&change), count_in(&value), "items read of {}", sample.file);
        }
    }
}

#[test]
fn debug_shows_nobodys_number_name_or_words() {
    let personal =
        ["wamid.", "wacid.", "5491155551234", "5491166667777", "AR.7092", "Luc", "Pedro", "Hola", "lucia", "👍"];
    for sample in testkit::manifest() {
        for (field, value) in changes(&sample.file).into_iter().filter(|(field, _)| !field.contains("template")) {
            let shown = format!("{:?}", Change::parse(&field, raw(&value.to_string())));
            for text in personal {
                assert!(!shown.contains(text), "{text} shows in {shown}");
            }
        }
    }
}

/// How many items a value holds, by its form alone.
fn count_in(value: &Value) -> usize {
    let is_item = |path: &&String| within_item(path) == Some("id");
    paths(value).iter().filter(is_item).count()
}

#[test]
fn what_the_samples_mean() {
    let mut families: BTreeMap<String, String> = BTreeMap::new();
    for sample in testkit::manifest() {
        let family = sample.file.split(['_', '.']).next().unwrap().to_owned();
        let text = families.entry(family).or_default();
        for (field, value) in changes(&sample.file) {
            let change = Change::parse(&field, raw(&value.to_string()));
            writeln!(text, "{}: {change:#?}\n", sample.file).unwrap();
        }
    }
    for (family, text) in families {
        insta::assert_snapshot!(format!("meaning_of_{family}"), text);
    }
}

#[test]
fn what_the_inbound_worker_is_told() {
    let mut told = String::new();
    for sample in testkit::manifest().into_iter().filter(|sample| sample.is_messages_field) {
        for (_, value) in changes(&sample.file) {
            let contacts = value.get("contacts").and_then(Value::as_array);
            for message in value.get("messages").and_then(Value::as_array).into_iter().flatten() {
                let same = |contact: &&Value| ["wa_id", "user_id"].iter().any(|id| contact[id] == message[&from(id)]);
                let contact = contacts.and_then(|contacts| contacts.iter().find(same)).map(Value::to_string);
                writeln!(told, "{}", sample.file).unwrap();
                match InboundMessage::parse(raw(&message.to_string()), contact.as_deref().map(raw)) {
                    Ok(message) => {
                        let sender = serde_json::to_string(&message.sender).unwrap();
                        writeln!(told, "{}\n    from {sender}", indented(&message.act)).unwrap();
                    }
                    Err(error) => writeln!(told, "    {error}").unwrap(),
                }
            }
        }
    }
    insta::assert_snapshot!(told);
}

/// What a message does, with all that is hidden otherwise.
fn indented(act: &Act) -> String {
    let emoji = |emoji: &Option<Personal<String>>| emoji.as_ref().map(|emoji| emoji.expose().clone());
    match act {
        Act::Says(Said { kind, content, preview, .. }) => {
            let content = serde_json::to_string(content.expose()).unwrap();
            format!("    {}\n    {kind:?} {content}", preview.expose())
        }
        Act::Reacts { emoji: put, .. } => format!("    reacts with {:?}", emoji(put)),
        Act::Edits { words, .. } => format!("    edits: {} {:?}", words.words.expose(), emoji(&words.preview)),
        Act::Revokes { .. } => "    revokes".to_owned(),
        Act::Moves(moved) => {
            let Moved { before, after, said } = &**moved;
            let json = |who| serde_json::to_string(who).unwrap();
            format!("    {}\n    {} is now {}", said.preview.expose(), json(before), json(after))
        }
    }
}

/// Where a message says what a contact calls so.
fn from(id: &str) -> String {
    id.replace("wa_id", "from").replace("user_id", "from_user_id")
}
