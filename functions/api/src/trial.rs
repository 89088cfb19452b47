//! Trying a number's connection: real calls to Graph, with the number's own token.

use crate::Api;
use crate::auth::Admin;
use crate::confirm::replay_what_waited;
use crate::error::ApiError;
use crate::guide::webhook_url;
use crate::once::{Asked, OnceBody};
use axum::Json;
use axum::extract::State;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use recado_domain::connection::{Check, Finding, Found, Trial};
use recado_domain::ids::{PhoneNumberId, TenantId};
use recado_platform::telemetry;
use recado_platform::vault::Purpose;
use recado_store::{Number, TenantNumber, TenantStore};
use recado_whatsapp::graph::manage::TokenInfo;
use recado_whatsapp::graph::{AppId, CallError};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// What a token has to be good for.
pub(crate) const PERMISSIONS: [&str; 2] = ["whatsapp_business_messaging", "whatsapp_business_management"];

/// A token that ends sooner is told of.
const NEAR_END: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long all calls of a trial may take; what is not known by then stays unknown.
const PATIENCE: Duration = Duration::from_secs(6);

/// How long subscribing to an account may take.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(3);

/// What was found when a number's connection was tried.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrialView {
    at: Timestamp,
    /// Whether everything is right.
    passed: bool,
    /// When the token ends; null if it does not, or nobody could tell.
    token_expires_at: Option<Timestamp>,
    /// In the order in which it has to be put right.
    findings: Vec<Finding>,
}

impl From<Trial> for TrialView {
    fn from(trial: Trial) -> Self {
        let passed = trial.trouble().is_none();
        let Trial { at, token_expires_at, findings } = trial;
        Self { at, passed, token_expires_at, findings }
    }
}

/// Which numbers are to be tried.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TestRequest {
    /// Only this one; otherwise all of the tenant's.
    #[serde(default)]
    #[schema(example = json!(null))]
    phone_number_id: Option<PhoneNumberId>,
}

/// What was found, in short and in whole.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestedView {
    /// Whether there is a number.
    configured: bool,
    /// The first number, as people write it.
    #[schema(example = "+54 9 11 5000-1234")]
    phone_number: Option<String>,
    /// What has to be put right first.
    #[schema(example = json!(null))]
    error: Option<String>,
    numbers: Vec<TestedNumberView>,
}

/// What was found of one number.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestedNumberView {
    phone_number_id: PhoneNumberId,
    trial: Option<TrialView>,
}

/// Tries the tenant's connection to Meta
///
/// For administrators of the tenant. Meta is asked about each number: whether the token is good and for long, what
/// it may do, whether the number is listed under its account, whether the account's webhooks come here, and
/// whether the secret that they are verified with is the app's. What was found is kept with the number.
#[utoipa::path(
    post, path = "/config/test", request_body = TestRequest,
    responses(
        (status = 200, description = "What was found", body = TestedView),
        (status = 404, description = "`NOT_FOUND`: There is no such number"),
    )
)]
pub(crate) async fn test(
    State(api): State<Arc<Api>>,
    Admin(member): Admin,
    OnceBody { body: request, asked }: OnceBody<TestRequest>,
) -> Result<Json<TestedView>, ApiError> {
    let store = &member.store;
    let mut numbers = meant(store, request.phone_number_id.as_ref()).await?;
    if let Asked::Anew(once) = asked {
        // At the same time: one after the other, they would not fit into the function's time.
        let tried = numbers.iter().map(async |TenantNumber { number, .. }| {
            let token = api.vault.open(store.tenant(), Purpose::AccessToken, &number.encrypted_token).await?;
            let found = attempt(&api, store.tenant(), number, &token).await;
            store.keep_trial(number, &found).await?;
            Ok::<_, ApiError>(found)
        });
        let tried = try_join_all(tried).await?;
        for (kept, found) in numbers.iter_mut().zip(tried) {
            kept.trial = Some(found);
        }
        if let Some(once) = once {
            api.store.remember(&once, &()).await?;
        }
    }
    let trouble = |kept: &TenantNumber| {
        let finding = kept.trial.as_ref().and_then(Trial::trouble)?;
        finding.message.clone()
    };
    Ok(Json(TestedView {
        configured: !numbers.is_empty(),
        phone_number: numbers.first().and_then(|kept| kept.number.display_phone_number.clone()),
        error: numbers.iter().find_map(trouble),
        numbers: numbers
            .into_iter()
            .map(|kept| TestedNumberView {
                phone_number_id: kept.number.phone_number_id,
                trial: kept.trial.map(TrialView::from),
            })
            .collect(),
    }))
}

/// One of the tenant's numbers, or all.
async fn meant(store: &TenantStore, id: Option<&PhoneNumberId>) -> Result<Vec<TenantNumber>, ApiError> {
    let mut numbers = store.connected_numbers().await?;
    if let Some(id) = id {
        numbers.retain(|kept| kept.number.phone_number_id == *id);
        if numbers.is_empty() {
            return Err(ApiError::not_found("number"));
        }
    }
    Ok(numbers)
}

/// What follows once a number is the tenant's: its account is subscribed to, what waited for it is replayed, and its
/// connection is tried. None of that undoes that it is connected, and all of it may be done again.
pub(crate) async fn begin(
    api: &Api,
    store: &TenantStore,
    number: &Number,
    token: &SecretString,
) -> Result<(), ApiError> {
    let trying = async {
        subscribe(api, number, token).await;
        attempt(api, store.tenant(), number, token).await
    };
    let (trial, ()) = tokio::join!(Box::pin(trying), replay_what_waited(api, &number.phone_number_id));
    Ok(store.keep_trial(number, &trial).await?)
}

/// Has the token's app get the account's webhooks, unless it does already. What goes wrong here shows in the trial.
async fn subscribe(api: &Api, number: &Number, token: &SecretString) {
    let subscribing = async {
        let (info, apps) =
            tokio::try_join!(api.graph.debug_token(token, token), api.graph.subscribed_apps(token, &number.waba_id))?;
        // Subscribing again would take back an address of the account's own.
        let is_subscribed = apps.iter().any(|subscribed| Some(&subscribed.app.id) == info.app_id.as_ref());
        if is_subscribed { Ok(()) } else { api.graph.subscribe(token, &number.waba_id, None).await }
    };
    match tokio::time::timeout(SUBSCRIBE_PATIENCE, subscribing).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(account = ?number.waba_id, error = telemetry::chain(&error), "an account was not subscribed to");
        }
        Err(_) => tracing::warn!(account = ?number.waba_id, "an account was not subscribed to in time"),
    }
}

/// Tries everything that a number needs.
async fn attempt(api: &Api, tenant: TenantId, number: &Number, token: &SecretString) -> Trial {
    let looking = async {
        let examined = api.graph.debug_token(token, token).await;
        let info = examined.as_ref().ok().filter(|info| info.is_valid);
        let app = info.and_then(|info| info.app_id.as_ref());
        let (number, subscription, secret) = tokio::join!(
            listed(api, number, token),
            subscribed(api, number, token, app),
            app_secret(api, tenant, number, token, app),
        );
        let expires_at = info.and_then(|info| info.expires_at);
        let token = token_finding(&examined, api.clock.now());
        (expires_at, vec![token, permissions(info), number, subscription, secret])
    };
    let looked = tokio::time::timeout(PATIENCE, Box::pin(looking)).await;
    let (token_expires_at, findings) = looked.unwrap_or_else(|_| {
        let checks = [Check::Token, Check::Permissions, Check::Number, Check::Subscription, Check::AppSecret];
        (None, checks.map(|check| Finding::unknown(check, "Meta did not answer in time")).to_vec())
    });
    let trial = Trial { at: api.clock.now(), token_expires_at, findings };
    let wrong: Vec<_> = trial.findings.iter().filter(|finding| finding.found != Found::Passed).collect();
    tracing::info!(%tenant, number = ?number.phone_number_id, ?wrong, "a connection was tried");
    trial
}

/// Whether Meta takes the token, and for how long.
fn token_finding(examined: &Result<TokenInfo, CallError>, now: Timestamp) -> Finding {
    const CHECK: Check = Check::Token;
    let info = match examined {
        Ok(info) => info,
        Err(error) => return unasked(CHECK, error, "refuses the token"),
    };
    if !info.is_valid {
        let code = info.error.as_ref().and_then(|error| error.get("code")?.as_i64()).unwrap_or(190);
        return Finding::failed(CHECK, format!("Meta refuses the token (code {code}): create a new one"));
    }
    match info.expires_at {
        Some(end) if end.duration_since(now) < NEAR_END => {
            Finding::failed(CHECK, format!("The token ends at {end}: create a permanent one for a system user"))
        }
        _ => Finding::passed(CHECK),
    }
}

/// Whether the token may do what is needed.
fn permissions(info: Option<&TokenInfo>) -> Finding {
    const CHECK: Check = Check::Permissions;
    let Some(info) = info else { return Finding::unknown(CHECK, "Only a good token tells what it may do") };
    let missing = PERMISSIONS.iter().filter(|wanted| !info.scopes.iter().any(|scope| scope == *wanted));
    let missing: Vec<_> = missing.copied().collect();
    if missing.is_empty() {
        Finding::passed(CHECK)
    } else {
        Finding::failed(CHECK, format!("The token lacks the permissions {}", missing.join(" and ")))
    }
}

/// Whether Graph lists the number under its account.
async fn listed(api: &Api, number: &Number, token: &SecretString) -> Finding {
    const CHECK: Check = Check::Number;
    match api.graph.phone_numbers(token, &number.waba_id).await {
        Ok(listed) if listed.iter().any(|listed| listed.id == number.phone_number_id) => Finding::passed(CHECK),
        Ok(_) => Finding::failed(CHECK, "Meta does not list the number under its account"),
        Err(error) => unasked(CHECK, &error, "refuses to list the account's numbers"),
    }
}

/// Whether the token's app gets the account's webhooks, and they come here.
async fn subscribed(api: &Api, number: &Number, token: &SecretString, app: Option<&AppId>) -> Finding {
    const CHECK: Check = Check::Subscription;
    let apps = match api.graph.subscribed_apps(token, &number.waba_id).await {
        Ok(apps) => apps,
        Err(error) => return unasked(CHECK, &error, "refuses to list the account's apps"),
    };
    let here = webhook_url(api, &number.app);
    match apps.iter().find(|subscribed| app.is_none_or(|app| subscribed.app.id == *app)) {
        None => Finding::failed(CHECK, "The token's app does not get the account's webhooks: connect the number again"),
        Some(found) => match &found.override_callback_uri {
            Some(elsewhere) if *elsewhere != here => {
                Finding::failed(CHECK, "The account's webhooks are sent to another address")
            }
            _ => Finding::passed(CHECK),
        },
    }
}

/// Whether the secret that the number's webhooks are verified with is the one of the token's app. Meta takes an
/// app's id and secret together for a token.
async fn app_secret(
    api: &Api,
    tenant: TenantId,
    number: &Number,
    token: &SecretString,
    app: Option<&AppId>,
) -> Finding {
    const CHECK: Check = Check::AppSecret;
    let Some(app) = app else { return Finding::unknown(CHECK, "Only a good token tells which app it belongs to") };
    if number.app.is_of(tenant) && !number.app.as_str().ends_with(&format!(".{}", app.as_str())) {
        return Finding::failed(CHECK, "The token belongs to another app than the number receives by");
    }
    let secret = match api.apps.find(&number.app).await {
        Ok(Some(known)) => known.current,
        Ok(None) => return Finding::failed(CHECK, "No secret is known of the app that the number receives by"),
        Err(error) => {
            tracing::error!(error = telemetry::chain(&error), "an app's secret could not be read");
            return Finding::unknown(CHECK, "The app's secret could not be looked up");
        }
    };
    let as_app = SecretString::from(format!("{}|{}", app.as_str(), secret.expose_secret()));
    match api.graph.debug_token(&as_app, token).await {
        Ok(_) => Finding::passed(CHECK),
        Err(CallError::Refused(error)) if !error.class().passes_soon() => {
            Finding::failed(CHECK, "The secret that webhooks are verified with is not the one of the token's app")
        }
        Err(error) => unasked(CHECK, &error, "refuses the app's secret"),
    }
}

/// What a call that failed says about what was to be found out.
fn unasked(check: Check, error: &CallError, what: &str) -> Finding {
    match error {
        CallError::Refused(error) if !error.class().passes_soon() => {
            Finding::failed(check, format!("Meta {what} (code {})", error.code))
        }
        error => {
            tracing::warn!(?check, error = telemetry::chain(error), "Graph could not be asked");
            Finding::unknown(check, "Meta could not be asked")
        }
    }
}
