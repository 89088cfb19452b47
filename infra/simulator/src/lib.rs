//! Meta in a box: what the hub needs of the Graph API, signed webhooks, and a control API for tests.
//!
//! It judges requests as Meta does and answers in Meta's forms, so that the hub's own client, and
//! nothing else, is what talks to it. What it does on purpose wrong is asked for by the control API.
//! What Meta's documents leave open is taken from WHATSAPP.md, and where that is unsure, leniently.
//!
//! | Graph API | |
//! |---|---|
//! | `POST /{version}/{number}/messages` | a message of any kind; or a read receipt, with or without typing |
//! | `POST /{version}/{number}/marketing_messages` | a template, as a marketing message |
//! | `POST /{version}/{number}/media` | a file is uploaded |
//! | `GET`, `DELETE /{version}/{media}` | a file's address, good for five minutes; its end |
//! | `GET /whatsapp_business/attachments/…` | that address: the bytes, for whoever has the token |
//! | `POST /{version}/{app}/uploads` | a resumable upload begins |
//! | `POST`, `GET /{version}/{upload}` | it goes on; where to go on |
//! | `GET`, `POST`, `DELETE /{version}/{account}/message_templates` | templates, page by page; a new one; no more |
//! | `GET`, `POST /{version}/{template}` | one template; it is edited |
//! | `GET /{version}/{number}` | the number's details, `fields=health_status` included |
//! | `GET /{version}/{account}` | the account's, likewise |
//! | `GET /{version}/{account}/phone_numbers` | the account's numbers, page by page |
//! | `GET`, `POST`, `DELETE /{version}/{account}/subscribed_apps` | who hears of the account, and where |
//! | `GET /debug_token`, with or without a version | what a token is good for |
//!
//! Every call is counted, its version judged (an expired one is answered by the oldest that lives), and
//! the answer says in `facebook-api-version` which version that was.
//!
//! | control API | |
//! |---|---|
//! | `PUT /control/numbers` | a number exists, with its account, token and app; how its statuses go; which limits it has |
//! | `PUT /control/accounts` | how an account's templates are reviewed; whether it is subscribed and healthy |
//! | `PUT /control/apps` | an app exists, with a secret and an address of its own |
//! | `PUT /control/tokens` | a token is no longer good, expires, or lacks a permission |
//! | `PUT /control/recipients` | messages do not reach somebody, for a reason |
//! | `PUT /control/templates` | a template exists |
//! | `POST /control/templates` | a template is approved, rejected, paused, …; its quality or category changes |
//! | `POST /control/inbound` | a customer sends a text, a file, or any message |
//! | `POST /control/status` | something became of a message |
//! | `POST /control/echo` | the business wrote from its phone |
//! | `POST /control/history` | a chunk of what was written before |
//! | `POST /control/event` | anything else, in any field, of a number or an account |
//! | `POST /control/batch` | many of those, up to 1,000 in one POST; repeated and shuffled on request |
//! | `POST /control/webhook` | any body is signed (`?app=`) and posted (`?times=`) |
//! | `POST /control/hurry` | the webhooks that wait to be sent again are sent now |
//! | `POST`, `GET /control/faults` | the next calls go wrong; what is still to go wrong |
//! | `POST`, `GET /control/clock` | time passes, stops or goes on; what time it is |
//! | `GET /control/sent` | what was sent |
//! | `GET /control/receipts` | what was marked as read |
//! | `GET /control/calls` | how often each edge was called |
//! | `GET /control/webhooks` | what was posted, and how it was received |
//! | `POST /control/reset` | forgets what was sent, posted and counted, and all faults; the rest stays |
//!
//! What the control API is told, beyond the ids (everything may be left out that has a value here):
//!
//! ```text
//! PUT  numbers    {"phone_number_id": "1", "waba_id": "2", "token": "t", "statuses": ["sent", "delivered", "read"],
//!                  "enforce_window": false, "allow_list": null, "pair_limit": false, "throughput": null, "app": "670123456789"}
//! PUT  accounts   {"waba_id": "2", "subscribed": true, "review_ms": 1000, "verdict": "APPROVED", "verified": false,
//!                  "can_send_message": "AVAILABLE"}
//! PUT  tokens     {"token": "t", "subcode": null, "expires_at": 0, "cannot_manage": false}
//! PUT  recipients {"phone_number_id": "1", "recipient": "5491155551234", "code": 131026, "by": "status"}
//! PUT  templates  {"waba_id": "2", "name": "n", "language": "es_AR", "components": [], "category": "UTILITY",
//!                  "status": "APPROVED", "parameter_format": "POSITIONAL", "message_status": "accepted"}
//! POST templates  {"id": "3", "event": "PAUSED"} or {"id": "3", "quality": "RED"} or {"id": "3", "category": "MARKETING"}
//! POST inbound    {"phone_number_id": "1", "from": "5491155551234", "user_id": null, "name": "", "times": 1,
//!                  "text": "hola"} or {…, "media": {"type": "image", "base64": "…"}} or {…, "media": {"type": "audio", "size": 5000}}
//!                  or {…, "message": {"reaction": {"message_id": "wamid…", "emoji": "👍"}}}
//! POST status     {"phone_number_id": "1", "wamid": "wamid…", "status": "failed", "code": 131026, "with": {}}
//! POST event      {"waba_id": "2", "field": "account_update", "value": {"event": "ACCOUNT_DELETED"}}
//! POST batch      {"items": [{"inbound": {…}}, {"status": {…}}], "per_post": 1000, "duplicates": 0, "shuffle": false, "seed": 0}
//! POST faults     {"phone_number_id": "1", "kind": "reject", "code": 131026, "http_status": 400, "count": 1, "on": "messages"}
//! POST clock      {"advance_seconds": 3600, "stopped": false}
//! ```
//!
//! The kinds of faults: `reject`, `rate_limited`, `bad_gateway`, `drop_before_accept`, `error_before_accept`,
//! `delay`, `drop_after_accept`, `error_after_accept`, `delay_after_accept`; and of files (`"id"` of the file, or
//! its number): `not_found_first`, `truncated`, `wrong_hash`, `slow`. With `on`, they strike the calls of another
//! edge: the last segment of the path, `node` for an object itself, `attachments` for downloads.

mod clock;
mod control;
mod fault;
mod graph;
mod judge;
mod refusal;
mod webhooks;
mod world;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};
use axum::{Router, middleware};
use clock::Clock;
use control::happen;
use graph::{account, media, messages, templates, uploads};
use jiff::Timestamp;
use secrecy::SecretString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use webhooks::Webhooks;
use world::World;

/// How a simulator behaves towards the hub.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the default app's webhooks go.
    pub webhook_url: String,
    /// What they are signed with.
    pub app_secret: SecretString,
    /// How long after a send its first status comes, and each one after the one before.
    pub status_delay: Duration,
    /// How long after a refused webhook it is sent again; each next wait is twice as long. A second is
    /// real life, where Meta goes on for seven days; less compresses that week in proportion.
    pub retry: Duration,
    /// How long a webhook may take to be answered.
    pub webhook_timeout: Duration,
}

/// The simulator: its world, its time, and its way to the hub.
#[derive(Debug, Clone)]
pub struct Meta(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    clock: Clock,
    webhooks: Webhooks,
    status_delay: Duration,
}

impl Meta {
    /// A simulator in which nothing exists but the default app. Fails if no HTTP client can be built.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        let webhooks = Webhooks::new(settings.retry, settings.webhook_timeout)?;
        let mut world = World::default();
        let app = world::App { url: settings.webhook_url, secret: settings.app_secret };
        world.apps.insert(world::DEFAULT_APP.to_owned(), app);
        let status_delay = settings.status_delay;
        Ok(Self(Arc::new(Inner { world: Mutex::new(world), clock: Clock::new(), webhooks, status_delay })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

/// Every route of the simulator.
pub fn router(meta: Meta) -> Router {
    graph_routes(&meta)
        .merge(control_routes())
        .layer(DefaultBodyLimit::max(media::MOST.max(192 << 20)))
        .fallback(graph::nowhere)
        .with_state(meta)
}

fn graph_routes(meta: &Meta) -> Router<Meta> {
    let templates = get(templates::list).post(templates::create).delete(templates::delete);
    let subscriptions = get(account::subscriptions).post(account::subscribe).delete(account::unsubscribe);
    Router::new()
        .route("/debug_token", get(account::debug_token))
        .route("/{version}/debug_token", get(account::debug_token))
        .route("/{version}/{id}", get(graph::get_node).post(graph::post_node).delete(graph::delete_node))
        .route("/{version}/{id}/phone_numbers", get(account::numbers))
        .route("/{version}/{id}/messages", post(messages::messages))
        .route("/{version}/{id}/marketing_messages", post(messages::marketing_messages))
        .route("/{version}/{id}/media", post(media::upload))
        .route("/{version}/{id}/uploads", post(uploads::begin))
        .route("/{version}/{id}/message_templates", templates)
        .route("/{version}/{id}/subscribed_apps", subscriptions)
        .route_layer(middleware::from_fn_with_state(meta.clone(), graph::enter))
        .route("/whatsapp_business/attachments/", get(media::attachment))
}

fn control_routes() -> Router<Meta> {
    Router::new()
        .route("/control/numbers", put(control::put_number))
        .route("/control/accounts", put(control::put_account))
        .route("/control/apps", put(control::put_app))
        .route("/control/tokens", put(control::put_token))
        .route("/control/recipients", put(control::put_recipient))
        .route("/control/templates", put(control::put_template).post(control::template))
        .route("/control/inbound", post(happen::inbound))
        .route("/control/status", post(happen::status))
        .route("/control/echo", post(happen::echo))
        .route("/control/history", post(happen::history))
        .route("/control/event", post(happen::event))
        .route("/control/batch", post(happen::batch))
        .route("/control/webhook", post(happen::webhook))
        .route("/control/hurry", post(control::hurry))
        .route("/control/faults", get(control::faults).post(control::fault))
        .route("/control/clock", get(control::clock).post(control::set_clock))
        .route("/control/sent", get(control::sent))
        .route("/control/receipts", get(control::receipts))
        .route("/control/calls", get(control::calls))
        .route("/control/webhooks", get(control::webhooks))
        .route("/control/reset", post(control::reset))
}
