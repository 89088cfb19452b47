//! Resumable uploads: samples for the headers of templates (WHATSAPP.md §2.8).

use super::{Asked, Call};
use crate::Meta;
use crate::judge;
use crate::refusal::Refusal;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use futures_util::StreamExt;
use serde_json::{Value, json};

/// An upload that has begun.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    length: usize,
    received: Vec<u8>,
    mime_type: String,
    handle: Option<String>,
}

impl Upload {
    /// What stands for the file, once it is complete.
    pub(crate) fn handle(&self) -> Option<&str> {
        self.handle.as_deref()
    }
}

/// The id without `?sig=…`, which a client may have encoded as part of it.
pub(crate) fn without_signature(id: &str) -> &str {
    id.split('?').next().unwrap_or_default()
}

/// `POST /{version}/{app}/uploads?file_name=…&file_length=…&file_type=…`
pub(crate) async fn begin(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, app)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    call.any(&meta)?;
    if !meta.world().apps.contains_key(&app) {
        return Err(Refusal::no_object("post", &app));
    }
    let word = |name: &str| asked.other(name).filter(|text| !text.is_empty()).ok_or_else(|| Refusal::required(name));
    let length = word("file_length")?.parse().map_err(|_| Refusal::parameter("file_length", "must be a number"))?;
    let mime_type = word("file_type")?.to_owned();
    if !matches!(&*mime_type, "application/pdf" | "image/jpeg" | "image/jpg" | "image/png" | "video/mp4") {
        let all = "{application/pdf, image/jpeg, image/jpg, image/png, video/mp4}";
        return Err(Refusal::parameter("file_type", &format!("must be one of {all}")));
    }
    let mut world = meta.world();
    let id = format!("upload:{}", world.issue());
    world.uploads.insert(id.clone(), Upload { length, received: Vec::new(), mime_type, handle: None });
    Ok(Json(json!({ "id": format!("{id}?sig=ARsimulated") })))
}

/// `POST /{version}/{upload}` with a `file_offset`: the next bytes. What came before a connection broke is kept.
pub(crate) async fn go_on(
    meta: &Meta,
    call: &Call,
    id: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Json<Value>, Refusal> {
    call.any(meta)?;
    let offset = headers.get("file_offset").and_then(|offset| offset.to_str().ok()?.parse::<usize>().ok());
    let mut place = offset.ok_or_else(|| Refusal::required("file_offset"))?;
    let mut parts = body.into_data_stream();
    take(meta, id, place, &Bytes::new())?;
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| Refusal::new(100, "Invalid parameter").with_details("The body broke off"))?;
        take(meta, id, place, &part)?;
        place += part.len();
    }
    let mut world = meta.world();
    let upload = world.uploads.get_mut(id).ok_or_else(|| Refusal::no_object("post", id))?;
    if upload.received.len() < upload.length {
        return Ok(Json(json!({"id": id, "file_offset": upload.received.len()})));
    }
    judge::media::upload(&upload.mime_type.replace("image/jpg", "image/jpeg"), &upload.received)?;
    let handle = format!("4::{}", data_encoding::BASE64.encode(format!("{}:{id}", upload.mime_type).as_bytes()));
    upload.handle = Some(handle.clone());
    Ok(Json(json!({ "h": handle })))
}

/// Keeps bytes that belong at this place, which must be where the last ones ended.
fn take(meta: &Meta, id: &str, place: usize, bytes: &Bytes) -> Result<(), Refusal> {
    let mut world = meta.world();
    let upload = world.uploads.get_mut(id).ok_or_else(|| Refusal::no_object("post", id))?;
    if place != upload.received.len() {
        return Err(Refusal::parameter("file_offset", &format!("must be {}", upload.received.len())));
    }
    if place + bytes.len() > upload.length {
        return Err(Refusal::parameter("file_length", "is less than what was sent"));
    }
    upload.received.extend_from_slice(bytes);
    Ok(())
}

/// `GET /{version}/{upload}`: where to go on.
pub(crate) fn show(meta: &Meta, call: &Call, id: &str) -> Result<Json<Value>, Refusal> {
    call.any(meta)?;
    let world = meta.world();
    let upload = world.uploads.get(id).ok_or_else(|| Refusal::no_object("get", id))?;
    Ok(Json(json!({"id": id, "file_offset": upload.received.len()})))
}
