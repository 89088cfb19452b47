//! The inbox.

use crate::Api;
use crate::auth::Member;
use crate::customers::{CandidateView, candidates};
use crate::error::ApiError;
use crate::extract::{ConversationPath, Paging};
use crate::version::Tagged;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use recado_domain::contact::Identities;
use recado_domain::email::Email;
use recado_domain::ids::{Bsuid, ContactId, ConversationId, CustomerId, PhoneNumberId, UserId, WaId};
use recado_domain::message::Direction;
use recado_domain::preference::{Preference, PreferenceSource};
use recado_domain::window;
use recado_store::{Contact, Conversation, ConversationStatus};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// A page of a list, as every list answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    /// To be given as `cursor` for the next page; null on the last one.
    #[schema(example = json!(null))]
    pub(crate) next_cursor: Option<String>,
}

/// A conversation, as clients see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConversationView {
    id: ConversationId,
    phone_number_id: PhoneNumberId,
    contact: ContactView,
    customer_id: Option<CustomerId>,
    /// Who the customer may be, if that is to be chosen; told of a single conversation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    customer_candidates: Option<Vec<CandidateView>>,
    status: ConversationStatus,
    unread_count: u64,
    is_unread: bool,
    last_message_at: Timestamp,
    #[schema(example = "¿Pueden venir hoy?")]
    last_message_preview: String,
    last_message_direction: Direction,
    /// When the 24 hours since the customer's last message are over.
    window_expires_at: Option<Timestamp>,
    can_send_freeform: bool,
    assigned_to_id: Option<UserId>,
    #[schema(example = json!([]))]
    labels: Vec<String>,
    /// The advertisement that brought the customer, as Meta described it.
    #[schema(value_type = Option<Object>)]
    referral: Option<Value>,
    #[schema(example = json!(null))]
    active_job_id: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A contact, as clients see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContactView {
    id: ContactId,
    #[schema(example = "Lucía")]
    name: Option<String>,
    #[schema(example = "+5491155551234")]
    phone: Option<String>,
    wa_id: Option<WaId>,
    bsuid: Option<Bsuid>,
    #[schema(example = "lucia.gomez")]
    username: Option<String>,
    /// The address that somebody stored; told of a single conversation or contact only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<Email>,
    /// What they last said about being written to; likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    preference: Option<PreferenceView>,
}

#[derive(Serialize, ToSchema)]
struct PreferenceView {
    wanted: bool,
    at: Timestamp,
    source: PreferenceSource,
}

impl ContactView {
    fn new(id: ContactId, identities: Identities) -> Self {
        Self {
            id,
            name: identities.name.map(|name| name.into_inner()),
            phone: identities.wa_id.as_ref().map(|wa_id| format!("+{}", wa_id.as_str())),
            wa_id: identities.wa_id,
            bsuid: identities.bsuid,
            username: identities.username.map(|name| name.into_inner()),
            email: None,
            preference: None,
        }
    }

    /// With what is kept of the contact alone.
    pub(crate) fn whole(id: ContactId, identities: Identities, contact: &Contact) -> Self {
        let preference =
            contact.preference.map(|Preference { wanted, at, source }| PreferenceView { wanted, at, source });
        Self { email: contact.email.clone(), preference, ..Self::new(id, identities) }
    }
}

impl ConversationView {
    fn new(conversation: Conversation, now: Timestamp) -> Self {
        Self {
            id: conversation.id,
            phone_number_id: conversation.phone_number_id,
            contact: ContactView::new(conversation.contact_id, conversation.contact),
            customer_id: conversation.customer_id,
            customer_candidates: None,
            status: conversation.status,
            unread_count: conversation.unread_count,
            is_unread: conversation.unread_count > 0,
            last_message_at: conversation.last_message_at,
            last_message_preview: conversation.last_preview.into_inner(),
            last_message_direction: conversation.last_direction,
            window_expires_at: conversation.window_expires_at,
            can_send_freeform: window::is_open(conversation.window_expires_at, now),
            assigned_to_id: conversation.assigned_to_id,
            labels: Vec::new(),
            referral: conversation.referral.map(|referred| referred.ad.into_inner()),
            active_job_id: None,
            created_at: conversation.created_at,
            updated_at: conversation.updated_at,
        }
    }
}

/// The open conversations, the one with the newest message first
#[utoipa::path(
    get, path = "/conversations", params(Paging),
    responses((status = 200, description = "A page of conversations", body = List<ConversationView>))
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    member: Member,
    paging: Paging,
) -> Result<Json<List<ConversationView>>, ApiError> {
    const LIST: &str = "conversations/OPEN";
    let tenant = member.membership.tenant();
    let after = paging.cursor.map(|cursor| api.cursor_key.open(tenant, LIST, &cursor)).transpose()?;
    let page = member.store.inbox(ConversationStatus::Open, paging.limit, after.as_deref()).await?;
    let now = api.clock.now();
    Ok(Json(List {
        items: page.items.into_iter().map(|conversation| ConversationView::new(conversation, now)).collect(),
        next_cursor: page.next.map(|position| api.cursor_key.seal(tenant, LIST, &position)),
    }))
}

/// One conversation
#[utoipa::path(
    get, path = "/conversations/{id}", params(ConversationPath),
    responses((status = 200, description = "The conversation", body = ConversationView, headers(("ETag" = String))))
)]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    member: Member,
    ConversationPath(id): ConversationPath,
) -> Result<Tagged<ConversationView>, ApiError> {
    let conversation = member.store.conversation(id).await?.ok_or_else(|| ApiError::not_found("conversation"))?;
    let (id, identities, version) = (conversation.contact_id, conversation.contact.clone(), conversation.rev);
    let mut view = ConversationView::new(conversation, api.clock.now());
    let mut choice = Vec::new();
    if let Some(contact) = member.store.contact(id).await? {
        view.contact = ContactView::whole(id, identities, &contact);
        choice = candidates(&member.store, &contact.link).await?;
    }
    view.customer_candidates = Some(choice);
    Ok(Tagged(version, view))
}
