//! The form of a message: which fields each type needs, and how long they may be (WHATSAPP.md §2.5).

use super::interactive;
use crate::refusal::Refusal;
use serde_json::Value;

/// The types of message that a business can send.
const KINDS: [&str; 11] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
];

/// The most characters of a text.
const TEXT: usize = 4096;

/// The most characters of a caption.
const CAPTION: usize = 1024;

/// The most characters of `biz_opaque_callback_data` (WHATSAPP.md §2.8).
const CALLBACK: usize = 512;

/// The type of a message; a text if it does not say.
pub(crate) fn kind(request: &Value) -> &str {
    request.get("type").map_or("text", |kind| kind.as_str().unwrap_or_default())
}

/// Whether a message is well-formed for its edge, `messages` or `marketing_messages`.
pub(crate) fn message(request: &Value, edge: &str) -> Result<(), Refusal> {
    if let Some(of) = request.get("recipient_type")
        && !matches!(of.as_str(), Some("individual" | "group"))
    {
        return Err(Refusal::parameter("recipient_type", "must be one of {INDIVIDUAL, GROUP}"));
    }
    if let Some(callback) = request.get("biz_opaque_callback_data") {
        string(callback, "biz_opaque_callback_data", CALLBACK)?;
    }
    if let Some(context) = request.get("context") {
        string(&context["message_id"], "context['message_id']", usize::MAX)?;
    }
    let kind = kind(request);
    if !KINDS.contains(&kind) {
        let all = KINDS.map(str::to_uppercase).join(", ");
        return Err(Refusal::parameter("type", &format!("must be one of {{{all}}}")));
    }
    if edge == "marketing_messages" {
        if kind != "template" {
            return Err(Refusal::parameter("type", "must be one of {TEMPLATE}"));
        }
        let policy = request.get("product_policy").map_or("CLOUD_API_FALLBACK", |it| it.as_str().unwrap_or_default());
        if !matches!(policy, "CLOUD_API_FALLBACK" | "STRICT") {
            return Err(Refusal::parameter("product_policy", "must be one of {CLOUD_API_FALLBACK, STRICT}"));
        }
    }
    let content = request.get(kind).ok_or_else(|| Refusal::required(kind))?;
    match kind {
        "text" => string(&content["body"], "text['body']", TEXT).map(drop),
        "location" => location(content),
        "contacts" => contacts(content),
        "reaction" => reaction(content),
        "interactive" => interactive::judge(content),
        "template" => template(content),
        _ => file(content, kind),
    }
}

/// A text that is there, is not empty, and has at most so many characters.
pub(crate) fn string<'a>(value: &'a Value, parameter: &str, most: usize) -> Result<&'a str, Refusal> {
    let text = match value {
        Value::Null => return Err(Refusal::required(parameter)),
        Value::String(text) => text,
        _ => return Err(Refusal::parameter(parameter, "must be a string")),
    };
    if text.is_empty() {
        return Err(Refusal::required(parameter));
    }
    if text.chars().count() > most {
        return Err(Refusal::parameter(parameter, &format!("must be at most {most} characters long")));
    }
    Ok(text)
}

/// An address that Meta would fetch from.
pub(crate) fn link(value: &Value, parameter: &str) -> Result<(), Refusal> {
    let text = string(value, parameter, 2000)?;
    match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
        _ => Err(Refusal::parameter(parameter, "is not a valid URI")),
    }
}

/// An image, video, audio, document or sticker: by id or by link, with what goes with its kind.
pub(crate) fn file(content: &Value, kind: &str) -> Result<(), Refusal> {
    match (content.get("id"), content.get("link")) {
        (Some(id), None) => string(id, &format!("{kind}['id']"), 200).map(drop)?,
        (None, Some(address)) => link(address, &format!("{kind}['link']"))?,
        _ => {
            return Err(Refusal::new(
                100,
                &format!("Exactly one of the parameters {kind}['id'] and {kind}['link'] is required."),
            ));
        }
    }
    for (field, kinds) in [("caption", &["image", "video", "document"][..]), ("filename", &["document"])] {
        if let Some(value) = content.get(field) {
            let parameter = format!("{kind}['{field}']");
            if !kinds.contains(&kind) {
                return Err(Refusal::new(100, &format!("Unexpected key \"{field}\" on param \"{kind}\".")));
            }
            string(value, &parameter, if field == "caption" { CAPTION } else { 240 })?;
        }
    }
    Ok(())
}

pub(crate) fn location(content: &Value) -> Result<(), Refusal> {
    for (field, most) in [("latitude", 90.0), ("longitude", 180.0)] {
        let parameter = format!("location['{field}']");
        let degrees = match &content[field] {
            Value::Null => return Err(Refusal::required(&parameter)),
            Value::String(text) => text.parse().ok(),
            number => number.as_f64(),
        };
        if !degrees.is_some_and(|degrees: f64| degrees.abs() <= most) {
            return Err(Refusal::parameter(&parameter, &format!("must be a number from -{most} to {most}")));
        }
    }
    Ok(())
}

fn contacts(content: &Value) -> Result<(), Refusal> {
    let contacts = content.as_array().ok_or_else(|| Refusal::parameter("contacts", "must be an array"))?;
    if !(1..=257).contains(&contacts.len()) {
        return Err(Refusal::parameter("contacts", "must have 1 to 257 elements"));
    }
    for (place, contact) in contacts.iter().enumerate() {
        let parameter = format!("contacts[{place}]['name']['formatted_name']");
        string(&contact["name"]["formatted_name"], &parameter, 1024)?;
    }
    Ok(())
}

fn reaction(content: &Value) -> Result<(), Refusal> {
    string(&content["message_id"], "reaction['message_id']", usize::MAX)?;
    // An empty one takes the reaction back.
    match &content["emoji"] {
        Value::String(emoji) if emoji.chars().count() <= 20 => Ok(()),
        Value::Null => Err(Refusal::required("reaction['emoji']")),
        _ => Err(Refusal::not_valid("reaction['emoji'] must be one emoji")),
    }
}

fn template(content: &Value) -> Result<(), Refusal> {
    string(&content["name"], "template['name']", 512)?;
    string(&content["language"]["code"], "template['language']['code']", 20)?;
    match content.get("components") {
        None | Some(Value::Array(_)) => Ok(()),
        Some(_) => Err(Refusal::parameter("template['components']", "must be an array")),
    }
}
