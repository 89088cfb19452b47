//! Whether a number is whose it is said to be, by Graph.
//!
//! A number becomes routable only after Graph, asked with the business's own token, lists it under its account.

use crate::Api;
use crate::error::ApiError;
use crate::extract::check_digits;
use axum::http::StatusCode;
use jiff::Timestamp;
use recado_domain::ids::{PhoneNumberId, WabaId};
use recado_platform::telemetry;
use recado_whatsapp::graph::manage::BusinessNumber;
use recado_whatsapp::graph::{CallError, Graph};
use secrecy::SecretString;
use std::time::Duration;

/// In how many of a token's accounts a number is looked for.
const MAX_ACCOUNTS: usize = 10;

/// The permission that names the accounts which a token is for.
const MESSAGING: &str = "whatsapp_business_messaging";

/// How long Graph may take. What follows once the number is connected has to fit into the function's time, too.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a caller is told who may ask again.
const ASK_AGAIN: &str = "Graph could not be asked; try again in a moment";

/// Finds a number at Graph, in the account that it is said to belong to or, if none is said, in those of the
/// token.
pub(crate) async fn confirm(
    graph: &Graph,
    token: &SecretString,
    number: &PhoneNumberId,
    waba: Option<&WabaId>,
) -> Result<(WabaId, BusinessNumber), ApiError> {
    let found = tokio::time::timeout(PATIENCE, find(graph, token, number, waba)).await;
    found.unwrap_or_else(|late| Err(ApiError::unavailable(StatusCode::BAD_GATEWAY, ASK_AGAIN, &late)))
}

async fn find(
    graph: &Graph,
    token: &SecretString,
    number: &PhoneNumberId,
    waba: Option<&WabaId>,
) -> Result<(WabaId, BusinessNumber), ApiError> {
    check_digits("phoneNumberId", number.as_str())?;
    let accounts = match waba {
        Some(waba) => {
            check_digits("wabaId", waba.as_str())?;
            vec![waba.clone()]
        }
        None => accounts_of(graph, token).await?,
    };
    for waba in accounts {
        let listed = graph.phone_numbers(token, &waba).await.map_err(unconfirmed)?;
        if let Some(found) = listed.into_iter().find(|listed| listed.id == *number) {
            return Ok((waba, found));
        }
    }
    let message = "phoneNumberId: Graph does not list this number under the account";
    Err(ApiError::refused("NUMBER_NOT_LISTED", message))
}

/// The accounts that a token is for, as far as Graph says so.
async fn accounts_of(graph: &Graph, token: &SecretString) -> Result<Vec<WabaId>, ApiError> {
    let info = graph.debug_token(token, token).await.map_err(unconfirmed)?;
    let named = info.granular_scopes.into_iter().filter(|scope| scope.scope == MESSAGING);
    let accounts: Vec<_> = named.flat_map(|scope| scope.target_ids).filter_map(|id| WabaId::parse(id).ok()).collect();
    if accounts.is_empty() || accounts.len() > MAX_ACCOUNTS {
        return Err(ApiError::invalid(
            "wabaId",
            "is required, because Graph does not say which account the token is for",
        ));
    }
    Ok(accounts)
}

/// The number belongs to somebody else, or did lately.
pub(crate) fn taken() -> ApiError {
    ApiError::conflict("NUMBER_TAKEN", "phoneNumberId: this number already belongs to a tenant")
}

/// Somebody else gave the number back lately.
pub(crate) fn quarantined(until: Timestamp) -> ApiError {
    let message = format!("phoneNumberId: another tenant gave this number back; it can be connected from {until} on");
    ApiError::conflict("NUMBER_QUARANTINED", message)
}

/// How long a connection waits for what was parked for its number. The rest is replayed through
/// `POST /deployment/parked/replay`.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// The number is connected by now, so what goes wrong here does not undo it.
pub(crate) async fn replay_what_waited(api: &Api, number: &PhoneNumberId) {
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
        CallError::Refused(error) if !error.class().passes_soon() => {
            let message = format!("accessToken: Graph refused to list the account's numbers (code {})", error.code);
            ApiError::refused("GRAPH_REFUSED", message)
        }
        error => ApiError::unavailable(StatusCode::BAD_GATEWAY, ASK_AGAIN, &error),
    }
}
