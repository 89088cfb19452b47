//! Webhooks on their way to the hub: written, signed and retried as Meta does.

pub(crate) mod batch;
pub(crate) mod compose;
mod schedule;

use crate::Meta;
use crate::world::App;
use compose::Change;
use recado_whatsapp::signature;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long Meta waits for an address to verify itself (WHATSAPP.md §2.1).
const VERIFY_TIMEOUT: Duration = Duration::from_secs(6);

/// The fields that an account can have sent to an address of its own (WHATSAPP.md §2.1); so can those of groups.
const OVERRIDABLE: [&str; 9] = [
    "messages",
    "message_echoes",
    "calls",
    "consumer_profile",
    "messaging_handovers",
    "smb_message_echoes",
    "smb_app_state_sync",
    "history",
    "account_settings_update",
];

/// Posts webhooks, and remembers how they were received.
#[derive(Debug)]
pub(crate) struct Webhooks {
    http: reqwest::Client,
    /// How long after a refusal the first repetition comes.
    retry: Duration,
    posted: Mutex<Vec<Arc<Mutex<Posted>>>>,
    hurry: Arc<Notify>,
}

/// One webhook and how it was received.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Posted {
    pub(crate) body: Value,
    pub(crate) url: String,
    /// The HTTP status of each attempt; 0 where there was no answer.
    pub(crate) attempts: Vec<u16>,
    pub(crate) state: State,
}

/// How far a webhook has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It is on its way, or waits to be sent again.
    Waiting,
    /// The hub has it.
    Taken,
    /// A week has passed.
    GivenUp,
}

impl Webhooks {
    pub(crate) fn new(retry: Duration, timeout: Duration) -> anyhow::Result<Self> {
        let agent = "facebookexternalua";
        let http = reqwest::Client::builder().connect_timeout(timeout).timeout(timeout).user_agent(agent).build()?;
        Ok(Self { http, retry, posted: Mutex::default(), hurry: Arc::default() })
    }

    /// Posts a body in the background, again and again until it is taken.
    pub(crate) fn post(&self, app: &App, body: Value) {
        let text = in_metas_spelling(&body);
        let signature = signature::sign(text.as_bytes(), &app.secret);
        let posted = Posted { body, url: app.url.clone(), attempts: Vec::new(), state: State::Waiting };
        let record = Arc::new(Mutex::new(posted));
        lock(&self.posted).push(record.clone());
        let (http, url, retry, hurry) = (self.http.clone(), app.url.clone(), self.retry, self.hurry.clone());
        tokio::spawn(async move {
            let mut waits = schedule::waits(retry);
            loop {
                let sent = http
                    .post(&url)
                    .header("content-type", "application/json")
                    .header(signature::HEADER, &signature)
                    .body(text.clone())
                    .send()
                    .await;
                let status = sent.map_or(0, |answer| answer.status().as_u16());
                // Before the answer is told, so that whoever reads of it can hurry the next attempt.
                let hurried = hurry.notified();
                let wait = {
                    let mut record = lock(&record);
                    record.attempts.push(status);
                    if (200..300).contains(&status) {
                        record.state = State::Taken;
                        return;
                    }
                    let Some(wait) = waits.next() else {
                        record.state = State::GivenUp;
                        return;
                    };
                    wait
                };
                tracing::warn!(status, ?wait, "a webhook was not taken; it will be sent again");
                let _ = tokio::time::timeout(wait, hurried).await;
            }
        });
    }

    /// Sends what waits to be sent again now.
    pub(crate) fn hurry(&self) {
        self.hurry.notify_waiters();
    }

    /// Whether an address answers Meta's verification; otherwise the HTTP status of its answer.
    pub(crate) async fn verify(&self, url: &str, verify_token: &str) -> Result<(), u16> {
        let challenge = rand::random::<u32>().to_string();
        let query = [("hub.mode", "subscribe"), ("hub.challenge", &*challenge), ("hub.verify_token", verify_token)];
        let answer = self.http.get(url).query(&query).timeout(VERIFY_TIMEOUT).send().await.map_err(|_| 0_u16)?;
        let status = answer.status();
        let text = answer.text().await.map_err(|_| 0_u16)?;
        if status.is_success() && text == challenge { Ok(()) } else { Err(status.as_u16()) }
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        lock(&self.posted).iter().map(|record| lock(record).clone()).collect()
    }

    pub(crate) fn forget(&self) {
        lock(&self.posted).clear();
    }
}

impl Meta {
    /// Tells the apps what happened, in one POST for each of them that hears of it.
    pub(crate) fn post(&self, changes: Vec<Change>) {
        for (app, body) in self.bodies(changes) {
            self.0.webhooks.post(&app, body);
        }
    }

    /// The bodies that tell the apps what happened. Accounts that nobody subscribed to are passed over.
    pub(crate) fn bodies(&self, changes: Vec<Change>) -> Vec<(App, Value)> {
        let mut targets: Vec<(App, Vec<Change>)> = Vec::new();
        {
            let world = self.world();
            for change in changes {
                let account = world.accounts.get(&change.waba).cloned().unwrap_or_default();
                let (true, Some(mut app)) = (account.subscribed, world.apps.get(&change.app).cloned()) else {
                    continue;
                };
                let is_overridable = OVERRIDABLE.contains(&&*change.field)
                    || (change.field.starts_with("group_") && change.field.ends_with("_update"));
                if let (true, Some(uri)) = (is_overridable, account.override_callback_uri) {
                    app.url = uri;
                }
                match targets.iter_mut().find(|(target, _)| target.url == app.url) {
                    Some((_, changes)) => changes.push(change),
                    None => targets.push((app, vec![change])),
                }
            }
        }
        let now = self.now().as_second();
        targets.into_iter().map(|(app, changes)| (app, compose::envelope(changes, now))).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// JSON as Meta writes it: everything beyond ASCII as `\u` and four digits, and slashes escaped.
fn in_metas_spelling(value: &Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        match character {
            '/' => text.push_str("\\/"),
            ascii if ascii.is_ascii() => text.push(ascii),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(text, "\\u{unit:04x}").expect("writing to a string cannot fail");
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bodies_are_spelled_as_meta_spells_them() {
        let body = json!({"text": "¡Hola! 😊", "url": "https://a/b"});
        let text = in_metas_spelling(&body);
        assert_eq!(text, r#"{"text":"\u00a1Hola! \ud83d\ude0a","url":"https:\/\/a\/b"}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), body);
    }
}
