//! From a queue message to the tenant it is for, or to the parking place.
//!
//! The three workers that read what the webhook queued begin alike: read the envelope, find out whose
//! number (or whose account, if it names no number) it is, check that the app and account that signed may
//! speak for it, and keep what fails any of this. That beginning is the [`Gate`]. It also ends alike: every event goes into the
//! webhook log with what became of it ([`Gate::finish`]). [`Replay`] goes the other way, from what is
//! parked or logged back to the queues.
//!
//! **Invariant:** an app's secret proves the app, not the tenant. A tenant's data is opened only when
//! the number's route names the same app and the same WhatsApp Business account as the webhook. What names
//! an account alone is for each tenant that has such a number in it.

mod account;
mod journal;
mod replay;

pub use account::{AdmittedAccount, NamedNumber, Owner};
pub use replay::{Replay, ReplayError};

use aws_lambda_events::event::sqs::SqsBatchResponse;
use jiff::{SignedDuration, Timestamp};
use journal::Journal;
use recado_domain::ids::PhoneNumberId;
use recado_platform::aws::SdkConfig;
use recado_platform::batch::{self, Delivery};
use recado_platform::clock::Clock;
use recado_platform::intake::{IntakeBucket, IntakeError, Shelf};
use recado_platform::metrics::{self, Metric};
use recado_platform::settings::{self, SettingError};
use recado_store::{EventId, LogScope, Park, Parked, ParkedScope, Route, Store, StoreError, TenantStore};
use recado_whatsapp::envelope::{ClaimCheck, Envelope, Kind};
use recado_whatsapp::webhook::word;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a route may be believed without asking again. A released number stays quarantined longer.
const ROUTE_KEEP: SignedDuration = SignedDuration::from_mins(5);

/// The largest queue message that is kept in an item; DynamoDB takes 400 KB with all that is around it.
const MAX_IN_ITEM: usize = 300_000;

/// Where large events are kept, and how long the log keeps every event.
#[derive(Debug, Clone)]
pub struct Archive {
    /// For what an item cannot hold.
    pub bucket: IntakeBucket,
    /// How many days the webhook log goes back.
    pub log_days: u16,
}

impl Archive {
    /// What the deployment has decided.
    pub fn from_settings(config: &SdkConfig) -> Result<Self, SettingError> {
        const DAYS: &str = "WEBHOOK_LOG_DAYS";
        let bucket = IntakeBucket::new(config, settings::required("INTAKE_BUCKET")?);
        let unusable = |_| SettingError::Unusable { name: DAYS, rule: "must be a whole number of days" };
        Ok(Self { bucket, log_days: settings::required(DAYS)?.parse().map_err(unusable)? })
    }

    /// What an item holds of a queue message: the message itself, or one that stands for it.
    async fn fit<'a>(&self, shelf: Shelf, app: &str, received: i64, text: &'a str) -> Result<Cow<'a, str>, StoreError> {
        if text.len() <= MAX_IN_ITEM {
            return Ok(text.into());
        }
        let key = self.bucket.put(shelf, text).await.map_err(unavailable)?;
        Ok(ClaimCheck::new(app.into(), received, key.into()).to_message().into())
    }
}

/// Lets queue messages through to their tenant.
#[derive(Debug)]
pub struct Gate {
    store: Store,
    archive: Archive,
    queue: &'static str,
    latency: Option<Metric>,
    clock: Clock,
    routes: Mutex<HashMap<PhoneNumberId, (Route, Timestamp)>>,
    journal: Journal,
}

/// A queue message that can be read. Whom it is for is not proven yet.
#[derive(Debug)]
pub struct Opened<'a> {
    /// The delivery, to be parked if it turns out to be unusable.
    pub delivery: &'a Delivery,
    /// What it holds.
    pub envelope: Envelope<'a>,
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
    pub fn new(store: Store, archive: Archive, queue: &'static str, clock: Clock) -> Self {
        let (routes, journal) = (Mutex::default(), Journal::default());
        Self { store, archive, queue, latency: None, clock, routes, journal }
    }

    /// A gate that measures how long its messages take.
    pub fn timed(self, latency: Metric) -> Self {
        Self { latency: Some(latency), ..self }
    }

    /// Finds the tenant a delivery is for. `None`: it was parked, and is done with.
    pub async fn admit<'a>(&self, delivery: &'a Delivery) -> Result<Option<Admitted<'a>>, StoreError> {
        match self.open(delivery).await? {
            Some(opened) => self.admit_number(opened).await,
            None => Ok(None),
        }
    }

    /// Opens a delivery. `None`: it was parked, and is done with.
    pub async fn open<'a>(&self, delivery: &'a Delivery) -> Result<Option<Opened<'a>>, StoreError> {
        let nobody = ParkedScope::Nobody;
        let envelope = match self.read(delivery).await? {
            Ok(envelope) => envelope,
            Err(reason) => return self.park(delivery, None, nobody, reason, Metric::Parked).await.map(|_| None),
        };
        self.journal.note(delivery, &envelope, vec![LogScope::Deployment]);
        if envelope.item.kind == Kind::Malformed {
            let reason = "signed by Meta, but not of any known shape".to_owned();
            return self.park(delivery, Some(&envelope), nobody, reason, Metric::Parked).await.map(|_| None);
        }
        Ok(Some(Opened { delivery, envelope }))
    }

    /// Finds the tenant whose number a message names. `None`: it was parked, and is done with.
    pub async fn admit_number<'a>(&self, opened: Opened<'a>) -> Result<Option<Admitted<'a>>, StoreError> {
        let Opened { delivery, envelope } = opened;
        let nobody = ParkedScope::Nobody;
        let number = envelope.item.phone_number_id.as_deref().map(PhoneNumberId::parse);
        let Some(Ok(number)) = number else {
            let field = word(envelope.item.field.as_deref().unwrap_or_default());
            let (reason, metric) = match envelope.item.kind {
                Kind::Other => (format!("the field `{field}` is kept, but not applied yet"), Metric::KeptRaw),
                kind => (format!("a {kind:?} in the field `{field}` that names no number of ours"), Metric::Parked),
            };
            return self.park(delivery, Some(&envelope), nobody, reason, metric).await.map(|_| None);
        };
        let mut route = match self.route(&number).await? {
            Some(route) => route,
            None => {
                let reason = "nobody owns the number".to_owned();
                let (scope, metric) = (ParkedScope::UnroutedNumber(&number), Metric::UnknownPhoneNumber);
                match self.park(delivery, Some(&envelope), scope, reason, metric).await? {
                    Parked::Kept => return Ok(None),
                    // It was claimed at this very moment.
                    Parked::Routed => match self.route(&number).await? {
                        Some(route) => route,
                        None => return Err(StoreError::Contended { operation: "finding the owner of a number" }),
                    },
                }
            }
        };
        let accepts = |route: &Route| route.accepts(&envelope.app, envelope.item.waba_id.as_deref());
        // Perhaps the number has another app or account by now, or another owner.
        if !accepts(&route)
            && let Some(newer) = self.newer_route(&number).await?
        {
            route = newer;
        }
        if !accepts(&route) {
            tracing::error!(app = %envelope.app, number = ?number, "an app or account that does not own the number");
            let reason = "the app or account that signed does not own the number".to_owned();
            return self.park(delivery, Some(&envelope), nobody, reason, Metric::Parked).await.map(|_| None);
        }
        let store = self.store.of_route(&route);
        self.journal.note(delivery, &envelope, vec![LogScope::Tenant(store.tenant())]);
        Ok(Some(Admitted { delivery, envelope, number, store }))
    }

    /// Keeps a message of a proven tenant that cannot be applied.
    pub async fn park_for(&self, admitted: &Admitted<'_>, reason: String) -> Result<(), StoreError> {
        self.keep_for(admitted, reason, Metric::Parked).await
    }

    /// Keeps a message of a proven tenant, and counts it as this.
    pub async fn keep_for(&self, admitted: &Admitted<'_>, reason: String, metric: Metric) -> Result<(), StoreError> {
        let scope = ParkedScope::Tenant(admitted.store.tenant());
        let Admitted { delivery, envelope, .. } = admitted;
        self.park(delivery, Some(envelope), scope, reason, metric).await.map(|_| ())
    }

    /// Logs what became of a batch, now that it is done. What cannot be logged is to be delivered again,
    /// which changes nothing else.
    pub async fn finish(&self, deliveries: &[Delivery], mut response: SqsBatchResponse) -> SqsBatchResponse {
        let failed = |id: &str| response.batch_item_failures.iter().any(|failure| failure.item_identifier == id);
        let (left, done): (Vec<_>, Vec<_>) = deliveries.iter().partition(|delivery| failed(&delivery.id));
        for delivery in left {
            self.journal.take(delivery);
        }
        self.measure(&done);
        let logged = batch::attempt(Box::pin(self.log(&done))).await;
        if logged.is_none() {
            for delivery in done {
                response.add_failure(&delivery.id);
            }
        }
        response
    }

    /// How long what is done took since it was put on the queue. Not since the webhook: what is replayed would
    /// seem to have taken days.
    fn measure(&self, done: &[&Delivery]) {
        let Some(metric) = self.latency else { return };
        let now = self.clock.now();
        for sent in done.iter().filter_map(|delivery| delivery.sent) {
            metrics::measure(metric, Duration::try_from(now.duration_since(sent)).unwrap_or_default());
        }
    }

    async fn log(&self, deliveries: &[&Delivery]) -> Result<(), StoreError> {
        let mut entries = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            if let Some(note) = self.journal.take(delivery) {
                entries.extend(note.entries(self.queue, &self.archive, delivery.text()).await?);
            }
        }
        match self.store.log(&entries).await {
            // What the table refuses for good must not hold up what has been applied.
            Err(error) if !error.is_transient() => {
                tracing::error!(error = recado_platform::telemetry::chain(&error), "events could not be logged");
                Ok(())
            }
            logged => logged,
        }
    }

    /// Reads the envelope, fetching it if the queue message only stands for it. The inner error is a
    /// reason to park it.
    async fn read<'a>(&self, delivery: &'a Delivery) -> Result<Result<Envelope<'a>, String>, StoreError> {
        let reason = |error| recado_platform::telemetry::chain(&error);
        let unreadable = match Envelope::parse(delivery.text()) {
            Ok(envelope) => return Ok(Ok(envelope)),
            Err(error) => error,
        };
        let Ok(check) = ClaimCheck::parse(&delivery.body) else { return Ok(Err(reason(unreadable))) };
        match self.archive.bucket.get(&check.claim).await.map_err(unavailable)? {
            Some(text) => Ok(Envelope::parse(delivery.set_fetched(text)).map_err(reason)),
            None => Ok(Err("what the queue message stands for is not in the bucket".to_owned())),
        }
    }

    async fn park(
        &self,
        delivery: &Delivery,
        envelope: Option<&Envelope<'_>>,
        scope: ParkedScope<'_>,
        reason: String,
        metric: Metric,
    ) -> Result<Parked, StoreError> {
        let (app, received) = envelope.map_or(("", 0), |envelope| (&*envelope.app, envelope.received));
        let text = delivery.text();
        let body = self.archive.fit(Shelf::Parked, app, received, text).await?;
        let event = EventId::of(received, text);
        let park = Park { scope, event, reason, queue: self.queue, body: &body };
        let parked = self.store.park(&park, self.clock.now()).await?;
        if parked == Parked::Kept {
            metrics::count(metric);
            tracing::warn!(queue = self.queue, reason = park.reason, %event, "parked");
            self.journal.parked(delivery);
        }
        Ok(parked)
    }

    async fn route(&self, number: &PhoneNumberId) -> Result<Option<Route>, StoreError> {
        let now = self.clock.now();
        if let Some((route, at)) = self.known().get(number)
            && now.duration_since(*at) < ROUTE_KEEP
        {
            return Ok(Some(route.clone()));
        }
        self.newer_route(number).await
    }

    async fn newer_route(&self, number: &PhoneNumberId) -> Result<Option<Route>, StoreError> {
        let route = self.store.route(number).await?;
        if let Some(route) = &route {
            self.known().insert(number.clone(), (route.clone(), self.clock.now()));
        }
        Ok(route)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<PhoneNumberId, (Route, Timestamp)>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bucket counts as a part of the table here: to a worker it makes no difference which of them has to
/// be asked again.
fn unavailable(error: IntakeError) -> StoreError {
    StoreError::Request { operation: "reaching the intake bucket", transient: true, source: Box::new(error) }
}
