//! From what is parked or logged back to the queues.

use futures_util::future::try_join_all;
use jiff::Timestamp;
use recado_domain::ids::PhoneNumberId;
use recado_platform::aws::SdkConfig;
use recado_platform::queue::{Outgoing, Queue, QueueError};
use recado_platform::settings::{SettingError, required};
use recado_store::{LoggedEvent, ParkedItem, ParkedScope, Store, StoreError};
use std::collections::BTreeMap;

/// Puts events back on the queues they came from. A worker then does with each what it would do with one
/// that has just come: apply it, find that it was applied, or park it again under the same key.
#[derive(Debug)]
pub struct Replay {
    /// The table.
    pub store: Store,
    /// Where messages go.
    pub messages: Queue,
    /// Where statuses go.
    pub statuses: Queue,
    /// Where everything else goes.
    pub account: Queue,
}

/// Not everything was replayed. What was, and is replayed again, changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The table.
    #[error("replaying failed at the table")]
    Store(#[from] StoreError),
    /// A queue.
    #[error("replaying failed at a queue")]
    Queue(#[from] QueueError),
}

/// How many parked items of a number are replayed at a time.
const DRAIN_PAGE: i32 = 100;

impl Replay {
    /// With the queues that the deployment names.
    pub fn from_settings(store: Store, config: &SdkConfig) -> Result<Self, SettingError> {
        let sqs = aws_sdk_sqs::Client::new(config);
        let queue = |name| required(name).map(|url| Queue::new(sqs.clone(), url));
        Ok(Self {
            store,
            messages: queue("MESSAGES_QUEUE_URL")?,
            statuses: queue("STATUSES_QUEUE_URL")?,
            account: queue("ACCOUNT_QUEUE_URL")?,
        })
    }

    /// Puts logged events back on their queues. `group` is whose turn they count against.
    pub async fn logged(&self, group: &str, events: &[LoggedEvent]) -> Result<(), ReplayError> {
        let messages = events.iter().map(|logged| (logged.queue.as_str(), logged.body.expose()));
        self.send(group, messages).await
    }

    /// Puts parked items back on their queues and marks them. Sent first and marked after: a crash in
    /// between leaves them waiting, and the worker absorbs what comes twice.
    ///
    /// Those of a number are removed instead of marked: they belong to whoever owns it by now, and if
    /// nobody does, they are parked again.
    pub async fn parked(
        &self,
        group: &str,
        scope: &ParkedScope<'_>,
        items: &[ParkedItem],
        now: Timestamp,
    ) -> Result<(), ReplayError> {
        self.send(group, items.iter().map(|item| (item.queue.as_str(), item.body.expose()))).await?;
        let marks = items.iter().map(|item| async move {
            match scope {
                ParkedScope::UnroutedNumber(_) => self.store.remove_parked(scope, item).await,
                ParkedScope::Tenant(_) | ParkedScope::Nobody => self.store.mark_replayed(scope, item, now).await,
            }
        });
        try_join_all(marks).await?;
        Ok(())
    }

    /// Puts everything that was parked for a number back on its queues, and counts it. To be called after
    /// the number's route was written: from then on nothing more is parked for it, so nothing is missed.
    pub async fn drain(&self, number: &PhoneNumberId, now: Timestamp) -> Result<usize, ReplayError> {
        let scope = ParkedScope::UnroutedNumber(number);
        let mut drained = 0;
        loop {
            let page = self.store.parked_page(&scope, DRAIN_PAGE, None).await?;
            if page.items.is_empty() {
                return Ok(drained);
            }
            self.parked(number.as_str(), &scope, &page.items, now).await?;
            drained += page.items.len();
        }
    }

    async fn send<'a>(
        &self,
        group: &str,
        messages: impl Iterator<Item = (&'a str, &'a String)>,
    ) -> Result<(), ReplayError> {
        let mut by_queue: BTreeMap<&str, Vec<Outgoing>> = BTreeMap::new();
        for (queue, body) in messages {
            by_queue.entry(queue).or_default().push(Outgoing::now(body.clone(), group.to_owned()));
        }
        for (name, messages) in by_queue {
            let queue = match name {
                "messages" => &self.messages,
                "statuses" => &self.statuses,
                // Only the three workers behind the gate park and log.
                _ => &self.account,
            };
            queue.send_all(messages).await?;
        }
        Ok(())
    }
}
