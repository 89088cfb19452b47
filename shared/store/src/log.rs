//! The webhook log: every event as it came, for a while, by tenant and day.

use crate::Store;
use crate::error::{StoreError, failed};
use crate::event::EventId;
use crate::item::{self, Item, Page};
use crate::keys::{Key, LOG_SHARDS, LOGGED, LogScope, PK, SK, log_partition};
use crate::transaction::pause;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use jiff::Timestamp;
use jiff::civil::Date;
use recado_domain::personal::Personal;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum EventOutcome {
    /// A worker has applied it, or found that it had been applied before.
    Applied,
    /// It was parked.
    Parked,
}

/// An event of the webhook log.
#[derive(Debug, Clone)]
pub struct LoggedEvent {
    /// Which one it is.
    pub event: EventId,
    /// The queue it went through.
    pub queue: String,
    /// What became of it.
    pub outcome: EventOutcome,
    /// What to put on that queue to have it applied again.
    pub body: Personal<String>,
    /// Until when it is kept, in seconds since 1970.
    pub expires_at: i64,
}

/// An event to be logged.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// In whose log it belongs.
    pub scope: LogScope,
    /// The event.
    pub logged: LoggedEvent,
}

/// A logged event as it is stored, but for its key. An ordinary one fits into the kilobyte of one write unit.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    queue: String,
    outcome: EventOutcome,
    body: Personal<String>,
    expires_at: i64,
}

/// DynamoDB takes at most so many items in a call.
pub(crate) const BATCH: usize = 25;

/// How often what DynamoDB had no room for is sent again.
const ROUNDS: u32 = 6;

impl Store {
    /// Puts events into the log: one write unit for each kilobyte of an event, twenty-five events a call.
    ///
    /// **Once**: an event's key is derived from its bytes, and what is written depends on nothing else but
    /// its outcome.
    pub async fn log(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        // A call that names an item twice is refused.
        let puts: HashMap<_, _> =
            entries.iter().map(|entry| ((key(entry).pk, key(entry).sk), log_item(entry))).collect();
        let puts: Vec<_> = puts.into_values().collect();
        for batch in puts.chunks(BATCH) {
            self.put_batch("logging webhook events", batch).await?;
        }
        Ok(())
    }

    /// Puts up to [`BATCH`] items, no two of one key, each by itself.
    pub(crate) async fn put_batch(&self, operation: &'static str, items: &[Item]) -> Result<(), StoreError> {
        let put = |item: &Item| {
            let put = PutRequest::builder().set_item(Some(item.clone())).build().expect("the item is set");
            WriteRequest::builder().put_request(put).build()
        };
        let mut left: Vec<_> = items.iter().map(put).collect();
        for round in 0..ROUNDS {
            let request = self.client.batch_write_item().request_items(&*self.table, left);
            let answer = request.send().await.map_err(failed(operation))?;
            left = answer.unprocessed_items.unwrap_or_default().remove(&*self.table).unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            pause(round).await;
        }
        Err(StoreError::Contended { operation })
    }

    /// One page of a day's log (UTC), newest first, without what has expired by `now`. `limit` is at least 1.
    pub async fn logged(
        &self,
        scope: LogScope,
        day: Date,
        limit: usize,
        before: Option<EventId>,
        now: Timestamp,
    ) -> Result<Page<LoggedEvent>, StoreError> {
        let day = day.to_string();
        let mut found = Vec::new();
        for shard in 0..LOG_SHARDS {
            found.extend(self.logged_shard(&log_partition(scope, &day, shard), limit, before).await?);
        }
        found.sort_by_key(|logged| std::cmp::Reverse(logged.event));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| last.event.to_string());
        found.retain(|logged| logged.expires_at > now.as_second());
        Ok(Page { items: found, next })
    }

    /// The newest events of a shard: one more than asked for, to know whether there are more.
    async fn logged_shard(
        &self,
        pk: &str,
        limit: usize,
        before: Option<EventId>,
    ) -> Result<Vec<LoggedEvent>, StoreError> {
        // Digits and letters sort before `~`.
        let before = before.map_or_else(|| format!("{LOGGED}~"), |event| format!("{LOGGED}{event}"));
        let request = self
            .client
            .query()
            .table_name(self.table.as_ref())
            .key_condition_expression("#pk = :pk AND #sk < :before")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":before", AttributeValue::S(before))
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(i32::try_from(limit.saturating_add(1)).unwrap_or(i32::MAX));
        let mut items = Vec::new();
        let mut pages = request.into_paginator().send();
        // A page also ends at a megabyte.
        while let Some(page) = pages.next().await {
            items.extend(page.map_err(failed(LISTING))?.items.unwrap_or_default());
            if items.len() > limit {
                break;
            }
        }
        items.into_iter().map(logged_event).collect()
    }

    /// One event of a log, unless it has expired by `now`.
    pub async fn logged_one(
        &self,
        scope: LogScope,
        event: &EventId,
        now: Timestamp,
    ) -> Result<Option<LoggedEvent>, StoreError> {
        let item = self.get("reading a logged event", Key::logged(scope, event)).await?;
        let logged = item.map(logged_event).transpose()?;
        Ok(logged.filter(|logged| logged.expires_at > now.as_second()))
    }
}

const LISTING: &str = "listing logged events";

fn key(entry: &LogEntry) -> Key {
    Key::logged(entry.scope, &entry.logged.event)
}

fn log_item(entry: &LogEntry) -> Item {
    let LoggedEvent { queue, outcome, body, expires_at, .. } = entry.logged.clone();
    item::item(key(entry), "webhook", &Record { queue, outcome, body, expires_at })
}

fn logged_event(item: Item) -> Result<LoggedEvent, StoreError> {
    let event = item::text(&item, SK).and_then(|sort| sort.strip_prefix(LOGGED)).unwrap_or_default();
    let event = EventId::parse(event).map_err(|error| StoreError::item(LISTING, error))?;
    let Record { queue, outcome, body, expires_at } = item::record(LISTING, item)?;
    Ok(LoggedEvent { event, queue, outcome, body, expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_domain::ids::TenantId;

    #[test]
    fn what_surrounds_an_event_in_the_log_leaves_most_of_a_write_unit_to_the_event() {
        let body = String::new();
        let logged = LoggedEvent {
            event: EventId::of(1_795_171_200_000, &body),
            queue: "messages".to_owned(),
            outcome: EventOutcome::Applied,
            body: Personal::new(body),
            expires_at: 1_797_763_200,
        };
        let item = log_item(&LogEntry { scope: LogScope::Tenant(TenantId::from_bits(1)), logged });
        // As DynamoDB counts: names and texts by their bytes, a number half its digits and one more.
        let size = |(name, value): (&String, &AttributeValue)| {
            name.len() + value.as_s().map_or_else(|_| value.as_n().unwrap().len() / 2 + 2, String::len)
        };
        let around: usize = item.iter().map(size).sum();
        assert!(around <= 224, "{around} of 1024 bytes are not the event's");
    }
}
