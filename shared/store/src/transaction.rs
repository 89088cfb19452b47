//! All or nothing, and if nothing, why.

use crate::error::{StoreError, failed};
use crate::item::Item;
use crate::{Store, TenantStore};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use std::time::Duration;

/// How often a transaction that collided with another one is tried before the caller's caller has to.
const COLLISIONS: u32 = 6;

/// How often the world may turn out to be different from what a write was planned on, before it is left
/// to the next delivery. As many writers as this may meet at one conversation: each round, one wins.
pub(crate) const SURPRISES: u32 = 24;

/// How a transaction ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Everything was written.
    Done,
    /// Nothing was written: at least one condition did not hold. In the order of the writes.
    Refused(Vec<Verdict>),
}

/// What became of one write of a refused transaction.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Its condition held, or it had none.
    Fine,
    /// Its condition did not hold against this item (empty: there is none).
    Broken(Item),
}

impl Verdict {
    pub(crate) const fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(_))
    }
}

impl Store {
    /// Writes everything or nothing.
    ///
    /// A cancellation is read write by write: collisions with other transactions and throttles are
    /// waited out here, broken conditions are the caller's to understand.
    pub(crate) async fn transact(
        &self,
        operation: &'static str,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Outcome, StoreError> {
        for attempt in 0..COLLISIONS {
            let sent = self.client.transact_write_items().set_transact_items(Some(writes.clone())).send().await;
            let error = match sent {
                Ok(_) => return Ok(Outcome::Done),
                Err(error) => error,
            };
            let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
            else {
                return Err(failed(operation)(error));
            };
            let reasons = cancelled.cancellation_reasons();
            if reasons.iter().any(|reason| reason.code() == Some("ConditionalCheckFailed")) {
                return Ok(Outcome::Refused(reasons.iter().map(verdict).collect()));
            }
            if reasons.iter().any(|reason| reason.code() == Some("ValidationError")) {
                return Err(StoreError::Request { operation, transient: false, source: Box::new(error) });
            }
            pause(attempt).await;
        }
        Err(StoreError::Contended { operation })
    }
}

impl TenantStore {
    pub(crate) async fn transact(
        &self,
        operation: &'static str,
        writes: Vec<TransactWriteItem>,
    ) -> Result<Outcome, StoreError> {
        self.store.transact(operation, writes).await
    }
}

fn verdict(reason: &CancellationReason) -> Verdict {
    match reason.code() {
        Some("ConditionalCheckFailed") => Verdict::Broken(reason.item().cloned().unwrap_or_default()),
        _ => Verdict::Fine,
    }
}

/// Waits a random moment that grows with every attempt, so that colliding writers spread out.
pub(crate) async fn pause(attempt: u32) {
    let longest = 20_u64 << attempt.min(5);
    let wait = rand::random_range(0..=longest);
    tokio::time::sleep(Duration::from_millis(wait)).await;
}
