//! What is going to happen, drawn from a seed.

mod customer;

pub(super) use customer::{AGAINST_TIME, Customer, Said, Text};

use crate::lab::Occupant;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Who writes what, and in which bodies it arrives.
#[derive(Debug)]
pub(super) struct Plan {
    /// Everybody who writes.
    pub(super) customers: Vec<Customer>,
    /// The webhook bodies, in the order in which they arrive.
    pub(super) bodies: Vec<Vec<u8>>,
    /// How many events are in the bodies a second or third time.
    pub(super) duplicates: usize,
    /// The items that cannot be understood, as they stand in the bodies.
    pub(super) malformed: BTreeSet<String>,
}

/// A file that the simulated Meta has.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// The place of the tenant that it was sent to among the occupants.
    pub(super) tenant: usize,
    /// Meta's id of it.
    pub(super) id: String,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

/// Something that a webhook tells.
#[derive(Debug, Clone)]
pub(super) struct Event {
    tenant: usize,
    field: &'static str,
    list: &'static str,
    item: Value,
}

/// How many messages a customer writes, on average.
const TEXTS: usize = 8;

/// One of so many events is a duplicate of another.
const DUPLICATE: f64 = 0.2;

/// One of so many messages is reacted to, edited or deleted.
const CHANGED: f64 = 0.2;

/// After one of so many messages the business writes on its phone.
const ECHOED: f64 = 0.1;

/// What somebody who changes their number says comes within so much of the whole, once they are known by both numbers:
/// several workers meet the same person while two contacts become one. What they write from the new number comes in
/// order, so that each message is the newest and is written without the conversation having been read.
const BURST: f64 = 0.01;

/// One of so many events cannot be understood.
const MALFORMED: f64 = 0.01;

impl Plan {
    /// Draws a plan in which customers send these files, if there are enough messages for them.
    pub(super) fn new(
        seed: u64,
        inbound: usize,
        outbound: usize,
        files: Vec<File>,
        occupants: &[Occupant],
        now: Timestamp,
    ) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut customers: Vec<_> =
            (0..inbound.div_ceil(TEXTS)).map(|number| Customer::new(number, occupants.len(), &mut random)).collect();
        let writers = customers.len();
        for number in 0..inbound {
            let customer = &mut customers[number % writers];
            let text = Text {
                wamid: format!("wamid.{seed}.{number}"),
                timestamp: now.as_second() - 36000 + (number / writers) as i64 * 11,
                said: Said::Words(format!("mensaje {number} ¿está?")),
                changes: Vec::new(),
                echo: None,
            };
            customer.texts.push(text);
        }
        hand_out(files, &mut customers);
        for customer in &mut customers {
            customer.live(&mut random);
        }
        for number in 0..outbound {
            customers[random.random_range(0..writers)].replies.push(format!("respuesta {number}"));
        }

        // Each with its place between the first and the last of all.
        let mut events: Vec<(f64, Event)> = Vec::new();
        for customer in &customers {
            let burst = customer.moves().then(|| random.random::<f64>());
            let events_of = customer.events();
            let mut in_order: Vec<f64> =
                events_of.iter().filter(|event| customer.is_after_move(event)).map(|_| random.random()).collect();
            in_order.sort_by(f64::total_cmp);
            let mut in_order = in_order.into_iter();
            for event in events_of {
                let any = match customer.is_after_move(&event) {
                    true => in_order.next().expect("each has its place"),
                    false => random.random(),
                };
                let place = match burst {
                    Some(burst) if customer.is_first(&event) => burst * any,
                    Some(burst) => burst + BURST * any,
                    None => any,
                };
                events.push((place, event));
            }
        }
        let mut duplicates = 0;
        for place in 0..events.len() {
            while random.random_bool(DUPLICATE) {
                events.push((random.random(), events[place].1.clone()));
                duplicates += 1;
            }
        }
        let mut malformed = BTreeSet::new();
        for number in 0..(inbound as f64 * MALFORMED).ceil() as usize {
            let item = match number % 4 {
                0 => json!({"id": format!("bad.{number}"), "from": "5491155550000", "type": "text"}),
                1 => json!({"id": format!("bad.{number}"), "timestamp": "1795171200", "type": "text"}),
                2 => json!(format!("bad.{number}")),
                _ => json!([number, {}]),
            };
            malformed.insert(item.to_string());
            let tenant = random.random_range(0..occupants.len());
            events.push((random.random(), Event { tenant, field: "messages", list: "messages", item }));
        }
        // The last first: they are taken off the end.
        events.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let events = events.into_iter().map(|(_, event)| event).collect();
        Self { customers, bodies: into_bodies(events, occupants, &mut random), duplicates, malformed }
    }
}

/// Lets customers send the files instead of saying something. Never as their last message, which is what the
/// inbox shows.
fn hand_out(mut files: Vec<File>, customers: &mut [Customer]) {
    for customer in customers {
        let last = customer.texts.len().saturating_sub(1);
        for text in customer.texts[..last].iter_mut().skip(2).step_by(5) {
            if let Some(place) = files.iter().position(|file| file.tenant == customer.tenant) {
                text.said = Said::File(files.swap_remove(place));
            }
        }
    }
}

/// Puts the events into bodies of 1 to 1,000, most of them small, each with an entry per tenant.
fn into_bodies(mut events: Vec<Event>, occupants: &[Occupant], random: &mut StdRng) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    while !events.is_empty() {
        let most = [1, 1, 1, 3, 10, 10, 100, 1000][random.random_range(0..8)];
        let size = random.random_range(1..=most).min(events.len());
        let mut lists: BTreeMap<_, Vec<Value>> = BTreeMap::new();
        for Event { tenant, field, list, item } in events.split_off(events.len() - size) {
            lists.entry((tenant, field, list)).or_default().push(item);
        }
        let entries = lists.into_iter().map(|((tenant, field, list), items)| {
            entry(&occupants[tenant], field, list, &items) //
        });
        bodies.push(body(&entries.collect::<Vec<_>>()));
    }
    bodies
}

/// An entry of a webhook body with one list of items.
pub(super) fn entry(occupant: &Occupant, field: &str, list: &str, items: &[Value]) -> Value {
    let mut value = json!({"metadata": {"phone_number_id": occupant.number.as_str()}});
    value[list] = json!(items);
    json!({"id": occupant.waba.as_str(), "changes": [{"value": value, "field": field}]})
}

pub(super) fn body(entries: &[Value]) -> Vec<u8> {
    json!({"object": "whatsapp_business_account", "entry": entries}).to_string().into_bytes()
}
