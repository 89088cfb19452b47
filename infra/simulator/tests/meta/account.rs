//! Numbers, accounts, subscriptions, tokens.

use crate::sim::{NUMBER, Sim, WABA, hub};
use recado_testkit::samples;
use serde_json::{Value, json};

fn names(value: &Value) -> Vec<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn a_number_and_its_health_have_the_form_of_the_samples() {
    let sim = Sim::new().await;
    let sample = |name: &str| serde_json::from_slice::<Value>(&samples::graph(name)).unwrap();
    let shown = sim.graph("GET", NUMBER, Value::Null).await.body;
    assert_eq!(names(&shown), names(&sample("graph_phone_number.json")));
    let health = sim.graph("GET", &format!("{NUMBER}?fields=health_status"), Value::Null).await.body;
    assert_eq!(names(&health), names(&sample("graph_health_status.json")));
    let kinds = |health: &Value| {
        let entities = health["health_status"]["entities"].as_array().unwrap();
        entities.iter().map(|it| it["entity_type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&health), kinds(&sample("graph_health_status.json")));
    sim.put("accounts", json!({"waba_id": WABA, "can_send_message": "BLOCKED"})).await;
    let blocked = sim.graph("GET", &format!("{WABA}?fields=health_status"), Value::Null).await.body;
    assert_eq!(blocked["health_status"]["can_send_message"], "BLOCKED");
    assert_eq!(blocked["health_status"]["entities"][0]["errors"][0]["error_code"], 141_006);
    assert_eq!(sim.code(crate::sim::text("x")).await, 131_042, "while it is blocked");
    assert_eq!(sim.graph("GET", WABA, Value::Null).await.body["name"], "Cuenta de prueba");
}

#[tokio::test]
async fn an_accounts_numbers_are_listed_page_by_page_for_its_own_token() {
    let sim = Sim::new().await;
    for id in 1..=3 {
        sim.put("numbers", json!({"phone_number_id": id.to_string(), "waba_id": WABA, "token": "token"})).await;
    }
    sim.put("numbers", json!({"phone_number_id": "9", "waba_id": "8", "token": "theirs"})).await;
    let first = sim.graph("GET", &format!("{WABA}/phone_numbers?limit=3"), Value::Null).await.body;
    assert_eq!(first["data"].as_array().unwrap().len(), 3);
    let after = first["paging"]["cursors"]["after"].as_str().unwrap();
    assert!(first["paging"]["next"].as_str().unwrap().contains(after), "{first}");
    let second = sim.graph("GET", &format!("{WABA}/phone_numbers?limit=3&after={after}"), Value::Null).await.body;
    assert_eq!((second["data"].as_array().unwrap().len(), second["paging"].get("next")), (1, None));
    assert_eq!(sim.graph("GET", "8/phone_numbers", Value::Null).await.code(), 100);
    let bad = sim.graph_as("wrong", "GET", &format!("/v26.0/{WABA}/phone_numbers"), Value::Null).await;
    assert_eq!((bad.status, bad.code()), (401, 190));
}

#[tokio::test]
async fn nobody_hears_of_an_account_that_is_not_subscribed() {
    let sim = Sim::new().await;
    let path = format!("{WABA}/subscribed_apps");
    let listed = sim.graph("GET", &path, Value::Null).await.body;
    assert_eq!(listed["data"][0]["whatsapp_business_api_data"]["id"], "670123456789");
    assert_eq!(sim.graph("DELETE", &path, Value::Null).await.body, json!({"success": true}));
    assert_eq!(sim.graph("GET", &path, Value::Null).await.body, json!({"data": []}));
    sim.inbound(json!({"text": "no se oye"})).await;
    assert_eq!(sim.graph("POST", &path, Value::Null).await.body, json!({"success": true}));
    sim.inbound(json!({"text": "se oye"})).await;
    assert_eq!(sim.hub.value(0).await["messages"][0]["text"]["body"], "se oye");
}

#[tokio::test]
async fn an_account_can_have_its_messages_sent_elsewhere_but_not_its_templates() {
    let sim = Sim::new().await;
    let (elsewhere, url) = hub("s").await;
    let path = format!("{WABA}/subscribed_apps");
    let unverified = sim.graph("POST", &path, json!({"override_callback_uri": url, "verify_token": "wrong"})).await;
    assert_eq!(unverified.code(), 2200);
    assert!(unverified.told().contains("403"), "{unverified:?}");
    let verified = sim.graph("POST", &path, json!({"override_callback_uri": url, "verify_token": "right"})).await;
    assert_eq!(verified.status, 200);
    assert_eq!(sim.graph("GET", &path, Value::Null).await.body["data"][0]["override_callback_uri"], url);
    sim.inbound(json!({"text": "hola"})).await;
    assert_eq!(elsewhere.value(0).await["messages"][0]["text"]["body"], "hola");
    sim.post("event", json!({"waba_id": WABA, "field": "account_update", "value": {"event": "ACCOUNT_DELETED"}})).await;
    assert_eq!(sim.hub.value(0).await["event"], "ACCOUNT_DELETED");
}

#[tokio::test]
async fn a_token_tells_what_it_is_good_for() {
    let sim = Sim::new().await;
    let ask = async |input: &str| {
        sim.graph_as("token", "GET", &format!("/debug_token?input_token={input}"), Value::Null).await.body["data"]
            .clone()
    };
    let data = ask("token").await;
    assert_eq!(data["is_valid"], true);
    assert_eq!(data["granular_scopes"], json!([{"scope": "whatsapp_business_messaging", "target_ids": [WABA]}]));
    assert_eq!(ask("unknown").await["error"]["code"], 190);
    sim.put("numbers", json!({"phone_number_id": "9", "waba_id": "8", "token": "old"})).await;
    sim.put("tokens", json!({"token": "old", "subcode": 463})).await;
    let expired = ask("old").await;
    assert_eq!((&expired["is_valid"], &expired["error"]["subcode"]), (&json!(false), &json!(463)));
    let versioned = sim.graph("GET", "debug_token?input_token=token", Value::Null).await;
    assert_eq!(versioned.body["data"]["is_valid"], true);

    sim.put("apps", json!({"app_id": "77", "secret": "app-secret"})).await;
    let as_app =
        async |token: &str| sim.graph_as(token, "GET", "/debug_token?input_token=token", Value::Null).await.status;
    assert_eq!(
        (as_app("77|app-secret").await, as_app("77|another").await, as_app("78|app-secret").await),
        (200, 401, 401)
    );

    sim.put("tokens", json!({"token": "token", "cannot_manage": true})).await;
    let refused = sim.graph("GET", &format!("{WABA}/message_templates"), Value::Null).await;
    assert_eq!((refused.status, refused.code()), (403, 200));
    assert_eq!(ask("token").await["scopes"], json!(["whatsapp_business_messaging", "public_profile"]));
}
