//! What the functions count, and how they tell it.

use crate::logs::lines;
use crate::world::{Tenant, eventually_within, fresh_digits, now};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use data_encoding::BASE64;
use jiff::SignedDuration;
use recado_domain::media::{ALARM_AFTER, KEPT_BY_META};
use recado_domain::outbox::{LEASE, UNKNOWN_WAIT};
use recado_platform::metrics::{self, Metric};
use recado_testkit::stack::Stack;
use recado_testkit::template::repository;
use recado_whatsapp::signature;
use serde_json::{Value, json};
use std::time::Duration;
use stories::lab::{Lab, phone, sqs_event};

/// What a piece of work counts.
async fn counted<T>(work: impl Future<Output = T>) -> Vec<(Metric, u64)> {
    metrics::tally(work).await.1.counts()
}

#[tokio::test]
async fn the_sender_counts_what_became_of_each_message() {
    let lab = Lab::new().await;
    let conversation = lab.conversation().await.id;
    let fault = async |kind: Value| {
        let mut fault = kind;
        fault["phone_number_id"] = json!(lab.number.as_str());
        lab.stack.control_post("/faults", &fault).await;
    };
    lab.compose(conversation, "sale").await;
    let ((), tally) = metrics::tally(lab.wake(conversation)).await;
    assert_eq!((tally.counts(), tally.measured(Metric::SendLatencyMs)), (vec![(Metric::MessagesSent, 1)], 1));

    fault(json!({"kind": "reject", "code": 131_026})).await;
    lab.compose(conversation, "no sale").await;
    assert_eq!(counted(lab.wake(conversation)).await, [(Metric::MessagesFailed, 1)]);

    fault(json!({"kind": "drop_after_accept"})).await;
    lab.compose(conversation, "quién sabe").await;
    assert_eq!(counted(lab.wake(conversation)).await, [(Metric::MessagesUnknown, 1)]);
    lab.pass(UNKNOWN_WAIT);
    assert_eq!(counted(lab.wake(conversation)).await, [(Metric::MessagesLeftUnknown, 1)]);

    lab.compose(conversation, "un enviador que desaparece").await;
    let tenant = lab.tenant().await;
    let (_, entries) = tenant.open_outbox(conversation).await.unwrap().unwrap();
    tenant.claim(&entries[0], 1, lab.now()).await.unwrap();
    lab.pass(LEASE);
    assert_eq!(counted(lab.wake(conversation)).await, [(Metric::MessagesUnknown, 1)]);
    assert_eq!(counted(lab.wake(conversation)).await, [], "nothing happened");
}

#[tokio::test]
async fn a_file_that_meta_will_soon_delete_is_counted_in_time_for_somebody_to_look() {
    let lab = Lab::new().await;
    let picture = json!({"type": "image", "base64": BASE64.encode(&[&b"\xff\xd8\xff\xe0"[..], &[7; 996]].concat())});
    let message = lab.file("wamid.1", picture.clone()).await;
    assert_eq!(counted(lab.fetch(message)).await, [(Metric::MediaStored, 1), (Metric::MediaBytes, 1000)]);

    let message = lab.file("wamid.2", picture).await;
    let token = format!("token-{}", lab.number.as_str());
    lab.stack.control_put("/tokens", &json!({"token": token, "subcode": 463})).await;
    assert_eq!(counted(lab.fetch(message)).await, [(Metric::MediaRetried, 1)]);
    lab.pass(ALARM_AFTER - SignedDuration::from_mins(1));
    assert_eq!(counted(lab.fetch(message)).await, [(Metric::MediaRetried, 1)], "not yet five days");
    lab.pass(SignedDuration::from_hours(7));
    let near = [(Metric::MediaRetried, 1), (Metric::MediaNearExpiry, 1)];
    assert_eq!(counted(lab.fetch(message)).await, near, "after five days and the longest wait between two attempts");
    lab.pass(KEPT_BY_META - ALARM_AFTER);
    assert_eq!(counted(lab.fetch(message)).await, [(Metric::MediaFailed, 1)]);
}

#[tokio::test]
async fn what_is_stored_absorbed_and_parked_is_counted_apart() {
    let lab = Lab::new().await;
    let text = lab.text(&phone("5491155551234"), "wamid.1", 0, "hola");
    let unreadable = lab.envelope(&json!({"id": "wamid.2"}));
    let unrouted = text.replace(lab.number.as_str(), &fresh_digits());
    let bodies = [text.clone(), text, unreadable, unrouted];
    let expected = [
        (Metric::Parked, 1),
        (Metric::UnknownPhoneNumber, 1),
        (Metric::MessagesStored, 1),
        (Metric::DuplicatesAbsorbed, 1),
    ];
    assert_eq!(counted(lab.deliver(&bodies)).await, expected);
}

/// The metrics in a piece of a log: each line's, by name. A line that is not as the format wants it, or that says
/// anything besides names and numbers, is an error.
fn told(stack: &Stack, log: &str) -> Vec<serde_json::Map<String, Value>> {
    let parsed = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines = parsed.filter(|line| line.get("_aws").is_some());
    lines
        .map(|mut line| {
            let whole = line.to_string();
            let values = line.as_object_mut().unwrap();
            let metadata = values.remove("_aws").unwrap();
            assert!(metadata["Timestamp"].as_i64().unwrap() > 1_700_000_000_000, "milliseconds: {whole}");
            let directive = &metadata["CloudWatchMetrics"][0];
            assert_eq!((&directive["Namespace"], &directive["Dimensions"]), (&json!("Recado"), &json!([["service"]])));
            assert_eq!(values.remove("service"), Some(json!(stack.aws.stack_name)), "{whole}");
            let named = directive["Metrics"].as_array().unwrap();
            assert!(!named.is_empty() && named.len() == values.len(), "other names than values: {whole}");
            for metric in Metric::ALL.iter().filter(|metric| values.contains_key(metric.name())) {
                let definition = json!({"Name": metric.name(), "Unit": metric.unit()});
                assert!(named.contains(&definition), "without {definition}: {whole}");
                let value = &values[metric.name()];
                let is_number = value.is_u64() || value.as_array().is_some_and(|all| all.iter().all(Value::is_u64));
                assert!(is_number, "{whole}");
            }
            for name in values.keys() {
                assert!(Metric::ALL.iter().any(|metric| metric.name() == name), "{name} is no metric of ours: {whole}");
            }
            std::mem::take(values)
        })
        .collect()
}

/// Runs a function, and returns what it told about that run.
async fn run(stack: &Stack, function: &str, event: &Value) -> Value {
    let lambda = aws_sdk_lambda::Client::new(&stack.sdk_config());
    let invoke = lambda.invoke().function_name(format!("{}-{function}", stack.aws.stack_name));
    let answer = invoke.log_type(LogType::Tail).payload(Blob::new(event.to_string())).send().await.unwrap();
    assert_eq!(answer.function_error, None, "{function} failed");
    let log = BASE64.decode(answer.log_result.unwrap_or_default().as_bytes()).unwrap();
    let mut told = told(stack, str::from_utf8(&log).unwrap());
    assert!(told.len() <= 1, "{function} told more than one line about one run: {told:?}");
    told.pop().map_or(Value::Null, Value::Object)
}

fn event(file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(repository().join("events").join(file)).unwrap()).unwrap()
}

/// Queue messages that say this, put on the queue a moment ago.
fn delivered(bodies: &[String]) -> Value {
    let mut event = serde_json::to_value(sqs_event(bodies)).unwrap();
    for record in event["Records"].as_array_mut().unwrap() {
        record["attributes"] = json!({"SentTimestamp": (now() * 1000 - 5000).to_string()});
    }
    event
}

/// A queue message about this tenant's number.
fn envelope(tenant: &Tenant, kind: &str, field: &str, raw: &Value) -> String {
    let item = json!({"kind": kind, "position": 0, "waba_id": tenant.waba_id, "field": field,
        "phone_number_id": tenant.phone_number_id, "raw": raw});
    json!({"v": 1, "app": "default", "received": now() * 1000, "item": item}).to_string()
}

#[tokio::test]
async fn every_run_tells_in_one_line_what_it_counted_and_nothing_else() {
    let tenant = Tenant::new().await;
    let stack = &tenant.stack;
    let webhook = |body: &Value, signed: bool| {
        let mut request = event("webhook-text.json");
        let (body, secret) = (body.to_string(), stack.meta.app_secret.as_str().into());
        let signature = if signed { signature::sign(body.as_bytes(), &secret) } else { "sha256=00".to_owned() };
        request["headers"]["x-hub-signature-256"] = json!(signature);
        request["body"] = json!(body);
        request
    };
    let mut body = tenant.text_webhook("5491155551234", "wamid.metrics.1", now(), "hola");
    let value = &mut body["entry"][0]["changes"][0]["value"];
    value["statuses"] = json!([{"id": "wamid.metrics.0", "status": "read", "timestamp": now().to_string(),
        "recipient_id": "5491155551234"}]);
    let expected = json!({"SignatureVerified": 1, "MessagesReceived": 1, "StatusesReceived": 1});
    assert_eq!(run(stack, "webhook", &webhook(&body, true)).await, expected);
    assert_eq!(run(stack, "webhook", &webhook(&body, false)).await, json!({"SignatureFailures": 1}));
    let large = json!({"entry": "x".repeat(3 * 1024 * 1024)});
    assert_eq!(run(stack, "webhook", &webhook(&large, true)).await, json!({"BodyTooLarge": 1}));
    let foreign = json!({"object": "page"});
    assert_eq!(
        run(stack, "webhook", &webhook(&foreign, true)).await,
        json!({"SignatureVerified": 1, "UnreadableReceived": 1})
    );

    let message = |wamid: &str| {
        let raw = json!({"from": "5491155551234", "id": wamid, "timestamp": now().to_string(), "type": "text",
            "text": {"body": "hola"}});
        envelope(&tenant, "message", "messages", &raw)
    };
    let (first, second) = (message("wamid.metrics.2"), message("wamid.metrics.3"));
    let mut run_of_inbound = run(stack, "inbound", &delivered(&[first.clone(), second, first, "{".to_owned()])).await;
    let latencies = run_of_inbound["InboundLatencyMs"].take();
    let latencies: Vec<_> = latencies.as_array().unwrap().iter().map(|millis| millis.as_u64().unwrap()).collect();
    assert!(latencies.len() == 4 && latencies.iter().all(|millis| (4000..60_000).contains(millis)), "{latencies:?}");
    let expected = json!({"Parked": 1, "MessagesStored": 2, "DuplicatesAbsorbed": 1, "InboundLatencyMs": null});
    assert_eq!(run_of_inbound, expected);

    let status = json!({"id": "wamid.metrics.4", "status": "delivered", "timestamp": now().to_string(),
        "recipient_id": "5491155551234"});
    let run_of_status = run(stack, "status", &delivered(&[envelope(&tenant, "status", "messages", &status)])).await;
    assert_eq!((&run_of_status["StatusesEarly"], run_of_status["StateUpdateLatencyMs"].is_u64()), (&json!(1), true));

    let odd = envelope(&tenant, "other", "a_field_of_tomorrow", &json!({"some": "thing"}));
    assert_eq!(run(stack, "account", &delivered(&[odd])).await, json!({"KeptRaw": 1}));

    let mut stream = event("stream-fanout.json");
    stream["Records"].as_array_mut().unwrap().push(json!({"dynamodb": 7}));
    assert_eq!(run(stack, "fanout", &stream).await, json!({"WakeUps": 1, "RecordsSkipped": 1}));

    // The others, by what they do anyway.
    let (name, text) = ("Zoraida Quintrileo", "El ornitorrinco violeta");
    let inbound = json!({"phone_number_id": tenant.phone_number_id, "from": "5493514479013", "name": name,
        "media": {"type": "image", "size": 5000}});
    stack.control_post("/inbound", &inbound).await;
    let conversation = tenant.conversations().await.pop().unwrap();
    assert_eq!(tenant.reply(&conversation, "c1", text).await.status, 202);
    let awaited = [
        ("media", vec!["MediaStored", "MediaBytes"]),
        ("outbound", vec!["MessagesSent", "SendLatencyMs"]),
        ("api", vec!["ApiSucceeded", "ApiLatencyMs"]),
        // The early statuses above are due after a minute.
        ("janitor", vec!["DueWoken", "OldestOverdueSeconds"]),
    ];
    let log = eventually_within(Duration::from_secs(180), "a line of each function", &mut async || {
        let log = lines(stack).await;
        for (function, names) in &awaited {
            let end = format!("-{function}");
            let of_function = log.iter().filter(|(group, _)| group.ends_with(&end));
            let mut told = of_function.flat_map(|(_, line)| told(stack, line));
            if !told.any(|values| names.iter().all(|name| values.contains_key(*name))) {
                return Err(format!("{function} has told nothing of {names:?}"));
            }
        }
        Ok(log)
    })
    .await;
    for (group, line) in log.iter().filter(|(_, line)| line.contains("\"_aws\"")) {
        for planted in [name, text, "5493514479013", "wamid", &tenant.tenant_id, &tenant.phone_number_id] {
            assert!(!line.contains(planted), "{group} tells {planted:?}: {line}");
        }
    }
}

#[test]
fn every_metric_is_explained_in_the_readme() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    for metric in Metric::ALL {
        assert!(readme.contains(&format!("`{}`", metric.name())), "the README does not say what {} is", metric.name());
    }
}
