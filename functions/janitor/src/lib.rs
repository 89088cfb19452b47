//! Wakes whatever is due and not done.
//!
//! **Trigger:** a schedule, every minute.
//!
//! **Promise:** whatever is unfinished in the table is looked at again within a minute of its due date,
//! whether or not the stream, the fan-out or a queue lost its wake-up.
//!
//! **Idempotency:** none needed. The sweep only wakes, and merges what is safe to merge twice.
//!
//! **On failure:** the next run, a minute later.

use recado_platform::clock::Clock;
use recado_platform::queue::{Outgoing, Queue, QueueError};
use recado_store::{Store, StoreError};
use std::time::Duration;

/// The function and what it uses.
#[derive(Debug)]
pub struct Janitor {
    /// The table.
    pub store: Store,
    /// Where wake-ups go.
    pub outbound: Queue,
    /// The time.
    pub clock: Clock,
}

/// The sweep stopped half-way.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The table could not be used.
    #[error("the table could not be swept")]
    Store(#[from] StoreError),
    /// Wake-ups could not be sent.
    #[error("the wake-ups could not be sent")]
    Queue(#[from] QueueError),
}

impl Janitor {
    /// Looks through everything that is due.
    pub async fn sweep(&self) -> Result<(), SweepError> {
        let now = self.clock.now();
        let due = self.store.due(now).await?;
        if due.unknown > 0 {
            tracing::error!(entries = due.unknown, "entries are due that this version cannot handle");
        }
        if !due.outboxes.is_empty() || !due.early.is_empty() {
            tracing::info!(outboxes = due.outboxes.len(), early_statuses = due.early.len(), "swept");
        }
        let wake_ups = due.outboxes.into_iter().map(|wake_up| Outgoing::wake_up(wake_up, Duration::ZERO));
        self.outbound.send_all(wake_ups.collect()).await?;
        for wait in &due.early {
            self.store.of_early(wait).revisit_early(wait.message, now).await?;
        }
        Ok(())
    }
}
