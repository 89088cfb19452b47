//! The tenant's people: oneself, and those to whom a conversation can be given.

use crate::auth::{Member, Writer};
use crate::conversations::List;
use crate::error::ApiError;
use crate::extract::JsonBody;
use axum::Json;
use recado_domain::ids::{TenantId, UserId};
use recado_domain::tenant::Role;
use recado_store::Membership;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whoever asks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MeView {
    tenant_id: TenantId,
    #[schema(example = "ana@lucero.example")]
    email: String,
    #[serde(flatten)]
    user: UserView,
}

/// A person of the tenant, as the others see them.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserView {
    id: UserId,
    #[schema(example = "Ana Lucero")]
    name: String,
    role: Role,
    online: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeMeRequest {
    online: bool,
}

impl UserView {
    fn new(membership: &Membership, online: bool) -> Self {
        let name = membership.name().expose().clone();
        Self { id: membership.user().clone(), name, role: membership.role(), online }
    }
}

impl MeView {
    fn new(membership: &Membership, online: bool) -> Self {
        let email = membership.email().expose().clone();
        Self { tenant_id: membership.tenant(), email, user: UserView::new(membership, online) }
    }
}

/// Whoever asks
#[utoipa::path(get, path = "/me", responses((status = 200, description = "You", body = MeView)))]
pub(crate) async fn me(member: Member) -> Result<Json<MeView>, ApiError> {
    let online = member.store.is_online(member.membership.user()).await?;
    Ok(Json(MeView::new(&member.membership, online)))
}

/// Says whether one is there to be given conversations
#[utoipa::path(
    patch, path = "/me", request_body = ChangeMeRequest,
    responses((status = 200, description = "You, as you are now", body = MeView))
)]
pub(crate) async fn change_me(
    Writer(member): Writer,
    JsonBody(request): JsonBody<ChangeMeRequest>,
) -> Result<Json<MeView>, ApiError> {
    member.store.set_online(&member.membership, request.online).await?;
    Ok(Json(MeView::new(&member.membership, request.online)))
}

/// Everybody who belongs to the tenant, in one page
#[utoipa::path(get, path = "/users", responses((status = 200, description = "The people", body = List<UserView>)))]
pub(crate) async fn list(member: Member) -> Result<Json<List<UserView>>, ApiError> {
    let members = member.store.members().await?;
    let items = members.iter().map(|member| UserView::new(&member.membership, member.online)).collect();
    Ok(Json(List { items, next_cursor: None }))
}
