//! The inbox.

use crate::Api;
use crate::auth::{Member, Writer};
use crate::customers::{CandidateView, candidates};
use crate::error::ApiError;
use crate::extract::{ConversationPath, JsonBody, Object, Paging, given};
use crate::version::{IfMatch, Tagged};
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use recado_domain::contact::Identities;
use recado_domain::email::Email;
use recado_domain::ids::{Bsuid, ContactId, ConversationId, CustomerId, JobId, MessageId, PhoneNumberId, UserId, WaId};
use recado_domain::label::{Label, MAX_LABELS};
use recado_domain::message::Direction;
use recado_domain::personal::Personal;
use recado_domain::preference::{Preference, PreferenceSource};
use recado_domain::search::Term;
use recado_domain::window;
use recado_store::{ChangedConversation, Contact, Conversation, ConversationChange, ConversationStatus, Listing};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

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
    labels: Vec<Label>,
    /// The advertisement that brought the customer, as Meta described it.
    #[schema(value_type = Option<Object>)]
    referral: Option<Value>,
    active_job_id: Option<JobId>,
    snoozed_until: Option<Timestamp>,
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
            labels: conversation.labels,
            referral: conversation.referral.map(|referred| referred.ad.into_inner()),
            active_job_id: conversation.active_job_id,
            snoozed_until: conversation.snoozed_until,
            created_at: conversation.created_at,
            updated_at: conversation.updated_at,
        }
    }
}

/// Which conversations a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Filter {
    /// The open and the closed ones.
    All,
    /// Those with unread messages, whoever has waited longest first; no spam.
    Unread,
    /// The open and the closed ones to which anything may be written now.
    Window,
    Open,
    Closed,
    Archived,
    /// The open ones that the caller looks after.
    Mine,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Which conversations; the open ones, if nothing is named. `all` and `window` are open and closed ones, `unread`
    /// all but spam, whoever has waited longest first. A page of `window`, `mine` and `assignedTo` looks at a few
    /// hundred, and may so be short without being the last one.
    #[param(inline)]
    filter: Option<Filter>,
    /// Only those in this status.
    #[param(inline)]
    status: Option<ConversationStatus>,
    /// Only those that this person looks after.
    assigned_to: Option<UserId>,
    /// Only those whose contact has a name with a word that begins like this, or a phone with these digits in it;
    /// unless something else says so, of any status but spam. At least two letters, or three digits.
    #[param(value_type = Option<String>, example = "lucía")]
    search: Option<Personal<String>>,
}

/// A list as it was asked for.
struct Asked {
    /// What names it, for its cursors.
    name: String,
    is_unread: bool,
    search: Option<Term>,
    listing: Listing,
}

impl Asked {
    /// Whether a conversation that was found in another way belongs to it.
    fn has(&self, found: &Conversation) -> bool {
        let Listing { statuses, window_open_at, assigned_to } = &self.listing;
        statuses.contains(&found.status)
            && (!self.is_unread || found.unread_count > 0)
            && window_open_at.is_none_or(|now| window::is_open(found.window_expires_at, now))
            && (assigned_to.is_none() || found.assigned_to_id == *assigned_to)
    }
}

impl ListQuery {
    fn read(self, caller: &UserId, now: Timestamp) -> Result<Asked, ApiError> {
        use ConversationStatus::{Archived, Closed, Open};
        let Self { filter, status, assigned_to, search } = self;
        let search = search.map(|typed| Term::parse(typed.expose())).transpose();
        let search = search.map_err(|error| ApiError::invalid("search", error))?;
        if status.is_some() && matches!(filter, Some(Filter::All | Filter::Open | Filter::Closed | Filter::Archived)) {
            return Err(ApiError::invalid("status", "cannot be combined with this filter"));
        }
        if assigned_to.is_some() && filter == Some(Filter::Mine) {
            return Err(ApiError::invalid("assignedTo", "cannot be combined with this filter"));
        }
        let statuses = match (filter, status) {
            (_, Some(status)) => vec![status],
            (Some(Filter::All | Filter::Window), None) => vec![Open, Closed],
            (Some(Filter::Unread), None) => vec![Open, Closed, Archived],
            (Some(Filter::Closed), None) => vec![Closed],
            (Some(Filter::Archived), None) => vec![Archived],
            (None, None) if search.is_some() => vec![Open, Closed, Archived],
            (Some(Filter::Open | Filter::Mine) | None, None) => vec![Open],
        };
        let assigned_to = if filter == Some(Filter::Mine) { Some(caller.clone()) } else { assigned_to };
        let whose = assigned_to.as_ref().map_or("", UserId::as_str);
        let (is_window, is_unread) = (filter == Some(Filter::Window), filter == Some(Filter::Unread));
        let searched = search.as_ref().map(Term::key);
        let name = format!("conversations/{statuses:?}/{is_window}/{is_unread}/{whose}/{searched:?}");
        let listing = Listing { statuses, window_open_at: is_window.then_some(now), assigned_to };
        Ok(Asked { name, is_unread, search, listing })
    }
}

/// The conversations, the one with the newest message first
#[utoipa::path(
    get, path = "/conversations", params(Paging<ListQuery>),
    responses((status = 200, description = "A page of conversations", body = List<ConversationView>))
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    member: Member,
    paging: Paging<ListQuery>,
) -> Result<Json<List<ConversationView>>, ApiError> {
    let (tenant, now) = (member.membership.tenant(), api.clock.now());
    let asked = paging.filter.read(member.membership.user(), now)?;
    let after = paging.cursor.map(|cursor| api.cursor_key.open(tenant, &asked.name, &cursor)).transpose()?;
    let (limit, after) = (paging.limit, after.as_deref());
    let page = match &asked.search {
        Some(term) => member.store.search(term, |found| asked.has(found), limit, after).await?,
        None if asked.is_unread => member.store.unread(|found| asked.has(found), limit, after).await?,
        None => member.store.conversations(&asked.listing, limit, after).await?,
    };
    Ok(Json(List {
        items: page.items.into_iter().map(|conversation| ConversationView::new(conversation, now)).collect(),
        next_cursor: page.next.map(|position| api.cursor_key.seal(tenant, &asked.name, &position)),
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
    whole(&api, &member, conversation).await
}

/// A conversation with what is kept of its contact, and the version that a change of it names.
pub(crate) async fn whole(
    api: &Api,
    member: &Member,
    conversation: Conversation,
) -> Result<Tagged<ConversationView>, ApiError> {
    let (id, identities, version) = (conversation.contact_id, conversation.contact.clone(), conversation.edits);
    let mut view = ConversationView::new(conversation, api.clock.now());
    let mut choice = Vec::new();
    if let Some(contact) = member.store.contact(id).await? {
        view.contact = ContactView::whole(id, identities, &contact);
        choice = candidates(&member.store, &contact.link).await?;
    }
    view.customer_candidates = Some(choice);
    Ok(Tagged(version, view))
}

/// A conversation to be changed. What is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ChangeConversationRequest, example = json!({"assignedToId": null, "read": null}))]
pub(crate) struct ChangeRequest {
    status: Option<ConversationStatus>,
    /// Who looks after it; `null` is nobody.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<UserId>)]
    assigned_to_id: Option<Option<UserId>>,
    /// All that it is to have.
    #[schema(value_type = Option<BTreeSet<Label>>, max_items = 10)]
    labels: Option<Vec<Label>>,
    /// Which customer the contact is; `null` says that they are none. It shows in all their conversations.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<CustomerId>)]
    customer_id: Option<Option<CustomerId>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<JobId>)]
    active_job_id: Option<Option<JobId>>,
    /// For those who want to look at it later; it is kept, and nothing else happens then.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Timestamp>)]
    snoozed_until: Option<Option<Timestamp>>,
    /// How far it was read; `null` makes what the customer wrote last unread again.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<ReadRequest>)]
    read: Option<Option<Object<ReadRequest>>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReadRequest {
    /// The last message that was seen. What came after it stays unread.
    up_to: MessageId,
}

impl ChangeRequest {
    fn read(self) -> Result<ConversationChange, ApiError> {
        if let Some(labels) = &self.labels {
            if labels.len() > MAX_LABELS {
                return Err(ApiError::invalid("labels", format!("must name at most {MAX_LABELS}")));
            }
            let mut seen = BTreeSet::new();
            if let Some(place) = labels.iter().position(|label| !seen.insert(label)) {
                return Err(ApiError::invalid(&format!("labels[{place}]"), "is named twice"));
            }
        }
        Ok(ConversationChange {
            status: self.status,
            assigned_to_id: self.assigned_to_id,
            labels: self.labels,
            customer_id: self.customer_id,
            active_job_id: self.active_job_id,
            snoozed_until: self.snoozed_until,
            read_up_to: self.read.map(|read| read.map(|Object(read)| read.up_to)),
        })
    }
}

/// Changes what is named of a conversation, all or nothing
///
/// Its `ETag` is the version of what people change: a customer's message, which opens a closed conversation, gives
/// it no other one, nor does reading.
#[utoipa::path(
    patch, path = "/conversations/{id}", params(ConversationPath, IfMatch), request_body = ChangeRequest,
    responses(
        (status = 200, description = "The conversation as it is now", body = ConversationView, headers(("ETag" = String))),
    )
)]
pub(crate) async fn change(
    State(api): State<Arc<Api>>,
    Writer(member): Writer,
    ConversationPath(id): ConversationPath,
    IfMatch(version): IfMatch,
    JsonBody(request): JsonBody<ChangeRequest>,
) -> Result<Tagged<ConversationView>, ApiError> {
    let (change, by) = (request.read()?, member.membership.user());
    match member.store.change_conversation(id, &change, version, by, api.clock.now()).await? {
        ChangedConversation::Done(conversation) => whole(&api, &member, *conversation).await,
        ChangedConversation::Stale => Err(ApiError::changed()),
        ChangedConversation::NoConversation => Err(ApiError::not_found("conversation")),
        ChangedConversation::NoMessage => Err(ApiError::not_found("message in this conversation")),
        ChangedConversation::NoCustomer => Err(ApiError::not_found("customer")),
        ChangedConversation::NoAgent => Err(ApiError::not_found("agent")),
    }
}
