//! Requests that come twice, too often, or to a thing that has changed.

use crate::identities::{moves, new, old, with, written};
use crate::world::{Tenant, deployment_admin, fresh_digits, stack};
use api::auth::TokenVerifier;
use api::cursor::CursorKey;
use api::throttle::Throttle;
use api::user_pool::UserPool;
use api::{Api, DeploymentNumber, router};
use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use futures_util::future::join_all;
use jiff::SignedDuration;
use recado_domain::ids::{AppKey, ConversationId, PhoneNumberId, TenantId, UserId, WabaId};
use recado_domain::personal::Personal;
use recado_domain::policy::Policy;
use recado_domain::tenant::Role;
use recado_domain::throttle::{Rate, Taken};
use recado_ingest::Replay;
use recado_platform::apps::MetaApps;
use recado_platform::bucket::Bucket;
use recado_platform::intake::IntakeBucket;
use recado_platform::queue::Queue;
use recado_platform::vault::Vault;
use recado_store::{Earlier, NewMember, NewTenant, Number, NumberStatus, Once};
use recado_testkit::stack::{Answer, http, send};
use recado_whatsapp::graph::Graph;
use serde_json::{Value, json};
use std::collections::BTreeSet;
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

    // What was there before is noted as well.
    let existing = post_as(&tenant, &tenant.agent, &path, "k3", &text("c1")).await;
    assert_eq!((existing.status, &existing.body["id"]), (202, &first.body["id"]));
    let other = post_as(&tenant, &tenant.agent, &path, "k3", &text("c5")).await;
    assert_eq!((other.status, code(&other)), (422, "IDEMPOTENCY_KEY_REUSED"), "under the key of what was there before");

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
pub(crate) fn instance(lab: &Lab, rate: Rate) -> Router {
    router(parts(lab, rate))
}

fn parts(lab: &Lab, rate: Rate) -> Api {
    let (stack, config) = (&lab.stack, lab.stack.sdk_config());
    let queue = || Queue::new(aws_sdk_sqs::Client::new(&config), "nowhere".to_owned());
    Api {
        store: lab.store.clone(),
        vault: Vault::new(aws_sdk_kms::Client::new(&config), lab.key().to_owned(), lab.clock()),
        apps: MetaApps::new(
            aws_sdk_secretsmanager::Client::new(&config),
            format!("{}/apps", stack.aws.stack_name),
            format!("{}/tenant-apps", stack.aws.stack_name),
        ),
        deployment_number: None,
        public_url: stack.api_url.clone(),
        bucket: Bucket::new(&config, stack.aws.media_bucket.clone().unwrap()),
        graph: Graph::new(&stack.meta.graph_url, "v26.0").unwrap(),
        tokens: TokenVerifier::new(
            &stack.aws.region,
            &stack.auth.user_pool_id,
            &stack.auth.client_id,
            Some(&stack.aws.endpoint),
        )
        .unwrap(),
        user_pool: UserPool::new(aws_sdk_cognitoidentityprovider::Client::new(&config), &*stack.auth.user_pool_id),
        cursor_key: Arc::new(CursorKey::new("k")),
        throttle: Throttle::new(rate),
        replay: Replay { store: lab.store.clone(), messages: queue(), statuses: queue(), account: queue() },
        intake: IntakeBucket::new(&config, stack.aws.intake_bucket.as_str()),
        clock: lab.clock(),
    }
}

/// Somebody of a tenant of their own: their access token.
pub(crate) async fn agent_of_a_new_tenant(lab: &Lab) -> String {
    let id = fresh_digits();
    let email = format!("{id}@story.example");
    let user = lab.stack.create_user(&email, "Story-password-1").await.unwrap();
    let new = NewTenant {
        id: TenantId::from_bits(rand::random()),
        name: "Cuento".to_owned(),
        number: Some(Number {
            phone_number_id: PhoneNumberId::parse(&id).unwrap(),
            waba_id: WabaId::parse(&id).unwrap(),
            app: AppKey::parse("default").unwrap(),
            status: NumberStatus::Active,
            encrypted_token: vec![1],
            display_phone_number: None,
        }),
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

/// Somebody who may do what the lab's administrator may: their access token.
async fn member_of(lab: &Lab) -> String {
    let email = format!("{}@story.example", fresh_digits());
    let user = lab.stack.create_user(&email, "Story-password-1").await.unwrap();
    let own = lab.occupant().user.as_str();
    for mut item in lab.raw_items().await {
        let texts =
            item.values_mut().filter_map(|value| if let AttributeValue::S(text) = value { Some(text) } else { None });
        let mut is_theirs = false;
        for text in texts {
            is_theirs |= text.contains(own);
            *text = text.replace(own, &user);
        }
        if is_theirs {
            lab.put_raw(item).await;
        }
    }
    lab.stack.sign_in(&email, "Story-password-1").await.unwrap()
}

pub(crate) async fn inbox(instance: &Router, token: &str) -> Response<Body> {
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
async fn whoever_registers_a_tenant_may_give_it_the_number_that_the_deployment_names_and_nobody_else_gets_it() {
    let lab = Lab::new().await;
    let (number, waba) = (fresh_digits(), fresh_digits());
    let token = format!("deployment-token-{number}");
    let at_meta = json!({"phone_number_id": number, "waba_id": waba, "token": token});
    lab.stack.control_put("/numbers", &at_meta).await;
    let deployment_number = DeploymentNumber {
        phone_number_id: PhoneNumberId::parse(&number).unwrap(),
        waba_id: None,
        access_token: token.as_str().into(),
    };
    let named = router(Api { deployment_number: Some(deployment_number), ..parts(&lab, Rate::per_second(50)) });
    let unnamed = instance(&lab, Rate::per_second(50));
    let admin = deployment_admin().await;
    let register = async |instance: &Router, change: Value| {
        let mut body = json!({"name": "Cuento", "deploymentNumber": true,
            "members": [{"userId": fresh_digits(), "email": "u@x.example", "name": "U", "role": "admin"}]});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let request = Request::post("/api/whatsapp/tenants").header("authorization", format!("Bearer {admin}"));
        let answer = instance.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let text = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(&token), "the deployment's token came back");
        Answer { status, body: serde_json::from_slice(&text).unwrap() }
    };
    let refused = register(&unnamed, json!({})).await;
    assert_eq!((refused.status, code(&refused)), (422, "NO_DEPLOYMENT_NUMBER"));
    let both = register(&named, json!({"phoneNumberId": number, "accessToken": token})).await;
    assert_eq!((both.status, code(&both)), (400, "INVALID_REQUEST"), "either this number or another");
    let without = register(&named, json!({"deploymentNumber": false})).await;
    assert_eq!((without.status, &without.body["phoneNumberId"]), (201, &Value::Null), "only who asks for it gets it");

    let given = register(&named, json!({})).await;
    assert_eq!((given.status, &given.body["phoneNumberId"]), (201, &json!(number)), "{}", given.body);
    assert_eq!(given.body["wabaId"], waba, "the account of its token");
    let route = lab.store.route(&PhoneNumberId::parse(&number).unwrap()).await.unwrap().unwrap();
    assert_eq!(json!(route.tenant()), given.body["tenantId"], "whose the number is");
    let again = register(&named, json!({})).await;
    assert_eq!((again.status, code(&again)), (409, "NUMBER_TAKEN"), "it has one tenant, like any other");
}

#[tokio::test]
async fn a_message_is_sent_once_whichever_of_two_merged_conversations_it_is_asked_for_in() {
    let lab = Lab::new().await;
    let token = member_of(&lab).await;
    let instance = instance(&lab, Rate::per_second(1000));
    lab.deliver(&[written(&lab, &old(), "wamid.a", 0), written(&lab, &new(), "wamid.b", 20)]).await;
    let (goes_on, ends) = (with(&lab, "wamid.a").await, with(&lab, "wamid.b").await);
    let ask = async |conversation: ConversationId| {
        let body = json!({"clientMessageId": "c1", "type": "text", "text": {"body": "a las 18"}});
        let request = Request::post(format!("/api/whatsapp/conversations/{conversation}/messages"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let answer = instance.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "asked in {conversation}");
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()["id"].clone()
    };
    let first = ask(ends.id).await;
    lab.deliver(&[moves(&lab, 10)]).await;
    assert_eq!(ask(ends.id).await, first, "asked again where it was asked for");
    assert_eq!(ask(goes_on.id).await, first, "asked again in the conversation that goes on");
}

#[tokio::test]
async fn a_clock_that_was_wrong_once_shuts_nobody_out() {
    let lab = Lab::new().await;
    let (tenant, rate) = (lab.tenant().await, Rate::per_second(5));
    let wrong = lab.now() + SignedDuration::from_hours(10);
    assert_eq!(tenant.take_tokens(1, rate, true, wrong).await.unwrap(), Taken::Granted);
    for seems_full in [true, false] {
        let taken = tenant.take_tokens(1, rate, seems_full, lab.now()).await.unwrap();
        assert_eq!(taken, Taken::Granted, "shut out until the time that the wrong clock wrote");
    }
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
    let allowed: BTreeSet<_> = refused.headers()["allow"].to_str().unwrap().split(',').collect();
    assert_eq!((refused.status().as_u16(), allowed), (405, BTreeSet::from(["GET", "HEAD", "PATCH"])));
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
