//! The tenant's people: oneself, and those to whom a conversation can be given; letting them in and go.

use crate::Api;
use crate::auth::{Admin, Member, Writer};
use crate::conversations::List;
use crate::error::ApiError;
use crate::extract::{JsonBody, Paging, UserPath, checked_name};
use crate::once::{Asked, OnceBody};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use recado_domain::email::Email;
use recado_domain::ids::{TenantId, UserId};
use recado_domain::personal::Personal;
use recado_domain::tenant::Role;
use recado_store::{Admitted, Dismissed, Here, Membership, NewMember, RoleGiven};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// How many characters a person's name has at most.
const MAX_NAME: usize = 100;

/// As many characters as Cognito allows in what people sign in with.
const MAX_EMAIL: usize = 128;

/// Whoever asks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MeView {
    tenant_id: TenantId,
    #[serde(flatten)]
    user: UserView,
}

/// A person of the tenant. Of an API key that asks who it is: its id, name and role.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserView {
    id: UserId,
    #[schema(example = "Ana Lucero")]
    name: String,
    /// With what they sign in; told to themselves and to administrators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "ana@lucero.example")]
    email: Option<String>,
    role: Role,
    online: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeMeRequest {
    online: bool,
}

/// A person to be let in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InviteUserRequest, example = json!({"role": "agent"}))]
pub(crate) struct InviteRequest {
    /// With what they sign in; at most 128 characters.
    email: Email,
    /// The name they write under.
    #[schema(value_type = String, min_length = 1, max_length = 100, example = "Lucía Gómez",
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$")]
    name: Personal<String>,
    role: Role,
}

/// What a person may do from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangeUserRequest, example = json!({"role": "viewer"}))]
pub(crate) struct ChangeRequest {
    role: Role,
}

impl UserView {
    /// As the others see them.
    fn new(membership: &Membership, online: bool) -> Self {
        let name = membership.name().expose().clone();
        Self { id: membership.user().clone(), name, email: None, role: membership.role(), online }
    }

    /// As they see themselves, and as administrators do.
    fn whole(membership: &Membership, online: bool) -> Self {
        let email = Some(membership.email().expose().clone()).filter(|email| !email.is_empty());
        Self { email, ..Self::new(membership, online) }
    }
}

impl MeView {
    fn new(membership: &Membership, online: bool) -> Self {
        Self { tenant_id: membership.tenant(), user: UserView::whole(membership, online) }
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
    let person = member.person()?;
    match member.store.set_online(person, request.online).await? {
        Here::Kept => Ok(Json(MeView::new(person, request.online))),
        Here::NotAMember => Err(ApiError::forbidden("You are not a member of this tenant")),
    }
}

/// Everybody who belongs to the tenant
#[utoipa::path(
    get, path = "/users", params(Paging),
    responses((status = 200, description = "A page of the people", body = List<UserView>))
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    member: Member,
    paging: Paging,
) -> Result<Json<List<UserView>>, ApiError> {
    const LIST: &str = "users";
    let tenant = member.membership.tenant();
    let after = paging.cursor.map(|cursor| api.cursor_key.open(tenant, LIST, &cursor)).transpose()?;
    let page = member.store.members_page(paging.limit, after.as_deref()).await?;
    let view = match member.membership.role() {
        Role::Admin => UserView::whole,
        Role::Agent | Role::Viewer => UserView::new,
    };
    Ok(Json(List {
        items: page.items.iter().map(|listed| view(&listed.membership, listed.online)).collect(),
        next_cursor: page.next.map(|position| api.cursor_key.seal(tenant, LIST, &position)),
    }))
}

/// Lets a person in
///
/// Somebody who has never signed in anywhere is sent a temporary password. Somebody who signs in already, because
/// of another tenant, belongs to this one too from now on. Inviting the same person again changes nothing, except that
/// they are sent another temporary password if they let the first one lapse. The same request again after they were
/// let go is answered with 404: it lets nobody back in.
#[utoipa::path(
    post, path = "/users", request_body = InviteRequest,
    responses(
        (status = 201, description = "The person", body = UserView),
        (status = 404, description = "`NOT_FOUND`: There is no such user"),
        (status = 409, description = "`ALREADY_A_MEMBER`: role: they belong to the tenant, in another role"),
    )
)]
pub(crate) async fn invite(
    State(api): State<Arc<Api>>,
    Admin(member): Admin,
    OnceBody { body: request, asked }: OnceBody<InviteRequest>,
) -> Result<(StatusCode, Json<UserView>), ApiError> {
    let by = member.person()?;
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => return Ok((StatusCode::CREATED, Json(known(&member, &effect.read()?).await?))),
    };
    let InviteRequest { email, name, role } = request;
    if email.as_str().chars().count() > MAX_EMAIL {
        return Err(ApiError::invalid("email", format!("must have at most {MAX_EMAIL} characters")));
    }
    let name = checked_name(name, MAX_NAME)?;
    let user = api.user_pool.invite(&email, api.clock.now()).await?;
    let new = NewMember { user, role, email: Personal::new(email.as_str().to_owned()), name };
    match member.store.admit(by, &new, once.as_ref()).await? {
        Admitted::New(membership) => Ok((StatusCode::CREATED, Json(UserView::whole(&membership, false)))),
        Admitted::Existing(membership) if membership.role() == role => {
            if let Some(once) = &once {
                api.store.remember(once, membership.user()).await?;
            }
            Ok((StatusCode::CREATED, Json(known(&member, membership.user()).await?)))
        }
        Admitted::Existing(_) => {
            Err(ApiError::conflict("ALREADY_A_MEMBER", "role: they belong to the tenant, in another role"))
        }
        Admitted::NotAllowed => Err(ApiError::no_administrator()),
    }
}

async fn known(member: &Member, user: &UserId) -> Result<UserView, ApiError> {
    let membership = member.store.member(user).await?.ok_or_else(no_such_user)?;
    Ok(UserView::whole(&membership, member.store.is_online(user).await?))
}

fn no_such_user() -> ApiError {
    ApiError::not_found("user")
}

fn last_admin() -> ApiError {
    ApiError::conflict("LAST_ADMIN", "There must be another administrator first")
}

/// Gives a person another role
///
/// It holds for whatever they ask from now on.
#[utoipa::path(
    patch, path = "/users/{id}", params(UserPath), request_body = ChangeRequest,
    responses(
        (status = 200, description = "The person as they are now", body = UserView),
        (status = 409, description = "`LAST_ADMIN`: There must be another administrator first"),
    )
)]
pub(crate) async fn change(
    Admin(member): Admin,
    UserPath(user): UserPath,
    JsonBody(request): JsonBody<ChangeRequest>,
) -> Result<Json<UserView>, ApiError> {
    match member.store.give_role(member.person()?, &user, request.role).await? {
        RoleGiven::Done(membership) => {
            let online = member.store.is_online(&user).await?;
            Ok(Json(UserView::whole(&membership, online)))
        }
        RoleGiven::NotAMember => Err(no_such_user()),
        RoleGiven::LastAdmin => Err(last_admin()),
        RoleGiven::NotAllowed => Err(ApiError::no_administrator()),
    }
}

/// Lets a person go
///
/// Whatever they ask from now on is refused, though their access token may still be valid. What they wrote stays.
#[utoipa::path(
    delete, path = "/users/{id}", params(UserPath),
    responses(
        (status = 204, description = "They do not belong to the tenant any more"),
        (status = 409, description = "`LAST_ADMIN`: There must be another administrator first"),
    )
)]
pub(crate) async fn remove(Admin(member): Admin, UserPath(user): UserPath) -> Result<StatusCode, ApiError> {
    match member.store.dismiss(member.person()?, &user).await? {
        Dismissed::Done => Ok(StatusCode::NO_CONTENT),
        Dismissed::NotAMember => Err(no_such_user()),
        Dismissed::LastAdmin => Err(last_admin()),
        Dismissed::NotAllowed => Err(ApiError::no_administrator()),
    }
}
