//! A message, as it is stored.

use crate::TenantStore;
use crate::error::{StoreError, failed};
use crate::item::{self, Item, Page};
use crate::keys::{Key, MESSAGES, PK, Place, SK, conversation_partition};
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use recado_domain::contact::Identities;
use recado_domain::ids::{ClientMessageId, ContactId, ConversationId, MessageId, TenantId, UserId, Wamid};
use recado_domain::message::{Direction, MessageType, Origin};
use recado_domain::order::MessageOrder;
use recado_domain::personal::Personal;
use recado_domain::status::States;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The conversation it belongs to.
    pub conversation_id: ConversationId,
    /// Its place in the conversation.
    pub order: MessageOrder,
    /// Who wrote it.
    pub direction: Direction,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: MessageType,
    /// What it says.
    pub content: Personal<serde_json::Value>,
    /// Meta's id; an outbound message has none before Meta accepts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wamid: Option<Wamid>,
    /// The message that it quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted: Option<Wamid>,
    /// Everything heard about its delivery.
    pub states: States,
    /// When it was written: Meta's time for an inbound message, ours for an outbound one.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub timestamp: Timestamp,
    /// The agent who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// The id that the client chose for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
    /// How it came, if not in the ordinary way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Who wrote it, where the conversation does not say: in groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Identities>,
    /// The advertisement through which it came, as Meta sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<Personal<serde_json::Value>>,
    /// What the customer put onto it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_reaction: Option<Reaction>,
    /// What the business put onto it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_reaction: Option<Reaction>,
    /// When its words were last changed.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub edited_at: Option<Timestamp>,
    /// When its author deleted it; nothing is left of what it said.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub revoked_at: Option<Timestamp>,
    /// When we stored it.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
}

/// What one side last put onto a message, or that it took it off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The emoji; none if it was taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emoji: Option<Personal<String>>,
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// The place of the reaction among all messages: the last one counts.
    pub order: MessageOrder,
}

/// The agent who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Who.
    pub id: UserId,
    /// By which name.
    pub name: Personal<String>,
}

/// Leads from a message id to where the message lives. Putting it if absent is what makes a
/// message exist once: its key is derived from the wamid, or from the client's own id.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pointer {
    /// How the message came, if not in the ordinary way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    pub(crate) conversation: ConversationId,
    pub(crate) order: MessageOrder,
    pub(crate) message: MessageId,
}

impl Pointer {
    pub(crate) const fn to(place: &Place) -> Self {
        Self { origin: None, conversation: place.conversation, order: place.order, message: place.message }
    }
}

impl Pointer {
    pub(crate) const fn place(&self, tenant: TenantId) -> Place {
        Place { tenant, conversation: self.conversation, order: self.order, message: self.message }
    }
}

impl Message {
    pub(crate) fn to_item(&self, place: &Place) -> Item {
        item::item(Key::message(place), "message", self)
    }
}

impl TenantStore {
    /// A page of a conversation's messages, newest first; together with those of the conversations
    /// whose place it took.
    pub async fn messages(
        &self,
        conversation: ConversationId,
        limit: i32,
        after: Option<&str>,
    ) -> Result<Page<Message>, StoreError> {
        let known = self.conversation(conversation).await?;
        let ids = known.map_or(vec![conversation], |known| known.with_absorbed());
        self.newest("listing messages", &ids, MESSAGES, limit, after).await
    }

    /// A page of everything that was written with a contact at any of the tenant's numbers, newest first. `None` if
    /// there is no such contact.
    pub async fn messages_with(
        &self,
        contact: ContactId,
        limit: i32,
        after: Option<&str>,
    ) -> Result<Option<Page<Message>>, StoreError> {
        let Some(contact) = self.surviving_contact(contact).await? else { return Ok(None) };
        let known = self.conversations_of(contact.id).await?;
        let ids: Vec<_> =
            known.into_iter().filter_map(|(_, known)| known).flat_map(|known| known.with_absorbed()).collect();
        self.newest("listing the messages of a contact", &ids, MESSAGES, limit, after).await.map(Some)
    }

    /// A page of what stands under a prefix in conversations, newest first: one query for each, however much there is.
    pub(crate) async fn newest<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        conversations: &[ConversationId],
        prefix: &str,
        limit: i32,
        after: Option<&str>,
    ) -> Result<Page<T>, StoreError> {
        let queries = conversations.iter().map(|id| self.newest_in(operation, *id, prefix, limit, after));
        let (mut items, mut is_last) = (Vec::new(), true);
        for (found, next) in try_join_all(queries).await? {
            items.extend(found);
            is_last &= next.is_none();
        }
        items.sort_by(|one, other| item::text(other, SK).cmp(&item::text(one, SK)));
        let most = usize::try_from(limit).unwrap_or_default();
        is_last &= items.len() <= most;
        items.truncate(most);
        let next = items.last().filter(|_| !is_last).and_then(|last| item::text(last, SK)).map(str::to_owned);
        let items: Result<Vec<_>, _> = items.into_iter().map(|item| item::record(operation, item)).collect();
        Ok(Page { items: items?, next })
    }

    async fn newest_in(
        &self,
        operation: &'static str,
        conversation: ConversationId,
        prefix: &str,
        limit: i32,
        after: Option<&str>,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let pk = conversation_partition(self.tenant, conversation);
        let start = after.map(|sk| Key { pk: pk.clone(), sk: sk.to_owned() }.into_attributes());
        let answer = self
            .client()
            .query()
            .table_name(self.table())
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", AttributeValue::S(pk))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
            .scan_index_forward(false)
            .limit(limit)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(failed(operation))?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }

    /// Of each of these messages of a conversation, the id of the one that it quotes, if that is known.
    pub async fn quoted(
        &self,
        conversation: ConversationId,
        messages: &[Message],
    ) -> Result<Vec<Option<MessageId>>, StoreError> {
        if messages.iter().all(|message| message.quoted.is_none()) {
            return Ok(vec![None; messages.len()]);
        }
        let number = self.conversation(conversation).await?.map(|known| known.phone_number_id);
        let quoted = messages.iter().map(async |message| {
            let (Some(number), Some(wamid)) = (&number, &message.quoted) else { return Ok(None) };
            let place = self.place_of(MessageId::of_wamid(number, wamid)).await?;
            Ok::<_, StoreError>(place.map(|place| place.message))
        });
        try_join_all(quoted).await
    }

    /// A message by its id: for an inbound one also the id of its wamid, for one of ours also the id
    /// of the client's request.
    pub async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        match self.place_of(id).await? {
            Some(place) => self.message_at(&place).await,
            None => Ok(None),
        }
    }

    pub(crate) async fn place_of(&self, id: MessageId) -> Result<Option<Place>, StoreError> {
        const OPERATION: &str = "finding a message";
        let Some(item) = self.get(OPERATION, Key::pointer(self.tenant, id)).await? else { return Ok(None) };
        Ok(Some(item::record::<Pointer>(OPERATION, item)?.place(self.tenant)))
    }

    pub(crate) async fn message_at(&self, place: &Place) -> Result<Option<Message>, StoreError> {
        const OPERATION: &str = "reading a message";
        self.get(OPERATION, Key::message(place)).await?.map(|item| item::record(OPERATION, item)).transpose()
    }
}
