//! Webhooks on their way to the hub: written, signed and retried as Meta does.

use recado_whatsapp::signature;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Meta gives up after seven days; with a first wait of one second, doubling, that is so many attempts.
const ATTEMPTS: u32 = 20;

/// Posts webhooks, and remembers how they were received.
#[derive(Debug)]
pub(crate) struct Webhooks {
    http: reqwest::Client,
    url: String,
    secret: SecretString,
    retry: Duration,
    posted: Mutex<Vec<Arc<Mutex<Posted>>>>,
}

/// One webhook and how it was received.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Posted {
    pub(crate) body: Value,
    /// The HTTP status of each attempt; 0 where there was no answer.
    pub(crate) attempts: Vec<u16>,
}

impl Webhooks {
    pub(crate) fn new(url: String, secret: SecretString, retry: Duration) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        Ok(Self { http, url, secret, retry, posted: Mutex::default() })
    }

    /// Posts a body in the background, again and again until it is taken.
    pub(crate) fn post(&self, body: Value) {
        let text = in_metas_spelling(&body);
        let signature = signature::sign(text.as_bytes(), &self.secret);
        let record = Arc::new(Mutex::new(Posted { body, attempts: Vec::new() }));
        lock(&self.posted).push(record.clone());
        let (http, url, retry) = (self.http.clone(), self.url.clone(), self.retry);
        tokio::spawn(async move {
            for attempt in 0..ATTEMPTS {
                let sent = http
                    .post(&url)
                    .header("content-type", "application/json")
                    .header(signature::HEADER, &signature)
                    .body(text.clone())
                    .send()
                    .await;
                let status = sent.map_or(0, |answer| answer.status().as_u16());
                lock(&record).attempts.push(status);
                if (200..300).contains(&status) {
                    return;
                }
                tracing::warn!(status, attempt, "a webhook was not taken; it will be sent again");
                tokio::time::sleep(retry.saturating_mul(2_u32.saturating_pow(attempt))).await;
            }
        });
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        lock(&self.posted).iter().map(|record| lock(record).clone()).collect()
    }

    pub(crate) fn forget(&self) {
        lock(&self.posted).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// JSON as Meta writes it: everything beyond ASCII as `\uXXXX`, and slashes escaped.
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
