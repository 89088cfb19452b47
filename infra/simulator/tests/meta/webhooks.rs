//! Webhooks on demand, and what becomes of them.

use crate::sim::{LUCIA, NUMBER, Sim, WABA, hub, text};
use recado_testkit::samples;
use serde_json::{Value, json};
use std::time::Duration;

/// The first message of a sample, without what a simulator fills in.
fn sampled_message(file: &str) -> Option<Value> {
    let body: Value = serde_json::from_slice(&samples::webhook(file)).unwrap();
    let mut message = body["entry"][0]["changes"][0]["value"]["messages"][0].as_object()?.clone();
    for filled_in in ["id", "timestamp", "from", "from_user_id", "type"] {
        message.remove(filled_in);
    }
    (!message.is_empty()).then_some(Value::Object(message))
}

#[tokio::test]
async fn every_sampled_kind_of_message_can_be_sent_by_a_customer() {
    let sim = Sim::new().await;
    let mut count = 0;
    for sample in samples::manifest() {
        let is_message = sample.file.starts_with("msg_") && sample.is_messages_field;
        let Some(message) = sampled_message(&sample.file).filter(|_| is_message) else { continue };
        sim.inbound(json!({"user_id": "AR.709", "message": message})).await;
        let told = sim.hub.receives(count + 1).await.remove(count);
        let value = &told["entry"][0]["changes"][0]["value"];
        let mut back = value["messages"][0].as_object().unwrap().clone();
        for filled_in in ["id", "timestamp", "from", "from_user_id", "type"] {
            assert!(back.remove(filled_in).is_some(), "{}: {filled_in} is missing", sample.file);
        }
        assert_eq!(Value::Object(back), message, "{}", sample.file);
        let original: Value = serde_json::from_slice(&samples::webhook(&sample.file)).unwrap();
        let original = &original["entry"][0]["changes"][0]["value"];
        assert_eq!(value["messages"][0]["type"], original["messages"][0]["type"], "{}", sample.file);
        if original["messages"][0]["type"] == "system" {
            assert_eq!(value.get("contacts"), None, "{}: a system message has no contact", sample.file);
        }
        count += 1;
    }
    assert!(count >= 25, "only {count} samples were tried");
}

#[tokio::test]
async fn a_text_has_the_form_of_its_sample() {
    let sim = Sim::new().await;
    let told = sim.inbound(json!({"user_id": "AR.709", "text": "¡Hola! 😊", "timestamp": 1_795_171_200})).await;
    let body = sim.hub.receives(1).await.remove(0);
    assert_eq!(
        body,
        json!({"object": "whatsapp_business_account", "entry": [{"id": WABA, "changes": [{"field": "messages", "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "5491150001234", "phone_number_id": NUMBER},
            "contacts": [{"profile": {"name": "Lucía"}, "wa_id": LUCIA, "user_id": "AR.709"}],
            "messages": [{"from": LUCIA, "from_user_id": "AR.709", "id": told["wamid"], "timestamp": "1795171200",
                "type": "text", "text": {"body": "¡Hola! 😊"}}],
        }}]}]})
    );
    let hidden = json!({"phone_number_id": NUMBER, "user_id": "AR.710", "username": "lu", "text": "x"});
    sim.post("inbound", hidden).await;
    let value = sim.hub.value(1).await;
    assert_eq!(value["contacts"][0], json!({"profile": {"name": "", "username": "lu"}, "user_id": "AR.710"}));
    assert_eq!(value["messages"][0].get("from"), None);
}

#[tokio::test]
async fn any_status_can_be_told_of_what_was_sent_here_or_elsewhere() {
    let sim = Sim::new().await;
    let sent = sim.send(json!({"type": "text", "text": {"body": "x"}, "biz_opaque_callback_data": "clave"})).await;
    let wamid = &sent.body["messages"][0]["id"];
    sim.post("status", json!({"phone_number_id": NUMBER, "wamid": wamid, "status": "failed", "code": 131_026})).await;
    let status = sim.hub.statuses(1).await.remove(0);
    assert_eq!((&status["recipient_id"], &status["biz_opaque_callback_data"]), (&json!(LUCIA), &json!("clave")));
    let sample: Value = serde_json::from_slice(&samples::webhook("status_failed_131026.json")).unwrap();
    assert_eq!(status["errors"], sample["entry"][0]["changes"][0]["value"]["statuses"][0]["errors"]);

    let foreign = json!({"phone_number_id": NUMBER, "wamid": "wamid.x", "status": "played", "recipient": "549", "timestamp": 5,
        "with": {"recipient_type": "group"}, "times": 2});
    sim.post("status", foreign).await;
    let statuses = sim.hub.statuses(3).await;
    let expected = json!({"id": "wamid.x", "status": "played", "recipient_id": "549", "timestamp": "5", "recipient_type": "group"});
    assert_eq!(statuses[1..], [expected.clone(), expected], "told twice");
}

#[tokio::test]
async fn echoes_history_and_events_are_told_in_their_fields() {
    let sim = Sim::new().await;
    sim.post("echo", json!({"phone_number_id": NUMBER, "to": LUCIA, "text": "desde el celular"})).await;
    let value = sim.hub.value(0).await;
    let echo = &value["message_echoes"][0];
    assert_eq!((&echo["from"], &echo["to"], &echo["type"]), (&json!("5491150001234"), &json!(LUCIA), &json!("text")));

    sim.post("history", json!({"phone_number_id": NUMBER, "progress": 55, "thread_count": 2, "texts_per_thread": 3}))
        .await;
    let value = sim.hub.value(1).await;
    let chunk = &value["history"][0];
    assert_eq!(chunk["metadata"], json!({"phase": 0, "chunk_order": 1, "progress": 55}));
    let messages = chunk["threads"][1]["messages"].as_array().unwrap();
    assert_eq!((chunk["threads"].as_array().unwrap().len(), messages.len()), (2, 3));
    assert!(messages.iter().all(|message| message["history_context"]["status"] == "READ"), "{messages:?}");
    sim.post("history", json!({"phone_number_id": NUMBER, "declined": true})).await;
    assert_eq!(sim.hub.value(2).await["history"][0]["errors"][0]["code"], 2_593_109);

    sim.post("event", json!({"waba_id": WABA, "field": "account_alerts", "value": {"entity_type": "WABA"}})).await;
    let body = sim.hub.receives(4).await.remove(3);
    assert!(
        body["entry"][0]["time"].is_i64() && body["entry"][0]["changes"][0]["value"].get("metadata").is_none(),
        "{body}"
    );
    sim.post(
        "event",
        json!({"phone_number_id": NUMBER, "field": "messages", "value": {"errors": [{"code": 130_429}]}}),
    )
    .await;
    let value = sim.hub.value(4).await;
    assert_eq!((&value["errors"][0]["code"], &value["metadata"]["phone_number_id"]), (&json!(130_429), &json!(NUMBER)));
}

#[tokio::test]
async fn who_stops_marketing_gets_none() {
    let sim = Sim::new().await;
    let template = json!({"waba_id": WABA, "name": "oferta", "language": "es", "category": "MARKETING", "components": [{"type": "BODY", "text": "Ya"}]});
    sim.put("templates", template).await;
    let preference = |value: &str| {
        json!({"phone_number_id": NUMBER, "field": "user_preferences",
            "value": {"user_preferences": [{"wa_id": LUCIA, "category": "marketing_messages", "value": value, "timestamp": 1}]}})
    };
    let offer = json!({"type": "template", "template": {"name": "oferta", "language": {"code": "es"}}});
    sim.post("event", preference("stop")).await;
    sim.send(offer.clone()).await;
    let received = sim.hub.receives(2).await;
    assert_eq!(received[1]["entry"][0]["changes"][0]["value"]["statuses"][0]["errors"][0]["code"], 131_050);
    sim.number(json!({"statuses": ["sent"]})).await;
    sim.post("event", preference("resume")).await;
    sim.hub.receives(3).await;
    sim.send(offer).await;
    let received = sim.hub.receives(4).await;
    assert_eq!(received[3]["entry"][0]["changes"][0]["value"]["statuses"][0]["status"], "sent");
}

#[tokio::test]
async fn a_thousand_things_come_in_one_post_and_share_a_value() {
    let sim = Sim::new().await;
    sim.put("numbers", json!({"phone_number_id": "2", "waba_id": "3", "token": "theirs"})).await;
    let item = |place: usize| match place % 4 {
        0 => json!({"status": {"phone_number_id": NUMBER, "wamid": format!("wamid.{place}"), "status": "sent"}}),
        1 => json!({"inbound": {"phone_number_id": "2", "from": LUCIA, "text": place.to_string()}}),
        _ => json!({"inbound": {"phone_number_id": NUMBER, "from": LUCIA, "text": place.to_string()}}),
    };
    let items: Vec<_> = (0..1000).map(item).collect();
    let answer = sim.post("batch", json!({ "items": items })).await;
    assert_eq!((&answer["posts"], answer["items"].as_array().unwrap().len()), (&json!(1), 1000));
    let body = sim.hub.receives(1).await.remove(0);
    let values: Vec<_> = body["entry"].as_array().unwrap().iter().map(|entry| &entry["changes"][0]["value"]).collect();
    let count = |value: &Value, list: &str| value[list].as_array().map_or(0, Vec::len);
    let told: Vec<_> =
        values.iter().map(|it| (count(it, "messages"), count(it, "statuses"), count(it, "contacts"))).collect();
    assert_eq!(told, [(500, 250, 1), (250, 0, 1)], "messages, statuses and contacts of each number");
}

#[tokio::test]
async fn a_batch_is_repeated_and_shuffled_on_request() {
    let sim = Sim::new().await;
    let items: Vec<_> = (0..100)
        .map(|place| json!({"inbound": {"phone_number_id": NUMBER, "from": LUCIA, "text": place.to_string()}}))
        .collect();
    let answer =
        sim.post("batch", json!({"items": items, "per_post": 10, "duplicates": 0.5, "shuffle": true, "seed": 1})).await;
    let posts = usize::try_from(answer["posts"].as_u64().unwrap()).unwrap();
    assert!(posts > 12, "{posts} posts of ten for a hundred with a half repeated");
    let received = sim.hub.receives(posts).await;
    let lists = received.iter().map(|body| body["entry"][0]["changes"][0]["value"]["messages"].as_array().unwrap());
    let mut ids: Vec<_> = lists.flatten().map(|message| message["id"].to_string()).collect();
    let total = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100, "every message came");
    assert!(total > 120, "{total} with a half repeated");
}

#[tokio::test]
async fn a_webhook_that_is_not_taken_is_sent_again_until_it_is() {
    let sim = Sim::new().await;
    sim.hub.will_answer([500, 404, 503]);
    sim.inbound(json!({"text": "insistente"})).await;
    let received = sim.hub.receives(4).await;
    assert!(received.windows(2).all(|pair| pair[0] == pair[1]), "the same body each time");
    let told = first_webhook(&sim, |webhook| webhook["state"] == "taken").await;
    assert_eq!(told["attempts"], json!([500, 404, 503, 200]));
}

#[tokio::test]
async fn whoever_is_in_a_hurry_does_not_wait_for_the_next_attempt() {
    let sim = Sim::with_retry(Duration::from_secs(3600)).await;
    sim.number(json!({})).await;
    sim.hub.will_answer([503]);
    sim.inbound(json!({"text": "apurado"})).await;
    let waiting = first_webhook(&sim, |webhook| webhook["attempts"] == json!([503])).await;
    assert_eq!(waiting["state"], "waiting");
    sim.post("hurry", json!({})).await;
    let told = first_webhook(&sim, |webhook| webhook["state"] == "taken").await;
    assert_eq!(told["attempts"], json!([503, 200]));
}

/// The first webhook, once this is true of it.
async fn first_webhook(sim: &Sim, is_true: impl Fn(&Value) -> bool) -> Value {
    let until = async {
        loop {
            let first = sim.get("webhooks").await["items"][0].clone();
            if is_true(&first) {
                return first;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), until).await.expect("the webhook to come so far")
}

#[tokio::test]
async fn a_number_can_belong_to_an_app_with_a_secret_of_its_own() {
    let sim = Sim::new().await;
    let (theirs, url) = hub("another secret").await;
    sim.put("apps", json!({"app_id": "77", "secret": "another secret", "webhook_url": url})).await;
    sim.put("numbers", json!({"phone_number_id": "2", "waba_id": "3", "token": "t", "app": "77"})).await;
    sim.post("inbound", json!({"phone_number_id": "2", "from": LUCIA, "text": "hola"})).await;
    assert_eq!(theirs.value(0).await["messages"][0]["text"]["body"], "hola");
    sim.post("webhook?app=77&times=2", json!({"object": "anything"})).await;
    assert_eq!(theirs.receives(3).await[2], json!({"object": "anything"}));
    sim.inbound(json!({"text": "propio"})).await;
    assert_eq!(sim.hub.value(0).await["messages"][0]["text"]["body"], "propio");
}

#[tokio::test]
async fn what_cannot_happen_is_refused_in_words() {
    let sim = Sim::new().await;
    for (path, body) in [
        ("/control/inbound", json!({"phone_number_id": "1", "from": LUCIA, "text": "x"})),
        ("/control/inbound", json!({"phone_number_id": NUMBER, "text": "x"})),
        ("/control/inbound", json!({"phone_number_id": NUMBER, "from": LUCIA})),
        ("/control/inbound", json!({"phone_number_id": NUMBER, "from": LUCIA, "media": {"type": "poll"}})),
        (
            "/control/inbound",
            json!({"phone_number_id": NUMBER, "from": LUCIA, "media": {"type": "image", "base64": "?"}}),
        ),
        ("/control/echo", json!({"phone_number_id": NUMBER, "text": "x"})),
        ("/control/event", json!({"field": "x", "value": {}})),
        ("/control/templates", json!({"id": "1", "event": "PAUSED"})),
        ("/control/webhook?app=1", json!({})),
        ("/control/clock", json!({"advance_seconds": i64::MAX})),
    ] {
        let answer = sim.graph_as("", "POST", path, body.clone()).await;
        assert!(matches!(answer.status, 400 | 404), "{path} {body}: {answer:?}");
        assert!(answer.body["error"].is_string(), "{path} {body}: {answer:?}");
    }
    assert_eq!(sim.code(text("x")).await, 0, "nothing broke");
}

#[tokio::test]
async fn the_clock_moves_stops_and_goes_on() {
    let sim = Sim::new().await;
    let stopped = sim.post("clock", json!({"stopped": true})).await["unix"].as_i64().unwrap();
    let moved = sim.post("clock", json!({"advance_seconds": 3600})).await;
    assert_eq!((moved["unix"].as_i64().unwrap() - stopped, &moved["stopped"]), (3600, &json!(true)));
    sim.inbound(json!({"text": "x"})).await;
    assert_eq!(sim.hub.value(0).await["messages"][0]["timestamp"], (stopped + 3600).to_string());
    let going = sim.post("clock", json!({"stopped": false})).await;
    assert!(going["unix"].as_i64().unwrap() - stopped >= 3600, "it went back: {going}");
}
