//! Takes Meta's webhooks.
//!
//! **Trigger:** HTTP API `GET` and `POST /api/whatsapp/webhook[/{app}]`, or the alias
//! `/api/modules/live-chat/webhooks/whatsapp` (REQUIREMENTS C-01). Without `{app}`, the app is called
//! `default`.
//!
//! **Promise:** `POST` answers 200 only when every item of the body is durably on a queue. Nothing is
//! parsed before the signature over the raw bytes has been verified. An item that is too large for a
//! queue goes to a bucket, and the queue carries its key. `GET` answers Meta's verification.
//!
//! **Idempotency:** none needed. A body that is delivered twice is queued twice; the workers absorb it.
//!
//! **On failure:** 5xx, and Meta sends the body again, for up to seven days. A body that was signed
//! but cannot be read is queued as it is and parked by the worker, because sending it again would not
//! make it readable. A missing or wrong signature is a 401, a wrong verify token a 403, a body above
//! 3 MiB a 413. Without a usable app secret the process does not start. A secret that was taken away is not
//! accepted for longer than five minutes; a new one is known at the first webhook that it signed, or a minute later.

#[cfg(test)]
mod tests;

use aws_sdk_secretsmanager::Client;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lambda_http::http::{Method, StatusCode, header};
use lambda_http::{Body, Request, RequestExt, Response};
use recado_platform::apps::{AppDocument, DEFAULT_APP, default_app};
use recado_platform::clock::Clock;
use recado_platform::intake::{IntakeBucket, IntakeError, Shelf};
use recado_platform::metrics::{self, Metric};
use recado_platform::queue::{Outgoing, Queue};
use recado_platform::secret::SecretDocument;
use recado_platform::settings::required;
use recado_whatsapp::envelope::{ClaimCheck, Envelope, Item, Kind};
use recado_whatsapp::signature::{self, AppSecrets, SignatureError, VerifiedBody};
use recado_whatsapp::webhook::split::{Split, split};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// The largest body that is taken; Meta documents 3 MB.
pub const MAX_BODY: usize = 3 * 1024 * 1024;

/// The largest queue message: SQS takes 1 MiB, and counts more than the text. What is larger goes to the
/// bucket.
pub const MAX_QUEUE_MESSAGE: usize = 900_000;

/// How long putting everything on the queues may take. Meta wants an answer within seconds, and
/// a 5xx costs nothing but a redelivery.
const BUDGET: Duration = Duration::from_secs(2);

/// The secrets of every Meta app that may call, by the name it has in the path.
pub type Apps = HashMap<String, App>;

/// The secrets of one Meta app. None of them is empty, however and whenever they were read.
#[derive(Debug, Deserialize)]
#[serde(try_from = "AppDocument")]
pub struct App {
    /// Sign the webhooks.
    secrets: AppSecrets,
    /// Proves that a verification comes from who set up the webhook.
    verify_token: SecretString,
}

impl TryFrom<AppDocument> for App {
    type Error = &'static str;

    fn try_from(document: AppDocument) -> Result<Self, Self::Error> {
        let AppDocument { current, previous, verify_token } = document;
        if current.expose_secret().is_empty() || verify_token.expose_secret().is_empty() {
            return Err("an app needs a secret and a verify token");
        }
        // Blanking the previous secret is how a rotation is ended.
        let previous = previous.filter(|secret| !secret.expose_secret().is_empty());
        Ok(Self { secrets: AppSecrets { current, previous }, verify_token })
    }
}

/// The app secrets that the environment names: the deployment's and the tenants' own, and a default app that stands
/// in the environment itself.
pub async fn apps_from_settings(secrets: Client) -> anyhow::Result<Vec<SecretDocument<Apps>>> {
    let document = async |name| {
        let id = required(name)?;
        Ok::<_, anyhow::Error>(SecretDocument::load(secrets.clone(), id, Clock::system()).await?)
    };
    let (deployment, tenants) = tokio::try_join!(document("APPS_SECRET_ID"), document("TENANT_APPS_SECRET_ID"))?;
    let mut apps = vec![deployment, tenants];
    if let Some(app) = default_app()? {
        let app = App::try_from(app).map_err(anyhow::Error::msg)?;
        apps.push(SecretDocument::fixed(Apps::from([(DEFAULT_APP.to_owned(), app)]), Clock::system()));
    }
    Ok(apps)
}

/// The function and what it uses.
#[derive(Debug)]
pub struct Webhook {
    /// The app secrets: the deployment's, and the tenants' own. Of two apps of one name, the first counts.
    pub apps: Vec<SecretDocument<Apps>>,
    /// Where messages, and what cannot be read, go.
    pub messages: Queue,
    /// Where statuses go.
    pub statuses: Queue,
    /// Where everything else goes.
    pub account: Queue,
    /// Where items go that are too large for a queue.
    pub intake: IntakeBucket,
    /// The time.
    pub clock: Clock,
}

/// Why a body was not taken.
#[derive(Debug)]
enum Refusal {
    TooLarge,
    Signature(SignatureError),
    NotDurable,
}

impl Webhook {
    /// Fails if there is no app whose webhooks could be verified.
    pub async fn refuse_to_start_without_apps(&self) -> anyhow::Result<()> {
        for apps in &self.apps {
            if !apps.current().await.is_empty() {
                return Ok(());
            }
        }
        anyhow::bail!("the app secrets name no app")
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        let app = request.uri().path().rsplit_once("/webhook/").map_or(DEFAULT_APP, |(_, app)| app);
        if request.method() == Method::GET {
            return self.verify_subscription(app, &request).await;
        }
        match self.take(app, &request).await {
            Ok(()) => plain(StatusCode::OK, ""),
            Err(Refusal::TooLarge) => {
                metrics::count(Metric::BodyTooLarge);
                plain(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 3 MiB")
            }
            Err(Refusal::Signature(reason)) => {
                metrics::count(Metric::SignatureFailures);
                tracing::warn!(app, %reason, "refused a webhook");
                plain(StatusCode::UNAUTHORIZED, "Invalid signature")
            }
            Err(Refusal::NotDurable) => {
                metrics::count(Metric::NotDurable);
                plain(StatusCode::SERVICE_UNAVAILABLE, "Not stored, send it again")
            }
        }
    }

    async fn verify_subscription(&self, app: &str, request: &Request) -> Response<Body> {
        let query = request.query_string_parameters_ref();
        let parameter = |name| query.and_then(|query| query.first(name)).unwrap_or_default();
        let given = parameter("hub.verify_token").as_bytes();
        let matches = |app: &App| bool::from(app.verify_token.expose_secret().as_bytes().ct_eq(given));
        let known =
            self.try_app(app, |app| matches(app).then_some(()).ok_or(())).await.is_some_and(|known| known.is_ok());
        if parameter("hub.mode") == "subscribe" && known {
            plain(StatusCode::OK, parameter("hub.challenge"))
        } else {
            tracing::warn!(app, "refused a webhook verification");
            plain(StatusCode::FORBIDDEN, "Wrong verify token")
        }
    }

    async fn take(&self, app: &str, request: &Request) -> Result<(), Refusal> {
        let raw: &[u8] = request.body().as_ref();
        if raw.len() > MAX_BODY {
            return Err(Refusal::TooLarge);
        }
        let mut headers = request.headers().get_all(signature::HEADER).iter();
        let header = match (headers.next(), headers.next()) {
            (Some(_), Some(_)) => return Err(Refusal::Signature(SignatureError::Malformed)),
            (header, _) => header.map(|header| header.as_bytes()),
        };
        let verified = self.try_app(app, |app| signature::verify(raw, header, &app.secrets)).await;
        let body = verified.unwrap_or(Err(SignatureError::Mismatch)).map_err(Refusal::Signature)?;
        metrics::count(Metric::SignatureVerified);
        self.enqueue(app, body).await
    }

    /// Tries something with an app's secrets; `None` if there is no such app. If that fails, perhaps the app was
    /// registered, or its secret rotated, after the secrets were read: then they are read again, at most once a
    /// minute.
    async fn try_app<T, E>(&self, name: &str, attempt: impl Fn(&App) -> Result<T, E>) -> Option<Result<T, E>> {
        let mut tried = None;
        for apps in &self.apps {
            if let Some(app) = apps.recent().await.get(name) {
                tried = Some(attempt(app));
                break;
            }
        }
        if matches!(tried, Some(Ok(_))) {
            return tried;
        }
        for apps in &self.apps {
            let newer = apps.newer().await.unwrap_or_else(|error| {
                let error = recado_platform::telemetry::chain(&error);
                tracing::error!(error, "the app secrets could not be read again");
                None
            });
            if let Some(app) = newer.as_deref().and_then(|apps| apps.get(name)) {
                return Some(attempt(app));
            }
        }
        tried
    }

    async fn enqueue(&self, app: &str, body: VerifiedBody<'_>) -> Result<(), Refusal> {
        let unreadable;
        let items = match split(body) {
            Split::Items(items) => items,
            Split::Foreign => {
                tracing::warn!(app, "ignored a webhook of another product");
                return Ok(());
            }
            Split::Unreadable(error) => {
                tracing::warn!(app, %error, "a signed body cannot be read");
                let text = serde_json::Value::String(STANDARD.encode(body.as_bytes()));
                unreadable = RawValue::from_string(text.to_string()).expect("a JSON string is JSON");
                vec![Item::new(Kind::Malformed, &unreadable)]
            }
        };
        let failure = match tokio::time::timeout(BUDGET, self.send(app, items)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => recado_platform::telemetry::chain(&*error),
            Err(_) => format!("no answer within {} s", BUDGET.as_secs()),
        };
        tracing::error!(app, error = failure, "a webhook could not be queued; Meta will send it again");
        Err(Refusal::NotDurable)
    }

    async fn send(&self, app: &str, items: Vec<Item<'_>>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let received = self.clock.now().as_millisecond();
        let (mut messages, mut statuses, mut account) = (Vec::new(), Vec::new(), Vec::new());
        let unreadable = items.iter().filter(|item| item.kind == Kind::Malformed).count();
        for item in items {
            let queue = match item.kind {
                Kind::Message | Kind::Echo | Kind::History | Kind::Malformed => &mut messages,
                Kind::Status => &mut statuses,
                Kind::Other => &mut account,
            };
            let mut outgoing = outgoing(app, received, item);
            if outgoing.body.len() > MAX_QUEUE_MESSAGE {
                outgoing.body = self.check_in(app, received, &outgoing.body).await?;
            }
            queue.push(outgoing);
        }
        let received = [
            (Metric::MessagesReceived, messages.len() - unreadable),
            (Metric::UnreadableReceived, unreadable),
            (Metric::StatusesReceived, statuses.len()),
            (Metric::AccountEventsReceived, account.len()),
        ];
        tokio::try_join!(
            self.messages.send_all(messages),
            self.statuses.send_all(statuses),
            self.account.send_all(account),
        )?;
        for (metric, events) in received {
            metrics::add(metric, events as u64);
        }
        Ok(())
    }

    /// Puts an envelope into the bucket and returns what goes to the queue instead. A body has at most
    /// three that are so large.
    async fn check_in(&self, app: &str, received: i64, envelope: &str) -> Result<String, IntakeError> {
        let key = self.intake.put(Shelf::Claims, envelope).await?;
        metrics::count(Metric::ClaimChecked);
        Ok(ClaimCheck::new(app.into(), received, key.into()).to_message())
    }
}

fn outgoing(app: &str, received: i64, item: Item<'_>) -> Outgoing {
    let group = fair_group(&item);
    let body = Envelope::new(app.into(), received, item).to_message();
    Outgoing::now(body, group)
}

/// Whose turn the item counts against. Taken from the body, so only used if it looks like an id:
/// SQS would refuse the whole entry for an odd one.
fn fair_group(item: &Item<'_>) -> String {
    let id = item.phone_number_id.as_deref().or(item.waba_id.as_deref()).unwrap_or_default();
    match id.len() {
        1..=64 if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => id.to_owned(),
        _ => "other".to_owned(),
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(Body::from(text))
        .expect("all parts are valid")
}
