//! The JSON API for agents and back offices.
//!
//! **Trigger:** HTTP API `ANY /api/whatsapp/{proxy+}`, except the webhook's paths.
//!
//! **Promise:** every answer is JSON; every request is authenticated here, and reaches only the tenant
//! its principal belongs to. A foreign or unknown id is a 404 either way. Nothing is sent from here: a
//! message is written to the outbox, and `outbound` sends it.
//!
//! **Idempotency:** `clientMessageId`. The same one again, in the same conversation, answers with the
//! same message. `Idempotency-Key`, for customers: likewise.
//!
//! **On failure:** `{"error":{"code","message","requestId"}}` with the right status. What is written is
//! written in one transaction, so an error never leaves half of it. The caller's message is in the
//! answer, the operator's in the log, under the same request id.

pub mod auth;
mod contacts;
mod conversations;
pub mod cursor;
mod customers;
pub mod error;
mod events;
mod extract;
mod media;
mod messages;
mod people;
mod tenants;

use crate::auth::TokenVerifier;
use crate::cursor::CursorKey;
use crate::error::ApiError;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use recado_ingest::Replay;
use recado_platform::bucket::Bucket;
use recado_platform::clock::Clock;
use recado_platform::intake::IntakeBucket;
use recado_platform::metrics;
use recado_platform::vault::Vault;
use recado_store::Store;
use recado_whatsapp::graph::Graph;
use std::sync::Arc;

/// The largest body that is taken.
pub const MAX_BODY: usize = 1024 * 1024;

/// What the API uses.
#[derive(Debug)]
pub struct Api {
    /// The table.
    pub store: Store,
    /// Seals the tenants' tokens.
    pub vault: Vault,
    /// Where files are.
    pub bucket: Bucket,
    /// Meta, for management calls only.
    pub graph: Graph,
    /// Tells whose access token it is.
    pub tokens: TokenVerifier,
    /// Signs the cursors of lists.
    pub cursor_key: Arc<CursorKey>,
    /// Puts events back on their queues.
    pub replay: Replay,
    /// Where large events are.
    pub intake: IntakeBucket,
    /// The time.
    pub clock: Clock,
}

/// Every route of the API.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/api/whatsapp/conversations", get(conversations::list))
        .route("/api/whatsapp/conversations/{id}", get(conversations::show))
        .route("/api/whatsapp/conversations/{id}/messages", get(messages::list).post(messages::send))
        .route("/api/whatsapp/messages/{id}/media", get(media::lead))
        .route("/api/whatsapp/contacts/{id}", get(contacts::show).patch(contacts::change))
        .route("/api/whatsapp/customers", post(customers::add))
        .route("/api/whatsapp/customers/{id}", get(customers::show).patch(customers::change))
        .route("/api/whatsapp/me", get(people::me).patch(people::change_me))
        .route("/api/whatsapp/users", get(people::list))
        .route("/api/whatsapp/tenants", post(tenants::register))
        .merge(events_below("/api/whatsapp"))
        .merge(events_below("/api/whatsapp/deployment"))
        .fallback(async || ApiError::not_found("route"))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(error::finish))
        .with_state(Arc::new(api))
}

/// Answers a request, and writes what was counted meanwhile.
pub async fn report(request: Request, next: Next) -> Response {
    metrics::report(next.run(request)).await
}

/// The webhook log and what is parked: a tenant's, or the deployment's.
fn events_below(path: &str) -> Router<Arc<Api>> {
    Router::new()
        .route(&format!("{path}/webhook-logs"), get(events::logged))
        .route(&format!("{path}/webhook-logs/replay"), post(events::replay_log))
        .route(&format!("{path}/webhook-logs/{{id}}"), get(events::show_logged))
        .route(&format!("{path}/webhook-logs/{{id}}/replay"), post(events::replay_logged))
        .route(&format!("{path}/parked"), get(events::parked))
        .route(&format!("{path}/parked/replay"), post(events::replay_all_parked))
        .route(&format!("{path}/parked/{{id}}"), get(events::show_parked))
        .route(&format!("{path}/parked/{{id}}/replay"), post(events::replay_parked))
}
