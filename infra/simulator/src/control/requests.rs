//! What can be asked to happen.

use crate::webhooks::batch::Order;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A customer's message: a text, a file, or any other kind.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Inbound {
    /// To whom.
    pub(super) phone_number_id: String,
    /// The customer's phone number; may be missing if there is a `user_id`.
    pub(super) from: Option<String>,
    /// The customer's business-scoped id.
    pub(super) user_id: Option<String>,
    pub(super) parent_user_id: Option<String>,
    pub(super) username: Option<String>,
    /// The customer's name.
    pub(super) name: Option<String>,
    /// What they write.
    pub(super) text: Option<String>,
    /// The file that they send.
    pub(super) media: Option<File>,
    /// Any message as Meta would write it; what is missing of id, time, type and sender is filled in.
    pub(super) message: Option<Map<String, Value>>,
    /// When, in unix seconds; now, if missing.
    pub(super) timestamp: Option<i64>,
    /// How often the hub is told.
    #[serde(default = "once")]
    pub(super) times: usize,
}

/// A customer's file.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct File {
    /// `image`, `video`, `audio`, `document` or `sticker`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Its bytes.
    pub(super) base64: Option<String>,
    /// Or how many there are to be, at most 128 MiB.
    #[serde(default)]
    pub(super) size: usize,
    pub(super) mime_type: Option<String>,
    pub(super) caption: Option<String>,
    pub(super) filename: Option<String>,
    /// Whether an audio was spoken.
    pub(super) voice: Option<bool>,
    /// What the webhook says of its SHA-256, in base64; the truth, if missing.
    pub(super) sha256: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Status {
    pub(super) phone_number_id: String,
    pub(super) wamid: String,
    /// `sent`, `delivered`, `read`, `played`, `failed` or anything else.
    pub(super) status: String,
    /// Why it failed.
    pub(super) code: Option<i64>,
    pub(super) details: Option<String>,
    /// Whose message it was, if it was not sent here.
    pub(super) recipient: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) callback: Option<String>,
    pub(super) timestamp: Option<i64>,
    /// More fields, which go before those of here.
    #[serde(default)]
    pub(super) with: Map<String, Value>,
    #[serde(default = "once")]
    pub(super) times: usize,
}

/// The business wrote from its own phone.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Echo {
    pub(super) phone_number_id: String,
    pub(super) to: Option<String>,
    pub(super) to_user_id: Option<String>,
    /// The customer's name.
    pub(super) name: Option<String>,
    pub(super) text: Option<String>,
    pub(super) message: Option<Map<String, Value>>,
    pub(super) timestamp: Option<i64>,
    #[serde(default = "once")]
    pub(super) times: usize,
}

/// Part of what was written before the number came to the Cloud API.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct History {
    pub(super) phone_number_id: String,
    #[serde(default)]
    pub(super) phase: u32,
    #[serde(default = "first")]
    pub(super) chunk_order: u32,
    #[serde(default = "all")]
    pub(super) progress: u32,
    /// The threads as Meta would write them.
    pub(super) threads: Option<Value>,
    /// Or how many of them, with how many texts in each.
    #[serde(default)]
    pub(super) thread_count: usize,
    #[serde(default)]
    pub(super) texts_per_thread: usize,
    /// The business did not want to share it.
    #[serde(default)]
    pub(super) declined: bool,
}

/// Anything else, in any field.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    /// The number that it is about; its value gets what all values of a number have.
    pub(super) phone_number_id: Option<String>,
    /// Or the account.
    pub(super) waba_id: Option<String>,
    pub(super) field: String,
    pub(super) value: Value,
    #[serde(default = "once")]
    pub(super) times: usize,
}

/// One of many things.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Item {
    Inbound(Inbound),
    Status(Status),
    Echo(Echo),
    History(History),
    Event(Event),
}

/// Many things.
#[derive(Debug, Deserialize)]
pub(crate) struct Batch {
    pub(super) items: Vec<Item>,
    #[serde(flatten)]
    pub(super) order: Order,
}

/// How a body goes out.
#[derive(Debug, Deserialize)]
pub(crate) struct Raw {
    /// The app that signs it and whose address it goes to.
    pub(super) app: Option<String>,
    #[serde(default = "once")]
    pub(super) times: usize,
}

fn once() -> usize {
    1
}

fn first() -> u32 {
    1
}

fn all() -> u32 {
    100
}
