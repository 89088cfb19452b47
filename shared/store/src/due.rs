//! Everything unfinished, by due date.

use crate::Store;
use crate::TenantStore;
use crate::error::{StoreError, failed};
use crate::item::{self, Item};
use crate::keys::{
    DUE_INDEX, DUE_PK, DUE_SHARDS, DUE_SK, DueKind, Key, PK, SK, due_partition, due_sort, parse_conversation_partition,
    parse_due_sort, parse_match_key, parse_media_key, parse_pointer_partition,
};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use recado_domain::ids::{MessageId, TenantId};
use recado_domain::wake_up::{MediaWakeUp, WakeUp};
use std::collections::{BTreeSet, btree_set};

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

/// What was due at a time, each once.
#[derive(Debug)]
pub struct Due<T> {
    entries: BTreeSet<T>,
    /// Since when the longest overdue of it has been due.
    pub since: Option<Timestamp>,
}

impl<T> Due<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was due.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T> IntoIterator for Due<T> {
    type Item = T;
    type IntoIter = btree_set::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// How many due entries one look takes from each shard. What is left is still due at the next one.
const MOST: usize = 5000;

impl Store {
    /// Conversations with an open outbound message that was due by `now`, each once.
    ///
    /// Reads an index and may lag: what it says is a reason to look, never a reason to act.
    pub async fn due_outboxes(&self, now: Timestamp) -> Result<Due<WakeUp>, StoreError> {
        let wake_up = |(tenant, conversation)| WakeUp { tenant, conversation };
        self.due(DueKind::Outbox, now, |key| parse_conversation_partition(&key.pk).map(wake_up)).await
    }

    /// Messages whose early statuses were to be looked at by `now`, each once. May lag, as above.
    pub async fn due_early(&self, now: Timestamp) -> Result<Due<EarlyWait>, StoreError> {
        let wait = |(tenant, message)| EarlyWait { tenant, message };
        self.due(DueKind::Early, now, |key| parse_pointer_partition(&key.pk).map(wait)).await
    }

    /// Messages whose files were to be fetched by `now`, each once. May lag, as above.
    pub async fn due_media(&self, now: Timestamp) -> Result<Due<MediaWakeUp>, StoreError> {
        let wake_up = |(tenant, message)| MediaWakeUp { tenant, message };
        self.due(DueKind::Media, now, |key| parse_media_key(&key.pk, &key.sk).map(wake_up)).await
    }

    /// Where customers and contacts were to be brought together by `now`, each once. May lag, as above.
    pub async fn due_matches(&self, now: Timestamp) -> Result<Due<MatchWait>, StoreError> {
        let wait = |key: &Key| {
            let (tenant, _) = parse_match_key(&key.pk, &key.sk)?;
            Some(MatchWait { tenant, partition: key.pk.clone() })
        };
        self.due(DueKind::Match, now, wait).await
    }

    /// Brings customers and contacts together whose writer got no further. Doing it again does nothing.
    pub async fn revisit_match(&self, wait: &MatchWait, now: Timestamp) -> Result<(), StoreError> {
        self.open(wait.tenant).match_all(&wait.partition, now).await
    }

    /// What is due, as it is read off the keys; of each shard the longest overdue first.
    async fn due<T: Ord>(
        &self,
        kind: DueKind,
        now: Timestamp,
        read: impl Fn(&Key) -> Option<T>,
    ) -> Result<Due<T>, StoreError> {
        let mut due = Due { entries: BTreeSet::new(), since: None };
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
                for item in &items {
                    let (Some(pk), Some(sk)) = (item::text(item, PK), item::text(item, SK)) else { continue };
                    due.entries.extend(read(&Key { pk: pk.to_owned(), sk: sk.to_owned() }));
                    let since = item::text(item, DUE_SK).and_then(parse_due_sort);
                    due.since = [due.since, since].into_iter().flatten().min();
                }
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
