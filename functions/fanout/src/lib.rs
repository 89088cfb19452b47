//! Tells whoever must act on a change of the table.
//!
//! **Trigger:** the table's stream, in batches, filtered to new outbox entries.
//!
//! **Promise:** for each conversation with a new outbox entry, a wake-up is put on the `outbound` queue.
//!
//! **Idempotency:** none needed. A wake-up is a reason to look, not the work; a double one finds
//! nothing to do.
//!
//! **On failure:** the whole batch is delivered again. A record that cannot be decoded is logged and
//! skipped, because it would hold up the stream for ever. Whatever is lost here has a due date in the
//! table, and the janitor's sweep wakes it.

use aws_lambda_events::event::dynamodb::EventRecord;
use recado_platform::queue::{Outgoing, Queue, QueueError};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The function and what it uses.
#[derive(Debug)]
pub struct Fanout {
    /// Where wake-ups go.
    pub outbound: Queue,
}

/// A batch of the stream, its records not decoded yet: one by one, so that a bad one stands alone.
#[derive(Debug, Deserialize)]
pub struct StreamBatch {
    /// The records.
    #[serde(rename = "Records")]
    pub records: Vec<Value>,
}

impl Fanout {
    /// Follows a batch of changes.
    pub async fn handle(&self, batch: StreamBatch) -> Result<(), QueueError> {
        let mut wake_ups = BTreeMap::new();
        for record in batch.records {
            match serde_json::from_value::<EventRecord>(record) {
                Ok(record) => {
                    if let Some(wake_up) = recado_store::opened_outbox(&record.change.new_image) {
                        wake_ups.insert((wake_up.tenant, wake_up.conversation), wake_up);
                    }
                }
                Err(error) => tracing::error!(%error, "skipped a stream record that cannot be decoded"),
            }
        }
        let wake_ups = wake_ups.into_values().map(|wake_up| Outgoing::wake_up(wake_up, Duration::ZERO));
        self.outbound.send_all(wake_ups.collect()).await
    }
}
