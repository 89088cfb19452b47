//! `POST /{version}/{number}/messages` and `/marketing_messages`.

use super::Call;
use crate::Meta;
use crate::fault::Fault;
use crate::graph::templates::Template;
use crate::judge;
use crate::refusal::Refusal;
use crate::webhooks::compose;
use crate::world::{By, Condition, Number, Receipt, Sent, World, digits, new_wamid};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// Somebody's phone.
    Phone { wa_id: String },
    /// Somebody known by a business-scoped id.
    Bsuid { user_id: String },
    /// A business-scoped id in the phone's place: accepted and silently lost, as at Meta (WHATSAPP.md §2.6).
    Lost,
}

impl Recipient {
    /// The customer's id in this simulator's books.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Phone { wa_id } => Some(wa_id),
            Self::Bsuid { user_id } => Some(user_id),
            Self::Lost => None,
        }
    }

    fn contact(&self, input: &str) -> Value {
        match self {
            Self::Phone { wa_id } => json!({"input": input, "wa_id": wa_id}),
            Self::Bsuid { user_id } => json!({"input": input, "user_id": user_id}),
            Self::Lost => json!({"input": input, "wa_id": digits(input)}),
        }
    }
}

/// A message that passed every judge.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) input: String,
    pub(crate) recipient: Recipient,
    /// What it is billed as, in lower case.
    pub(crate) category: String,
    /// Only a template's answer says this.
    pub(crate) message_status: Option<String>,
    /// Why it will not arrive after all.
    pub(crate) fails: Option<i64>,
}

pub(crate) async fn messages(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, id)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    receive(&meta, &call, &id, "messages", &body).await
}

pub(crate) async fn marketing_messages(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, id)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    receive(&meta, &call, &id, "marketing_messages", &body).await
}

async fn receive(meta: &Meta, call: &Call, id: &str, edge: &'static str, body: &Bytes) -> Response {
    let number = match call.number(meta, id, "post") {
        Ok(number) => number,
        Err(refusal) => return refusal.into_response(),
    };
    // What is no JSON has no parameters.
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    if request["messaging_product"] != "whatsapp" {
        return Refusal::required("messaging_product").into_response();
    }
    if request.get("status").is_some() {
        return mark_read(meta, &number, &request)
            .map_or_else(IntoResponse::into_response, IntoResponse::into_response);
    }
    let fault = meta.world().faults.take(id, "messages");
    Fault::around(fault, async {
        let answer = accept(meta, call, &number, edge, request);
        answer.map_or_else(IntoResponse::into_response, |answer| Json(answer).into_response())
    })
    .await
}

/// A read receipt, with or without the typing indicator.
fn mark_read(meta: &Meta, number: &Number, request: &Value) -> Result<Json<Value>, Refusal> {
    if request["status"] != "read" {
        return Err(Refusal::parameter("status", "must be one of {READ}"));
    }
    let message_id = request["message_id"].as_str().filter(|id| !id.is_empty());
    let message_id = message_id.ok_or_else(|| Refusal::required("message_id"))?;
    if !message_id.starts_with("wamid.") {
        return Err(Refusal::not_valid("Invalid message_id"));
    }
    let typing = request.get("typing_indicator");
    if typing.is_some_and(|typing| typing["type"] != "text") {
        return Err(Refusal::parameter("typing_indicator['type']", "must be one of {TEXT}"));
    }
    meta.world().receipts.push(Receipt {
        phone_number_id: number.phone_number_id.clone(),
        message_id: message_id.to_owned(),
        typing: typing.is_some(),
        at: meta.now().to_string(),
    });
    Ok(Json(json!({"success": true})))
}

/// Takes a message: judges it, remembers it, and lets its statuses follow.
fn accept(meta: &Meta, call: &Call, number: &Number, edge: &'static str, request: Value) -> Result<Value, Refusal> {
    judge::fields::message(&request, edge)?;
    let now = meta.now();
    let mut world = meta.world();
    let accepted = weigh(&mut world, number, &request, now)?;
    let wamid = new_wamid(accepted.recipient.key().unwrap_or(&accepted.input), true);
    let contact = accepted.recipient.contact(&accepted.input);
    let sent = Sent {
        phone_number_id: number.phone_number_id.clone(),
        version: call.version.clone(),
        answered_as: call.answered_as.clone(),
        edge,
        wamid: wamid.clone(),
        wa_id: contact["wa_id"].as_str().map(str::to_owned),
        user_id: contact["user_id"].as_str().map(str::to_owned),
        category: accepted.category.clone(),
        at: now.to_string(),
        request,
    };
    world.sent.push(sent.clone());
    drop(world);
    let is_held = accepted.message_status.as_deref().is_some_and(|status| status != "accepted");
    if accepted.recipient != Recipient::Lost && !is_held {
        follow_up(meta, number, sent, accepted.fails);
    }
    let mut message = json!({ "id": wamid });
    if let Some(status) = accepted.message_status {
        message["message_status"] = json!(status);
    }
    Ok(json!({"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]}))
}

/// Weighs a well-formed message against everything that is known of number, recipient and template.
fn weigh(world: &mut World, number: &Number, request: &Value, now: jiff::Timestamp) -> Result<Accepted, Refusal> {
    let text = |name: &str| request[name].as_str().filter(|text| !text.is_empty());
    let (input, recipient) = match (text("to"), text("recipient")) {
        (Some(to), _) if to.contains('.') => (to, Recipient::Lost),
        (Some(to), _) => (to, Recipient::Phone { wa_id: world.wa_id(&number.phone_number_id, &digits(to)) }),
        (None, Some(recipient)) => (recipient, Recipient::Bsuid { user_id: recipient.to_owned() }),
        (None, None) => return Err(Refusal::required("to")),
    };
    let is_address = match &recipient {
        Recipient::Phone { wa_id } => !wa_id.is_empty(),
        Recipient::Bsuid { user_id } => user_id.contains('.'),
        Recipient::Lost => true,
    };
    if !is_address {
        return Err(Refusal::not_valid("to must be a phone number, recipient a business-scoped user id"));
    }
    let kind = judge::fields::kind(request);
    if world.accounts.get(&number.waba_id).is_some_and(|account| account.can_send_message == "BLOCKED") {
        return Err(Refusal::new(131_042, "Business eligibility payment issue").with_details(
            "Message failed to send because there were one or more errors related to your payment method.",
        ));
    }
    judge::limits::throughput(world, number, now)?;
    if let Recipient::Phone { wa_id } = &recipient {
        if *wa_id == number.digits() {
            return Err(Refusal::new(131_021, "Recipient cannot be sender"));
        }
        judge::limits::allow_list(number, &digits(input))?;
    }
    judge::limits::pair(world, number, &recipient, now)?;
    judge::media::of_message(world, number, request, now)?;
    let template = match kind {
        "template" => Some(judge::template::find(world, number, &request["template"])?.clone()),
        _ => None,
    };
    let category = template.as_ref().map_or_else(|| "service".to_owned(), |template| template.category.to_lowercase());
    if let Some(template) = &template {
        judge::template::parameters(template, &request["template"])?;
        if category == "authentication" && matches!(recipient, Recipient::Bsuid { .. }) {
            let message = "Business-scoped User ID (BSUID) recipients are not supported for this message";
            return Err(Refusal::new(131_062, message));
        }
    } else {
        judge::limits::window(world, number, &recipient, now)?;
    }
    let condition = condition(world, number, &recipient, &category);
    let fails = match condition {
        Some(Condition { code, by: By::Answer }) => {
            let told = crate::refusal::in_status(code, None);
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            return Err(Refusal::new(code, &word(&told["title"])).with_details(word(&told["error_data"]["details"])));
        }
        Some(Condition { code, by: By::Status }) => Some(code),
        None => judge::media::is_out_of_reach(request).then_some(131_053),
    };
    Ok(Accepted {
        input: input.to_owned(),
        recipient,
        category,
        message_status: template.map(|template: Template| template.message_status),
        fails,
    })
}

/// What stands between a number and a recipient, if it concerns this message.
fn condition(world: &World, number: &Number, recipient: &Recipient, category: &str) -> Option<Condition> {
    let key = (number.phone_number_id.clone(), recipient.key()?.to_owned());
    let condition = world.recipients.get(&key).copied()?;
    (!condition.is_of_marketing() || category == "marketing").then_some(condition)
}

/// Posts the number's statuses, one after the other; or the one that says why it failed.
fn follow_up(meta: &Meta, number: &Number, sent: Sent, fails: Option<i64>) {
    let (meta, number) = (meta.clone(), number.clone());
    let accepted = meta.now().as_second();
    tokio::spawn(async move {
        if let Some(code) = fails {
            tokio::time::sleep(meta.0.status_delay).await;
            let mut status = compose::status(&sent, "failed", accepted);
            status["errors"] = json!([crate::refusal::in_status(code, None)]);
            return meta.post(vec![compose::statuses(&number, vec![status])]);
        }
        for status in &number.statuses {
            tokio::time::sleep(meta.0.status_delay).await;
            // The time goes with the status, not with its place in the order of delivery.
            let offset = ["sent", "delivered", "read", "played"].iter().position(|name| name == status).unwrap_or(0);
            let status = compose::status(&sent, status, accepted + offset as i64);
            meta.post(vec![compose::statuses(&number, vec![status])]);
        }
    });
}
