//! Outbound messages: composed, claimed, settled.
//!
//! Beside each open outbound message stands an outbox entry in the conversation's partition. It has
//! a state and a due date until the message's fate is known, and is then removed.

use crate::TenantStore;
use crate::conversation::Conversation;
use crate::due;
use crate::error::{StoreError, failed};
use crate::expression::{ABSENT, Expression, PRESENT};
use crate::item::{self, Item};
use crate::keys::{
    CONVERSATION_AND_OUTBOX, DUE_PK, DUE_SK, DueKind, INBOX_SK, Key, Place, conversation_partition, due_partition,
    due_shard, due_sort, inbox_sort,
};
use crate::message::{Message, Pointer, Sender};
use crate::once::Once;
use crate::transaction::{Outcome, SURPRISES, pause};
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use jiff::Timestamp;
use recado_domain::ids::{ClientMessageId, ConversationId, MessageId, Wamid};
use recado_domain::message::{Direction, MessageType, Origin};
use recado_domain::order::MessageOrder;
use recado_domain::outbox::{LEASE, Open, OutboxState, UNKNOWN_WAIT};
use recado_domain::personal::Personal;
use recado_domain::status::{DeliveryError, Fact, MessageStatus, States};
use serde::{Deserialize, Serialize};

/// An outbound message to be stored.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The id that the client chose: asking twice with the same one sends once.
    pub client_message_id: ClientMessageId,
    /// What it is.
    pub kind: MessageType,
    /// What it says.
    pub content: Personal<serde_json::Value>,
    /// Its line in the inbox.
    pub preview: Personal<String>,
    /// Who wrote it.
    pub sender: Sender,
}

/// What became of a draft.
#[derive(Debug, Clone)]
pub enum Composed {
    /// It is stored and will be sent.
    New(Message),
    /// This client id was used before in this conversation, for this message.
    Existing(Message),
}

/// An outbox entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutboxRecord {
    message: MessageId,
    order: MessageOrder,
    /// How many attempts at sending were begun.
    attempt: u32,
    #[serde(flatten)]
    state: OutboxState,
}

/// An open outbound message: not sent yet, being sent, or of unknown fate.
#[derive(Debug, Clone, Copy)]
pub struct OpenEntry {
    place: Place,
    open: Open,
}

impl OpenEntry {
    /// What it says to the decision of what to do next.
    pub const fn open(&self) -> Open {
        self.open
    }

    /// The message it stands for.
    pub const fn message(&self) -> MessageId {
        self.place.message
    }
}

/// The right to send one message, once.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    place: Place,
    attempt: u32,
}

impl Claim {
    /// Which attempt this is, from 1.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The message to send.
    pub const fn message(&self) -> MessageId {
        self.place.message
    }
}

/// What became of an attempt to claim.
#[derive(Debug, Clone, Copy)]
pub enum Claimed {
    /// It is ours.
    Ours(Claim),
    /// Somebody else was faster.
    Taken,
}

/// What is now known about a claimed message.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Meta accepted it.
    Accepted(Wamid),
    /// It will not be sent.
    Failed(DeliveryError),
    /// It surely was not sent; to be tried again, not before this time.
    RetryAfter(Timestamp),
    /// Meta may or may not have it.
    Unknown,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is recorded.
    Recorded,
    /// Something stronger was known already, such as a status that overtook the answer.
    Overtaken,
}

impl TenantStore {
    /// Stores an outbound message to be sent: message, pointer, outbox entry and the conversation's
    /// last message, in one transaction. Nothing is sent here. `known` is the conversation as it was
    /// read; if it has changed since, it is read again.
    ///
    /// **Exactly once** by the pointer, put only if absent under a key derived from the conversation
    /// and the client's id. Should the conversation be merged into another meanwhile, there is one under either's key.
    pub async fn compose(&self, known: Conversation, draft: &Draft, now: Timestamp) -> Result<Composed, StoreError> {
        self.compose_once(known, draft, None, now).await
    }

    /// The same, noting the request that asked for it with the message's id.
    pub async fn compose_once(
        &self,
        mut known: Conversation,
        draft: &Draft,
        once: Option<&Once>,
        now: Timestamp,
    ) -> Result<Composed, StoreError> {
        const OPERATION: &str = "composing a message";
        let asked = known.id;
        let id = MessageId::of_request(asked, &draft.client_message_id);
        for surprise in 0..SURPRISES {
            // Not the one that was asked for, if it was merged meanwhile.
            let conversation = known.id;
            let order = MessageOrder::of_outbound(now, known.last_order);
            let place = Place { tenant: self.tenant, conversation, order, message: id };
            let message = Message {
                id,
                conversation_id: conversation,
                order,
                direction: Direction::Outbound,
                kind: draft.kind,
                content: draft.content.clone(),
                wamid: None,
                quoted: None,
                states: States::new(MessageStatus::Pending, now),
                timestamp: now,
                sender: Some(draft.sender.clone()),
                client_message_id: Some(draft.client_message_id.clone()),
                origin: None,
                author: None,
                referral: None,
                customer_reaction: None,
                business_reaction: None,
                edited_at: None,
                revoked_at: None,
                created_at: now,
            };
            let pointer = item::item(Key::pointer(self.tenant, id), "pointer", &Pointer::to(&place));
            let entry = outbox_item(&place, 0, OutboxState::Pending { not_before: None }, now);
            let mut writes = vec![
                Expression::new().when(ABSENT).into_put(self.table(), pointer.clone()),
                Expression::new().into_put(self.table(), message.to_item(&place)),
                Expression::new().into_put(self.table(), entry),
                self.conversation_after(&known, &message, &draft.preview, now),
            ];
            if conversation != asked {
                let also = Key::pointer(self.tenant, MessageId::of_request(conversation, &draft.client_message_id));
                let pointer = pointer.into_iter().chain(also.into_attributes()).collect();
                writes.push(Expression::new().when(ABSENT).into_put(self.table(), pointer));
            }
            match self.store.transact_once(OPERATION, writes, once, &id).await? {
                Outcome::Done => return Ok(Composed::New(message)),
                Outcome::Refused(verdicts) if verdicts[0].is_broken() => {
                    let existing = self.message(id).await?;
                    return existing.map(Composed::Existing).ok_or(StoreError::Contended { operation: OPERATION });
                }
                Outcome::Refused(_) => {}
            }
            // The conversation changed meanwhile: place the message anew.
            pause(surprise).await;
            match self.conversation(asked).await? {
                Some(current) => known = current,
                None => break,
            }
            if known.id != asked
                && let Some(existing) = self.message_of_request(&known, &draft.client_message_id).await?
            {
                return Ok(Composed::Existing(existing));
            }
        }
        Err(StoreError::Contended { operation: OPERATION })
    }

    /// What a client asked for under its own id, in a conversation or in those whose place it took.
    pub async fn message_of_request(
        &self,
        known: &Conversation,
        client: &ClientMessageId,
    ) -> Result<Option<Message>, StoreError> {
        for id in known.with_absorbed() {
            if let Some(existing) = self.message(MessageId::of_request(id, client)).await? {
                return Ok(Some(existing));
            }
        }
        Ok(None)
    }

    fn conversation_after(
        &self,
        known: &Conversation,
        message: &Message,
        preview: &Personal<String>,
        now: Timestamp,
    ) -> TransactWriteItem {
        Expression::new()
            .set("lastOrder", message.order)
            .set("lastMessageAt", message.timestamp.as_millisecond())
            .set("lastPreview", preview.expose())
            .set("lastDirection", Direction::Outbound)
            .set(INBOX_SK, inbox_sort(message.order, known.id))
            .set("updatedAt", now.as_millisecond())
            .add("rev", 1)
            .when("#rev = :known")
            .value(":known", known.rev)
            .into_update(self.table(), Key::conversation(self.tenant, known.id))
    }

    /// A conversation and its open outbound messages, oldest first: one strongly consistent query. In place of one
    /// that was merged into another, the other, with the messages that are still to be sent in the one.
    pub async fn open_outbox(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<(Conversation, Vec<OpenEntry>)>, StoreError> {
        const OPERATION: &str = "reading an outbox";
        let pk = conversation_partition(self.tenant, conversation);
        let mut items = self.partition(OPERATION, &pk, CONVERSATION_AND_OUTBOX).await?.into_iter();
        // The conversation's own sort key is the prefix itself and so comes first.
        let Some(first) = items.next() else { return Ok(None) };
        let mut record: Conversation = item::record(OPERATION, first)?;
        // It says no more who the customer is.
        if let Some(survivor) = record.merged_into {
            let Some(survivor) = self.conversation(survivor).await? else { return Ok(None) };
            record = survivor;
        }
        let entries: Result<Vec<_>, StoreError> = items
            .map(|item| {
                let entry: OutboxRecord = item::record(OPERATION, item)?;
                let place = Place { tenant: self.tenant, conversation, order: entry.order, message: entry.message };
                Ok(OpenEntry { place, open: Open { state: entry.state, attempt: entry.attempt } })
            })
            .collect();
        Ok(Some((record, entries?)))
    }

    /// The message that an entry stands for.
    pub async fn message_of(&self, entry: &OpenEntry) -> Result<Option<Message>, StoreError> {
        self.message_at(&entry.place).await
    }

    /// Claims a pending message for one attempt.
    ///
    /// **At most one sender** by the condition that the entry is still pending and that nobody began
    /// another attempt since it was read. `token` is a random number that nobody else uses: by it a
    /// claim recognises itself when its answer was lost and it was tried again.
    pub async fn claim(&self, entry: &OpenEntry, token: u128, now: Timestamp) -> Result<Claimed, StoreError> {
        const OPERATION: &str = "claiming a message";
        let token = format!("{token:032x}");
        let attempt = entry.open.attempt + 1;
        let lease_until = now.saturating_add(LEASE).unwrap_or(Timestamp::MAX);
        let claim = entry_change(&entry.place, OutboxState::Sending { lease_until }, now)
            .set("attempt", attempt)
            .set("claim", &token)
            .when("#state = :pending AND #attempt = :before")
            .value(":pending", "PENDING")
            .value(":before", entry.open.attempt);
        Ok(match self.update(OPERATION, Key::outbox(&entry.place), claim).await? {
            Updated::Refused(item) if item::text(&item, "claim") != Some(&token) => Claimed::Taken,
            Updated::Done | Updated::Refused(_) => Claimed::Ours(Claim { place: entry.place, attempt }),
        })
    }

    /// Leaves a pending message for later, without beginning an attempt.
    pub async fn postpone(&self, entry: &OpenEntry, until: Timestamp, now: Timestamp) -> Result<Settled, StoreError> {
        let change = entry_change(&entry.place, OutboxState::Pending { not_before: Some(until) }, now)
            .when("#state = :state AND #attempt = :before")
            .value(":before", entry.open.attempt);
        Ok(match self.update("postponing a message", Key::outbox(&entry.place), change).await? {
            Updated::Done => Settled::Recorded,
            Updated::Refused(_) => Settled::Overtaken,
        })
    }

    /// The claim that an entry was left in by a sender that vanished.
    pub const fn abandoned(&self, entry: &OpenEntry) -> Claim {
        Claim { place: entry.place, attempt: entry.open.attempt }
    }

    /// Records what a claimed attempt came to: message and outbox entry in one transaction.
    pub async fn settle(&self, claim: &Claim, answer: &Answer, now: Timestamp) -> Result<Settled, StoreError> {
        match answer {
            Answer::Accepted(wamid) => self.settle_accepted(claim, wamid, now).await,
            Answer::Failed(error) => {
                let fact = Fact { at: now, error: Some(error.clone()) };
                let message = heard(Expression::new(), MessageStatus::Failed, &fact);
                self.settle_with(claim, message, self.close_entry(claim)).await
            }
            Answer::Unknown => {
                let message = heard(Expression::new(), MessageStatus::Unknown, &Fact::at(now));
                let wait_until = now.saturating_add(UNKNOWN_WAIT).unwrap_or(Timestamp::MAX);
                let entry = self.keep_entry(claim, OutboxState::Unknown { wait_until }, now);
                self.settle_with(claim, message, entry).await
            }
            Answer::RetryAfter(not_before) => {
                let entry = owned(
                    entry_change(&claim.place, OutboxState::Pending { not_before: Some(*not_before) }, now),
                    claim,
                );
                match self.update("returning a claim", Key::outbox(&claim.place), entry).await? {
                    Updated::Done => Ok(Settled::Recorded),
                    Updated::Refused(_) => Ok(Settled::Overtaken),
                }
            }
        }
    }

    /// Stops waiting for a status. The message keeps its unknown state, which is what an agent sees.
    pub async fn give_up(&self, entry: &OpenEntry) -> Result<Settled, StoreError> {
        let claim = Claim { place: entry.place, attempt: entry.open.attempt };
        match self.transact("closing an outbox entry", vec![self.close_entry(&claim)]).await? {
            Outcome::Done => Ok(Settled::Recorded),
            Outcome::Refused(_) => Ok(Settled::Overtaken),
        }
    }

    async fn settle_accepted(&self, claim: &Claim, wamid: &Wamid, now: Timestamp) -> Result<Settled, StoreError> {
        const OPERATION: &str = "recording an accepted message";
        let Some(number) = self.conversation(claim.place.conversation).await?.map(|known| known.phone_number_id) else {
            return Ok(Settled::Overtaken);
        };
        let alias = MessageId::of_wamid(&number, wamid);
        let message = heard(Expression::new(), MessageStatus::Sent, &Fact::at(now))
            .set("wamid", wamid)
            .when("attribute_not_exists(#wamid)")
            .into_update(self.table(), Key::message(&claim.place));
        let writes = vec![message, self.pointer_write(&claim.place, alias), self.close_entry(claim)];
        let settled = match self.transact_in_place_of_echo(OPERATION, &claim.place, alias, writes).await? {
            Outcome::Done => Settled::Recorded,
            // A status overtook the answer and has already written all of this, except the time.
            Outcome::Refused(_) => {
                self.hear(&claim.place, MessageStatus::Sent, &Fact::at(now), None).await?;
                Settled::Overtaken
            }
        };
        self.merge_early(&claim.place, alias, now).await?;
        Ok(settled)
    }

    async fn settle_with(
        &self,
        claim: &Claim,
        message: Expression,
        entry: TransactWriteItem,
    ) -> Result<Settled, StoreError> {
        const OPERATION: &str = "settling a message";
        let message = message.when(PRESENT).into_update(self.table(), Key::message(&claim.place));
        let verdicts = match self.transact(OPERATION, vec![message, entry.clone()]).await? {
            Outcome::Done => return Ok(Settled::Recorded),
            Outcome::Refused(verdicts) => verdicts,
        };
        // The message knew it already. The entry must still move on, or it would come up for ever.
        if !verdicts[1].is_broken() {
            self.transact(OPERATION, vec![entry]).await?;
        }
        Ok(Settled::Overtaken)
    }

    /// Writes that our own message went out under a wamid. An echo of it that overtook the answer to the
    /// send makes way; what was heard of it is our message's.
    pub(crate) async fn transact_in_place_of_echo(
        &self,
        operation: &'static str,
        place: &Place,
        alias: MessageId,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Outcome, StoreError> {
        let outcome = self.transact(operation, writes.clone()).await?;
        if matches!(outcome, Outcome::Done) {
            return Ok(outcome);
        }
        let other = self.place_of(alias).await?.filter(|other| other.message != place.message);
        let Some(other) = other else { return Ok(outcome) };
        let echo = self.message_at(&other).await?.filter(|echo| echo.origin == Some(Origin::PhoneApp));
        let Some(echo) = echo else { return Ok(outcome) };
        let pointer = Expression::new().when("#message = :echo").value(":echo", other.message);
        let removal = vec![
            pointer.into_delete(self.table(), Key::pointer(self.tenant, alias)),
            Expression::new().into_delete(self.table(), Key::message(&other)),
        ];
        self.transact("removing an echo of our own message", removal).await?;
        let outcome = self.transact(operation, writes).await?;
        for (status, at) in echo.states.history() {
            self.hear(place, status, &Fact::at(at), None).await?;
        }
        Ok(outcome)
    }

    /// Leads from a wamid to our own message.
    pub(crate) fn pointer_write(&self, place: &Place, alias: MessageId) -> TransactWriteItem {
        let pointer = item::item(Key::pointer(self.tenant, alias), "pointer", &Pointer::to(place));
        Expression::new()
            .when(format!("{ABSENT} OR #message = :message"))
            .value(":message", place.message)
            .into_put(self.table(), pointer)
    }

    /// Removes the entry, if it still belongs to this attempt (or is gone already).
    fn close_entry(&self, claim: &Claim) -> TransactWriteItem {
        Expression::new()
            .when(format!("{ABSENT} OR #attempt = :attempt"))
            .value(":attempt", claim.attempt)
            .into_delete(self.table(), Key::outbox(&claim.place))
    }

    fn keep_entry(&self, claim: &Claim, state: OutboxState, now: Timestamp) -> TransactWriteItem {
        owned(entry_change(&claim.place, state, now), claim).into_update(self.table(), Key::outbox(&claim.place))
    }

    /// Removes the entry of a message whose fate became known by a status.
    pub(crate) fn drop_entry(&self, place: &Place) -> TransactWriteItem {
        Expression::new().into_delete(self.table(), Key::outbox(place))
    }

    pub(crate) async fn update(
        &self,
        operation: &'static str,
        key: Key,
        change: Expression,
    ) -> Result<Updated, StoreError> {
        let sent = self
            .client()
            .update_item()
            .table_name(self.table())
            .set_key(Some(key.into_attributes()))
            .update_expression(change.update())
            .set_condition_expression(change.condition())
            .set_expression_attribute_names(change.names())
            .set_expression_attribute_values(change.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match sent {
            Ok(_) => return Ok(Updated::Done),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                refused,
            )) => Ok(Updated::Refused(refused.item().cloned().unwrap_or_default())),
            _ => Err(failed(operation)(error)),
        }
    }
}

/// What an outbox entry's `entity` says; the stream's filter in the template names it too.
pub(crate) const OUTBOX: &str = "outbox";

/// How a conditional update ended.
#[derive(Debug)]
pub(crate) enum Updated {
    Done,
    /// The condition did not hold against this item (empty: there is none).
    Refused(Item),
}

/// Adds a fact to a message, keeping of its kind the one that goes before the others: the earliest, and
/// of failures at the same time the one with a reason, then the one with the smallest code.
pub(crate) fn heard(change: Expression, status: MessageStatus, fact: &Fact) -> Expression {
    let known = format!("#states.#{}", status.as_str());
    let mut goes_before = format!("attribute_not_exists({known}) OR {known}.#at > :at");
    let mut change = change.set(&format!("states.{}", status.as_str()), fact).value(":at", fact.at.as_millisecond());
    if let Some(error) = &fact.error {
        let tie = format!("attribute_not_exists({known}.#error) OR {known}.#error.#code > :code");
        goes_before = format!("{goes_before} OR ({known}.#at = :at AND ({tie}))");
        change = change.value(":code", error.code.unwrap_or(i64::MAX));
    }
    change.when(goes_before)
}

/// The change that puts an entry into a state, due date included.
fn entry_change(place: &Place, state: OutboxState, now: Timestamp) -> Expression {
    Expression::new()
        .set_all(serde_dynamo::to_item(state).expect("our own records are representable"))
        .set(DUE_PK, due_partition(DueKind::Outbox, due_shard(place.conversation.to_bits())))
        .set(DUE_SK, due_sort(state.due(now)))
}

/// Only while the attempt is the one that is being sent.
fn owned(change: Expression, claim: &Claim) -> Expression {
    change
        .when("#state = :sending AND #attempt = :attempt")
        .value(":sending", "SENDING")
        .value(":attempt", claim.attempt)
}

fn outbox_item(place: &Place, attempt: u32, state: OutboxState, now: Timestamp) -> Item {
    let record = OutboxRecord { message: place.message, order: place.order, attempt, state };
    let mut item = item::item(Key::outbox(place), OUTBOX, &record);
    due::set(&mut item, DueKind::Outbox, due_shard(place.conversation.to_bits()), state.due(now));
    item
}
