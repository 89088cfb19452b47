//! A conversation, as it is stored.

use crate::TenantStore;
use crate::error::{StoreError, failed};
use crate::item::{self, Item, Page};
use crate::keys::{INBOX_PK, INBOX_SK, Key, PK, SK, UNREAD_PK, inbox_partition, inbox_sort, unread_partition};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use recado_domain::contact::Identities;
use recado_domain::ids::{ContactId, ConversationId, CustomerId, JobId, PhoneNumberId, UserId};
use recado_domain::label::Label;
use recado_domain::message::Direction;
use recado_domain::order::MessageOrder;
use recado_domain::personal::Personal;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Where a conversation stands in the work of the agents (REQUIREMENTS §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConversationStatus {
    /// Someone is to look after it.
    Open,
    /// Done; a new customer message opens it again.
    Closed,
    /// Out of sight; a new customer message opens it again.
    Archived,
    /// Unwanted; it stays so.
    Spam,
}

impl ConversationStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Closed => "CLOSED",
            Self::Archived => "ARCHIVED",
            Self::Spam => "SPAM",
        }
    }

    /// Whether it is to be read at all.
    pub(crate) const fn is_wanted(self) -> bool {
        !matches!(self, Self::Spam)
    }

    /// What a new customer message makes of it (REQUIREMENTS ST-03).
    pub(crate) const fn after_inbound(self) -> Self {
        match self {
            Self::Spam => Self::Spam,
            Self::Open | Self::Closed | Self::Archived => Self::Open,
        }
    }
}

/// The conversation of a contact with one of the tenant's numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The tenant's number.
    pub phone_number_id: PhoneNumberId,
    /// The contact.
    pub contact_id: ContactId,
    /// The contact's identities, for showing and for sending.
    pub contact: Identities,
    /// Where it stands.
    pub status: ConversationStatus,
    /// How many customer messages nobody has read yet.
    pub unread_count: u64,
    /// The place of the first of them.
    #[serde(default, rename = "unreadSk", skip_serializing_if = "Option::is_none")]
    pub first_unread: Option<MessageOrder>,
    /// The place of the newest message.
    pub last_order: MessageOrder,
    /// When the newest message was written.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub last_message_at: Timestamp,
    /// The newest message, in a line.
    pub last_preview: Personal<String>,
    /// Who wrote the newest message.
    pub last_direction: Direction,
    /// When the customer-service window closes; `None` if it was never open.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub window_expires_at: Option<Timestamp>,
    /// The time of the newest message that told the contact's phone, so that an older one gives it to nobody else.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub phone_seen_at: Option<Timestamp>,
    /// The customer that the contact is, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// The agent who looks after it.
    #[serde(default)]
    pub assigned_to_id: Option<UserId>,
    /// What people call it, to find it again; each once, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// The job under discussion, by its name in the business's books.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_job_id: Option<JobId>,
    /// Until when nobody wants to be reminded of it.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub snoozed_until: Option<Timestamp>,
    /// The advertisement through which the customer last came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<Referred>,
    /// The conversation that took its place when two contacts turned out to be one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<ConversationId>,
    /// The conversations whose place it took. Their messages stay where they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absorbed: Vec<ConversationId>,
    /// When it began.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
    /// Counts the writes, so that a change based on what was read is refused if it is outdated.
    pub rev: u64,
    /// Counts the changes that people made: its version for them. Messages, and that they were read, do not count.
    #[serde(default, skip_serializing_if = "item::is_zero")]
    pub edits: u64,
}

/// The advertisement through which a customer came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referred {
    /// The place of the message that tells of it.
    pub order: MessageOrder,
    /// The advertisement, as Meta sent it.
    pub ad: Personal<serde_json::Value>,
}

impl Conversation {
    /// Itself, and those whose place it took.
    pub(crate) fn with_absorbed(&self) -> Vec<ConversationId> {
        [self.id].into_iter().chain(self.absorbed.iter().copied()).collect()
    }

    /// The whole item, index keys included.
    pub(crate) fn to_item(&self, tenant: recado_domain::ids::TenantId) -> Item {
        let mut item = item::item(Key::conversation(tenant, self.id), "conversation", self);
        let inbox = inbox_partition(tenant, self.status.as_str());
        item.insert(INBOX_PK.to_owned(), AttributeValue::S(inbox));
        item.insert(INBOX_SK.to_owned(), AttributeValue::S(inbox_sort(self.last_order, self.id)));
        if self.first_unread.is_some() && self.status.is_wanted() {
            item.insert(UNREAD_PK.to_owned(), AttributeValue::S(unread_partition(tenant)));
        }
        item
    }
}

impl TenantStore {
    /// A conversation, strongly consistent; `None` if this tenant has none of that id. In place of one
    /// that was merged into another, the other.
    pub async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        let mut found = self.conversation_itself(id).await?;
        while let Some(survivor) = found.as_ref().and_then(|found| found.merged_into) {
            found = self.conversation_itself(survivor).await?;
        }
        Ok(found)
    }

    /// A conversation, even if it was merged into another.
    pub(crate) async fn conversation_itself(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        const OPERATION: &str = "reading a conversation";
        self.get(OPERATION, Key::conversation(self.tenant, id))
            .await?
            .map(|item| item::record(OPERATION, item))
            .transpose()
    }

    /// The id under which a conversation goes on; `None` if there is none.
    pub(crate) async fn surviving(&self, id: ConversationId) -> Result<Option<ConversationId>, StoreError> {
        Ok(self.conversation(id).await?.map(|known| known.id))
    }

    pub(crate) async fn get(&self, operation: &'static str, key: Key) -> Result<Option<Item>, StoreError> {
        self.store.get(operation, key).await
    }

    /// The items of one partition whose sort key starts with `prefix`, strongly consistent, all pages.
    pub(crate) async fn partition(
        &self,
        operation: &'static str,
        pk: &str,
        prefix: &str,
    ) -> Result<Vec<Item>, StoreError> {
        self.store.partition(operation, pk, prefix).await
    }

    /// One page of the same; `after` is the `next` of the page before.
    pub(crate) async fn partition_page(
        &self,
        operation: &'static str,
        pk: &str,
        prefix: &str,
        limit: i32,
        after: Option<&str>,
    ) -> Result<Page<Item>, StoreError> {
        let start = after.map(|sk| Key { pk: pk.to_owned(), sk: sk.to_owned() }.into_attributes());
        let answer = self
            .client()
            .query()
            .table_name(self.table())
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
            .consistent_read(true)
            .limit(limit)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(failed(operation))?;
        let next = answer.last_evaluated_key.as_ref().and_then(|key| item::text(key, SK)).map(str::to_owned);
        Ok(Page { items: answer.items.unwrap_or_default(), next })
    }
}

impl TenantStore {
    pub(crate) async fn delete(&self, operation: &'static str, key: Key) -> Result<(), StoreError> {
        let request = self.client().delete_item().table_name(self.table()).set_key(Some(key.into_attributes()));
        request.send().await.map(|_| ()).map_err(failed(operation))
    }
}

impl crate::Store {
    pub(crate) async fn get(&self, operation: &'static str, key: Key) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(self.table.as_ref())
            .set_key(Some(key.into_attributes()))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed(operation))?;
        Ok(answer.item)
    }

    pub(crate) async fn partition(
        &self,
        operation: &'static str,
        pk: &str,
        prefix: &str,
    ) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start: Option<HashMap<String, AttributeValue>> = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(self.table.as_ref())
                .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
                .expression_attribute_names("#pk", PK)
                .expression_attribute_names("#sk", SK)
                .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(failed(operation))?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }
}
