//! The control API: what happens in this Meta, and what has happened.

use crate::Meta;
use crate::graph::{envelope, now};
use crate::world::{Fault, Number, new_wamid};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

fn refuse(status: StatusCode, message: &str) -> (StatusCode, Json<Value>) {
    (status, Json(json!({ "error": message })))
}

/// `PUT /control/numbers`: the number exists from now on, as described.
pub(crate) async fn put_number(State(meta): State<Meta>, Json(number): Json<Number>) -> Json<Value> {
    let answer = json!({ "phone_number_id": number.phone_number_id });
    meta.world().numbers.insert(number.phone_number_id.clone(), number);
    Json(answer)
}

/// A customer's message.
#[derive(Debug, Deserialize)]
pub(crate) struct Inbound {
    /// To whom.
    phone_number_id: String,
    /// The customer's phone number; may be missing if there is a `user_id`.
    from: Option<String>,
    /// The customer's business-scoped id.
    user_id: Option<String>,
    /// The customer's name.
    name: Option<String>,
    /// What they write.
    text: String,
    /// When, in unix seconds; now, if missing.
    timestamp: Option<i64>,
}

/// `POST /control/inbound`: a customer writes, and the hub is told.
pub(crate) async fn inbound(State(meta): State<Meta>, Json(inbound): Json<Inbound>) -> Answer {
    let number = meta.world().numbers.get(&inbound.phone_number_id).cloned();
    let number = number.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "there is no such phone_number_id"))?;
    let from = inbound.from.map(|from| from.chars().filter(char::is_ascii_digit).collect::<String>());
    let from = from.filter(|digits| !digits.is_empty());
    let Some(customer) = from.as_deref().or(inbound.user_id.as_deref()) else {
        return Err(refuse(StatusCode::BAD_REQUEST, "from or user_id is required"));
    };
    let wamid = new_wamid(customer, false);
    let mut message = json!({
        "id": wamid,
        "timestamp": inbound.timestamp.unwrap_or_else(|| now().as_second()).to_string(),
        "type": "text",
        "text": {"body": inbound.text},
    });
    let mut contact = json!({ "profile": {"name": inbound.name.unwrap_or_default()} });
    if let Some(from) = &from {
        message["from"] = json!(from);
        contact["wa_id"] = json!(from);
    }
    if let Some(user_id) = &inbound.user_id {
        message["from_user_id"] = json!(user_id);
        contact["user_id"] = json!(user_id);
    }
    meta.0.webhooks.post(envelope(&number, json!({"contacts": [contact], "messages": [message]})));
    Ok(Json(json!({ "wamid": wamid })))
}

/// `POST /control/webhook`: any JSON, signed and posted.
pub(crate) async fn webhook(State(meta): State<Meta>, Json(body): Json<Value>) -> Json<Value> {
    meta.0.webhooks.post(body);
    Json(json!({}))
}

/// What is to go wrong, and how often.
#[derive(Debug, Deserialize)]
pub(crate) struct FaultRequest {
    phone_number_id: String,
    #[serde(default = "once")]
    count: usize,
    #[serde(flatten)]
    fault: Fault,
}

fn once() -> usize {
    1
}

/// `POST /control/faults`: the next sends of a number go wrong in this way.
pub(crate) async fn fault(State(meta): State<Meta>, Json(request): Json<FaultRequest>) -> Json<Value> {
    let faults = std::iter::repeat_n(request.fault, request.count.min(1000));
    meta.world().faults.entry(request.phone_number_id).or_default().extend(faults);
    Json(json!({}))
}

/// Whose messages are asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct SentFilter {
    phone_number_id: Option<String>,
}

/// `GET /control/sent`: every message that reached Meta, oldest first.
pub(crate) async fn sent(State(meta): State<Meta>, Query(filter): Query<SentFilter>) -> Json<Value> {
    let world = meta.world();
    let wanted = |id: &str| filter.phone_number_id.as_deref().is_none_or(|wanted| wanted == id);
    let items: Vec<_> = world.sent.iter().filter(|sent| wanted(&sent.phone_number_id)).collect();
    Json(json!({ "items": items }))
}

/// `GET /control/webhooks`: every webhook, oldest first, with the HTTP status of each attempt.
pub(crate) async fn webhooks(State(meta): State<Meta>) -> Json<Value> {
    Json(json!({ "items": meta.0.webhooks.posted() }))
}

/// `POST /control/reset`: forgets what was sent and posted, and what was to go wrong.
pub(crate) async fn reset(State(meta): State<Meta>) -> Json<Value> {
    let mut world = meta.world();
    world.sent.clear();
    world.faults.clear();
    meta.0.webhooks.forget();
    Json(json!({}))
}
