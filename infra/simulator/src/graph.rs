//! The Graph API, as far as the hub uses it.

use crate::Meta;
use crate::world::{Fault, Number, Sent, new_wamid};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

/// An error in Meta's form.
struct Refusal {
    status: StatusCode,
    code: i64,
    message: &'static str,
    details: Option<&'static str>,
}

impl Refusal {
    const fn new(status: StatusCode, code: i64, message: &'static str) -> Self {
        Self { status, code, message, details: None }
    }

    const fn bad(code: i64, message: &'static str, details: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message, details: Some(details) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({
            "message": format!("(#{}) {}", self.code, self.message),
            "type": "OAuthException",
            "code": self.code,
            "fbtrace_id": format!("A{:015x}", rand::random::<u64>() >> 4),
        });
        if let Some(details) = self.details {
            error["error_data"] = json!({"messaging_product": "whatsapp", "details": details});
        }
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

const BAD_TOKEN: Refusal = Refusal::new(StatusCode::UNAUTHORIZED, 190, "Invalid OAuth access token.");

fn token(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// The number of this id, if the caller's token is its own.
fn authorised(meta: &Meta, version: &str, id: &str, headers: &HeaderMap) -> Result<Number, Refusal> {
    check_version(version)?;
    let token = token(headers).ok_or(BAD_TOKEN)?;
    let world = meta.world();
    if !world.numbers.values().any(|number| number.token == token) {
        return Err(BAD_TOKEN);
    }
    match world.numbers.get(id) {
        Some(number) if number.token == token => Ok(number.clone()),
        _ => Err(Refusal::bad(
            100,
            "Invalid parameter",
            "Unsupported request: the object does not exist, or the token lacks permission for it",
        )),
    }
}

fn check_version(version: &str) -> Result<(), Refusal> {
    let is_version = version
        .strip_prefix('v')
        .and_then(|digits| digits.split_once('.'))
        .is_some_and(|(major, minor)| major.parse::<u16>().is_ok() && minor.parse::<u16>().is_ok());
    if is_version { Ok(()) } else { Err(Refusal::new(StatusCode::BAD_REQUEST, 2500, "Unknown path components")) }
}

fn view(number: &Number) -> Value {
    json!({
        "id": number.phone_number_id,
        "display_phone_number": number.display_phone_number,
        "verified_name": number.verified_name,
        "quality_rating": "GREEN",
        "code_verification_status": "VERIFIED",
        "platform_type": "CLOUD_API",
        "status": "CONNECTED",
    })
}

/// `GET /{version}/{number}`
pub(crate) async fn number(
    State(meta): State<Meta>,
    Path((version, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Response> {
    authorised(&meta, &version, &id, &headers).map(|number| Json(view(&number))).map_err(IntoResponse::into_response)
}

/// `GET /{version}/{account}/phone_numbers`
pub(crate) async fn numbers(
    State(meta): State<Meta>,
    Path((version, waba)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Response> {
    check_version(&version).map_err(IntoResponse::into_response)?;
    let token = token(&headers).ok_or_else(|| BAD_TOKEN.into_response())?;
    let world = meta.world();
    if !world.numbers.values().any(|number| number.token == token) {
        return Err(BAD_TOKEN.into_response());
    }
    let listed = world.numbers.values().filter(|number| number.waba_id == waba && number.token == token);
    Ok(Json(json!({ "data": listed.map(view).collect::<Vec<_>>() })))
}

/// `POST /{version}/{number}/messages`
pub(crate) async fn messages(
    State(meta): State<Meta>,
    Path((version, id)): Path<(String, String)>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Result<Response, Response> {
    let number = authorised(&meta, &version, &id, &headers).map_err(IntoResponse::into_response)?;
    if request["messaging_product"] != "whatsapp" {
        let details = "messaging_product must be whatsapp";
        return Err(Refusal::bad(100, "Invalid parameter", details).into_response());
    }
    if request["status"] == "read" {
        return Ok(Json(json!({"success": true})).into_response());
    }
    let fault = meta.world().faults.get_mut(&id).and_then(std::collections::VecDeque::pop_front);
    if let Some(Fault::Reject { code, http_status }) = fault {
        let status = StatusCode::from_u16(http_status).unwrap_or(StatusCode::BAD_REQUEST);
        return Err(Refusal::new(status, code, "A fault that was asked for").into_response());
    }
    let answer = accept(&meta, &version, &number, request).map_err(IntoResponse::into_response)?;
    Ok(match fault {
        Some(Fault::DropAfterAccept) => broken_off(&answer),
        Some(Fault::ErrorAfterAccept) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => Json(answer).into_response(),
    })
}

/// Takes a message: remembers it, and lets its statuses follow.
fn accept(meta: &Meta, version: &str, number: &Number, request: Value) -> Result<Value, Refusal> {
    let text = |name: &str| request[name].as_str().filter(|text| !text.is_empty());
    let (input, contact) = match (text("to"), text("recipient")) {
        (Some(to), _) => {
            let digits: String = to.chars().filter(char::is_ascii_digit).collect();
            (to.to_owned(), json!({"input": to, "wa_id": digits}))
        }
        (None, Some(recipient)) => (recipient.to_owned(), json!({"input": recipient, "user_id": recipient})),
        (None, None) => return Err(Refusal::bad(100, "Invalid parameter", "to or recipient is required")),
    };
    match (request["type"].as_str(), request["text"]["body"].as_str()) {
        (Some("text"), Some(body)) if (1..=4096).contains(&body.chars().count()) => {}
        (Some("text"), _) => {
            return Err(Refusal::bad(100, "Invalid parameter", "text.body must have 1 to 4096 characters"));
        }
        _ => return Err(Refusal::bad(131_009, "Parameter value is not valid", "type is not supported here")),
    }
    let wamid = new_wamid(&input, true);
    // A business-scoped id in the phone's place is accepted and silently lost, as at Meta.
    let is_lost = input.contains('.') && text("to").is_some();
    if !is_lost {
        follow_up(meta, number, &wamid, &contact, request["biz_opaque_callback_data"].as_str());
    }
    meta.world().sent.push(Sent {
        phone_number_id: number.phone_number_id.clone(),
        version: version.to_owned(),
        wamid: wamid.clone(),
        at: now().to_string(),
        request,
    });
    Ok(json!({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": wamid}]}))
}

/// Posts the number's statuses, one after the other.
fn follow_up(meta: &Meta, number: &Number, wamid: &str, contact: &Value, callback: Option<&str>) {
    let (meta, number, wamid, contact) = (meta.clone(), number.clone(), wamid.to_owned(), contact.clone());
    let callback = callback.map(str::to_owned);
    let accepted = now().as_second();
    tokio::spawn(async move {
        for status in &number.statuses {
            tokio::time::sleep(meta.0.status_delay).await;
            // The time goes with the status, not with its place in the order of delivery.
            let offset = ["sent", "delivered", "read", "played"].iter().position(|name| name == status).unwrap_or(0);
            let mut body = json!({
                "id": wamid,
                "status": status,
                "timestamp": (accepted + offset as i64).to_string(),
            });
            for (field, id) in [("recipient_id", "wa_id"), ("recipient_user_id", "user_id")] {
                if let Some(id) = contact.get(id) {
                    body[field] = id.clone();
                }
            }
            if let Some(callback) = &callback {
                body["biz_opaque_callback_data"] = json!(callback);
            }
            meta.0.webhooks.post(envelope(&number, json!({ "statuses": [body] })));
        }
    });
}

/// A webhook body of the `messages` field with these parts in its value.
pub(crate) fn envelope(number: &Number, parts: Value) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": number.digits(), "phone_number_id": number.phone_number_id},
    });
    if let (Value::Object(value), Value::Object(parts)) = (&mut value, parts) {
        value.extend(parts);
    }
    json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": number.waba_id, "changes": [{"value": value, "field": "messages"}]}],
    })
}

/// An answer that promises more than it sends, and ends with a broken connection.
fn broken_off(answer: &Value) -> Response {
    let half = answer.to_string().into_bytes();
    let length = half.len();
    let parts = [Ok(half[..length / 2].to_vec()), Err(std::io::Error::other("a fault that was asked for"))];
    Response::builder()
        .header(header::CONTENT_LENGTH, length)
        .body(Body::from_stream(futures_util::stream::iter(parts)))
        .expect("all parts are valid")
}

#[allow(clippy::disallowed_methods, reason = "the simulator is the outside world; its time is the machine's")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
