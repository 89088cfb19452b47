//! One body in, single items out.
//!
//! Nothing is interpreted and nothing is copied: an item is a slice of the body. What the splitter
//! must understand is only where items begin and end, and who they are about. A part that has not
//! the form it should have comes out whole, as a [`Kind::Malformed`] item beside its readable
//! neighbours; what no list of ours covers comes out as [`Kind::Other`].

use super::Unreadable;
use super::word::{Name, Word};
use crate::envelope::{Item, Kind};
use crate::signature::VerifiedBody;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What a body held.
#[derive(Debug)]
pub enum Split<'a> {
    /// Its items, in order.
    Items(Vec<Item<'a>>),
    /// It is addressed to another product (`object` is not `whatsapp_business_account`).
    Foreign,
    /// It is not JSON, or not a webhook. To be kept as it is: Meta will not send it again.
    Unreadable(Unreadable),
}

/// Takes a verified body apart.
///
/// Never fails as a whole because of a part. Time and memory grow linearly with the body, and nothing
/// here recurses into a part, however deeply it is nested.
pub fn split(body: VerifiedBody<'_>) -> Split<'_> {
    let mut items = Vec::new();
    // Nearly every body is as it should be and is read at once; any other, level by level.
    let object = match serde_json::from_slice::<Body<'_>>(body.as_bytes()) {
        Ok(Body { object, entry }) => {
            for Entry { id, time, changes } in entry {
                let around = around(id, &time);
                for change in &changes {
                    split_change(change, &around, &mut items);
                }
            }
            object
        }
        Err(_) => match split_oddly(body.as_bytes(), &mut items) {
            Ok(object) => object,
            Err(error) => return Split::Unreadable(error),
        },
    };
    if object != "whatsapp_business_account" {
        return Split::Foreign;
    }
    number(&mut items);
    Split::Items(items)
}

/// Takes a body apart that is not quite as it should be. Returns what it is addressed to.
fn split_oddly<'a>(body: &'a [u8], items: &mut Vec<Item<'a>>) -> Result<Cow<'a, str>, Unreadable> {
    let body: Members<'_> = serde_json::from_slice(body)?;
    let object = body.word("object").into_text().ok_or(Unreadable::missing("object"))?;
    let entries = body.get("entry").and_then(list_of).ok_or(Unreadable::missing("entry"))?;
    for raw in entries {
        split_raw_entry(raw, items);
    }
    Ok(object)
}

/// Gives each item its place.
fn number(items: &mut [Item<'_>]) {
    for (position, item) in (0..).zip(items) {
        item.position = position;
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    object: Cow<'a, str>,
    #[serde(borrow)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    id: Word<'a>,
    #[serde(borrow, default)]
    time: Word<'a>,
    #[serde(borrow)]
    changes: Vec<Change<'a>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    field: Cow<'a, str>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// The lists that are taken apart, by field. The value of any other field is one item.
fn lists(field: &str) -> &'static [(&'static str, Kind)] {
    match field {
        // While Meta's own agent holds the thread, what the customer writes comes as `standby`.
        "standby" => &[("standby", Kind::Message), ("messages", Kind::Message), ("statuses", Kind::Status)],
        "messages" => &[("messages", Kind::Message), ("statuses", Kind::Status)],
        "smb_message_echoes" | "message_echoes" => &[("message_echoes", Kind::Echo)],
        "history" => &[("history", Kind::History)],
        _ => &[],
    }
}

/// The members of a value that are no items themselves.
const AROUND: [&str; 3] = ["messaging_product", "metadata", "contacts"];

/// What an entry says about each of its items.
fn around<'a>(id: Word<'a>, time: &Word<'a>) -> Item<'a> {
    let time = time.as_str().and_then(|seconds| seconds.parse().ok());
    Item { waba_id: id.into_text(), time, ..Item::new(Kind::Other, RawValue::NULL) }
}

/// Takes one entry apart, as another transport than the webhook hands it over (WHATSAPP.md §2.10).
/// Whoever calls this vouches for where it comes from.
pub fn split_entry(entry: &RawValue) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    split_raw_entry(entry, &mut items);
    number(&mut items);
    items
}

fn split_raw_entry<'a>(raw: &'a RawValue, items: &mut Vec<Item<'a>>) {
    let malformed = Item::new(Kind::Malformed, raw);
    let Ok(entry) = serde_json::from_str::<Members<'_>>(raw.get()) else { return items.push(malformed) };
    let around = around(entry.word("id"), &entry.word("time"));
    let Some(changes) = entry.get("changes").and_then(list_of) else {
        return items.push(Item { kind: Kind::Malformed, raw, ..around });
    };
    for raw in changes {
        let change: Members<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
        match (change.word("field").into_text(), change.get("value")) {
            (Some(field), Some(value)) => split_change(&Change { field, value }, &around, items),
            _ => items.push(Item { kind: Kind::Malformed, raw, ..around.clone() }),
        }
    }
}

fn split_change<'a>(change: &Change<'a>, around: &Item<'a>, items: &mut Vec<Item<'a>>) {
    let lists = lists(&change.field);
    let around = Item { field: Some(change.field.clone()), raw: change.value, ..around.clone() };
    match serde_json::from_str(change.value.get()) {
        Ok(value) => split_value(&value, lists, around, items),
        // Not an object. Where nothing is looked for inside, that is nobody's problem.
        Err(_) if lists.is_empty() => items.push(around),
        Err(_) => items.push(Item { kind: Kind::Malformed, ..around }),
    }
}

fn split_value<'a>(value: &Members<'a>, lists: &[(&str, Kind)], mut around: Item<'a>, items: &mut Vec<Item<'a>>) {
    let metadata = value.get("metadata").and_then(|raw| serde_json::from_str::<Members<'_>>(raw.get()).ok());
    let metadata = metadata.unwrap_or_default();
    around.phone_number_id = metadata.word("phone_number_id").into_text();
    around.display_phone_number = metadata.word("display_phone_number").into_text();
    let contacts = Contacts::read(value.get("contacts"));
    let before = items.len();
    for (name, raw) in value.0.iter().filter(|(name, _)| !lists.is_empty() && !AROUND.contains(&name.as_ref())) {
        let part = |kind| Item { kind, part: Some(name.clone()), raw, ..around.clone() };
        match lists.iter().find(|(list, _)| list == name) {
            Some((_, kind)) => match list_of(raw) {
                Some(list) => items.extend(list.into_iter().map(|raw| Item {
                    kind: *kind,
                    contact: contacts.of(raw),
                    raw,
                    ..around.clone()
                })),
                None => items.push(part(Kind::Malformed)),
            },
            None if matches!(raw.get(), "null" | "[]") => {}
            // Errors that Meta reports beside the messages, or something newer than this code.
            None => items.push(part(Kind::Other)),
        }
    }
    // Nothing that stands for itself: an error of the number, say. It stays in one piece.
    if items[before..].iter().all(|item| item.kind == Kind::Other) {
        items.truncate(before);
        items.push(around);
    }
}

/// The most elements of a list that are taken apart. Meta's own limit for a whole body is said to be 1,000
/// (WHATSAPP.md §2.1); a longer list is kept in one piece, so that nothing grows without bounds.
const ELEMENTS_MAX: usize = 5_000;

/// The largest contact that travels with each of its items, in bytes; Meta's have some two hundred.
const CONTACT_MAX: usize = 4_096;

/// The elements of a list; `null` is an empty one. `None`: it is no list, or too long.
fn list_of(raw: &RawValue) -> Option<Vec<&RawValue>> {
    if raw.get() == "null" {
        return Some(Vec::new());
    }
    serde_json::Deserializer::from_str(raw.get()).deserialize_seq(ListReader).ok()
}

struct ListReader;

impl<'de> Visitor<'de> for ListReader {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {ELEMENTS_MAX} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            if elements.len() == ELEMENTS_MAX {
                return Err(A::Error::invalid_length(ELEMENTS_MAX + 1, &self));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

/// The contacts of a value, sorted by each of their ids: the lists need not run parallel.
struct Contacts<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Contacts<'a> {
    fn read(list: Option<&'a RawValue>) -> Self {
        let mut known = Vec::new();
        let contacts = list.and_then(list_of).unwrap_or_default();
        for raw in contacts.into_iter().filter(|raw| raw.get().len() <= CONTACT_MAX) {
            known.extend(ids(raw, &["wa_id", "user_id"]).into_iter().map(|id| (id, raw)));
        }
        known.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self(known)
    }

    /// The contact that an item is about.
    fn of(&self, item: &'a RawValue) -> Option<&'a RawValue> {
        if self.0.is_empty() {
            return None;
        }
        ids(item, &PARTIES).iter().find_map(|id| {
            let place = self.0.partition_point(|(known, _)| known < id);
            self.0.get(place).filter(|(known, _)| known == id).map(|(_, raw)| *raw)
        })
    }
}

/// Where items say whom they are about. The business is among them, but never among the contacts.
const PARTIES: [&str; 8] = [
    "from",
    "from_user_id",
    "to",
    "to_user_id",
    "recipient_id",
    "recipient_user_id",
    "recipient_participant_id",
    "recipient_participant_user_id",
];

/// Those ids in an object that have one of these names; none, if it is no object. Whoever changed their
/// number is found by the new one as well.
fn ids<'a>(raw: &'a RawValue, names: &[&str]) -> Vec<Cow<'a, str>> {
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    deserializer.deserialize_map(IdReader { names }).unwrap_or_default()
}

struct IdReader<'n> {
    names: &'n [&'n str],
}

impl<'de> Visitor<'de> for IdReader<'_> {
    type Value = Vec<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut ids = Vec::with_capacity(2);
        while let Some(Name(name)) = map.next_key()? {
            if self.names.contains(&name.as_ref()) {
                ids.extend(map.next_value::<Word<'_>>()?.into_text());
            } else if name == "system" {
                ids.extend(self::ids(map.next_value()?, &["wa_id", "new_wa_id", "user_id"]));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(ids)
    }
}

/// The members of an object, as Meta sent them.
#[derive(Default)]
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, raw)| *raw)
    }

    fn word(&self, name: &str) -> Word<'a> {
        self.get(name).map(Word::of).unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
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
            } else {
                assert_eq!(count("Message ") + count("Status "), 0, "in {}: {outline:?}", sample.file);
            }
            if sample.file.starts_with("smb_message_echoes") {
                assert_eq!(count("Echo "), outline.len(), "echoes in {}: {outline:?}", sample.file);
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
