//! Things that happen, and of which the hub is told.

use super::requests::{Batch, Echo, Event, File, History, Inbound, Item, Raw, Status};
use super::{Answer, Refused, refuse};
use crate::Meta;
use crate::graph::media::Media;
use crate::refusal;
use crate::webhooks::compose::{self, Change, Customer};
use crate::world::{By, Condition, DEFAULT_APP, Number, digits, new_wamid};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The most times that the hub is told the same on request.
const TIMES: usize = 1000;

/// The most bytes of a file that a customer sends.
const LARGEST: usize = 128 << 20;

/// What happened, and what the caller is told of it.
type Happened = Result<(Change, Value), Refused>;

/// `POST /control/inbound`: a customer writes.
pub(crate) async fn inbound(State(meta): State<Meta>, Json(request): Json<Inbound>) -> Answer {
    let times = request.times;
    tell(&meta, customer_writes(&meta, request)?, times)
}

/// `POST /control/status`: something became of a message.
pub(crate) async fn status(State(meta): State<Meta>, Json(request): Json<Status>) -> Answer {
    let times = request.times;
    tell(&meta, message_becomes(&meta, request)?, times)
}

/// `POST /control/echo`: the business wrote from its own phone.
pub(crate) async fn echo(State(meta): State<Meta>, Json(request): Json<Echo>) -> Answer {
    let times = request.times;
    tell(&meta, business_writes(&meta, request)?, times)
}

/// `POST /control/history`: part of what was written before.
pub(crate) async fn history(State(meta): State<Meta>, Json(request): Json<History>) -> Answer {
    tell(&meta, was_written(&meta, request)?, 1)
}

/// `POST /control/event`: anything else, in any field.
pub(crate) async fn event(State(meta): State<Meta>, Json(request): Json<Event>) -> Answer {
    let times = request.times;
    tell(&meta, occurs(&meta, request)?, times)
}

/// `POST /control/batch`: many things, in as few POSTs as asked for.
pub(crate) async fn batch(State(meta): State<Meta>, Json(request): Json<Batch>) -> Answer {
    let mut changes = Vec::new();
    let mut answers = Vec::new();
    for item in request.items {
        let (change, answer) = match item {
            Item::Inbound(request) => customer_writes(&meta, request),
            Item::Status(request) => message_becomes(&meta, request),
            Item::Echo(request) => business_writes(&meta, request),
            Item::History(request) => was_written(&meta, request),
            Item::Event(request) => occurs(&meta, request),
        }?;
        changes.push(change);
        answers.push(answer);
    }
    let posts = request.order.arrange(changes);
    let count = posts.len();
    for changes in posts {
        meta.post(changes);
    }
    Ok(Json(json!({"posts": count, "items": answers})))
}

/// `POST /control/webhook`: any JSON, signed and posted.
pub(crate) async fn webhook(State(meta): State<Meta>, Query(raw): Query<Raw>, Json(body): Json<Value>) -> Answer {
    let app = meta.world().apps.get(raw.app.as_deref().unwrap_or(DEFAULT_APP)).cloned();
    let app = app.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "there is no such app"))?;
    for _ in 0..raw.times.min(TIMES) {
        meta.0.webhooks.post(&app, body.clone());
    }
    Ok(Json(json!({})))
}

fn tell(meta: &Meta, (change, answer): (Change, Value), times: usize) -> Answer {
    for _ in 0..times.min(TIMES) {
        meta.post(vec![change.clone()]);
    }
    Ok(Json(answer))
}

fn number(meta: &Meta, id: &str) -> Result<Number, Refused> {
    let number = meta.world().numbers.get(id).cloned();
    number.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "there is no such phone_number_id"))
}

fn customer_writes(meta: &Meta, request: Inbound) -> Happened {
    let number = number(meta, &request.phone_number_id)?;
    let from = request.from.map(|from| digits(&from)).filter(|digits| !digits.is_empty());
    let customer = Customer {
        wa_id: from,
        user_id: request.user_id,
        parent_user_id: request.parent_user_id,
        username: request.username,
        name: request.name.unwrap_or_default(),
    };
    let Some(key) = customer.wa_id.as_deref().or(customer.user_id.as_deref()) else {
        return Err(refuse(StatusCode::BAD_REQUEST, "from or user_id is required"));
    };
    let time = request.timestamp.unwrap_or_else(|| meta.0.clock.seconds());
    let mut message = request.message.unwrap_or_default();
    let mut answer = json!({});
    if let Some(text) = request.text {
        message.entry("text").or_insert(json!({ "body": text }));
    }
    if let Some(file) = request.media {
        let kind = file.kind.clone();
        let content = receive(meta, &number, file)?;
        answer["media_id"] = content["id"].clone();
        message.insert(kind, content);
    }
    let mut message = complete(message, key, time, false)?;
    customer.sign(&mut message);
    answer["wamid"] = message["id"].clone();
    let mut world = meta.world();
    for id in [&customer.wa_id, &customer.user_id].into_iter().flatten() {
        let last = world.windows.entry((number.phone_number_id.clone(), id.clone())).or_insert(time);
        *last = time.max(*last);
    }
    drop(world);
    Ok((compose::message(&number, &customer, message), answer))
}

/// Fills in what a message lacks of id, time and type.
fn complete(mut message: Map<String, Value>, customer: &str, time: i64, outgoing: bool) -> Result<Value, Refused> {
    /// What stands beside a message's content.
    const BESIDE: [&str; 12] = [
        "id",
        "timestamp",
        "type",
        "from",
        "from_user_id",
        "from_parent_user_id",
        "to",
        "context",
        "referral",
        "errors",
        "identity",
        "group_id",
    ];
    if !message.contains_key("type") {
        let content = message.keys().find(|key| !BESIDE.contains(&key.as_str())).cloned();
        // What has nothing but errors is what WhatsApp cannot show to businesses.
        let kind = content.or_else(|| message.contains_key("errors").then(|| "unsupported".to_owned()));
        let kind = kind.ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "text, media or message is required"))?;
        message.insert("type".to_owned(), json!(kind));
    }
    message.entry("id").or_insert_with(|| json!(new_wamid(customer, outgoing)));
    message.entry("timestamp").or_insert_with(|| json!(time.to_string()));
    Ok(Value::Object(message))
}

/// Takes a customer's file, and describes it as webhooks do.
fn receive(meta: &Meta, number: &Number, file: File) -> Result<Value, Refused> {
    let (usual, start): (_, &[u8]) = match file.kind.as_str() {
        "image" => ("image/jpeg", b"\xff\xd8\xff\xe0"),
        "video" => ("video/mp4", b"\0\0\0\x20ftypmp42"),
        "audio" => ("audio/ogg; codecs=opus", b"OggS"),
        "document" => ("application/pdf", b"%PDF-1.7\n"),
        "sticker" => ("image/webp", b"RIFF\0\0\0\0WEBP"),
        _ => {
            return Err(refuse(StatusCode::BAD_REQUEST, "media.type must be image, video, audio, document or sticker"));
        }
    };
    let bytes = match &file.base64 {
        Some(text) => {
            STANDARD.decode(text).map_err(|_| refuse(StatusCode::BAD_REQUEST, "media.base64 is not base64"))?
        }
        None if file.size > LARGEST => return Err(refuse(StatusCode::BAD_REQUEST, "media.size is more than 128 MiB")),
        None => {
            let filling = (0_u8..=250).cycle();
            start.iter().copied().chain(filling).take(file.size).collect()
        }
    };
    let mime_type = file.mime_type.as_deref().unwrap_or(usual);
    let media = Media::received(&number.phone_number_id, mime_type, Bytes::from(bytes), meta.0.clock.seconds());
    let truth = STANDARD.encode(media.sha256);
    let mut content = json!({"mime_type": mime_type, "sha256": file.sha256.unwrap_or(truth)});
    let more = [("caption", file.caption.map(Value::from)), ("filename", file.filename.map(Value::from))];
    for (field, value) in more.into_iter().chain([("voice", file.voice.map(Value::from))]) {
        if let Some(value) = value {
            content[field] = value;
        }
    }
    if file.kind == "sticker" {
        content["animated"] = json!(false);
    }
    let mut world = meta.world();
    let id = world.issue();
    content["id"] = json!(id);
    world.media.insert(id, media);
    Ok(content)
}

fn message_becomes(meta: &Meta, request: Status) -> Happened {
    let number = number(meta, &request.phone_number_id)?;
    let time = request.timestamp.unwrap_or_else(|| meta.0.clock.seconds());
    let sent = meta.world().sent.iter().find(|sent| sent.wamid == request.wamid).cloned();
    let mut status = match sent {
        Some(sent) => compose::status(&sent, &request.status, time),
        None => json!({"id": request.wamid, "status": request.status, "timestamp": time.to_string()}),
    };
    let told = [
        ("recipient_id", request.recipient),
        ("recipient_user_id", request.user_id),
        ("biz_opaque_callback_data", request.callback),
    ];
    for (field, value) in told {
        if let Some(value) = value {
            status[field] = json!(value);
        }
    }
    if let Some(code) = request.code {
        status["errors"] = json!([refusal::in_status(code, request.details.as_deref())]);
    }
    for (field, value) in request.with {
        status[field] = value;
    }
    Ok((compose::statuses(&number, vec![status]), json!({"wamid": request.wamid})))
}

fn business_writes(meta: &Meta, request: Echo) -> Happened {
    let number = number(meta, &request.phone_number_id)?;
    let customer = Customer {
        wa_id: request.to.map(|to| digits(&to)),
        user_id: request.to_user_id,
        name: request.name.unwrap_or_default(),
        ..Customer::default()
    };
    let Some(key) = customer.wa_id.as_deref().or(customer.user_id.as_deref()) else {
        return Err(refuse(StatusCode::BAD_REQUEST, "to or to_user_id is required"));
    };
    let time = request.timestamp.unwrap_or_else(|| meta.0.clock.seconds());
    let mut message = request.message.unwrap_or_default();
    if let Some(text) = request.text {
        message.entry("text").or_insert(json!({ "body": text }));
    }
    message.entry("from").or_insert_with(|| json!(number.digits()));
    for (field, id) in [("to", &customer.wa_id), ("to_user_id", &customer.user_id)] {
        if let Some(id) = id {
            message.insert(field.to_owned(), json!(id));
        }
    }
    let message = complete(message, key, time, true)?;
    let answer = json!({"wamid": message["id"]});
    let parts = json!({"contacts": [customer.contact()], "message_echoes": [message]});
    Ok((Change::of_number(&number, "smb_message_echoes", parts), answer))
}

fn was_written(meta: &Meta, request: History) -> Happened {
    let number = number(meta, &request.phone_number_id)?;
    let chunk = if request.declined {
        let mut error = refusal::in_status(2_593_109, Some("History sharing is turned off by the business"));
        error["title"] = json!("History sharing is turned off");
        error["message"] = error["title"].clone();
        json!({ "errors": [error] })
    } else {
        let threads = request.threads.unwrap_or_else(|| {
            let now = meta.0.clock.seconds();
            threads(
                &number,
                request.chunk_order,
                request.thread_count.min(1000),
                request.texts_per_thread.min(1000),
                now,
            )
        });
        let metadata =
            json!({"phase": request.phase, "chunk_order": request.chunk_order, "progress": request.progress});
        json!({"metadata": metadata, "threads": threads})
    };
    Ok((Change::of_number(&number, "history", json!({ "history": [chunk] })), json!({})))
}

/// Invented threads: customers and business take turns, one text an hour, until yesterday.
fn threads(number: &Number, chunk: u32, count: usize, texts: usize, now: i64) -> Value {
    let threads = (0..count).map(|thread| {
        let customer = format!("54911{chunk:04}{thread:04}");
        let messages = (0..texts).map(|place| {
            let time = now - 86_400 - 3600 * i64::try_from(texts - place).unwrap_or_default();
            let is_outgoing = place % 2 == 1;
            let mut message = json!({
                "from": if is_outgoing { number.digits() } else { customer.clone() },
                "id": new_wamid(&customer, is_outgoing),
                "timestamp": time.to_string(),
                "type": "text",
                "text": {"body": format!("texto {place}")},
                "history_context": {"status": "READ"},
            });
            if is_outgoing {
                message["to"] = json!(customer);
            }
            message
        });
        json!({"id": customer, "messages": messages.collect::<Vec<_>>()})
    });
    threads.collect()
}

fn occurs(meta: &Meta, request: Event) -> Happened {
    let change = match (&request.phone_number_id, &request.waba_id) {
        (Some(id), _) => {
            let number = number(meta, id)?;
            remember_preferences(meta, &number, &request.value);
            Change::of_number(&number, &request.field, request.value)
        }
        (None, Some(waba)) => compose::event(meta, waba, &request.field, request.value),
        (None, None) => return Err(refuse(StatusCode::BAD_REQUEST, "phone_number_id or waba_id is required")),
    };
    Ok((change, json!({})))
}

/// Whoever stopped marketing messages gets none from now on; whoever resumed them does.
fn remember_preferences(meta: &Meta, number: &Number, value: &Value) {
    for preference in value["user_preferences"].as_array().into_iter().flatten() {
        for id in ["wa_id", "user_id"].into_iter().filter_map(|field| preference[field].as_str()) {
            let key = (number.phone_number_id.clone(), id.to_owned());
            match preference["value"].as_str() {
                Some("stop") => {
                    meta.world().recipients.insert(key, Condition { code: 131_050, by: By::Status });
                }
                _ => {
                    meta.world().recipients.remove(&key);
                }
            }
        }
    }
}
