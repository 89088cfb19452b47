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

/// Whoever asks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MeView {
    tenant_id: TenantId,
    email: String,
    #[serde(flatten)]
    user: UserView,
}

/// A person of the tenant, as the others see them.
#[derive(Serialize)]
pub(crate) struct UserView {
    id: UserId,
    name: String,
    role: Role,
    online: bool,
}

#[derive(Debug, Deserialize)]
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

/// `GET /me`.
pub(crate) async fn me(member: Member) -> Result<Json<MeView>, ApiError> {
    let online = member.store.is_online(member.membership.user()).await?;
    Ok(Json(MeView::new(&member.membership, online)))
}

/// `PATCH /me`: whether one is there to be given conversations.
pub(crate) async fn change_me(
    Writer(member): Writer,
    JsonBody(request): JsonBody<ChangeMeRequest>,
) -> Result<Json<MeView>, ApiError> {
    member.store.set_online(&member.membership, request.online).await?;
    Ok(Json(MeView::new(&member.membership, request.online)))
}

/// `GET /users`: everybody who belongs to the tenant, in one page.
pub(crate) async fn list(member: Member) -> Result<Json<List<UserView>>, ApiError> {
    let members = member.store.members().await?;
    let items = members.iter().map(|member| UserView::new(&member.membership, member.online)).collect();
    Ok(Json(List { items, next_cursor: None }))
}
