//! The keys with which the tenant's own systems call this API.

use crate::Api;
use crate::auth::Admin;
use crate::conversations::List;
use crate::error::ApiError;
use crate::extract::{ApiKeyPath, Paging, checked_name};
use crate::once::{Asked, OnceBody};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use recado_domain::api_key::ApiKey;
use recado_domain::ids::{ApiKeyId, UserId};
use recado_domain::personal::Personal;
use recado_domain::tenant::Role;
use recado_store::{AddedKey, KnownKey, NewKey, RevokedKey};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// How many characters a key's name has at most.
const MAX_NAME: usize = 100;

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AddApiKeyRequest, example = json!({"role": "agent"}))]
pub(crate) struct AddRequest {
    /// What it is for. What is written with the key shows under this name.
    #[schema(value_type = String, min_length = 1, max_length = 100, example = "Sistema de turnos",
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$")]
    name: Personal<String>,
    /// What its holder may do.
    role: Role,
}

/// A key that the tenant has; not the key itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"role": "agent"}))]
pub(crate) struct ApiKeyView {
    id: ApiKeyId,
    #[schema(example = "Sistema de turnos")]
    name: String,
    role: Role,
    /// Who made it.
    created_by_id: UserId,
    created_at: Timestamp,
    /// When it was used, to the hour; null if it never was.
    last_used_at: Option<Timestamp>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewApiKeyView {
    #[serde(flatten)]
    known: ApiKeyView,
    /// The key itself, to be sent as `Authorization: Bearer …`. It is told this once; null if the same request came
    /// before.
    #[schema(example = "rk_01KA6Y3JWQ8Z5T7N4X2M9B1C0D01KA6Y3JWQ8Z5T7N4X2M9B1C0E_…")]
    key: Option<String>,
}

impl From<KnownKey> for ApiKeyView {
    fn from(known: KnownKey) -> Self {
        let KnownKey { id, name, role, created_by, created_at, last_used_at } = known;
        Self { id, name: name.into_inner(), role, created_by_id: created_by, created_at, last_used_at }
    }
}

fn no_such_key() -> ApiError {
    ApiError::not_found("API key")
}

/// The tenant's API keys, oldest first
///
/// For administrators. Keys that were revoked are gone.
#[utoipa::path(
    get, path = "/api-keys", params(Paging),
    responses((status = 200, description = "A page of the keys", body = List<ApiKeyView>))
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Admin(member): Admin,
    paging: Paging,
) -> Result<Json<List<ApiKeyView>>, ApiError> {
    const LIST: &str = "api-keys";
    let tenant = member.membership.tenant();
    let after = paging.cursor.map(|cursor| api.cursor_key.open(tenant, LIST, &cursor)).transpose()?;
    let page = member.store.api_keys(paging.limit, after.as_deref()).await?;
    Ok(Json(List {
        items: page.items.into_iter().map(ApiKeyView::from).collect(),
        next_cursor: page.next.map(|position| api.cursor_key.seal(tenant, LIST, &position)),
    }))
}

/// Makes an API key
///
/// For administrators who sign in. The key is told here and nowhere else: we keep only what recognises it. Whoever
/// lost the answer revokes the key and makes another one. The same request again after that is answered with 404.
#[utoipa::path(
    post, path = "/api-keys", request_body = AddRequest,
    responses(
        (status = 201, description = "The key", body = NewApiKeyView),
        (status = 404, description = "`NOT_FOUND`: There is no such API key"),
    )
)]
pub(crate) async fn add(
    State(api): State<Arc<Api>>,
    Admin(member): Admin,
    OnceBody { body: request, asked }: OnceBody<AddRequest>,
) -> Result<(StatusCode, Json<NewApiKeyView>), ApiError> {
    let by = member.person()?;
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => {
            let known = member.store.api_key(effect.read()?).await?.ok_or_else(no_such_key)?;
            return Ok((StatusCode::CREATED, Json(NewApiKeyView { known: known.into(), key: None })));
        }
    };
    let now = api.clock.now();
    let time = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let id = ApiKeyId::from_bits(ulid::Ulid::from_parts(time, rand::random()).into());
    let key = ApiKey::new(member.store.tenant(), id, rand::random());
    let new = NewKey { key, name: checked_name(request.name, MAX_NAME)?, role: request.role };
    match member.store.add_api_key(by, &new, once.as_ref(), now).await? {
        AddedKey::Done(known) => {
            let key = Some(new.key.expose());
            Ok((StatusCode::CREATED, Json(NewApiKeyView { known: known.into(), key })))
        }
        AddedKey::NotAllowed => Err(ApiError::no_administrator()),
    }
}

/// Revokes an API key
///
/// Whatever is asked with it from now on is refused.
#[utoipa::path(
    delete, path = "/api-keys/{id}", params(ApiKeyPath),
    responses((status = 204, description = "The key is good for nothing any more"))
)]
pub(crate) async fn revoke(Admin(member): Admin, ApiKeyPath(id): ApiKeyPath) -> Result<StatusCode, ApiError> {
    match member.store.revoke_api_key(id).await? {
        RevokedKey::Done => Ok(StatusCode::NO_CONTENT),
        RevokedKey::NoSuchKey => Err(no_such_key()),
    }
}
