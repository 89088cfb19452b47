//! What Meta sent: the webhook log, what is parked, and putting both back on their queues.
//!
//! For the administrators of a tenant; below `/deployment`, for those of the deployment: what belongs to
//! no tenant, and what waits for whoever claims a number. Applying an event again changes nothing, so
//! replaying needs no more care than asking for it.

use crate::Api;
use crate::auth::{Admin, DeploymentAdmin};
use crate::conversations::List;
use crate::error::ApiError;
use crate::event_views::{EventView, LoggedView, ParkedView};
use crate::extract::{EventPath, Paging, parameter};
use crate::once::{Asked, OnceBody};
use axum::Json;
use axum::extract::{FromRequestParts, MatchedPath, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::{PhoneNumberId, TenantId};
use recado_store::{EventId, LogScope, LoggedEvent, Once, ParkedItem, ParkedScope};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// How many events one request replays before it asks to be continued.
const MOST_REPLAYED: usize = 500;

/// How many events are read at a time while replaying.
const REPLAY_PAGE: usize = 100;

/// Whose events somebody administers.
#[derive(Debug)]
pub(crate) enum Desk {
    Tenant(TenantId),
    /// The deployment's, or what waits for a number.
    Deployment(Option<PhoneNumberId>),
}

/// What [`Desk`] reads; named here because lists refuse what they do not know.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Which {
    #[serde(default, rename = "phoneNumberId")]
    _phone_number_id: IgnoredAny,
}

/// The query parameter that says for which number something waits.
const NUMBER: &str = "phoneNumberId";

impl FromRequestParts<Arc<Api>> for Desk {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
        let for_deployment = path.starts_with("/api/whatsapp/deployment/");
        let invalid = |rule: &str| ApiError::invalid(NUMBER, rule);
        if !for_deployment {
            let Admin(member) = Admin::from_request_parts(parts, api).await?;
            return match parameter(parts, NUMBER)? {
                None => Ok(Self::Tenant(member.store.tenant())),
                Some(_) => Err(invalid("is for deployment administrators only")),
            };
        }
        DeploymentAdmin::from_request_parts(parts, api).await?;
        let number = parameter(parts, NUMBER)?.map(PhoneNumberId::parse).transpose();
        Ok(Self::Deployment(number.map_err(|_| invalid("is not a phone number id"))?))
    }
}

impl Desk {
    const fn log(&self) -> LogScope {
        match self {
            Self::Tenant(tenant) => LogScope::Tenant(*tenant),
            Self::Deployment(_) => LogScope::Deployment,
        }
    }

    fn parked(&self) -> ParkedScope<'_> {
        match self {
            Self::Tenant(tenant) => ParkedScope::Tenant(*tenant),
            Self::Deployment(Some(number)) => ParkedScope::UnroutedNumber(number),
            Self::Deployment(None) => ParkedScope::Nobody,
        }
    }

    /// To whom cursors are sealed. No tenant has the deployment's id: tenants' ids begin with a time.
    const fn owner(&self) -> TenantId {
        match self {
            Self::Tenant(tenant) => *tenant,
            Self::Deployment(_) => TenantId::from_bits(0),
        }
    }

    /// The name of a list, for its cursors.
    fn list(&self, name: &str) -> String {
        match self {
            Self::Deployment(Some(number)) => format!("{name}/{}", number.as_str()),
            Self::Tenant(_) | Self::Deployment(None) => name.to_owned(),
        }
    }

    /// Whose turn replayed events count against at their queue.
    fn group(&self) -> String {
        match self {
            Self::Tenant(tenant) => tenant.to_string(),
            Self::Deployment(_) => "deployment".to_owned(),
        }
    }

    fn open(&self, api: &Api, list: &str, cursor: Option<String>) -> Result<Option<EventId>, ApiError> {
        let open = |cursor: String| {
            let position = api.cursor_key.open(self.owner(), list, &cursor)?;
            EventId::parse(&position).map_err(|_| ApiError::invalid("cursor", "is not a cursor of this list"))
        };
        cursor.map(open).transpose()
    }

    fn seal(&self, api: &Api, list: &str, position: Option<String>) -> Option<String> {
        position.map(|position| api.cursor_key.seal(self.owner(), list, &position))
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct DayQuery {
    /// The day (UTC); today if missing.
    #[param(example = "2026-11-20")]
    day: Option<Date>,
}

/// What to replay: everything received in `[from, to)`, as far as it is kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    #[serde(default)]
    from: Option<Timestamp>,
    #[serde(default)]
    to: Option<Timestamp>,
    /// `nextCursor` of the answer to the same request before.
    #[serde(default)]
    #[schema(example = json!(null))]
    cursor: Option<String>,
}

impl ReplayRequest {
    fn holds(&self, event: &EventId) -> bool {
        let received = event.received();
        self.from.is_none_or(|from| from.as_millisecond() <= received)
            && self.to.is_none_or(|to| received < to.as_millisecond())
    }
}

/// What was put back on the queues. With `nextCursor`, there is more: ask again with it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replayed {
    replayed: usize,
    #[schema(example = json!(null))]
    next_cursor: Option<String>,
}

type Accepted = (StatusCode, Json<Replayed>);

/// Notes what a request came to, if its caller may ask for it again. Replaying twice would do no harm.
async fn accepted(
    api: &Api,
    once: Option<Once>,
    replayed: usize,
    next_cursor: Option<String>,
) -> Result<Accepted, ApiError> {
    let answer = Replayed { replayed, next_cursor };
    if let Some(once) = once {
        api.store.remember(&once, &answer).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// What Meta sent on a day, newest first
#[utoipa::path(
    get, path = "/webhook-logs", params(Paging<DayQuery>),
    responses((status = 200, description = "A page of events", body = List<LoggedView>))
)]
pub(crate) async fn logged(
    State(api): State<Arc<Api>>,
    desk: Desk,
    paging: Paging<DayQuery>,
) -> Result<Json<List<LoggedView>>, ApiError> {
    let day = paging.filter.day.unwrap_or_else(|| date(api.clock.now()));
    let list = format!("webhook-logs/{day}");
    let before = desk.open(&api, &list, paging.cursor)?;
    let limit = usize::try_from(paging.limit).unwrap_or(1);
    let page = api.store.logged(desk.log(), day, limit, before, api.clock.now()).await?;
    let view = |logged: &LoggedEvent| {
        LoggedView::new(EventView::new(logged.event, &logged.queue, logged.body.expose(), false), logged)
    };
    Ok(Json(List { items: page.items.iter().map(view).collect(), next_cursor: desk.seal(&api, &list, page.next) }))
}

/// One event, with what Meta sent
#[utoipa::path(
    get, path = "/webhook-logs/{id}", params(EventPath),
    responses((status = 200, description = "The event", body = LoggedView))
)]
pub(crate) async fn show_logged(
    State(api): State<Arc<Api>>,
    desk: Desk,
    EventPath(id): EventPath,
) -> Result<Json<LoggedView>, ApiError> {
    let logged = one_logged(&api, &desk, &id).await?;
    let event = EventView::whole(&api, id, &logged.queue, logged.body.expose()).await?;
    Ok(Json(LoggedView::new(event, &logged)))
}

/// Has an event applied again
///
/// It changes nothing if it had been applied.
#[utoipa::path(
    post, path = "/webhook-logs/{id}/replay", params(EventPath),
    responses((status = 202, description = "What was put back on the queues", body = Replayed))
)]
pub(crate) async fn replay_logged(
    State(api): State<Arc<Api>>,
    desk: Desk,
    EventPath(id): EventPath,
    asked: Asked,
) -> Result<Accepted, ApiError> {
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => return Ok((StatusCode::ACCEPTED, Json(effect.read()?))),
    };
    let logged = one_logged(&api, &desk, &id).await?;
    api.replay.logged(&desk.group(), &[logged]).await?;
    accepted(&api, once, 1, None).await
}

async fn one_logged(api: &Api, desk: &Desk, id: &EventId) -> Result<LoggedEvent, ApiError> {
    let logged = api.store.logged_one(desk.log(), id, api.clock.now()).await?;
    logged.ok_or_else(|| ApiError::not_found("event"))
}

/// How much of the log one request looks through. Each day takes a few queries, be there events or not.
const LONGEST_REPLAY: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Has all events of a time applied again
///
/// Everything that came in at most 31 days, the last ones if not told which. With `nextCursor`, there is more:
/// ask again with it.
#[utoipa::path(
    post, path = "/webhook-logs/replay", request_body = ReplayRequest,
    responses((status = 202, description = "What was put back on the queues", body = Replayed))
)]
pub(crate) async fn replay_log(
    State(api): State<Arc<Api>>,
    desk: Desk,
    OnceBody { body: request, asked }: OnceBody<ReplayRequest>,
) -> Result<Accepted, ApiError> {
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => return Ok((StatusCode::ACCEPTED, Json(effect.read()?))),
    };
    const LIST: &str = "replay/webhook-logs";
    let now = api.clock.now();
    let to = request.to.unwrap_or(now).min(now);
    let from = request.from.unwrap_or(to.saturating_sub(LONGEST_REPLAY).unwrap_or(Timestamp::MIN));
    if to.duration_since(from) > LONGEST_REPLAY {
        return Err(ApiError::invalid("from", "must be at most 31 days before `to`"));
    }
    // A cursor names the last event that was replayed.
    let mut before = desk.open(&api, LIST, request.cursor.clone())?;
    let last = before.and_then(|event| Timestamp::from_millisecond(event.received()).ok());
    let mut day = date(last.unwrap_or(to));
    let mut replayed = 0;
    while day >= date(from) {
        let page = api.store.logged(desk.log(), day, REPLAY_PAGE, before, now).await?;
        let events: Vec<_> = page.items.into_iter().filter(|logged| request.holds(&logged.event)).collect();
        api.replay.logged(&desk.group(), &events).await?;
        replayed += events.len();
        before = page.next.as_deref().and_then(|next| EventId::parse(next).ok());
        if before.is_none() {
            day = day.yesterday().map_err(|_| ApiError::invalid("from", "is too long ago"))?;
        } else if replayed >= MOST_REPLAYED {
            return accepted(&api, once, replayed, desk.seal(&api, LIST, page.next)).await;
        }
    }
    accepted(&api, once, replayed, None).await
}

/// What could not be applied, oldest first
#[utoipa::path(
    get, path = "/parked", params(Paging),
    responses((status = 200, description = "A page of events", body = List<ParkedView>))
)]
pub(crate) async fn parked(
    State(api): State<Arc<Api>>,
    desk: Desk,
    paging: Paging<Which>,
) -> Result<Json<List<ParkedView>>, ApiError> {
    let list = desk.list("parked");
    let after = desk.open(&api, &list, paging.cursor)?;
    let page = api.store.parked_page(&desk.parked(), paging.limit, after).await?;
    let view =
        |item: &ParkedItem| ParkedView::new(EventView::new(item.event, &item.queue, item.body.expose(), false), item);
    Ok(Json(List { items: page.items.iter().map(view).collect(), next_cursor: desk.seal(&api, &list, page.next) }))
}

/// One parked event, with what Meta sent
#[utoipa::path(
    get, path = "/parked/{id}", params(EventPath),
    responses((status = 200, description = "The event", body = ParkedView))
)]
pub(crate) async fn show_parked(
    State(api): State<Arc<Api>>,
    desk: Desk,
    EventPath(id): EventPath,
) -> Result<Json<ParkedView>, ApiError> {
    let item = one_parked(&api, &desk, &id).await?;
    let event = EventView::whole(&api, id, &item.queue, item.body.expose()).await?;
    Ok(Json(ParkedView::new(event, &item)))
}

/// Has a parked event applied, even if it was replayed before
#[utoipa::path(
    post, path = "/parked/{id}/replay", params(EventPath),
    responses((status = 202, description = "What was put back on the queues", body = Replayed))
)]
pub(crate) async fn replay_parked(
    State(api): State<Arc<Api>>,
    desk: Desk,
    EventPath(id): EventPath,
    asked: Asked,
) -> Result<Accepted, ApiError> {
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => return Ok((StatusCode::ACCEPTED, Json(effect.read()?))),
    };
    let item = one_parked(&api, &desk, &id).await?;
    api.replay.parked(&desk.group(), &desk.parked(), &[item], api.clock.now()).await?;
    accepted(&api, once, 1, None).await
}

async fn one_parked(api: &Api, desk: &Desk, id: &EventId) -> Result<ParkedItem, ApiError> {
    api.store.parked_one(&desk.parked(), id).await?.ok_or_else(|| ApiError::not_found("event"))
}

/// Has everything applied that came in a time and still waits
///
/// With `nextCursor`, there is more: ask again with it.
#[utoipa::path(
    post, path = "/parked/replay", request_body = ReplayRequest,
    responses((status = 202, description = "What was put back on the queues", body = Replayed))
)]
pub(crate) async fn replay_all_parked(
    State(api): State<Arc<Api>>,
    desk: Desk,
    OnceBody { body: request, asked }: OnceBody<ReplayRequest>,
) -> Result<Accepted, ApiError> {
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => return Ok((StatusCode::ACCEPTED, Json(effect.read()?))),
    };
    let list = desk.list("replay/parked");
    let mut after = desk.open(&api, &list, request.cursor.clone())?;
    let page_size = i32::try_from(REPLAY_PAGE).unwrap_or(i32::MAX);
    let mut replayed = 0;
    loop {
        let page = api.store.parked_page(&desk.parked(), page_size, after).await?;
        let waits = |item: &ParkedItem| item.replayed_at.is_none() && request.holds(&item.event);
        let items: Vec<_> = page.items.into_iter().filter(waits).collect();
        api.replay.parked(&desk.group(), &desk.parked(), &items, api.clock.now()).await?;
        replayed += items.len();
        after = page.next.as_deref().and_then(|next| EventId::parse(next).ok());
        if after.is_none() || replayed >= MOST_REPLAYED {
            return accepted(&api, once, replayed, desk.seal(&api, &list, page.next)).await;
        }
    }
}

fn date(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}
