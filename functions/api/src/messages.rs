//! The messages of a conversation: reading them, and asking for one to be sent.

use crate::Api;
use crate::auth::{Member, Writer};
use crate::conversations::List;
use crate::error::ApiError;
use crate::extract::{ConversationPath, MessagePath, Object, Paging};
use crate::media::MediaView;
use crate::once::{Asked, OnceBody};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use recado_domain::ids::{ClientMessageId, ConversationId, MessageId, UserId, Wamid};
use recado_domain::message::{Direction, MessageType, Origin, preview};
use recado_domain::personal::Personal;
use recado_domain::status::{DeliveryError, MessageStatus};
use recado_domain::window;
use recado_store::{Composed, Draft, Message, Once, Sender, TenantStore};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use utoipa::ToSchema;

/// The longest text that Meta takes (WHATSAPP.md §2.5).
const MAX_TEXT_CHARS: usize = 4096;

/// A message, as clients see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"content": {"text": "Sí, a las 18."}, "direction": "OUTBOUND", "error": null, "media": null,
    "origin": null, "replyTo": null, "reactions": [], "status": "SENT", "statusHistory": [
        {"status": "PENDING", "at": "2026-11-20T12:00:00Z"}, {"status": "SENT", "at": "2026-11-20T12:00:01Z"}]}))]
pub(crate) struct MessageView {
    id: MessageId,
    conversation_id: ConversationId,
    wamid: Option<Wamid>,
    direction: Direction,
    #[serde(rename = "type")]
    kind: MessageType,
    /// What it says, in a form of its kind.
    #[schema(value_type = Object)]
    content: Value,
    /// Of what the business wrote.
    status: Option<MessageStatus>,
    status_updated_at: Option<Timestamp>,
    status_history: Vec<StatusView>,
    timestamp: Timestamp,
    /// Why it failed.
    error: Option<DeliveryError>,
    reply_to: Option<ReplyToView>,
    reactions: Vec<ReactionView>,
    #[schema(example = json!(null))]
    edited_at: Option<Timestamp>,
    #[schema(example = json!(null))]
    revoked_at: Option<Timestamp>,
    /// How it came, if neither from the customer nor through this API.
    origin: Option<Origin>,
    #[schema(value_type = Option<Object>)]
    referral: Option<Value>,
    media: Option<MediaView>,
    #[schema(value_type = Option<Object>)]
    template: Option<Value>,
    sender_id: Option<UserId>,
    #[schema(example = "Ana Lucero")]
    sender_name: Option<String>,
    client_message_id: Option<ClientMessageId>,
    created_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
struct StatusView {
    status: MessageStatus,
    at: Timestamp,
}

#[derive(Serialize, ToSchema)]
struct ReplyToView {
    /// Null if the message it answers is not known here.
    id: Option<MessageId>,
    wamid: Wamid,
}

#[derive(Serialize, ToSchema)]
struct ReactionView {
    #[schema(example = "👍")]
    emoji: String,
    /// `customer` or `business`.
    #[schema(example = "customer")]
    from: &'static str,
    at: Timestamp,
}

/// What each side put onto a message and did not take off.
fn reactions(message: &Message) -> Vec<ReactionView> {
    let sides = [("customer", &message.customer_reaction), ("business", &message.business_reaction)];
    let put = sides.into_iter().filter_map(|(from, reaction)| {
        let reaction = reaction.as_ref()?;
        Some(ReactionView { emoji: reaction.emoji.as_ref()?.expose().clone(), from, at: reaction.at })
    });
    put.collect()
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        let current = message.states.current();
        let reactions = reactions(&message);
        let (sender_id, sender_name) = message
            .sender
            .map(|sender| (sender.id, sender.name.into_inner()))
            .map_or((None, None), |(id, name)| (Some(id), Some(name)));
        Self {
            id: message.id,
            conversation_id: message.conversation_id,
            wamid: message.wamid,
            direction: message.direction,
            kind: message.kind,
            content: message.content.into_inner(),
            status: current.map(|(status, _)| status),
            status_updated_at: current.map(|(_, at)| at),
            status_history: message.states.history().map(|(status, at)| StatusView { status, at }).collect(),
            timestamp: message.timestamp,
            error: message.states.error().cloned(),
            reply_to: message.quoted.map(|wamid| ReplyToView { id: None, wamid }),
            reactions,
            edited_at: message.edited_at,
            revoked_at: message.revoked_at,
            origin: message.origin,
            referral: message.referral.map(Personal::into_inner),
            media: None,
            template: None,
            sender_id,
            sender_name,
            client_message_id: message.client_message_id,
            created_at: message.created_at,
        }
    }
}

/// The messages of a conversation, newest first
#[utoipa::path(
    get, path = "/conversations/{id}/messages", params(ConversationPath, Paging),
    responses((status = 200, description = "A page of messages", body = List<MessageView>))
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    member: Member,
    ConversationPath(id): ConversationPath,
    paging: Paging,
) -> Result<Json<List<MessageView>>, ApiError> {
    let tenant = member.membership.tenant();
    let name = format!("messages/{id}");
    let after = paging.cursor.map(|cursor| api.cursor_key.open(tenant, &name, &cursor)).transpose()?;
    // The first page also has to tell an empty conversation from none.
    if after.is_none() && member.store.conversation(id).await?.is_none() {
        return Err(ApiError::not_found("conversation"));
    }
    let page = member.store.messages(id, paging.limit, after.as_deref()).await?;
    let next_cursor = page.next.map(|position| api.cursor_key.seal(tenant, &name, &position));
    Ok(Json(List { items: views(&api, &member.store, page.items).await?, next_cursor }))
}

/// Messages of one or more conversations, in their order, with the ids of what they quote and with their files.
pub(crate) async fn views(
    api: &Api,
    store: &TenantStore,
    messages: Vec<Message>,
) -> Result<Vec<MessageView>, ApiError> {
    let mut conversations: BTreeMap<ConversationId, Vec<Message>> = BTreeMap::new();
    for message in &messages {
        conversations.entry(message.conversation_id).or_default().push(message.clone());
    }
    let (mut quoted, mut files) = (HashMap::new(), store.media_of(&messages).await?);
    for (conversation, messages) in conversations {
        let of_these = store.quoted(conversation, &messages).await?;
        quoted.extend(messages.iter().map(|message| message.id).zip(of_these));
    }
    let mut views = Vec::with_capacity(messages.len());
    for message in messages {
        let mut view = MessageView::from(message);
        let id = quoted.remove(&view.id).flatten();
        view.reply_to = view.reply_to.map(|reply_to| ReplyToView { id, ..reply_to });
        if let Some(file) = files.remove(&view.id) {
            view.media = Some(MediaView::new(file, &api.bucket, api.clock.now()).await?);
        }
        views.push(view);
    }
    Ok(views)
}

/// What is known of a message's delivery.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"status": "SENT", "error": null, "statusHistory": [
    {"status": "PENDING", "at": "2026-11-20T12:00:00Z"}, {"status": "SENT", "at": "2026-11-20T12:00:01Z"}]}))]
pub(crate) struct DeliveryView {
    id: MessageId,
    /// Of what the customer wrote, that it was received.
    status: Option<MessageStatus>,
    status_updated_at: Option<Timestamp>,
    status_history: Vec<StatusView>,
    /// Why it failed.
    error: Option<DeliveryError>,
}

/// What became of a message
#[utoipa::path(
    get, path = "/messages/{id}/status", params(MessagePath),
    responses((status = 200, description = "Its delivery", body = DeliveryView))
)]
pub(crate) async fn status(member: Member, MessagePath(id): MessagePath) -> Result<Json<DeliveryView>, ApiError> {
    let message = member.store.message(id).await?.ok_or_else(|| ApiError::not_found("message"))?;
    let MessageView { id, status, status_updated_at, status_history, error, .. } = message.into();
    Ok(Json(DeliveryView { id, status, status_updated_at, status_history, error }))
}

/// A message to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SendRequest {
    client_message_id: ClientMessageId,
    #[serde(rename = "type")]
    kind: SendType,
    #[schema(value_type = TextRequest)]
    text: Object<TextRequest>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum SendType {
    Text,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TextRequest {
    #[schema(value_type = String, min_length = 1, max_length = 4096, pattern = r"\S", example = "Sí, a las 18.")]
    body: Personal<String>,
}

impl SendRequest {
    fn into_draft(self, sender: Sender) -> Result<Draft, ApiError> {
        let SendType::Text = self.kind;
        let body = self.text.0.body.into_inner();
        match body.chars().count() {
            _ if body.trim().is_empty() => return Err(ApiError::invalid("text.body", "must not be empty")),
            0..=MAX_TEXT_CHARS => {}
            length => {
                let rule = format!("must have at most {MAX_TEXT_CHARS} characters, and has {length}");
                return Err(ApiError::invalid("text.body", rule));
            }
        }
        Ok(Draft {
            client_message_id: self.client_message_id,
            kind: MessageType::Text,
            preview: Personal::new(preview(MessageType::Text, Some(&body))),
            content: Personal::new(json!({ "text": body })),
            sender,
        })
    }
}

/// Asks for a message to be sent
///
/// It is accepted, and will be sent; its status tells what became of it. The same `clientMessageId` again
/// is the same message.
#[utoipa::path(
    post, path = "/conversations/{id}/messages", params(ConversationPath), request_body = SendRequest,
    responses(
        (status = 202, description = "The message", body = MessageView),
        (status = 409, description = "`WINDOW_EXPIRED`: 24-hour window expired. Use template message.\n\
            `CLIENT_MESSAGE_ID_REUSED`: clientMessageId: was used in this conversation for another message"),
    )
)]
pub(crate) async fn send(
    State(api): State<Arc<Api>>,
    Writer(member): Writer,
    ConversationPath(id): ConversationPath,
    OnceBody { body: request, asked }: OnceBody<SendRequest>,
) -> Result<(StatusCode, Json<MessageView>), ApiError> {
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => {
            let existing = member.store.message(effect.read()?).await?;
            let existing = existing.ok_or_else(|| ApiError::not_found("message"))?;
            return Ok((StatusCode::ACCEPTED, Json(existing.into())));
        }
    };
    let sender = Sender { id: member.membership.user().clone(), name: member.membership.name().clone() };
    let draft = request.into_draft(sender)?;
    let conversation = member.store.conversation(id).await?.ok_or_else(|| ApiError::not_found("conversation"))?;
    let now = api.clock.now();
    let is_open = window::is_open(conversation.window_expires_at, now);
    // It may have been asked for before the conversation was merged into another, or while the window was open.
    if (!is_open || !conversation.absorbed.is_empty())
        && let Some(existing) = member.store.message_of_request(&conversation, &draft.client_message_id).await?
    {
        return answer_existing(&api, existing, &draft, once).await;
    }
    if !is_open {
        return Err(ApiError::conflict("WINDOW_EXPIRED", "24-hour window expired. Use template message."));
    }
    match member.store.compose_once(conversation, &draft, once.as_ref(), now).await? {
        Composed::New(message) => Ok((StatusCode::ACCEPTED, Json(message.into()))),
        Composed::Existing(existing) => answer_existing(&api, existing, &draft, once).await,
    }
}

/// The same request again is answered with the same message; another one under the same id is refused,
/// because answering it with the old message would lose the new one.
async fn answer_existing(
    api: &Api,
    existing: Message,
    draft: &Draft,
    once: Option<Once>,
) -> Result<(StatusCode, Json<MessageView>), ApiError> {
    if existing.kind != draft.kind || existing.content != draft.content {
        let message = "clientMessageId: was used in this conversation for another message";
        return Err(ApiError::conflict("CLIENT_MESSAGE_ID_REUSED", message));
    }
    if let Some(once) = once {
        api.store.remember(&once, &existing.id).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(existing.into())))
}
