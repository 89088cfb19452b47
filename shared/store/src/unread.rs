//! What nobody has read yet.
//!
//! A conversation counts the customer's messages that wait to be read, and keeps the place of the first of them,
//! by which it stands in the index of what is unread. Reading says up to which message: what arrives meanwhile
//! stays unread, because the count is written only if nothing has happened since it was made up.

use crate::TenantStore;
use crate::conversation::{Conversation, ConversationStatus};
use crate::error::{StoreError, failed};
use crate::expression::{Expression, NOT_MERGED};
use crate::item::{self, Item, Page};
use crate::keys::{
    Key, PK, SK, UNREAD_INDEX, UNREAD_PK, UNREAD_SK, conversation_partition, inbox_sort, message_sort_from,
    parse_conversation_partition, unread_partition,
};
use crate::once::Once;
use crate::transaction::{Outcome, SURPRISES, pause};
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::{ConversationId, MessageId, TenantId};
use recado_domain::message::Direction;
use recado_domain::order::MessageOrder;

/// More unread conversations than this are not counted.
pub const MOST_COUNTED: usize = 99;

/// How many messages of a conversation are looked at to find out what is unread of it.
const LOOKED_AT: usize = 2_000;
/// How many at once.
const PAGE: i32 = 500;

/// How much later than it was written a message may be received: Meta tries for seven days.
const LATEST: SignedDuration = SignedDuration::from_hours(24 * 8);

/// How many unread conversations are read in one go, and how many of those side by side.
const READ_AT_ONCE: i32 = 50;
const SIDE_BY_SIDE: usize = 10;

/// What somebody has seen of a conversation.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// Everything up to this place.
    UpTo(MessageOrder),
    /// Everything that was received until then.
    ReceivedUntil(Timestamp),
}

/// What is unread of a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) count: u64,
    pub(crate) first: Option<MessageOrder>,
}

/// What marking everything as read came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadAll {
    /// How many conversations were read.
    pub read: usize,
    /// Where to go on; `None` if that was all.
    pub next: Option<String>,
}

/// Keeps the place of the first unread message. What is unwanted is in no index.
pub(crate) fn unread_from(
    change: Expression,
    tenant: TenantId,
    status: ConversationStatus,
    first: Option<MessageOrder>,
) -> Expression {
    let change = match first {
        Some(_) if status.is_wanted() => change.set(UNREAD_PK, unread_partition(tenant)),
        _ => change.remove(UNREAD_PK),
    };
    match first {
        Some(first) => change.set(UNREAD_SK, first),
        None => change.remove(UNREAD_SK),
    }
}

/// The earlier of two places.
pub(crate) fn earlier(one: Option<MessageOrder>, other: Option<MessageOrder>) -> Option<MessageOrder> {
    one.into_iter().chain(other).min()
}

impl TenantStore {
    /// How many conversations are unread, up to [`MOST_COUNTED`], and whether there are more: one query of keys.
    pub async fn unread_count(&self) -> Result<(usize, bool), StoreError> {
        const OPERATION: &str = "counting unread conversations";
        let answer = self
            .client()
            .query()
            .table_name(self.table())
            .index_name(UNREAD_INDEX)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", UNREAD_PK)
            .expression_attribute_values(":pk", AttributeValue::S(unread_partition(self.tenant)))
            .select(Select::Count)
            .limit(i32::try_from(MOST_COUNTED + 1).expect("it is small"))
            .send()
            .await
            .map_err(failed(OPERATION))?;
        let count = usize::try_from(answer.count).unwrap_or_default();
        Ok((count.min(MOST_COUNTED), count > MOST_COUNTED))
    }

    /// A page of the unread conversations that are wanted: the one whose customer has waited longest comes first.
    /// One query of keys, and one read of what they lead to; a page may have fewer than there is room for.
    pub async fn unread(
        &self,
        is_wanted: impl Fn(&Conversation) -> bool,
        limit: i32,
        after: Option<&str>,
    ) -> Result<Page<Conversation>, StoreError> {
        const OPERATION: &str = "listing unread conversations";
        let Page { items: ids, next } = self.unread_ids(limit, after).await?;
        if ids.is_empty() {
            return Ok(Page { items: Vec::new(), next });
        }
        let keys = ids.iter().map(|id| Key::conversation(self.tenant, *id)).collect();
        let found = self.store.batch_get(OPERATION, keys).await?;
        let found: Result<Vec<Conversation>, _> = found.into_iter().map(|item| item::record(OPERATION, item)).collect();
        let mut items = found?;
        // The index may lag.
        items.retain(|found| found.first_unread.is_some() && found.merged_into.is_none() && is_wanted(found));
        items.sort_by_key(|found| (found.first_unread, found.id));
        Ok(Page { items, next })
    }

    async fn unread_ids(&self, limit: i32, after: Option<&str>) -> Result<Page<ConversationId>, StoreError> {
        const OPERATION: &str = "listing unread conversations";
        let from = after.and_then(|after| after.split('#').next()).unwrap_or("0");
        let answer = self
            .client()
            .query()
            .table_name(self.table())
            .index_name(UNREAD_INDEX)
            .key_condition_expression("#pk = :pk AND #sk >= :from")
            .expression_attribute_names("#pk", UNREAD_PK)
            .expression_attribute_names("#sk", UNREAD_SK)
            .expression_attribute_values(":pk", AttributeValue::S(unread_partition(self.tenant)))
            .expression_attribute_values(":from", AttributeValue::S(from.to_owned()))
            // The one that the page before ended with may come once more.
            .limit(limit + 1)
            .send()
            .await
            .map_err(failed(OPERATION))?;
        let has_more = answer.last_evaluated_key.is_some();
        let place = |item: &Item| {
            let (_, id) = parse_conversation_partition(item::text(item, PK)?)?;
            Some((MessageOrder::parse(item::text(item, UNREAD_SK)?)?, id))
        };
        let mut places: Vec<_> = answer.items.unwrap_or_default().iter().filter_map(place).collect();
        places.retain(|(first, id)| Some(inbox_sort(*first, *id).as_str()) != after);
        let room = usize::try_from(limit).unwrap_or_default();
        let has_more = has_more || places.len() > room;
        places.truncate(room);
        let next = places.last().filter(|_| has_more).map(|(first, id)| inbox_sort(*first, *id));
        Ok(Page { items: places.into_iter().map(|(_, id)| id).collect(), next })
    }

    /// Marks a conversation as read up to a message of it. `None` if there is no such message in a conversation.
    ///
    /// **What arrives meanwhile stays unread**, by the condition that nothing has happened in the conversation
    /// since what remains was counted. Reading makes nothing unread: up to an older message than before, it
    /// changes nothing.
    pub async fn read_up_to(
        &self,
        message: MessageId,
        once: Option<&Once>,
        now: Timestamp,
    ) -> Result<Option<Conversation>, StoreError> {
        let Some(place) = self.place_of(message).await? else { return Ok(None) };
        self.see(place.conversation, Seen::UpTo(place.order), once, now).await.map(|seen| seen.map(|(known, _)| known))
    }

    /// Marks what was received until then as read, in as many conversations as are read at once.
    ///
    /// **What is received later stays unread**, however long this takes and however often it is asked for.
    /// What an index that lags does not show yet stays unread, too.
    pub async fn read_all(
        &self,
        received_until: Timestamp,
        after: Option<&str>,
        now: Timestamp,
    ) -> Result<ReadAll, StoreError> {
        let Page { items: ids, next } = self.unread_ids(READ_AT_ONCE, after).await?;
        let mut read = 0;
        for ids in ids.chunks(SIDE_BY_SIDE) {
            let seen = ids.iter().map(|id| self.see(*id, Seen::ReceivedUntil(received_until), None, now));
            read += try_join_all(seen).await?.into_iter().flatten().filter(|(_, is_news)| *is_news).count();
        }
        Ok(ReadAll { read, next })
    }

    /// Keeps what somebody has seen of a conversation. Returns it as it is then, and whether that was news.
    async fn see(
        &self,
        id: ConversationId,
        seen: Seen,
        once: Option<&Once>,
        now: Timestamp,
    ) -> Result<Option<(Conversation, bool)>, StoreError> {
        const OPERATION: &str = "marking a conversation as read";
        for surprise in 0..SURPRISES {
            if surprise > 1 {
                pause(surprise).await;
            }
            let Some(known) = self.conversation(id).await? else { return Ok(None) };
            let left = self.left_unread(&known, seen).await?;
            let is_news = left.is_some();
            let (writes, known) = match left {
                None => (Vec::new(), known),
                Some(left) => {
                    let change = Expression::new().add("rev", 1).set("updatedAt", now.as_millisecond());
                    let change = self.unread_change(change.when(NOT_MERGED), &known, known.status, left);
                    let write = change.into_update(self.table(), Key::conversation(self.tenant, known.id));
                    let read = Conversation { unread_count: left.count, first_unread: left.first, ..known };
                    (vec![write], Conversation { updated_at: now, rev: read.rev + 1, ..read })
                }
            };
            if writes.is_empty() && once.is_none() {
                return Ok(Some((known, false)));
            }
            if matches!(self.store.transact_once(OPERATION, writes, once, &known.id).await?, Outcome::Done) {
                return Ok(Some((known, is_news)));
            }
        }
        Err(StoreError::Contended { operation: OPERATION })
    }

    /// The change that keeps what is unread of a conversation that will have this status. Only if nothing has
    /// happened in it since it was read.
    pub(crate) fn unread_change(
        &self,
        change: Expression,
        known: &Conversation,
        status: ConversationStatus,
        left: Unread,
    ) -> Expression {
        unread_from(change, self.tenant, status, left.first)
            .set("unreadCount", left.count)
            .when("#rev = :known")
            .value(":known", known.rev)
    }

    /// What is left unread by somebody who has seen a conversation up to this message of it; `None` if that
    /// changes nothing. The error says that the message is not one of the conversation's.
    pub(crate) async fn left_after(
        &self,
        known: &Conversation,
        message: MessageId,
    ) -> Result<Result<Option<Unread>, NotHere>, StoreError> {
        let place = self.place_of(message).await?;
        let is_here = |id: ConversationId| id == known.id || known.absorbed.contains(&id);
        match place.filter(|place| is_here(place.conversation)) {
            Some(place) => self.left_unread(known, Seen::UpTo(place.order)).await.map(Ok),
            None => Ok(Err(NotHere)),
        }
    }

    async fn left_unread(&self, known: &Conversation, seen: Seen) -> Result<Option<Unread>, StoreError> {
        let Some(first) = known.first_unread else { return Ok(None) };
        let from = match seen {
            Seen::UpTo(order) if order >= known.last_order => return Ok(Some(Unread::default())),
            Seen::UpTo(order) => order,
            // What was written long before that was also received before.
            Seen::ReceivedUntil(until) => {
                let timestamp = until.saturating_sub(LATEST).unwrap_or(Timestamp::MIN).as_second();
                first.max(MessageOrder { timestamp, ..MessageOrder::FIRST })
            }
        };
        let is_left = |order: &MessageOrder| match seen {
            // What arrives while this is counted is not among what is known to be unread.
            _ if *order > known.last_order => false,
            Seen::UpTo(seen) => *order > seen,
            Seen::ReceivedUntil(until) => order.received > until.as_millisecond(),
        };
        let most = usize::try_from(known.unread_count).unwrap_or(usize::MAX);
        let Some(mut orders) = self.customers_messages(known, from, is_left, most).await? else { return Ok(None) };
        orders.sort();
        // What arrived late among messages that were read counts until the newest one is read, too.
        Ok((orders.len() < most).then(|| Unread { count: orders.len() as u64, first: orders.first().copied() }))
    }

    /// The places, from one on, of what the customer wrote and is left; `None` if that is all that is unread, or
    /// too much to look through.
    async fn customers_messages(
        &self,
        known: &Conversation,
        from: MessageOrder,
        is_left: impl Fn(&MessageOrder) -> bool,
        most: usize,
    ) -> Result<Option<Vec<MessageOrder>>, StoreError> {
        let mut left = Vec::new();
        for id in known.with_absorbed() {
            let (mut looked_at, mut start) = (0, None);
            loop {
                let (orders, looked, next) = self.written_by_customer(id, Some(from), true, start).await?;
                left.extend(orders.into_iter().filter(&is_left));
                looked_at += looked;
                if left.len() >= most || (next.is_some() && looked_at >= LOOKED_AT) {
                    return Ok(None);
                }
                start = next;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(Some(left))
    }

    /// What is unread of a conversation that somebody marks as unread: the last that the customer wrote, if that
    /// is among its last messages.
    pub(crate) async fn made_unread(&self, known: &Conversation) -> Result<Option<Unread>, StoreError> {
        if known.unread_count > 0 {
            return Ok(None);
        }
        let mut last = None;
        for id in known.with_absorbed() {
            let (orders, ..) = self.written_by_customer(id, None, false, None).await?;
            last = last.max(orders.first().copied());
        }
        Ok(last.map(|last| Unread { count: 1, first: Some(last) }))
    }

    /// The places of what the customer simply sent, among so many messages of one partition; how many those were,
    /// and where the next ones start.
    async fn written_by_customer(
        &self,
        id: ConversationId,
        from: Option<MessageOrder>,
        is_forward: bool,
        start: Option<Item>,
    ) -> Result<(Vec<MessageOrder>, usize, Option<Item>), StoreError> {
        const OPERATION: &str = "looking for what a customer wrote";
        let filter = Expression::new()
            .when("#direction = :inbound")
            .value(":inbound", Direction::Inbound)
            .when("attribute_not_exists(#origin)");
        let text = |text: String| AttributeValue::S(text);
        let low = from.map_or_else(|| message_sort_from(MessageOrder::FIRST), message_sort_from);
        let answer = self
            .client()
            .query()
            .table_name(self.table())
            .key_condition_expression("#pk = :pk AND #sk BETWEEN :low AND :high")
            .set_filter_expression(filter.condition())
            .set_expression_attribute_names(filter.names())
            .set_expression_attribute_values(filter.values())
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_names("#order", "order")
            .expression_attribute_values(":pk", text(conversation_partition(self.tenant, id)))
            .expression_attribute_values(":low", text(low))
            .expression_attribute_values(":high", text(message_sort_from(MessageOrder::LAST)))
            .projection_expression("#order")
            .scan_index_forward(is_forward)
            .consistent_read(true)
            .limit(PAGE)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(failed(OPERATION))?;
        let orders = answer.items.unwrap_or_default();
        let orders = orders.iter().filter_map(|item| MessageOrder::parse(item::text(item, "order")?)).collect();
        Ok((orders, usize::try_from(answer.scanned_count).unwrap_or_default(), answer.last_evaluated_key))
    }
}

/// A message that is not one of the conversation's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotHere;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unwanted_keeps_its_place_and_is_in_no_index() {
        let tenant = TenantId::from_bits(1);
        let first = Some(MessageOrder { timestamp: 1, received: 2, position: 3, tie: 4 });
        let told = |status, first| unread_from(Expression::new(), tenant, status, first).update();
        assert_eq!(told(ConversationStatus::Closed, first), "SET #unreadPk = :unreadPk, #unreadSk = :unreadSk");
        assert_eq!(told(ConversationStatus::Spam, first), "SET #unreadSk = :unreadSk REMOVE #unreadPk");
        assert_eq!(told(ConversationStatus::Open, None), "REMOVE #unreadPk, #unreadSk");
    }
}
