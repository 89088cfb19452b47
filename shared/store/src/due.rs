//! Everything unfinished, by due date.

use crate::Store;
use crate::TenantStore;
use crate::error::{StoreError, failed};
use crate::item::{self, Item};
use crate::keys::{
    DUE_INDEX, DUE_PK, DUE_SHARDS, DUE_SK, DueKind, Key, PK, SK, due_partition, due_sort, parse_conversation_partition,
    parse_match_key, parse_media_key, parse_pointer_partition,
};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use recado_domain::ids::{MessageId, TenantId};
use recado_domain::wake_up::{MediaWakeUp, WakeUp};
use std::collections::BTreeSet;

/// A message for which early statuses wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EarlyWait {
    tenant: TenantId,
    /// The id under which the message's pointer will be.
    pub message: MessageId,
}

/// Customers and contacts that are to be brought together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MatchWait {
    tenant: TenantId,
    /// Where they meet. The phone or e-mail is in it.
    partition: String,
}

impl std::fmt::Debug for MatchWait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MatchWait").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// How many due entries one look takes from each shard. What is left is still due at the next one.
const MOST: usize = 5000;

impl Store {
    /// Conversations with an open outbound message that was due by `now`, each once.
    ///
    /// Reads an index and may lag: what it says is a reason to look, never a reason to act.
    pub async fn due_outboxes(&self, now: Timestamp) -> Result<BTreeSet<WakeUp>, StoreError> {
        let due = self.due(DueKind::Outbox, now).await?;
        let wake_up = |(tenant, conversation)| WakeUp { tenant, conversation };
        Ok(due.iter().filter_map(|key| parse_conversation_partition(&key.pk)).map(wake_up).collect())
    }

    /// Messages whose early statuses were to be looked at by `now`, each once. May lag, as above.
    pub async fn due_early(&self, now: Timestamp) -> Result<BTreeSet<EarlyWait>, StoreError> {
        let due = self.due(DueKind::Early, now).await?;
        let wait = |(tenant, message)| EarlyWait { tenant, message };
        Ok(due.iter().filter_map(|key| parse_pointer_partition(&key.pk)).map(wait).collect())
    }

    /// Messages whose files were to be fetched by `now`, each once. May lag, as above.
    pub async fn due_media(&self, now: Timestamp) -> Result<BTreeSet<MediaWakeUp>, StoreError> {
        let due = self.due(DueKind::Media, now).await?;
        let wake_up = |(tenant, message)| MediaWakeUp { tenant, message };
        Ok(due.iter().filter_map(|key| parse_media_key(&key.pk, &key.sk)).map(wake_up).collect())
    }

    /// Where customers and contacts were to be brought together by `now`, each once. May lag, as above.
    pub async fn due_matches(&self, now: Timestamp) -> Result<BTreeSet<MatchWait>, StoreError> {
        let due = self.due(DueKind::Match, now).await?;
        let wait = |key: Key| {
            let (tenant, _) = parse_match_key(&key.pk, &key.sk)?;
            Some(MatchWait { tenant, partition: key.pk })
        };
        Ok(due.into_iter().filter_map(wait).collect())
    }

    /// Brings customers and contacts together whose writer got no further. Doing it again does nothing.
    pub async fn revisit_match(&self, wait: &MatchWait, now: Timestamp) -> Result<(), StoreError> {
        self.open(wait.tenant).match_all(&wait.partition, now).await
    }

    /// The keys of what is due, the longest overdue first.
    async fn due(&self, kind: DueKind, now: Timestamp) -> Result<Vec<Key>, StoreError> {
        let mut due = Vec::new();
        for shard in 0..DUE_SHARDS {
            let mut start = None;
            let mut found = 0;
            while found < MOST {
                let answer = self
                    .client
                    .query()
                    .table_name(self.table.as_ref())
                    .index_name(DUE_INDEX)
                    .key_condition_expression("#pk = :pk AND #sk <= :now")
                    .expression_attribute_names("#pk", DUE_PK)
                    .expression_attribute_names("#sk", DUE_SK)
                    .expression_attribute_values(":pk", AttributeValue::S(due_partition(kind, shard)))
                    .expression_attribute_values(":now", AttributeValue::S(due_sort(now)))
                    .set_exclusive_start_key(start)
                    .send()
                    .await
                    .map_err(failed("reading what is due"))?;
                let items = answer.items.unwrap_or_default();
                found += items.len();
                due.extend(items.iter().filter_map(|item| {
                    Some(Key { pk: item::text(item, PK)?.to_owned(), sk: item::text(item, SK)?.to_owned() })
                }));
                start = answer.last_evaluated_key;
                if start.is_none() {
                    break;
                }
            }
        }
        Ok(due)
    }

    /// The tenant of a message for which early statuses wait.
    pub fn of_early(&self, wait: &EarlyWait) -> TenantStore {
        self.open(wait.tenant)
    }
}

/// Gives an item its due date.
pub(crate) fn set(item: &mut Item, kind: DueKind, shard: u32, due: Timestamp) {
    item.insert(DUE_PK.to_owned(), AttributeValue::S(due_partition(kind, shard)));
    item.insert(DUE_SK.to_owned(), AttributeValue::S(due_sort(due)));
}
