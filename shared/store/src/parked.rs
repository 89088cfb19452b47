//! What could not be applied, kept with its reason.

use crate::Store;
use crate::error::{StoreError, failed};
use crate::event::EventId;
use crate::expression::{ABSENT, Expression};
use crate::item::{self, Item, Page};
use crate::keys::{Key, PARKED, PK, ParkedScope, SK, parked_partition};
use crate::transaction::{Outcome, Verdict};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use recado_domain::personal::Personal;
use serde::{Deserialize, Serialize};

/// A queue message that could not be applied.
#[derive(Debug, Clone)]
pub struct Park<'a> {
    /// To whom it belongs.
    pub scope: ParkedScope<'a>,
    /// Which one it is.
    pub event: EventId,
    /// Why it could not be applied; without personal data.
    pub reason: String,
    /// The queue it came from, so that it can be put there again.
    pub queue: &'static str,
    /// The queue message as it was, or one that stands for it if an item cannot hold it.
    pub body: &'a str,
}

/// What became of parking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parked {
    /// It is kept.
    Kept,
    /// The number has an owner by now: apply it instead.
    Routed,
}

/// A parked queue message.
#[derive(Debug, Clone)]
pub struct ParkedItem {
    /// Which one it is.
    pub event: EventId,
    /// Why it was parked.
    pub reason: String,
    /// The queue it came from.
    pub queue: String,
    /// What to put on that queue to have it applied.
    pub body: Personal<String>,
    /// When it was parked last.
    pub parked_at: Timestamp,
    /// When it was put back on its queue, if it was and has not been parked again since.
    pub replayed_at: Option<Timestamp>,
    /// How often it was parked; tells one parking from the next.
    times: u64,
}

/// A parked item as it is stored, but for its key and for how often it was parked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    reason: String,
    queue: String,
    body: Personal<String>,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    parked_at: Timestamp,
}

/// What is stored besides.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bookkeeping {
    #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    replayed_at: Option<Timestamp>,
    times: u64,
}

/// What became of marking an item as replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// It counts as replayed.
    Done,
    /// It was parked again meanwhile, so it still waits.
    ParkedAgain,
}

impl Store {
    /// Keeps a queue message that could not be applied.
    ///
    /// **Once**, however often it is delivered: its key is derived from its bytes. One that was replayed
    /// in vain waits again under the same key. For a number that nobody owns, the transaction checks that
    /// this is still so; whoever claims the number writes the route first and then looks for what was
    /// parked, so neither order loses it.
    pub async fn park(&self, park: &Park<'_>, now: Timestamp) -> Result<Parked, StoreError> {
        let Park { scope, event, reason, queue, body } = park;
        let record = Record {
            reason: reason.clone(),
            queue: (*queue).to_owned(),
            body: Personal::new((*body).to_owned()),
            parked_at: now,
        };
        let key = Key::parked(scope, event);
        let mut attributes = item::item(key.clone(), "parked", &record);
        attributes.remove(PK);
        attributes.remove(SK);
        let update = Expression::new().set_all(attributes).add("times", 1).remove("replayedAt");
        let mut writes = vec![update.into_update(&self.table, key)];
        if let ParkedScope::UnroutedNumber(number) = scope {
            writes.push(Expression::new().when(ABSENT).into_check(&self.table, Key::route(number)));
        }
        Ok(match self.transact("parking an item", writes).await? {
            Outcome::Refused(verdicts) if verdicts.get(1).is_some_and(Verdict::is_broken) => Parked::Routed,
            Outcome::Done | Outcome::Refused(_) => Parked::Kept,
        })
    }

    /// Everything parked in a scope, oldest first.
    pub async fn parked(&self, scope: &ParkedScope<'_>) -> Result<Vec<ParkedItem>, StoreError> {
        let items = self.partition(LISTING, &parked_partition(scope), PARKED).await?;
        items.into_iter().map(parked_item).collect()
    }

    /// One page of what is parked in a scope, oldest first. `limit` is at least 1.
    pub async fn parked_page(
        &self,
        scope: &ParkedScope<'_>,
        limit: i32,
        after: Option<EventId>,
    ) -> Result<Page<ParkedItem>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(self.table.as_ref())
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", AttributeValue::S(parked_partition(scope)))
            .expression_attribute_values(":prefix", AttributeValue::S(PARKED.to_owned()))
            .consistent_read(true)
            .limit(limit)
            .set_exclusive_start_key(after.map(|event| Key::parked(scope, &event).into_attributes()));
        let answer = request.send().await.map_err(failed(LISTING))?;
        let more = answer.last_evaluated_key.is_some();
        let items: Vec<_> = answer.items.unwrap_or_default().into_iter().map(parked_item).collect::<Result<_, _>>()?;
        let next = items.last().filter(|_| more).map(|last: &ParkedItem| last.event.to_string());
        Ok(Page { items, next })
    }

    /// One parked item.
    pub async fn parked_one(&self, scope: &ParkedScope<'_>, event: &EventId) -> Result<Option<ParkedItem>, StoreError> {
        self.get("reading a parked item", Key::parked(scope, event)).await?.map(parked_item).transpose()
    }

    /// Marks an item as put back on its queue. Refused if it was parked again since it was read: whoever
    /// replays puts it on the queue first, and the worker may be faster.
    pub async fn mark_replayed(
        &self,
        scope: &ParkedScope<'_>,
        item: &ParkedItem,
        now: Timestamp,
    ) -> Result<Marked, StoreError> {
        let update = as_it_was_read(item).set("replayedAt", now.as_millisecond());
        let write = update.into_update(&self.table, Key::parked(scope, &item.event));
        Ok(marked(&self.transact("marking an item as replayed", vec![write]).await?))
    }

    /// Removes an item that was put back on its queue and, if it fails again, will be parked elsewhere.
    pub async fn remove_parked(&self, scope: &ParkedScope<'_>, item: &ParkedItem) -> Result<Marked, StoreError> {
        let write = as_it_was_read(item).into_delete(&self.table, Key::parked(scope, &item.event));
        Ok(marked(&self.transact("removing a parked item", vec![write]).await?))
    }
}

const LISTING: &str = "listing parked items";

/// The condition that an item has not been parked again.
fn as_it_was_read(item: &ParkedItem) -> Expression {
    Expression::new().when("#times = :times").value(":times", item.times)
}

const fn marked(outcome: &Outcome) -> Marked {
    match outcome {
        Outcome::Done => Marked::Done,
        Outcome::Refused(_) => Marked::ParkedAgain,
    }
}

fn parked_item(item: Item) -> Result<ParkedItem, StoreError> {
    let event = item::text(&item, SK).and_then(|sort| sort.strip_prefix(PARKED)).unwrap_or_default();
    let event = EventId::parse(event).map_err(|error| StoreError::item(LISTING, error))?;
    let Bookkeeping { replayed_at, times } = item::record(LISTING, item.clone())?;
    let Record { reason, queue, body, parked_at } = item::record(LISTING, item)?;
    Ok(ParkedItem { event, reason, queue, body, parked_at, replayed_at, times })
}
