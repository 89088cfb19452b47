//! The JSON API for agents and back offices.
//!
//! **Trigger:** HTTP API `ANY /api/whatsapp/{proxy+}`, except the webhook's paths.
//!
//! **Promise:** every answer is JSON; every request is authenticated here, by a person's access token or a
//! system's API key, and reaches only the tenant its principal belongs to. A foreign or unknown id is a 404 either way. Nothing is sent from here: a
//! message is written to the outbox, and `outbound` sends it.
//!
//! **Idempotency:** `Idempotency-Key` on every POST, for 24 hours (see `once.rs`); and for ever
//! `clientMessageId`: the same one again, in the same conversation, answers with the same message.
//!
//! **On failure:** `{"error":{"code","message","requestId"}}` with the right status. What is written is
//! written in one transaction, so an error never leaves half of it. The caller's message is in the
//! answer, the operator's in the log, under the same request id.

mod api_keys;
mod apps;
pub mod auth;
mod config;
mod confirm;
mod contacts;
mod conversations;
pub mod cursor;
mod customers;
mod deployment;
pub mod error;
mod event_views;
mod events;
mod extract;
mod guide;
mod history;
mod media;
mod messages;
mod once;
mod openapi;
mod operations;
mod people;
mod reading;
mod tenants;
mod test_message;
pub mod throttle;
mod trial;
pub mod user_pool;
mod version;

pub use crate::deployment::DeploymentNumber;

use crate::auth::TokenVerifier;
use crate::cursor::CursorKey;
use crate::error::ApiError;
use crate::operations::{Operations, add};
use crate::throttle::Throttle;
use crate::user_pool::UserPool;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use recado_ingest::Replay;
use recado_platform::apps::MetaApps;
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
    /// The Meta apps whose webhooks are taken.
    pub apps: MetaApps,
    /// The number that the deployment itself names, if it does.
    pub deployment_number: Option<DeploymentNumber>,
    /// Where the HTTP API is reached, for links to it: `https://…`, without a path.
    pub public_url: String,
    /// Where files are.
    pub bucket: Bucket,
    /// Meta, for management calls only.
    pub graph: Graph,
    /// Tells whose access token it is.
    pub tokens: TokenVerifier,
    /// Where people are invited.
    pub user_pool: UserPool,
    /// Signs the cursors of lists.
    pub cursor_key: Arc<CursorKey>,
    /// Holds each tenant to its limit.
    pub throttle: Throttle,
    /// Puts events back on their queues.
    pub replay: Replay,
    /// Where large events are.
    pub intake: IntakeBucket,
    /// The time.
    pub clock: Clock,
}

/// Every route of the API.
pub fn router(api: Api) -> Router {
    operations(Router::new())
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

/// Every operation of the API: what is served, and what the document describes.
fn operations<O: Operations>(to: O) -> O {
    let to = add!(to, "":
        openapi::show,
        conversations::list,
        conversations::show,
        conversations::change,
        messages::list,
        messages::send,
        messages::status,
        history::list,
        reading::message,
        reading::count,
        reading::all,
        media::gallery,
        media::lead,
        contacts::show,
        contacts::change,
        customers::add,
        customers::show,
        customers::change,
        people::me,
        people::change_me,
        people::list,
        people::invite,
        people::change,
        people::remove,
        api_keys::list,
        api_keys::add,
        api_keys::revoke,
        tenants::register,
        config::show,
        config::connect,
        config::change,
        config::release,
        trial::test,
        test_message::send,
        guide::show,
        guide::status,
        apps::list,
        apps::add,
        apps::rotate,
        apps::settle,
        apps::remove,
    );
    // A tenant's own events, and those that are nobody's.
    events_of(events_of(to, ""), "/deployment")
}

/// What is kept of events, below a path.
fn events_of<O: Operations>(to: O, below: &str) -> O {
    add!(to, below:
        events::logged,
        events::show_logged,
        events::replay_logged,
        events::replay_log,
        events::parked,
        events::show_parked,
        events::replay_parked,
        events::replay_all_parked,
    )
}
