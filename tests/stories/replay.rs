//! What came once comes again: duplicates, replays, redrives. And what could not be applied waits.

use crate::world::{Tenant, deployment_admin, eventually, fresh_digits, now, stack};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::{AppKey, PhoneNumberId, TenantId, UserId, WabaId};
use recado_domain::personal::Personal;
use recado_domain::policy::Policy;
use recado_domain::tenant::Role;
use recado_ingest::Replay;
use recado_platform::queue::Queue;
use recado_store::{EventOutcome, LogScope, NewMember, NewTenant, Number, NumberStatus, ParkedScope, Registered};
use recado_testkit::redrive;
use recado_testkit::stack::Stack;
use serde_json::{Value, json};
use std::time::Duration;
use stories::lab::Lab;

/// A message that nobody can apply: it has no time.
fn without_time(tenant: &Tenant, wamid: &str) -> Value {
    let mut body = tenant.text_webhook("5491155551234", wamid, 0, "sin hora");
    body["entry"][0]["changes"][0]["value"]["messages"][0].as_object_mut().unwrap().remove("timestamp");
    body
}

async fn parked(tenant: &Tenant) -> Vec<Value> {
    let answer = tenant.stack.get(&tenant.admin, "/parked").await;
    assert_eq!(answer.status, 200, "listing what is parked: {}", answer.body);
    answer.body["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_is_parked_is_listed_shown_and_replayed_and_waits_again_if_it_still_fails() {
    let tenant = Tenant::new().await;
    let body = without_time(&tenant, "wamid.parked").to_string();
    assert_eq!(tenant.stack.post_webhook(body.as_bytes()).await.status, 200);
    let item = eventually("the message to be parked", async || {
        parked(&tenant).await.first().cloned().ok_or_else(|| "nothing".to_owned())
    })
    .await;
    assert_eq!(
        (&item["queue"], &item["kind"], &item["field"], &item["phoneNumberId"], &item["replayedAt"]),
        (&json!("messages"), &json!("message"), &json!("messages"), &json!(tenant.phone_number_id), &json!(null))
    );
    assert!(item.get("payload").is_none(), "a list does not say what people wrote: {item}");
    let id = item["id"].as_str().unwrap();
    let shown = tenant.stack.get(&tenant.admin, &format!("/parked/{id}")).await.body;
    assert_eq!((&shown["payload"]["id"], &shown["reason"]), (&json!("wamid.parked"), &item["reason"]));

    let replayed = tenant.stack.post(&tenant.admin, &format!("/parked/{id}/replay"), &json!({})).await;
    assert_eq!((replayed.status, &replayed.body["replayed"]), (202, &json!(1)));
    eventually("it to be parked again under the same key", async || match parked(&tenant).await.as_slice() {
        [again]
            if again["id"] == item["id"] && again["replayedAt"].is_null() && again["parkedAt"] != item["parkedAt"] =>
        {
            Ok(())
        }
        others => Err(format!("{others:?}")),
    })
    .await;

    // What can be applied by now is marked, and the message is there.
    let store = Lab::store_of(&tenant.stack);
    let text = tenant.text_webhook("5491155551234", "wamid.fixed", now(), "ya se entiende").to_string();
    assert_eq!(tenant.stack.post_webhook(text.as_bytes()).await.status, 200);
    tenant.conversation().await;
    let scope = ParkedScope::Tenant(TenantId::parse(&tenant.tenant_id).unwrap());
    let log = LogScope::Tenant(TenantId::parse(&tenant.tenant_id).unwrap());
    let day = jiff::civil::Date::strptime("%Y-%m-%d", today()).unwrap();
    let logged = eventually("the log to have both", async || {
        let page = store.logged(log, day, 100, None, timestamp()).await.map_err(|error| error.to_string())?;
        if page.items.len() == 2 { Ok(page.items) } else { Err(format!("{page:?}")) }
    })
    .await;
    let fixed = logged.iter().find(|logged| logged.outcome == EventOutcome::Applied).unwrap();
    let park = recado_store::Park {
        scope: scope.clone(),
        event: fixed.event,
        reason: "as an older version would have".to_owned(),
        queue: "messages",
        body: fixed.body.expose(),
    };
    store.park(&park, timestamp()).await.unwrap();
    let all = tenant.stack.post(&tenant.admin, "/parked/replay", &json!({})).await;
    assert_eq!((all.status, &all.body["replayed"]), (202, &json!(2)));
    eventually("one to be done and the other to wait", async || {
        let waiting: Vec<_> = parked(&tenant).await.iter().map(|item| item["replayedAt"].is_null()).collect();
        if waiting == [true, false] { Ok(()) } else { Err(format!("{waiting:?}")) }
    })
    .await;
    assert_eq!(tenant.conversation().await["unreadCount"], 1, "and nothing came twice");
}

#[tokio::test]
async fn only_administrators_see_and_replay_events_and_only_their_own() {
    let (tenant, other) = (Tenant::new().await, Tenant::new().await);
    let body = without_time(&tenant, "wamid.parked").to_string();
    assert_eq!(tenant.stack.post_webhook(body.as_bytes()).await.status, 200);
    let item = eventually("the message to be parked", async || {
        parked(&tenant).await.first().cloned().ok_or_else(|| "nothing".to_owned())
    })
    .await;
    let id = item["id"].as_str().unwrap();
    for prefix in ["", "/deployment"] {
        for path in ["/parked", "/webhook-logs", &format!("/parked/{id}"), &format!("/webhook-logs/{id}")] {
            let path = format!("{prefix}{path}");
            for token in [&tenant.agent, &tenant.viewer] {
                assert_eq!(tenant.stack.get(token, &path).await.status, 403, "GET {path}");
            }
        }
        for path in ["/parked/replay", "/webhook-logs/replay", &format!("/parked/{id}/replay")] {
            let path = format!("{prefix}{path}");
            assert_eq!(tenant.stack.post(&tenant.agent, &path, &json!({})).await.status, 403, "POST {path}");
        }
    }
    let admin = deployment_admin().await;
    for (token, path) in [
        (&other.admin, format!("/parked/{id}")),
        (&other.admin, format!("/webhook-logs/{id}")),
        (&admin, format!("/deployment/parked/{id}")),
        (&tenant.admin, "/parked/nonsense".to_owned()),
    ] {
        assert_eq!(tenant.stack.get(token, &path).await.status, 404, "{path}");
    }
    for path in ["/parked", "/webhook-logs"] {
        assert_eq!(other.stack.get(&other.admin, path).await.body["items"], json!([]), "{path} of another tenant");
        assert_eq!(tenant.stack.get(&admin, path).await.status, 403, "running the deployment opens no tenant");
        assert_eq!(tenant.stack.get(&tenant.admin, &format!("/deployment{path}")).await.status, 403);
    }
    let wrong = tenant.stack.get(&tenant.admin, "/webhook-logs?day=yesterday").await;
    assert_eq!((wrong.status, &wrong.body["error"]["code"]), (400, &json!("INVALID_REQUEST")));
}

#[tokio::test]
async fn the_log_is_paged_newest_first_and_each_page_goes_on_where_the_last_one_ended() {
    let tenant = Tenant::new().await;
    for number in 0..7 {
        let body = tenant.text_webhook("5491155551234", &format!("wamid.{number}"), now(), "hola").to_string();
        assert_eq!(tenant.stack.post_webhook(body.as_bytes()).await.status, 200);
    }
    let whole = eventually("seven events in the log", async || {
        let listed = tenant.stack.get(&tenant.admin, "/webhook-logs").await.body["items"].clone();
        if listed.as_array().unwrap().len() == 7 { Ok(listed) } else { Err(listed.to_string()) }
    })
    .await;
    let mut paged = Vec::new();
    let mut path = "/webhook-logs?limit=3".to_owned();
    loop {
        let page = tenant.stack.get(&tenant.admin, &path).await.body;
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/webhook-logs?limit=3&cursor={cursor}");
    }
    assert_eq!(json!(paged), whole);
    let received: Vec<_> = paged.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    assert!(received.is_sorted_by(|one, next| one > next), "{received:?}");
    assert!(paged.iter().all(|item| item["outcome"] == "applied" && item["kind"] == "message"), "{paged:?}");
}

#[tokio::test]
async fn claiming_a_number_brings_what_was_parked_for_it() {
    let stack = stack();
    let (number, waba) = (fresh_digits(), fresh_digits());
    let message = |wamid: &str| {
        json!({"object": "whatsapp_business_account", "entry": [{"id": waba, "changes": [{"field": "messages",
        "value": {"metadata": {"phone_number_id": number}, "messages": [{"from": "5491155551234", "id": wamid,
            "timestamp": now().to_string(), "type": "text", "text": {"body": "¿hay alguien?"}}]}}]}]})
    };
    for wamid in ["wamid.1", "wamid.2"] {
        assert_eq!(stack.post_webhook(message(wamid).to_string().as_bytes()).await.status, 200);
    }
    let admin = deployment_admin().await;
    let waiting = format!("/deployment/parked?phoneNumberId={number}");
    eventually("both to be parked for the number", async || {
        let listed = stack.get(&admin, &waiting).await.body;
        if listed["items"].as_array().unwrap().len() == 2 { Ok(()) } else { Err(listed.to_string()) }
    })
    .await;
    let tenant = Tenant::of_number(&number, &waba, json!([])).await;
    assert_eq!(stack.get(&admin, &waiting).await.body["items"], json!([]), "left behind");
    eventually("both messages in the inbox", async || {
        let conversations = tenant.conversations().await;
        if conversations.first().is_some_and(|first| first["unreadCount"] == 2) {
            Ok(())
        } else {
            Err(json!(conversations).to_string())
        }
    })
    .await;
}

#[tokio::test]
async fn whatever_a_worker_is_doing_while_a_number_is_claimed_nothing_stays_behind() {
    for round in 0..8 {
        let lab = Lab::new().await;
        let sqs = aws_sdk_sqs::Client::new(&lab.stack.sdk_config());
        let created = sqs.create_queue().queue_name(format!("claim-{}", fresh_digits())).send().await.unwrap();
        let url = created.queue_url.unwrap();
        let queue = || Queue::new(sqs.clone(), url.clone());
        let replay = Replay { store: lab.store.clone(), messages: queue(), statuses: queue(), account: queue() };

        let number = PhoneNumberId::parse(fresh_digits()).unwrap();
        let texts: Vec<String> = (0..12)
            .map(|place| {
                let text =
                    lab.text(&stories::lab::phone("5491155551234"), &format!("wamid.{place}"), 60 - place, "hola");
                text.replace(lab.number.as_str(), number.as_str())
            })
            .collect();
        let claim = async {
            tokio::time::sleep(Duration::from_millis(round * 4)).await;
            let new = claim_of(&number);
            assert_eq!(lab.store.register(&new, lab.now()).await.unwrap(), Registered::Done);
            replay.drain(&number, lab.now()).await.unwrap()
        };
        let deliveries = join_all(texts.iter().map(|text| lab.deliver(std::slice::from_ref(text))));
        let (_, drained) = tokio::join!(deliveries, claim);

        let mut delivered = 0;
        while delivered < drained {
            let received = sqs.receive_message().queue_url(&url).max_number_of_messages(10).wait_time_seconds(1);
            for message in received.send().await.unwrap().messages.unwrap_or_default() {
                lab.deliver(&[message.body.unwrap()]).await;
                delivered += 1;
            }
        }
        assert!(lab.store.parked(&ParkedScope::UnroutedNumber(&number)).await.unwrap().is_empty(), "round {round}");
        assert_eq!(lab.count("message").await, 12, "round {round}: {drained} of 12 had been parked");
    }
}

/// A tenant that claims a number.
fn claim_of(number: &PhoneNumberId) -> NewTenant {
    NewTenant {
        id: TenantId::from_bits(rand::random()),
        name: "Nueva".to_owned(),
        number: Some(Number {
            phone_number_id: number.clone(),
            // As in the lab.
            waba_id: WabaId::parse(format!("1{}", number.as_str())).unwrap(),
            app: AppKey::parse("default").unwrap(),
            status: NumberStatus::Active,
            encrypted_token: vec![1],
            display_phone_number: None,
        }),
        members: vec![NewMember {
            user: UserId::parse(format!("user-{}", number.as_str())).unwrap(),
            role: Role::Admin,
            email: Personal::new("nueva@story.example".to_owned()),
            name: Personal::new("Nueva".to_owned()),
        }],
        policy: Policy::default(),
    }
}

#[tokio::test]
async fn dead_letters_go_back_to_their_queue_each_once() {
    let stack = stack();
    let sqs = aws_sdk_sqs::Client::new(&stack.sdk_config());
    let create = async |name: &str| {
        let created = sqs.create_queue().queue_name(format!("{name}-{}", fresh_digits())).send().await.unwrap();
        created.queue_url.unwrap()
    };
    let (dead, queue) = (create("dead").await, create("alive").await);
    for number in 0..23 {
        sqs.send_message().queue_url(&dead).message_body(format!("letter {number:02}")).send().await.unwrap();
    }
    assert_eq!(redrive::count(&sqs, &dead).await.unwrap(), 23);
    assert_eq!(redrive::redrive(&sqs, &dead, &queue).await.unwrap(), 23);
    assert_eq!((redrive::count(&sqs, &dead).await.unwrap(), redrive::count(&sqs, &queue).await.unwrap()), (0, 23));
    let mut letters = Vec::new();
    while letters.len() < 23 {
        let received = sqs.receive_message().queue_url(&queue).max_number_of_messages(10).send().await.unwrap();
        letters.extend(received.messages.unwrap_or_default().into_iter().map(|message| message.body.unwrap()));
    }
    letters.sort();
    assert_eq!(letters, (0..23).map(|number| format!("letter {number:02}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dead_letter_of_the_stack_reaches_its_worker_when_it_is_redriven() {
    let tenant = Tenant::new().await;
    let sqs = aws_sdk_sqs::Client::new(&tenant.stack.sdk_config());
    let Stack { aws, .. } = &tenant.stack;
    for (name, queue) in &aws.queues {
        assert_eq!(queue.is_some(), aws.dead_letter_queues[name].is_some(), "{name} has no dead-letter queue");
    }
    let body = tenant.text_webhook("5491155551234", "wamid.dead", now(), "de vuelta");
    let (message, number) = (&body["entry"][0]["changes"][0]["value"]["messages"][0], &tenant.phone_number_id);
    let envelope = json!({"v": 1, "app": "default", "received": now() * 1000, "item": {"kind": "message", "position": 0,
        "waba_id": tenant.waba_id, "field": "messages", "phone_number_id": number, "raw": message}});
    let (dead, queue) =
        (aws.dead_letter_queues["messages"].as_ref().unwrap(), aws.queues["messages"].as_ref().unwrap());
    sqs.send_message().queue_url(dead).message_body(envelope.to_string()).send().await.unwrap();
    assert!(redrive::redrive(&sqs, dead, queue).await.unwrap() >= 1);
    assert_eq!(tenant.conversation().await["lastMessagePreview"], "de vuelta");
}

#[tokio::test]
async fn an_event_that_cannot_be_logged_is_delivered_again_and_not_applied_again() {
    let lab = Lab::new().await;
    // Of a newcomer, it would be written first what they are found by.
    lab.conversation().await;
    lab.pass(SignedDuration::from_secs(1));
    let proxy = stories::proxy::Proxy::start(&lab.stack.aws.endpoint).await;
    let dynamo = aws_sdk_dynamodb::Client::new(&lab.stack.sdk_config_at(proxy.url()));
    let store = recado_store::Store::new(dynamo, lab.table());
    let worker = inbound::Inbound::new(store, stories::lab::archive_of(&lab.stack), lab.clock());
    let text = lab.text(&stories::lab::phone("5491155551234"), "wamid.1", 0, "hola");
    // The client tries three times by itself.
    for _ in 0..3 {
        proxy.next("BatchWriteItem", stories::proxy::Fault::ErrorBefore);
    }
    let deliver = async || worker.handle(stories::lab::sqs_event(std::slice::from_ref(&text))).await;
    assert_eq!(deliver().await.batch_item_failures.len(), 1, "it is not logged, and must come again");
    assert_eq!((lab.count("message").await, lab.count("webhook").await), (2, 1));
    assert!(deliver().await.batch_item_failures.is_empty());
    assert_eq!((lab.count("message").await, lab.count("webhook").await), (2, 2));
    assert_eq!(lab.inbox().await[0].unread_count, 2);
}

fn timestamp() -> Timestamp {
    Timestamp::from_second(now()).unwrap() + SignedDuration::from_secs(1)
}

fn today() -> String {
    timestamp().to_string()[..10].to_owned()
}
