//! Meta in a box: what the hub needs of the Graph API, signed webhooks, and a control API for tests.
//!
//! It judges requests as Meta does and answers in Meta's forms, so that the hub's own client, and
//! nothing else, is what talks to it. What it does on purpose wrong is asked for by the control API.
//!
//! | Graph API | |
//! |---|---|
//! | `POST /{version}/{number}/messages` | a text; or a read receipt |
//! | `GET /{version}/{number}` | the number's details |
//! | `GET /{version}/{account}/phone_numbers` | the account's numbers |
//!
//! | control API | |
//! |---|---|
//! | `PUT /control/numbers` | a number exists, with its account and token; also how its statuses go |
//! | `POST /control/inbound` | a customer writes |
//! | `POST /control/webhook` | any body is signed and posted |
//! | `POST /control/faults` | the next sends of a number go wrong |
//! | `GET /control/sent` | what was sent |
//! | `GET /control/webhooks` | what was posted, and how it was received |
//! | `POST /control/reset` | forgets what was sent and posted, and all faults; numbers stay |

mod control;
mod delivery;
mod graph;
mod world;

use axum::Router;
use axum::routing::{get, post, put};
use delivery::Webhooks;
use secrecy::SecretString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use world::World;

/// The simulator: its world, and its way to the hub.
#[derive(Debug, Clone)]
pub struct Meta(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    webhooks: Webhooks,
    status_delay: Duration,
}

impl Meta {
    /// A simulator that posts to this webhook, signed with this secret.
    pub fn new(
        webhook_url: String,
        app_secret: SecretString,
        status_delay: Duration,
        retry: Duration,
    ) -> anyhow::Result<Self> {
        let webhooks = Webhooks::new(webhook_url, app_secret, retry)?;
        Ok(Self(Arc::new(Inner { world: Mutex::default(), webhooks, status_delay })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every route of the simulator.
pub fn router(meta: Meta) -> Router {
    Router::new()
        .route("/control/numbers", put(control::put_number))
        .route("/control/inbound", post(control::inbound))
        .route("/control/webhook", post(control::webhook))
        .route("/control/faults", post(control::fault))
        .route("/control/sent", get(control::sent))
        .route("/control/webhooks", get(control::webhooks))
        .route("/control/reset", post(control::reset))
        .route("/{version}/{id}", get(graph::number))
        .route("/{version}/{id}/phone_numbers", get(graph::numbers))
        .route("/{version}/{id}/messages", post(graph::messages))
        .with_state(meta)
}
