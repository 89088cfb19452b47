//! What happened with a contact, for whoever looks at them.

use crate::TenantStore;
use crate::conversation::ConversationStatus;
use crate::expression::Expression;
use crate::item;
use crate::keys::Key;
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use recado_domain::ids::{ContactId, ConversationId, CustomerId, JobId, UserId};
use recado_domain::label::Label;
use serde::Serialize;

/// Something that happened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happened<'a> {
    /// A conversation began (REQUIREMENTS IN-15).
    Began,
    /// A conversation was given to somebody whose turn it was (REQUIREMENTS IN-12).
    Assigned(&'a UserId),
    /// A person changed something about a conversation (REQUIREMENTS API-05), as its so-many-th edit.
    Edited(&'a UserId, u64, Edited<'a>),
}

/// What a person changed, and what it is now.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Edited<'a> {
    /// Where it stands.
    Status(ConversationStatus),
    /// Who looks after it.
    AssignedToId(Option<&'a UserId>),
    /// What people call it.
    Labels(&'a [Label]),
    /// Which customer the contact is.
    CustomerId(Option<CustomerId>),
    /// The job under discussion.
    ActiveJobId(Option<&'a JobId>),
    /// Until when nobody wants to be reminded of it, in milliseconds since 1970.
    SnoozedUntil(Option<i64>),
}

impl Edited<'_> {
    /// Its kind, and what it is called.
    const fn told(&self) -> (&'static str, &'static str) {
        match self {
            Self::Status(ConversationStatus::Open) => ("status", "WhatsApp conversation opened"),
            Self::Status(ConversationStatus::Closed) => ("status", "WhatsApp conversation closed"),
            Self::Status(ConversationStatus::Archived) => ("status", "WhatsApp conversation archived"),
            Self::Status(ConversationStatus::Spam) => ("status", "WhatsApp conversation marked as spam"),
            Self::AssignedToId(Some(_)) => ("assignment", "WhatsApp conversation assigned"),
            Self::AssignedToId(None) => ("assignment", "WhatsApp conversation no longer assigned"),
            Self::Labels(_) => ("labels", "WhatsApp conversation labelled"),
            Self::CustomerId(Some(_)) => ("customer", "Customer linked"),
            Self::CustomerId(None) => ("customer", "Customer no longer linked"),
            Self::ActiveJobId(Some(_)) => ("job", "Job linked"),
            Self::ActiveJobId(None) => ("job", "Job no longer linked"),
            Self::SnoozedUntil(Some(_)) => ("snooze", "WhatsApp conversation snoozed"),
            Self::SnoozedUntil(None) => ("snooze", "WhatsApp conversation no longer snoozed"),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActivityRecord<'a> {
    kind: &'static str,
    summary: &'static str,
    related_entity: &'static str,
    related_id: ConversationId,
    /// Who did it, if a person did.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_id: Option<&'a UserId>,
    #[serde(flatten)]
    edited: Option<Edited<'a>>,
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
        let (by_id, edit, edited) = match happened {
            Happened::Began => (None, None, None),
            Happened::Assigned(user) => (None, None, Some(Edited::AssignedToId(Some(user)))),
            Happened::Edited(by, edit, edited) => (Some(by), Some(edit), Some(edited)),
        };
        let (kind, summary) = edited.map_or(("chat", "WhatsApp conversation started"), |edited| edited.told());
        let related_entity = "conversation";
        let activity =
            ActivityRecord { kind, summary, related_entity, related_id: conversation, by_id, edited, at: now };
        // Two edits at the same time are two activities.
        let of = edit.map_or_else(|| conversation.to_string(), |edit| format!("{conversation}.{edit}"));
        let key = Key::activity(self.tenant, contact, now, kind, &of);
        Expression::new().into_put(self.table(), item::item(key, "activity", &activity))
    }
}
