//! Requests that come twice, too often, or to a thing that has changed.

use crate::world::{Tenant, deployment_admin, fresh_digits, stack};
use api::auth::TokenVerifier;
use api::cursor::CursorKey;
use api::throttle::Throttle;
use api::{Api, router};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use futures_util::future::join_all;
use jiff::SignedDuration;
use recado_domain::ids::{AppKey, PhoneNumberId, TenantId, UserId, WabaId};
use recado_domain::personal::Personal;
use recado_domain::policy::Policy;
use recado_domain::tenant::Role;
use recado_domain::throttle::Rate;
use recado_ingest::Replay;
use recado_platform::bucket::Bucket;
use recado_platform::intake::IntakeBucket;
use recado_platform::queue::Queue;
use recado_platform::vault::Vault;
use recado_store::{Earlier, NewMember, NewTenant, Number, NumberStatus, Once};
use recado_testkit::stack::{Answer, http, send};
use recado_whatsapp::graph::Graph;
use serde_json::{Value, json};
use std::sync::Arc;
use stories::lab::Lab;
use tower::ServiceExt;

async fn post_as(tenant: &Tenant, token: &str, path: &str, key: &str, body: &Value) -> Answer {
    send(http().post(tenant.stack.api(path)).bearer_auth(token).header("idempotency-key", key).json(body)).await
}

fn code(answer: &Answer) -> &str {
    answer.body["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn the_same_request_under_the_same_key_has_one_effect_and_another_one_is_refused() {
    let tenant = Tenant::with_statuses(json!([])).await;
    tenant.customer_writes("5491155551234", "hola").await;
    let conversation = tenant.conversation().await;
    let path = format!("/conversations/{}/messages", conversation["id"].as_str().unwrap());
    let text = |id: &str| json!({"clientMessageId": id, "type": "text", "text": {"body": "a las 18"}});

    let first = post_as(&tenant, &tenant.agent, &path, "k1", &text("c1")).await;
    assert_eq!(first.status, 202, "{}", first.body);
    let again = post_as(&tenant, &tenant.agent, &path, "k1", &text("c1")).await;
    assert_eq!((again.status, &again.body["id"]), (202, &first.body["id"]), "the same request got another answer");
    let other = post_as(&tenant, &tenant.agent, &path, "k1", &text("c2")).await;
    assert_eq!((other.status, code(&other)), (422, "IDEMPOTENCY_KEY_REUSED"), "another body under a used key");
    let somebody_else = post_as(&tenant, &tenant.admin, &path, "k1", &text("c3")).await;
    assert_eq!(somebody_else.status, 202, "a key is its caller's own: {}", somebody_else.body);
    for key in ["", &"k".repeat(256)] {
        let odd = post_as(&tenant, &tenant.agent, &path, key, &text("c4")).await;
        assert_eq!((odd.status, code(&odd)), (400, "INVALID_REQUEST"), "a key of {} characters", key.len());
    }
    assert_eq!(tenant.messages(&conversation).await.len(), 3, "the customer's, and one for each key that was good");

    // A replay is noted as well, though its effect is on a queue.
    let replay = post_as(&tenant, &tenant.admin, "/webhook-logs/replay", "k2", &json!({})).await;
    let again = post_as(&tenant, &tenant.admin, "/webhook-logs/replay", "k2", &json!({})).await;
    assert_eq!((replay.status, &replay.body), (202, &again.body));
    let other = post_as(&tenant, &tenant.admin, "/webhook-logs/replay", "k2", &json!({"cursor": null})).await;
    assert_eq!((other.status, code(&other)), (422, "IDEMPOTENCY_KEY_REUSED"));
}

#[tokio::test]
async fn of_equal_requests_at_the_same_moment_one_has_the_effect_and_all_get_its_answer() {
    let stack = stack();
    let admin = deployment_admin().await;
    let (number, waba) = (fresh_digits(), fresh_digits());
    let at_meta = json!({"phone_number_id": number, "waba_id": waba, "token": "t", "verified_name": "Una"});
    stack.control_put("/numbers", &at_meta).await;
    let body = json!({"name": "Una", "phoneNumberId": number, "wabaId": waba, "accessToken": "t",
        "members": [{"userId": format!("u-{number}"), "email": "u@x.example", "name": "U", "role": "admin"}]});
    let ask = async || {
        let request = http().post(stack.api("/tenants")).bearer_auth(&admin).header("idempotency-key", &number);
        send(request.json(&body)).await
    };
    let answers = join_all((0..8).map(|_| ask())).await;
    let settled = ask().await;
    assert_eq!(settled.status, 201, "the same request later: {}", settled.body);
    for answer in answers {
        // Without the key, all but one would be told that the number is taken.
        match answer.status {
            201 => assert_eq!(answer.body, settled.body, "two effects"),
            _ => assert_eq!((answer.status, code(&answer)), (409, "REQUEST_UNDER_WAY"), "{}", answer.body),
        }
    }
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let lab = Lab::new().await;
    let tenant = lab.tenant().await.tenant();
    let ask = |body: &str| Once::new(Some(tenant), "ana", "/x", "key", body.as_bytes(), lab.now());
    assert_eq!(lab.store.earlier(&ask("one")).await.unwrap(), None);
    lab.store.remember(&ask("one"), &7).await.unwrap();
    lab.pass(SignedDuration::from_secs(24 * 3600 - 1));
    match lab.store.earlier(&ask("one")).await.unwrap() {
        Some(Earlier::Same(effect)) => assert_eq!(effect.read::<u32>().unwrap(), 7),
        other => panic!("expected what was noted a second less than a day ago, got {other:?}"),
    }
    assert_eq!(lab.store.earlier(&ask("two")).await.unwrap(), Some(Earlier::Another));
    lab.pass(SignedDuration::from_secs(1));
    assert_eq!(lab.store.earlier(&ask("two")).await.unwrap(), None, "after a day, the key is free");
    lab.store.remember(&ask("two"), &8).await.unwrap();
    assert!(matches!(lab.store.earlier(&ask("two")).await.unwrap(), Some(Earlier::Same(_))), "and can be used again");
}

/// An instance of the API on the lab's table, which lets a tenant ask so many times a second.
fn instance(lab: &Lab, rate: Rate) -> Router {
    let (stack, config) = (&lab.stack, lab.stack.sdk_config());
    let queue = || Queue::new(aws_sdk_sqs::Client::new(&config), "nowhere".to_owned());
    router(Api {
        store: lab.store.clone(),
        vault: Vault::new(aws_sdk_kms::Client::new(&config), lab.key().to_owned(), lab.clock()),
        bucket: Bucket::new(&config, stack.aws.media_bucket.clone().unwrap()),
        graph: Graph::new(&stack.meta.graph_url, "v26.0").unwrap(),
        tokens: TokenVerifier::new(
            &stack.aws.region,
            &stack.auth.user_pool_id,
            &stack.auth.client_id,
            Some(&stack.aws.endpoint),
        )
        .unwrap(),
        cursor_key: Arc::new(CursorKey::new("k")),
        throttle: Throttle::new(rate),
        replay: Replay { store: lab.store.clone(), messages: queue(), statuses: queue(), account: queue() },
        intake: IntakeBucket::new(&config, stack.aws.intake_bucket.as_str()),
        clock: lab.clock(),
    })
}

/// Somebody of a tenant of their own: their access token.
async fn agent_of_a_new_tenant(lab: &Lab) -> String {
    let id = fresh_digits();
    let email = format!("{id}@story.example");
    let user = lab.stack.create_user(&email, "Story-password-1").await.unwrap();
    let new = NewTenant {
        id: TenantId::from_bits(rand::random()),
        name: "Cuento".to_owned(),
        number: Number {
            phone_number_id: PhoneNumberId::parse(&id).unwrap(),
            waba_id: WabaId::parse(&id).unwrap(),
            app: AppKey::parse("default").unwrap(),
            status: NumberStatus::Active,
            encrypted_token: vec![1],
            display_phone_number: None,
        },
        members: vec![NewMember {
            user: UserId::parse(user).unwrap(),
            role: Role::Agent,
            email: Personal::new(email.clone()),
            name: Personal::new("Ana".to_owned()),
        }],
        policy: Policy::default(),
    };
    lab.store.register(&new, lab.now()).await.unwrap();
    lab.stack.sign_in(&email, "Story-password-1").await.unwrap()
}

async fn inbox(instance: &Router, token: &str) -> Response<Body> {
    let request = Request::get("/api/whatsapp/conversations").header("authorization", format!("Bearer {token}"));
    instance.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_tenant_that_asks_too_often_is_told_when_to_ask_again_over_all_instances_and_alone() {
    let lab = Lab::new().await;
    let (busy, quiet) = (agent_of_a_new_tenant(&lab).await, agent_of_a_new_tenant(&lab).await);
    // Five a second, fifty at once.
    let rate = Rate::per_second(5);
    let instances = [instance(&lab, rate), instance(&lab, rate)];
    let mut allowed = 0;
    let mut refused = Vec::new();
    for round in 0..70 {
        let answer = inbox(&instances[round % 2], &busy).await;
        match answer.status() {
            StatusCode::OK => allowed += 1,
            _ => refused.push(answer),
        }
    }
    assert_eq!(allowed, 50, "two instances together let as many through as the tenant may ask at once");
    for answer in refused {
        let wait = answer.headers().get("retry-after").map(|wait| wait.to_str().unwrap().to_owned());
        assert_eq!((answer.status(), wait.as_deref()), (StatusCode::TOO_MANY_REQUESTS, Some("1")));
    }
    assert_eq!(inbox(&instances[0], &quiet).await.status(), StatusCode::OK, "another tenant is not concerned");

    lab.pass(SignedDuration::from_secs(1));
    assert_eq!(inbox(&instances[1], &busy).await.status(), StatusCode::OK, "and asking again then helps");
}

#[tokio::test]
async fn what_may_change_has_a_version_and_what_is_not_served_says_what_is() {
    let tenant = Tenant::with_statuses(json!([])).await;
    tenant.customer_writes("5491155551234", "hola").await;
    let path = tenant.stack.api(&format!("/conversations/{}", tenant.conversation().await["id"].as_str().unwrap()));
    let tag = async || {
        let answer = http().get(&path).bearer_auth(&tenant.agent).send().await.unwrap();
        answer.headers()["etag"].to_str().unwrap().to_owned()
    };
    let before = tag().await;
    assert_eq!(before, tag().await, "nothing changed in between");
    let change = json!({"labels": ["urgente"]});
    let changed = send(http().patch(&path).bearer_auth(&tenant.agent).header("if-match", &before).json(&change)).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_ne!(before, tag().await, "it was changed");

    let refused = http().delete(&path).bearer_auth(&tenant.agent).send().await.unwrap();
    let allowed = refused.headers().get("allow").map(|methods| methods.to_str().unwrap().to_owned());
    assert_eq!((refused.status().as_u16(), allowed.as_deref()), (405, Some("PATCH,GET,HEAD")));
}

#[tokio::test]
async fn a_parameter_that_a_list_does_not_have_is_refused_and_so_is_one_given_twice() {
    let tenant = Tenant::new().await;
    for (token, query, message) in [
        (&tenant.agent, "/conversations?limitt=3", "limitt: is not a parameter of this list"),
        (&tenant.agent, "/conversations?limit=3&limit=4", "limit: must be given once"),
        (&tenant.admin, "/webhook-logs?phoneNumberId=1", "phoneNumberId: is for deployment administrators only"),
        (&tenant.admin, "/webhook-logs?dia=2026-11-20", "dia: is not a parameter of this list"),
    ] {
        let answer = tenant.stack.get(token, query).await;
        assert_eq!((answer.status, answer.body["error"]["message"].as_str()), (400, Some(message)), "{query}");
    }
}

#[tokio::test]
async fn the_document_is_served_to_anybody() {
    let stack = stack();
    let answer = send(http().get(stack.api("/openapi.json"))).await;
    assert_eq!((answer.status, &answer.body["openapi"]), (200, &json!("3.1.0")));
    assert!(answer.body["paths"]["/conversations"]["get"].is_object());
}
