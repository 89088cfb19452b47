//! From a queue message to the tenant it is for, or to the parking place.
//!
//! The three workers that read what the webhook queued begin alike: read the envelope, find out whose
//! number it is, check that the app and account that signed may speak for that number, and keep what
//! fails any of this. That beginning is the [`Gate`].
//!
//! **Invariant:** an app's secret proves the app, not the tenant. A tenant's data is opened only when
//! the number's route names the same app and the same WhatsApp Business account as the webhook.

use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::PhoneNumberId;
use recado_platform::batch::Delivery;
use recado_platform::clock::Clock;
use recado_store::{Park, Parked, ParkedScope, Route, Store, StoreError, TenantStore};
use recado_whatsapp::envelope::{Envelope, Kind};
use recado_whatsapp::webhook::word;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a route may be believed without asking again. A released number stays quarantined longer.
const ROUTE_KEEP: SignedDuration = SignedDuration::from_mins(5);

/// Lets queue messages through to their tenant.
#[derive(Debug)]
pub struct Gate {
    store: Store,
    queue: &'static str,
    clock: Clock,
    routes: Mutex<HashMap<PhoneNumberId, (Route, Timestamp)>>,
}

/// A queue message whose tenant is proven.
#[derive(Debug)]
pub struct Admitted<'a> {
    /// The delivery, to be parked if it turns out to be unusable.
    pub delivery: &'a Delivery,
    /// What it holds.
    pub envelope: Envelope<'a>,
    /// The number it is about.
    pub number: PhoneNumberId,
    /// The data of the tenant that owns the number.
    pub store: TenantStore,
}

impl Gate {
    /// A gate for the messages of one queue, which is named for putting parked messages back.
    pub fn new(store: Store, queue: &'static str, clock: Clock) -> Self {
        Self { store, queue, clock, routes: Mutex::default() }
    }

    /// Finds the tenant a delivery is for. `None`: it was parked, and is done with.
    pub async fn admit<'a>(&self, delivery: &'a Delivery) -> Result<Option<Admitted<'a>>, StoreError> {
        let envelope = match Envelope::parse(&delivery.body) {
            Ok(envelope) => envelope,
            Err(error) => {
                let reason = recado_platform::telemetry::chain(&error);
                return self.park(delivery, ParkedScope::Nobody, reason, 0).await.map(|_| None);
            }
        };
        let received = envelope.received;
        if envelope.item.kind == Kind::Malformed {
            let reason = "signed by Meta, but not of any known shape".to_owned();
            return self.park(delivery, ParkedScope::Nobody, reason, received).await.map(|_| None);
        }
        let number = envelope.item.phone_number_id.as_deref().map(PhoneNumberId::parse);
        let Some(Ok(number)) = number else {
            let field = word(envelope.item.field.as_deref().unwrap_or_default());
            let reason = match envelope.item.kind {
                Kind::Other => format!("the field `{field}` is kept, but not applied yet"),
                kind => format!("a {kind:?} in the field `{field}` that names no number of ours"),
            };
            return self.park(delivery, ParkedScope::Nobody, reason, received).await.map(|_| None);
        };
        let route = match self.route(&number).await? {
            Some(route) => route,
            None => {
                let reason = "nobody owns the number".to_owned();
                match self.park(delivery, ParkedScope::UnroutedNumber(&number), reason, received).await? {
                    Parked::Kept => return Ok(None),
                    // It was claimed at this very moment.
                    Parked::Routed => match self.route(&number).await? {
                        Some(route) => route,
                        None => return Err(StoreError::Contended { operation: "finding the owner of a number" }),
                    },
                }
            }
        };
        if !route.accepts(&envelope.app, envelope.item.waba_id.as_deref()) {
            tracing::error!(app = %envelope.app, number = ?number, "an app or account that does not own the number");
            let reason = "the app or account that signed does not own the number".to_owned();
            return self.park(delivery, ParkedScope::Nobody, reason, received).await.map(|_| None);
        }
        let store = self.store.of_route(&route);
        Ok(Some(Admitted { delivery, envelope, number, store }))
    }

    /// Keeps a message of a proven tenant that cannot be applied.
    pub async fn park_for(&self, admitted: &Admitted<'_>, reason: String) -> Result<(), StoreError> {
        let scope = ParkedScope::Tenant(admitted.store.tenant());
        self.park(admitted.delivery, scope, reason, admitted.envelope.received).await.map(|_| ())
    }

    async fn park(
        &self,
        delivery: &Delivery,
        scope: ParkedScope<'_>,
        reason: String,
        received: i64,
    ) -> Result<Parked, StoreError> {
        tracing::warn!(queue = self.queue, reason, "parked");
        let park = Park { scope, reason, queue: self.queue, body: &delivery.body, received };
        self.store.park(&park, self.clock.now()).await
    }

    async fn route(&self, number: &PhoneNumberId) -> Result<Option<Route>, StoreError> {
        let now = self.clock.now();
        if let Some((route, at)) = self.known().get(number)
            && now.duration_since(*at) < ROUTE_KEEP
        {
            return Ok(Some(route.clone()));
        }
        let route = self.store.route(number).await?;
        if let Some(route) = &route {
            self.known().insert(number.clone(), (route.clone(), now));
        }
        Ok(route)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<PhoneNumberId, (Route, Timestamp)>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
