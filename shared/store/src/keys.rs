//! Every key of the table. Nobody else writes a `#`.
//!
//! | access pattern | how |
//! |---|---|
//! | tenant by id | get `TENANT#t` / `TENANT` |
//! | a tenant's numbers and their tokens | query `TENANT#t` / `NUMBER#…` |
//! | tenant by phone number id | get `NUMBER#n` / `ROUTE` |
//! | tenants by WhatsApp Business account | query `WABA#w` / `TENANT#…` |
//! | memberships of a person | query `USER#u` / `MEMBER#…` |
//! | contact by id | get `TENANT#t#CONTACT#c` / `CONTACT` |
//! | contact by identity (WhatsApp id, business-scoped id) | get `TENANT#t#IDENTITY#…` / `IDENTITY` |
//! | what happened with a contact, oldest first | query `TENANT#t#CONTACT#c` / `ACTIVITY#…` |
//! | what a contact is or was known by | query `TENANT#t#CONTACT#c` / `FORMERLY#…` |
//! | conversation by (number, contact) | its id is derived from the two |
//! | conversation with its open outbox, oldest first | query `TENANT#t#CONVERSATION#c` / `CONVERSATION…` |
//! | messages of a conversation, either direction | query `TENANT#t#CONVERSATION#c` / `MESSAGE#…` |
//! | media of a conversation, and of a page of its messages | query `TENANT#t#CONVERSATION#c` / `MEDIA#…` |
//! | inbox page by tenant and status, newest first | index `inbox`: `TENANT#t#INBOX#status#shard` / order |
//! | message by id, by client id, by wamid | all three are message ids: get `TENANT#t#MESSAGE#m` / `POINTER` |
//! | statuses and changes that came before their message | query `TENANT#t#MESSAGE#m` / `EARLY#…` |
//! | whether a change (reaction, edit, deletion) was taken | get `TENANT#t#MESSAGE#m` / `TAKEN` |
//! | everything unfinished, by kind and due date | index `due`: `DUE#kind#shard` / time |
//! | parked items of a tenant; of a number nobody owns; of nobody | query `TENANT#t#PARKED`, `NUMBER#n`, `PARKED` / `PARKED#…` |
//! | webhook log by tenant and day, newest first; of what is no tenant's | query each `TENANT#t#LOG#day#shard`, `LOG#day#shard` / `LOG#…` |
//!
//! The `inbox` index carries whole items, the `due` index only keys. Both have a shard in their
//! partition key because a throttled index rejects base writes; there is one shard until a tenant
//! needs more.

use crate::event::EventId;
use aws_sdk_dynamodb::types::AttributeValue;
use recado_domain::contact::Address;
use recado_domain::ids::{ContactId, ConversationId, MessageId, PhoneNumberId, TenantId, UserId, WabaId};
use recado_domain::order::MessageOrder;
use recado_domain::status::Fact;
use std::collections::HashMap;

pub(crate) const PK: &str = "pk";
pub(crate) const SK: &str = "sk";

/// The index of conversations by tenant, status and last message.
pub(crate) const INBOX_INDEX: &str = "inbox";
pub(crate) const INBOX_PK: &str = "inboxPk";
pub(crate) const INBOX_SK: &str = "inboxSk";

/// The index of everything unfinished.
pub(crate) const DUE_INDEX: &str = "due";
pub(crate) const DUE_PK: &str = "duePk";
pub(crate) const DUE_SK: &str = "dueSk";

/// What is due. Each kind has partitions of its own, so that many of one cannot keep another waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DueKind {
    /// An outbox entry.
    Outbox,
    /// A status or a change that came before its message.
    Early,
    /// A customer's file that is not ours yet.
    Media,
}

/// How many shards each kind has; the sweep reads each.
pub(crate) const DUE_SHARDS: u32 = 1;

/// The sort key prefix of the messages of a conversation.
pub(crate) const MESSAGES: &str = "MESSAGE#";
/// The sort key prefix of the files of a conversation's messages.
pub(crate) const MEDIA: &str = "MEDIA#";
/// The sort key prefix that a conversation and its open outbox share, and nothing else.
pub(crate) const CONVERSATION_AND_OUTBOX: &str = "CONVERSATION";
/// The sort key prefix of statuses and changes that came before their message.
pub(crate) const EARLY: &str = "EARLY#";
/// The sort key prefix of parked items.
pub(crate) const PARKED: &str = "PARKED#";
/// The sort key prefix of logged webhook events.
pub(crate) const LOGGED: &str = "LOG#";
/// How many shards a day of the webhook log has: one partition takes 1,000 writes a second.
pub(crate) const LOG_SHARDS: u32 = 4;
/// The sort key prefix of what a contact is or was known by.
pub(crate) const FORMERLY: &str = "FORMERLY#";
/// The sort key prefix of a tenant's numbers.
pub(crate) const NUMBERS: &str = "NUMBER#";
/// The sort key prefix of a person's memberships.
pub(crate) const MEMBERS: &str = "MEMBER#";

/// The primary key of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    pub(crate) fn tenant(tenant: TenantId) -> Self {
        Self::new(format!("TENANT#{tenant}"), "TENANT")
    }

    pub(crate) fn number(tenant: TenantId, number: &PhoneNumberId) -> Self {
        Self::new(format!("TENANT#{tenant}"), format!("NUMBER#{}", number.as_str()))
    }

    pub(crate) fn route(number: &PhoneNumberId) -> Self {
        Self::new(format!("NUMBER#{}", number.as_str()), "ROUTE")
    }

    pub(crate) fn waba(waba: &WabaId, tenant: TenantId) -> Self {
        Self::new(format!("WABA#{}", waba.as_str()), format!("TENANT#{tenant}"))
    }

    pub(crate) fn membership(user: &UserId, tenant: TenantId) -> Self {
        Self::new(format!("USER#{}", user.as_str()), format!("{MEMBERS}{tenant}"))
    }

    pub(crate) fn contact(tenant: TenantId, contact: ContactId) -> Self {
        Self::new(format!("TENANT#{tenant}#CONTACT#{contact}"), "CONTACT")
    }

    pub(crate) fn identity(tenant: TenantId, identity: &Address) -> Self {
        Self::new(format!("TENANT#{tenant}#IDENTITY#{}", name_of(identity)), "IDENTITY")
    }

    pub(crate) fn activity(tenant: TenantId, contact: ContactId, at: jiff::Timestamp, of: ConversationId) -> Self {
        Self { sk: format!("ACTIVITY#{:013}#{of}", at.as_millisecond()), ..Self::contact(tenant, contact) }
    }

    pub(crate) fn formerly(tenant: TenantId, contact: ContactId, identity: &Address) -> Self {
        Self { sk: format!("{FORMERLY}{}", name_of(identity)), ..Self::contact(tenant, contact) }
    }

    pub(crate) fn conversation(tenant: TenantId, conversation: ConversationId) -> Self {
        Self::new(conversation_partition(tenant, conversation), CONVERSATION_AND_OUTBOX)
    }

    pub(crate) fn outbox(place: &Place) -> Self {
        let Place { tenant, conversation, order, message } = place;
        Self::new(
            conversation_partition(*tenant, *conversation),
            format!("{CONVERSATION_AND_OUTBOX}#OUTBOX#{order}#{message}"),
        )
    }

    pub(crate) fn message(place: &Place) -> Self {
        let Place { tenant, conversation, order, message } = place;
        Self::new(conversation_partition(*tenant, *conversation), format!("{MESSAGES}{order}#{message}"))
    }

    pub(crate) fn media(place: &Place) -> Self {
        let Place { tenant, conversation, order, message } = place;
        Self::new(conversation_partition(*tenant, *conversation), format!("{MEDIA}{order}#{message}"))
    }

    pub(crate) fn pointer(tenant: TenantId, message: MessageId) -> Self {
        Self::new(format!("TENANT#{tenant}#MESSAGE#{message}"), "POINTER")
    }

    /// Of failures at the same time, each has a place of its own.
    pub(crate) fn early(tenant: TenantId, message: MessageId, status: &str, fact: &Fact) -> Self {
        let code = fact.error.as_ref().and_then(|error| error.code).map(|code| format!("#{code}")).unwrap_or_default();
        let sort = format!("{EARLY}{status}#{:013}{code}", fact.at.as_millisecond());
        Self { sk: sort, ..Self::pointer(tenant, message) }
    }

    pub(crate) fn early_change(tenant: TenantId, target: MessageId, change: MessageId) -> Self {
        Self { sk: format!("{EARLY}CHANGE#{change}"), ..Self::pointer(tenant, target) }
    }

    pub(crate) fn taken(tenant: TenantId, change: MessageId) -> Self {
        Self { sk: "TAKEN".to_owned(), ..Self::pointer(tenant, change) }
    }

    pub(crate) fn parked(scope: &ParkedScope<'_>, event: &EventId) -> Self {
        Self::new(parked_partition(scope), format!("{PARKED}{event}"))
    }

    pub(crate) fn logged(scope: LogScope, event: &EventId) -> Self {
        Self::new(log_partition(scope, &event.day(), event.shard(LOG_SHARDS)), format!("{LOGGED}{event}"))
    }

    /// The key as DynamoDB takes it.
    pub(crate) fn into_attributes(self) -> HashMap<String, AttributeValue> {
        HashMap::from([(PK.to_owned(), AttributeValue::S(self.pk)), (SK.to_owned(), AttributeValue::S(self.sk))])
    }
}

/// Where a message lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) tenant: TenantId,
    pub(crate) conversation: ConversationId,
    pub(crate) order: MessageOrder,
    pub(crate) message: MessageId,
}

/// To whom a parked item belongs.
#[derive(Debug, Clone)]
pub enum ParkedScope<'a> {
    /// To this tenant.
    Tenant(TenantId),
    /// To whoever owns this number one day; parked only while nobody does.
    UnroutedNumber(&'a PhoneNumberId),
    /// It does not even name a number.
    Nobody,
}

/// In whose webhook log an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogScope {
    /// In this tenant's.
    Tenant(TenantId),
    /// In the deployment's: no tenant was proven.
    Deployment,
}

pub(crate) fn parked_partition(scope: &ParkedScope<'_>) -> String {
    match scope {
        ParkedScope::Tenant(tenant) => format!("TENANT#{tenant}#PARKED"),
        ParkedScope::UnroutedNumber(number) => format!("NUMBER#{}", number.as_str()),
        ParkedScope::Nobody => "PARKED".to_owned(),
    }
}

pub(crate) fn log_partition(scope: LogScope, day: &str, shard: u32) -> String {
    match scope {
        LogScope::Tenant(tenant) => format!("TENANT#{tenant}#LOG#{day}#{shard}"),
        LogScope::Deployment => format!("LOG#{day}#{shard}"),
    }
}

fn name_of(identity: &Address) -> String {
    match identity {
        Address::Phone(wa_id) => format!("WA#{}", wa_id.as_str()),
        Address::Bsuid(bsuid) => format!("BSUID#{}", bsuid.as_str()),
    }
}

pub(crate) fn conversation_partition(tenant: TenantId, conversation: ConversationId) -> String {
    format!("TENANT#{tenant}#CONVERSATION#{conversation}")
}

/// Reads the tenant and conversation out of a conversation's partition key.
pub(crate) fn parse_conversation_partition(pk: &str) -> Option<(TenantId, ConversationId)> {
    let (tenant, conversation) = pk.strip_prefix("TENANT#")?.split_once("#CONVERSATION#")?;
    Some((TenantId::parse(tenant).ok()?, ConversationId::parse(conversation).ok()?))
}

/// Reads the tenant and message out of a media item's key.
pub(crate) fn parse_media_key(pk: &str, sk: &str) -> Option<(TenantId, MessageId)> {
    let (tenant, _) = parse_conversation_partition(pk)?;
    let (_, message) = sk.strip_prefix(MEDIA)?.split_once('#')?;
    Some((tenant, MessageId::parse(message).ok()?))
}

/// Reads the tenant and message out of a pointer's partition key.
pub(crate) fn parse_pointer_partition(pk: &str) -> Option<(TenantId, MessageId)> {
    let (tenant, message) = pk.strip_prefix("TENANT#")?.split_once("#MESSAGE#")?;
    Some((TenantId::parse(tenant).ok()?, MessageId::parse(message).ok()?))
}

pub(crate) fn user_partition(user: &UserId) -> String {
    format!("USER#{}", user.as_str())
}

pub(crate) fn inbox_partition(tenant: TenantId, status: &str) -> String {
    format!("TENANT#{tenant}#INBOX#{status}#0")
}

pub(crate) fn inbox_sort(last: MessageOrder, conversation: ConversationId) -> String {
    format!("{last}#{conversation}")
}

pub(crate) fn due_partition(kind: DueKind, shard: u32) -> String {
    let kind = match kind {
        DueKind::Outbox => "OUTBOX",
        DueKind::Early => "EARLY",
        DueKind::Media => "MEDIA",
    };
    format!("DUE#{kind}#{shard}")
}

/// The shard in which everything is due that belongs to the id of these bits.
pub(crate) fn due_shard(id: u128) -> u32 {
    u32::try_from(id % u128::from(DUE_SHARDS)).expect("a remainder below a u32 is a u32")
}

pub(crate) fn due_sort(due: jiff::Timestamp) -> String {
    format!("{:013}", due.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversations_partition_names_its_tenant_and_itself() {
        let (tenant, conversation) = (TenantId::from_bits(1), ConversationId::from_bits(2));
        let pk = conversation_partition(tenant, conversation);
        assert_eq!(parse_conversation_partition(&pk), Some((tenant, conversation)));
        assert_eq!(parse_conversation_partition("TENANT#x"), None);
    }

    #[test]
    fn one_query_reads_a_conversation_and_its_outbox_but_no_message() {
        let order = MessageOrder { timestamp: 1, received: 2, position: 3, tie: 4 };
        let place = Place {
            tenant: TenantId::from_bits(1),
            conversation: ConversationId::from_bits(2),
            order,
            message: MessageId::from_bits(3),
        };
        assert!(Key::outbox(&place).sk.starts_with(CONVERSATION_AND_OUTBOX));
        assert!(Key::conversation(place.tenant, place.conversation).sk.starts_with(CONVERSATION_AND_OUTBOX));
        assert!(!Key::message(&place).sk.starts_with(CONVERSATION_AND_OUTBOX));
        let Key { pk, sk } = Key::media(&place);
        assert_eq!(parse_media_key(&pk, &sk), Some((place.tenant, place.message)));
        assert!(!sk.starts_with(CONVERSATION_AND_OUTBOX) && !sk.starts_with(MESSAGES));
    }
}
