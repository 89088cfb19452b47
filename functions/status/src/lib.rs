//! Applies delivery statuses.
//!
//! **Trigger:** the `statuses` queue, in batches.
//!
//! **Promise:** what Meta reports about a message is added to what is known about it; the message's
//! state only moves forward. A status finds its message by our callback key, even before the answer to
//! the send is stored, or by its wamid. One whose message nobody knows yet waits for it.
//!
//! **Idempotency:** a message keeps the earliest fact of each status, so order and repetition do not
//! matter ([`recado_store::TenantStore::hear_status`]).
//!
//! **On failure:** what is transient is delivered again. What cannot be read, names a status we do not
//! know, or carries another tenant's callback key is parked with its reason.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use recado_domain::status::MessageStatus;
use recado_ingest::{Archive, Gate};
use recado_platform::batch::{self, Delivery};
use recado_platform::clock::Clock;
use recado_platform::metrics::{self, Metric};
use recado_platform::telemetry;
use recado_store::{Heard, StatusReport, Store, StoreError};
use recado_whatsapp::envelope::Kind;
use recado_whatsapp::webhook::status::StatusUpdate;

/// The function and what it uses.
#[derive(Debug)]
pub struct Status {
    gate: Gate,
    clock: Clock,
}

impl Status {
    /// A worker on this table.
    pub fn new(store: Store, archive: Archive, clock: Clock) -> Self {
        Self { gate: Gate::new(store, archive, "statuses", clock.clone()).timed(Metric::StateUpdateLatencyMs), clock }
    }

    /// Applies a batch of the queue.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let deliveries = batch::deliveries(event);
        let response = batch::each(&deliveries, |delivery| self.apply(delivery)).await;
        self.gate.finish(&deliveries, response).await
    }

    async fn apply(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let Some(admitted) = self.gate.admit(delivery).await? else { return Ok(()) };
        let item = &admitted.envelope.item;
        if item.kind != Kind::Status {
            return self.gate.park_for(&admitted, format!("a {:?} does not belong on this queue", item.kind)).await;
        }
        let update = match StatusUpdate::parse(item.raw) {
            Ok(update) => update,
            Err(error) => return self.gate.park_for(&admitted, telemetry::chain(&error)).await,
        };
        let own = update.callback.filter(|key| key.tenant == admitted.store.tenant());
        if update.callback.is_some() && own.is_none() {
            return self.gate.park_for(&admitted, "the callback key names another tenant".to_owned()).await;
        }
        let report = StatusReport {
            number: admitted.number.clone(),
            wamid: update.wamid,
            message: own.map(|key| key.message),
            status: update.status,
            fact: update.fact,
        };
        match admitted.store.hear_status(&report, self.clock.now()).await? {
            Heard::News => {
                metrics::count(Metric::StatusesApplied);
                if report.status == MessageStatus::Failed {
                    metrics::count(Metric::DeliveryFailures);
                }
                Ok(())
            }
            Heard::Known => Ok(()),
            Heard::Waiting => {
                metrics::count(Metric::StatusesEarly);
                Ok(())
            }
            Heard::OtherAttempt => {
                let reason = "the message of the callback key went out under another wamid".to_owned();
                self.gate.park_for(&admitted, reason).await
            }
            Heard::Gone => self.gate.park_for(&admitted, "the message does not exist any more".to_owned()).await,
        }
    }
}
