//! What the inbound worker needs of a message.

use super::{Content, Location, Media, Message};
use crate::webhook::Unreadable;
use crate::webhook::contact::Contact;
use crate::webhook::lenient::{Members, mend_surrogates};
use jiff::Timestamp;
use recado_domain::contact::Identities;
use recado_domain::ids::Wamid;
use recado_domain::message::{CHAT_OPENED, MessageType, ORDERED, preview};
use recado_domain::personal::Personal;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// An inbound message, with its content in the form that the API shows (REQUIREMENTS §3.4).
#[derive(Debug, Clone)]
pub struct InboundMessage {
    /// Meta's id of the message.
    pub wamid: Wamid,
    /// When the customer sent it.
    pub timestamp: Timestamp,
    /// Who sent it.
    pub sender: Identities,
    /// The message that it quotes.
    pub quoted: Option<Wamid>,
    /// What it is.
    pub kind: MessageType,
    /// What it says: in our spelling for text, media and locations, as Meta sent it for all else. What
    /// is nested too deeply for a table, or holds a number too large for one, is `{"raw": "…"}` with
    /// the JSON's text.
    pub content: Personal<Value>,
    /// The line that the inbox shows.
    pub preview: Personal<String>,
}

/// Why an item of `messages[]` could not be read as a message of its own.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// It is not shaped like a message at all, or lacks its id or time.
    #[error("the item is not a message")]
    Unreadable(#[source] Unreadable),
    /// Nothing says who sent it.
    #[error("the message names no sender")]
    Anonymous,
    /// It changes another message or a contact, which is not applied yet.
    #[error("messages of kind `{0}` are kept, but not applied yet")]
    NotApplied(&'static str),
}

impl InboundMessage {
    /// Reads one element of `messages[]` and the element of `contacts[]` that belongs to it. A contact
    /// that cannot be read counts as none.
    pub fn parse(raw: &RawValue, contact: Option<&RawValue>) -> Result<Self, MessageError> {
        let message = Message::parse(raw).map_err(MessageError::Unreadable)?;
        if message.is_in_group() {
            return Err(MessageError::NotApplied("group"));
        }
        let kind = message.content.kind();
        if let Some(kind) = ["reaction", "edit", "revoke", "system"].into_iter().find(|later| *later == kind) {
            return Err(MessageError::NotApplied(kind));
        }
        let contact = contact.and_then(|raw| Contact::parse(raw).ok());
        let sender = message.sender(contact.as_ref());
        if sender.is_anonymous() {
            return Err(MessageError::Anonymous);
        }
        let (kind, content) = content(&message.content, raw);
        Ok(Self {
            preview: Personal::new(preview(kind, words(&message.content).as_deref())),
            content: Personal::new(content),
            kind,
            wamid: message.id,
            timestamp: message.timestamp,
            sender,
            quoted: message.context.and_then(|context| context.id),
        })
    }
}

/// The kind, and the content in our own spelling where we have one.
fn content(content: &Content, raw: &RawValue) -> (MessageType, Value) {
    let (kind, value) = match content {
        Content::Text(text) => {
            (MessageType::Text, json!({ "text": text.body.as_ref().map_or("", |body| body.expose()) }))
        }
        Content::Image(media) => (MessageType::Image, media_content(media)),
        Content::Video(media) => (MessageType::Video, media_content(media)),
        Content::Audio(media) => (MessageType::Audio, media_content(media)),
        Content::Document(media) => (MessageType::Document, media_content(media)),
        Content::Sticker(media) => (MessageType::Sticker, media_content(media)),
        Content::Location(location) => (MessageType::Location, location_content(location)),
        Content::Contacts(_) => (MessageType::Contacts, member(raw, "contacts")),
        Content::Interactive(_) => (MessageType::Interactive, member(raw, "interactive")),
        _ => (MessageType::Unknown, as_sent(raw)),
    };
    (kind, value)
}

fn media_content(media: &Media) -> Value {
    let Media { id, mime_type, sha256, caption, filename, voice, animated, .. } = media;
    present([
        ("mediaId", json!(id)),
        ("mimeType", json!(mime_type)),
        ("sha256", json!(sha256)),
        ("caption", json!(caption)),
        ("filename", json!(filename)),
        ("voice", json!(voice)),
        ("animated", json!(animated)),
    ])
}

fn location_content(location: &Location) -> Value {
    let Location { latitude, longitude, name, address, url, .. } = location;
    // A number that is no angle helps nobody find the place, and might not fit into a table.
    let degrees = |angle: &Option<Personal<f64>>, limit: f64| {
        json!(angle.as_ref().map(Personal::expose).filter(|angle| angle.abs() <= limit))
    };
    present([
        ("latitude", degrees(latitude, 90.0)),
        ("longitude", degrees(longitude, 180.0)),
        ("name", json!(name)),
        ("address", json!(address)),
        ("url", json!(url)),
    ])
}

fn present<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(fields.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

/// A member of the message, as Meta sent it.
fn member(raw: &RawValue, name: &str) -> Value {
    let found = Members::of(raw, |members| Ok(members.get(name).map(as_sent)));
    found.ok().flatten().unwrap_or_default()
}

/// How deep what we keep may be nested. A table takes 32 levels (DynamoDB), some of them ours.
const LEVELS: usize = 24;
/// The largest number that we keep as one (DynamoDB: below 10^126, with as many zeros behind the point).
const LARGEST: f64 = 1e125;

/// JSON as Meta sent it, or its text if it is wilder than a table takes.
fn as_sent(raw: &RawValue) -> Value {
    match serde_json::from_str(&mend_surrogates(raw.get())) {
        Ok(value) if is_tame(&value, LEVELS) => value,
        _ => json!({ "raw": raw.get() }),
    }
}

fn is_tame(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => false,
        Value::Array(elements) => elements.iter().all(|element| is_tame(element, levels - 1)),
        Value::Object(members) => members.iter().all(|(name, value)| !name.is_empty() && is_tame(value, levels - 1)),
        Value::Number(number) => {
            let size = number.as_f64().unwrap_or_default().abs();
            size == 0.0 || (1.0 / LARGEST..=LARGEST).contains(&size)
        }
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// What the preview shows of it.
fn words(content: &Content) -> Option<String> {
    let exposed = |text: &Option<Personal<String>>| text.as_ref().map(|text| text.expose().clone());
    match content {
        Content::Text(text) => exposed(&text.body),
        Content::Image(media) | Content::Video(media) => exposed(&media.caption),
        Content::Document(media) => exposed(&media.filename),
        Content::Location(location) => exposed(&location.name),
        Content::Contacts(cards) => {
            let name = cards.iter().find_map(|card| exposed(&card.name.as_ref()?.formatted_name))?;
            Some(if cards.len() > 1 { format!("{name} +{}", cards.len() - 1) } else { name })
        }
        Content::Interactive(interactive) => interactive.reply.title().map(str::to_owned),
        Content::Button(button) => exposed(&button.text),
        Content::Order(_) => Some(ORDERED.to_owned()),
        Content::RequestWelcome => Some(CHAT_OPENED.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_domain::ids::{Bsuid, WaId};
    use recado_testkit::samples;

    fn parse(message: &str) -> Result<InboundMessage, MessageError> {
        InboundMessage::parse(serde_json::from_str(message).unwrap(), None)
    }

    /// The first message of a sample, with its contact.
    fn sample(file: &str) -> InboundMessage {
        let body: Value = serde_json::from_slice(&samples::webhook(file)).unwrap();
        let value = &body["entry"][0]["changes"][0]["value"];
        let raw = |value: &Value| RawValue::from_string(value.to_string()).unwrap();
        InboundMessage::parse(&raw(&value["messages"][0]), Some(&raw(&value["contacts"][0]))).unwrap()
    }

    #[test]
    fn a_text_is_read_with_its_sender_name_and_preview() {
        let message = sample("msg_text.json");
        assert_eq!(message.kind, MessageType::Text);
        assert_eq!(message.content.expose(), &json!({"text": "Hola! ¿A qué hora pasa el técnico? 😊"}));
        assert_eq!(message.preview.expose(), "Hola! ¿A qué hora pasa el técnico? 😊");
        assert_eq!(message.timestamp.as_second(), 1_795_171_200);
        assert_eq!(message.sender.wa_id, Some(WaId::parse("5491155551234").unwrap()));
        assert_eq!(message.sender.bsuid, Some(Bsuid::parse("AR.70921846350912837465").unwrap()));
        assert_eq!(message.sender.name.as_ref().map(|name| name.expose().as_str()), Some("Lucía Fernández"));
    }

    #[test]
    fn a_sender_without_a_phone_is_known_by_the_business_scoped_id() {
        let message = sample("msg_text_bsuid_only.json");
        assert_eq!(message.sender.wa_id, None);
        assert_eq!(message.sender.bsuid, Some(Bsuid::parse("AR.70921846350912837465").unwrap()));
        assert_eq!(message.sender.username.as_ref().map(|name| name.expose().as_str()), Some("lucia.fernandez"));
    }

    #[test]
    fn a_quote_names_the_quoted_message_and_a_forward_names_none() {
        assert!(sample("msg_text_reply_context.json").quoted.is_some());
        assert!(sample("msg_text_forwarded.json").quoted.is_none());
    }

    #[test]
    fn a_timestamp_may_be_a_number() {
        let message =
            parse(r#"{"id":"w","from":"1","timestamp":1795171200,"type":"text","text":{"body":"x"}}"#).unwrap();
        assert_eq!(message.timestamp.as_second(), 1_795_171_200);
    }

    #[test]
    fn a_system_message_without_a_sender_is_known_for_what_it_is() {
        let changed = r#"{"id":"w","timestamp":"1","type":"system","system":{"type":"user_changed_user_id"}}"#;
        assert!(matches!(parse(changed), Err(MessageError::NotApplied("system"))));
    }

    #[test]
    fn what_no_table_takes_is_kept_as_text() {
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        for wild in [deep.as_str(), "1e999", "1e200", r#"{"":1}"#] {
            let message = format!(r#"{{"id":"w","from":"1","timestamp":"1","type":"hologram","hologram":{wild}}}"#);
            assert_eq!(parse(&message).unwrap().content.expose(), &json!({ "raw": message }));
        }
    }

    #[test]
    fn an_unknown_kind_is_kept_whole() {
        let message = parse(r#"{"id":"w","from":"1","timestamp":"1","type":"hologram","hologram":{"x":1}}"#).unwrap();
        assert_eq!(message.kind, MessageType::Unknown);
        assert_eq!(message.content.expose()["hologram"], json!({"x": 1}));
    }

    #[test]
    fn what_cannot_be_a_message_is_refused_with_its_reason() {
        assert!(matches!(parse(r#"{"id":"w","type":"text"}"#), Err(MessageError::Unreadable(_))));
        assert!(matches!(parse(r#"{"id":"w","timestamp":"1","type":"text"}"#), Err(MessageError::Anonymous)));
        assert!(matches!(parse(r#"{"id":"w","from":"","timestamp":"1","type":"text"}"#), Err(MessageError::Anonymous)));
        for not_yet in [
            r#""type":"reaction""#,
            r#""type":"text","text":{"body":"x"},"group_id":"g""#,
            r#""type":"text","text":{"body":"x"},"group_id":{"id":"g"}"#,
        ] {
            let message = format!(r#"{{"id":"w","from":"1","timestamp":"1",{not_yet}}}"#);
            assert!(matches!(parse(&message), Err(MessageError::NotApplied(_))), "{message}");
        }
    }

    #[test]
    fn ids_may_be_numbers_and_what_cannot_be_read_is_never_quoted() {
        let message =
            parse(r#"{"id":"w","from":5491155551234,"timestamp":"1","type":"text","text":{"body":"x"}}"#).unwrap();
        assert_eq!(message.sender.wa_id, Some(WaId::parse("5491155551234").unwrap()));
        for (message, expected) in [
            (r#"{"id":"w","from":"1","timestamp":"a secret"}"#, "`timestamp` is missing or cannot be read"),
            (r#"{"timestamp":"1","from":"a secret"}"#, "`id` is missing or cannot be read"),
            (r#""a secret""#, "not of the expected form at line 1, column 10"),
        ] {
            let error = parse(message).unwrap_err();
            let told = format!("{error}: {}", std::error::Error::source(&error).unwrap());
            assert_eq!(told, format!("the item is not a message: {expected}"));
        }
    }

    #[test]
    fn every_sampled_message_is_read_or_named_as_not_applied_yet() {
        for sample in samples::manifest().into_iter().filter(|sample| sample.is_messages_field) {
            let body: Value = serde_json::from_slice(&samples::webhook(&sample.file)).unwrap();
            for message in
                body.pointer("/entry/0/changes/0/value/messages").and_then(Value::as_array).into_iter().flatten()
            {
                match parse(&message.to_string()) {
                    Ok(_) | Err(MessageError::NotApplied(_)) => {}
                    Err(error) => panic!("{}: {error}", sample.file),
                }
            }
        }
    }
}
