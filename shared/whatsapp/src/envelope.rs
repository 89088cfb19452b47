//! The form in which one webhook item travels on a queue.
//!
//! An item is carried as Meta sent it (`raw`), with what the webhook knew around it. Whoever reads
//! it decides what it means; whatever cannot be understood can still be kept.

use crate::webhook::Unreadable;
use recado_domain::ids::MessageId;
use recado_domain::order::MessageOrder;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What kind of item it is, and thereby which worker is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One element of `messages[]`.
    Message,
    /// One element of `statuses[]`.
    Status,
    /// One element of `message_echoes[]`: the business wrote from its phone.
    Echo,
    /// One element of `history[]`: a chunk of what was written before the number came to the API.
    History,
    /// The whole value of any other field, such as templates and quality; or a part of a value that is
    /// none of the above, such as errors of the number, or what is yet to come.
    Other,
    /// Signed by Meta, but of no shape we can take apart.
    Malformed,
}

/// One item of a webhook body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Item<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its place in the body, from 0.
    pub position: u32,
    /// The WhatsApp Business account that the entry names.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub waba_id: Option<Cow<'a, str>>,
    /// When Meta made the entry, in unix seconds. Never said for messages and statuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
    /// The webhook field, such as `messages`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Cow<'a, str>>,
    /// The business number that the value names.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub phone_number_id: Option<Cow<'a, str>>,
    /// The business number as people dial it, as the value says it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub display_phone_number: Option<Cow<'a, str>>,
    /// Which member of the value it is, where it is neither the whole value nor an element of a list.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Cow<'a, str>>,
    /// The element of `contacts[]` that belongs to it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<&'a RawValue>,
    /// The item as Meta sent it; a JSON string of base64 if the body was not JSON.
    #[serde(borrow)]
    pub raw: &'a RawValue,
}

impl<'a> Item<'a> {
    /// An item of which nothing but its text is known.
    pub const fn new(kind: Kind, raw: &'a RawValue) -> Self {
        Self {
            kind,
            position: 0,
            waba_id: None,
            time: None,
            field: None,
            phone_number_id: None,
            display_phone_number: None,
            part: None,
            contact: None,
            raw,
        }
    }
}

/// An item on its way from the webhook to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Envelope<'a> {
    /// The version of this form: 1.
    pub v: u8,
    /// The Meta app whose secret signed the body.
    #[serde(borrow)]
    pub app: Cow<'a, str>,
    /// When the body was received, in milliseconds since 1970.
    pub received: i64,
    /// The item.
    #[serde(borrow)]
    pub item: Item<'a>,
}

/// A queue message that stands for an envelope which is too large for the queue and lies in a bucket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClaimCheck<'a> {
    /// The version of this form: 1.
    pub v: u8,
    /// The Meta app whose secret signed the body.
    #[serde(borrow)]
    pub app: Cow<'a, str>,
    /// When the body was received, in milliseconds since 1970.
    pub received: i64,
    /// The key under which the envelope lies.
    #[serde(borrow)]
    pub claim: Cow<'a, str>,
}

impl<'a> ClaimCheck<'a> {
    /// Stands for the envelope under this key.
    pub const fn new(app: Cow<'a, str>, received: i64, claim: Cow<'a, str>) -> Self {
        Self { v: VERSION, app, received, claim }
    }

    /// Writes it as a queue message.
    pub fn to_message(&self) -> String {
        serde_json::to_string(self).expect("a claim check is representable as JSON")
    }

    /// Reads a queue message; an envelope itself is an error, and the other way round.
    pub fn parse(body: &'a str) -> Result<Self, EnvelopeError> {
        let check: Self = serde_json::from_str(body).map_err(|error| EnvelopeError::Unreadable(error.into()))?;
        if check.v == VERSION { Ok(check) } else { Err(EnvelopeError::Version(check.v)) }
    }
}

/// How much an envelope usually adds to what it holds, in bytes.
const AROUND: usize = 256;

/// The version that [`Envelope::new`] writes and [`Envelope::parse`] reads.
pub const VERSION: u8 = 1;

/// A queue message that is no envelope of ours.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// It is not the JSON of an envelope.
    #[error("the queue message is not an envelope")]
    Unreadable(#[source] Unreadable),
    /// It was written by another version.
    #[error("the envelope has version {0}; this code reads version 1")]
    Version(u8),
}

impl<'a> Envelope<'a> {
    /// Puts an item into an envelope.
    pub const fn new(app: Cow<'a, str>, received: i64, item: Item<'a>) -> Self {
        Self { v: VERSION, app, received, item }
    }

    /// Writes it as a queue message.
    pub fn to_message(&self) -> String {
        let Item { raw, contact, .. } = &self.item;
        let size = raw.get().len() + contact.map_or(0, |contact| contact.get().len());
        let mut text = Vec::with_capacity(size + AROUND);
        serde_json::to_writer(&mut text, self).expect("an envelope is representable as JSON");
        let text = String::from_utf8(text).expect("JSON is UTF-8");
        // SQS refuses these two characters. In JSON they can only stand inside strings, where an escape
        // means the same.
        if text.contains('\u{FFFE}') || text.contains('\u{FFFF}') {
            return text.replace('\u{FFFE}', "\\ufffe").replace('\u{FFFF}', "\\uffff");
        }
        text
    }

    /// Reads a queue message.
    pub fn parse(body: &'a str) -> Result<Self, EnvelopeError> {
        let envelope: Self = serde_json::from_str(body).map_err(|error| EnvelopeError::Unreadable(error.into()))?;
        if envelope.v == VERSION { Ok(envelope) } else { Err(EnvelopeError::Version(envelope.v)) }
    }

    /// Where a message of this time and id stands in its conversation.
    pub fn order(&self, timestamp: jiff::Timestamp, id: MessageId) -> MessageOrder {
        MessageOrder {
            timestamp: timestamp.as_second(),
            received: self.received,
            position: self.item.position,
            tie: id.tie(),
        }
    }
}
