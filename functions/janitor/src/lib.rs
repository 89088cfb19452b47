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

use jiff::{SignedDuration, Timestamp};
use recado_platform::batch;
use recado_platform::clock::Clock;
use recado_platform::metrics::{self, Metric};
use recado_platform::queue::{Outgoing, Queue, QueueError};
use recado_store::{Due, Store, StoreError};
use std::time::Duration;

/// How long before its deadline a run stops taking up more.
const MARGIN: SignedDuration = SignedDuration::from_secs(10);

/// The function and what it uses.
#[derive(Debug)]
pub struct Janitor {
    /// The table.
    pub store: Store,
    /// Where wake-ups for conversations go.
    pub outbound: Queue,
    /// Where wake-ups for files go.
    pub media: Queue,
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
    /// Looks through everything that is due. `deadline` is when Lambda will end this run.
    pub async fn sweep(&self, deadline: Timestamp) -> Result<(), SweepError> {
        let now = self.clock.now();
        let outboxes = self.store.due_outboxes(now).await?;
        tell(&outboxes, now);
        if !outboxes.is_empty() {
            tracing::info!(outboxes = outboxes.len(), "woke what was due");
        }
        let wake_ups = outboxes.into_iter().map(|wake_up| Outgoing::wake_up(wake_up, Duration::ZERO));
        self.outbound.send_all(wake_ups.collect()).await?;
        let files = self.store.due_media(now).await?;
        tell(&files, now);
        if !files.is_empty() {
            tracing::info!(files = files.len(), "woke files that are due");
        }
        self.media.send_all(files.into_iter().map(Outgoing::media).collect()).await?;

        let is_late = || deadline.duration_since(self.clock.now()) < MARGIN;
        let matches = self.store.due_matches(now).await?;
        tell(&matches, now);
        for wait in matches {
            if is_late() {
                tracing::warn!("not all customers could be matched; the rest is due next time");
                break;
            }
            batch::attempt(self.store.revisit_match(&wait, now)).await;
        }
        let early = self.store.due_early(now).await?;
        tell(&early, now);
        for wait in early {
            if is_late() {
                tracing::warn!("not all early statuses could be looked at; the rest is due next time");
                break;
            }
            // One that cannot be handled must not keep the others waiting; it is due again next time.
            batch::attempt(self.store.of_early(&wait).revisit_early(wait.message, now)).await;
        }
        Ok(())
    }
}

/// Counts what is due. That something has been due for long means that nobody works it off.
fn tell<T>(due: &Due<T>, now: Timestamp) {
    metrics::add(Metric::DueWoken, due.len() as u64);
    if let Some(since) = due.since {
        let overdue = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        metrics::measure(Metric::OldestOverdueSeconds, overdue);
    }
}
