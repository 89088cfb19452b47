//! Numbers, accounts, subscriptions and tokens.

use super::{Asked, Call, page};
use crate::Meta;
use crate::refusal::Refusal;
use crate::world::{Number, World};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

/// What a number shows unless told otherwise.
const NUMBER: [&str; 8] = [
    "display_phone_number",
    "verified_name",
    "quality_rating",
    "code_verification_status",
    "platform_type",
    "throughput",
    "status",
    "name_status",
];

/// What an account shows unless told otherwise.
const ACCOUNT: [&str; 4] = ["name", "currency", "timezone_id", "message_template_namespace"];

/// The id of everybody's business.
const BUSINESS: &str = "232941788745725";

fn number_view(world: &World, number: &Number) -> Value {
    let level = if number.throughput.is_some_and(|most| most >= 1000) { "HIGH" } else { "STANDARD" };
    json!({
        "id": number.phone_number_id,
        "display_phone_number": number.display_phone_number,
        "verified_name": number.verified_name,
        "quality_rating": number.quality_rating,
        "code_verification_status": "VERIFIED",
        "platform_type": "CLOUD_API",
        "throughput": {"level": level},
        "status": "CONNECTED",
        "name_status": "APPROVED",
        "whatsapp_business_manager_messaging_limit": "TIER_2K",
        "health_status": health(world, number.waba_id.as_str(), Some(number)),
    })
}

/// Whether messages can be sent, and what stands in the way.
fn health(world: &World, waba: &str, number: Option<&Number>) -> Value {
    let account = world.accounts.get(waba).cloned().unwrap_or_default();
    let app = number.or_else(|| world.numbers.values().find(|number| number.waba_id == waba));
    let entity = |kind: &str, id: &str| json!({"entity_type": kind, "id": id, "can_send_message": "AVAILABLE"});
    let mut of_account = entity("WABA", waba);
    if account.can_send_message != "AVAILABLE" {
        of_account["can_send_message"] = json!(account.can_send_message);
        of_account["errors"] = json!([{
            "error_code": 141_006,
            "error_description": "There is an error with the payment method.",
            "possible_solution": "There was an error with your payment method. Please add a new payment method to the account.",
        }]);
    }
    let mut entities: Vec<_> =
        number.map(|number| entity("PHONE_NUMBER", &number.phone_number_id)).into_iter().collect();
    entities.push(of_account);
    entities.push(entity("BUSINESS", BUSINESS));
    entities.extend(app.map(|number| entity("APP", &number.app)));
    json!({"can_send_message": account.can_send_message, "entities": entities})
}

/// `GET /{version}/{number}`
pub(crate) fn number(meta: &Meta, call: &Call, id: &str, asked: &Asked) -> Result<Json<Value>, Refusal> {
    let number = call.number(meta, id, "get")?;
    Ok(Json(asked.select(&number_view(&meta.world(), &number), &NUMBER)))
}

/// `GET /{version}/{account}`
pub(crate) fn account(meta: &Meta, call: &Call, id: &str, asked: &Asked) -> Result<Json<Value>, Refusal> {
    call.account(meta, id, "get")?;
    let world = meta.world();
    let account = world.accounts.get(id).cloned().unwrap_or_default();
    let whole = json!({
        "id": id,
        "name": account.name,
        "currency": "USD",
        "timezone_id": "7",
        "message_template_namespace": format!("ba30dd89_2ebd_41e4_b805_{id:0>12}"),
        "account_review_status": "APPROVED",
        "health_status": health(&world, id, None),
    });
    Ok(Json(asked.select(&whole, &ACCOUNT)))
}

/// `GET /{version}/{account}/phone_numbers`
pub(crate) async fn numbers(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, waba)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    call.account(&meta, &waba, "get")?;
    let all: Vec<_> = {
        let world = meta.world();
        let is_listed = |number: &&Number| number.waba_id == waba && Some(&number.token) == call.token.as_ref();
        let listed = world.numbers.values().filter(is_listed);
        listed.map(|number| asked.select(&number_view(&world, number), &NUMBER)).collect()
    };
    page(&call, &asked, &format!("{waba}/phone_numbers"), all)
}

/// `GET /{version}/{account}/subscribed_apps`
pub(crate) async fn subscriptions(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, waba)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    call.account(&meta, &waba, "get")?;
    let world = meta.world();
    let account = world.accounts.get(&waba).cloned().unwrap_or_default();
    let app = world.numbers.values().find(|number| number.waba_id == waba).map_or("", |number| &number.app);
    let mut shown = json!({"whatsapp_business_api_data": {
        "id": app,
        "name": "Recado",
        "link": format!("https://www.facebook.com/games/?app_id={app}"),
    }});
    if let Some(uri) = account.override_callback_uri {
        shown["override_callback_uri"] = json!(uri);
    }
    Ok(Json(json!({ "data": if account.subscribed { vec![shown] } else { Vec::new() } })))
}

/// `POST /{version}/{account}/subscribed_apps`, with or without an own address, which must verify itself.
pub(crate) async fn subscribe(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, waba)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    call.account(&meta, &waba, "post")?;
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let uri = request["override_callback_uri"].as_str().map(str::to_owned);
    if let Some(uri) = &uri {
        let verify_token = request["verify_token"].as_str().ok_or_else(|| Refusal::required("verify_token"))?;
        meta.0.webhooks.verify(uri, verify_token).await.map_err(|status| {
            let message = format!(
                "Callback verification failed with the following errors: HTTP Status Code = {status}; HTTP Message = {}",
                StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("no answer")
            );
            Refusal::new(2200, &message)
        })?;
    }
    let mut world = meta.world();
    let account = world.accounts.entry(waba).or_default();
    account.subscribed = true;
    account.override_callback_uri = uri;
    Ok(Json(json!({"success": true})))
}

/// `DELETE /{version}/{account}/subscribed_apps`: its app hears no more of the account.
pub(crate) async fn unsubscribe(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, waba)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    call.account(&meta, &waba, "delete")?;
    meta.world().accounts.entry(waba).or_default().subscribed = false;
    Ok(Json(json!({"success": true})))
}

/// `GET /debug_token?input_token=…`
pub(crate) async fn debug_token(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    call.any(&meta)?;
    let input = asked.other("input_token").ok_or_else(|| Refusal::required("input_token"))?;
    let world = meta.world();
    let numbers: Vec<_> = world.numbers.values().filter(|number| number.token == input).collect();
    let verdict = world.check_token(Some(input), meta.now());
    let Some(number) = numbers.first() else {
        let error = json!({"code": 190, "message": Refusal::token(None).message});
        return Ok(Json(json!({"data": {"is_valid": false, "scopes": [], "error": error}})));
    };
    let mut accounts: Vec<_> = numbers.iter().map(|number| &number.waba_id).collect();
    accounts.dedup();
    let known = world.tokens.get(input).cloned().unwrap_or_default();
    let mut scopes = vec!["whatsapp_business_messaging", "public_profile"];
    if !known.cannot_manage {
        scopes.insert(0, "whatsapp_business_management");
    }
    let mut data = json!({
        "app_id": number.app,
        "type": "SYSTEM_USER",
        "application": "Recado",
        "data_access_expires_at": 0,
        "expires_at": known.expires_at,
        "is_valid": verdict.is_ok(),
        "issued_at": 1_790_000_000,
        "scopes": scopes,
        // Management has not been listed here since June 2026 (WHATSAPP.md §2.5).
        "granular_scopes": [{"scope": "whatsapp_business_messaging", "target_ids": accounts}],
        "user_id": "122100000000000000",
    });
    if let Err(refusal) = verdict {
        data["error"] = json!({"code": refusal.code, "message": refusal.message, "subcode": refusal.subcode});
    }
    Ok(Json(json!({ "data": data })))
}
