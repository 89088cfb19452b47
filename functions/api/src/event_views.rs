//! Webhook events, as administrators see them.

use crate::Api;
use crate::error::ApiError;
use jiff::Timestamp;
use recado_store::{EventId, EventOutcome, LoggedEvent, ParkedItem};
use recado_whatsapp::envelope::{ClaimCheck, Envelope, Kind};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// What is known of an event without reading what it says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"payload": {"id": "wamid.HBgN…", "type": "text"}, "contact": {"wa_id": "5491155551234"}}))]
pub(crate) struct EventView {
    id: EventId,
    #[schema(example = "messages")]
    queue: String,
    received_at: Option<Timestamp>,
    #[schema(example = "default")]
    app: Option<String>,
    #[schema(value_type = Option<String>, example = "message")]
    kind: Option<Kind>,
    #[schema(example = "messages")]
    field: Option<String>,
    /// Its place among the items of its webhook, from 0.
    position: Option<u32>,
    #[schema(example = "109876543210987")]
    phone_number_id: Option<String>,
    #[schema(example = "102938475610293")]
    waba_id: Option<String>,
    /// What Meta sent; only where a single event is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    payload: Option<Box<RawValue>>,
    /// The contact that Meta sent along.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    contact: Option<Box<RawValue>>,
}

impl EventView {
    pub(crate) fn new(id: EventId, queue: &str, body: &str, whole: bool) -> Self {
        let envelope = Envelope::parse(body).ok();
        let check = ClaimCheck::parse(body).ok();
        let app = envelope.as_ref().map(|envelope| &envelope.app).or(check.as_ref().map(|check| &check.app));
        let item = envelope.as_ref().map(|envelope| &envelope.item);
        let text = |text: Option<&std::borrow::Cow<'_, str>>| text.map(ToString::to_string);
        Self {
            id,
            queue: queue.to_owned(),
            received_at: Timestamp::from_millisecond(id.received()).ok().filter(|_| id.received() > 0),
            app: app.map(ToString::to_string),
            kind: item.map(|item| item.kind),
            field: text(item.and_then(|item| item.field.as_ref())),
            position: item.map(|item| item.position),
            phone_number_id: text(item.and_then(|item| item.phone_number_id.as_ref())),
            waba_id: text(item.and_then(|item| item.waba_id.as_ref())),
            payload: item.filter(|_| whole).map(|item| item.raw.to_owned()),
            contact: item.filter(|_| whole).and_then(|item| item.contact).map(RawValue::to_owned),
        }
    }

    /// The event with what Meta sent, even if that lies in the bucket.
    pub(crate) async fn whole(api: &Api, id: EventId, queue: &str, body: &str) -> Result<Self, ApiError> {
        let Ok(check) = ClaimCheck::parse(body) else { return Ok(Self::new(id, queue, body, true)) };
        let fetched = api.intake.get(&check.claim).await?;
        Ok(Self::new(id, queue, fetched.as_deref().unwrap_or(body), true))
    }
}

/// A logged event, as administrators see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggedView {
    #[serde(flatten)]
    event: EventView,
    outcome: EventOutcome,
    expires_at: Option<Timestamp>,
}

impl LoggedView {
    pub(crate) fn new(event: EventView, logged: &LoggedEvent) -> Self {
        let expires_at = Timestamp::from_second(logged.expires_at).ok();
        Self { event, outcome: logged.outcome, expires_at }
    }
}

/// A parked event, as administrators see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParkedView {
    #[serde(flatten)]
    event: EventView,
    #[schema(example = "timestamp: missing")]
    reason: String,
    parked_at: Timestamp,
    replayed_at: Option<Timestamp>,
}

impl ParkedView {
    pub(crate) fn new(event: EventView, item: &ParkedItem) -> Self {
        let ParkedItem { reason, parked_at, replayed_at, .. } = item;
        Self { event, reason: reason.clone(), parked_at: *parked_at, replayed_at: *replayed_at }
    }
}
