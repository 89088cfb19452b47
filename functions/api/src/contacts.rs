//! A single contact: who they are, and which customer.

use crate::Api;
use crate::auth::{Member, Writer};
use crate::conversations::ContactView;
use crate::customers::{CandidateView, candidates};
use crate::error::ApiError;
use crate::extract::{ContactPath, JsonBody, given};
use axum::Json;
use axum::extract::State;
use recado_domain::email::Email;
use recado_domain::ids::CustomerId;
use recado_store::{ChangedContact, Contact, ContactChange, TenantStore};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A contact to be changed. What is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ChangeContactRequest)]
pub(crate) struct ChangeRequest {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Email>)]
    email: Option<Option<Email>>,
    /// `null` says that they are no customer.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<CustomerId>)]
    customer_id: Option<Option<CustomerId>>,
}

/// A contact and the customer that it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WholeContactView {
    #[serde(flatten)]
    contact: ContactView,
    customer_id: Option<CustomerId>,
    customer_candidates: Vec<CandidateView>,
}

impl WholeContactView {
    async fn new(store: &TenantStore, contact: Contact) -> Result<Self, ApiError> {
        Ok(Self {
            customer_id: contact.link.id,
            customer_candidates: candidates(store, &contact.link).await?,
            contact: ContactView::whole(contact.id, contact.identities.clone(), &contact),
        })
    }
}

/// One contact
#[utoipa::path(
    get, path = "/contacts/{id}", params(ContactPath),
    responses((status = 200, description = "The contact", body = WholeContactView))
)]
pub(crate) async fn show(member: Member, ContactPath(id): ContactPath) -> Result<Json<WholeContactView>, ApiError> {
    let contact = member.store.contact(id).await?.ok_or_else(|| ApiError::not_found("contact"))?;
    Ok(Json(WholeContactView::new(&member.store, contact).await?))
}

/// Keeps a contact's e-mail address, or what a person says about the customer
///
/// What a person says, no match changes.
#[utoipa::path(
    patch, path = "/contacts/{id}", params(ContactPath), request_body = ChangeRequest,
    responses((status = 200, description = "The contact as it is now", body = WholeContactView))
)]
pub(crate) async fn change(
    State(api): State<Arc<Api>>,
    Writer(member): Writer,
    ContactPath(id): ContactPath,
    JsonBody(request): JsonBody<ChangeRequest>,
) -> Result<Json<WholeContactView>, ApiError> {
    let change = ContactChange { email: request.email, customer: request.customer_id };
    match member.store.change_contact(id, &change, api.clock.now()).await? {
        ChangedContact::Done(contact) => Ok(Json(WholeContactView::new(&member.store, *contact).await?)),
        ChangedContact::NoContact => Err(ApiError::not_found("contact")),
        ChangedContact::NoCustomer => Err(ApiError::not_found("customer")),
    }
}
