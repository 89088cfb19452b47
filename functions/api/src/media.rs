//! The files of messages: how a message shows its own, and the way to the bytes.

use crate::Api;
use crate::auth::Member;
use crate::conversations::List;
use crate::error::ApiError;
use crate::extract::{ConversationPath, MessagePath, Paging};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use jiff::Timestamp;
use recado_domain::ids::MessageId;
use recado_domain::media::MediaFailure;
use recado_domain::message::MessageType;
use recado_platform::bucket::{Bucket, Shown};
use recado_store::{Media, MediaState};
use recado_whatsapp::media::{extension_of, safe_file_name, type_of_file_name};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// How long a link to a file is good (REQUIREMENTS MED-03).
const LINK_LIFE: Duration = Duration::from_secs(15 * 60);

/// A message's file, as clients see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"status": "STORED", "failureReason": null}))]
pub(crate) struct MediaView {
    status: MediaStatus,
    #[schema(example = "image/jpeg")]
    mime_type: Option<String>,
    /// In bytes.
    size: Option<u64>,
    #[schema(example = "imagen.jpg")]
    filename: String,
    /// A link to the file, once it is `STORED`.
    #[schema(example = "https://bucket.example/media/…?X-Amz-Signature=…")]
    url: Option<String>,
    url_expires_at: Option<Timestamp>,
    failure_reason: Option<MediaFailure>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum MediaStatus {
    Pending,
    Stored,
    Failed,
}

impl MediaView {
    /// With a link to the file, if it is ours. Signing one asks nobody.
    pub(crate) async fn new(media: Media, bucket: &Bucket, now: Timestamp) -> Result<Self, ApiError> {
        let filename = file_name(&media);
        let mut view = Self {
            status: MediaStatus::Pending,
            mime_type: media.mime_type.clone(),
            size: None,
            url: None,
            url_expires_at: None,
            failure_reason: None,
            filename,
        };
        match &media.state {
            MediaState::Pending { .. } => {}
            MediaState::Failed { reason } => (view.status, view.failure_reason) = (MediaStatus::Failed, Some(*reason)),
            MediaState::Stored { object, size } => {
                let shown = Shown {
                    mime_type: media.mime_type.as_deref().unwrap_or("application/octet-stream"),
                    file_name: &view.filename,
                    // What a customer calls a document may be anything; it is saved and not opened.
                    inline: media.kind != MessageType::Document,
                };
                view.url = Some(bucket.link(object, shown, LINK_LIFE, now).await?);
                view.url_expires_at = now.saturating_add(LINK_LIFE).ok();
                (view.status, view.size) = (MediaStatus::Stored, Some(*size));
            }
        }
        Ok(view)
    }
}

/// A file of a conversation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GalleryView {
    /// The message that it came with.
    message_id: MessageId,
    #[serde(rename = "type")]
    kind: MessageType,
    /// When that was written.
    timestamp: Timestamp,
    media: MediaView,
}

/// The files of a conversation, newest first
#[utoipa::path(
    get, path = "/conversations/{id}/media", params(ConversationPath, Paging),
    responses((status = 200, description = "A page of files", body = List<GalleryView>))
)]
pub(crate) async fn gallery(
    State(api): State<Arc<Api>>,
    member: Member,
    ConversationPath(id): ConversationPath,
    paging: Paging,
) -> Result<Json<List<GalleryView>>, ApiError> {
    let (tenant, name) = (member.membership.tenant(), format!("media/{id}"));
    let after = paging.cursor.map(|cursor| api.cursor_key.open(tenant, &name, &cursor)).transpose()?;
    let page = member.store.gallery(id, paging.limit, after.as_deref()).await?;
    let page = page.ok_or_else(|| ApiError::not_found("conversation"))?;
    let mut items = Vec::with_capacity(page.items.len());
    for file in page.items {
        let (message_id, kind) = (file.message, file.kind);
        let timestamp = Timestamp::from_second(file.order.timestamp).unwrap_or_default();
        let media = MediaView::new(file, &api.bucket, api.clock.now()).await?;
        items.push(GalleryView { message_id, kind, timestamp, media });
    }
    Ok(Json(List { items, next_cursor: page.next.map(|position| api.cursor_key.seal(tenant, &name, &position)) }))
}

/// Leads to a message's file, by a link that is good for 15 minutes
#[utoipa::path(
    get, path = "/messages/{id}/media", params(MessagePath),
    responses(
        (status = 302, description = "`Location` is the link", headers(("Location" = String))),
        (status = 409, description = "`MEDIA_PENDING`: The file is being fetched from WhatsApp\n\
            `MEDIA_FAILED`: The file could not be fetched from WhatsApp"),
    )
)]
pub(crate) async fn lead(
    State(api): State<Arc<Api>>,
    member: Member,
    MessagePath(id): MessagePath,
) -> Result<(StatusCode, [(HeaderName, String); 2]), ApiError> {
    let media = member.store.media(id).await?.ok_or_else(|| ApiError::not_found("file"))?;
    let view = MediaView::new(media, &api.bucket, api.clock.now()).await?;
    match view.url {
        Some(url) => Ok((StatusCode::FOUND, [(header::LOCATION, url), (header::CACHE_CONTROL, "no-store".to_owned())])),
        None => match view.failure_reason {
            Some(_) => Err(ApiError::conflict("MEDIA_FAILED", "The file could not be fetched from WhatsApp")),
            None => Err(ApiError::conflict("MEDIA_PENDING", "The file is being fetched from WhatsApp")),
        },
    }
}

/// A name that is safe to save the file under: the customer's if there is one, and with an extension that says
/// what the file is, whatever the customer's says.
fn file_name(media: &Media) -> String {
    let own = match media.kind {
        MessageType::Image => "imagen",
        MessageType::Video => "video",
        MessageType::Audio => "audio",
        MessageType::Sticker => "sticker",
        _ => "documento",
    };
    let mut name = safe_file_name(media.filename.as_ref().map_or(own, |name| name.expose()));
    let extension = media.mime_type.as_deref().and_then(extension_of);
    if let Some(extension) = extension
        && type_of_file_name(&name).and_then(|known| extension_of(known.mime)) != Some(extension)
    {
        name = safe_file_name(&format!("{name}.{extension}"));
    }
    name
}
