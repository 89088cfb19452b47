//! Where a tenant stands on the way to its first message: for a guide of five steps, and in one word.

use crate::Api;
use crate::auth::{Admin, Member};
use crate::error::ApiError;
use crate::operations::BASE;
use crate::trial::PERMISSIONS;
use axum::Json;
use axum::extract::State;
use recado_domain::connection::{Check, Found, Trial};
use recado_domain::ids::AppKey;
use recado_store::{NumberStatus, TenantNumber, TenantStore};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What an app has to subscribe to for the webhooks that the hub applies.
const WEBHOOK_FIELDS: [&str; 13] = [
    "messages",
    "message_template_status_update",
    "message_template_quality_update",
    "message_template_components_update",
    "template_category_update",
    "phone_number_quality_update",
    "phone_number_name_update",
    "account_update",
    "account_alerts",
    "account_review_update",
    "business_capability_update",
    "security",
    "user_preferences",
];

/// The five steps, and what is needed for them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GuideView {
    steps: Vec<StepView>,
    webhook: WebhookView,
    /// What the token has to be good for.
    #[schema(example = json!(["whatsapp_business_messaging", "whatsapp_business_management"]))]
    permissions: Vec<&'static str>,
}

/// One step.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepView {
    #[schema(minimum = 1, maximum = 5)]
    number: u8,
    step: Step,
    /// Whether it is known to be done.
    done: bool,
    /// Where at Meta it is done, or in the hub.
    #[schema(example = "https://business.facebook.com/")]
    url: String,
}

/// What has to be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Step {
    /// The business has a Meta business portfolio.
    MetaBusinessAccount,
    /// It has a WhatsApp Business account in it.
    WhatsappBusinessAccount,
    /// The account has a number.
    PhoneNumber,
    /// A system user has a permanent token with the permissions.
    SystemUserToken,
    /// The credentials are entered here, and the connection works.
    Credentials,
}

/// Where Meta sends what happens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookView {
    /// The callback URL of the app, to be entered at Meta.
    #[schema(example = "https://hub.example/api/whatsapp/webhook")]
    url: String,
    /// The verify token to be entered with it, if the hub made it up for an app of the tenant's own. The
    /// deployment's own app is set up by those who run the deployment.
    #[schema(example = json!(null))]
    verify_token: Option<String>,
    /// What the app has to subscribe to.
    #[schema(example = json!(["messages"]))]
    fields: Vec<&'static str>,
}

/// The state of a tenant's connection, in short.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionView {
    /// Whether there is a number. Without one, messages can only be written by hand, through `wa.me` links.
    configured: bool,
    state: ConnectionState,
    /// The first number, as people write it.
    #[schema(example = "+54 9 11 5000-1234")]
    phone_number: Option<String>,
    /// What is wrong.
    #[schema(example = json!(null))]
    error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ConnectionState {
    Connected,
    NotConfigured,
    Error,
}

/// Where an app's webhooks are taken.
pub(crate) fn webhook_url(api: &Api, app: &AppKey) -> String {
    let home = format!("{}{BASE}/webhook", api.public_url.trim_end_matches('/'));
    match app.as_str() {
        "default" => home,
        other => format!("{home}/{other}"),
    }
}

/// What a guide through connecting a number shows
///
/// For administrators of the tenant: the five steps with what is known to be done, the webhook's URL and fields,
/// and what the token must be good for.
#[utoipa::path(get, path = "/config/guide", responses((status = 200, description = "The guide", body = GuideView)))]
pub(crate) async fn show(State(api): State<Arc<Api>>, Admin(member): Admin) -> Result<Json<GuideView>, ApiError> {
    let numbers = member.store.connected_numbers().await?;
    let trials = || numbers.iter().filter_map(|kept| kept.trial.as_ref());
    let passed = |trial: &Trial, check| trial.found(check) == Some(Found::Passed);
    let is_listed = !numbers.is_empty();
    let has_token = trials().any(|trial| passed(trial, Check::Token) && passed(trial, Check::Permissions));
    let works = trials().any(|trial| trial.trouble().is_none());
    let here = format!("{}{BASE}/config", api.public_url.trim_end_matches('/'));
    let steps = [
        (Step::MetaBusinessAccount, is_listed, "https://business.facebook.com/"),
        (Step::WhatsappBusinessAccount, is_listed, "https://business.facebook.com/latest/whatsapp_manager/"),
        (Step::PhoneNumber, is_listed, "https://business.facebook.com/latest/whatsapp_manager/phone_numbers"),
        (Step::SystemUserToken, has_token, "https://business.facebook.com/latest/settings/system_users"),
        (Step::Credentials, works, &here),
    ];
    let steps =
        (1_u8..).zip(steps).map(|(number, (step, done, url))| StepView { number, step, done, url: url.to_owned() });
    Ok(Json(GuideView {
        steps: steps.collect(),
        webhook: webhook(&api, &member.store).await?,
        permissions: PERMISSIONS.to_vec(),
    }))
}

/// Of the tenant's own app if it has one, otherwise of the deployment's.
async fn webhook(api: &Api, store: &TenantStore) -> Result<WebhookView, ApiError> {
    let fields = WEBHOOK_FIELDS.to_vec();
    match store.apps().await?.into_iter().next() {
        Some(own) => Ok(WebhookView {
            url: webhook_url(api, &own.app),
            verify_token: crate::apps::shown_verify_token(api, &own).await?,
            fields,
        }),
        None => {
            let default = AppKey::parse("default").expect("it is a valid app key");
            Ok(WebhookView { url: webhook_url(api, &default), verify_token: None, fields })
        }
    }
}

/// Whether the tenant is connected to Meta
#[utoipa::path(get, path = "/status", responses((status = 200, description = "In short", body = ConnectionView)))]
pub(crate) async fn status(State(api): State<Arc<Api>>, member: Member) -> Result<Json<ConnectionView>, ApiError> {
    let numbers = member.store.connected_numbers().await?;
    let mut error = None;
    for kept in &numbers {
        if error.is_none() {
            error = trouble(&api, &member.store, kept).await?;
        }
    }
    let state = match (&error, numbers.is_empty()) {
        (_, true) => ConnectionState::NotConfigured,
        (Some(_), false) => ConnectionState::Error,
        (None, false) => ConnectionState::Connected,
    };
    let phone_number = numbers.first().and_then(|kept| kept.number.display_phone_number.clone());
    Ok(Json(ConnectionView { configured: !numbers.is_empty(), state, phone_number, error }))
}

/// What keeps a number from working, as far as is known without asking Meta.
async fn trouble(api: &Api, store: &TenantStore, kept: &TenantNumber) -> Result<Option<String>, ApiError> {
    Ok(match store.status_of(&kept.number, api.clock.now()).await? {
        NumberStatus::Active => {
            kept.trial.as_ref().and_then(Trial::trouble).and_then(|finding| finding.message.clone())
        }
        NumberStatus::Pending | NumberStatus::Verifying => Some("The number is not connected yet".to_owned()),
        NumberStatus::Suspended => Some("Meta has suspended the account or refuses its token".to_owned()),
        NumberStatus::Disconnected => Some("Meta has cut the account's link to the hub".to_owned()),
    })
}
