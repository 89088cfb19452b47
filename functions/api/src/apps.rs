//! A tenant's own Meta apps, for businesses that do not receive by the deployment's.
//!
//! Their secrets go into Secrets Manager and never come out; the webhook knows a new one at the first event that
//! it signed, or a minute later, without a deployment. During a rotation the secret before it is accepted too,
//! until somebody says that it is over.

use crate::Api;
use crate::auth::Admin;
use crate::conversations::List;
use crate::error::ApiError;
use crate::extract::{AppPath, app_secret, maybe_app_secret};
use crate::guide::webhook_url;
use crate::once::{Asked, OnceBody};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use recado_domain::ids::{AppKey, TenantId};
use recado_platform::apps::AppDocument;
use recado_store::{Once, RemovedApp, TenantApp, TenantStore};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What verify tokens begin with that the hub made up, and that therefore may be shown.
const MADE_UP: &str = "recado-";

/// An app of the tenant's own. Its secret is not shown.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppView {
    /// Meta's id of it.
    #[schema(example = "670123456789")]
    id: String,
    /// What it is called in the webhook's path.
    app: AppKey,
    /// The callback URL to be entered at Meta.
    #[schema(example = "https://hub.example/api/whatsapp/webhook/tnt_01KA6Y3JWQ8Z5T7N4X2M9B1C0D.670123456789")]
    webhook_url: String,
    /// The verify token to be entered with it, if the hub made it up. One of the tenant's own choice is not shown.
    #[schema(example = "recado-Zk3xVwT9")]
    verify_token: Option<String>,
    /// That there is a secret; which one, nobody is told.
    #[schema(example = "********")]
    app_secret: &'static str,
    /// When the secret was told last.
    secret_set_at: Timestamp,
    /// Whether the secret before it is still accepted.
    is_rotating: bool,
}

/// An app to receive by.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = AddAppRequest)]
pub(crate) struct AddRequest {
    /// Meta's id of it.
    #[schema(pattern = "^[0-9]{1,32}$", example = "670123456789")]
    id: String,
    #[serde(deserialize_with = "app_secret")]
    #[schema(value_type = String, write_only, min_length = 1, max_length = 128, pattern = "^[!-~]+$", example = "0123456789abcdef0123456789abcdef")]
    app_secret: SecretString,
    /// What Meta is to show when it asks whether the webhook is meant; if it is left out, the hub makes one up.
    #[serde(default, deserialize_with = "maybe_app_secret")]
    #[schema(value_type = Option<String>, write_only, min_length = 1, max_length = 128, pattern = "^[!-~]+$", example = json!(null))]
    verify_token: Option<SecretString>,
}

/// The secret that an app has from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RotateRequest {
    #[serde(deserialize_with = "app_secret")]
    #[schema(value_type = String, write_only, min_length = 1, max_length = 128, pattern = "^[!-~]+$", example = "fedcba9876543210fedcba9876543210")]
    app_secret: SecretString,
}

/// An app that was removed.
#[derive(Serialize, ToSchema)]
pub(crate) struct RemovedView {
    #[schema(example = "670123456789")]
    id: String,
}

/// An app's verify token, if the hub made it up.
pub(crate) async fn shown_verify_token(api: &Api, app: &TenantApp) -> Result<Option<String>, ApiError> {
    let known = api.apps.find(&app.app).await?;
    let token = known.map(|known| known.verify_token.expose_secret().to_owned());
    Ok(token.filter(|token| token.starts_with(MADE_UP)))
}

async fn view(api: &Api, app: TenantApp) -> Result<AppView, ApiError> {
    Ok(AppView {
        verify_token: shown_verify_token(api, &app).await?,
        webhook_url: webhook_url(api, &app.app),
        id: app.meta_id,
        app: app.app,
        app_secret: "********",
        secret_set_at: app.secret_set_at,
        is_rotating: app.is_rotating,
    })
}

/// The tenant's own apps, in one page
#[utoipa::path(get, path = "/config/apps", responses((status = 200, description = "The apps", body = List<AppView>)))]
pub(crate) async fn list(State(api): State<Arc<Api>>, Admin(member): Admin) -> Result<Json<List<AppView>>, ApiError> {
    let mut items = Vec::new();
    for app in member.store.apps().await? {
        items.push(view(&api, app).await?);
    }
    Ok(Json(List { items, next_cursor: None }))
}

/// Registers an app of the tenant's own
///
/// For administrators of the tenant. Its webhooks are taken at an address of its own. Numbers receive by it once
/// they are connected with its id.
#[utoipa::path(
    post, path = "/config/apps", request_body = AddRequest,
    responses(
        (status = 201, description = "The app", body = AppView),
        (status = 409, description = "`APP_EXISTS`: id: this app is registered already; rotate its secret instead\n\
            `TOO_MANY_APPS`: a tenant has at most 5 apps"),
    )
)]
pub(crate) async fn add(
    State(api): State<Arc<Api>>,
    Admin(member): Admin,
    OnceBody { body: request, asked }: OnceBody<AddRequest>,
) -> Result<(StatusCode, Json<AppView>), ApiError> {
    let store = &member.store;
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => {
            let app = known(store, &effect.read::<String>()?).await?;
            return Ok((StatusCode::CREATED, Json(view(&api, app).await?)));
        }
    };
    let key = AppKey::of_tenant(store.tenant(), &request.id).map_err(|error| ApiError::invalid("id", error))?;
    if store.app(&key).await?.is_some() {
        let message = "id: this app is registered already; rotate its secret instead";
        return Err(ApiError::conflict("APP_EXISTS", message));
    }
    if request.verify_token.as_ref().is_some_and(|token| token.expose_secret().starts_with(MADE_UP)) {
        return Err(ApiError::invalid("verifyToken", format!("must not begin with `{MADE_UP}`")));
    }
    // The secret first: what is listed is complete. If this ends in between, asking again goes on.
    let verify_token = request.verify_token.unwrap_or_else(made_up);
    let document = AppDocument { current: request.app_secret, previous: None, verify_token };
    api.apps.change(&key, |_| Some(document.clone())).await?;
    let app = TenantApp::new(key.clone(), request.id, api.clock.now());
    store.add_app_once(&app, once.as_ref()).await?;
    tracing::info!(tenant = %store.tenant(), app = key.as_str(), "an app was registered");
    let app = store.app(&key).await?.unwrap_or(app);
    Ok((StatusCode::CREATED, Json(view(&api, app).await?)))
}

fn made_up() -> SecretString {
    format!("{MADE_UP}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())).into()
}

/// The tenant's app of this id.
async fn known(store: &TenantStore, id: &str) -> Result<TenantApp, ApiError> {
    let none = || ApiError::not_found("app");
    store.app(&key_of(store.tenant(), id)?).await?.ok_or_else(none)
}

fn key_of(tenant: TenantId, id: &str) -> Result<AppKey, ApiError> {
    AppKey::of_tenant(tenant, id).map_err(|_| ApiError::not_found("app"))
}

/// Gives an app another secret
///
/// For administrators of the tenant, when the secret was changed at Meta, or is about to be. The one before it is
/// accepted too, until the rotation is ended.
#[utoipa::path(
    post, path = "/config/apps/{id}/secret", params(AppPath), request_body = RotateRequest,
    responses((status = 200, description = "The app", body = AppView))
)]
pub(crate) async fn rotate(
    State(api): State<Arc<Api>>,
    Admin(member): Admin,
    AppPath(id): AppPath,
    OnceBody { body: request, asked }: OnceBody<RotateRequest>,
) -> Result<Json<AppView>, ApiError> {
    let app = known(&member.store, &id).await?;
    if let Asked::Anew(once) = asked {
        let kept = api.apps.change(&app.app, |known| Some(rotated(known, &request.app_secret))).await?;
        let is_rotating = kept.is_some_and(|kept| kept.previous.is_some());
        note(&member.store, &app, api.clock.now(), is_rotating, once.as_ref()).await?;
    }
    let app = known(&member.store, &id).await?;
    Ok(Json(view(&api, app).await?))
}

/// The secret that an app had becomes the previous one. The same secret again changes nothing.
fn rotated(known: Option<AppDocument>, new: &SecretString) -> AppDocument {
    match known {
        Some(known) if known.current.expose_secret() == new.expose_secret() => known,
        Some(known) => AppDocument { previous: Some(known.current), current: new.clone(), ..known },
        None => AppDocument { current: new.clone(), previous: None, verify_token: made_up() },
    }
}

/// Ends a rotation: only the current secret is accepted from now on
///
/// For administrators of the tenant. Events that the previous secret signed are refused after five minutes at most.
#[utoipa::path(
    delete, path = "/config/apps/{id}/previous-secret", params(AppPath),
    responses((status = 200, description = "The app", body = AppView))
)]
pub(crate) async fn settle(
    State(api): State<Arc<Api>>,
    Admin(member): Admin,
    AppPath(id): AppPath,
) -> Result<Json<AppView>, ApiError> {
    let app = known(&member.store, &id).await?;
    api.apps.change(&app.app, |known| known.map(|known| AppDocument { previous: None, ..known })).await?;
    note(&member.store, &app, app.secret_set_at, false, None).await?;
    let app = known(&member.store, &id).await?;
    Ok(Json(view(&api, app).await?))
}

async fn note(
    store: &TenantStore,
    app: &TenantApp,
    set_at: Timestamp,
    is_rotating: bool,
    once: Option<&Once>,
) -> Result<(), ApiError> {
    store.note_secret_once(app, set_at, is_rotating, once).await?;
    tracing::info!(tenant = %store.tenant(), app = app.app.as_str(), is_rotating, "an app's secret was changed");
    Ok(())
}

/// Removes an app by which no number receives
///
/// For administrators of the tenant. Its webhooks are refused after five minutes at most.
#[utoipa::path(
    delete, path = "/config/apps/{id}", params(AppPath),
    responses(
        (status = 200, description = "It is removed", body = RemovedView),
        (status = 409, description = "`APP_IN_USE`: a number receives by this app"),
    )
)]
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    Admin(member): Admin,
    AppPath(id): AppPath,
) -> Result<Json<RemovedView>, ApiError> {
    let key = key_of(member.store.tenant(), &id)?;
    let removed = member.store.remove_app(&key).await?;
    if removed == RemovedApp::InUse {
        return Err(ApiError::conflict("APP_IN_USE", "a number receives by this app"));
    }
    // Also if it is not listed any more: perhaps this ended in between the last time.
    api.apps.change(&key, |_| None).await?;
    match removed {
        RemovedApp::Done => Ok(Json(RemovedView { id })),
        RemovedApp::None | RemovedApp::InUse => Err(ApiError::not_found("app")),
    }
}
