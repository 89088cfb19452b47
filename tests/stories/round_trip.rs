//! One message makes the round trip, step by step, with the demo tenants and the sample payloads.

use crate::world::{eventually, stack};
use recado_testkit::samples;
use recado_testkit::stack::{Stack, http};
use serde_json::{Value, json};

async fn sign_in(stack: &Stack, tenant: usize) -> String {
    let user = &stack.tenants[tenant].users[0];
    stack.sign_in(&user.email, &user.password).await.unwrap()
}

/// Everything the API shows of a conversation.
async fn everything(stack: &Stack, token: &str, conversation: &str) -> Value {
    let shown = stack.get(token, &format!("/conversations/{conversation}")).await;
    let messages = stack.get(token, &format!("/conversations/{conversation}/messages")).await;
    json!([shown.body, messages.body])
}

#[tokio::test]
async fn round_trip_of_the_sample_text() {
    let stack = stack();
    let demo = &stack.tenants[0];

    // 1. Meta verifies the webhook.
    let verify = async |token: &str| {
        let query = [("hub.mode", "subscribe"), ("hub.challenge", "1158201444"), ("hub.verify_token", token)];
        http().get(&stack.webhook_url).query(&query).send().await.unwrap()
    };
    let answer = verify(&stack.meta.verify_token).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    assert_eq!(answer.text().await.unwrap(), "1158201444", "the bare challenge");
    assert_eq!(verify("another-token-than-ours").await.status(), 403);

    // 2. A signed text is taken, a tampered one is not.
    let sample = samples::webhook("msg_text.json");
    let signature = recado_whatsapp::signature::sign(&sample, &stack.meta.app_secret.as_str().into());
    let mut tampered = sample.clone();
    let place = tampered.windows(4).position(|bytes| bytes == b"Hola").unwrap();
    tampered[place] = b'J';
    assert_eq!(stack.post_webhook_signed(&tampered, &signature).await.status, 401);
    assert_eq!(stack.post_webhook(&sample).await.status, 200);

    // 3. The tenant's agent sees it; nobody else does.
    let agent = sign_in(&stack, 0).await;
    let lucia = eventually("the sample's conversation", async || {
        let answer = stack.get(&agent, "/conversations").await;
        let items = answer.body["items"].as_array().ok_or_else(|| answer.body.to_string())?;
        items
            .iter()
            .find(|item| item["contact"]["waId"] == "5491155551234")
            .cloned()
            .ok_or_else(|| answer.body.to_string())
    })
    .await;
    assert_eq!(lucia["phoneNumberId"], demo.phone_number_id.as_str());
    assert_eq!(lucia["contact"]["name"], "Lucía Fernández");
    assert_eq!(lucia["contact"]["phone"], "+5491155551234");
    assert_eq!(lucia["contact"]["bsuid"], "AR.70921846350912837465");
    assert_eq!(lucia["status"], "OPEN");
    assert_eq!((&lucia["unreadCount"], &lucia["isUnread"]), (&json!(1), &json!(true)));
    assert_eq!(lucia["windowExpiresAt"], "2026-11-21T10:40:00Z", "the message's time and 24 hours");

    let id = lucia["id"].as_str().unwrap();
    let messages = stack.get(&agent, &format!("/conversations/{id}/messages")).await.body;
    let message = messages["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(message["type"], "TEXT");
    assert_eq!(message["direction"], "INBOUND");
    assert_eq!(message["content"], json!({"text": "Hola! ¿A qué hora pasa el técnico? 😊"}));
    assert_eq!(message["status"], "RECEIVED");
    assert_eq!(message["timestamp"], "2026-11-20T10:40:00Z");

    assert_eq!(http().get(stack.api("/conversations")).send().await.unwrap().status(), 401, "without a token");
    let other = sign_in(&stack, 1).await;
    let inbox = stack.get(&other, "/conversations").await.body;
    let seen = inbox["items"].as_array().unwrap().iter().any(|item| item["contact"]["waId"] == "5491155551234");
    assert!(!seen, "the other tenant's agent sees {inbox}");
    for path in [format!("/conversations/{id}"), format!("/conversations/{id}/messages")] {
        assert_eq!(stack.get(&other, &path).await.status, 404, "the other tenant's agent asked for {path}");
    }

    // 6. The same webhook again changes nothing at all.
    let before = everything(&stack, &agent, id).await;
    assert_eq!(stack.post_webhook(&sample).await.status, 200);
    let marker =
        json!({"phone_number_id": demo.phone_number_id, "from": "5491100000001", "name": "Marca", "text": "marca"});
    stack.control_post("/inbound", &marker).await;
    eventually("a later message to have been applied", async || {
        let answer = stack.get(&agent, "/conversations").await;
        let items = answer.body["items"].as_array().ok_or_else(|| answer.body.to_string())?;
        let found = items.iter().any(|item| item["contact"]["waId"] == "5491100000001");
        if found { Ok(()) } else { Err(answer.body.to_string()) }
    })
    .await;
    assert_eq!(everything(&stack, &agent, id).await, before, "a replayed webhook changed something");
}

#[tokio::test]
async fn round_trip_of_a_reply() {
    let stack = stack();
    let demo = &stack.tenants[0];
    let agent = sign_in(&stack, 0).await;

    // A customer of today, because the sample's window may be long closed.
    let from = format!("54911{}", rand::random::<u32>() % 90_000_000 + 10_000_000);
    let inbound =
        json!({"phone_number_id": demo.phone_number_id, "from": from, "name": "Marta", "text": "¿Pueden venir hoy?"});
    stack.control_post("/inbound", &inbound).await;
    let conversation = eventually("the customer's conversation", async || {
        let answer = stack.get(&agent, "/conversations").await;
        let items = answer.body["items"].as_array().ok_or_else(|| answer.body.to_string())?;
        items
            .iter()
            .find(|item| item["contact"]["waId"] == from.as_str())
            .cloned()
            .ok_or_else(|| answer.body.to_string())
    })
    .await;
    assert_eq!(conversation["canSendFreeform"], true);

    // 4. The agent replies, twice with the same client id; one message goes out, with our key.
    let path = format!("/conversations/{}/messages", conversation["id"].as_str().unwrap());
    let request =
        json!({"clientMessageId": format!("reply-{from}"), "type": "text", "text": {"body": "Sí, a las 18."}});
    let first = stack.post(&agent, &path, &request).await;
    assert_eq!(first.status, 202, "{}", first.body);
    assert_eq!(first.body["status"], "PENDING");
    let again = stack.post(&agent, &path, &request).await;
    assert_eq!(again.status, 202, "{}", again.body);
    assert_eq!(again.body["id"], first.body["id"], "the same client id is the same message");

    // 5. Meta's statuses arrive, in whatever order.
    let message = eventually("the reply to be read, with its whole history", async || {
        let answer = stack.get(&agent, &path).await;
        let items = answer.body["items"].as_array().ok_or_else(|| answer.body.to_string())?;
        let message = items.iter().find(|item| item["id"] == first.body["id"]).ok_or("it is not listed")?;
        let history = message["statusHistory"].as_array().unwrap().iter().map(|state| &state["status"]);
        let complete = history.eq(["PENDING", "SENT", "DELIVERED", "READ"]);
        if complete && message["status"] == "READ" { Ok(message.clone()) } else { Err(message.to_string()) }
    })
    .await;

    let sent = stack.control(&format!("/sent?phone_number_id={}", demo.phone_number_id)).await;
    let to_her: Vec<_> =
        sent["items"].as_array().unwrap().iter().filter(|sent| sent["request"]["to"] == from.as_str()).collect();
    assert_eq!(to_her.len(), 1, "what reached Meta for her: {to_her:?}");
    assert_eq!(to_her[0]["wamid"], message["wamid"]);
    let expected = format!("v1.{}.{}.1", demo.tenant_id, first.body["id"].as_str().unwrap());
    assert_eq!(to_her[0]["request"]["biz_opaque_callback_data"], expected.as_str());
}
