//! One body in, single items out.

use crate::envelope::{Item, Kind};
use crate::signature::VerifiedBody;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a body held.
#[derive(Debug)]
pub enum Split<'a> {
    /// Its items, in order.
    Items(Vec<Item<'a>>),
    /// It is addressed to another product (`object` is not `whatsapp_business_account`).
    Foreign,
    /// It is not JSON, or not a webhook. To be kept as it is: Meta will not send it again.
    Unreadable(serde_json::Error),
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    object: Cow<'a, str>,
    #[serde(borrow)]
    entry: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    changes: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    field: Cow<'a, str>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// The value of the `messages` field.
#[derive(Deserialize)]
struct MessagesValue<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    contacts: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    statuses: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    phone_number_id: Cow<'a, str>,
}

/// What ties a message to its contact.
#[derive(Deserialize)]
struct Sender<'a> {
    #[serde(borrow, default)]
    from: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    from_user_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ContactIds<'a> {
    #[serde(borrow, default)]
    wa_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    user_id: Option<Cow<'a, str>>,
}

/// Takes a verified body apart. Never fails as a whole because of a part: a part that cannot be
/// read comes out as a [`Kind::Malformed`] item beside its readable neighbours.
pub fn split(body: VerifiedBody<'_>) -> Split<'_> {
    let parsed: Body<'_> = match serde_json::from_slice(body.as_bytes()) {
        Ok(parsed) => parsed,
        Err(error) => return Split::Unreadable(error),
    };
    if parsed.object != "whatsapp_business_account" {
        return Split::Foreign;
    }
    let mut items = Vec::with_capacity(parsed.entry.len());
    for raw in parsed.entry {
        match serde_json::from_str(raw.get()) {
            Ok(entry) => split_entry(&entry, &mut items),
            Err(_) => items.push(Item::malformed(raw)),
        }
    }
    for (position, item) in (0..).zip(&mut items) {
        item.position = position;
    }
    Split::Items(items)
}

fn split_entry<'a>(entry: &Entry<'a>, items: &mut Vec<Item<'a>>) {
    for raw in &entry.changes {
        let whole = |kind, field: Option<Cow<'a, str>>, raw| Item {
            waba_id: Some(entry.id.clone()),
            field,
            ..Item::new(kind, raw)
        };
        match serde_json::from_str::<Change<'_>>(raw.get()) {
            Ok(change) if change.field == "messages" => match serde_json::from_str(change.value.get()) {
                Ok(value) => split_messages(entry, &change, &value, items),
                Err(_) => items.push(whole(Kind::Malformed, Some(change.field), change.value)),
            },
            Ok(change) => items.push(whole(Kind::Other, Some(change.field), change.value)),
            Err(_) => items.push(whole(Kind::Malformed, None, raw)),
        }
    }
}

fn split_messages<'a>(entry: &Entry<'a>, change: &Change<'a>, value: &MessagesValue<'a>, items: &mut Vec<Item<'a>>) {
    let item = |kind, raw: &'a RawValue| Item {
        waba_id: Some(entry.id.clone()),
        field: Some(change.field.clone()),
        phone_number_id: Some(value.metadata.phone_number_id.clone()),
        ..Item::new(kind, raw)
    };
    for raw in &value.messages {
        items.push(Item { contact: contact_of(raw, &value.contacts), ..item(Kind::Message, raw) });
    }
    for raw in &value.statuses {
        items.push(item(Kind::Status, raw));
    }
    // Errors of the number itself, or something newer than this code.
    if value.messages.is_empty() && value.statuses.is_empty() {
        items.push(item(Kind::Other, change.value));
    }
}

/// The contact that belongs to a message: matched by id, because the two lists need not run parallel.
fn contact_of<'a>(message: &'a RawValue, contacts: &[&'a RawValue]) -> Option<&'a RawValue> {
    let sender: Sender<'_> = serde_json::from_str(message.get()).ok()?;
    let same = |a: &Option<Cow<'_, str>>, b: &Option<Cow<'_, str>>| matches!((a, b), (Some(a), Some(b)) if a == b && !a.is_empty());
    contacts.iter().copied().find(|contact| {
        serde_json::from_str::<ContactIds<'_>>(contact.get())
            .is_ok_and(|ids| same(&ids.wa_id, &sender.from) || same(&ids.user_id, &sender.from_user_id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{AppSecrets, sign, verify};
    use recado_testkit::samples;

    /// What a body splits into, as `kind field number` lines.
    fn outline(body: &[u8]) -> Vec<String> {
        let secrets = AppSecrets { current: "s".into(), previous: None };
        let header = sign(body, &secrets.current);
        let verified = verify(body, Some(header.as_bytes()), &secrets).unwrap();
        match split(verified) {
            Split::Items(items) => items
                .iter()
                .map(|item| {
                    let contact = if item.contact.is_some() { " with contact" } else { "" };
                    format!(
                        "{:?} {} {}{contact}",
                        item.kind,
                        item.field.as_deref().unwrap_or("-"),
                        item.phone_number_id.as_deref().unwrap_or("-")
                    )
                })
                .collect(),
            Split::Foreign => vec!["foreign".to_owned()],
            Split::Unreadable(_) => vec!["unreadable".to_owned()],
        }
    }

    #[test]
    fn every_sample_holds_as_many_items_as_its_manifest_says() {
        for sample in samples::manifest() {
            let outline = outline(&samples::webhook(&sample.file));
            let count = |kind: &str| outline.iter().filter(|line| line.starts_with(kind)).count();
            assert_eq!(count("Malformed"), 0, "{}: {outline:?}", sample.file);
            if sample.is_messages_field {
                assert_eq!(count("Message "), sample.messages, "messages in {}: {outline:?}", sample.file);
                assert_eq!(count("Status "), sample.statuses, "statuses in {}: {outline:?}", sample.file);
            }
        }
    }

    #[test]
    fn a_bad_part_leaves_its_neighbours_alone() {
        let body = br#"{"object":"whatsapp_business_account","entry":[
            7,
            {"id":"1","changes":["x",
                {"field":"messages","value":{"metadata":{"phone_number_id":"9"},"messages":[{"id":"a"},17]}},
                {"field":"messages","value":"no object"},
                {"field":"brand_new","value":{"x":1}}]}]}"#;
        assert_eq!(
            outline(body),
            [
                "Malformed - -",
                "Malformed - -",
                "Message messages 9",
                "Message messages 9",
                "Malformed messages -",
                "Other brand_new -"
            ]
        );
    }

    #[test]
    fn contacts_are_matched_by_id_and_never_by_place() {
        let body =
            br#"{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{
            "metadata":{"phone_number_id":"9"},
            "contacts":[{"wa_id":"2"},{"user_id":"AR.1"},{"wa_id":"","user_id":""}],
            "messages":[{"from":"1","from_user_id":"AR.1"},{"from":"2"},{"from":"3"},{"from":""}]}}]}]}"#;
        assert_eq!(
            outline(body),
            [
                "Message messages 9 with contact",
                "Message messages 9 with contact",
                "Message messages 9",
                "Message messages 9"
            ]
        );
    }

    #[test]
    fn a_body_that_is_no_webhook_is_recognised_as_such() {
        assert_eq!(outline(b"hello"), ["unreadable"]);
        assert_eq!(outline(br#"{"object":"whatsapp_business_account"}"#), ["unreadable"]);
        assert_eq!(outline(br#"{"object":"page","entry":[]}"#), ["foreign"]);
    }
}
