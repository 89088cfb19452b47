//! Everything unfinished, by due date.

use crate::Store;
use crate::TenantStore;
use crate::error::{StoreError, failed};
use crate::item::{self, Item};
use crate::keys::{
    DUE_INDEX, DUE_PK, DUE_SHARDS, DUE_SK, PK, due_partition, due_sort, parse_conversation_partition,
    parse_pointer_partition,
};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use recado_domain::ids::{MessageId, TenantId};
use recado_domain::wake_up::WakeUp;
use std::collections::BTreeSet;

/// What is due.
#[derive(Debug, Default)]
pub struct Due {
    /// Conversations with an open outbound message to look at, each once.
    pub outboxes: Vec<WakeUp>,
    /// Messages for which early statuses wait, each once.
    pub early: Vec<EarlyWait>,
    /// Entries of a kind this code does not know.
    pub unknown: usize,
}

/// A message for which early statuses wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EarlyWait {
    tenant: TenantId,
    /// The id under which the message's pointer will be.
    pub message: MessageId,
}

/// How many due entries one sweep takes from each shard. What is left is still due next time.
const MOST: i32 = 1000;

impl Store {
    /// What was due by `now`, the longest overdue first.
    ///
    /// Reads an index and may lag: what it says is a reason to look, never a reason to act.
    pub async fn due(&self, now: Timestamp) -> Result<Due, StoreError> {
        let mut due = Due::default();
        let (mut outboxes, mut early) = (BTreeSet::new(), BTreeSet::new());
        for shard in 0..DUE_SHARDS {
            let answer = self
                .client
                .query()
                .table_name(self.table.as_ref())
                .index_name(DUE_INDEX)
                .key_condition_expression("#pk = :pk AND #sk <= :now")
                .expression_attribute_names("#pk", DUE_PK)
                .expression_attribute_names("#sk", DUE_SK)
                .expression_attribute_values(":pk", AttributeValue::S(due_partition(shard)))
                .expression_attribute_values(":now", AttributeValue::S(due_sort(now)))
                .limit(MOST)
                .send()
                .await
                .map_err(failed("reading what is due"))?;
            for item in answer.items.unwrap_or_default() {
                let pk = item::text(&item, PK).unwrap_or_default();
                if let Some((tenant, conversation)) = parse_conversation_partition(pk) {
                    if outboxes.insert((tenant, conversation)) {
                        due.outboxes.push(WakeUp { tenant, conversation });
                    }
                } else if let Some((tenant, message)) = parse_pointer_partition(pk) {
                    if early.insert((tenant, message)) {
                        due.early.push(EarlyWait { tenant, message });
                    }
                } else {
                    due.unknown += 1;
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
pub(crate) fn set(item: &mut Item, shard: u32, due: Timestamp) {
    item.insert(DUE_PK.to_owned(), AttributeValue::S(due_partition(shard)));
    item.insert(DUE_SK.to_owned(), AttributeValue::S(due_sort(due)));
}
