//! Customer messages into the table, each exactly once.

use crate::TenantStore;
use crate::contacts::Person;
use crate::conversation::{Conversation, ConversationStatus};
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression, PRESENT};
use crate::item;
use crate::keys::{INBOX_PK, INBOX_SK, Key, Place, inbox_partition, inbox_sort};
use crate::media::NewMedia;
use crate::message::{Message, Pointer};
use crate::transaction::{Outcome, SURPRISES, Verdict, pause};
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use recado_domain::contact::Identities;
use recado_domain::ids::{ConversationId, MessageId, PhoneNumberId, Wamid};
use recado_domain::message::{Direction, MessageType};
use recado_domain::order::MessageOrder;
use recado_domain::personal::Personal;
use recado_domain::status::{MessageStatus, States};
use recado_domain::window;

/// Messages of one sender to one number, as they came together.
#[derive(Debug, Clone)]
pub struct InboundBatch {
    /// The number they were sent to.
    pub number: PhoneNumberId,
    /// Who sent them.
    pub sender: Identities,
    /// At most 31, because a transaction holds 100 writes.
    pub messages: Vec<NewMessage>,
}

/// A customer message to be stored.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Meta's id.
    pub wamid: Wamid,
    /// Its place in the conversation.
    pub order: MessageOrder,
    /// When the customer wrote it.
    pub timestamp: Timestamp,
    /// What it is.
    pub kind: MessageType,
    /// What it says.
    pub content: Personal<serde_json::Value>,
    /// Its line in the inbox.
    pub preview: Personal<String>,
    /// The message it quotes.
    pub quoted: Option<Wamid>,
}

/// What became of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored, and counted once.
    Stored,
    /// It had been stored before; nothing was changed.
    AlreadyStored,
}

/// The most messages one transaction takes: of its 100 writes up to five are for the rest, and up to three for each
/// message.
const MOST: usize = (100 - 5) / 3;

/// What is believed of the conversation before writing to it. The write is conditional on it.
#[derive(Debug)]
enum Belief {
    /// It exists, is open, and all that is in it is older. Costs no read, and is nearly always so.
    Ordinary,
    /// It does not exist.
    Absent,
    /// It is exactly this.
    Known(Box<Conversation>),
}

impl TenantStore {
    /// Stores messages: each with its pointer, its place in the conversation, and its effect on
    /// unread count, preview, window and inbox order, in one transaction.
    ///
    /// **Exactly once** by the pointer, put only if absent under a key derived from the wamid. What
    /// was stored before is dropped from the batch and the rest is written. **In any order** because
    /// preview and inbox order change only for a newer message, and the window only grows.
    pub async fn record_inbound(&self, batch: &InboundBatch, now: Timestamp) -> Result<Vec<Recorded>, StoreError> {
        let mut recorded = Vec::with_capacity(batch.messages.len());
        for messages in batch.messages.chunks(MOST) {
            recorded.extend(self.record_chunk(batch, messages, now).await?);
        }
        Ok(recorded)
    }

    async fn record_chunk(
        &self,
        batch: &InboundBatch,
        messages: &[NewMessage],
        now: Timestamp,
    ) -> Result<Vec<Recorded>, StoreError> {
        const OPERATION: &str = "recording inbound messages";
        let ids: Vec<MessageId> =
            messages.iter().map(|message| MessageId::of_wamid(&batch.number, &message.wamid)).collect();
        let mut recorded = vec![None; messages.len()];
        // The same message twice in one batch: the second is a duplicate of the first.
        for (place, id) in ids.iter().enumerate() {
            if ids[..place].contains(id) {
                recorded[place] = Some(Recorded::AlreadyStored);
            }
        }
        let mut person = None;
        let mut belief = Belief::Ordinary;
        for surprise in 0..SURPRISES {
            if surprise > 1 {
                pause(surprise).await;
            }
            let open: Vec<usize> = (0..messages.len()).filter(|place| recorded[*place].is_none()).collect();
            let Some(first) = open.first() else { break };
            let who = match person.take() {
                Some(who) => who,
                None => self.person(&batch.sender, ids[*first]).await?,
            };
            if who.is_new {
                belief = Belief::Absent;
            }
            let conversation = ConversationId::between(who.contact, &batch.number);

            let fresh: Vec<(MessageId, &NewMessage)> =
                open.iter().map(|place| (ids[*place], &messages[*place])).collect();
            let mut writes = Vec::with_capacity(2 * fresh.len() + 6);
            for (id, message) in &fresh {
                writes.extend(self.message_writes(conversation, *id, message, now));
            }
            writes.push(self.conversation_write(&belief, conversation, &who, batch, &fresh, now));
            writes.extend(self.person_writes(&who, &batch.sender, now));
            for (id, message) in &fresh {
                let place = Place { tenant: self.tenant, conversation, order: message.order, message: *id };
                let media = NewMedia { number: &batch.number, kind: message.kind, content: &message.content };
                writes.extend(self.media_write(&place, &media, now));
            }

            match self.transact(OPERATION, writes).await? {
                Outcome::Done => open.into_iter().for_each(|place| recorded[place] = Some(Recorded::Stored)),
                Outcome::Refused(verdicts) => {
                    let (of_messages, rest) = verdicts.split_at(2 * fresh.len());
                    let (of_conversation, of_person) = rest.split_first().expect("the conversation is always written");
                    for (place, verdict) in open.into_iter().zip(of_messages.chunks(2)) {
                        if verdict.iter().any(Verdict::is_broken) {
                            recorded[place] = Some(Recorded::AlreadyStored);
                        }
                    }
                    if let Verdict::Broken(item) = of_conversation {
                        belief = match item.is_empty() {
                            true => Belief::Absent,
                            false => Belief::Known(Box::new(item::record(OPERATION, item.clone())?)),
                        };
                    }
                    // Somebody else made this contact known meanwhile: find out anew who it is.
                    if of_person.iter().any(Verdict::is_broken) {
                        belief = Belief::Ordinary;
                    } else {
                        person = Some(who);
                    }
                }
            }
        }
        recorded.into_iter().collect::<Option<_>>().ok_or(StoreError::Contended { operation: OPERATION })
    }

    /// The pointer and the message.
    fn message_writes(
        &self,
        conversation: ConversationId,
        id: MessageId,
        message: &NewMessage,
        now: Timestamp,
    ) -> [TransactWriteItem; 2] {
        let place = Place { tenant: self.tenant, conversation, order: message.order, message: id };
        let record = Message {
            id,
            conversation_id: conversation,
            order: message.order,
            direction: Direction::Inbound,
            kind: message.kind,
            content: message.content.clone(),
            wamid: Some(message.wamid.clone()),
            quoted: message.quoted.clone(),
            states: States::new(MessageStatus::Received, now),
            timestamp: message.timestamp,
            sender: None,
            client_message_id: None,
            created_at: now,
        };
        let pointer = item::item(Key::pointer(self.tenant, id), "pointer", &Pointer::to(&place));
        [
            Expression::new().when(ABSENT).into_put(self.table(), pointer),
            Expression::new().into_put(self.table(), record.to_item(&place)),
        ]
    }

    /// The conversation's share, conditional on what is believed of it.
    fn conversation_write(
        &self,
        belief: &Belief,
        id: ConversationId,
        person: &Person,
        batch: &InboundBatch,
        messages: &[(MessageId, &NewMessage)],
        now: Timestamp,
    ) -> TransactWriteItem {
        let newest = messages.iter().map(|(_, message)| *message).max_by_key(|message| message.order);
        let newest = newest.expect("a batch that is written has messages");
        let latest = messages.iter().map(|(_, message)| message.timestamp).max().expect("as above");
        let window = window::expiry(window::CustomerAct::at(latest));
        let count = messages.len() as u64;

        if matches!(belief, Belief::Absent) {
            let conversation = Conversation {
                id,
                phone_number_id: batch.number.clone(),
                contact_id: person.contact,
                contact: batch.sender.clone(),
                status: ConversationStatus::Open,
                unread_count: count,
                last_order: newest.order,
                last_message_at: newest.timestamp,
                last_preview: newest.preview.clone(),
                last_direction: Direction::Inbound,
                window_expires_at: Some(window),
                assigned_to_id: None,
                created_at: now,
                updated_at: now,
                rev: 1,
            };
            return Expression::new().when(ABSENT).into_put(self.table(), conversation.to_item(self.tenant));
        }

        let mut change =
            Expression::new().add("unreadCount", count).add("rev", 1).set("updatedAt", now.as_millisecond());
        if person.has_news() {
            change = change
                .set_if_some("contact.waId", batch.sender.wa_id.as_ref())
                .set_if_some("contact.bsuid", batch.sender.bsuid.as_ref());
        }
        let (is_newer, window, status) = match belief {
            Belief::Known(known) => {
                change = change.when("#rev = :known").value(":known", known.rev);
                (
                    newest.order > known.last_order,
                    known.window_expires_at.map_or(window, |old| old.max(window)),
                    known.status.after_inbound(),
                )
            }
            Belief::Ordinary | Belief::Absent => {
                change = change
                    .when(PRESENT)
                    .when("#status = :status AND #lastOrder < :lastOrder")
                    .when("attribute_not_exists(#windowExpiresAt) OR #windowExpiresAt <= :windowExpiresAt");
                (true, window, ConversationStatus::Open)
            }
        };
        change = change.set("windowExpiresAt", window.as_millisecond());
        if is_newer {
            change = change
                .set("lastOrder", newest.order)
                .set("lastMessageAt", newest.timestamp.as_millisecond())
                .set("lastPreview", newest.preview.expose())
                .set("lastDirection", Direction::Inbound)
                .set(INBOX_SK, inbox_sort(newest.order, id))
                .set_if_some("contact.name", batch.sender.name.as_ref())
                .set_if_some("contact.username", batch.sender.username.as_ref());
        }
        change = change.set("status", status).set(INBOX_PK, inbox_partition(self.tenant, status.as_str()));
        change.into_update(self.table(), Key::conversation(self.tenant, id))
    }
}
