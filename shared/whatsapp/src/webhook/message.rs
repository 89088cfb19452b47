//! One inbound message.

use super::{Unreadable, lenient_id, unix_seconds};
use jiff::Timestamp;
use recado_domain::contact::Identities;
use recado_domain::ids::{Bsuid, WaId, Wamid};
use recado_domain::message::{MessageType, preview};
use recado_domain::personal::Personal;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

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
    /// What it says.
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

#[derive(Deserialize)]
struct Head {
    id: Wamid,
    #[serde(deserialize_with = "unix_seconds")]
    timestamp: Timestamp,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "wa_id")]
    from: Option<WaId>,
    #[serde(default, deserialize_with = "bsuid")]
    from_user_id: Option<Bsuid>,
    #[serde(default)]
    context: Option<Context>,
    #[serde(default)]
    group_id: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Context {
    #[serde(default, deserialize_with = "wamid")]
    id: Option<Wamid>,
}

#[derive(Default, Deserialize)]
struct Contact {
    #[serde(default, deserialize_with = "wa_id")]
    wa_id: Option<WaId>,
    #[serde(default, deserialize_with = "bsuid")]
    user_id: Option<Bsuid>,
    #[serde(default)]
    profile: Profile,
}

#[derive(Default, Deserialize)]
struct Profile {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    username: Option<String>,
}

fn wa_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<WaId>, D::Error> {
    lenient_id(deserializer, |text| WaId::parse(text).ok())
}

fn bsuid<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Bsuid>, D::Error> {
    lenient_id(deserializer, |text| Bsuid::parse(text).ok())
}

fn wamid<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Wamid>, D::Error> {
    lenient_id(deserializer, |text| Wamid::parse(text).ok())
}

impl InboundMessage {
    /// Reads one element of `messages[]` and the element of `contacts[]` that belongs to it.
    pub fn parse(raw: &RawValue, contact: Option<&RawValue>) -> Result<Self, MessageError> {
        let head: Head = serde_json::from_str(raw.get()).map_err(|error| MessageError::Unreadable(error.into()))?;
        let contact: Contact = contact.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let text_of = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Personal::new);
        let sender = Identities {
            wa_id: head.from.or(contact.wa_id),
            bsuid: head.from_user_id.or(contact.user_id),
            username: text_of(contact.profile.username),
            name: text_of(contact.profile.name),
            ..Identities::default()
        };
        if sender.is_anonymous() {
            return Err(MessageError::Anonymous);
        }

        let type_name = head.kind.unwrap_or_default();
        if head.group_id.is_some() {
            return Err(MessageError::NotApplied("group"));
        }
        if let Some(kind) = ["reaction", "edit", "revoke", "system"].into_iter().find(|kind| *kind == type_name) {
            return Err(MessageError::NotApplied(kind));
        }
        let whole: Value = serde_json::from_str(raw.get()).map_err(|error| MessageError::Unreadable(error.into()))?;
        let (kind, content) = content(&type_name, whole);
        let words = match kind {
            MessageType::Text => content["text"].as_str(),
            MessageType::Document => content["filename"].as_str(),
            _ => None,
        };
        Ok(Self {
            wamid: head.id,
            timestamp: head.timestamp,
            sender,
            quoted: head.context.and_then(|context| context.id),
            kind,
            preview: Personal::new(preview(kind, words)),
            content: Personal::new(content),
        })
    }
}

/// The kind, and the content in our own spelling where we have one.
fn content(type_name: &str, mut whole: Value) -> (MessageType, Value) {
    let kind = match type_name {
        "text" => MessageType::Text,
        "image" => MessageType::Image,
        "video" => MessageType::Video,
        "audio" => MessageType::Audio,
        "document" => MessageType::Document,
        "sticker" => MessageType::Sticker,
        "location" => MessageType::Location,
        "contacts" => MessageType::Contacts,
        "interactive" => MessageType::Interactive,
        _ => return (MessageType::Unknown, whole),
    };
    let mut body = whole.get_mut(type_name).map(Value::take).unwrap_or_default();
    let content = match kind {
        MessageType::Text => json!({ "text": body["body"].as_str().unwrap_or_default() }),
        MessageType::Image | MessageType::Video | MessageType::Audio | MessageType::Document | MessageType::Sticker => {
            json!({
                "mediaId": body["id"].take(),
                "mimeType": body["mime_type"].take(),
                "sha256": body["sha256"].take(),
                "caption": body["caption"].take(),
                "filename": body["filename"].take(),
            })
        }
        _ => body,
    };
    (kind, content)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        for not_yet in [r#""type":"reaction""#, r#""type":"text","text":{"body":"x"},"group_id":"g""#] {
            let message = format!(r#"{{"id":"w","from":"1","timestamp":"1",{not_yet}}}"#);
            assert!(matches!(parse(&message), Err(MessageError::NotApplied(_))), "{message}");
        }
    }

    #[test]
    fn ids_may_be_numbers_and_what_cannot_be_read_is_never_quoted() {
        let message =
            parse(r#"{"id":"w","from":5491155551234,"timestamp":"1","type":"text","text":{"body":"x"}}"#).unwrap();
        assert_eq!(message.sender.wa_id, Some(WaId::parse("5491155551234").unwrap()));
        let error = parse(r#"{"id":"w","from":"1","timestamp":"1","context":"a secret"}"#).unwrap_err();
        let told = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert_eq!(told, "the item is not a message: not of the expected form at line 1, column 57");
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
