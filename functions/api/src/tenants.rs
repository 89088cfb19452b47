//! Letting a business in.

use crate::Api;
use crate::auth::DeploymentAdmin;
use crate::error::ApiError;
use crate::extract::Object;
use crate::once::{Asked, OnceBody};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use recado_domain::ids::{AppKey, PhoneNumberId, TenantId, UserId, WabaId};
use recado_domain::personal::Personal;
use recado_domain::policy::Policy;
use recado_domain::tenant::Role;
use recado_platform::telemetry;
use recado_platform::vault::Purpose;
use recado_store::{NewMember, NewTenant, Number, NumberStatus, Registered};
use recado_whatsapp::graph::CallError;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// A business and its first number.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RegisterRequest {
    #[schema(min_length = 1, max_length = 100, pattern = r"\S", example = "Plomería Lucero")]
    name: String,
    phone_number_id: PhoneNumberId,
    waba_id: WabaId,
    /// A permanent token of a system user, for Graph.
    #[schema(value_type = String, write_only, min_length = 1, max_length = 4096, pattern = "^[!-~]+$", example = "EAAGm0PX4ZCps")]
    access_token: SecretString,
    /// The Meta app that receives for the number, by the name the deployment gave it.
    #[serde(default = "default_app")]
    app: AppKey,
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
    phone_number_id: PhoneNumberId,
    waba_id: WabaId,
    #[schema(example = "+54 9 11 5000-1234")]
    display_phone_number: Option<String>,
}

/// How many people can be named at once: they all go into one transaction.
const MAX_MEMBERS: usize = 45;

/// KMS encrypts at most this much directly.
const MAX_TOKEN_BYTES: usize = 4096;

/// Registers a business, with its first number and its people
///
/// For deployment administrators. The number becomes routable only after Graph, asked with the business's
/// own token, lists it under the account that it is said to belong to.
#[utoipa::path(
    post, path = "/tenants", request_body = RegisterRequest,
    responses(
        (status = 201, description = "It is registered", body = RegisteredView),
        (status = 409, description = "`NUMBER_TAKEN`: phoneNumberId: this number already belongs to a tenant"),
        (status = 422, description = "`NUMBER_NOT_LISTED`: phoneNumberId: Graph does not list this number under the account\n\
            `GRAPH_REFUSED`: accessToken: Graph refused to list the account's numbers (code 190)"),
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
        Asked::Before(effect) => return Ok((StatusCode::CREATED, Json(effect.read()?))),
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
    // Nothing else fits into the header in which Graph wants it.
    let token = request.access_token.expose_secret();
    if !(1..=MAX_TOKEN_BYTES).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let rule = format!("must have 1 to {MAX_TOKEN_BYTES} visible ASCII characters");
        return Err(ApiError::invalid("accessToken", rule));
    }
    let listed = api.graph.phone_numbers(&request.access_token, &request.waba_id).await.map_err(unconfirmed)?;
    let Some(number) = listed.into_iter().find(|number| number.id == request.phone_number_id) else {
        let message = "phoneNumberId: Graph does not list this number under the account";
        return Err(ApiError::refused("NUMBER_NOT_LISTED", message));
    };
    let now = api.clock.now();
    let time = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let id = TenantId::from_bits(ulid::Ulid::from_parts(time, rand::random()).into());
    let encrypted_token = api.vault.seal(id, Purpose::AccessToken, &request.access_token).await?;
    let new = NewTenant {
        id,
        name: name.to_owned(),
        number: Number {
            phone_number_id: request.phone_number_id,
            waba_id: request.waba_id,
            app: request.app,
            status: NumberStatus::Active,
            encrypted_token,
            display_phone_number: number.display_phone_number,
        },
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
    let view = RegisteredView {
        tenant_id: id,
        name: new.name.clone(),
        phone_number_id: new.number.phone_number_id.clone(),
        waba_id: new.number.waba_id.clone(),
        display_phone_number: new.number.display_phone_number.clone(),
    };
    match api.store.register_once(&new, once.as_ref(), &view, now).await? {
        Registered::Done => {
            replay_what_waited(&api, &view.phone_number_id).await;
            Ok((StatusCode::CREATED, Json(view)))
        }
        Registered::NumberTaken => {
            Err(ApiError::conflict("NUMBER_TAKEN", "phoneNumberId: this number already belongs to a tenant"))
        }
    }
}

/// How long a registration waits for what was parked for its number. The rest is replayed through
/// `POST /deployment/parked/replay`.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// The tenant is registered by now, so what goes wrong here does not undo it.
async fn replay_what_waited(api: &Api, number: &PhoneNumberId) {
    let drain = Box::pin(api.replay.drain(number, api.clock.now()));
    match tokio::time::timeout(DRAIN_PATIENCE, drain).await {
        Ok(Ok(0)) => {}
        Ok(Ok(replayed)) => tracing::info!(replayed, "replayed what was parked for a number"),
        Ok(Err(error)) => {
            tracing::error!(error = telemetry::chain(&error), "what was parked for a number was not replayed");
        }
        Err(_) => tracing::error!("not all that was parked for a number was replayed in time"),
    }
}

fn unconfirmed(error: CallError) -> ApiError {
    match error {
        CallError::Refused(error) => {
            let message = format!("accessToken: Graph refused to list the account's numbers (code {})", error.code);
            ApiError::refused("GRAPH_REFUSED", message)
        }
        error => {
            ApiError::unavailable(StatusCode::BAD_GATEWAY, "Graph could not be asked; try again in a moment", &error)
        }
    }
}
