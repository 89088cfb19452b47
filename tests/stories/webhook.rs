//! The webhook's promise: what was answered with 200 is on a queue, however large it is and whatever fails.

use crate::world::{Tenant, eventually, fresh_digits, now, stack};
use lambda_http::Request;
use recado_domain::ids::TenantId;
use recado_platform::clock::Clock;
use recado_platform::intake::IntakeBucket;
use recado_platform::queue::Queue;
use recado_platform::secret::SecretDocument;
use recado_store::ParkedScope;
use recado_testkit::stack::{Stack, http, send};
use recado_whatsapp::signature::{self, sign};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use stories::lab::Lab;
use stories::proxy::{Fault, Proxy};
use webhook::Webhook;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A webhook body of exactly so many bytes, with one message of a kind that is yet to come.
fn body_of(tenant: &Tenant, size: usize) -> String {
    let body = |filler: usize| {
        let message = json!({"from": "5491155551234", "id": format!("wamid.{size}"), "timestamp": now().to_string(),
            "type": "hologram", "hologram": "h".repeat(filler)});
        let mut body = tenant.text_webhook("5491155551234", "", 0, "");
        body["entry"][0]["changes"][0]["value"]["messages"] = json!([message]);
        body.to_string()
    };
    let around = body(0).len();
    body(size - around)
}

#[tokio::test]
async fn bodies_of_up_to_three_mebibytes_are_taken_and_kept_and_larger_ones_are_not() {
    let tenant = Tenant::new().await;
    let scope = ParkedScope::Tenant(TenantId::parse(&tenant.tenant_id).unwrap());
    let store = Lab::store_of(&tenant.stack);
    let mut parked_before = 0;
    for size in [255 * KIB, MIB - 1, MIB + 1, 3 * MIB] {
        let body = body_of(&tenant, size);
        assert_eq!(body.len(), size);
        assert_eq!(tenant.stack.post_webhook(body.as_bytes()).await.status, 200, "{size} bytes");
        // What an item can hold becomes a message; the rest is parked, whole.
        let wamid = format!("wamid.{size}");
        eventually(&format!("the message of {size} bytes to be kept"), async || {
            let parked = store.parked(&scope).await.map_err(|error| error.to_string())?;
            if parked.len() > parked_before {
                parked_before = parked.len();
                return Ok(());
            }
            let Some(conversation) = tenant.conversations().await.first().cloned() else {
                return Err(format!("{parked:?}"));
            };
            let stored = tenant.messages(&conversation).await.iter().any(|message| message["wamid"] == wamid);
            if stored { Ok(()) } else { Err(format!("{parked:?}")) }
        })
        .await;
    }
    assert_eq!(tenant.stack.post_webhook(body_of(&tenant, 3 * MIB + 1).as_bytes()).await.status, 413);

    // Every large one can be looked at and comes back whole.
    let listed = tenant.stack.get(&tenant.admin, "/parked").await.body;
    let sizes = async |path: &str, listed: &Value| {
        let mut sizes = BTreeSet::new();
        for item in listed["items"].as_array().unwrap() {
            let shown = tenant.stack.get(&tenant.admin, &format!("{path}/{}", item["id"].as_str().unwrap())).await;
            sizes.insert(shown.body["payload"]["id"].as_str().unwrap_or_default().to_owned());
        }
        sizes
    };
    let large: BTreeSet<_> = [MIB - 1, MIB + 1, 3 * MIB].map(|size| format!("wamid.{size}")).into();
    assert_eq!(sizes("/parked", &listed).await, large);
    let logged = tenant.stack.get(&tenant.admin, "/webhook-logs").await.body;
    assert!(sizes("/webhook-logs", &logged).await.is_superset(&large), "{logged}");

    // And when it is replayed, the worker gets it whole: the same key is parked again.
    let replayed = tenant.stack.post(&tenant.admin, "/parked/replay", &json!({})).await;
    assert_eq!((replayed.status, &replayed.body["replayed"]), (202, &json!(3)));
    eventually("the large ones to be parked again, under the same keys", async || {
        let again = tenant.stack.get(&tenant.admin, "/parked").await.body;
        let waiting =
            |item: &Value| item["replayedAt"].is_null() && !listed.to_string().contains(&item["parkedAt"].to_string());
        let items = again["items"].as_array().unwrap();
        if items.len() == 3 && items.iter().all(waiting) { Ok(()) } else { Err(again.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn the_alias_path_is_the_same_webhook() {
    let tenant = Tenant::new().await;
    let body = tenant.text_webhook("5491155551234", "wamid.alias", now(), "por el otro camino").to_string();
    let url = format!("{}/api/modules/live-chat/webhooks/whatsapp", tenant.stack.api_url);
    let signed = sign(body.as_bytes(), &tenant.stack.meta.app_secret.as_str().into());
    let post = async |signature: &str| {
        let call = http().post(&url).header("content-type", "application/json").header(signature::HEADER, signature);
        send(call.body(body.clone())).await.status
    };
    assert_eq!(post("sha256=00").await, 401);
    assert_eq!(post(&signed).await, 200);
    assert_eq!(tenant.conversation().await["lastMessagePreview"], "por el otro camino");
    let query =
        [("hub.mode", "subscribe"), ("hub.challenge", "7"), ("hub.verify_token", &tenant.stack.meta.verify_token)];
    assert_eq!(http().get(&url).query(&query).send().await.unwrap().text().await.unwrap(), "7");
}

/// A webhook of this process, which reaches its queue through a proxy.
async fn webhook_behind(stack: &Stack, proxy: &Proxy, queue_url: &str) -> Webhook {
    let secrets = aws_sdk_secretsmanager::Client::new(&stack.sdk_config());
    let through = stack.sdk_config_at(proxy.url());
    let queue = || Queue::new(aws_sdk_sqs::Client::new(&through), queue_url.to_owned());
    let secret_id = format!("{}/apps", stack.aws.stack_name);
    Webhook {
        apps: vec![SecretDocument::load(secrets, secret_id, Clock::system()).await.unwrap()],
        messages: queue(),
        statuses: queue(),
        account: queue(),
        intake: IntakeBucket::new(&through, stack.aws.intake_bucket.as_str()),
        clock: Clock::system(),
    }
}

#[tokio::test]
async fn whatever_goes_wrong_at_the_queue_what_meta_sends_until_it_is_taken_is_there() {
    let stack = stack();
    let sqs = aws_sdk_sqs::Client::new(&stack.sdk_config());
    let queue = sqs.create_queue().queue_name(format!("webhook-{}", fresh_digits())).send().await.unwrap();
    let queue_url = queue.queue_url.unwrap();
    let proxy = Proxy::start(&stack.aws.endpoint).await;
    let webhook = webhook_behind(&stack, &proxy, &queue_url).await;
    let refused = [Fault::EntryRefused; 4];
    let faults = [Fault::DroppedAfter, Fault::DroppedBefore, Fault::ErrorAfter, Fault::ErrorBefore, Fault::Throttled];

    let mut sent = BTreeSet::new();
    let mut refusals = 0;
    for (round, fault) in refused.into_iter().chain(faults).chain(refused).enumerate() {
        let wamids: Vec<_> = (0..10).map(|place| format!("wamid.{round}.{place}")).collect();
        let messages: Vec<_> = wamids.iter().map(|wamid| json!({"id": wamid})).collect();
        let body =
            json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages",
            "value": {"metadata": {"phone_number_id": "2"}, "messages": messages}}]}]})
            .to_string();
        let signature = sign(body.as_bytes(), &stack.meta.app_secret.as_str().into());
        proxy.next("SendMessageBatch", fault);
        loop {
            let request =
                lambda_http::http::Request::post("/api/whatsapp/webhook").header(signature::HEADER, &signature);
            let request: Request = request.body(body.clone().into()).unwrap();
            if webhook.handle(request).await.status() == 200 {
                break;
            }
            refusals += 1;
        }
        sent.extend(wamids);
    }
    assert_eq!(proxy.calls()["SendMessageBatch"].faults.values().sum::<u64>(), 13, "every fault has happened");
    assert!(refusals >= 8, "a body with a refused entry was acknowledged: {refusals} refusals");

    let mut queued = BTreeSet::new();
    loop {
        let received = sqs.receive_message().queue_url(&queue_url).max_number_of_messages(10).send().await.unwrap();
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            break;
        }
        for message in messages {
            let envelope: Value = serde_json::from_str(message.body().unwrap()).unwrap();
            queued.insert(envelope["item"]["raw"]["id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(queued, sent, "lost on the way to the queue");
}
