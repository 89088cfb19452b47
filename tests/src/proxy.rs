//! A proxy between the functions and the AWS emulator, through which calls go wrong.
//!
//! The emulator never throttles, never loses an answer and its indexes never lag; AWS does all of
//! that. What goes wrong is either asked for, call by call ([`Proxy::next`]), or happens to a share of
//! all calls ([`Proxy::everywhere`]), drawn from a seed. Every call is counted, and of the table's calls the
//! capacity that they consume.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Nothing. To be asked for where a later call is to go wrong.
    Nothing,
    /// It takes a while.
    Slow,
    /// A transaction takes so long that much else happens between what it rests on and itself.
    Held,
    /// It is refused for coming too fast. Nothing is done.
    Throttled,
    /// It is refused for good. Nothing is done.
    Refused,
    /// A transaction is refused because another one has its items. Nothing is done.
    Conflict,
    /// AWS fails before it does anything.
    ErrorBefore,
    /// AWS does it, and answers with an error.
    ErrorAfter,
    /// The connection breaks before AWS does anything.
    DroppedBefore,
    /// AWS does it, and the connection breaks before the answer has arrived.
    DroppedAfter,
    /// An index answers as it did when it was last asked the same.
    Stale,
    /// One message of a batch is not taken; the others are.
    EntryRefused,
}

/// The operations that say what they consume.
const METERED: [&str; 9] = [
    "GetItem",
    "BatchGetItem",
    "Query",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "TransactGetItems",
];

/// How long a slow call takes longer. Long enough for others to come in between.
const SLOW: Duration = Duration::from_millis(30);

/// How long a transaction is held.
const HOLD: Duration = Duration::from_millis(1500);

/// How a kind of call fared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calls {
    /// How many there were.
    pub made: u64,
    /// How many bytes their bodies had.
    pub bytes: u64,
    /// What they consumed of the table, in its request units.
    pub units: f64,
    /// How many went wrong, and how.
    pub faults: BTreeMap<Fault, u64>,
}

/// The running proxy. It stops when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    inner: Arc<Inner>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Inner {
    upstream: String,
    http: reqwest::Client,
    state: Mutex<Rules>,
}

#[derive(Debug)]
struct Rules {
    random: StdRng,
    /// Of how many calls something goes wrong, from 0 to 1.
    share: f64,
    /// Of how many transactions each is held.
    held: f64,
    asked_for: HashMap<String, VecDeque<Fault>>,
    calls: BTreeMap<String, Calls>,
    /// What each index query was answered last.
    answers: HashMap<Bytes, (HeaderMap, Bytes)>,
}

impl Proxy {
    /// A proxy in front of this server, through which everything goes well.
    pub async fn start(upstream: &str) -> Self {
        Self::everywhere(upstream, 0, 0.0).await
    }

    /// A proxy in front of this server, through which this share of all calls goes wrong.
    pub async fn everywhere(upstream: &str, seed: u64, share: f64) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let state = Mutex::new(Rules {
            random: StdRng::seed_from_u64(seed),
            share,
            held: 0.0,
            asked_for: HashMap::new(),
            calls: BTreeMap::new(),
            answers: HashMap::new(),
        });
        let inner = Arc::new(Inner { upstream: upstream.to_owned(), http, state });
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(inner.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, inner, server }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The next call of this operation, such as `TransactWriteItems`, goes wrong in this way.
    pub fn next(&self, operation: &str, fault: Fault) {
        self.inner.rules().asked_for.entry(operation.to_owned()).or_default().push_back(fault);
    }

    /// From now on this share of all calls goes wrong.
    pub fn storm(&self, share: f64) {
        self.inner.rules().share = share;
    }

    /// From now on this share of all transactions is held besides.
    pub fn hold(&self, share: f64) {
        self.inner.rules().held = share;
    }

    /// From now on everything goes well.
    pub fn calm(&self) {
        let mut rules = self.inner.rules();
        (rules.share, rules.held) = (0.0, 0.0);
        rules.asked_for.clear();
    }

    /// What went through so far, by operation.
    pub fn calls(&self) -> BTreeMap<String, Calls> {
        self.inner.rules().calls.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Inner {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call on its way through.
struct Call {
    operation: String,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as it is passed on: a call to the table also asks what it consumes.
    fn metered(&self) -> Bytes {
        let target = self.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let is_metered =
            target.is_some_and(|target| target.starts_with("DynamoDB_")) && METERED.contains(&self.operation.as_str());
        match self.body.strip_prefix(b"{") {
            Some(rest) if is_metered => [br#"{"ReturnConsumedCapacity":"TOTAL","#, rest].concat().into(),
            _ => self.body.clone(),
        }
    }

    fn asks_an_index(&self) -> bool {
        self.operation == "Query" && self.json()["IndexName"].is_string()
    }

    /// What can go wrong with it.
    fn possible(&self) -> Vec<Fault> {
        let mut faults = vec![
            Fault::Slow,
            Fault::Throttled,
            Fault::ErrorBefore,
            Fault::ErrorAfter,
            Fault::DroppedBefore,
            Fault::DroppedAfter,
        ];
        match self.operation.as_str() {
            "TransactWriteItems" => faults.push(Fault::Conflict),
            "SendMessageBatch" => faults.push(Fault::EntryRefused),
            "Query" if self.asks_an_index() => faults.push(Fault::Stale),
            _ => {}
        }
        faults
    }
}

impl Rules {
    /// Counts a call and decides its fate.
    fn judge(&mut self, call: &Call) -> Option<Fault> {
        let fault = match self.asked_for.get_mut(&call.operation).and_then(VecDeque::pop_front) {
            Some(fault) => Some(fault),
            None if call.operation == "TransactWriteItems" && self.held > 0.0 && self.random.random_bool(self.held) => {
                Some(Fault::Held)
            }
            None if self.share > 0.0 && self.random.random_bool(self.share) => {
                let possible = call.possible();
                Some(possible[self.random.random_range(0..possible.len())])
            }
            None => None,
        };
        let calls = self.calls.entry(call.operation.clone()).or_default();
        calls.made += 1;
        calls.bytes += call.body.len() as u64;
        if let Some(fault) = fault {
            *calls.faults.entry(fault).or_default() += 1;
        }
        fault
    }
}

async fn pass(State(inner): State<Arc<Inner>>, method: Method, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else { return broken_off() };
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or(method.as_str()).to_owned();
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let call = Call { operation, method, path, headers, body };
    let fault = inner.rules().judge(&call);
    match fault {
        None | Some(Fault::Nothing) => forward(&inner, &call).await,
        Some(Fault::Refused) => refusal(StatusCode::BAD_REQUEST, json!({"__type": "ValidationException"})),
        Some(Fault::Slow) => {
            tokio::time::sleep(SLOW).await;
            forward(&inner, &call).await
        }
        Some(Fault::Held) => {
            tokio::time::sleep(HOLD).await;
            forward(&inner, &call).await
        }
        Some(Fault::Throttled) => refusal(StatusCode::BAD_REQUEST, json!({"__type": "ThrottlingException"})),
        Some(Fault::Conflict) => conflict(&call),
        Some(Fault::ErrorBefore) => error(),
        Some(Fault::ErrorAfter) => {
            forward(&inner, &call).await;
            error()
        }
        Some(Fault::DroppedBefore) => broken_off(),
        Some(Fault::DroppedAfter) => {
            forward(&inner, &call).await;
            broken_off()
        }
        Some(Fault::Stale) => {
            let known = inner.rules().answers.get(&call.body).cloned();
            match known {
                Some((headers, body)) => (headers, body).into_response(),
                None => forward(&inner, &call).await,
            }
        }
        Some(Fault::EntryRefused) => without_one_entry(&inner, call).await,
    }
}

async fn forward(inner: &Inner, call: &Call) -> Response {
    match ask(inner, call).await {
        Ok((status, headers, body)) => {
            if status.is_success() && call.asks_an_index() {
                inner.rules().answers.insert(call.body.clone(), (headers.clone(), body.clone()));
            }
            (status, headers, body).into_response()
        }
        Err(_) => broken_off(),
    }
}

async fn ask(inner: &Inner, call: &Call) -> Result<(StatusCode, HeaderMap, Bytes), reqwest::Error> {
    let mut headers = call.headers.clone();
    for own in [header::HOST, header::CONTENT_LENGTH, header::CONNECTION] {
        headers.remove(own);
    }
    let url = format!("{}{}", inner.upstream, call.path);
    let answer = inner.http.request(call.method.clone(), url).headers(headers).body(call.metered()).send().await?;
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    for own in [header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::CONNECTION] {
        headers.remove(own);
    }
    let body = answer.bytes().await?;
    inner.rules().calls.entry(call.operation.clone()).or_default().units += consumed(&body);
    Ok((status, headers, body))
}

/// What an answer of the table says that the call consumed.
fn consumed(answer: &[u8]) -> f64 {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        consumed_capacity: Consumed,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Consumed {
        OfOne(Units),
        OfEach(Vec<Units>),
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Units {
        capacity_units: f64,
    }
    match serde_json::from_slice(answer) {
        Ok(Answer { consumed_capacity: Consumed::OfOne(units) }) => units.capacity_units,
        Ok(Answer { consumed_capacity: Consumed::OfEach(all) }) => all.iter().map(|units| units.capacity_units).sum(),
        Err(_) => 0.0,
    }
}

/// Lets all messages of a batch through but one, which the queue says that it has not taken.
async fn without_one_entry(inner: &Inner, mut call: Call) -> Response {
    let mut asked = call.json();
    let Some(entries) = asked["Entries"].as_array_mut().filter(|entries| !entries.is_empty()) else {
        return forward(inner, &call).await;
    };
    let place = inner.rules().random.random_range(0..entries.len());
    let refused = entries.remove(place);
    let failure = json!({"Id": refused["Id"], "SenderFault": false, "Code": "InternalError", "Message": "a fault"});
    if entries.is_empty() {
        return (StatusCode::OK, axum::Json(json!({"Successful": [], "Failed": [failure]}))).into_response();
    }
    call.body = asked.to_string().into();
    match ask(inner, &call).await {
        Ok((status, _, body)) => {
            let mut answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            answer["Failed"] = json!([failure]);
            (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], answer.to_string()).into_response()
        }
        Err(_) => broken_off(),
    }
}

fn refusal(status: StatusCode, body: Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string()).into_response()
}

fn error() -> Response {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, json!({"__type": "InternalServerError", "message": "a fault"}))
}

/// A transaction that lost against another one, because of its last item.
fn conflict(call: &Call) -> Response {
    let count = call.json()["TransactItems"].as_array().map_or(1, Vec::len);
    let mut reasons = vec![json!({"Code": "None"}); count];
    reasons[count - 1] = json!({"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"});
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": reasons,
    });
    refusal(StatusCode::BAD_REQUEST, body)
}

/// An answer that ends before it has begun.
fn broken_off() -> Response {
    let nothing = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("a fault"))]);
    Response::builder()
        .header(header::CONTENT_LENGTH, 100)
        .body(Body::from_stream(nothing))
        .expect("all parts are valid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A server that counts what it does and answers with the count.
    async fn counting() -> (String, Arc<AtomicU32>) {
        let done = Arc::new(AtomicU32::new(0));
        let counted = done.clone();
        let answer = move || {
            let count = counted.fetch_add(1, Ordering::Relaxed) + 1;
            async move { count.to_string() }
        };
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        (url, done)
    }

    /// What a call comes to, and how often the server has done something by then.
    async fn call(proxy: &Proxy, operation: &str, body: &Value) -> Result<(u16, String), ()> {
        let call = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap().post(proxy.url());
        let call = call.header("x-amz-target", format!("DynamoDB_20120810.{operation}")).body(body.to_string());
        let answer = call.send().await.map_err(drop)?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(drop)?))
    }

    #[tokio::test]
    async fn a_fault_that_is_asked_for_happens_once_and_before_or_after_the_effect() {
        let (upstream, done) = counting().await;
        let proxy = Proxy::start(&upstream).await;
        let fine = json!({"TransactItems": [{}, {}]});
        for (fault, status, effects) in [
            (Fault::Nothing, Some(200), 1),
            (Fault::Refused, Some(400), 0),
            (Fault::Slow, Some(200), 1),
            (Fault::Throttled, Some(400), 0),
            (Fault::Conflict, Some(400), 0),
            (Fault::ErrorBefore, Some(500), 0),
            (Fault::ErrorAfter, Some(500), 1),
            (Fault::DroppedBefore, None, 0),
            (Fault::DroppedAfter, None, 1),
        ] {
            let before = done.load(Ordering::Relaxed);
            proxy.next("TransactWriteItems", fault);
            assert_eq!(call(&proxy, "GetItem", &fine).await.unwrap().0, 200, "another operation is left alone");
            let answer = call(&proxy, "TransactWriteItems", &fine).await;
            assert_eq!(answer.ok().map(|(status, _)| status), status, "{fault:?}");
            assert_eq!(done.load(Ordering::Relaxed) - before, 1 + effects, "{fault:?}");
            assert_eq!(call(&proxy, "TransactWriteItems", &fine).await.unwrap().0, 200, "{fault:?} happens once");
        }
        let calls = proxy.calls();
        assert_eq!((calls["GetItem"].made, calls["TransactWriteItems"].made), (9, 18));
        assert_eq!(calls["TransactWriteItems"].faults.values().sum::<u64>(), 9);
    }

    #[tokio::test]
    async fn a_lagging_index_answers_what_it_answered_before_and_a_table_never_lags() {
        let (upstream, _) = counting().await;
        let proxy = Proxy::start(&upstream).await;
        let index = json!({"IndexName": "inbox"});
        assert_eq!(call(&proxy, "Query", &index).await.unwrap().1, "1");
        proxy.next("Query", Fault::Stale);
        assert_eq!(call(&proxy, "Query", &index).await.unwrap().1, "1");
        assert_eq!(call(&proxy, "Query", &index).await.unwrap().1, "2");
        proxy.next("Query", Fault::Stale);
        assert_eq!(call(&proxy, "Query", &json!({})).await.unwrap().1, "3");
    }

    #[tokio::test]
    async fn the_share_of_calls_that_goes_wrong_is_the_one_asked_for_and_the_seed_decides_which() {
        let (upstream, _) = counting().await;
        let mut runs = Vec::new();
        for seed in [1, 1, 2] {
            let proxy = Proxy::everywhere(&upstream, seed, 0.2).await;
            let mut run = Vec::new();
            for _ in 0..100 {
                run.push(call(&proxy, "PutItem", &json!({})).await.ok().map(|(status, _)| status));
            }
            let faults: u64 = proxy.calls()["PutItem"].faults.values().sum();
            assert!((8..=35).contains(&faults), "{faults} of 100 calls");
            runs.push(run);
        }
        assert_eq!(runs[0], runs[1], "the same seed");
        assert_ne!(runs[0], runs[2], "another seed");
    }
}
