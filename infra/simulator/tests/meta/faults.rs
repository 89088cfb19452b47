//! What goes wrong on purpose, and what is counted.

use crate::sim::{LUCIA, NUMBER, Sim, WABA, text};
use serde_json::{Value, json};

#[tokio::test]
async fn a_fault_strikes_before_or_after_the_message_is_taken() {
    let sim = Sim::new().await;
    for (fault, status, code, is_taken) in [
        (json!({"kind": "reject", "code": 131_016, "http_status": 503, "is_transient": true}), 503, 131_016, false),
        (json!({"kind": "reject", "code": 190, "subcode": 463}), 400, 190, false),
        (json!({"kind": "rate_limited"}), 400, 130_429, false),
        (json!({"kind": "bad_gateway"}), 502, 0, false),
        (json!({"kind": "error_before_accept"}), 500, 0, false),
        (json!({"kind": "drop_before_accept"}), 0, 0, false),
        (json!({"kind": "error_after_accept"}), 500, 0, true),
        (json!({"kind": "drop_after_accept"}), 0, 0, true),
        (json!({"kind": "delay", "millis": 1}), 200, 0, true),
        (json!({"kind": "delay_after_accept", "millis": 1}), 200, 0, true),
    ] {
        sim.post("reset", json!({})).await;
        let mut request = fault.clone();
        request["phone_number_id"] = json!(NUMBER);
        sim.post("faults", request).await;
        let answer = sim.send(text("x")).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{fault}");
        let sent = sim.get(&format!("sent?phone_number_id={NUMBER}")).await;
        assert_eq!(sent["items"].as_array().unwrap().len(), usize::from(is_taken), "{fault}: messages taken");
        assert_eq!(sim.send(text("x")).await.status, 200, "{fault} struck twice");
    }
}

#[tokio::test]
async fn a_client_sees_a_connection_that_breaks() {
    let sim = Sim::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v26.0/{NUMBER}/messages", listener.local_addr().unwrap());
    let router = sim.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(10)).build().unwrap();
    let message = json!({"messaging_product": "whatsapp", "to": LUCIA, "type": "text", "text": {"body": "x"}});
    for (kind, taken) in [("drop_before_accept", 0), ("drop_after_accept", 1)] {
        sim.post("faults", json!({"phone_number_id": NUMBER, "kind": kind})).await;
        let sent = http.post(&url).bearer_auth("token").json(&message).send().await;
        let read = match sent {
            Ok(answer) => answer.bytes().await,
            Err(error) => Err(error),
        };
        assert!(read.is_err(), "{kind}: a whole answer came: {read:?}");
        assert_eq!(sim.get("sent").await["items"].as_array().unwrap().len(), taken, "{kind}: messages taken");
    }
}

#[tokio::test]
async fn faults_are_listed_until_they_have_struck() {
    let sim = Sim::new().await;
    sim.post("faults", json!({"phone_number_id": NUMBER, "kind": "reject", "code": 1, "count": 2})).await;
    sim.post("faults", json!({"id": WABA, "on": "message_templates", "kind": "bad_gateway"})).await;
    let waiting = sim.get("faults").await;
    let told: Vec<_> = waiting["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (&it["id"], &it["on"], it["faults"].as_array().unwrap().len()))
        .collect();
    assert_eq!(told, [(&json!(WABA), &json!("message_templates"), 1), (&json!(NUMBER), &json!("messages"), 2)]);
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"});
    assert_eq!(
        sim.graph("POST", &format!("{NUMBER}/messages"), read).await.status,
        200,
        "a receipt takes no fault of sends"
    );
    assert_eq!(sim.graph("GET", &format!("{WABA}/message_templates"), Value::Null).await.status, 502);
    assert_eq!(sim.code(text("x")).await, 1);
    assert_eq!(sim.code(text("x")).await, 1);
    assert_eq!(sim.get("faults").await["items"], json!([]));
}

#[tokio::test]
async fn a_call_that_is_refused_on_its_own_merits_stays_refused() {
    let sim = Sim::new().await;
    sim.post("faults", json!({"phone_number_id": NUMBER, "kind": "error_after_accept"})).await;
    assert_eq!(sim.code(text("")).await, 100);
}

#[tokio::test]
async fn calls_are_counted_by_edge_and_by_object() {
    let sim = Sim::new().await;
    for _ in 0..3 {
        sim.send(text("x")).await;
    }
    sim.graph("GET", NUMBER, Value::Null).await;
    sim.graph("GET", &format!("{WABA}/phone_numbers"), Value::Null).await;
    let all = sim.get("calls").await;
    assert_eq!(all, json!({"total": 5, "by_edge": {"GET node": 1, "GET phone_numbers": 1, "POST messages": 3}}));
    let of_number = sim.get(&format!("calls?id={NUMBER}")).await;
    assert_eq!(of_number["total"], 4);
    sim.post("reset", json!({})).await;
    assert_eq!(sim.get("calls").await["total"], 0);
}

#[tokio::test]
async fn a_version_that_never_was_is_an_unknown_path_and_an_expired_one_is_upgraded() {
    let sim = Sim::new().await;
    let message = json!({"messaging_product": "whatsapp", "to": LUCIA, "type": "text", "text": {"body": "x"}});
    for (version, status) in [("v26.0", 200), ("v18.0", 200), ("v27.0", 400), ("latest", 400)] {
        let answer = sim.graph_as("token", "POST", &format!("/{version}/{NUMBER}/messages"), message.clone()).await;
        assert_eq!((answer.status, answer.code()), (status, if status == 200 { 0 } else { 2500 }), "{version}");
    }
    let sent = sim.get("sent").await;
    let versions: Vec<_> =
        sent["items"].as_array().unwrap().iter().map(|it| (&it["version"], &it["answered_as"])).collect();
    assert_eq!(versions[0], (&json!("v26.0"), &json!("v26.0")));
    assert_eq!(versions[1].0, "v18.0");
    assert_ne!(versions[1].1, "v18.0", "an expired version answered itself");
    assert_eq!(sim.graph("GET", "a/b/c", Value::Null).await.code(), 2500);
}

#[tokio::test]
async fn a_token_is_known_unexpired_and_its_own() {
    let sim = Sim::new().await;
    let ask = async |token: &str| {
        let answer = sim.graph_as(token, "GET", &format!("/v26.0/{NUMBER}"), Value::Null).await;
        (answer.status, answer.code(), answer.body["error"]["error_subcode"].as_i64())
    };
    assert_eq!(ask("token").await, (200, 0, None));
    assert_eq!(ask("another").await, (401, 190, None));
    sim.put("numbers", json!({"phone_number_id": "2", "waba_id": "3", "token": "theirs"})).await;
    assert_eq!(ask("theirs").await, (400, 100, Some(33)), "a good token for somebody else's number");
    sim.put("tokens", json!({"token": "token", "subcode": 460})).await;
    assert_eq!(ask("token").await, (401, 190, Some(460)));
    let now = sim.get("clock").await["unix"].as_i64().unwrap();
    sim.put("tokens", json!({"token": "token", "expires_at": now + 60})).await;
    assert_eq!(ask("token").await, (200, 0, None));
    sim.pass(61).await;
    assert_eq!(ask("token").await, (401, 190, Some(463)));
}
