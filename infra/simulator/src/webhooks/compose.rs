//! What webhooks say (WHATSAPP.md §2.1–2.4).

use crate::Meta;
use crate::world::{Number, Sent};
use serde_json::{Map, Value, json};

/// One thing that happened: the future `changes[]` element of an envelope.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) waba: String,
    pub(crate) app: String,
    /// The number that it is about: its id and digits. Without one it is about the account.
    pub(crate) number: Option<(String, String)>,
    pub(crate) field: String,
    /// The value, without what all values of a number have.
    pub(crate) parts: Map<String, Value>,
}

impl Change {
    /// Something that concerns a number.
    pub(crate) fn of_number(number: &Number, field: &str, parts: Value) -> Self {
        let parts = if let Value::Object(parts) = parts { parts } else { Map::new() };
        Self {
            waba: number.waba_id.clone(),
            app: number.app.clone(),
            number: Some((number.phone_number_id.clone(), number.digits())),
            field: field.to_owned(),
            parts,
        }
    }

    fn value(self) -> Value {
        let mut value = Map::new();
        if let Some((id, digits)) = self.number {
            value.insert("messaging_product".to_owned(), json!("whatsapp"));
            value.insert("metadata".to_owned(), json!({"display_phone_number": digits, "phone_number_id": id}));
        }
        value.extend(self.parts);
        Value::Object(value)
    }
}

/// What one POST says. Messages and statuses of one number share a value, as Meta batches them.
pub(crate) fn envelope(changes: Vec<Change>, now: i64) -> Value {
    let mut merged: Vec<Change> = Vec::new();
    for change in changes {
        let same = |known: &&mut Change| {
            change.field == "messages" && known.field == change.field && known.number == change.number
        };
        match merged.iter_mut().find(same) {
            Some(known) => merge(&mut known.parts, change.parts),
            None => merged.push(change),
        }
    }
    let mut entries: Vec<Value> = Vec::new();
    for change in merged {
        let waba = change.waba.clone();
        let field = change.field.clone();
        // Account and template webhooks have a time, messages do not.
        let is_timed = change.number.is_none();
        let value = json!({"value": change.value(), "field": field});
        let same = |entry: &&mut Value| entry["id"] == *waba && entry.get("time").is_some() == is_timed;
        match entries.iter_mut().find(same).and_then(|entry| entry["changes"].as_array_mut()) {
            Some(changes) => changes.push(value),
            None => {
                let mut entry = json!({"id": waba, "changes": [value]});
                if is_timed {
                    entry["time"] = json!(now);
                }
                entries.push(entry);
            }
        }
    }
    json!({"object": "whatsapp_business_account", "entry": entries})
}

/// Appends the lists of one value to those of another; each contact is listed once.
fn merge(known: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        match (known.get_mut(&name).and_then(Value::as_array_mut), value) {
            (Some(list), Value::Array(more)) if name == "contacts" => {
                for contact in more {
                    if !list.contains(&contact) {
                        list.push(contact);
                    }
                }
            }
            (Some(list), Value::Array(more)) => list.extend(more),
            (_, value) => {
                known.insert(name, value);
            }
        }
    }
}

/// Who a customer is, as far as a webhook says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Customer {
    pub(crate) wa_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) parent_user_id: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) name: String,
}

impl Customer {
    /// The element of `contacts[]`.
    pub(crate) fn contact(&self) -> Value {
        let mut contact = json!({ "profile": {"name": self.name} });
        if let Some(username) = &self.username {
            contact["profile"]["username"] = json!(username);
        }
        let ids = [("wa_id", &self.wa_id), ("user_id", &self.user_id), ("parent_user_id", &self.parent_user_id)];
        for (field, id) in ids {
            if let Some(id) = id {
                contact[field] = json!(id);
            }
        }
        contact
    }

    /// Names the customer as a message's sender.
    pub(crate) fn sign(&self, message: &mut Value) {
        let ids =
            [("from", &self.wa_id), ("from_user_id", &self.user_id), ("from_parent_user_id", &self.parent_user_id)];
        for (field, id) in ids {
            if let (Some(id), None) = (id, message.get(field)) {
                message[field] = json!(id);
            }
        }
    }
}

/// A customer's message. A system message has no contact.
pub(crate) fn message(number: &Number, customer: &Customer, message: Value) -> Change {
    let parts = if message["type"] == "system" {
        json!({ "messages": [message] })
    } else {
        json!({"contacts": [customer.contact()], "messages": [message]})
    };
    Change::of_number(number, "messages", parts)
}

/// The status of a message that was sent, at this time in unix seconds.
pub(crate) fn status(sent: &Sent, status: &str, at: i64) -> Value {
    let mut body = json!({"id": sent.wamid, "status": status, "timestamp": at.to_string()});
    for (field, id) in [("recipient_id", &sent.wa_id), ("recipient_user_id", &sent.user_id)] {
        if let Some(id) = id {
            body[field] = json!(id);
        }
    }
    if let Some(callback) = sent.request["biz_opaque_callback_data"].as_str() {
        body["biz_opaque_callback_data"] = json!(callback);
    }
    if matches!(status, "sent" | "delivered") {
        body["pricing"] =
            json!({"billable": true, "pricing_model": "PMP", "type": "regular", "category": sent.category});
    }
    body
}

/// Statuses of a number's messages.
pub(crate) fn statuses(number: &Number, statuses: Vec<Value>) -> Change {
    Change::of_number(number, "messages", json!({ "statuses": statuses }))
}

/// Something that concerns an account, in any field.
pub(crate) fn event(meta: &Meta, waba: &str, field: &str, value: Value) -> Change {
    let world = meta.world();
    let app = world.numbers.values().find(|number| number.waba_id == waba);
    let app = app.map_or_else(|| crate::world::DEFAULT_APP.to_owned(), |number| number.app.clone());
    let parts = if let Value::Object(parts) = value { parts } else { Map::new() };
    Change { waba: waba.to_owned(), app, number: None, field: field.to_owned(), parts }
}
