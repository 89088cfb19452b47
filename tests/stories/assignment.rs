//! Who looks after a conversation, and when one is opened again.

use crate::world::{Tenant, eventually, now};
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use jiff::SignedDuration;
use recado_domain::ids::UserId;
use recado_domain::policy::Policy;
use recado_store::{Conversation, ConversationStatus};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use stories::lab::{Lab, phone, sqs_event};
use stories::proxy::{Fault, Proxy};

async fn is_there(tenant: &Tenant, token: &str, online: bool) {
    let answer = tenant.stack.patch(token, "/me", &json!({ "online": online })).await;
    assert_eq!((answer.status, &answer.body["online"]), (200, &json!(online)), "{}", answer.body);
}

async fn me(tenant: &Tenant, token: &str) -> Value {
    let answer = tenant.stack.get(token, "/me").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

async fn all_of(tenant: &Tenant, count: usize) -> Vec<Value> {
    eventually(&format!("{count} conversations"), async || {
        let inbox = tenant.conversations().await;
        if inbox.len() == count { Ok(inbox) } else { Err(format!("{}", inbox.len())) }
    })
    .await
}

/// A customer's webhook, posted so many times.
async fn writes(tenant: &Tenant, from: &str, wamid: &str, times: usize) {
    let body = tenant.text_webhook(from, wamid, now(), "hola").to_string();
    for _ in 0..times {
        assert_eq!(tenant.stack.post_webhook(body.as_bytes()).await.status, 200);
    }
}

#[tokio::test]
async fn conversations_that_begin_are_given_in_turn_to_those_who_are_there() {
    let tenant = Tenant::auto_assigning().await;
    writes(&tenant, "5491155550000", "wamid.early", 1).await;
    assert_eq!(all_of(&tenant, 1).await[0]["assignedToId"], json!(null), "nobody is there");

    is_there(&tenant, &tenant.admin, true).await;
    is_there(&tenant, &tenant.agent, true).await;
    for number in 1..=6 {
        writes(&tenant, &format!("549115555000{number}"), &format!("wamid.{number}"), 2).await;
    }
    let inbox = all_of(&tenant, 7).await;
    let mut given: BTreeMap<String, usize> = BTreeMap::new();
    for conversation in &inbox {
        *given.entry(conversation["assignedToId"].as_str().unwrap_or("nobody").to_owned()).or_default() += 1;
    }
    let [admin, agent] = [&tenant.admin, &tenant.agent].map(|token| me(&tenant, token));
    let ids = [admin.await, agent.await].map(|person| person["id"].as_str().unwrap().to_owned());
    let expected = ids.iter().map(|id| (id.clone(), 3)).chain([("nobody".to_owned(), 1)]).collect();
    assert_eq!(given, expected, "six in turn for two");

    // Who goes home gets no more; what is open and nobody's stays so.
    is_there(&tenant, &tenant.admin, false).await;
    writes(&tenant, "5491155550000", "wamid.again", 1).await;
    for number in 7..=8 {
        writes(&tenant, &format!("549115555000{number}"), &format!("wamid.{number}"), 1).await;
    }
    let inbox = all_of(&tenant, 9).await;
    let count = |who: &Value| inbox.iter().filter(|one| one["assignedToId"] == *who).count();
    assert_eq!((count(&json!(ids[0])), count(&json!(ids[1])), count(&json!(null))), (3, 5, 1));
}

#[tokio::test]
async fn a_tenant_that_did_not_ask_keeps_its_conversations_unassigned() {
    let tenant = Tenant::with_statuses(json!([])).await;
    is_there(&tenant, &tenant.agent, true).await;
    writes(&tenant, "5491155550001", "wamid.1", 1).await;
    assert_eq!(tenant.conversation().await["assignedToId"], json!(null));
}

#[tokio::test]
async fn everybody_of_the_tenant_is_listed_and_says_for_themselves_whether_they_are_there() {
    let (tenant, other) = (Tenant::new().await, Tenant::new().await);
    is_there(&other, &other.agent, true).await;
    is_there(&tenant, &tenant.agent, true).await;
    let answer = tenant.stack.get(&tenant.viewer, "/users").await;
    let items = answer.body["items"].as_array().unwrap();
    let mut seen: Vec<_> =
        items.iter().map(|one| (one["role"].as_str().unwrap(), one["online"].as_bool().unwrap())).collect();
    seen.sort_unstable();
    assert_eq!(seen, [("admin", false), ("agent", true), ("viewer", false)], "{}", answer.body);
    let agent = me(&tenant, &tenant.agent).await;
    assert_eq!(
        (&agent["role"], &agent["name"], &agent["online"]),
        (&json!("agent"), &json!("Señor agent"), &json!(true))
    );
    assert_eq!(agent["tenantId"], json!(tenant.tenant_id));
    let viewer = tenant.stack.patch(&tenant.viewer, "/me", &json!({"online": true})).await;
    assert_eq!(viewer.status, 403, "who may only read is given nothing: {}", viewer.body);
    for body in [json!({}), json!({"online": "yes"}), json!({"online": true, "role": "admin"})] {
        assert_eq!(tenant.stack.patch(&tenant.agent, "/me", &body).await.status, 400, "{body}");
    }
}

// From here on with the workers' own code.

/// A lab whose tenant gives conversations to these agents, who are all there.
async fn staffed(agents: &[&str]) -> Lab {
    let lab = Lab::staffed(Policy { auto_assign: true, ..Policy::default() }, agents).await;
    for agent in &lab.occupant().agents {
        comes(&lab, agent, true).await;
    }
    lab
}

async fn comes(lab: &Lab, user: &UserId, online: bool) {
    let membership = lab.store.memberships(user).await.unwrap().remove(0);
    lab.store.of_member(&membership).set_online(&membership, online).await.unwrap();
}

/// Takes a person's membership away.
async fn revoke(lab: &Lab, user: &UserId) {
    let items = lab.raw_items().await;
    let is = |item: &HashMap<String, AttributeValue>, name: &str, text: &str| {
        item.get(name).and_then(|value| value.as_s().ok()).is_some_and(|value| value == text)
    };
    let item = items.iter().find(|item| is(item, "entity", "membership") && is(item, "user", user.as_str())).unwrap();
    lab.remove_raw(item).await;
}

/// Lets an agent have put the only conversation into a status, some time ago.
async fn put_into(lab: &Lab, status: &str) {
    let items = lab.raw_items().await;
    let is_conversation = |item: &&HashMap<String, AttributeValue>| item["entity"].as_s().unwrap() == "conversation";
    let mut item = items.iter().find(is_conversation).unwrap().clone();
    let before = format!("#{}#", item["status"].as_s().unwrap());
    let inbox = item["inboxPk"].as_s().unwrap().replace(&before, &format!("#{status}#"));
    item.insert("inboxPk".to_owned(), AttributeValue::S(inbox));
    item.insert("status".to_owned(), AttributeValue::S(status.to_owned()));
    lab.put_raw(item).await;
}

async fn only(lab: &Lab, status: ConversationStatus) -> Conversation {
    let mut items = lab.tenant().await.inbox(status, 100, None).await.unwrap().items;
    assert_eq!(items.len(), 1, "conversations that are {status:?}: {items:#?}");
    items.remove(0)
}

#[tokio::test]
async fn a_new_message_opens_what_was_closed_or_archived_and_leaves_spam_alone() {
    for (put, after) in [
        ("CLOSED", ConversationStatus::Open),
        ("ARCHIVED", ConversationStatus::Open),
        ("SPAM", ConversationStatus::Spam),
    ] {
        let lab = staffed(&[]).await;
        let anybody = lab.occupant().user.clone();
        lab.deliver(&[lab.text(&phone("5491155551234"), "wamid.1", 60, "hola")]).await;
        put_into(&lab, put).await;
        comes(&lab, &anybody, true).await;
        // An old message that comes late, and one that comes twice.
        let bodies = [
            lab.text(&phone("5491155551234"), "wamid.0", 90, "antes"),
            lab.text(&phone("5491155551234"), "wamid.2", 0, "sigo acá"),
        ];
        for body in bodies.iter().chain(&bodies) {
            lab.deliver(std::slice::from_ref(body)).await;
        }
        let conversation = only(&lab, after).await;
        assert_eq!((conversation.status, conversation.unread_count), (after, 3), "{put}");
        let expected = (after == ConversationStatus::Open).then_some(anybody);
        assert_eq!(
            conversation.assigned_to_id, expected,
            "{put}: what nobody looked after is given to whoever is there"
        );
        assert_eq!(assignments(&lab).await, usize::from(after == ConversationStatus::Open), "{put}");
    }
}

async fn assignments(lab: &Lab) -> usize {
    let items = lab.everything().await;
    items.iter().filter(|item| item["entity"] == "activity" && item["kind"] == "assignment").count()
}

#[tokio::test]
async fn who_looks_after_a_conversation_keeps_it_when_it_is_opened_again() {
    let lab = staffed(&["berta"]).await;
    let berta = lab.occupant().agents[0].clone();
    lab.deliver(&[lab.text(&phone("5491155551234"), "wamid.1", 60, "hola")]).await;
    comes(&lab, &berta, false).await;
    comes(&lab, &lab.occupant().user.clone(), true).await;
    put_into(&lab, "CLOSED").await;
    lab.deliver(&[lab.text(&phone("5491155551234"), "wamid.2", 0, "sigo acá")]).await;
    assert_eq!(only(&lab, ConversationStatus::Open).await.assigned_to_id, Some(berta));
    assert_eq!(assignments(&lab).await, 1);
}

#[tokio::test]
async fn a_conversation_that_many_workers_begin_at_once_is_given_once() {
    let lab = staffed(&["berta", "carla", "delia"]).await;
    let texts: Vec<_> =
        (0..8).map(|number| lab.text(&phone("5491155551234"), &format!("wamid.{number}"), 0, "hola")).collect();
    join_all(texts.iter().chain(&texts).map(|text| lab.deliver(std::slice::from_ref(text)))).await;
    let conversation = only(&lab, ConversationStatus::Open).await;
    assert!(conversation.assigned_to_id.is_some());
    assert_eq!((conversation.unread_count, assignments(&lab).await), (8, 1));

    // Closed and unassigned again, and opened by many.
    let lab = staffed(&[]).await;
    lab.deliver(&[lab.text(&phone("5491155551234"), "wamid.first", 60, "hola")]).await;
    put_into(&lab, "CLOSED").await;
    comes(&lab, &lab.occupant().user.clone(), true).await;
    let texts: Vec<_> =
        (0..8).map(|number| lab.text(&phone("5491155551234"), &format!("wamid.{number}"), 0, "hola")).collect();
    join_all(texts.iter().chain(&texts).map(|text| lab.deliver(std::slice::from_ref(text)))).await;
    assert_eq!(only(&lab, ConversationStatus::Open).await.unread_count, 9);
    assert_eq!(assignments(&lab).await, 1);
}

#[tokio::test]
async fn newcomers_who_come_at_once_are_shared_out_evenly() {
    let lab = staffed(&["berta", "carla", "delia"]).await;
    // Two of the three have had their turn, so it is the third's.
    for number in [90, 91] {
        let text = lab.text(&phone(&format!("54911555500{number}")), &format!("wamid.{number}"), 0, "hola");
        lab.deliver(&[text]).await;
    }
    let texts: Vec<_> = (0..12)
        .map(|number| lab.text(&phone(&format!("54911555500{number:02}")), &format!("wamid.{number}"), 0, "hola"))
        .collect();
    join_all(texts.iter().map(|text| lab.deliver(std::slice::from_ref(text)))).await;
    let mut given: BTreeMap<_, usize> = BTreeMap::new();
    for conversation in lab.inbox().await {
        *given.entry(conversation.assigned_to_id.map(|user| user.as_str().to_owned())).or_default() += 1;
    }
    let counts: Vec<usize> = given.values().copied().collect();
    assert_eq!(counts.iter().sum::<usize>(), 14, "{given:?}");
    assert!(given.len() == 3 && !given.contains_key(&None), "somebody was passed over: {given:?}");
    // In a crowd, order gives way to speed; nobody gets most of it.
    assert!(counts.iter().all(|count| (3..=7).contains(count)), "{given:?}");
}

#[tokio::test]
async fn who_was_revoked_is_given_nothing_even_at_the_last_moment() {
    let lab = staffed(&["berta", "carla"]).await;
    let [berta, carla] = [0, 1].map(|place: usize| lab.occupant().agents[place].clone());
    revoke(&lab, &berta).await;
    for number in 0..4 {
        lab.deliver(&[lab.text(&phone(&format!("549115555000{number}")), &format!("wamid.{number}"), 0, "hola")]).await;
    }
    let given: Vec<_> = lab.inbox().await.into_iter().map(|one| one.assigned_to_id).collect();
    assert_eq!(given, vec![Some(carla.clone()); 4]);

    // Carla's turn is decided, then she is revoked, then the message lands.
    let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
    let worker = lab.inbound_through(&proxy);
    for _ in 0..2 {
        proxy.next("TransactWriteItems", Fault::ErrorBefore);
    }
    let event = sqs_event(&[lab.text(&phone("5491155559999"), "wamid.last", 0, "hola")]);
    let revoked = async {
        while proxy.calls().get("TransactWriteItems").is_none_or(|calls| calls.made == 0) {
            tokio::task::yield_now().await;
        }
        revoke(&lab, &carla).await;
    };
    let (response, ()) = tokio::join!(worker.handle(event), revoked);
    assert!(response.batch_item_failures.is_empty(), "not taken: {response:?}");
    let inbox = lab.inbox().await;
    let last = inbox.iter().find(|one| one.contact.wa_id.as_ref().is_some_and(|id| id.as_str() == "5491155559999"));
    assert_eq!(last.unwrap().assigned_to_id, None, "there is nobody left");
}

#[tokio::test]
async fn only_a_customer_who_writes_is_given_to_somebody() {
    let lab = staffed(&["berta"]).await;
    // What the business wrote on its phone begins a conversation, too.
    let echo = json!({"id": "wamid.echo", "from": "5491150001234", "to": "5491155551234",
        "timestamp": lab.now().as_second().to_string(), "type": "text", "text": {"body": "hola"}});
    lab.deliver(&[lab.item(recado_whatsapp::envelope::Kind::Echo, "smb_message_echoes", &echo)]).await;
    assert_eq!(only(&lab, ConversationStatus::Open).await.assigned_to_id, None);
    lab.pass(SignedDuration::from_secs(1));
    assert_eq!(assignments(&lab).await, 0);
}

#[tokio::test]
async fn who_did_not_ask_pays_one_read_in_five_minutes() {
    let lab = Lab::new().await;
    let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
    let worker = lab.inbound_through(&proxy);
    let reads = || proxy.calls().get("GetItem").map_or(0, |calls| calls.made);
    let mut made = Vec::new();
    for number in 0..3 {
        let before = reads();
        let text = lab.text(&phone(&format!("549115555000{number}")), &format!("wamid.{number}"), 0, "hola");
        assert!(worker.handle(sqs_event(&[text])).await.batch_item_failures.is_empty());
        made.push(reads() - before);
    }
    assert_eq!(made, [3, 1, 1], "the route, the policy and the phone's customers; then only these");
    lab.pass(SignedDuration::from_mins(6));
    let before = reads();
    let text = lab.text(&phone("5491155550009"), "wamid.9", 0, "hola");
    assert!(worker.handle(sqs_event(&[text])).await.batch_item_failures.is_empty());
    assert_eq!(reads() - before, 3, "after five minutes both are read again");
}
