//! The control API: what exists in this Meta, what is to go wrong in it, and what has happened.

pub(crate) mod happen;
mod requests;

use crate::Meta;
use crate::fault::Fault;
use crate::graph::templates::{self, Template};
use crate::webhooks::compose;
use crate::world::{Account, App, Condition, DEFAULT_APP, Number, Token};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// What the control API answers; a refusal says in words what is wrong.
pub(crate) type Answer = Result<Json<Value>, Refused>;

type Refused = (StatusCode, Json<Value>);

fn refuse(status: StatusCode, message: &str) -> Refused {
    (status, Json(json!({ "error": message })))
}

/// `PUT /control/numbers`: the number exists from now on, as described.
pub(crate) async fn put_number(State(meta): State<Meta>, Json(number): Json<Number>) -> Json<Value> {
    let answer = json!({ "phone_number_id": number.phone_number_id });
    let mut world = meta.world();
    world.accounts.entry(number.waba_id.clone()).or_default();
    world.buckets.retain(|(id, _), _| *id != number.phone_number_id);
    world.numbers.insert(number.phone_number_id.clone(), number);
    Json(answer)
}

/// An account.
#[derive(Debug, Deserialize)]
pub(crate) struct AccountRequest {
    waba_id: String,
    #[serde(flatten)]
    account: Account,
}

/// `PUT /control/accounts`: the account is from now on as described.
pub(crate) async fn put_account(State(meta): State<Meta>, Json(request): Json<AccountRequest>) -> Json<Value> {
    meta.world().accounts.insert(request.waba_id, request.account);
    Json(json!({}))
}

/// An app.
#[derive(Debug, Deserialize)]
pub(crate) struct AppRequest {
    app_id: String,
    secret: String,
    /// Where its webhooks go; to the default app's address, if missing.
    webhook_url: Option<String>,
}

/// `PUT /control/apps`: the app exists from now on; numbers can belong to it.
pub(crate) async fn put_app(State(meta): State<Meta>, Json(request): Json<AppRequest>) -> Json<Value> {
    let mut world = meta.world();
    let usual = world.apps.get(DEFAULT_APP).map(|app| app.url.clone()).unwrap_or_default();
    let app = App { url: request.webhook_url.unwrap_or(usual), secret: request.secret.into() };
    world.apps.insert(request.app_id, app);
    Json(json!({}))
}

/// A token.
#[derive(Debug, Deserialize)]
pub(crate) struct TokenRequest {
    token: String,
    #[serde(flatten)]
    known: Token,
}

/// `PUT /control/tokens`: a token is no longer good, expires, or lacks a permission.
pub(crate) async fn put_token(State(meta): State<Meta>, Json(request): Json<TokenRequest>) -> Json<Value> {
    meta.world().tokens.insert(request.token, request.known);
    Json(json!({}))
}

/// Somebody whom messages do not reach.
#[derive(Debug, Deserialize)]
pub(crate) struct RecipientRequest {
    phone_number_id: String,
    /// Their phone number as WhatsApp knows it, or their business-scoped id.
    recipient: String,
    /// `None`: messages reach them again.
    #[serde(flatten)]
    condition: Option<Condition>,
}

/// `PUT /control/recipients`: messages do not reach somebody any more, or do again.
pub(crate) async fn put_recipient(State(meta): State<Meta>, Json(request): Json<RecipientRequest>) -> Json<Value> {
    let key = (request.phone_number_id, request.recipient);
    match request.condition {
        Some(condition) => meta.world().recipients.insert(key, condition),
        None => meta.world().recipients.remove(&key),
    };
    Json(json!({}))
}

/// `PUT /control/templates`: the template exists from now on, approved unless it says otherwise.
pub(crate) async fn put_template(State(meta): State<Meta>, Json(mut template): Json<Template>) -> Json<Value> {
    let mut world = meta.world();
    let same = |known: &&Template| {
        known.waba_id == template.waba_id && known.name == template.name && known.language == template.language
    };
    if template.id.is_empty() {
        let known = world.templates.values().find(same).map(|known| known.id.clone());
        template.id = known.unwrap_or_else(|| world.issue());
    }
    template.components = template.components.into_iter().map(templates::in_capitals).collect();
    world.accounts.entry(template.waba_id.clone()).or_default();
    let answer = json!({ "id": template.id });
    world.templates.insert(template.id.clone(), template);
    Json(answer)
}

/// What happens to a template.
#[derive(Debug, Deserialize)]
pub(crate) struct TemplateEvent {
    id: String,
    /// APPROVED, REJECTED, PAUSED, DISABLED or another of WHATSAPP.md §2.4.
    event: Option<String>,
    reason: Option<String>,
    /// GREEN, YELLOW or RED.
    quality: Option<String>,
    category: Option<String>,
}

/// `POST /control/templates`: something happens to a template, and the app is told.
pub(crate) async fn template(State(meta): State<Meta>, Json(request): Json<TemplateEvent>) -> Answer {
    let missing = || refuse(StatusCode::NOT_FOUND, "there is no such template");
    if let Some(event) = &request.event
        && !templates::change_status(&meta, &request.id, event, request.reason.as_deref())
    {
        return Err(missing());
    }
    let mut changes = Vec::new();
    {
        let mut world = meta.world();
        // A deleted template has no more qualities.
        let Some(template) = world.templates.get_mut(&request.id) else {
            return if request.event.is_some() { Ok(Json(json!({}))) } else { Err(missing()) };
        };
        let named = json!({
            "message_template_id": template.id.parse::<u64>().unwrap_or_default(),
            "message_template_name": template.name,
            "message_template_language": template.language,
        });
        let mut change = |field: &str, before: (&str, &mut String), after: (&str, String)| {
            let mut value = named.clone();
            value[before.0] = json!(before.1);
            value[after.0] = json!(after.1);
            *before.1 = after.1;
            changes.push((template.waba_id.clone(), field.to_owned(), value));
        };
        if let Some(quality) = request.quality {
            let before = ("previous_quality_score", &mut template.quality);
            change("message_template_quality_update", before, ("new_quality_score", quality));
        }
        if let Some(category) = request.category {
            let before = ("previous_category", &mut template.category);
            change("template_category_update", before, ("new_category", category));
        }
    }
    for (waba, field, value) in changes {
        meta.post(vec![compose::event(&meta, &waba, &field, value)]);
    }
    Ok(Json(json!({})))
}

/// What is to go wrong, and how often.
#[derive(Debug, Deserialize)]
pub(crate) struct FaultRequest {
    /// The number whose calls go wrong; or any other id that calls name: an account, a file.
    #[serde(alias = "id")]
    phone_number_id: String,
    /// Which calls: `messages`, `media`, `attachments`, `message_templates`, `phone_numbers`, `node`, …
    /// Sends, if missing; downloads for the faults of files.
    on: Option<String>,
    #[serde(default = "once")]
    count: usize,
    #[serde(flatten)]
    fault: Fault,
}

fn once() -> usize {
    1
}

/// `POST /control/faults`: the next calls go wrong in this way.
pub(crate) async fn fault(State(meta): State<Meta>, Json(request): Json<FaultRequest>) -> Json<Value> {
    let on = request.on.unwrap_or_else(|| request.fault.usual_edge().to_owned());
    meta.world().faults.add(request.phone_number_id, on, request.fault, request.count.min(1000));
    Json(json!({}))
}

/// `GET /control/faults`: what is still to go wrong.
pub(crate) async fn faults(State(meta): State<Meta>) -> Json<Value> {
    Json(json!({ "items": meta.world().faults.waiting() }))
}

/// Whose things are asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Filter {
    phone_number_id: Option<String>,
    id: Option<String>,
}

impl Filter {
    fn wants(&self, id: &str) -> bool {
        self.phone_number_id.as_deref().or(self.id.as_deref()).is_none_or(|wanted| wanted == id)
    }
}

/// `GET /control/sent`: every message that reached Meta, oldest first.
pub(crate) async fn sent(State(meta): State<Meta>, Query(filter): Query<Filter>) -> Json<Value> {
    let world = meta.world();
    let items: Vec<_> = world.sent.iter().filter(|sent| filter.wants(&sent.phone_number_id)).collect();
    Json(json!({ "items": items }))
}

/// `GET /control/receipts`: every read receipt, oldest first.
pub(crate) async fn receipts(State(meta): State<Meta>, Query(filter): Query<Filter>) -> Json<Value> {
    let world = meta.world();
    let items: Vec<_> = world.receipts.iter().filter(|receipt| filter.wants(&receipt.phone_number_id)).collect();
    Json(json!({ "items": items }))
}

/// `GET /control/calls`: how often each edge of the Graph API was called, of all objects or of one.
pub(crate) async fn calls(State(meta): State<Meta>, Query(filter): Query<Filter>) -> Json<Value> {
    let world = meta.world();
    let mut total = 0;
    let mut by_edge = serde_json::Map::new();
    for ((method, edge, _), count) in world.calls.iter().filter(|((_, _, id), _)| filter.wants(id)) {
        total += count;
        let known = by_edge.entry(format!("{method} {edge}")).or_insert(json!(0));
        *known = json!(known.as_u64().unwrap_or_default() + count);
    }
    Json(json!({"total": total, "by_edge": by_edge}))
}

/// `GET /control/webhooks`: every webhook, oldest first, with the HTTP status of each attempt.
pub(crate) async fn webhooks(State(meta): State<Meta>) -> Json<Value> {
    Json(json!({ "items": meta.0.webhooks.posted() }))
}

/// `POST /control/hurry`: the webhooks that wait to be sent again are sent now.
pub(crate) async fn hurry(State(meta): State<Meta>) -> Json<Value> {
    meta.0.webhooks.hurry();
    Json(json!({}))
}

/// What time it is to be.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ClockRequest {
    #[serde(default)]
    advance_seconds: i64,
    /// Stops the clock, or lets it go on.
    stopped: Option<bool>,
}

/// `POST /control/clock`: the clock is moved, stopped, or let go on.
pub(crate) async fn set_clock(State(meta): State<Meta>, Json(request): Json<ClockRequest>) -> Answer {
    if let Some(stopped) = request.stopped {
        meta.0.clock.set_stopped(stopped);
    }
    if !meta.0.clock.advance(request.advance_seconds) {
        return Err(refuse(StatusCode::BAD_REQUEST, "advance_seconds goes beyond the calendar"));
    }
    Ok(clock(State(meta)).await)
}

/// `GET /control/clock`: what time it is here.
pub(crate) async fn clock(State(meta): State<Meta>) -> Json<Value> {
    let now = meta.now();
    Json(json!({"now": now.to_string(), "unix": now.as_second(), "stopped": meta.0.clock.is_stopped()}))
}

/// `POST /control/reset`: forgets what was sent, posted and counted, and what was to go wrong.
pub(crate) async fn reset(State(meta): State<Meta>) -> Json<Value> {
    let mut world = meta.world();
    world.sent.clear();
    world.receipts.clear();
    world.calls.clear();
    world.buckets.clear();
    world.faults.clear();
    meta.0.webhooks.forget();
    Json(json!({}))
}
