//! A Secrets Manager document, kept at hand.

use crate::clock::Clock;
use aws_sdk_secretsmanager::Client;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::RwLock;

/// A document is read again at most this often, however many requests ask for it: a wrong signature
/// must not become a way to make us call Secrets Manager.
const REREAD_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// A JSON secret, read at start-up and again when it seems outdated.
#[derive(Debug)]
pub struct SecretDocument<T> {
    client: Client,
    id: String,
    clock: Clock,
    read: RwLock<Read<T>>,
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
}

impl<T: DeserializeOwned> SecretDocument<T> {
    /// Reads the secret of this id or ARN. Called before the process takes work: without it, it must not start.
    pub async fn load(client: Client, id: String, clock: Clock) -> Result<Self, SecretError> {
        let document = Arc::new(fetch(&client, &id).await?);
        let read = RwLock::new(Read { document, at: clock.now() });
        Ok(Self { client, id, clock, read })
    }

    /// The document as it was read last.
    pub async fn current(&self) -> Arc<T> {
        self.read.read().await.document.clone()
    }

    /// Reads the secret again unless that was done within the last minute; `None` if there is
    /// nothing newer to be had. For when the document does not have, or does not open, what it should.
    pub async fn newer(&self) -> Result<Option<Arc<T>>, SecretError> {
        let mut read = self.read.write().await;
        let now = self.clock.now();
        if now.duration_since(read.at) < REREAD_AFTER {
            return Ok(None);
        }
        read.at = now;
        read.document = Arc::new(fetch(&self.client, &self.id).await?);
        Ok(Some(read.document.clone()))
    }
}

async fn fetch<T: DeserializeOwned>(client: &Client, id: &str) -> Result<T, SecretError> {
    let request = |source: Box<dyn std::error::Error + Send + Sync>| SecretError::Request { id: id.to_owned(), source };
    let answer = client.get_secret_value().secret_id(id).send().await.map_err(|error| request(Box::new(error)))?;
    serde_json::from_str(answer.secret_string().unwrap_or_default()).map_err(|error| SecretError::Form {
        id: id.to_owned(),
        line: error.line(),
        column: error.column(),
    })
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
}
