//! The files of messages, on their way from Meta into our bucket.
//!
//! Beside each message with a file stands a media item in the conversation's partition. It has a due date until
//! the file is ours or given up.

use crate::due;
use crate::error::{StoreError, failed};
use crate::expression::Expression;
use crate::item::{self, Page};
use crate::keys::{DUE_PK, DUE_SK, DueKind, Key, MEDIA, PK, Place, SK, conversation_partition, due_shard, due_sort};
use crate::message::Message;
use crate::outbox::Updated;
use crate::{Store, TenantStore};
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use recado_domain::ids::{ConversationId, MessageId, PhoneNumberId};
use recado_domain::media::{Attempts, LEASE, MediaFailure, SWEEP_GRACE, backoff};
use recado_domain::message::MessageType;
use recado_domain::order::MessageOrder;
use recado_domain::personal::Personal;
use recado_domain::wake_up::MediaWakeUp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The entity of media items.
pub(crate) const MEDIA_ENTITY: &str = "media";

/// A message's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Media {
    /// The message.
    pub message: MessageId,
    /// The tenant's number, whose token opens it at Meta.
    pub number: PhoneNumberId,
    /// What kind of message it makes.
    pub kind: MessageType,
    /// Meta's id of it.
    pub media_id: String,
    /// Its type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// The hash of its bytes, as whoever told us wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its name, as the customer's phone gave it; not safe to use as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<Personal<String>>,
    /// When its message was stored.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub since: Timestamp,
    /// How many attempts at fetching it were begun.
    pub attempt: u32,
    /// How many of them ended with a wrong hash.
    pub wrong_hashes: u32,
    /// Where it stands.
    #[serde(flatten)]
    pub state: MediaState,
    /// The place of its message.
    pub order: MessageOrder,
}

/// Where a file stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", tag = "state")]
pub enum MediaState {
    /// It is to be fetched.
    Pending {
        /// Not before this time, if not at once: another attempt is under way, or has failed.
        #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional", rename = "notBefore")]
        not_before: Option<Timestamp>,
    },
    /// It is ours.
    Stored {
        /// Its key in the bucket.
        object: String,
        /// How many bytes it has.
        size: u64,
    },
    /// It will never be ours.
    Failed {
        /// Why.
        reason: MediaFailure,
    },
}

/// A file that is now ours.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its key in the bucket.
    pub object: String,
    /// How many bytes it has.
    pub size: u64,
    /// Its type.
    pub mime_type: String,
    /// The hash of its bytes, in hex, if Meta told it.
    pub sha256: Option<String>,
}

/// A pending file, for one attempt.
#[derive(Debug, Clone)]
pub struct TakenUp {
    place: Place,
    /// The file.
    pub media: Media,
}

impl TakenUp {
    /// What is known about the attempts at it, this one included.
    pub const fn attempts(&self) -> Attempts {
        let Media { since, attempt, wrong_hashes, .. } = self.media;
        Attempts { since, made: attempt, wrong_hashes }
    }
}

/// A message that is being stored, as far as its file is concerned.
pub(crate) struct NewMedia<'a> {
    pub(crate) number: &'a PhoneNumberId,
    pub(crate) kind: MessageType,
    /// In the API's spelling.
    pub(crate) content: &'a Personal<Value>,
}

impl Store {
    /// The tenant that a wake-up names. Wake-ups come from our own queue only.
    pub fn of_media(&self, wake_up: &MediaWakeUp) -> TenantStore {
        self.open(wake_up.tenant)
    }
}

impl TenantStore {
    /// The write that asks for a message's file, if it has one. It belongs into the transaction that stores
    /// the message, whose condition makes it happen once.
    pub(crate) fn media_write(&self, place: &Place, new: &NewMedia<'_>, now: Timestamp) -> Option<TransactWriteItem> {
        let text = |name: &str| new.content.expose()[name].as_str().map(str::to_owned);
        let media = Media {
            message: place.message,
            number: new.number.clone(),
            kind: new.kind,
            media_id: text("mediaId").filter(|_| new.kind.has_file())?,
            mime_type: text("mimeType"),
            sha256: text("sha256"),
            filename: text("filename").map(Personal::new),
            since: now,
            attempt: 0,
            wrong_hashes: 0,
            state: MediaState::Pending { not_before: None },
            order: place.order,
        };
        let mut item = item::item(Key::media(place), MEDIA_ENTITY, &media);
        let due = now.saturating_add(SWEEP_GRACE).unwrap_or(Timestamp::MAX);
        due::set(&mut item, DueKind::Media, due_shard(place.conversation.to_bits()), due);
        Some(Expression::new().into_put(self.table(), item))
    }

    /// A message's file; `None` if the message has none or does not exist.
    pub async fn media(&self, message: MessageId) -> Result<Option<Media>, StoreError> {
        const OPERATION: &str = "reading a message's file";
        let Some(place) = self.place_of(message).await? else { return Ok(None) };
        self.get(OPERATION, Key::media(&place)).await?.map(|item| item::record(OPERATION, item)).transpose()
    }

    /// A page of a conversation's files, newest first; together with those of the conversations whose place it took.
    /// `None` if there is no such conversation.
    pub async fn gallery(
        &self,
        conversation: ConversationId,
        limit: i32,
        after: Option<&str>,
    ) -> Result<Option<Page<Media>>, StoreError> {
        let Some(known) = self.conversation(conversation).await? else { return Ok(None) };
        self.newest("listing files", &known.with_absorbed(), MEDIA, limit, after).await.map(Some)
    }

    /// The files of messages: one query for each conversation that had one of them when it was written.
    pub async fn media_of(&self, messages: &[Message]) -> Result<HashMap<MessageId, Media>, StoreError> {
        let mut with_file: BTreeMap<ConversationId, BTreeSet<String>> = BTreeMap::new();
        for message in messages.iter().filter(|message| message.kind.has_file()) {
            let (conversation, order) = (message.conversation_id, message.order);
            let key = Key::media(&Place { tenant: self.tenant, conversation, order, message: message.id });
            with_file.entry(conversation).or_default().insert(key.sk);
        }
        let queries = with_file.iter().map(|(conversation, keys)| self.media_between(*conversation, keys));
        Ok(try_join_all(queries).await?.into_iter().flatten().map(|media| (media.message, media)).collect())
    }

    /// A conversation's files from the first to the last of these keys.
    async fn media_between(
        &self,
        conversation: ConversationId,
        keys: &BTreeSet<String>,
    ) -> Result<Vec<Media>, StoreError> {
        const OPERATION: &str = "reading the files of messages";
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(Vec::new()) };
        let answer = self
            .client()
            .query()
            .table_name(self.table())
            .key_condition_expression("#pk = :pk AND #sk BETWEEN :first AND :last")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", AttributeValue::S(conversation_partition(self.tenant, conversation)))
            .expression_attribute_values(":first", AttributeValue::S(first.clone()))
            .expression_attribute_values(":last", AttributeValue::S(last.clone()))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(failed(OPERATION))?;
        answer.into_iter().map(|item| item::record(OPERATION, item)).collect()
    }

    /// Takes up a pending file for one attempt; `None` if there is nothing to do, or not now.
    ///
    /// Another attempt begins only when this one is surely over, or was said to have failed. That spares a second
    /// download; should two overlap all the same, they write the same bytes to the same place.
    pub async fn take_up_media(
        &self,
        message: MessageId,
        jitter: u64,
        now: Timestamp,
    ) -> Result<Option<TakenUp>, StoreError> {
        let Some(place) = self.place_of(message).await? else { return Ok(None) };
        let Some(item) = self.get("reading a message's file", Key::media(&place)).await? else { return Ok(None) };
        let mut media: Media = item::record("reading a message's file", item)?;
        match media.state {
            MediaState::Pending { not_before } if not_before.is_none_or(|time| time <= now) => {}
            _ => return Ok(None),
        }
        // A worker that vanishes has made an attempt too: a file that kills whoever touches it must not do
        // so every few minutes for a week.
        let over = now.saturating_add(LEASE.max(backoff(media.attempt + 1, jitter))).unwrap_or(Timestamp::MAX);
        let change = pending(over).set("attempt", media.attempt + 1);
        let change = only_while_pending(change).when("#attempt = :before").value(":before", media.attempt);
        match self.update("taking up a file", Key::media(&place), change).await? {
            Updated::Done => {
                media.attempt += 1;
                Ok(Some(TakenUp { place, media }))
            }
            Updated::Refused(_) => Ok(None),
        }
    }

    /// Records that a file is ours. From whichever attempt: a file that is there is there.
    pub async fn media_stored(&self, taken: &TakenUp, stored: &Stored) -> Result<(), StoreError> {
        let Stored { object, size, mime_type, sha256 } = stored;
        let state = MediaState::Stored { object: object.clone(), size: *size };
        let change = done(state).set("mimeType", mime_type).set_if_some("sha256", sha256.as_ref());
        self.update("recording a stored file", Key::media(&taken.place), only_while_pending(change)).await.map(drop)
    }

    /// Leaves a file for a later attempt.
    pub async fn media_later(&self, taken: &TakenUp, time: Timestamp, wrong_hashes: u32) -> Result<(), StoreError> {
        let change = pending(time).set("wrongHashes", wrong_hashes);
        self.update("postponing a file", Key::media(&taken.place), only_this_attempt(change, taken)).await.map(drop)
    }

    /// Records that a file will never be ours.
    pub async fn media_failed(&self, taken: &TakenUp, reason: MediaFailure) -> Result<(), StoreError> {
        let change = only_this_attempt(done(MediaState::Failed { reason }), taken);
        self.update("giving up a file", Key::media(&taken.place), change).await.map(drop)
    }
}

/// The change that makes a file wait until this time.
fn pending(not_before: Timestamp) -> Expression {
    Expression::new().set("notBefore", not_before.as_millisecond()).set(DUE_SK, due_sort(not_before))
}

/// The change that ends a file's being due.
fn done(state: MediaState) -> Expression {
    Expression::new()
        .set_all(serde_dynamo::to_item(state).expect("our own records are representable"))
        .remove("notBefore")
        .remove(DUE_PK)
        .remove(DUE_SK)
}

fn only_while_pending(change: Expression) -> Expression {
    change.when("#state = :pending").value(":pending", "PENDING")
}

/// Not if another attempt has begun meanwhile: it has the last word.
fn only_this_attempt(change: Expression, taken: &TakenUp) -> Expression {
    only_while_pending(change).when("#attempt = :attempt").value(":attempt", taken.media.attempt)
}
