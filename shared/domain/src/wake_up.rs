//! The only thing that is ever put on the outbound queue.

use crate::ids::{ConversationId, TenantId};
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
}
