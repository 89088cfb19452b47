//! Every key of the table. Nobody else writes a `#`.
//!
//! | access pattern | how |
//! |---|---|
//! | tenant by id | get `TENANT#t` / `TENANT` |
//! | a tenant's numbers and their tokens | query `TENANT#t` / `NUMBER#…` |
//! | a tenant's own Meta apps | query `TENANT#t` / `APP#…` |
//! | what a tenant has decided | get `TENANT#t` / `POLICY` |
//! | a tenant's people, and who of them is online | query `TENANT#t` / `MEMBER#…`, then their memberships |
//! | tenant by phone number id | get `NUMBER#n` / `ROUTE` |
//! | who gave a number back, and until when nobody else gets it | get `NUMBER#n` / `QUARANTINE` |
//! | tenants by WhatsApp Business account | query `WABA#w` / `TENANT#…` |
//! | what was told of an account, its restrictions included | query `TENANT#t` / `ACCOUNT#w#…` |
//! | the last events about a tenant's accounts and numbers, by field | query `TENANT#t#NOTICES` / `NOTICE#…` |
//! | template by account, name and language | get `TENANT#t#TEMPLATES` / `TEMPLATE#name#language#w` |
//! | templates by tenant, in the order of their names; by status or category | query `TENANT#t#TEMPLATES` / `TEMPLATE#…`, filtered |
//! | API key by tenant and id; a tenant's API keys, oldest first | query `TENANT#t#KEYS` / `KEY#…` |
//! | memberships of a person | query `USER#u` / `MEMBER#…` |
//! | contact by id | get `TENANT#t#CONTACT#c` / `CONTACT` |
//! | contact by identity (WhatsApp id, business-scoped id) | get `TENANT#t#IDENTITY#…` / `IDENTITY` |
//! | what happened with a contact, oldest first | query `TENANT#t#CONTACT#c` / `ACTIVITY#…` |
//! | what a contact is or was known by | query `TENANT#t#CONTACT#c` / `FORMERLY#…` |
//! | customer by id | get `TENANT#t#CUSTOMER#c` / `CUSTOMER` |
//! | customers by phone match key or e-mail | get `TENANT#t#MATCH#PHONE#…`, `TENANT#t#MATCH#EMAIL#…` / `MATCH` |
//! | customers and contacts that have a phone or e-mail in common | query the same / `MATCH…` |
//! | conversation by (number, contact) | its id is derived from the two |
//! | conversation with its open outbox, oldest first | query `TENANT#t#CONVERSATION#c` / `CONVERSATION…` |
//! | messages of a conversation, either direction | query `TENANT#t#CONVERSATION#c` / `MESSAGE#…` |
//! | media of a conversation, and of a page of its messages | query `TENANT#t#CONVERSATION#c` / `MEDIA#…` |
//! | inbox page by tenant and status, newest first | index `inbox`: `TENANT#t#INBOX#status#shard` / order |
//! | those of several statuses, newest first | one query of that index for each, brought together |
//! | those whose window is open | the same, from 24 hours ago, filtered |
//! | those that somebody looks after | the same, filtered; a page looks at so many at most |
//! | unread conversations, and how many, by their first unread message | index `unread`: `TENANT#t#UNREAD#shard` / order |
//! | what a customer wrote since they were read | query `TENANT#t#CONVERSATION#c` / `MESSAGE#…`, filtered |
//! | conversations by a beginning of a name, or by any part of a phone | query `TENANT#t#SEARCH#kind#beginning` / text and contact |
//! | messages of a contact, newest first | query each of their conversations, brought together |
//! | message by id, by client id, by wamid | all three are message ids: get `TENANT#t#MESSAGE#m` / `POINTER` |
//! | statuses and changes that came before their message | query `TENANT#t#MESSAGE#m` / `EARLY#…` |
//! | whether a change (reaction, edit, deletion) was taken | get `TENANT#t#MESSAGE#m` / `TAKEN` |
//! | everything unfinished, by kind and due date | index `due`: `DUE#kind#shard` / time |
//! | parked items of a tenant; of a number nobody owns; of nobody | query `TENANT#t#PARKED`, `NUMBER#n`, `PARKED` / `PARKED#…` |
//! | webhook log by tenant and day, newest first; of what is no tenant's | query each `TENANT#t#LOG#day#shard`, `LOG#day#shard` / `LOG#…` |
//! | a POST under a key that its caller chose | get `TENANT#t#ONCE#…`, or `ONCE#…` if it concerns no tenant / `ONCE` |
//! | how often a tenant may still ask | update `TENANT#t#BUCKET` / `BUCKET` |
//!
//! The `inbox` index carries whole items, the `due` and `unread` indexes only keys. All have a shard in
//! their partition key because a throttled index rejects base writes; there is one shard until a tenant
//! needs more. A conversation changes its place in `unread` when it becomes unread and when it is read, and
//! not with the messages in between.

use crate::event::EventId;
use aws_sdk_dynamodb::types::AttributeValue;
use recado_domain::contact::Address;
use recado_domain::customer::MatchOn;
use recado_domain::ids::{
    ApiKeyId, AppKey, ContactId, ConversationId, CustomerId, MessageId, PhoneNumberId, TenantId, UserId, WabaId,
};
use recado_domain::order::MessageOrder;
use recado_domain::search::Term;
use recado_domain::status::Fact;
use recado_domain::template::TemplateKey;
use std::collections::HashMap;

pub(crate) const PK: &str = "pk";
pub(crate) const SK: &str = "sk";

/// The index of conversations by tenant, status and last message.
pub(crate) const INBOX_INDEX: &str = "inbox";
pub(crate) const INBOX_PK: &str = "inboxPk";
pub(crate) const INBOX_SK: &str = "inboxSk";

/// The sparse index of conversations with unread messages, by the first of them.
pub(crate) const UNREAD_INDEX: &str = "unread";
pub(crate) const UNREAD_PK: &str = "unreadPk";
/// The place of the first unread message; kept also of what is unwanted, and so not in the index.
pub(crate) const UNREAD_SK: &str = "unreadSk";

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
    /// Customers and contacts to be brought together.
    Match,
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
/// The sort key of the customers that a phone or e-mail leads to, and the prefix that it shares with the
/// contacts that have the same, and with nothing else.
pub(crate) const MATCH: &str = "MATCH";
/// The sort key prefix of what a contact is or was known by.
pub(crate) const FORMERLY: &str = "FORMERLY#";
/// The sort key prefix of a tenant's numbers.
pub(crate) const NUMBERS: &str = "NUMBER#";
/// The sort key prefix of a tenant's own Meta apps.
pub(crate) const APPS: &str = "APP#";
/// The sort key prefix of a tenant's templates.
pub(crate) const TEMPLATES: &str = "TEMPLATE#";
/// The sort key prefix of the last events about a tenant's accounts and numbers.
pub(crate) const NOTICES: &str = "NOTICE#";
/// The sort key prefix of the tenants of an account.
pub(crate) const TENANTS: &str = "TENANT#";
/// The sort key prefix of a person's memberships, and of a tenant's people.
pub(crate) const MEMBERS: &str = "MEMBER#";

/// The sort key prefix of a tenant's API keys.
pub(crate) const API_KEYS: &str = "KEY#";

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
        Self::new(tenant_partition(tenant), "TENANT")
    }

    pub(crate) fn number(tenant: TenantId, number: &PhoneNumberId) -> Self {
        Self::new(tenant_partition(tenant), format!("{NUMBERS}{}", number.as_str()))
    }

    pub(crate) fn route(number: &PhoneNumberId) -> Self {
        Self::new(format!("NUMBER#{}", number.as_str()), "ROUTE")
    }

    pub(crate) fn quarantine(number: &PhoneNumberId) -> Self {
        Self { sk: "QUARANTINE".to_owned(), ..Self::route(number) }
    }

    pub(crate) fn app(tenant: TenantId, app: &AppKey) -> Self {
        Self { sk: format!("{APPS}{}", app.as_str()), ..Self::tenant(tenant) }
    }

    pub(crate) fn waba(waba: &WabaId, tenant: TenantId) -> Self {
        Self::new(waba_partition(waba), format!("{TENANTS}{tenant}"))
    }

    pub(crate) fn account(tenant: TenantId, waba: &WabaId) -> Self {
        Self { sk: format!("{}STATE", account_prefix(waba)), ..Self::tenant(tenant) }
    }

    pub(crate) fn restriction(tenant: TenantId, waba: &WabaId, kind: &str) -> Self {
        Self { sk: format!("{}RESTRICTION#{kind}", account_prefix(waba)), ..Self::tenant(tenant) }
    }

    pub(crate) fn notice(tenant: TenantId, field: &str, subject: &str, event: &str) -> Self {
        Self::new(notices_partition(tenant), format!("{NOTICES}{field}#{subject}#{event}"))
    }

    pub(crate) fn template(tenant: TenantId, waba: &WabaId, key: &TemplateKey) -> Self {
        let sort = format!("{TEMPLATES}{}#{}#{}", key.name(), key.language(), waba.as_str());
        Self::new(templates_partition(tenant), sort)
    }

    pub(crate) fn membership(user: &UserId, tenant: TenantId) -> Self {
        Self::new(format!("USER#{}", user.as_str()), format!("{MEMBERS}{tenant}"))
    }

    pub(crate) fn api_key(tenant: TenantId, id: ApiKeyId) -> Self {
        Self::new(api_keys_partition(tenant), format!("{API_KEYS}{id}"))
    }

    pub(crate) fn policy(tenant: TenantId) -> Self {
        Self { sk: "POLICY".to_owned(), ..Self::tenant(tenant) }
    }

    pub(crate) fn member(tenant: TenantId, user: &UserId) -> Self {
        Self { sk: format!("{MEMBERS}{}", user.as_str()), ..Self::tenant(tenant) }
    }

    pub(crate) fn customer(tenant: TenantId, customer: CustomerId) -> Self {
        Self::new(format!("TENANT#{tenant}#CUSTOMER#{customer}"), "CUSTOMER")
    }

    pub(crate) fn matched(tenant: TenantId, on: &MatchOn) -> Self {
        let name = match on {
            MatchOn::Phone(key) => format!("PHONE#{}", key.as_str()),
            MatchOn::Email(email) => format!("EMAIL#{}", email.as_str()),
        };
        Self::new(format!("TENANT#{tenant}#MATCH#{name}"), MATCH)
    }

    pub(crate) fn matched_contact(tenant: TenantId, on: &MatchOn, contact: ContactId) -> Self {
        Self { sk: format!("{MATCH}#{contact}"), ..Self::matched(tenant, on) }
    }

    pub(crate) fn contact(tenant: TenantId, contact: ContactId) -> Self {
        Self::new(format!("TENANT#{tenant}#CONTACT#{contact}"), "CONTACT")
    }

    pub(crate) fn identity(tenant: TenantId, identity: &Address) -> Self {
        Self::new(format!("TENANT#{tenant}#IDENTITY#{}", name_of(identity)), "IDENTITY")
    }

    /// Of things that happened at the same time, each kind has a place of its own.
    pub(crate) fn activity(tenant: TenantId, contact: ContactId, at: jiff::Timestamp, kind: &str, of: &str) -> Self {
        Self { sk: format!("ACTIVITY#{:013}#{kind}#{of}", at.as_millisecond()), ..Self::contact(tenant, contact) }
    }

    pub(crate) fn formerly(tenant: TenantId, contact: ContactId, identity: &Address) -> Self {
        Self { sk: format!("{FORMERLY}{}", name_of(identity)), ..Self::contact(tenant, contact) }
    }

    pub(crate) fn search(tenant: TenantId, term: &Term, contact: ContactId) -> Self {
        Self::new(search_partition(tenant, term), format!("{}#{contact}", search_prefix(term)))
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

    /// `request` is a digest.
    pub(crate) fn once(tenant: Option<TenantId>, request: &str) -> Self {
        let whose = tenant.map(|tenant| format!("TENANT#{tenant}#")).unwrap_or_default();
        Self::new(format!("{whose}ONCE#{request}"), "ONCE")
    }

    pub(crate) fn bucket(tenant: TenantId) -> Self {
        Self::new(format!("TENANT#{tenant}#BUCKET"), "BUCKET")
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

/// What the keys of an account's items have in common, and those of no other account.
pub(crate) fn account_prefix(waba: &WabaId) -> String {
    format!("ACCOUNT#{}#", waba.as_str())
}

pub(crate) fn waba_partition(waba: &WabaId) -> String {
    format!("WABA#{}", waba.as_str())
}

pub(crate) fn tenant_partition(tenant: TenantId) -> String {
    format!("TENANT#{tenant}")
}

pub(crate) fn templates_partition(tenant: TenantId) -> String {
    format!("TENANT#{tenant}#TEMPLATES")
}

pub(crate) fn api_keys_partition(tenant: TenantId) -> String {
    format!("TENANT#{tenant}#KEYS")
}

pub(crate) fn notices_partition(tenant: TenantId) -> String {
    format!("TENANT#{tenant}#NOTICES")
}

/// Reads the tenant out of the partition key of what customers and contacts have in common, and the
/// contact, if it is one, out of the sort key.
pub(crate) fn parse_match_key(pk: &str, sk: &str) -> Option<(TenantId, Option<ContactId>)> {
    let (tenant, _) = pk.strip_prefix("TENANT#")?.split_once("#MATCH#")?;
    let contact = sk.strip_prefix(MATCH)?.strip_prefix('#').map(ContactId::parse).transpose().ok()?;
    Some((TenantId::parse(tenant).ok()?, contact))
}

pub(crate) fn user_partition(user: &UserId) -> String {
    format!("USER#{}", user.as_str())
}

pub(crate) fn inbox_partition(tenant: TenantId, status: &str) -> String {
    format!("TENANT#{tenant}#INBOX#{status}#0")
}

/// Everything of a kind that begins alike stands together.
pub(crate) fn search_partition(tenant: TenantId, term: &Term) -> String {
    let (kind, beginning, _) = term.key();
    format!("TENANT#{tenant}#SEARCH#{kind}#{beginning}")
}

/// What the sort keys of everything begin with that begins with a term.
pub(crate) fn search_prefix(term: &Term) -> String {
    let (.., text) = term.key();
    text.to_owned()
}

/// Reads text and contact out of the sort key of a search item.
pub(crate) fn parse_search_sort(sort: &str) -> Option<(String, ContactId)> {
    let (text, contact) = sort.rsplit_once('#')?;
    Some((text.to_owned(), ContactId::parse(contact).ok()?))
}

pub(crate) fn unread_partition(tenant: TenantId) -> String {
    format!("TENANT#{tenant}#UNREAD#0")
}

/// The sort key of the first message that would stand at or behind this place.
pub(crate) fn message_sort_from(order: MessageOrder) -> String {
    format!("{MESSAGES}{order}")
}

pub(crate) fn inbox_sort(last: MessageOrder, conversation: ConversationId) -> String {
    format!("{last}#{conversation}")
}

pub(crate) fn due_partition(kind: DueKind, shard: u32) -> String {
    let kind = match kind {
        DueKind::Outbox => "OUTBOX",
        DueKind::Early => "EARLY",
        DueKind::Media => "MEDIA",
        DueKind::Match => "MATCH",
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

/// Reads what [`due_sort`] writes.
pub(crate) fn parse_due_sort(sk: &str) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(sk.parse().ok()?).ok()
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
    fn one_query_reads_an_account_and_its_restrictions_but_nothing_of_an_account_whose_id_begins_alike() {
        let tenant = TenantId::from_bits(1);
        let [short, long] = ["12", "123"].map(|waba| WabaId::parse(waba).unwrap());
        let prefix = account_prefix(&short);
        assert!(Key::account(tenant, &short).sk.starts_with(&prefix));
        assert!(Key::restriction(tenant, &short, "RESTRICTED").sk.starts_with(&prefix));
        assert!(!Key::account(tenant, &long).sk.starts_with(&prefix));
        assert!(!Key::tenant(tenant).sk.starts_with(&prefix));
    }

    #[test]
    fn one_query_reads_everybody_who_has_a_phone_or_an_email_of_one_tenant_and_nobody_else() {
        let (tenant, contact) = (TenantId::from_bits(1), ContactId::from_bits(2));
        // A `#` is allowed in the name of an e-mail address.
        for email in ["lucia@correo.example", "a#match#b@correo.example"] {
            let on = MatchOn::Email(recado_domain::email::Email::parse(email).unwrap());
            let (customers, holder) = (Key::matched(tenant, &on), Key::matched_contact(tenant, &on, contact));
            assert_eq!(customers.pk, holder.pk);
            assert!(holder.sk.starts_with(&customers.sk) && customers.sk == MATCH);
            assert_eq!(parse_match_key(&customers.pk, &customers.sk), Some((tenant, None)));
            assert_eq!(parse_match_key(&holder.pk, &holder.sk), Some((tenant, Some(contact))));
            assert_ne!(customers.pk, Key::matched(TenantId::from_bits(9), &on).pk);
        }
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
