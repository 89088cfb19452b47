//! What a change of the table means to those who follow its stream.

use crate::keys::{PK, parse_conversation_partition};
use crate::outbox::OUTBOX;
use recado_domain::wake_up::WakeUp;
use serde_dynamo::{AttributeValue, Item};

/// The wake-up that a new item calls for, if it is an outbox entry.
pub fn opened_outbox(new_image: &Item) -> Option<WakeUp> {
    let text = |name: &str| match new_image.get(name) {
        Some(AttributeValue::S(text)) => Some(text.as_str()),
        _ => None,
    };
    if text("entity") != Some(OUTBOX) {
        return None;
    }
    let (tenant, conversation) = parse_conversation_partition(text(PK)?)?;
    Some(WakeUp { tenant, conversation })
}
