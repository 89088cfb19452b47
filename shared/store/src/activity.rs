//! What happened with a contact, for whoever looks at them.

use crate::TenantStore;
use crate::expression::Expression;
use crate::item;
use crate::keys::Key;
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use recado_domain::ids::{ContactId, ConversationId, UserId};
use serde::Serialize;

/// Something that happened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happened<'a> {
    /// A conversation began (REQUIREMENTS IN-15).
    Began,
    /// A conversation was given to somebody whose turn it was (REQUIREMENTS IN-12).
    Assigned(&'a UserId),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActivityRecord<'a> {
    kind: &'static str,
    summary: &'static str,
    related_entity: &'static str,
    related_id: ConversationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_to_id: Option<&'a UserId>,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    at: Timestamp,
}

impl TenantStore {
    /// Notes that something happened. To be written in the transaction that makes it happen.
    pub(crate) fn activity_write(
        &self,
        happened: Happened<'_>,
        contact: ContactId,
        conversation: ConversationId,
        now: Timestamp,
    ) -> TransactWriteItem {
        let (kind, summary, assigned_to_id) = match happened {
            Happened::Began => ("chat", "WhatsApp conversation started", None),
            Happened::Assigned(user) => ("assignment", "WhatsApp conversation assigned", Some(user)),
        };
        let related_entity = "conversation";
        let activity =
            ActivityRecord { kind, summary, related_entity, related_id: conversation, assigned_to_id, at: now };
        let key = Key::activity(self.tenant, contact, now, kind, &conversation.to_string());
        Expression::new().into_put(self.table(), item::item(key, "activity", &activity))
    }
}
