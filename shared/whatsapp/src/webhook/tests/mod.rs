//! All models against all samples, all described shapes, and all that should never happen.

mod hostile;
mod samples;
mod shapes;
mod wild;

use super::change::Change;
use super::lenient::mend_surrogates;
use super::message::{Act, InboundMessage, Moved, Said};
use super::status::StatusUpdate;
use recado_domain::personal::Personal;
use recado_testkit::samples as testkit;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn raw(json: &str) -> &RawValue {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json}"))
}

/// The fields and values of a sample, in order.
fn changes(file: &str) -> Vec<(String, Value)> {
    let body: Value = serde_json::from_slice(&testkit::webhook(file)).unwrap();
    let entries = body["entry"].as_array().unwrap();
    let changes = entries.iter().flat_map(|entry| entry["changes"].as_array().unwrap());
    changes.map(|change| (change["field"].as_str().unwrap().to_owned(), change["value"].clone())).collect()
}

/// One value for each shape that occurs in the samples: those that differ in words alone count as one.
fn distinct_changes() -> Vec<(String, Value)> {
    let mut known = BTreeSet::new();
    let all = testkit::manifest().into_iter().flat_map(|sample| changes(&sample.file));
    all.filter(|(field, value)| known.insert((field.clone(), paths(value)))).collect()
}

/// Reads a value as everything that it could be, and writes it again. Returns what was read.
#[track_caller]
fn check(field: &str, json: &str) -> Change {
    let sent = raw(json);
    let change = Change::parse(field, sent);
    let written = serde_json::to_string(&change).unwrap();
    if let Some(difference) = difference(raw(&mend_surrogates(json)), raw(&mend_surrogates(&written))) {
        panic!("{field} is not written as it was sent: {difference}\n   sent: {json}\nwritten: {written}");
    }
    let _shown = format!("{change:?}");
    for (list, item) in items(sent) {
        match list.as_str() {
            "messages" => drop(InboundMessage::parse(item, None)),
            "statuses" => drop(StatusUpdate::parse(item)),
            _ => {}
        }
    }
    change
}

fn items(value: &RawValue) -> Vec<(String, &RawValue)> {
    let lists: BTreeMap<String, &RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
    let items = lists.into_iter().map(|(name, list)| (name, serde_json::from_str(list.get()).unwrap_or_default()));
    items.flat_map(|(name, list): (_, Vec<_>)| list.into_iter().map(move |item| (name.clone(), item))).collect()
}

/// Where two pieces of JSON differ. Numbers may be written as strings and strings as numbers; nothing
/// else may.
fn difference(sent: &RawValue, written: &RawValue) -> Option<String> {
    if sent.get() == written.get() {
        return None;
    }
    type Object<'a> = BTreeMap<String, &'a RawValue>;
    let object = |raw| serde_json::from_str::<Object<'_>>(RawValue::get(raw));
    let count = serde_json::from_str(written.get()).map_or(0, |Count(names)| names);
    if let (Ok(sent), Ok(written)) = (object(sent), object(written)) {
        if written.len() != count {
            return Some("a name is written twice".to_owned());
        }
        let names: BTreeSet<_> = sent.keys().chain(written.keys()).collect();
        return names.into_iter().find_map(|name| match (sent.get(name), written.get(name)) {
            (Some(sent), Some(written)) => difference(sent, written).map(|inner| format!("{name}.{inner}")),
            (Some(_), None) => Some(format!("{name} is lost")),
            (None, _) => Some(format!("{name} is made up")),
        });
    }
    let list = |raw| serde_json::from_str::<Vec<&RawValue>>(RawValue::get(raw));
    if let (Ok(sent), Ok(written)) = (list(sent), list(written)) {
        if sent.len() != written.len() {
            return Some(format!("{} elements became {}", sent.len(), written.len()));
        }
        let mut pairs = sent.into_iter().zip(written).enumerate();
        return pairs.find_map(|(at, (sent, written))| Some(format!("{at}.{}", difference(sent, written)?)));
    }
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get());
    let same = match (text(sent), text(written)) {
        (Ok(sent), Ok(written)) => sent == written,
        (Ok(sent), Err(_)) => sent == written.get(),
        (Err(_), Ok(written)) => written == sent.get(),
        (Err(_), Err(_)) => false,
    };
    (!same).then(|| format!("{} became {}", sent.get(), written.get()))
}

/// How many members an object has, those of equal names counted singly.
struct Count(usize);

impl<'de> serde::Deserialize<'de> for Count {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counter;
        impl<'de> serde::de::Visitor<'de> for Counter {
            type Value = Count;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
                let mut count = 0;
                while map.next_entry::<String, &RawValue>()?.is_some() {
                    count += 1;
                }
                Ok(Count(count))
            }
        }
        deserializer.deserialize_map(Counter)
    }
}

/// Every place in a value, the value itself left out; as JSON pointers.
fn paths(value: &Value) -> BTreeSet<String> {
    fn collect(value: &Value, path: &str, paths: &mut BTreeSet<String>) {
        let members: Vec<(String, &Value)> = match value {
            Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(list) => list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
            _ => return,
        };
        for (name, member) in members {
            let path = format!("{path}/{name}");
            collect(member, &path, paths);
            paths.insert(path);
        }
    }
    let mut found = BTreeSet::new();
    collect(value, "", &mut found);
    found
}

/// The value with something else in one place.
fn replaced(value: &Value, path: &str, by: &str) -> String {
    const MARK: &str = "(here)";
    let mut value = value.clone();
    *value.pointer_mut(path).unwrap() = json!(MARK);
    value.to_string().replace(&format!("\"{MARK}\""), by)
}

/// The value without the member or element in one place.
fn removed(value: &Value, path: &str) -> String {
    let mut value = value.clone();
    let (parent, name) = path.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.remove(name)),
        Value::Array(list) => drop(list.remove(name.parse().unwrap())),
        _ => unreachable!("a path leads through objects and lists"),
    }
    value.to_string()
}

/// How many items were read.
fn count(change: &Change) -> usize {
    match change {
        Change::Messages(value) => value.messages.len() + value.statuses.len(),
        Change::Echoes(value) => value.message_echoes.len(),
        Change::Calls(value) => value.calls.len() + value.statuses.len(),
        Change::Standby(value) => value.standby.len() + value.messages.len(),
        Change::History(value) => {
            let threads = value.history.iter().flat_map(|chunk| &chunk.threads);
            value.messages.len() + threads.map(|thread| thread.messages.len()).sum::<usize>()
        }
        _ => 0,
    }
}

/// Within an item, the part of a path that leads from the item to one of its fields.
fn within_item(path: &str) -> Option<&str> {
    let lists = ["messages", "statuses", "message_echoes", "calls", "standby"];
    let starts = lists.iter().filter_map(|list| path.rfind(&format!("/{list}/")).map(|at| at + list.len() + 2));
    path[starts.max()?..].split_once('/').map(|(_, field)| field)
}
