//! What is going to happen, drawn from a seed.

use crate::lab::Occupant;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeSet;

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

/// Somebody who writes to a tenant.
#[derive(Debug, Clone)]
pub(super) struct Customer {
    /// The place of the tenant among the occupants.
    pub(super) tenant: usize,
    /// Their phone number; some hide it.
    pub(super) wa_id: Option<String>,
    /// Their business-scoped id; some are not known to have one.
    pub(super) bsuid: Option<String>,
    /// What they write, oldest first.
    pub(super) texts: Vec<Text>,
    /// What is written to them, in order; each text is one of its kind.
    pub(super) replies: Vec<String>,
}

/// One message.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) wamid: String,
    /// Unix seconds; no two of a customer are the same.
    pub(super) timestamp: i64,
    pub(super) body: String,
    /// What happens to it afterwards, oldest first, a second each.
    pub(super) changes: Vec<Change>,
}

/// What its author does to a message.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Puts an emoji onto it; none takes it off.
    React(Option<&'static str>),
    /// Gives it other words.
    Edit(String),
    /// Deletes it.
    Revoke,
}

impl Text {
    /// What it says in the end, what stands on it, and whether it was deleted.
    pub(super) fn end(&self) -> (Option<&str>, Option<&str>, bool) {
        let (mut words, mut emoji, mut is_revoked) = (Some(self.body.as_str()), None, false);
        for change in &self.changes {
            match change {
                Change::React(put) => emoji = *put,
                Change::Edit(new) => words = Some(new),
                Change::Revoke => (words, is_revoked) = (None, true),
            }
        }
        (words, emoji, is_revoked)
    }
}

/// How many messages a customer writes, on average.
const TEXTS: usize = 8;

/// One of so many events is a duplicate of another.
const DUPLICATE: f64 = 0.2;

/// One of so many messages is reacted to, edited or deleted.
const CHANGED: f64 = 0.2;

/// One of so many events cannot be understood.
const MALFORMED: f64 = 0.01;

impl Plan {
    pub(super) fn new(seed: u64, inbound: usize, outbound: usize, occupants: &[Occupant], now: Timestamp) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut customers: Vec<_> =
            (0..inbound.div_ceil(TEXTS)).map(|number| Customer::new(number, occupants.len(), &mut random)).collect();
        let writers = customers.len();
        for number in 0..inbound {
            let customer = &mut customers[number % writers];
            let text = Text {
                wamid: format!("wamid.{seed}.{number}"),
                timestamp: now.as_second() - 7200 + (number / writers) as i64 * 11,
                body: format!("mensaje {number} ¿está?"),
                changes: Vec::new(),
            };
            customer.texts.push(text);
        }
        for customer in &mut customers {
            // The last one stays as it is, so that it is what the inbox shows.
            let changeable = customer.texts.len().saturating_sub(1);
            for text in &mut customer.texts[..changeable] {
                if !random.random_bool(CHANGED) {
                    continue;
                }
                text.changes = (0..random.random_range(1..=4)).map(|number| Change::new(number, &mut random)).collect();
                if random.random_bool(0.3) {
                    text.changes.push(Change::Revoke);
                }
            }
        }
        for number in 0..outbound {
            customers[random.random_range(0..writers)].replies.push(format!("respuesta {number}"));
        }

        let mut events: Vec<(usize, Value)> = Vec::new();
        for customer in &customers {
            events.extend(customer.texts.iter().map(|text| (customer.tenant, customer.message(text))));
            let changed = customer.texts.iter().flat_map(|text| customer.changes(text));
            events.extend(changed.map(|change| (customer.tenant, change)));
        }
        let mut duplicates = 0;
        for place in 0..events.len() {
            while random.random_bool(DUPLICATE) {
                events.push(events[place].clone());
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
            events.push((random.random_range(0..occupants.len()), item));
        }
        events.shuffle(&mut random);
        Self { customers, bodies: into_bodies(events, occupants, &mut random), duplicates, malformed }
    }
}

impl Change {
    fn new(number: usize, random: &mut StdRng) -> Self {
        match random.random_range(0..4) {
            0 => Self::React(None),
            1 => Self::React(Some("👍")),
            2 => Self::React(Some("❤️")),
            _ => Self::Edit(format!("corregido {number}")),
        }
    }

    fn of(&self, target: &str) -> Value {
        match self {
            Self::React(Some(emoji)) => {
                json!({"type": "reaction", "reaction": {"message_id": target, "emoji": emoji}})
            }
            Self::React(None) => json!({"type": "reaction", "reaction": {"message_id": target}}),
            Self::Edit(words) => json!({"type": "edit", "edit": {"original_message_id": target,
                "message": {"type": "text", "text": {"body": words}}}}),
            Self::Revoke => json!({"type": "revoke", "revoke": {"original_message_id": target}}),
        }
    }
}

impl Customer {
    fn new(number: usize, tenants: usize, random: &mut StdRng) -> Self {
        let phone = format!("54911{:08}", 40_000_000 + number);
        let bsuid = format!("AR.{:020}", 7_000_000_000 + number);
        let (wa_id, bsuid) = match random.random_range(0..10) {
            0 => (None, Some(bsuid)),
            1..4 => (Some(phone), Some(bsuid)),
            _ => (Some(phone), None),
        };
        Self { tenant: random.random_range(0..tenants), wa_id, bsuid, texts: Vec::new(), replies: Vec::new() }
    }

    fn message(&self, text: &Text) -> Value {
        self.signed(json!({"id": text.wamid, "timestamp": text.timestamp.to_string(), "type": "text",
            "text": {"body": text.body}}))
    }

    fn changes(&self, text: &Text) -> Vec<Value> {
        let change = |(place, change): (i64, &Change)| {
            let mut item = change.of(&text.wamid);
            item["id"] = json!(format!("{}.change.{place}", text.wamid));
            item["timestamp"] = json!((text.timestamp + place).to_string());
            self.signed(item)
        };
        (1..).zip(&text.changes).map(change).collect()
    }

    fn signed(&self, mut message: Value) -> Value {
        if let Some(wa_id) = &self.wa_id {
            message["from"] = json!(wa_id);
        }
        if let Some(bsuid) = &self.bsuid {
            message["from_user_id"] = json!(bsuid);
        }
        message
    }

    /// Whether these are this customer's identities.
    pub(super) fn is(&self, wa_id: Option<&str>, bsuid: Option<&str>) -> bool {
        self.wa_id.as_deref() == wa_id && self.bsuid.as_deref() == bsuid
    }
}

/// Puts the events into bodies of 1 to 1,000, most of them small, each with an entry per tenant.
fn into_bodies(mut events: Vec<(usize, Value)>, occupants: &[Occupant], random: &mut StdRng) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    while !events.is_empty() {
        let most = [1, 1, 1, 3, 10, 10, 100, 1000][random.random_range(0..8)];
        let size = random.random_range(1..=most).min(events.len());
        let taken = events.split_off(events.len() - size);
        let mut of_tenants = vec![Vec::new(); occupants.len()];
        for (tenant, event) in taken {
            of_tenants[tenant].push(event);
        }
        let entries = occupants.iter().zip(of_tenants).filter(|(_, messages)| !messages.is_empty());
        let entries: Vec<_> = entries.map(|(occupant, messages)| entry(occupant, "messages", &messages)).collect();
        bodies.push(body(&entries));
    }
    bodies
}

/// An entry of a webhook body with one list of items.
pub(super) fn entry(occupant: &Occupant, list: &str, items: &[Value]) -> Value {
    let mut value = json!({"metadata": {"phone_number_id": occupant.number.as_str()}});
    value[list] = json!(items);
    json!({"id": occupant.waba.as_str(), "changes": [{"value": value, "field": "messages"}]})
}

pub(super) fn body(entries: &[Value]) -> Vec<u8> {
    json!({"object": "whatsapp_business_account", "entry": entries}).to_string().into_bytes()
}
