//! The webhook against queues and secrets of the test's own.

use super::*;
use aws_sdk_secretsmanager::Client as Secrets;
use aws_sdk_sqs::Client as Sqs;
use jiff::Timestamp;
use recado_testkit::aws::client_config;
use recado_testkit::samples;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use wiremock::matchers::{body_partial_json, header, method};
use wiremock::{Mock, MockServer, Request as Received, ResponseTemplate};

const SECRET: &str = "test-app-secret-do-not-use";

/// A webhook with its own AWS.
struct Setup {
    webhook: Webhook,
    aws: MockServer,
    time: Arc<AtomicI64>,
}

fn default_apps() -> Value {
    json!({"default": {"current": SECRET, "verify_token": "token"}})
}

/// Every queue takes everything.
fn take_all(request: &Received) -> ResponseTemplate {
    let asked: Value = request.body_json().unwrap();
    let taken = asked["Entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"}));
    ResponseTemplate::new(200).set_body_json(json!({"Successful": taken.collect::<Vec<_>>(), "Failed": []}))
}

impl Setup {
    async fn with_apps(apps: Value) -> Self {
        let aws = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({"SecretString": apps.to_string()}));
        Mock::given(header("x-amz-target", "secretsmanager.GetSecretValue")).respond_with(answer).mount(&aws).await;
        let time = Arc::new(AtomicI64::new(1_795_171_200));
        let told = time.clone();
        let clock = Clock::new(move || Timestamp::from_second(told.load(Ordering::Relaxed)).unwrap());
        let config = client_config(&aws.uri());
        let queue = |name| Queue::new(Sqs::new(&config), format!("{}/0/{name}", aws.uri()));
        let webhook = Webhook {
            apps: vec![SecretDocument::load(Secrets::new(&config), "apps".to_owned(), clock.clone()).await.unwrap()],
            messages: queue("messages"),
            statuses: queue("statuses"),
            account: queue("account"),
            intake: IntakeBucket::new(&config, "intake"),
            clock,
        };
        Self { webhook, aws, time }
    }

    async fn new() -> Self {
        let setup = Self::with_apps(default_apps()).await;
        Mock::given(header("x-amz-target", "AmazonSQS.SendMessageBatch"))
            .respond_with(take_all)
            .mount(&setup.aws)
            .await;
        Mock::given(method("PUT")).respond_with(ResponseTemplate::new(200)).mount(&setup.aws).await;
        setup
    }

    async fn post(&self, path: &str, body: impl Into<Body>, signature: Option<&str>) -> u16 {
        let mut request = lambda_http::http::Request::post(path);
        if let Some(signature) = signature {
            request = request.header(signature::HEADER, signature);
        }
        self.webhook.handle(request.body(body.into()).unwrap()).await.status().as_u16()
    }

    async fn post_signed(&self, body: &[u8]) -> u16 {
        self.post("/api/whatsapp/webhook", body, Some(&signature::sign(body, &SECRET.into()))).await
    }

    /// What was put on the queues: the queue's name and the envelope.
    async fn queued(&self) -> Vec<(String, Value)> {
        let requests = self.aws.received_requests().await.unwrap();
        let batches = requests
            .iter()
            .filter_map(|request| request.body_json::<Value>().ok())
            .filter(|body| body["Entries"].is_array());
        batches
            .flat_map(|batch| {
                let queue = batch["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
                let entries = batch["Entries"].as_array().unwrap().clone();
                entries.into_iter().map(move |entry| {
                    (queue.clone(), serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap())
                })
            })
            .collect()
    }
}

#[tokio::test]
async fn every_sample_goes_to_the_queues_item_by_item_and_untouched() {
    for sample in samples::manifest() {
        let setup = Setup::new().await;
        let body = samples::webhook(&sample.file);
        assert_eq!(setup.post_signed(&body).await, 200, "{}", sample.file);
        let queued = setup.queued().await;
        assert!(!queued.is_empty(), "{} left nothing on a queue", sample.file);
        let whole: Value = serde_json::from_slice(&body).unwrap();
        for (queue, envelope) in &queued {
            let expected = match envelope["item"]["kind"].as_str().unwrap() {
                "message" | "echo" | "history" => "messages",
                "status" => "statuses",
                "other" => "account",
                kind => panic!("{}: a well-formed sample gave a {kind} item", sample.file),
            };
            assert_eq!(queue, expected, "{}", sample.file);
            assert!(contains(&whole, &envelope["item"]["raw"]), "{}: not as Meta sent it: {envelope}", sample.file);
            assert_eq!(
                (&envelope["v"], &envelope["app"], &envelope["received"]),
                (&json!(1), &json!("default"), &json!(1_795_171_200_000_i64))
            );
        }
        if sample.is_messages_field {
            let count = |name: &str| queued.iter().filter(|(queue, _)| queue == name).count();
            assert_eq!((count("messages"), count("statuses")), (sample.messages, sample.statuses), "{}", sample.file);
        }
    }
}

/// Whether `part` stands somewhere inside `whole`.
fn contains(whole: &Value, part: &Value) -> bool {
    whole == part
        || match whole {
            Value::Array(items) => items.iter().any(|item| contains(item, part)),
            Value::Object(fields) => fields.values().any(|field| contains(field, part)),
            _ => false,
        }
}

#[tokio::test]
async fn only_a_right_signature_gets_in_and_nothing_is_queued_otherwise() {
    let setup = Setup::new().await;
    let mut taken = 0;
    for vector in samples::signature_vectors() {
        let status = setup.post("/api/whatsapp/webhook", vector.body.as_slice(), vector.header.as_deref()).await;
        assert_eq!(status, if vector.valid { 200 } else { 401 }, "{}", vector.name);
        taken += usize::from(vector.valid);
        assert_eq!(setup.queued().await.len(), taken, "items on the queues after {}", vector.name);
    }
}

#[tokio::test]
async fn two_signature_headers_are_one_too_many() {
    let setup = Setup::new().await;
    let good = signature::sign(b"{}", &SECRET.into());
    let request = lambda_http::http::Request::post("/api/whatsapp/webhook")
        .header(signature::HEADER, &good)
        .header(signature::HEADER, &good);
    assert_eq!(setup.webhook.handle(request.body(Body::from("{}")).unwrap()).await.status(), 401);
}

#[tokio::test]
async fn a_base64_body_is_decoded_before_it_is_verified() {
    let setup = Setup::new().await;
    let body = samples::webhook("msg_text.json");
    let event = json!({
        "version": "2.0", "routeKey": "POST /api/whatsapp/webhook", "rawPath": "/api/whatsapp/webhook", "rawQueryString": "",
        "headers": {signature::HEADER: signature::sign(&body, &SECRET.into())},
        "requestContext": {"http": {"method": "POST", "path": "/api/whatsapp/webhook"}, "stage": "$default", "timeEpoch": 0},
        "body": recado_testkit::base64(&body), "isBase64Encoded": true,
    });
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    assert_eq!(setup.webhook.handle(request).await.status(), 200);
    assert_eq!(setup.queued().await.len(), 1);
}

#[tokio::test]
async fn an_app_in_the_path_has_its_own_secret() {
    let apps = json!({"default": {"current": SECRET, "verify_token": "t"}, "acme": {"current": "other", "verify_token": "t2"}});
    let setup = Setup::with_apps(apps).await;
    Mock::given(header("x-amz-target", "AmazonSQS.SendMessageBatch")).respond_with(take_all).mount(&setup.aws).await;
    let body = samples::webhook("msg_text.json");
    let (ours, theirs) = (signature::sign(&body, &SECRET.into()), signature::sign(&body, &"other".into()));
    for (path, signature, status) in [
        ("/api/whatsapp/webhook/acme", &theirs, 200),
        ("/api/whatsapp/webhook/acme", &ours, 401),
        ("/api/whatsapp/webhook", &theirs, 401),
        ("/api/whatsapp/webhook/unheard-of", &ours, 401),
    ] {
        assert_eq!(setup.post(path, body.as_slice(), Some(signature)).await, status, "{path}");
    }
    let queued = setup.queued().await;
    assert_eq!((queued.len(), &queued[0].1["app"]), (1, &json!("acme")));
}

#[tokio::test]
async fn a_secret_that_was_rotated_is_read_again_but_not_for_every_wrong_signature() {
    let setup = Setup::with_apps(json!({"default": {"current": "an-older-one", "verify_token": "t"}})).await;
    Mock::given(header("x-amz-target", "AmazonSQS.SendMessageBatch")).respond_with(take_all).mount(&setup.aws).await;
    let reads = || async {
        let requests = setup.aws.received_requests().await.unwrap();
        requests.iter().filter(|request| request.headers["x-amz-target"] == "secretsmanager.GetSecretValue").count()
    };
    for _ in 0..20 {
        assert_eq!(setup.post_signed(b"{}").await, 401);
    }
    assert_eq!(reads().await, 1, "wrong signatures must not make us call Secrets Manager");

    let rotated = ResponseTemplate::new(200).set_body_json(json!({"SecretString": default_apps().to_string()}));
    Mock::given(header("x-amz-target", "secretsmanager.GetSecretValue"))
        .respond_with(rotated)
        .with_priority(1)
        .mount(&setup.aws)
        .await;
    setup.time.fetch_add(60, Ordering::Relaxed);
    assert_eq!(setup.post_signed(&samples::webhook("msg_text.json")).await, 200);
    assert_eq!(reads().await, 2);
}

#[tokio::test]
async fn a_verification_needs_mode_and_token_and_gets_the_bare_challenge() {
    let setup = Setup::new().await;
    let get = async |query: &[(&str, &str)]| {
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let event = json!({
            "version": "2.0", "rawPath": "/api/whatsapp/webhook", "rawQueryString": query.join("&"), "headers": {},
            "requestContext": {"http": {"method": "GET", "path": "/api/whatsapp/webhook"}, "stage": "$default", "timeEpoch": 0},
            "isBase64Encoded": false,
        });
        let answer = setup.webhook.handle(lambda_http::request::from_str(&event.to_string()).unwrap()).await;
        (answer.status().as_u16(), String::from_utf8(answer.body().as_ref().to_vec()).unwrap())
    };
    let (mode, challenge) = (("hub.mode", "subscribe"), ("hub.challenge", "1158201444"));
    assert_eq!(get(&[mode, challenge, ("hub.verify_token", "token")]).await, (200, "1158201444".to_owned()));
    for wrong in [
        &[mode, challenge, ("hub.verify_token", "toke")][..],
        &[mode, challenge, ("hub.verify_token", "")],
        &[mode, challenge],
        &[("hub.mode", "unsubscribe"), challenge, ("hub.verify_token", "token")],
        &[],
    ] {
        assert_eq!(get(wrong).await.0, 403, "{wrong:?}");
    }
}

#[tokio::test]
async fn what_is_not_durable_is_not_acknowledged() {
    let batch = samples::webhook("batch_messages_and_statuses_same_value.json");
    let sqs = || Mock::given(header("x-amz-target", "AmazonSQS.SendMessageBatch"));

    let down = Setup::with_apps(default_apps()).await;
    sqs()
        .respond_with(ResponseTemplate::new(400).set_body_json(json!({"__type": "com.amazonaws.sqs#OverLimit"})))
        .mount(&down.aws)
        .await;
    assert_eq!(down.post_signed(&batch).await, 503, "the queue refuses the whole call");

    let partly = Setup::with_apps(default_apps()).await;
    let failed = json!({"Successful": [], "Failed": [{"Id": "0", "SenderFault": false, "Code": "InternalError"}]});
    let statuses = format!("{}/0/statuses", partly.aws.uri());
    sqs()
        .and(body_partial_json(json!({"QueueUrl": statuses})))
        .respond_with(ResponseTemplate::new(200).set_body_json(failed))
        .with_priority(1)
        .mount(&partly.aws)
        .await;
    sqs().respond_with(take_all).mount(&partly.aws).await;
    assert_eq!(partly.post_signed(&batch).await, 503, "one queue refuses one entry");

    let slow = Setup::with_apps(default_apps()).await;
    sqs().respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(30))).mount(&slow.aws).await;
    let begun = std::time::Instant::now();
    assert_eq!(slow.post_signed(&batch).await, 503, "the queue does not answer");
    assert!(begun.elapsed() < Duration::from_secs(20), "Meta was kept waiting for {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_signed_body_that_cannot_be_read_is_kept_byte_for_byte() {
    let setup = Setup::new().await;
    for body in [&b"hello"[..], b"", b"\xff\xfe{", br#"{"object":"whatsapp_business_account","entry":7}"#] {
        assert_eq!(setup.post_signed(body).await, 200);
        let (queue, envelope) = setup.queued().await.pop().unwrap();
        assert_eq!((queue.as_str(), &envelope["item"]["kind"]), ("messages", &json!("malformed")));
        assert_eq!(envelope["item"]["raw"], json!(recado_testkit::base64(body)));
    }
}

#[tokio::test]
async fn a_body_may_have_three_mebibytes_and_not_one_byte_more() {
    let setup = Setup::new().await;
    let filler = |size: usize| format!(r#"{{"object":"page","x":"{}"}}"#, "x".repeat(size - 24)).into_bytes();
    assert_eq!((filler(MAX_BODY).len(), setup.post_signed(&filler(MAX_BODY)).await), (MAX_BODY, 200));
    assert_eq!(setup.post_signed(&filler(MAX_BODY + 1)).await, 413);
}

#[tokio::test]
async fn odd_ids_and_characters_cannot_make_the_queue_refuse_an_entry() {
    let setup = Setup::new().await;
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "w w", "changes": [{"field": "messages", "value": {
        "metadata": {"phone_number_id": "ñ".repeat(200)}, "messages": [{"id": "\u{FFFE}\u{FFFF}"}]}}]}]});
    assert_eq!(setup.post_signed(body.to_string().as_bytes()).await, 200);
    let requests = setup.aws.received_requests().await.unwrap();
    let entry = requests
        .iter()
        .filter_map(|request| request.body_json::<Value>().ok())
        .find(|body| body["Entries"].is_array())
        .unwrap()["Entries"][0]
        .clone();
    assert_eq!(entry["MessageGroupId"], "other");
    let text = entry["MessageBody"].as_str().unwrap();
    assert!(!text.contains(['\u{FFFE}', '\u{FFFF}']), "SQS takes neither of these characters");
    let envelope: Value = serde_json::from_str(text).unwrap();
    assert_eq!(envelope["item"]["raw"]["id"], "\u{FFFE}\u{FFFF}", "and yet nothing is lost");
}

#[tokio::test]
async fn a_secret_that_would_let_anybody_in_keeps_the_process_from_starting() {
    let none = Setup::with_apps(json!({})).await;
    assert!(none.webhook.refuse_to_start_without_apps().await.is_err(), "no app at all");
    for app in [
        json!({"current": "", "verify_token": "t"}),
        json!({"current": "s", "verify_token": ""}),
        json!({"current": "s"}),
        json!({"verify_token": "t"}),
    ] {
        let read = serde_json::from_value::<Apps>(json!({ "default": app }));
        assert!(read.is_err(), "{app} was taken for an app");
    }
}

#[tokio::test]
async fn a_blank_previous_secret_is_none_and_not_one_that_anybody_knows() {
    let setup = Setup::with_apps(json!({"default": {"current": SECRET, "previous": "", "verify_token": "t"}})).await;
    let forged = signature::sign(b"{}", &"".into());
    assert_eq!(setup.post("/api/whatsapp/webhook", &b"{}"[..], Some(&forged)).await, 401);
}

#[tokio::test]
async fn an_item_too_large_for_a_queue_goes_to_the_bucket_and_the_queue_carries_its_key() {
    let setup = Setup::new().await;
    let body = |size: usize| {
        let message = json!({"id": "wamid.1", "type": "x", "x": "y".repeat(size)});
        json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
            "metadata": {"phone_number_id": "2"}, "messages": [message]}}]}]})
        .to_string()
    };
    assert_eq!(setup.post_signed(body(890_000).as_bytes()).await, 200);
    assert_eq!(setup.post_signed(body(900_000).as_bytes()).await, 200);
    assert_eq!(setup.post_signed(body(900_000).as_bytes()).await, 200, "the same once more");
    let queued = setup.queued().await;
    assert!(queued[0].1["item"]["raw"]["id"] == "wamid.1" && queued[0].1.get("claim").is_none());

    let requests = setup.aws.received_requests().await.unwrap();
    let puts: Vec<_> = requests.iter().filter(|request| request.method.as_str() == "PUT").collect();
    assert_eq!((puts.len(), puts[0].url.path()), (2, puts[1].url.path()), "the key comes from the content");
    let check = &queued[1].1;
    assert_eq!(
        (&check["v"], &check["app"], &check["received"]),
        (&json!(1), &json!("default"), &json!(1_795_171_200_000_i64))
    );
    assert_eq!(puts[0].url.path(), format!("/intake/{}", check["claim"].as_str().unwrap()));
    let kept: Value = serde_json::from_slice(&puts[0].body).unwrap();
    assert_eq!(kept["item"]["raw"]["x"].as_str().unwrap().len(), 900_000, "the envelope as the queue would have it");
}

#[tokio::test]
async fn a_large_item_that_the_bucket_does_not_take_is_not_acknowledged() {
    let setup = Setup::new().await;
    let busy = ResponseTemplate::new(503);
    Mock::given(method("PUT")).respond_with(busy).with_priority(1).mount(&setup.aws).await;
    assert_eq!(setup.post_signed(&vec![b'x'; 1024 * 1024]).await, 503);
    assert!(setup.queued().await.is_empty(), "a key of nothing was queued");
}

#[tokio::test]
async fn whatever_entry_of_a_batch_the_queue_refuses_the_body_is_not_acknowledged() {
    for place in 0..10 {
        let setup = Setup::with_apps(default_apps()).await;
        let all_but_one = move |request: &Received| {
            let asked: Value = request.body_json().unwrap();
            let ids = asked["Entries"].as_array().unwrap().iter().map(|entry| entry["Id"].clone());
            let (refused, taken): (Vec<_>, Vec<_>) = ids.partition(|id| *id == json!(place.to_string()));
            let taken: Vec<_> =
                taken.iter().map(|id| json!({"Id": id, "MessageId": "m", "MD5OfMessageBody": "x"})).collect();
            let refused: Vec<_> =
                refused.iter().map(|id| json!({"Id": id, "SenderFault": false, "Code": "Busy"})).collect();
            ResponseTemplate::new(200).set_body_json(json!({"Successful": taken, "Failed": refused}))
        };
        Mock::given(header("x-amz-target", "AmazonSQS.SendMessageBatch"))
            .respond_with(all_but_one)
            .mount(&setup.aws)
            .await;
        let messages: Vec<_> = (0..10).map(|number| json!({"id": format!("wamid.{number}")})).collect();
        let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
            "metadata": {"phone_number_id": "2"}, "messages": messages}}]}]});
        assert_eq!(setup.post_signed(body.to_string().as_bytes()).await, 503, "entry {place} was refused");
    }
}

#[tokio::test]
async fn the_alias_is_the_same_webhook() {
    let setup = Setup::new().await;
    let body = samples::webhook("msg_text.json");
    let signature = signature::sign(&body, &SECRET.into());
    let alias = "/api/modules/live-chat/webhooks/whatsapp";
    assert_eq!(setup.post(alias, body.as_slice(), Some(&signature)).await, 200);
    assert_eq!(setup.post(alias, body.as_slice(), None).await, 401);
    assert_eq!(setup.queued().await[0].1["app"], "default");
}
