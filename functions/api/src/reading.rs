//! What is unread, and that it was read.

use crate::Api;
use crate::auth::{Member, Writer};
use crate::conversations::{ConversationView, whole};
use crate::error::ApiError;
use crate::extract::MessagePath;
use crate::once::{Asked, OnceBody};
use crate::version::Tagged;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use recado_store::ReadAll;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// How many conversations are unread.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnreadView {
    /// At most 99.
    #[schema(minimum = 0, maximum = 99, example = 3)]
    count: usize,
    /// Whether there are more than that.
    #[schema(example = false)]
    is_capped: bool,
}

/// How many conversations are unread; no spam
#[utoipa::path(
    get, path = "/unread-count",
    responses((status = 200, description = "How many, up to 99", body = UnreadView))
)]
pub(crate) async fn count(member: Member) -> Result<Json<UnreadView>, ApiError> {
    let (count, is_capped) = member.store.unread_count().await?;
    Ok(Json(UnreadView { count, is_capped }))
}

/// Marks a conversation as read, up to a message of it
///
/// What came after that message stays unread. The customer is not told.
#[utoipa::path(
    post, path = "/messages/{id}/read", params(MessagePath),
    responses((status = 200, description = "The message's conversation", body = ConversationView, headers(("ETag" = String))))
)]
pub(crate) async fn message(
    State(api): State<Arc<Api>>,
    Writer(member): Writer,
    MessagePath(id): MessagePath,
    asked: Asked,
) -> Result<Tagged<ConversationView>, ApiError> {
    let conversation = match asked {
        Asked::Before(effect) => member.store.conversation(effect.read()?).await?,
        // Meta's read receipt, for whoever wants the customer to know, is to be asked for in this transaction too.
        Asked::Anew(once) => member.store.read_up_to(id, once.as_ref(), api.clock.now()).await?,
    };
    whole(&api, &member, conversation.ok_or_else(|| ApiError::not_found("message"))?).await
}

/// Up to when everything was read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReadAllRequest {
    /// What came later stays unread; now, if not given.
    up_to: Option<Timestamp>,
    /// `nextCursor` of the answer before, instead of `upTo`.
    #[schema(example = json!(null))]
    cursor: Option<String>,
}

/// What was marked as read. With `nextCursor`, there is more: ask again with it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadAllView {
    /// How many conversations.
    read: usize,
    up_to: Timestamp,
    #[schema(example = json!(null))]
    next_cursor: Option<String>,
}

/// Marks everything as read that came until now
///
/// At most 50 conversations at once; `nextCursor` goes on, and what comes meanwhile stays unread.
#[utoipa::path(
    post, path = "/read-all", request_body = ReadAllRequest,
    responses((status = 200, description = "What was marked as read", body = ReadAllView))
)]
pub(crate) async fn all(
    State(api): State<Arc<Api>>,
    Writer(member): Writer,
    OnceBody { body: request, asked }: OnceBody<ReadAllRequest>,
) -> Result<Json<ReadAllView>, ApiError> {
    const LIST: &str = "read-all";
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => return Ok(Json(effect.read()?)),
    };
    let (tenant, now) = (member.membership.tenant(), api.clock.now());
    let odd = || ApiError::invalid("cursor", "is not a cursor of this list");
    let (up_to, after) = match (request.up_to, request.cursor) {
        (Some(_), Some(_)) => return Err(ApiError::invalid("upTo", "cannot be given with a cursor")),
        (up_to, None) => (up_to.unwrap_or(now).min(now), None),
        (None, Some(cursor)) => {
            let position = api.cursor_key.open(tenant, LIST, &cursor)?;
            let (up_to, after) = position.split_once(' ').ok_or_else(odd)?;
            (up_to.parse().map_err(|_| odd())?, Some(after.to_owned()))
        }
    };
    let ReadAll { read, next } = member.store.read_all(up_to, after.as_deref(), now).await?;
    let next_cursor = next.map(|next| api.cursor_key.seal(tenant, LIST, &format!("{up_to} {next}")));
    let answer = ReadAllView { read, up_to, next_cursor };
    // Marking as read twice does no harm.
    if let Some(once) = once {
        api.store.remember(&once, &answer).await?;
    }
    Ok(Json(answer))
}
