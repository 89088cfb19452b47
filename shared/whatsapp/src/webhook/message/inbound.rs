//! What the inbound worker needs of a message.

use super::{Content, Edited, HistoryStatus, Location, Media, Message, System};
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

/// One element of `messages[]`, of `message_echoes[]` or of a history thread, as the inbound worker
/// needs it.
#[derive(Debug, Clone)]
pub struct InboundMessage {
    /// Meta's id of the message.
    pub wamid: Wamid,
    /// When it was sent.
    pub timestamp: Timestamp,
    /// Who sent it; of an echo or of what the business wrote in the past: nobody.
    pub sender: Identities,
    /// To whom the business sent it: only of echoes and in history.
    pub recipient: Identities,
    /// The group it was sent to.
    pub group: Option<Personal<String>>,
    /// What had become of it when the history was exported.
    pub history: Option<HistoryStatus>,
    /// What it does.
    pub act: Act,
}

/// What a message does.
#[derive(Debug, Clone)]
pub enum Act {
    /// It is a message of its own.
    Says(Said),
    /// It puts an emoji onto another message, or takes it off (none).
    Reacts {
        /// The other message.
        target: Wamid,
        /// The emoji.
        emoji: Option<Personal<String>>,
    },
    /// It changes the words of another message.
    Edits {
        /// The other message.
        target: Wamid,
        /// The new words.
        words: NewWords,
    },
    /// It deletes another message.
    Revokes {
        /// The other message.
        target: Wamid,
    },
    /// It says that somebody is now known by other identities.
    Moves(Box<Moved>),
}

/// Somebody is now known by other identities.
#[derive(Debug, Clone)]
pub struct Moved {
    /// What they were known by.
    pub before: Identities,
    /// What they are known by now.
    pub after: Identities,
    /// The line that tells of it.
    pub said: Said,
}

/// What a message says, in the form that the API shows (REQUIREMENTS §3.4).
#[derive(Debug, Clone)]
pub struct Said {
    /// What it is.
    pub kind: MessageType,
    /// What it says: in our spelling for text, media and locations, as Meta sent it for all else. What
    /// is nested too deeply for a table, or holds a number too large for one, is `{"raw": "…"}` with
    /// the JSON's text.
    pub content: Personal<Value>,
    /// The line that the inbox shows.
    pub preview: Personal<String>,
    /// The message that it quotes.
    pub quoted: Option<Wamid>,
    /// The advertisement through which it came, as Meta sent it.
    pub referral: Option<Personal<Value>>,
    /// Whether nobody said it: it tells of what happened to the customer.
    pub is_notice: bool,
}

/// The words that an edit leaves: only texts and captions can be edited.
#[derive(Debug, Clone)]
pub struct NewWords {
    /// Whether they are a caption; otherwise they are a text.
    pub is_caption: bool,
    /// The words.
    pub words: Personal<String>,
    /// The line that the inbox shows; none if these words do not show in it.
    pub preview: Option<Personal<String>>,
}

/// Why an item could not be read as a message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// It is not shaped like a message at all, or lacks its id or time.
    #[error("the item is not a message")]
    Unreadable(#[source] Unreadable),
    /// Nothing says who sent it.
    #[error("the message names no sender")]
    Anonymous,
    /// It changes another message and does not say which, or does not say how.
    #[error("a {0} that does not say of what")]
    Aimless(&'static str),
}

impl InboundMessage {
    /// Reads one element of `messages[]` and the element of `contacts[]` that belongs to it. A contact
    /// that cannot be read counts as none.
    pub fn parse(raw: &RawValue, contact: Option<&RawValue>) -> Result<Self, MessageError> {
        let message = Self::parse_any(raw, contact)?;
        let is_known = !message.sender.is_anonymous() || matches!(message.act, Act::Moves(_));
        if is_known { Ok(message) } else { Err(MessageError::Anonymous) }
    }

    /// Reads one element of `message_echoes[]`: what the business wrote on its phone.
    pub fn parse_echo(raw: &RawValue, contact: Option<&RawValue>) -> Result<Self, MessageError> {
        let message = Self::parse_any(raw, contact)?;
        let is_known = !message.recipient.is_anonymous() || message.group.is_some();
        if is_known { Ok(message) } else { Err(MessageError::Anonymous) }
    }

    /// Reads a message of a history thread. Who the customer is, the thread says.
    pub fn of_history(message: &Message) -> Result<Self, MessageError> {
        let raw = serde_json::value::to_raw_value(message).expect("what was read can be written");
        Self::parse_any(&raw, None)
    }

    fn parse_any(raw: &RawValue, contact: Option<&RawValue>) -> Result<Self, MessageError> {
        let message = Message::parse(raw).map_err(MessageError::Unreadable)?;
        let contact = contact.and_then(|raw| Contact::parse(raw).ok());
        let is_sent = message.to.is_some() || message.to_user_id.is_some();
        let (of_sender, of_recipient) = if is_sent { (None, contact.as_ref()) } else { (contact.as_ref(), None) };
        Ok(Self {
            sender: message.sender(of_sender),
            recipient: message.recipient(of_recipient),
            group: group(&message),
            history: message.history_context.as_ref().and_then(|context| context.status.clone()),
            act: act(&message, raw)?,
            wamid: message.id,
            timestamp: message.timestamp,
        })
    }
}

fn group(message: &Message) -> Option<Personal<String>> {
    let unread = || message.rest.get("group_id").map(|raw| raw.as_str().to_owned());
    message.is_in_group().then(|| message.group_id.clone().or_else(unread)).flatten().map(Personal::new)
}

fn act(message: &Message, raw: &RawValue) -> Result<Act, MessageError> {
    let target = |target: &Option<Wamid>, kind| target.clone().ok_or(MessageError::Aimless(kind));
    Ok(match &message.content {
        Content::Reaction(reaction) => Act::Reacts {
            target: target(&reaction.message_id, "reaction")?,
            emoji: reaction.emoji.clone().filter(|emoji| !emoji.expose().is_empty()),
        },
        Content::Edit(edit) => Act::Edits {
            target: target(&edit.original_message_id, "edit")?,
            words: edit.message.as_ref().and_then(new_words).ok_or(MessageError::Aimless("edit"))?,
        },
        Content::Revoke(revoke) => Act::Revokes { target: target(&revoke.original_message_id, "revoke")? },
        Content::System(system) if system.moves() => moved(message, system, said(message, raw)),
        content => match ["reaction", "edit", "revoke"].into_iter().find(|kind| *kind == content.kind()) {
            Some(kind) => return Err(MessageError::Aimless(kind)),
            None => Act::Says(said(message, raw)),
        },
    })
}

fn said(message: &Message, raw: &RawValue) -> Said {
    let (kind, content) = content(&message.content, raw);
    Said {
        preview: Personal::new(preview(kind, words(&message.content).as_deref())),
        content: Personal::new(content),
        kind,
        quoted: message.context.as_ref().and_then(|context| context.id.clone()),
        referral: message.referral.is_some().then(|| Personal::new(member(raw, "referral"))),
        is_notice: matches!(message.content, Content::System(_)),
    }
}

fn new_words(edited: &Edited) -> Option<NewWords> {
    if let Some(words) = edited.text.as_ref().and_then(|text| text.body.clone()) {
        let line = preview(MessageType::Text, Some(words.expose()));
        return Some(NewWords { is_caption: false, words, preview: Some(Personal::new(line)) });
    }
    let captioned = [
        (&edited.image, Some(MessageType::Image)),
        (&edited.video, Some(MessageType::Video)),
        // The inbox shows a document's name, not its caption.
        (&edited.document, None),
    ];
    let (media, shown) = captioned.into_iter().find_map(|(media, shown)| Some((media.as_ref()?, shown)))?;
    // Without a caption: it was taken away.
    let words = media.caption.clone().unwrap_or_else(|| Personal::new(String::new()));
    let line = shown.map(|kind| Personal::new(preview(kind, Some(words.expose()))));
    Some(NewWords { is_caption: true, words, preview: line })
}

fn moved(message: &Message, system: &System, said: Said) -> Act {
    let before = Identities {
        wa_id: system.customer.clone().or_else(|| message.from.clone()),
        bsuid: system.previous_user_id.clone().or_else(|| message.from_user_id.clone()),
        parent_bsuid: system.previous_parent_user_id.clone(),
        ..Identities::default()
    };
    let after = Identities {
        wa_id: system.new_number().cloned(),
        bsuid: system.user_id.clone(),
        parent_bsuid: system.parent_user_id.clone(),
        ..Identities::default()
    };
    if before.is_anonymous() || after.is_anonymous() {
        Act::Says(said)
    } else {
        Act::Moves(Box::new(Moved { before, after, said }))
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
        Content::System(system) => exposed(&system.body),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_domain::ids::{Bsuid, WaId};
    use recado_testkit::samples;

    fn said(message: &InboundMessage) -> &Said {
        match &message.act {
            Act::Says(said) => said,
            other => panic!("not a message of its own: {other:?}"),
        }
    }

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
        assert_eq!(said(&message).kind, MessageType::Text);
        assert_eq!(said(&message).content.expose(), &json!({"text": "Hola! ¿A qué hora pasa el técnico? 😊"}));
        assert_eq!(said(&message).preview.expose(), "Hola! ¿A qué hora pasa el técnico? 😊");
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
        assert!(said(&sample("msg_text_reply_context.json")).quoted.is_some());
        assert!(said(&sample("msg_text_forwarded.json")).quoted.is_none());
    }

    #[test]
    fn a_timestamp_may_be_a_number() {
        let message =
            parse(r#"{"id":"w","from":"1","timestamp":1795171200,"type":"text","text":{"body":"x"}}"#).unwrap();
        assert_eq!(message.timestamp.as_second(), 1_795_171_200);
    }

    #[test]
    fn a_change_of_identities_needs_no_sender_but_both_sides() {
        let changed = |system: &str| {
            parse(&format!(
                r#"{{"id":"w","timestamp":"1","type":"system","system":{{"type":"user_changed_user_id"{system}}}}}"#
            ))
        };
        let moved = changed(r#","user_id":"AR.2","previous_user_id":"AR.1""#).unwrap();
        let Act::Moves(moved) = moved.act else { panic!("{:?}", moved.act) };
        assert_eq!((moved.before.bsuid, moved.after.bsuid), (Bsuid::parse("AR.1").ok(), Bsuid::parse("AR.2").ok()));
        assert!(matches!(changed(r#","user_id":"AR.2""#), Err(MessageError::Anonymous)));
    }

    #[test]
    fn a_change_of_number_is_read_in_both_forms() {
        for file in ["msg_system_user_changed_number.json", "msg_system_customer_changed_number_legacy.json"] {
            let Act::Moves(moved) = sample(file).act else { panic!("{file} moves nobody") };
            assert_eq!(moved.before.wa_id, WaId::parse("5491155551234").ok(), "{file}");
            assert_eq!(moved.after.wa_id, WaId::parse("5491166667777").ok(), "{file}");
        }
    }

    #[test]
    fn a_reaction_is_taken_off_by_an_empty_emoji_or_by_none() {
        for emoji in ["", r#","emoji":"""#, r#","emoji":null"#] {
            let message = format!(
                r#"{{"id":"w","from":"1","timestamp":"1","type":"reaction","reaction":{{"message_id":"t"{emoji}}}}}"#
            );
            assert!(matches!(parse(&message).unwrap().act, Act::Reacts { emoji: None, .. }), "{message}");
        }
    }

    #[test]
    fn an_edit_brings_new_words_and_the_line_that_shows_them() {
        let edit = |message: &str| {
            let edit = format!(
                r#"{{"id":"w","from":"1","timestamp":"1","type":"edit","edit":{{"original_message_id":"t","message":{message}}}}}"#
            );
            let Act::Edits { words, .. } = parse(&edit).unwrap().act else { panic!("{edit}") };
            (words.is_caption, words.words.into_inner(), words.preview.map(Personal::into_inner))
        };
        assert_eq!(edit(r#"{"type":"text","text":{"body":"a"}}"#), (false, "a".to_owned(), Some("a".to_owned())));
        assert_eq!(
            edit(r#"{"type":"image","image":{"caption":"b"}}"#),
            (true, "b".to_owned(), Some("📷 b".to_owned()))
        );
        assert_eq!(edit(r#"{"type":"document","document":{"caption":"c"}}"#), (true, "c".to_owned(), None));
    }

    #[test]
    fn what_no_table_takes_is_kept_as_text() {
        let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
        for wild in [deep.as_str(), "1e999", "1e200", r#"{"":1}"#] {
            let message = format!(r#"{{"id":"w","from":"1","timestamp":"1","type":"hologram","hologram":{wild}}}"#);
            assert_eq!(said(&parse(&message).unwrap()).content.expose(), &json!({ "raw": message }));
        }
    }

    #[test]
    fn an_unknown_kind_is_kept_whole() {
        let message = parse(r#"{"id":"w","from":"1","timestamp":"1","type":"hologram","hologram":{"x":1}}"#).unwrap();
        assert_eq!(said(&message).kind, MessageType::Unknown);
        assert_eq!(said(&message).content.expose()["hologram"], json!({"x": 1}));
    }

    #[test]
    fn what_cannot_be_a_message_is_refused_with_its_reason() {
        assert!(matches!(parse(r#"{"id":"w","type":"text"}"#), Err(MessageError::Unreadable(_))));
        assert!(matches!(parse(r#"{"id":"w","timestamp":"1","type":"text"}"#), Err(MessageError::Anonymous)));
        assert!(matches!(parse(r#"{"id":"w","from":"","timestamp":"1","type":"text"}"#), Err(MessageError::Anonymous)));
        for kind in ["reaction", "edit", "revoke"] {
            let message = format!(r#"{{"id":"w","from":"1","timestamp":"1","type":"{kind}","{kind}":{{}}}}"#);
            assert!(matches!(parse(&message), Err(MessageError::Aimless(_))), "{message}");
        }
    }

    #[test]
    fn a_group_is_a_group_even_if_its_id_cannot_be_read() {
        for group in [r#""g""#, r#"{"id":"g"}"#] {
            let message = format!(
                r#"{{"id":"w","from":"1","timestamp":"1","type":"text","text":{{"body":"x"}},"group_id":{group}}}"#
            );
            assert!(parse(&message).unwrap().group.is_some(), "{message}");
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
    fn every_sampled_message_is_read() {
        for sample in samples::manifest().into_iter().filter(|sample| sample.is_messages_field) {
            let body: Value = serde_json::from_slice(&samples::webhook(&sample.file)).unwrap();
            for message in
                body.pointer("/entry/0/changes/0/value/messages").and_then(Value::as_array).into_iter().flatten()
            {
                if let Err(error) = parse(&message.to_string()) {
                    panic!("{}: {error}", sample.file);
                }
            }
        }
    }
}
