//! What a change of the table means to those who follow its stream.

use crate::keys::{PK, SK, parse_conversation_partition, parse_media_key};
use crate::media::MEDIA_ENTITY;
use crate::outbox::OUTBOX;
use recado_domain::wake_up::{MediaWakeUp, WakeUp};
use serde_dynamo::{AttributeValue, Item};

/// The wake-up that a new item calls for, if it is an outbox entry.
pub fn opened_outbox(new_image: &Item) -> Option<WakeUp> {
    if text(new_image, "entity") != Some(OUTBOX) {
        return None;
    }
    let (tenant, conversation) = parse_conversation_partition(text(new_image, PK)?)?;
    Some(WakeUp { tenant, conversation })
}

/// The wake-up that a new item calls for, if it is a file to be fetched.
pub fn opened_media(new_image: &Item) -> Option<MediaWakeUp> {
    if text(new_image, "entity") != Some(MEDIA_ENTITY) {
        return None;
    }
    let (tenant, message) = parse_media_key(text(new_image, PK)?, text(new_image, SK)?)?;
    Some(MediaWakeUp { tenant, message })
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
}
