//! A tenant's numbers, and what it has decided.
//!
//! Tokens go in and never come out: what is shown in their place says only that there is one.

use crate::Api;
use crate::auth::{Admin, Member};
use crate::confirm::{confirm, quarantined, taken};
use crate::error::ApiError;
use crate::extract::{JsonBody, NumberQuery, Object, given, maybe_token};
use crate::once::{Asked, OnceBody};
use crate::trial::{self, TrialView};
use crate::version::{IfMatch, Tagged};
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use jiff::civil::Time;
use recado_domain::ids::{AppKey, PhoneNumberId, TenantId, WabaId};
use recado_domain::phone::AreaCode;
use recado_domain::policy::{Policy, QuietHours};
use recado_domain::template::TemplateKey;
use recado_platform::vault::Purpose;
use recado_store::{ChangedPolicy, Connected, Number, NumberStatus, StoreError, TenantNumber, TenantStore};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Stands for a secret that is there.
const MASKED: &str = "********";

/// The app of a number for which nobody said another one.
const DEFAULT_APP: &str = "default";

/// What a tenant is set up with. Secrets are shown as asterisks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigView {
    tenant_id: TenantId,
    #[schema(example = "Plomería Lucero")]
    name: String,
    /// Whether there is a number. Without one, messages can only be written by hand, through `wa.me` links.
    configured: bool,
    numbers: Vec<NumberView>,
    policy: PolicyView,
}

/// A number of the tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NumberView {
    phone_number_id: PhoneNumberId,
    waba_id: WabaId,
    /// The Meta app that receives for it, by its name in the webhook's path.
    app: AppKey,
    /// Whether it may send.
    status: NumberStatus,
    #[schema(example = "+54 9 11 5000-1234")]
    display_phone_number: Option<String>,
    /// The name that customers see, once Meta told it.
    #[schema(example = "Plomería Lucero")]
    verified_name: Option<String>,
    /// How customers rate it, once Meta told that.
    #[schema(example = "GREEN")]
    quality_rating: Option<String>,
    /// That there is a token; which one, nobody is told.
    #[schema(example = "********")]
    access_token: &'static str,
    /// When it was connected, or its token renewed.
    connected_at: Option<Timestamp>,
    /// What was found when its connection was tried last.
    trial: Option<TrialView>,
}

/// What a tenant has decided.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PolicyView {
    #[schema(example = "America/Argentina/Buenos_Aires")]
    timezone: String,
    #[schema(example = "es_AR")]
    locale: String,
    /// The area of a phone number that is written without one.
    #[schema(example = "11")]
    default_area_code: String,
    /// Whether a message that finally failed is sent as an SMS.
    sms_fallback_enabled: bool,
    /// Whether a conversation that begins or is opened again is given to somebody who is online.
    auto_assign: bool,
    /// Whether customers are told at once that their messages were read.
    auto_mark_read: bool,
    #[schema(example = 60)]
    panic_auto_resolve_minutes: u32,
    /// After how many days data is erased; `null`: it is kept.
    #[schema(example = 365)]
    data_retention_days: Option<u32>,
    quiet_hours: Option<QuietHoursBody>,
    welcome_template: Option<WelcomeBody>,
}

/// A part of each day, in the tenant's time zone. One that ends before it begins goes over midnight.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuietHoursBody {
    #[serde(deserialize_with = "time_of_day")]
    #[schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$", example = "21:00:00")]
    from: Time,
    #[serde(deserialize_with = "time_of_day")]
    #[schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$", example = "08:30:00")]
    until: Time,
}

/// Reads `21:00` and `21:00:00`, and none of the other forms that a time can have.
fn time_of_day<'de, D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
    let text = String::deserialize(from)?;
    let parts: Vec<_> = text.split(':').collect();
    let is_plain = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let number = |place: usize| parts.get(place).map_or(Ok(0), |part: &&str| part.parse::<i8>());
    let read = match (number(0), number(1), number(2)) {
        (Ok(hour), Ok(minute), Ok(second)) if (2..=3).contains(&parts.len()) && parts.iter().all(is_plain) => {
            Time::new(hour, minute, second, 0).ok()
        }
        _ => None,
    };
    read.ok_or_else(|| serde::de::Error::custom("must be a time of day such as `21:00`"))
}

/// The template that greets whoever writes for the first time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WelcomeBody {
    #[schema(pattern = "^[a-z0-9_]{1,512}$", example = "welcome")]
    name: String,
    #[schema(pattern = "^[A-Za-z0-9_]{2,16}$", example = "es_AR")]
    language: String,
}

/// A number and the token that proves whose it is; or another token for a number that is connected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConnectRequest {
    #[schema(value_type = String, pattern = "^[0-9]{1,32}$", example = "109876543210987")]
    phone_number_id: PhoneNumberId,
    /// If it is left out, the account is the one that it was, or is looked for among those of the token.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{1,32}$", example = "102938475610293")]
    waba_id: Option<WabaId>,
    /// A permanent token of a system user; of a number that is connected, it may be left out.
    #[serde(default, deserialize_with = "maybe_token")]
    #[schema(value_type = Option<String>, write_only, min_length = 1, max_length = 4096, pattern = "^[!-~]+$", example = "EAAGm0PX4ZCps")]
    access_token: Option<SecretString>,
    /// Meta's id of one of the tenant's own apps, if the number receives by that.
    #[serde(default)]
    #[schema(pattern = "^[0-9]{1,32}$", example = json!(null))]
    app_id: Option<String>,
}

/// What is to be decided anew. What is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeConfigRequest {
    #[schema(value_type = ChangePolicyRequest)]
    policy: Object<ChangePolicyRequest>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangePolicyRequest {
    #[schema(example = "America/Argentina/Buenos_Aires")]
    timezone: Option<String>,
    #[schema(example = "es_AR")]
    locale: Option<String>,
    #[schema(value_type = Option<String>, example = "11")]
    default_area_code: Option<AreaCode>,
    #[schema(example = false)]
    sms_fallback_enabled: Option<bool>,
    #[schema(example = false)]
    auto_assign: Option<bool>,
    #[schema(example = false)]
    auto_mark_read: Option<bool>,
    #[schema(minimum = 1, maximum = 1440, example = 60)]
    panic_auto_resolve_minutes: Option<u32>,
    /// `null` keeps data.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 30, maximum = 3650, example = 365)]
    data_retention_days: Option<Option<u32>>,
    /// `null` means that there are none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<QuietHoursBody>)]
    quiet_hours: Option<Option<Object<QuietHoursBody>>>,
    /// `null` means that nobody is greeted.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<WelcomeBody>)]
    welcome_template: Option<Option<Object<WelcomeBody>>>,
}

/// A number that was given back.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleasedView {
    phone_number_id: PhoneNumberId,
    /// Until then, no other tenant gets it.
    quarantined_until: Timestamp,
}

impl NumberView {
    async fn new(store: &TenantStore, kept: TenantNumber, now: Timestamp) -> Result<Self, ApiError> {
        let TenantNumber { number, state, connected_at, trial } = kept;
        Ok(Self {
            status: store.status_of(&number, now).await?,
            phone_number_id: number.phone_number_id,
            waba_id: number.waba_id,
            app: number.app,
            display_phone_number: number.display_phone_number,
            verified_name: state.verified_name.map(|told| told.value.name),
            quality_rating: state.quality.map(|told| told.value.score),
            access_token: MASKED,
            connected_at,
            trial: trial.map(TrialView::from),
        })
    }
}

impl From<Policy> for PolicyView {
    fn from(policy: Policy) -> Self {
        Self {
            timezone: policy.timezone,
            locale: policy.locale,
            default_area_code: policy.default_area_code.to_string(),
            sms_fallback_enabled: policy.sms_fallback_enabled,
            auto_assign: policy.auto_assign,
            auto_mark_read: policy.auto_mark_read,
            panic_auto_resolve_minutes: policy.panic_auto_resolve_minutes,
            data_retention_days: policy.data_retention_days,
            quiet_hours: policy.quiet_hours.map(|QuietHours { from, until }| QuietHoursBody { from, until }),
            welcome_template: policy
                .welcome_template
                .map(|key| WelcomeBody { name: key.name().to_owned(), language: key.language().to_owned() }),
        }
    }
}

impl ChangePolicyRequest {
    /// The policy with what is named changed.
    fn applied_to(self, before: &Policy) -> Result<Policy, ApiError> {
        let greeting = |Object(WelcomeBody { name, language })| {
            TemplateKey::parse(name, language).map_err(|error| ApiError::invalid("policy.welcomeTemplate", error))
        };
        let before = before.clone();
        let after = Policy {
            timezone: self.timezone.unwrap_or(before.timezone),
            locale: self.locale.unwrap_or(before.locale),
            default_area_code: self.default_area_code.unwrap_or(before.default_area_code),
            sms_fallback_enabled: self.sms_fallback_enabled.unwrap_or(before.sms_fallback_enabled),
            auto_assign: self.auto_assign.unwrap_or(before.auto_assign),
            auto_mark_read: self.auto_mark_read.unwrap_or(before.auto_mark_read),
            panic_auto_resolve_minutes: self.panic_auto_resolve_minutes.unwrap_or(before.panic_auto_resolve_minutes),
            data_retention_days: self.data_retention_days.unwrap_or(before.data_retention_days),
            quiet_hours: match self.quiet_hours {
                Some(given) => given.map(|Object(QuietHoursBody { from, until })| QuietHours { from, until }),
                None => before.quiet_hours,
            },
            welcome_template: match self.welcome_template {
                Some(given) => given.map(greeting).transpose()?,
                None => before.welcome_template,
            },
        };
        after.check().map_err(|invalid| ApiError::invalid(&format!("policy.{}", invalid.field), invalid.rule))?;
        Ok(after)
    }
}

/// What the tenant is set up with
#[utoipa::path(
    get, path = "/config",
    responses((status = 200, description = "It", body = ConfigView, headers(("ETag" = String))))
)]
pub(crate) async fn show(State(api): State<Arc<Api>>, member: Member) -> Result<Tagged<ConfigView>, ApiError> {
    whole(&member.store, api.clock.now()).await
}

async fn whole(store: &TenantStore, now: Timestamp) -> Result<Tagged<ConfigView>, ApiError> {
    let mut numbers = Vec::new();
    for number in store.connected_numbers().await? {
        numbers.push(NumberView::new(store, number, now).await?);
    }
    let kept = store.kept_policy().await?;
    let view = ConfigView {
        tenant_id: store.tenant(),
        name: store.name().await?,
        configured: !numbers.is_empty(),
        numbers,
        policy: kept.policy.into(),
    };
    Ok(Tagged(kept.version, view))
}

/// How often a change that may be made on any version is tried again because of another one.
const ATTEMPTS: u32 = 5;

/// Changes what the tenant has decided
///
/// For its administrators. It is followed everywhere within five minutes.
#[utoipa::path(
    patch, path = "/config", params(IfMatch), request_body = ChangeConfigRequest,
    responses((status = 200, description = "What the tenant is set up with now", body = ConfigView, headers(("ETag" = String))))
)]
pub(crate) async fn change(
    State(api): State<Arc<Api>>,
    Admin(member): Admin,
    IfMatch(version): IfMatch,
    JsonBody(request): JsonBody<ChangeConfigRequest>,
) -> Result<Tagged<ConfigView>, ApiError> {
    for _ in 0..ATTEMPTS {
        let before = member.store.kept_policy().await?;
        let after = request.policy.0.clone().applied_to(&before.policy)?;
        if version.is_some_and(|version| version != before.version) {
            return Err(ApiError::changed());
        }
        match member.store.change_policy(&before, after).await? {
            ChangedPolicy::Done(_) => return whole(&member.store, api.clock.now()).await,
            ChangedPolicy::Stale => {}
        }
    }
    Err(StoreError::Contended { operation: "changing a tenant's policy" }.into())
}

/// Connects a number, or renews the token of one
///
/// For administrators of the tenant. The number becomes the tenant's only if Graph, asked with the token, lists it
/// under its account, and if no other tenant has it or gave it back in the last 15 minutes. The account is
/// subscribed to, and the connection tried; what was found is in the answer.
#[utoipa::path(
    post, path = "/config", request_body = ConnectRequest,
    responses(
        (status = 200, description = "The number", body = NumberView),
        (status = 409, description = "`NUMBER_TAKEN`: phoneNumberId: this number already belongs to a tenant\n\
            `NUMBER_QUARANTINED`: phoneNumberId: another tenant gave this number back; it can be connected from 2026-11-20T12:15:00Z on"),
        (status = 422, description = "`NUMBER_NOT_LISTED`: phoneNumberId: Graph does not list this number under the account\n\
            `GRAPH_REFUSED`: accessToken: Graph refused to list the account's numbers (code 190)\n\
            `NO_SUCH_APP`: appId: is none of the tenant's own apps"),
        (status = 502, description = "`UNAVAILABLE`: Graph could not be asked; try again in a moment"),
    )
)]
pub(crate) async fn connect(
    State(api): State<Arc<Api>>,
    Admin(member): Admin,
    OnceBody { body: request, asked }: OnceBody<ConnectRequest>,
) -> Result<Json<NumberView>, ApiError> {
    let store = &member.store;
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => {
            let id = effect.read()?;
            // Without a trial, the first one broke off once the number was written.
            if let TenantNumber { number, trial: None, .. } = connected(store, &id).await? {
                let token = api.vault.open(store.tenant(), Purpose::AccessToken, &number.encrypted_token).await?;
                trial::begin(&api, store, &number, &token).await?;
            }
            return one(store, &id, api.clock.now()).await;
        }
    };
    let tenant = store.tenant();
    let id = request.phone_number_id;
    let before = store.number(&id).await?;
    let app = app_of(tenant, request.app_id.as_deref(), before.as_ref())?;
    let waba = request.waba_id.or_else(|| before.as_ref().map(|number| number.waba_id.clone()));
    let (token, encrypted_token) = match (request.access_token, before) {
        (Some(token), _) => {
            let sealed = api.vault.seal(tenant, Purpose::AccessToken, &token).await?;
            (token, sealed)
        }
        (None, Some(before)) => {
            let token = api.vault.open(tenant, Purpose::AccessToken, &before.encrypted_token).await?;
            (token, before.encrypted_token)
        }
        (None, None) => return Err(ApiError::invalid("accessToken", "is required to connect a number")),
    };
    let (waba_id, found) = confirm(&api.graph, &token, &id, waba.as_ref()).await?;
    let number = Number {
        phone_number_id: id.clone(),
        waba_id,
        app,
        status: NumberStatus::Active,
        encrypted_token,
        display_phone_number: found.display_phone_number,
    };
    match store.connect_once(&number, once.as_ref(), api.clock.now()).await? {
        Connected::Done => {}
        Connected::Taken => return Err(taken()),
        Connected::Quarantined(until) => return Err(quarantined(until)),
        Connected::NoApp => return Err(no_such_app()),
    }
    tracing::info!(%tenant, number = ?id, app = number.app.as_str(), "a number was connected");
    trial::begin(&api, store, &number, &token).await?;
    one(store, &id, api.clock.now()).await
}

fn app_of(tenant: TenantId, app_id: Option<&str>, before: Option<&Number>) -> Result<AppKey, ApiError> {
    match (app_id, before) {
        (Some(id), _) => AppKey::of_tenant(tenant, id).map_err(|error| ApiError::invalid("appId", error)),
        (None, Some(before)) => Ok(before.app.clone()),
        (None, None) => Ok(AppKey::parse(DEFAULT_APP).expect("it is a valid app key")),
    }
}

fn no_such_app() -> ApiError {
    ApiError::refused("NO_SUCH_APP", "appId: is none of the tenant's own apps")
}

async fn one(store: &TenantStore, id: &PhoneNumberId, now: Timestamp) -> Result<Json<NumberView>, ApiError> {
    Ok(Json(NumberView::new(store, connected(store, id).await?, now).await?))
}

/// A number of the tenant's.
pub(crate) async fn connected(store: &TenantStore, id: &PhoneNumberId) -> Result<TenantNumber, ApiError> {
    let found = store.connected_numbers().await?.into_iter().find(|kept| kept.number.phone_number_id == *id);
    found.ok_or_else(|| ApiError::not_found("number"))
}

/// Gives a number back
///
/// For administrators of the tenant. Its token is forgotten. Its conversations stay, and nothing more can be sent
/// from it. No other tenant gets it for 15 minutes.
#[utoipa::path(
    delete, path = "/config", params(NumberQuery),
    responses(
        (status = 200, description = "It is no longer the tenant's", body = ReleasedView),
        (status = 404, description = "`NOT_FOUND`: There is no such number"),
    )
)]
pub(crate) async fn release(
    State(api): State<Arc<Api>>,
    Admin(member): Admin,
    NumberQuery(id): NumberQuery,
) -> Result<Json<ReleasedView>, ApiError> {
    let until = member.store.release(&id, api.clock.now()).await?;
    let quarantined_until = until.ok_or_else(|| ApiError::not_found("number"))?;
    tracing::info!(tenant = %member.store.tenant(), number = ?id, "a number was given back");
    Ok(Json(ReleasedView { phone_number_id: id, quarantined_until }))
}
