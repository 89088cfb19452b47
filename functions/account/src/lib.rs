//! Keeps what Meta says about accounts, templates and numbers.
//!
//! **Trigger:** the `account` queue, in batches: every webhook field other than `messages`, and
//! `messages` values that hold neither messages nor statuses.
//!
//! **Promise:** every event is kept as Meta sent it, under the tenant whose number it names if it names
//! one, with the reason why it was not applied. Applied is what customers want to receive
//! (`user_preferences`); nothing else yet.
//!
//! **Idempotency:** the key of a parked event is derived from its bytes; of preferences the latest counts.
//!
//! **On failure:** delivered again; after that, the dead-letter queue.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use recado_domain::contact::Identities;
use recado_domain::preference::{Preference, PreferenceSource};
use recado_ingest::{Admitted, Archive, Gate};
use recado_platform::batch::{self, Delivery};
use recado_platform::clock::Clock;
use recado_store::{Store, StoreError};
use recado_whatsapp::webhook::preference::{self as meta, UserPreferences};
use recado_whatsapp::webhook::word;

/// The function and what it uses.
#[derive(Debug)]
pub struct Account {
    gate: Gate,
    clock: Clock,
}

impl Account {
    /// A worker on this table.
    pub fn new(store: Store, archive: Archive, clock: Clock) -> Self {
        Self { gate: Gate::new(store, archive, "account", clock.clone()), clock }
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
        if field == "user_preferences"
            && let Ok(told) = UserPreferences::parse(admitted.envelope.item.raw)
        {
            return self.prefer(&admitted, &told).await;
        }
        self.gate.keep_for(&admitted, format!("the field `{field}` is kept, but not applied yet")).await
    }

    /// Keeps what customers say in WhatsApp's own settings. What is no answer we know is kept as it is.
    async fn prefer(&self, admitted: &Admitted<'_>, told: &UserPreferences) -> Result<(), StoreError> {
        for one in &told.user_preferences {
            let wanted = match one.value {
                Some(meta::Preference::Stop) => Some(false),
                Some(meta::Preference::Resume | meta::Preference::Signup) => Some(true),
                _ => None,
            };
            let who = Identities { wa_id: one.wa_id.clone(), bsuid: one.user_id.clone(), ..Identities::default() };
            let (Some(wanted), Some(at), false) = (wanted, one.timestamp, who.is_anonymous()) else {
                self.gate.park_for(admitted, "a preference that cannot be understood".to_owned()).await?;
                continue;
            };
            let preference = Preference { wanted, at, source: PreferenceSource::WhatsApp };
            admitted.store.record_preference(&admitted.number, &who, &preference, self.clock.now()).await?;
        }
        Ok(())
    }
}
