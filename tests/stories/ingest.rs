//! What comes in: well-formed, odd, hostile.

use crate::world::{Tenant, eventually, fresh_digits, now, stack};
use recado_domain::ids::PhoneNumberId;
use recado_store::ParkedScope;
use serde_json::json;
use stories::lab::{Lab, sqs_event};
use stories::proxy::{Fault, Proxy};

#[tokio::test]
async fn a_signed_body_that_is_not_json_is_taken_and_parked() {
    let stack = stack();
    let body = format!("not json {}", fresh_digits());
    assert_eq!(stack.post_webhook(body.as_bytes()).await.status, 200, "Meta would send it again for a week");
    let store = Lab::store_of(&stack);
    eventually("the body to be parked", async || {
        let parked = store.parked(&ParkedScope::Nobody).await.map_err(|error| error.to_string())?;
        let encoded = recado_testkit::base64(body.as_bytes());
        if parked.iter().any(|item| item.body.expose().contains(&encoded)) {
            Ok(())
        } else {
            Err(format!("{parked:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_message_for_a_number_that_nobody_owns_is_taken_and_parked() {
    let stack = stack();
    let number = fresh_digits();
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
        "metadata": {"phone_number_id": number}, "messages": [{"from": "549", "id": "wamid.x", "timestamp": "1", "type": "text"}]}}]}]});
    assert_eq!(stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
    let store = Lab::store_of(&stack);
    let number = PhoneNumberId::parse(number).unwrap();
    let parked = eventually("the message to be parked", async || {
        let parked = store.parked(&ParkedScope::UnroutedNumber(&number)).await.map_err(|error| error.to_string())?;
        if parked.len() == 1 { Ok(parked) } else { Err(format!("{parked:?}")) }
    })
    .await;
    assert_eq!((parked[0].queue.as_str(), parked[0].reason.as_str()), ("messages", "nobody owns the number"));
}

#[tokio::test]
async fn an_account_that_does_not_own_the_number_cannot_write_for_it() {
    let tenant = Tenant::new().await;
    let mut body = tenant.text_webhook("5491155551234", "wamid.foreign", now(), "¿quién soy?");
    body["entry"][0]["id"] = json!("999999999999999");
    assert_eq!(tenant.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
    tenant.customer_writes("5491166667777", "hola").await;
    let conversation = tenant.conversation().await;
    assert_eq!(conversation["contact"]["waId"], "5491166667777", "the foreign account's message got in");
}

#[tokio::test]
async fn a_bad_item_does_not_hurt_its_neighbours() {
    let tenant = Tenant::new().await;
    let mut body = tenant.text_webhook("5491155551234", "wamid.good", now(), "buena");
    let messages = body["entry"][0]["changes"][0]["value"]["messages"].as_array_mut().unwrap();
    messages.insert(0, json!(17));
    messages.push(json!({"id": "wamid.no-time", "from": "5491155551234"}));
    assert_eq!(tenant.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
    let conversation = tenant.conversation().await;
    assert_eq!(conversation["lastMessagePreview"], "buena");
    let store = Lab::store_of(&tenant.stack);
    let scope = ParkedScope::Tenant(recado_domain::ids::TenantId::parse(&tenant.tenant_id).unwrap());
    eventually("the two bad items to be parked", async || {
        let parked = store.parked(&scope).await.map_err(|error| error.to_string())?;
        if parked.len() == 2 { Ok(()) } else { Err(format!("{parked:?}")) }
    })
    .await;
}

#[tokio::test]
async fn messages_of_one_webhook_are_counted_once_each_whatever_comes_twice() {
    let tenant = Tenant::new().await;
    let time = now();
    let mut body = tenant.text_webhook("5491155551234", "wamid.1", time, "uno");
    let messages = body["entry"][0]["changes"][0]["value"]["messages"].as_array_mut().unwrap();
    for (second, wamid, text) in [(1, "wamid.2", "dos"), (0, "wamid.1", "uno"), (2, "wamid.3", "tres")] {
        let timestamp = (time + second).to_string();
        messages.push(json!({"from": "5491155551234", "id": wamid, "timestamp": timestamp, "type": "text", "text": {"body": text}}));
    }
    for _ in 0..3 {
        assert_eq!(tenant.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
    }
    tenant.customer_writes("5491166667777", "después").await;
    eventually("three messages, counted three", async || {
        let conversations = tenant.conversations().await;
        let lucia = conversations.iter().find(|item| item["contact"]["waId"] == "5491155551234").ok_or("none")?;
        let listed = tenant.messages(lucia).await;
        let texts: Vec<_> = listed.iter().map(|message| message["content"]["text"].clone()).collect();
        if lucia["unreadCount"] == 3 && texts == ["tres", "dos", "uno"] {
            Ok(())
        } else {
            Err(format!("{lucia} {texts:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_of_more_than_three_mebibytes_is_refused() {
    let stack = stack();
    let at_the_limit = vec![b' '; 3 * 1024 * 1024];
    assert_eq!(stack.post_webhook(&[&at_the_limit[..], b" "].concat()).await.status, 413);
    assert_eq!(stack.post_webhook_signed(&at_the_limit, "sha256=00").await.status, 401, "at the limit it is judged");
}

#[tokio::test]
async fn a_customer_without_a_phone_number_is_known_and_answered_by_their_business_scoped_id() {
    let tenant = Tenant::new().await;
    let inbound =
        json!({"phone_number_id": tenant.phone_number_id, "user_id": "AR.777", "name": "Anónima", "text": "hola"});
    tenant.stack.control_post("/inbound", &inbound).await;
    let conversation = tenant.conversation().await;
    assert_eq!(
        (&conversation["contact"]["bsuid"], &conversation["contact"]["phone"]),
        (&json!("AR.777"), &json!(null))
    );
    let reply = tenant.reply(&conversation, "c1", "¡Hola!").await;
    tenant.message_with_status(&conversation, &reply.body["id"], "READ").await;
    let sent = tenant.sent().await;
    assert_eq!((&sent[0]["request"]["recipient"], sent[0]["request"].get("to")), (&json!("AR.777"), None));
}

#[tokio::test]
async fn a_status_that_carries_another_tenants_key_changes_nothing_there() {
    let (victim, other) = (Tenant::with_statuses(json!([])).await, Tenant::new().await);
    victim.customer_writes("5491155551234", "hola").await;
    let conversation = victim.conversation().await;
    let reply = victim.reply(&conversation, "c1", "respuesta").await;
    let sent = victim.message_with_status(&conversation, &reply.body["id"], "SENT").await;
    let key = format!("v1.{}.{}.1", victim.tenant_id, reply.body["id"].as_str().unwrap());

    let status =
        json!({"id": sent["wamid"], "status": "read", "timestamp": now().to_string(), "biz_opaque_callback_data": key});
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": other.waba_id, "changes": [{"field": "messages",
        "value": {"metadata": {"phone_number_id": other.phone_number_id}, "statuses": [status]}}]}]});
    assert_eq!(other.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
    let store = Lab::store_of(&other.stack);
    let scope = ParkedScope::Tenant(recado_domain::ids::TenantId::parse(&other.tenant_id).unwrap());
    eventually("the foreign key to be parked with its sender", async || {
        let parked = store.parked(&scope).await.map_err(|error| error.to_string())?;
        let found = parked.iter().any(|item| item.reason == "the callback key names another tenant");
        if found { Ok(()) } else { Err(format!("{parked:?}")) }
    })
    .await;
    let after = victim.message_with_status(&conversation, &reply.body["id"], "SENT").await;
    assert_eq!(after, sent, "another tenant's status moved the message");
}

#[tokio::test]
async fn a_message_that_the_table_never_takes_is_parked_and_its_neighbours_are_stored() {
    let lab = Lab::new().await;
    let sender = stories::lab::phone("5491155551234");
    let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
    // All three together; then the first, the second, and so on.
    for fault in [Fault::Refused, Fault::Nothing, Fault::Refused] {
        proxy.next("TransactWriteItems", fault);
    }
    let texts = [("wamid.1", 9, "uno"), ("wamid.odd", 8, "raro"), ("wamid.2", 7, "dos")];
    let event = sqs_event(&texts.map(|(wamid, age, text)| lab.text(&sender, wamid, age, text)));
    let response = lab.inbound_through(&proxy).handle(event).await;
    assert!(response.batch_item_failures.is_empty(), "not taken: {response:?}");
    let inbox = lab.inbox().await;
    assert_eq!((inbox[0].unread_count, inbox[0].last_preview.expose().as_str()), (2, "dos"));
    let parked = lab.store.parked(&ParkedScope::Tenant(lab.tenant().await.tenant())).await.unwrap();
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert!(parked[0].reason.starts_with("the table does not take it"), "{}", parked[0].reason);
}
