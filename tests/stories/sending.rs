//! What goes out: once, in order, and honest about its fate.

use crate::world::{Tenant, eventually, now};
use jiff::SignedDuration;
use serde_json::{Value, json};
use stories::lab::Lab;
use stories::proxy::Fault;

/// A tenant to whom a customer has just written.
async fn with_conversation(statuses: Value) -> (Tenant, Value) {
    let tenant = Tenant::with_statuses(statuses).await;
    tenant.customer_writes("5491155551234", "¿Pueden venir?").await;
    let conversation = tenant.conversation().await;
    (tenant, conversation)
}

fn history(message: &Value) -> Vec<String> {
    let states = message["statusHistory"].as_array().unwrap();
    states.iter().map(|state| state["status"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn statuses_end_the_same_in_any_order_and_however_often_they_come() {
    for statuses in [
        json!(["sent", "delivered", "read"]),
        json!(["read", "delivered", "sent"]),
        json!(["delivered", "sent", "delivered", "read", "sent", "read"]),
    ] {
        let (tenant, conversation) = with_conversation(statuses.clone()).await;
        let reply = tenant.reply(&conversation, "c1", "Sí").await;
        eventually(&format!("all of {statuses} to be known"), async || {
            let messages = tenant.messages(&conversation).await;
            let message = messages.iter().find(|message| message["id"] == reply.body["id"]).ok_or("not listed")?;
            if history(message) == ["PENDING", "SENT", "DELIVERED", "READ"] && message["status"] == "READ" {
                Ok(())
            } else {
                Err(message.to_string())
            }
        })
        .await;
    }
}

#[tokio::test]
async fn replies_go_out_in_the_order_they_were_written() {
    let (tenant, conversation) = with_conversation(json!(["sent"])).await;
    let texts: Vec<_> = (1..=6).map(|number| format!("mensaje {number}")).collect();
    for text in &texts {
        assert_eq!(tenant.reply(&conversation, text, text).await.status, 202);
    }
    let sent = eventually("six messages at Meta", async || {
        let sent = tenant.sent().await;
        if sent.len() == texts.len() { Ok(sent) } else { Err(format!("{} of them", sent.len())) }
    })
    .await;
    let bodies: Vec<_> = sent.iter().map(|sent| sent["request"]["text"]["body"].as_str().unwrap()).collect();
    assert_eq!(bodies, texts);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_told_by_the_statuses_and_never_sent_again() {
    let (tenant, conversation) = with_conversation(json!(["sent", "delivered"])).await;
    for fault in ["drop_after_accept", "error_after_accept"] {
        tenant.next_send_fails(json!({"kind": fault})).await;
        let reply = tenant.reply(&conversation, fault, fault).await;
        let message = tenant.message_with_status(&conversation, &reply.body["id"], "DELIVERED").await;
        let sent = tenant.sent().await;
        let copies: Vec<_> = sent.iter().filter(|sent| sent["request"]["text"]["body"] == fault).collect();
        assert_eq!(copies.len(), 1, "copies at Meta after {fault}");
        assert_eq!(message["wamid"], copies[0]["wamid"], "the status told the wamid");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_for_good_leaves_the_message_flagged_as_unknown() {
    let (tenant, conversation) = with_conversation(json!([])).await;
    tenant.next_send_fails(json!({"kind": "drop_after_accept"})).await;
    let first = tenant.reply(&conversation, "c1", "¿llegó?").await;
    let message = tenant.message_with_status(&conversation, &first.body["id"], "UNKNOWN").await;
    assert_eq!((&message["wamid"], &message["error"]), (&Value::Null, &Value::Null));

    let second = tenant.reply(&conversation, "c2", "otro").await;
    tenant.message_with_status(&conversation, &second.body["id"], "SENT").await;
    assert_eq!(tenant.sent().await.len(), 2, "an unknown fate holds nobody back, and nothing is sent twice");
}

#[tokio::test]
async fn a_message_that_waits_for_its_token_holds_back_the_younger_ones() {
    let (lab, proxy) = Lab::behind_proxy().await;
    let conversation = lab.conversation().await.id;
    for text in ["primero", "segundo"] {
        lab.compose(conversation, text).await;
    }
    proxy.next("Decrypt", Fault::Refused);
    lab.wake(conversation).await;
    assert_eq!(lab.sent().await, [""; 0], "the younger one overtook the one whose token could not be opened");
    lab.pass(SignedDuration::from_mins(2));
    lab.wake(conversation).await;
    assert_eq!(lab.sent().await, ["primero", "segundo"]);
}

#[tokio::test]
async fn a_refusal_fails_the_message_with_metas_reason() {
    let (tenant, conversation) = with_conversation(json!(["sent"])).await;
    tenant.next_send_fails(json!({"kind": "reject", "code": 131_026})).await;
    let reply = tenant.reply(&conversation, "c1", "hola").await;
    let message = tenant.message_with_status(&conversation, &reply.body["id"], "FAILED").await;
    assert_eq!(message["error"]["code"], 131_026);
    assert!(tenant.sent().await.is_empty(), "a refused message reached Meta");
}

#[tokio::test]
async fn a_refusal_that_is_transient_is_tried_again_and_holds_back_the_younger_ones() {
    let (tenant, conversation) = with_conversation(json!(["sent"])).await;
    tenant.next_send_fails(json!({"kind": "reject", "code": 130_429})).await;
    let first = tenant.reply(&conversation, "c1", "primero").await;
    let second = tenant.reply(&conversation, "c2", "segundo").await;
    tenant.message_with_status(&conversation, &first.body["id"], "SENT").await;
    tenant.message_with_status(&conversation, &second.body["id"], "SENT").await;
    let sent = tenant.sent().await;
    let told: Vec<_> = sent
        .iter()
        .map(|sent| {
            (
                sent["request"]["text"]["body"].as_str().unwrap(),
                sent["request"]["biz_opaque_callback_data"].as_str().unwrap().ends_with(".2"),
            )
        })
        .collect();
    assert_eq!(told, [("primero", true), ("segundo", false)], "text, and whether it was the second attempt");
}

#[tokio::test]
async fn a_refusal_that_stays_transient_fails_after_three_attempts() {
    let (tenant, conversation) = with_conversation(json!(["sent"])).await;
    tenant.next_send_fails(json!({"kind": "reject", "code": 131_016, "count": 3})).await;
    let reply = tenant.reply(&conversation, "c1", "hola").await;
    let message = tenant.message_with_status(&conversation, &reply.body["id"], "FAILED").await;
    assert_eq!(message["error"]["code"], 131_016);
}

#[tokio::test]
async fn the_same_client_id_for_another_text_is_refused() {
    let (tenant, conversation) = with_conversation(json!(["sent"])).await;
    let first = tenant.reply(&conversation, "c1", "uno").await;
    let other = tenant.reply(&conversation, "c1", "dos").await;
    assert_eq!((other.status, &other.body["error"]["code"]), (409, &json!("CLIENT_MESSAGE_ID_REUSED")));
    tenant.message_with_status(&conversation, &first.body["id"], "SENT").await;
    assert_eq!(tenant.sent().await.len(), 1);
}

#[tokio::test]
async fn ten_requests_with_one_client_id_at_once_send_one_message() {
    let (tenant, conversation) = with_conversation(json!(["sent"])).await;
    let requests = (0..10).map(|_| tenant.reply(&conversation, "c1", "una sola vez"));
    let answers = futures_util::future::join_all(requests).await;
    let first = &answers[0].body["id"];
    for answer in &answers {
        assert_eq!((answer.status, &answer.body["id"]), (202, first), "{}", answer.body);
    }
    tenant.message_with_status(&conversation, first, "SENT").await;
    assert_eq!(tenant.sent().await.len(), 1);
}

#[tokio::test]
async fn outside_the_window_a_text_is_refused_at_once() {
    let tenant = Tenant::new().await;
    let yesterday = now() - 25 * 3600;
    let body = tenant.text_webhook("5491155551234", "wamid.old", yesterday, "¿hola?");
    tenant.stack.post_webhook(body.to_string().as_bytes()).await;
    let conversation = tenant.conversation().await;
    assert_eq!(conversation["canSendFreeform"], false);
    let answer = tenant.reply(&conversation, "c1", "tarde").await;
    assert_eq!((answer.status, &answer.body["error"]["code"]), (409, &json!("WINDOW_EXPIRED")));
    assert!(tenant.sent().await.is_empty());
}

#[tokio::test]
async fn a_wrong_token_fails_the_message_and_receiving_goes_on() {
    let (tenant, conversation) = with_conversation(json!(["sent"])).await;
    let number = json!({"phone_number_id": tenant.phone_number_id, "waba_id": tenant.waba_id, "token": format!("new-{}", tenant.graph_token)});
    tenant.stack.control_put("/numbers", &number).await;
    let reply = tenant.reply(&conversation, "c1", "hola").await;
    let message = tenant.message_with_status(&conversation, &reply.body["id"], "FAILED").await;
    assert_eq!(message["error"]["code"], 190);
    tenant.customer_writes("5491155551234", "sigo acá").await;
    eventually("the next message to arrive", async || {
        let conversation = tenant.conversation().await;
        if conversation["unreadCount"] == 2 { Ok(()) } else { Err(conversation.to_string()) }
    })
    .await;
}
