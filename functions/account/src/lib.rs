//! Keeps what Meta says about accounts, templates and numbers.
//!
//! **Trigger:** the `account` queue, in batches: every webhook field other than `messages`, and
//! `messages` values that hold neither messages nor statuses.
//!
//! **Promise:** every event is kept as Meta sent it, under the tenant whose number it names if it names
//! one, with the reason why it was not applied. None is applied yet.
//!
//! **Idempotency:** the key of a parked event is derived from its bytes.
//!
//! **On failure:** delivered again; after that, the dead-letter queue.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use recado_ingest::{Archive, Gate};
use recado_platform::batch::{self, Delivery};
use recado_platform::clock::Clock;
use recado_store::{Store, StoreError};
use recado_whatsapp::webhook::word;

/// The function and what it uses.
#[derive(Debug)]
pub struct Account {
    gate: Gate,
}

impl Account {
    /// A worker on this table.
    pub fn new(store: Store, archive: Archive, clock: Clock) -> Self {
        Self { gate: Gate::new(store, archive, "account", clock) }
    }

    /// Keeps a batch of the queue.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let deliveries = batch::deliveries(event);
        let response = batch::each(&deliveries, |delivery| self.keep(delivery)).await;
        self.gate.finish(&deliveries, response).await
    }

    async fn keep(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let Some(admitted) = self.gate.admit(delivery).await? else { return Ok(()) };
        let field = word(admitted.envelope.item.field.as_deref().unwrap_or_default());
        self.gate.park_for(&admitted, format!("the field `{field}` is kept, but not applied yet")).await
    }
}
