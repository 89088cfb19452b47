//! AWS in this process: what the SDK's clients send is answered here, without a socket.
//!
//! DynamoDB is an embedded one. Of SQS, S3, KMS and Secrets Manager there is what the handlers ask of them:
//! queues that take batches and are emptied by the test, objects that are put and got, a key that turns bytes
//! around, one secret that stays and one that is changed; and of Cognito, that whoever is invited is new.

mod dynamo;
mod faults;

use crate::wire::dynamo::Table;
use crate::wire::faults::Fault;
pub(crate) use crate::wire::faults::Faults;
use aws_sdk_dynamodb::config::StalledStreamProtectionConfig;
use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{AsyncSleep, Sleep};
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::result::ConnectorError;
use data_encoding::BASE64;
use recado_platform::aws::SdkConfig;
use recado_testkit::aws::client_config;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The name of the table.
pub(crate) const TABLE: &str = "recado";

/// The account that all clients of a test share.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Inside>);

struct Inside {
    table: Table,
    secret: String,
    /// The versions of the tenants' apps, and which one is the current one.
    tenant_apps: Mutex<(Vec<String>, usize)>,
    faults: Mutex<Faults>,
    queues: Mutex<BTreeMap<String, Vec<String>>>,
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

/// Waiting takes no time here: others go first, once.
#[derive(Debug)]
struct NoWait;

impl AsyncSleep for NoWait {
    fn sleep(&self, _: Duration) -> Sleep {
        Sleep::new(tokio::task::yield_now())
    }
}

impl Wire {
    /// An account with an empty table and this secret.
    pub(crate) fn new(secret: &Value) -> Self {
        Self(Arc::new(Inside {
            table: Table::of_the_template(TABLE),
            secret: secret.to_string(),
            tenant_apps: Mutex::new((vec!["{}".to_owned()], 0)),
            faults: Mutex::new(Faults::none()),
            queues: Mutex::default(),
            objects: Mutex::default(),
        }))
    }

    /// What clients are made of. Each call is tried so many times.
    pub(crate) fn config(&self, attempts: u32) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        client_config("http://aws.invalid")
            .into_builder()
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(attempts))
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .sleep_impl(NoWait)
            .build()
    }

    /// Lets calls to the table go wrong from now on.
    pub(crate) fn set_faults(&self, faults: Faults) -> Faults {
        std::mem::replace(&mut *self.0.faults.lock().unwrap(), faults)
    }

    /// Takes everything from the queues: the queue's name and the message, in order.
    pub(crate) fn take_queued(&self) -> Vec<(String, String)> {
        let queues = std::mem::take(&mut *self.0.queues.lock().unwrap());
        queues.into_iter().flat_map(|(name, bodies)| bodies.into_iter().map(move |body| (name.clone(), body))).collect()
    }

    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let turns = self.0.faults.lock().unwrap().turns();
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let (method, uri) = (request.method().to_owned(), request.uri().to_owned());
        let body = request.body().bytes().expect("nothing is sent as a stream").to_vec();
        match target.split_once('.') {
            Some(("DynamoDB_20120810", operation)) => self.dynamo(operation, &body),
            Some(("AmazonSQS", "SendMessageBatch")) => Ok(self.send(&body)),
            Some(("secretsmanager", operation)) => Ok(self.secret(operation, &body)),
            Some(("TrentService", operation)) => Ok(turned_around(operation, &body)),
            Some(("AWSCognitoIdentityProviderService", "AdminCreateUser")) => Ok(invited(&body)),
            Some(_) => panic!("nobody answers {target}"),
            None => Ok(self.object(&method, &uri, body)),
        }
    }

    fn dynamo(&self, operation: &str, body: &[u8]) -> Result<HttpResponse, ConnectorError> {
        let fault = self.0.faults.lock().unwrap().next(operation);
        if let Some((status, answer)) = fault.and_then(|fault| fault.instead(operation, body)) {
            return Ok(response(status, answer));
        }
        let (status, answer) = self.0.table.answer(operation, body);
        match fault {
            Some(Fault::AnswerLost) => Err(ConnectorError::io("the answer was lost".into())),
            _ => Ok(response(status, answer)),
        }
    }

    fn send(&self, body: &[u8]) -> HttpResponse {
        let asked: Value = serde_json::from_slice(body).unwrap();
        let name = asked["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let entries = asked["Entries"].as_array().unwrap();
        let bodies = entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap().to_owned());
        self.0.queues.lock().unwrap().entry(name).or_default().extend(bodies);
        let taken: Vec<Value> =
            entries.iter().map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"})).collect();
        response(200, json!({"Successful": taken, "Failed": []}).to_string())
    }

    fn secret(&self, operation: &str, body: &[u8]) -> HttpResponse {
        let asked: Value = serde_json::from_slice(body).unwrap();
        let (versions, current) = &mut *self.0.tenant_apps.lock().unwrap();
        let place = |name: &str| asked[name].as_str().unwrap().parse::<usize>().unwrap();
        let answer = match (operation, asked["SecretId"].as_str().unwrap()) {
            ("GetSecretValue", "tenant-apps") => {
                json!({"SecretString": versions[*current], "VersionId": current.to_string()})
            }
            ("GetSecretValue", _) => json!({"SecretString": self.0.secret, "VersionId": "0"}),
            ("PutSecretValue", "tenant-apps") => {
                versions.push(asked["SecretString"].as_str().unwrap().to_owned());
                json!({"VersionId": (versions.len() - 1).to_string()})
            }
            ("UpdateSecretVersionStage", "tenant-apps") => {
                assert_eq!(place("RemoveFromVersionId"), *current, "nobody else changes it here");
                *current = place("MoveToVersionId");
                json!({})
            }
            other => panic!("nobody answers {other:?}"),
        };
        response(200, answer.to_string())
    }

    fn object(&self, method: &str, uri: &str, body: Vec<u8>) -> HttpResponse {
        let key = uri.split('?').next().unwrap_or_default().to_owned();
        let mut objects = self.0.objects.lock().unwrap();
        match method {
            "PUT" => {
                objects.insert(key, body);
                response(200, Vec::new())
            }
            "GET" => match objects.get(&key) {
                Some(bytes) => response(200, bytes.clone()),
                None => response(404, "<Error><Code>NoSuchKey</Code></Error>"),
            },
            _ => panic!("nobody answers {method} {uri}"),
        }
    }
}

/// Somebody whom nobody has invited before.
fn invited(body: &[u8]) -> HttpResponse {
    let asked: Value = serde_json::from_slice(body).unwrap();
    let name = asked["Username"].as_str().unwrap();
    let subject = json!({"Name": "sub", "Value": format!("subject-of-{name}")});
    response(200, json!({"User": {"Username": name, "Attributes": [subject]}}).to_string())
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wire = self.clone();
        HttpConnectorFuture::new(async move { wire.answer(request).await })
    }
}

/// What the key makes of a text, and what it was before.
fn turned_around(operation: &str, body: &[u8]) -> HttpResponse {
    let asked: Value = serde_json::from_slice(body).unwrap();
    let turn = |name: &str| {
        let mut bytes = BASE64.decode(asked[name].as_str().unwrap().as_bytes()).unwrap();
        bytes.reverse();
        BASE64.encode(&bytes)
    };
    let answer = match operation {
        "Encrypt" => json!({"CiphertextBlob": turn("Plaintext")}),
        "Decrypt" => json!({"Plaintext": turn("CiphertextBlob")}),
        other => panic!("nobody answers {other}"),
    };
    response(200, answer.to_string())
}

fn response(status: u16, body: impl Into<Vec<u8>>) -> HttpResponse {
    let status = status.try_into().expect("an HTTP status");
    let mut response = HttpResponse::new(status, SdkBody::from(body.into()));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}
