//! Files: uploaded, shown, fetched and deleted (WHATSAPP.md §2.8).

use super::{Asked, Call, base};
use crate::Meta;
use crate::fault::Fault;
use crate::judge;
use crate::refusal::Refusal;
use crate::world::World;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Multipart, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How long an uploaded file's id is good, in seconds.
const UPLOADED: i64 = 30 * 24 * 60 * 60;

/// How long the id of a customer's file is good, in seconds.
const RECEIVED: i64 = 7 * 24 * 60 * 60;

/// How long the address of a file is good, in seconds.
const ADDRESS: i64 = 5 * 60;

/// The most bytes of one upload: a document and what surrounds it.
pub(crate) const MOST: usize = 101 << 20;

/// A file.
#[derive(Debug, Clone)]
pub(crate) struct Media {
    pub(crate) phone_number_id: String,
    pub(crate) mime_type: String,
    pub(crate) bytes: Bytes,
    /// What Meta says that its SHA-256 is.
    pub(crate) sha256: [u8; 32],
    /// When its id is no longer good, in unix seconds.
    pub(crate) expires_at: i64,
}

impl Media {
    fn new(phone_number_id: &str, mime_type: &str, bytes: Bytes, expires_at: i64) -> Self {
        let sha256 = Sha256::digest(&bytes).into();
        Self { phone_number_id: phone_number_id.to_owned(), mime_type: mime_type.to_owned(), bytes, sha256, expires_at }
    }

    /// A customer's file.
    pub(crate) fn received(phone_number_id: &str, mime_type: &str, bytes: Bytes, now: i64) -> Self {
        Self::new(phone_number_id, mime_type, bytes, now + RECEIVED)
    }
}

/// `POST /{version}/{number}/media`: a file, as multipart form data.
pub(crate) async fn upload(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, id)): Path<(String, String)>,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Result<Json<Value>, Refusal> {
    let number = call.number(&meta, &id, "post")?;
    let mut form = form.map_err(|_| Refusal::required("messaging_product"))?;
    let unreadable = |_| Refusal::new(100, "Invalid parameter").with_details("The form could not be read");
    let (mut product, mut kind, mut file) = (None, None, None);
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        match field.name() {
            Some("messaging_product") => product = Some(field.text().await.map_err(unreadable)?),
            Some("type") => kind = Some(field.text().await.map_err(unreadable)?),
            Some("file") if field.file_name().is_some() => {
                let of_part = field.content_type().map(str::to_owned);
                file = Some((of_part, field.bytes().await.map_err(unreadable)?));
            }
            _ => {}
        }
    }
    if product.as_deref() != Some("whatsapp") {
        return Err(Refusal::required("messaging_product"));
    }
    let (of_part, bytes) = file.ok_or_else(|| Refusal::required("file"))?;
    let mime = of_part.or(kind).unwrap_or_else(|| "application/octet-stream".to_owned());
    judge::media::upload(&mime, &bytes)?;
    let expires_at = meta.now().as_second() + UPLOADED;
    let mut world = meta.world();
    let media_id = world.issue();
    world.media.insert(media_id.clone(), Media::new(&number.phone_number_id, &mime, bytes, expires_at));
    Ok(Json(json!({ "id": media_id })))
}

/// The file of this id, if it still lives and the caller may have it.
fn owned(meta: &Meta, world: &World, call: &Call, id: &str, asked: &Asked, verb: &str) -> Result<Media, Refusal> {
    let media = world.media.get(id).filter(|media| {
        let owner = world.numbers.get(&media.phone_number_id);
        owner.is_some_and(|owner| Some(&owner.token) == call.token.as_ref())
            && asked.other("phone_number_id").is_none_or(|asked| asked == media.phone_number_id)
            && judge::media::is_alive(media, meta.now())
    });
    media.cloned().ok_or_else(|| Refusal::no_object(verb, id))
}

/// `GET /{version}/{media}`
pub(crate) fn show(meta: &Meta, call: &Call, id: &str, asked: &Asked) -> Result<Json<Value>, Refusal> {
    call.any(meta)?;
    let media = owned(meta, &meta.world(), call, id, asked, "get")?;
    let until = meta.now().as_second() + ADDRESS;
    Ok(Json(json!({
        "messaging_product": "whatsapp",
        "url": format!("{}/whatsapp_business/attachments/?mid={id}&ext={until}&hash={}", call.base, ticket(id, until)),
        "mime_type": media.mime_type,
        "sha256": data_encoding::HEXLOWER.encode(&media.sha256),
        "file_size": media.bytes.len().to_string(),
        "id": id,
    })))
}

/// What proves that an address was given by this Meta. Enough against mistakes; nobody attacks a simulator.
fn ticket(id: &str, until: i64) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{id} {until}"))[..12])
}

/// `DELETE /{version}/{media}`
pub(crate) fn delete(meta: &Meta, call: &Call, id: &str, asked: &Asked) -> Result<Json<Value>, Refusal> {
    call.any(meta)?;
    let mut world = meta.world();
    owned(meta, &world, call, id, asked, "delete")?;
    world.media.remove(id);
    Ok(Json(json!({"success": true})))
}

/// A file's address.
#[derive(Debug, Deserialize)]
pub(crate) struct Address {
    mid: String,
    ext: i64,
    hash: String,
}

/// `GET /whatsapp_business/attachments/?mid=…&ext=…&hash=…`: the bytes, for whoever has the token.
pub(crate) async fn attachment(
    State(meta): State<Meta>,
    Query(address): Query<Address>,
    headers: HeaderMap,
) -> Response {
    let fault = {
        let mut world = meta.world();
        let key = ("GET".to_owned(), "attachments".to_owned(), address.mid.clone());
        *world.calls.entry(key).or_default() += 1;
        let owner = world.media.get(&address.mid).map(|media| media.phone_number_id.clone());
        let of_file = world.faults.take(&address.mid, "attachments");
        of_file.or_else(|| world.faults.take(&owner?, "attachments"))
    };
    Fault::around(fault.clone(), async { serve(&meta, &address, &headers, fault) }).await
}

fn serve(meta: &Meta, address: &Address, headers: &HeaderMap, fault: Option<Fault>) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()?.strip_prefix("Bearer "));
    let call = Call {
        version: String::new(),
        answered_as: String::new(),
        base: base(headers),
        token: bearer.map(str::to_owned),
    };
    // Meta's file servers turn away whoever does not say what they are (WHATSAPP.md §2.8, reported).
    if !headers.contains_key(header::USER_AGENT) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if call.any(meta).is_err() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let is_fresh = meta.now().as_second() < address.ext && address.hash == ticket(&address.mid, address.ext);
    let media = owned(meta, &meta.world(), &call, &address.mid, &Asked::default(), "get");
    let (true, Ok(media)) = (is_fresh, media) else { return StatusCode::NOT_FOUND.into_response() };
    let mut bytes = media.bytes;
    let mut slowly = None;
    match fault {
        Some(Fault::NotFoundFirst) => return StatusCode::NOT_FOUND.into_response(),
        Some(Fault::Truncated) => bytes.truncate(bytes.len() / 2),
        Some(Fault::WrongHash) => {
            let mut others = bytes.to_vec();
            others.first_mut().into_iter().for_each(|byte| *byte ^= 1);
            bytes = others.into();
        }
        Some(Fault::Slow { millis }) => slowly = Some(Duration::from_millis(millis)),
        _ => {}
    }
    let head =
        Response::builder().header(header::CONTENT_TYPE, media.mime_type).header(header::CONTENT_LENGTH, bytes.len());
    let body = slowly.map_or_else(|| Body::from(bytes.clone()), |time| trickle(bytes.clone(), time));
    head.body(body).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// The bytes in ten parts, spread over this time.
fn trickle(bytes: Bytes, time: Duration) -> Body {
    let size = bytes.len().div_ceil(10).max(1);
    let parts = futures_util::stream::unfold(bytes, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        tokio::time::sleep(time / 10).await;
        let part = left.split_to(size.min(left.len()));
        Some((Ok::<_, std::io::Error>(part), left))
    });
    Body::from_stream(parts)
}
