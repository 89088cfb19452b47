//! Letting a business in.

use crate::auth::DeploymentAdmin;
use crate::config::connected;
use crate::confirm::{confirm, quarantined, taken};
use crate::error::ApiError;
use crate::extract::{Object, maybe_token};
use crate::once::{Asked, OnceBody};
use crate::trial;
use crate::{Api, DeploymentNumber};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use recado_domain::ids::{AppKey, PhoneNumberId, TenantId, UserId, WabaId};
use recado_domain::personal::Personal;
use recado_domain::policy::Policy;
use recado_domain::tenant::Role;
use recado_platform::vault::Purpose;
use recado_store::{NewMember, NewTenant, Number, NumberStatus, Registered, Store, TenantNumber};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::ToSchema;

/// A business and, if it has one yet, its first number. Without one, an administrator of the tenant connects it
/// later.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RegisterRequest {
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "Plomería Lucero")]
    name: String,
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{1,32}$", example = "109876543210987")]
    phone_number_id: Option<PhoneNumberId>,
    /// The account of the number; if it is left out, it is looked for among those of the token.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{1,32}$", example = "102938475610293")]
    waba_id: Option<WabaId>,
    /// A permanent token of a system user, for Graph; needed with a number.
    #[serde(default, deserialize_with = "maybe_token")]
    #[schema(value_type = Option<String>, write_only, min_length = 1, max_length = 4096, pattern = "^[!-~]+$", example = "EAAGm0PX4ZCps")]
    access_token: Option<SecretString>,
    /// Whether it gets the number that the deployment itself names, in place of one that is named here.
    #[serde(default)]
    #[schema(example = false)]
    deployment_number: bool,
    /// The Meta app that receives for the number, by the name the deployment gave it.
    #[serde(default = "default_app")]
    app: AppKey,
    /// Its first people, one of them an administrator.
    #[schema(value_type = Vec<MemberRequest>, min_items = 1, max_items = 45)]
    members: Vec<Object<MemberRequest>>,
    /// Whether conversations are given to whoever is online and has waited longest.
    #[serde(default)]
    auto_assign: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MemberRequest {
    /// The subject of their access token.
    user_id: UserId,
    #[schema(value_type = String, min_length = 1, max_length = 254, example = "ana@lucero.example")]
    email: Personal<String>,
    #[schema(value_type = String, min_length = 1, max_length = 100, example = "Ana Lucero")]
    name: Personal<String>,
    role: Role,
}

fn default_app() -> AppKey {
    AppKey::parse("default").expect("it is a valid app key")
}

/// What was registered. The token does not come back.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegisteredView {
    tenant_id: TenantId,
    #[schema(example = "Plomería Lucero")]
    name: String,
    phone_number_id: Option<PhoneNumberId>,
    waba_id: Option<WabaId>,
    #[schema(example = "+54 9 11 5000-1234")]
    display_phone_number: Option<String>,
}

/// How many people can be named at once: they all go into one transaction.
const MAX_MEMBERS: usize = 45;

/// Registers a business, with its first number and its people
///
/// For deployment administrators. The number becomes routable only after Graph, asked with the business's
/// own token, lists it under the account that it is said to belong to.
#[utoipa::path(
    post, path = "/tenants", request_body = RegisterRequest,
    responses(
        (status = 201, description = "It is registered", body = RegisteredView),
        (status = 409, description = "`NUMBER_TAKEN`: phoneNumberId: this number already belongs to a tenant\n\
            `NUMBER_QUARANTINED`: phoneNumberId: another tenant gave this number back; it can be connected from 2026-11-20T12:15:00Z on"),
        (status = 422, description = "`NUMBER_NOT_LISTED`: phoneNumberId: Graph does not list this number under the account\n\
            `GRAPH_REFUSED`: accessToken: Graph refused to list the account's numbers (code 190)\n\
            `NO_DEPLOYMENT_NUMBER`: deploymentNumber: the deployment names none"),
        (status = 502, description = "`UNAVAILABLE`: Graph could not be asked; try again in a moment"),
    )
)]
pub(crate) async fn register(
    State(api): State<Arc<Api>>,
    _: DeploymentAdmin,
    OnceBody { body: request, asked }: OnceBody<RegisterRequest>,
) -> Result<(StatusCode, Json<RegisteredView>), ApiError> {
    let once = match asked {
        Asked::Anew(once) => once,
        Asked::Before(effect) => {
            let view: RegisteredView = effect.read()?;
            go_on(&api, &view).await?;
            return Ok((StatusCode::CREATED, Json(view)));
        }
    };
    let name = request.name.trim();
    if name.is_empty() || name.chars().count() > 100 {
        return Err(ApiError::invalid("name", "must have 1 to 100 characters"));
    }
    if request.members.is_empty() || request.members.len() > MAX_MEMBERS {
        return Err(ApiError::invalid("members", format!("must name 1 to {MAX_MEMBERS} people")));
    }
    for (place, Object(member)) in request.members.iter().enumerate() {
        for (field, text, most) in [("email", &member.email, 254), ("name", &member.name, 100)] {
            if !(1..=most).contains(&text.expose().chars().count()) {
                return Err(ApiError::invalid(
                    &format!("members[{place}].{field}"),
                    format!("must have 1 to {most} characters"),
                ));
            }
        }
    }
    let people: BTreeSet<_> = request.members.iter().map(|Object(member)| member.user_id.as_str()).collect();
    if people.len() < request.members.len() {
        return Err(ApiError::invalid("members", "must name each person once"));
    }
    if request.members.iter().all(|Object(member)| member.role != Role::Admin) {
        return Err(ApiError::invalid("members", "must name an administrator, who lets the others in"));
    }
    let now = api.clock.now();
    let time = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let id = TenantId::from_bits(ulid::Ulid::from_parts(time, rand::random()).into());
    let (phone_number_id, waba_id, token) = if request.deployment_number {
        if request.phone_number_id.is_some() || request.waba_id.is_some() || request.access_token.is_some() {
            return Err(ApiError::invalid("deploymentNumber", "is instead of a number that is named"));
        }
        let none = || ApiError::refused("NO_DEPLOYMENT_NUMBER", "deploymentNumber: the deployment names none");
        let DeploymentNumber { phone_number_id, waba_id, access_token } =
            api.deployment_number.clone().ok_or_else(none)?;
        (Some(phone_number_id), waba_id, Some(access_token))
    } else {
        (request.phone_number_id, request.waba_id, request.access_token)
    };
    let number = match (phone_number_id, &token) {
        (Some(phone_number_id), Some(token)) => {
            let (waba_id, found) = confirm(&api.graph, token, &phone_number_id, waba_id.as_ref()).await?;
            let encrypted_token = api.vault.seal(id, Purpose::AccessToken, token).await?;
            let display_phone_number = found.display_phone_number;
            let (app, status) = (request.app, NumberStatus::Active);
            Some(Number { phone_number_id, waba_id, app, status, encrypted_token, display_phone_number })
        }
        (Some(_), None) => return Err(ApiError::invalid("accessToken", "is required with a phoneNumberId")),
        (None, Some(_)) => return Err(ApiError::invalid("phoneNumberId", "is required with an accessToken")),
        (None, None) if waba_id.is_some() => {
            return Err(ApiError::invalid("phoneNumberId", "is required with a wabaId"));
        }
        (None, None) => None,
    };
    let new = NewTenant {
        id,
        name: name.to_owned(),
        number,
        members: request
            .members
            .into_iter()
            .map(|Object(member)| NewMember {
                user: member.user_id,
                role: member.role,
                email: member.email,
                name: member.name,
            })
            .collect(),
        policy: Policy { auto_assign: request.auto_assign, ..Policy::default() },
    };
    let number = new.number.as_ref();
    let view = RegisteredView {
        tenant_id: id,
        name: new.name.clone(),
        phone_number_id: number.map(|number| number.phone_number_id.clone()),
        waba_id: number.map(|number| number.waba_id.clone()),
        display_phone_number: number.and_then(|number| number.display_phone_number.clone()),
    };
    match api.store.register_once(&new, once.as_ref(), &view, now).await? {
        Registered::Done => {
            if let (Some(number), Some(token)) = (&new.number, &token) {
                begin_with(&api, number, token).await;
            }
            Ok((StatusCode::CREATED, Json(view)))
        }
        Registered::NumberTaken => Err(taken()),
        Registered::NumberQuarantined(until) => Err(quarantined(until)),
    }
}

/// Begins with a number whose registration broke off once it was written: it has no trial.
async fn go_on(api: &Api, view: &RegisteredView) -> Result<(), ApiError> {
    let Some(id) = &view.phone_number_id else { return Ok(()) };
    let Some(route) = Store::route(&api.store, id).await? else { return Ok(()) };
    let store = api.store.of_route(&route);
    if store.tenant() == view.tenant_id
        && let TenantNumber { number, trial: None, .. } = connected(&store, id).await?
    {
        let token = api.vault.open(store.tenant(), Purpose::AccessToken, &number.encrypted_token).await?;
        begin_with(api, &number, &token).await;
    }
    Ok(())
}

/// The tenant is registered by now, so what goes wrong here does not undo it; `POST /config/test` tells of it.
async fn begin_with(api: &Api, number: &Number, token: &SecretString) {
    let begun = async {
        let Some(route) = Store::route(&api.store, &number.phone_number_id).await? else { return Ok(()) };
        trial::begin(api, &api.store.of_route(&route), number, token).await
    };
    if let Err::<(), ApiError>(error) = begun.await {
        tracing::error!(?error, number = ?number.phone_number_id, "a number's connection was not tried");
    }
}
