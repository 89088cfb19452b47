//! What is stored, said in a way that does not depend on how it came about.
//!
//! Left out is what only counts or dates the writes. Contacts and conversations have ids that come from
//! whichever message was first, and two that turned out to be one may have been merged, or may never have been
//! two: so they are called after what belongs to them, and what was merged stands under the one that goes on.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

type Item = Map<String, Value>;

/// Everything that is stored, each item under its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State(BTreeMap<String, Item>);

/// What only counts or dates the writes, in whatever item.
///
/// `since` of an identity is when it was seen first by whoever wrote it: it only has to be before a change of
/// hands. `former` is whoever had it by then.
const BOOKKEEPING: [&str; 12] = [
    "rev",
    "edits",
    "updatedAt",
    "createdAt",
    "parkedAt",
    "replayedAt",
    "times",
    "expiresAt",
    "dueSk",
    "since",
    "former",
    "linkRev",
];

impl State {
    /// The state of a table. Of events that were received from `anew` on (in milliseconds since 1970), which are
    /// others' repetitions, no log is kept; and if there are such, when a message was received does not count.
    pub(crate) fn of(items: Vec<HashMap<String, AttributeValue>>, anew: Option<i64>) -> Self {
        let mut items: Vec<Item> = items.into_iter().map(readable).collect();
        items.retain(|item| !is_repetition(item, anew));
        let names = Names::of(&items);
        // They only lead to what a merge has to look after, where it is read anew: who has lost a phone may still stand
        // there with it.
        items.retain(|item| text(item, "entity") != "former-identity");
        // Nor do these promise anything: somebody may be kept under a name that they had for a moment.
        items.retain(|item| text(item, "entity") != "search");
        let shown = shown_phones(&items);
        items.retain(|item| text(item, "entity") != "contact-match" || is_of_shown_phone(item, &shown));
        let mut state = BTreeMap::new();
        for item in items {
            if item.contains_key("mergedInto") {
                continue;
            }
            let item = without_bookkeeping(item);
            let text = names.rename(&Value::Object(item).to_string());
            let text = if anew.is_some() { without_reception(&text) } else { text };
            let Value::Object(item) = serde_json::from_str(&text).unwrap() else { unreachable!("it was an object") };
            let place = format!("{} / {}", item["pk"].as_str().unwrap(), item["sk"].as_str().unwrap());
            // What was merged has the same place as what it was merged into; if it also says the same, it is the same.
            let mut free = place.clone();
            while state.get(&free).is_some_and(|other| *other != item) {
                free.push('\'');
            }
            state.insert(free, item);
        }
        Self(state)
    }

    /// What the other one has differently; empty if nothing.
    pub(crate) fn difference(&self, other: &Self) -> String {
        let mut told = String::new();
        let places: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        for place in places {
            match (self.0.get(place), other.0.get(place)) {
                (Some(one), Some(two)) if one == two => {}
                (Some(one), Some(two)) => {
                    writeln!(told, "{place}").unwrap();
                    let names: BTreeSet<_> = one.keys().chain(two.keys()).collect();
                    for name in names.into_iter().filter(|name| one.get(*name) != two.get(*name)) {
                        let show = |item: &Item| item.get(name).map_or("nothing".to_owned(), ToString::to_string);
                        writeln!(told, "    {name}: one by one {}, but now {}", show(one), show(two)).unwrap();
                    }
                }
                (Some(one), None) => writeln!(told, "{place}\n    is missing: {}", Value::Object(one.clone())).unwrap(),
                (None, Some(two)) => {
                    writeln!(told, "{place}\n    is too much: {}", Value::Object(two.clone())).unwrap()
                }
                (None, None) => unreachable!("a place is somebody's"),
            }
        }
        told
    }

    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// An item without what is binary.
pub(crate) fn readable(item: HashMap<String, AttributeValue>) -> Item {
    let item: HashMap<_, _> = item.into_iter().filter(|(_, value)| !value.is_b()).collect();
    serde_dynamo::from_item(item).unwrap()
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Whether an item logs or parks an event that was received from that time on.
fn is_repetition(item: &Item, anew: Option<i64>) -> bool {
    let event = text(item, "sk").strip_prefix("LOG#").or_else(|| text(item, "sk").strip_prefix("PARKED#"));
    let received = event.and_then(|event| event.split_once('-')?.0.parse::<i64>().ok());
    anew.zip(received).is_some_and(|(anew, received)| received >= anew)
}

/// Which contacts show which phone, those whose place another has taken included.
fn shown_phones(items: &[Item]) -> HashMap<String, String> {
    let contacts = || items.iter().filter(|item| text(item, "entity") == "contact");
    let merged: HashMap<&str, &str> = contacts()
        .filter(|item| item.contains_key("mergedInto"))
        .map(|item| (text(item, "id"), text(item, "mergedInto")))
        .collect();
    let shown: HashMap<&str, &str> = contacts().map(|item| (text(item, "id"), text(item, "waId"))).collect();
    let of = |id: &str| {
        let mut goes_on = id;
        while let Some(into) = merged.get(goes_on) {
            goes_on = into;
        }
        shown.get(goes_on).copied().unwrap_or_default().to_owned()
    };
    shown.keys().map(|id| ((*id).to_owned(), of(id))).collect()
}

/// Whether a contact is to be found by this by a customer with the same phone. What it had before may lead to it
/// still, and is read anew then.
fn is_of_shown_phone(item: &Item, shown: &HashMap<String, String>) -> bool {
    let Some((_, digits)) = text(item, "pk").rsplit_once("#MATCH#PHONE#") else { return true };
    shown.get(text(item, "contact")).is_some_and(|phone| phone.ends_with(digits))
}

fn without_bookkeeping(mut item: Item) -> Item {
    for name in BOOKKEEPING {
        item.remove(name);
    }
    item.remove("absorbed");
    match text(&item, "entity") {
        // What whichever webhook was first called them; their conversation says what they are called.
        "contact" => ["name", "username"].map(|name| item.remove(name)).into_iter().for_each(drop),
        // The name is the newest message's if that one tells one; if not, whether an older one's is known depends on
        // what came first.
        "conversation" => {
            if let Some(contact) = item.get_mut("contact").and_then(Value::as_object_mut) {
                contact.remove("name");
                contact.remove("username");
            }
        }
        "activity" => {
            item.remove("at");
            let of = text(&item, "relatedId").to_owned();
            item.insert("sk".to_owned(), format!("ACTIVITY#{of}").into());
        }
        // The sweep matches them once more if whoever wrote it got no further.
        "contact-match" => drop(item.remove("duePk")),
        "message" => {
            // When it reached us; everything else is when Meta says that it happened.
            if let Some(states) = item.get_mut("states").and_then(Value::as_object_mut) {
                states.remove("RECEIVED");
            }
        }
        _ => {}
    }
    item
}

/// Every place of a message without when it was received and where it stood in the webhook:
/// `seconds.milliseconds.position.tie` becomes `seconds.tie`.
fn without_reception(text: &str) -> String {
    const LENGTH: usize = 10 + 1 + 13 + 1 + 6 + 1 + 8;
    let bytes = text.as_bytes();
    let is_order = |start: usize| {
        let Some(part) = bytes.get(start..start + LENGTH) else { return false };
        part.iter().enumerate().all(|(place, byte)| match place {
            10 | 24 | 31 => *byte == b'.',
            32.. => byte.is_ascii_hexdigit(),
            _ => byte.is_ascii_digit(),
        })
    };
    let mut shorter = String::with_capacity(text.len());
    let mut rest = 0;
    while let Some(found) = (rest..text.len()).find(|start| is_order(*start)) {
        shorter.push_str(&text[rest..found + 10]);
        shorter.push_str(&text[found + 31..found + LENGTH]);
        rest = found + LENGTH;
    }
    shorter + &text[rest..]
}

/// What contacts and conversations are called.
struct Names(HashMap<String, String>);

impl Names {
    fn of(items: &[Item]) -> Self {
        let of_entity = |entity: &'static str| items.iter().filter(move |item| text(item, "entity") == entity);
        let merged: HashMap<&str, &str> = of_entity("contact")
            .chain(of_entity("conversation"))
            .filter(|item| item.contains_key("mergedInto"))
            .map(|item| (text(item, "id"), text(item, "mergedInto")))
            .collect();
        let survivor = |id: &str| {
            let mut goes_on = id;
            while let Some(into) = merged.get(goes_on) {
                goes_on = into;
            }
            goes_on.to_owned()
        };
        // A contact is called after the first of its messages, or after what it is known by.
        let mut owned: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let contact_of: HashMap<&str, &str> =
            of_entity("conversation").map(|item| (text(item, "id"), text(item, "contactId"))).collect();
        for message in of_entity("message") {
            let Some(contact) = contact_of.get(text(message, "conversationId")) else { continue };
            if !text(message, "wamid").is_empty() {
                owned.entry(survivor(contact)).or_default().insert(format!("0 with {}", text(message, "wamid")));
            }
        }
        for identity in of_entity("identity") {
            let (_, identity_of) = text(identity, "pk").split_once("#IDENTITY#").unwrap_or_default();
            owned.entry(survivor(text(identity, "contact"))).or_default().insert(format!("1 known by {identity_of}"));
        }
        let called = |contact: &str| {
            let of = owned.get(&survivor(contact)).and_then(|of| of.first()).map_or("2 of nothing", String::as_str);
            of[2..].to_owned()
        };
        let mut names = HashMap::new();
        for contact in of_entity("contact") {
            let id = text(contact, "id");
            names.insert(id.to_owned(), format!("contact {}", called(id)));
        }
        for (conversation, contact) in contact_of {
            names.insert(conversation.to_owned(), format!("conversation {}", called(contact)));
        }
        Self(names)
    }

    /// The text with names for ids.
    fn rename(&self, text: &str) -> String {
        let mut renamed = text.to_owned();
        for (id, name) in self.0.iter().filter(|(id, _)| text.contains(id.as_str())) {
            renamed = renamed.replace(id, name);
        }
        renamed
    }
}
