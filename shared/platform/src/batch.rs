//! Queue batches: each unit of work on its own, failures reported one by one.

use crate::metrics::{self, Metric};
use crate::telemetry;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::FutureExt;
use futures_util::future::join_all;
use jiff::Timestamp;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;

/// One message as the queue delivered it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The queue's id of the message, by which a failure is reported.
    pub id: String,
    /// What it says.
    pub body: String,
    /// When it was put on the queue, if the queue says so.
    pub sent: Option<Timestamp>,
    /// What the message stands for, once that was fetched.
    fetched: OnceLock<String>,
}

impl Delivery {
    /// A message of this id and text.
    pub const fn new(id: String, body: String) -> Self {
        Self { id, body, sent: None, fetched: OnceLock::new() }
    }

    /// What the message says or, if it only stood for that, what was fetched instead.
    pub fn text(&self) -> &str {
        self.fetched.get().unwrap_or(&self.body)
    }

    /// Remembers what the message stands for.
    pub fn set_fetched(&self, text: String) -> &str {
        self.fetched.get_or_init(|| text)
    }
}

/// The deliveries of a batch.
pub fn deliveries(event: SqsEvent) -> Vec<Delivery> {
    event
        .records
        .into_iter()
        .map(|record| {
            let sent = record.attributes.get("SentTimestamp").and_then(|sent| sent.parse().ok());
            let delivery = Delivery::new(record.message_id.unwrap_or_default(), record.body.unwrap_or_default());
            Delivery { sent: sent.and_then(|sent| Timestamp::from_millisecond(sent).ok()), ..delivery }
        })
        .collect()
}

/// Does one unit of work. `None` if it failed or panicked: its deliveries are to be reported as failed.
///
/// This is the one place where a worker's error is logged.
pub async fn attempt<T, E: Error + 'static>(work: impl Future<Output = Result<T, E>>) -> Option<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(error)) => {
            metrics::count(Metric::WorkRetried);
            tracing::warn!(error = telemetry::chain(&error), "failed; to be delivered again");
            None
        }
        Err(_) => {
            metrics::count(Metric::Panics);
            tracing::error!("panicked; to be delivered again");
            None
        }
    }
}

/// Does one unit of work per delivery, side by side, and reports those that failed.
pub async fn each<'a, E, F>(deliveries: &'a [Delivery], work: impl Fn(&'a Delivery) -> F) -> SqsBatchResponse
where
    E: Error + 'static,
    F: Future<Output = Result<(), E>>,
{
    let outcomes = join_all(deliveries.iter().map(|delivery| attempt(work(delivery)))).await;
    let failed = deliveries.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_none());
    response(failed.map(|(delivery, _)| delivery.id.clone()))
}

/// What tells the queue to deliver these again, and that all others are done.
pub fn response(failed: impl IntoIterator<Item = String>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for id in failed {
        response.add_failure(id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no")]
    struct No;

    #[tokio::test]
    async fn only_what_failed_or_panicked_is_delivered_again() {
        let deliveries = ["works", "fails", "panics"].map(|how| Delivery::new(format!("m-{how}"), how.to_owned()));
        let work = each(&deliveries, async |delivery| match delivery.body.as_str() {
            "fails" => Err(No),
            "panics" => panic!("a planted panic"),
            _ => Ok(()),
        });
        let (response, tally) = metrics::tally(work).await;
        let failed: Vec<_> =
            response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
        assert_eq!(failed, ["m-fails", "m-panics"]);
        assert_eq!(tally.counts(), [(Metric::WorkRetried, 1), (Metric::Panics, 1)]);
    }
}
