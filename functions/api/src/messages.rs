//! The messages of a conversation: reading them, and asking for one to be sent.

use crate::Api;
use crate::auth::{Member, Writer};
use crate::conversations::List;
use crate::error::ApiError;
use crate::extract::{ConversationPath, JsonBody, Paging};
use crate::media::MediaView;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use recado_domain::ids::{ClientMessageId, ConversationId, MessageId, UserId, Wamid};
use recado_domain::message::{Direction, MessageType, Origin, preview};
use recado_domain::personal::Personal;
use recado_domain::status::{DeliveryError, MessageStatus};
use recado_domain::window;
use recado_store::{Composed, Draft, Message, Sender};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// The longest text that Meta takes (WHATSAPP.md §2.5).
const MAX_TEXT_CHARS: usize = 4096;

/// A message, as clients see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageView {
    id: MessageId,
    conversation_id: ConversationId,
    wamid: Option<Wamid>,
    direction: Direction,
    #[serde(rename = "type")]
    kind: MessageType,
    content: Value,
    status: Option<MessageStatus>,
    status_updated_at: Option<Timestamp>,
    status_history: Vec<StatusView>,
    timestamp: Timestamp,
    error: Option<DeliveryError>,
    reply_to: Option<ReplyToView>,
    reactions: Vec<ReactionView>,
    edited_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    origin: Option<Origin>,
    referral: Option<Value>,
    media: Option<MediaView>,
    template: Option<Value>,
    sender_id: Option<UserId>,
    sender_name: Option<String>,
    client_message_id: Option<ClientMessageId>,
    created_at: Timestamp,
}

#[derive(Serialize)]
struct StatusView {
    status: MessageStatus,
    at: Timestamp,
}

#[derive(Serialize)]
struct ReplyToView {
    id: Option<MessageId>,
    wamid: Wamid,
}

#[derive(Serialize)]
struct ReactionView {
    emoji: String,
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

/// `GET /conversations/{id}/messages`: newest first.
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
    let quoted = member.store.quoted(id, &page.items).await?;
    let mut files = member.store.media_of(&page.items).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for (message, quoted) in page.items.into_iter().zip(quoted) {
        let mut view = MessageView::from(message);
        view.reply_to = view.reply_to.map(|reply_to| ReplyToView { id: quoted, ..reply_to });
        if let Some(file) = files.remove(&view.id) {
            view.media = Some(MediaView::new(file, &api.bucket, api.clock.now()).await?);
        }
        items.push(view);
    }
    Ok(Json(List { items, next_cursor: page.next.map(|position| api.cursor_key.seal(tenant, &name, &position)) }))
}

/// A message to be sent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SendRequest {
    client_message_id: ClientMessageId,
    #[serde(rename = "type")]
    kind: SendType,
    text: TextRequest,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SendType {
    Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextRequest {
    body: Personal<String>,
}

impl SendRequest {
    fn into_draft(self, sender: Sender) -> Result<Draft, ApiError> {
        let SendType::Text = self.kind;
        let body = self.text.body.into_inner();
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

/// `POST /conversations/{id}/messages`: asks for a message to be sent. 202: it will be; see its status.
pub(crate) async fn send(
    State(api): State<Arc<Api>>,
    Writer(member): Writer,
    ConversationPath(id): ConversationPath,
    JsonBody(request): JsonBody<SendRequest>,
) -> Result<(StatusCode, Json<MessageView>), ApiError> {
    let sender = Sender { id: member.membership.user().clone(), name: member.membership.name().clone() };
    let draft = request.into_draft(sender)?;
    let conversation = member.store.conversation(id).await?.ok_or_else(|| ApiError::not_found("conversation"))?;
    let now = api.clock.now();
    if conversation.id != id
        && let Some(existing) = member.store.message(MessageId::of_request(id, &draft.client_message_id)).await?
    {
        // Asked for before the conversation was merged into another.
        return answer_existing(existing, &draft);
    }
    if !window::is_open(conversation.window_expires_at, now) {
        // What was accepted while the window was open is still there to be answered with.
        let asked_before = member.store.message(MessageId::of_request(id, &draft.client_message_id)).await?;
        return match asked_before {
            Some(existing) => answer_existing(existing, &draft),
            None => Err(ApiError::conflict("WINDOW_EXPIRED", "24-hour window expired. Use template message.")),
        };
    }
    match member.store.compose(conversation, &draft, now).await? {
        Composed::New(message) => Ok((StatusCode::ACCEPTED, Json(message.into()))),
        Composed::Existing(existing) => answer_existing(existing, &draft),
    }
}

/// The same request again is answered with the same message; another one under the same id is refused,
/// because answering it with the old message would lose the new one.
fn answer_existing(existing: Message, draft: &Draft) -> Result<(StatusCode, Json<MessageView>), ApiError> {
    if existing.kind == draft.kind && existing.content == draft.content {
        Ok((StatusCode::ACCEPTED, Json(existing.into())))
    } else {
        let message = "clientMessageId: was used in this conversation for another message";
        Err(ApiError::conflict("CLIENT_MESSAGE_ID_REUSED", message))
    }
}
