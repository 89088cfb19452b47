//! A simulator of a test's own, and a hub that hears of what happens in it.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use recado_whatsapp::signature::{AppSecrets, verify};
use serde_json::{Value, json};
use simulator::{Meta, Settings, router};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tower::ServiceExt;

/// The number that every test has.
pub(crate) const NUMBER: &str = "109876543210987";

/// Its account.
pub(crate) const WABA: &str = "102938475610293";

/// A customer.
pub(crate) const LUCIA: &str = "5491155551234";

const SECRET: &str = "s";

/// What the hub receives, and what it answers.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    received: Mutex<Vec<Value>>,
    answers: Mutex<VecDeque<u16>>,
    changed: Notify,
}

impl Hub {
    /// The next answers; 200 after them.
    pub(crate) fn will_answer(&self, statuses: impl IntoIterator<Item = u16>) {
        self.answers.lock().unwrap().extend(statuses);
    }

    /// Everything received, once there are so many.
    pub(crate) async fn receives(&self, count: usize) -> Vec<Value> {
        let enough = async {
            loop {
                let changed = self.changed.notified();
                let received = self.received.lock().unwrap().clone();
                if received.len() >= count {
                    return received;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), enough).await;
        waited.unwrap_or_else(|_| panic!("expected {count} webhooks, got {:?}", self.received.lock().unwrap()))
    }

    /// The `value` of the only change of the webhook at this place.
    pub(crate) async fn value(&self, place: usize) -> Value {
        self.receives(place + 1).await[place]["entry"][0]["changes"][0]["value"].clone()
    }

    /// Every status received, once there are so many.
    pub(crate) async fn statuses(&self, count: usize) -> Vec<Value> {
        let received = self.receives(count).await;
        let all = received.iter().flat_map(|body| body["entry"][0]["changes"][0]["value"]["statuses"].as_array());
        all.flatten().cloned().collect()
    }
}

async fn receive(State((hub, secret)): State<(Arc<Hub>, String)>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let secrets = AppSecrets { current: secret.as_str().into(), previous: None };
    let header = headers.get("x-hub-signature-256").map(|header| header.as_bytes());
    assert!(verify(&body, header, &secrets).is_ok(), "the signature of {body:?} is wrong");
    hub.received.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    let status = hub.answers.lock().unwrap().pop_front().unwrap_or(200);
    hub.changed.notify_waiters();
    StatusCode::from_u16(status).unwrap()
}

async fn challenge(Query(query): Query<HashMap<String, String>>) -> Result<String, StatusCode> {
    if query["hub.verify_token"] == "right" { Ok(query["hub.challenge"].clone()) } else { Err(StatusCode::FORBIDDEN) }
}

/// A hub that listens. Whatever is not signed with this secret fails its test.
pub(crate) async fn hub(secret: &str) -> (Arc<Hub>, String) {
    let hub = Arc::<Hub>::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let state = (hub.clone(), secret.to_owned());
    let app = Router::new().route("/webhook", axum::routing::post(receive).get(challenge)).with_state(state);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (hub, url)
}

/// A simulator with one number.
pub(crate) struct Sim {
    pub(crate) router: Router,
    pub(crate) hub: Arc<Hub>,
}

/// An answer: its HTTP status, and its body as JSON if it is JSON. Status 0: the connection broke.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) bytes: Bytes,
}

impl Answer {
    /// The error's code; 0 if there is none.
    pub(crate) fn code(&self) -> i64 {
        self.body["error"]["code"].as_i64().unwrap_or_default()
    }

    /// What the error says, with its details.
    pub(crate) fn told(&self) -> String {
        let error = &self.body["error"];
        format!("{} {}", error["message"], error["error_data"]["details"])
    }
}

impl Sim {
    /// A number from which no statuses come unless it is changed.
    pub(crate) async fn new() -> Self {
        Self::with_number(json!({"statuses": []})).await
    }

    /// A number with more or other fields.
    pub(crate) async fn with_number(more: Value) -> Self {
        let sim = Self::with_retry(Duration::from_millis(1)).await;
        sim.number(more).await;
        sim
    }

    /// A simulator without a number, which sends webhooks again after this time.
    pub(crate) async fn with_retry(retry: Duration) -> Self {
        let (hub, webhook_url) = hub(SECRET).await;
        let meta = Meta::new(Settings {
            webhook_url,
            app_secret: SECRET.into(),
            status_delay: Duration::from_millis(1),
            retry,
            webhook_timeout: Duration::from_secs(5),
        });
        Self { router: router(meta.unwrap()), hub }
    }

    /// Changes the number.
    pub(crate) async fn number(&self, more: Value) {
        let mut number =
            json!({"phone_number_id": NUMBER, "waba_id": WABA, "token": "token", "verified_name": "Lucero"});
        number.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.put("numbers", number).await;
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        read(answer).await
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let request = Request::builder().method(method).uri(format!("/control/{path}"));
        let request = request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap();
        let answer = self.call(request).await;
        assert_eq!(answer.status, 200, "{method} /control/{path}: {:?}", answer.bytes);
        answer.body
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Value {
        self.control("PUT", path, body).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.control("POST", path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.control("GET", path, Value::Null).await
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, seconds: i64) {
        self.post("clock", json!({"advance_seconds": seconds})).await;
    }

    /// A Graph call with the number's token, below `/v26.0/`.
    pub(crate) async fn graph(&self, method: &str, path: &str, body: Value) -> Answer {
        self.graph_as("token", method, &format!("/v26.0/{path}"), body).await
    }

    /// A Graph call with any token.
    pub(crate) async fn graph_as(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder().method(method).uri(path).header("host", "meta.example");
        let request = request.header("authorization", format!("Bearer {token}"));
        self.call(request.header("content-type", "application/json").body(body).unwrap()).await
    }

    /// Sends a message to Lucía, unless it says to whom.
    pub(crate) async fn send(&self, message: Value) -> Answer {
        let mut whole = json!({"messaging_product": "whatsapp"});
        if message.get("recipient").is_none() {
            whole["to"] = json!(LUCIA);
        }
        whole.as_object_mut().unwrap().extend(message.as_object().unwrap().clone());
        self.graph("POST", &format!("{NUMBER}/messages"), whole).await
    }

    /// The code with which a message is refused; 0 if it is taken.
    pub(crate) async fn code(&self, message: Value) -> i64 {
        self.send(message).await.code()
    }

    /// A customer writes.
    pub(crate) async fn inbound(&self, more: Value) -> Value {
        let mut inbound = json!({"phone_number_id": NUMBER, "from": LUCIA, "name": "Lucía"});
        inbound.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("inbound", inbound).await
    }
}

pub(crate) async fn read(answer: Response<Body>) -> Answer {
    let status = answer.status().as_u16();
    match to_bytes(answer.into_body(), usize::MAX).await {
        Ok(bytes) => Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default(), bytes },
        Err(_) => Answer { status: 0, body: Value::Null, bytes: Bytes::new() },
    }
}

/// A text.
pub(crate) fn text(body: &str) -> Value {
    json!({"type": "text", "text": {"body": body}})
}
