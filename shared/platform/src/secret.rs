//! A Secrets Manager document, kept at hand.

use crate::clock::Clock;
use aws_sdk_secretsmanager::Client;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::RwLock;

/// A document is read again at most this often, however many requests ask for it: a wrong signature
/// must not become a way to make us call Secrets Manager.
const REREAD_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// A document is believed this long; so what was taken out of it is not used for longer.
const KEEP: SignedDuration = SignedDuration::from_mins(5);

/// How often a change of a document is tried again because of another one.
const ATTEMPTS: u32 = 8;

/// The label of a version that is not the current one yet.
const CANDIDATE: &str = "CANDIDATE";

/// The label of the current version, as Secrets Manager has it.
const CURRENT: &str = "AWSCURRENT";

/// A JSON secret, read at start-up and again when it seems outdated.
#[derive(Debug)]
pub struct SecretDocument<T> {
    /// Where it is read again; one that stays as it is has none.
    source: Option<Source>,
    clock: Clock,
    read: RwLock<Read<T>>,
}

#[derive(Debug)]
struct Source {
    client: Client,
    id: String,
}

#[derive(Debug)]
struct Read<T> {
    document: Arc<T>,
    at: Timestamp,
}

/// A secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager refused, or did not answer.
    #[error("the secret {id} could not be read")]
    Request {
        /// Which secret.
        id: String,
        /// What Secrets Manager said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is not JSON of the expected form. Its text is not quoted.
    #[error("the secret {id} does not have the expected form (line {line}, column {column})")]
    Form {
        /// Which secret.
        id: String,
        /// Where it goes wrong.
        line: usize,
        /// Where it goes wrong.
        column: usize,
    },
    /// Others changed it again and again. Nothing was changed.
    #[error("the secret {id} kept being changed by others")]
    Contended {
        /// Which secret.
        id: String,
    },
}

impl<T: DeserializeOwned> SecretDocument<T> {
    /// Reads the secret of this id or ARN. Called before the process takes work: without it, it must not start.
    pub async fn load(client: Client, id: String, clock: Clock) -> Result<Self, SecretError> {
        let document = Arc::new(fetch(&client, &id).await?);
        let read = RwLock::new(Read { document, at: clock.now() });
        Ok(Self { source: Some(Source { client, id }), clock, read })
    }

    /// A document that stays as it is: what the deployment says by other means.
    pub fn fixed(document: T, clock: Clock) -> Self {
        let read = RwLock::new(Read { document: Arc::new(document), at: clock.now() });
        Self { source: None, clock, read }
    }

    /// The document as it was read last.
    pub async fn current(&self) -> Arc<T> {
        self.read.read().await.document.clone()
    }

    /// The document as it was at most five minutes ago; longer ago only while it cannot be read.
    pub async fn recent(&self) -> Arc<T> {
        let (document, at) = {
            let read = self.read.read().await;
            (read.document.clone(), read.at)
        };
        if self.clock.now().duration_since(at) < KEEP {
            return document;
        }
        match self.newer().await {
            Ok(newer) => newer.unwrap_or(document),
            Err(error) => {
                tracing::error!(error = crate::telemetry::chain(&error), "a secret could not be read again");
                document
            }
        }
    }

    /// Reads the secret again unless that was done within the last minute; `None` if there is
    /// nothing newer to be had. For when the document does not have, or does not open, what it should.
    pub async fn newer(&self) -> Result<Option<Arc<T>>, SecretError> {
        let Some(Source { client, id }) = &self.source else { return Ok(None) };
        let mut read = self.read.write().await;
        let now = self.clock.now();
        if now.duration_since(read.at) < REREAD_AFTER {
            return Ok(None);
        }
        read.at = now;
        read.document = Arc::new(fetch(client, id).await?);
        Ok(Some(read.document.clone()))
    }
}

/// A JSON secret that several may change at the same time.
#[derive(Debug, Clone)]
pub struct EditableSecret {
    client: Client,
    id: String,
}

impl EditableSecret {
    /// The secret of this id or ARN.
    pub const fn new(client: Client, id: String) -> Self {
        Self { client, id }
    }

    /// The document as it is now.
    pub async fn read<T: DeserializeOwned>(&self) -> Result<T, SecretError> {
        fetch(&self.client, &self.id).await
    }

    /// Changes the document. `change` may run several times, and tells by `Some` that there is something to
    /// be kept, and by `Err` that there is not.
    ///
    /// **No change is lost**: a version becomes the current one only in the place of the version that it was
    /// made from.
    pub async fn change<T: DeserializeOwned, R, E: From<SecretError>>(
        &self,
        write: impl Fn(&T) -> String,
        mut change: impl FnMut(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        for attempt in 0..ATTEMPTS {
            let (mut document, text, version) = fetch_version::<T>(&self.client, &self.id).await?;
            let changed = change(&mut document)?;
            let new = write(&document);
            if new == text || self.replace(&version, new).await? {
                return Ok(changed);
            }
            let longest = 50_u64 << attempt.min(5);
            tokio::time::sleep(Duration::from_millis(rand::random_range(0..=longest))).await;
        }
        Err(SecretError::Contended { id: self.id.clone() }.into())
    }

    /// Makes a text the current version, unless `before` is not the current version any more.
    async fn replace(&self, before: &str, text: String) -> Result<bool, SecretError> {
        let put = self.client.put_secret_value().secret_id(&self.id).secret_string(text).version_stages(CANDIDATE);
        let put = put.client_request_token(new_version()).send().await.map_err(|error| self.failed(error))?;
        let version = put.version_id().unwrap_or_default();
        let promote = self.client.update_secret_version_stage().secret_id(&self.id).version_stage(CURRENT);
        let promoted = promote.move_to_version_id(version).remove_from_version_id(before).send().await;
        match promoted {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_invalid_parameter_exception()) => {
                Ok(false)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, source: impl std::error::Error + Send + Sync + 'static) -> SecretError {
        SecretError::Request { id: self.id.clone(), source: Box::new(source) }
    }
}

/// The name of a version: 32 hexadecimal digits, as Secrets Manager wants it to be like a UUID.
fn new_version() -> String {
    format!("{:032x}", rand::random::<u128>())
}

async fn fetch<T: DeserializeOwned>(client: &Client, id: &str) -> Result<T, SecretError> {
    fetch_version(client, id).await.map(|(document, _, _)| document)
}

/// The document, its text, and which version it is.
async fn fetch_version<T: DeserializeOwned>(client: &Client, id: &str) -> Result<(T, String, String), SecretError> {
    let request = |source: Box<dyn std::error::Error + Send + Sync>| SecretError::Request { id: id.to_owned(), source };
    let answer = client.get_secret_value().secret_id(id).send().await.map_err(|error| request(Box::new(error)))?;
    let text = answer.secret_string.unwrap_or_default();
    let document = serde_json::from_str(&text).map_err(|error| SecretError::Form {
        id: id.to_owned(),
        line: error.line(),
        column: error.column(),
    })?;
    Ok((document, text, answer.version_id.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_testkit::aws::client_config;
    use serde_json::json;
    use std::sync::atomic::{AtomicI64, Ordering};
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

    async fn manager_of(secret: &str) -> (MockServer, Client) {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({"SecretString": secret}));
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let client = Client::new(&client_config(&server.uri()));
        (server, client)
    }

    #[tokio::test]
    async fn a_secret_is_read_again_at_most_once_a_minute() {
        let (server, client) = manager_of(r#"{"a":1}"#).await;
        let time = Arc::new(AtomicI64::new(0));
        let told = time.clone();
        let clock = Clock::new(move || Timestamp::from_second(told.load(Ordering::Relaxed)).unwrap());
        let secret: SecretDocument<serde_json::Value> =
            SecretDocument::load(client, "s".to_owned(), clock).await.unwrap();

        assert_eq!(secret.newer().await.unwrap(), None, "it has just been read");
        time.store(60, Ordering::Relaxed);
        assert!(secret.newer().await.unwrap().is_some());
        assert_eq!(secret.newer().await.unwrap(), None);
        assert_eq!(server.received_requests().await.unwrap().len(), 2, "reads of the secret");
    }

    #[tokio::test]
    async fn a_secret_of_another_form_is_refused_without_quoting_it() {
        let (_server, client) = manager_of("hush hush").await;
        let error = SecretDocument::<u8>::load(client, "s".to_owned(), Clock::system()).await.unwrap_err();
        assert_eq!(error.to_string(), "the secret s does not have the expected form (line 1, column 1)");
    }

    #[tokio::test]
    async fn what_was_taken_out_of_a_secret_is_not_used_for_longer_than_five_minutes() {
        let (server, client) = manager_of(r#"{"a":1}"#).await;
        let time = Arc::new(AtomicI64::new(0));
        let told = time.clone();
        let clock = Clock::new(move || Timestamp::from_second(told.load(Ordering::Relaxed)).unwrap());
        let secret: SecretDocument<serde_json::Value> =
            SecretDocument::load(client, "s".to_owned(), clock).await.unwrap();
        server.reset().await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({"SecretString": "{}"}));
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;

        time.store(299, Ordering::Relaxed);
        assert_eq!(*secret.recent().await, json!({"a": 1}));
        time.store(300, Ordering::Relaxed);
        assert_eq!(*secret.recent().await, json!({}), "after five minutes it is read again");

        server.reset().await;
        time.store(600, Ordering::Relaxed);
        assert_eq!(*secret.recent().await, json!({}), "while it cannot be read, it is used as it was");
    }
}
