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
    /// The whole value of any other field: templates, account, quality, echoes, what is yet to come.
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
    /// The webhook field, such as `messages`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Cow<'a, str>>,
    /// The business number that the value names.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub phone_number_id: Option<Cow<'a, str>>,
    /// The element of `contacts[]` that belongs to it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<&'a RawValue>,
    /// The item as Meta sent it; a JSON string of base64 if the body was not JSON.
    #[serde(borrow)]
    pub raw: &'a RawValue,
}

impl<'a> Item<'a> {
    /// An item of which nothing but its text is known.
    pub fn new(kind: Kind, raw: &'a RawValue) -> Self {
        Self { kind, position: 0, waba_id: None, field: None, phone_number_id: None, contact: None, raw }
    }

    pub(crate) fn malformed(raw: &'a RawValue) -> Self {
        Self::new(Kind::Malformed, raw)
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
