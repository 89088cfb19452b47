//! What is put on the queues whose work stands in the table: reasons to look.

use crate::ids::{ConversationId, MessageId, TenantId};
use serde::{Deserialize, Serialize};

/// "Look at this conversation's open outbox." Not the work itself: the outbox entries in the table
/// are, so a wake-up that is lost, late or doubled does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WakeUp {
    /// Whose conversation.
    pub tenant: TenantId,
    /// Which conversation.
    pub conversation: ConversationId,
}

/// What stands in a message on the outbound queue: tagged and versioned, so that another kind of
/// task, or another form of this one, can come beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task")]
pub enum OutboundTask {
    /// Look at a conversation's open outbox.
    #[serde(rename = "wake-up.v1")]
    WakeUp(WakeUp),
}

/// "Look at this message's file." The work is the media item in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MediaWakeUp {
    /// Whose message.
    pub tenant: TenantId,
    /// Which message.
    pub message: MessageId,
}

/// What stands in a message on the media queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task")]
pub enum MediaTask {
    /// Fetch a message's file from Meta.
    #[serde(rename = "fetch.v1")]
    Fetch(MediaWakeUp),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_has_the_form_that_older_and_newer_code_agree_on() {
        let wake_up = WakeUp { tenant: TenantId::from_bits(1), conversation: ConversationId::from_bits(2) };
        let text = r#"{"task":"wake-up.v1","tenant":"tnt_00000000000000000000000001","conversation":"cnv_00000000000000000000000002"}"#;
        assert_eq!(serde_json::to_string(&OutboundTask::WakeUp(wake_up)).unwrap(), text);
        assert_eq!(serde_json::from_str::<OutboundTask>(text).unwrap(), OutboundTask::WakeUp(wake_up));
        assert!(serde_json::from_str::<OutboundTask>(r#"{"task":"wake-up.v9"}"#).is_err());
    }

    #[test]
    fn a_wake_up_for_a_file_has_a_form_of_its_own() {
        let wake_up = MediaWakeUp { tenant: TenantId::from_bits(1), message: MessageId::from_bits(2) };
        let text = r#"{"task":"fetch.v1","tenant":"tnt_00000000000000000000000001","message":"msg_00000000000000000000000002"}"#;
        assert_eq!(serde_json::to_string(&MediaTask::Fetch(wake_up)).unwrap(), text);
        assert_eq!(serde_json::from_str::<MediaTask>(text).unwrap(), MediaTask::Fetch(wake_up));
    }
}
