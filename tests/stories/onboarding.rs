//! A business comes in: its number, its token, what it decides, and its own Meta app.

use crate::world::{PASSWORD, Tenant, deployment_admin, eventually_within, now, stack};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::{AppKey, PhoneNumberId, TenantId, WabaId};
use recado_platform::secret::SecretDocument;
use recado_store::{Connected, Number, NumberStatus, ParkedScope, QUARANTINE, Store};
use recado_testkit::stack::{Answer, Stack, http, send};
use recado_whatsapp::signature;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use stories::fresh_digits;
use stories::lab::Lab;
use stories::queues::Queues;

/// A business that is registered and has no number yet.
struct Newcomer {
    stack: Stack,
    admin: String,
    tenant_id: String,
    number: String,
    waba: String,
    token: String,
}

impl Newcomer {
    /// Registered over HTTP; its number is known at Meta, to a token of its own.
    async fn new() -> Self {
        let stack = stack();
        let number = fresh_digits();
        let (waba, token) = (format!("2{number}"), format!("planted-token-{number}"));
        let at_meta = json!({"phone_number_id": number, "waba_id": waba, "token": token, "statuses": []});
        stack.control_put("/numbers", &at_meta).await;
        let email = format!("nueva-{number}@story.example");
        let user = stack.create_user(&email, PASSWORD).await.unwrap();
        let request = json!({"name": "Gasista Norte",
            "members": [{"userId": user, "email": email, "name": "Nora", "role": "admin"}]});
        let registered = stack.post(&deployment_admin().await, "/tenants", &request).await;
        assert_eq!((registered.status, &registered.body["phoneNumberId"]), (201, &Value::Null), "{}", registered.body);
        let admin = stack.sign_in(&email, PASSWORD).await.unwrap();
        let tenant_id = registered.body["tenantId"].as_str().unwrap().to_owned();
        Self { stack, admin, tenant_id, number, waba, token }
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.stack.get(&self.admin, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.stack.post(&self.admin, path, body).await
    }

    /// Connects its number with its token, and with what else is said.
    async fn connect(&self, with: Value) -> Answer {
        let mut request = json!({"phoneNumberId": self.number, "wabaId": self.waba, "accessToken": self.token});
        request.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        self.post("/config", &request).await
    }

    /// A customer writes; the conversation is in the inbox, at last.
    async fn first_message_arrives(&self, patience: Duration) {
        self.customer_writes().await;
        eventually_within(patience, "the first message to arrive", &mut async || {
            self.stack.control_post("/hurry", &json!({})).await;
            self.one_in_inbox().await
        })
        .await;
    }

    async fn customer_writes(&self) {
        let inbound = json!({"phone_number_id": self.number, "from": "5491155551234", "name": "Lucía", "text": "hola"});
        self.stack.control_post("/inbound", &inbound).await;
    }

    async fn one_in_inbox(&self) -> Result<(), String> {
        let inbox = self.get("/conversations").await;
        if inbox["items"].as_array().unwrap().len() == 1 { Ok(()) } else { Err(inbox.to_string()) }
    }
}

async fn delete(stack: &Stack, token: &str, path: &str) -> Answer {
    send(http().delete(stack.api(path)).bearer_auth(token)).await
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_business_comes_in_over_http_alone_and_its_first_message_arrives() {
    let begun = Instant::now();
    let newcomer = Newcomer::new().await;
    let status = newcomer.get("/status").await;
    assert_eq!(
        status,
        json!({"configured": false, "state": "NOT_CONFIGURED", "phoneNumber": null, "error": null}),
        "before it has a number"
    );
    let done = |guide: &Value| {
        let steps = guide["steps"].as_array().unwrap().iter();
        steps.map(|step| step["done"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    let guide = newcomer.get("/config/guide").await;
    assert_eq!(done(&guide), [false; 5], "nothing is known to be done yet");
    assert_eq!(guide["webhook"]["url"], newcomer.stack.webhook_url, "what is to be entered at Meta");

    // Without its account, which Graph tells.
    let connected =
        newcomer.post("/config", &json!({"phoneNumberId": newcomer.number, "accessToken": newcomer.token})).await;
    assert_eq!((connected.status, &connected.body["status"]), (200, &json!("ACTIVE")), "{}", connected.body);
    assert_eq!(connected.body["wabaId"], newcomer.waba, "the account of the token");
    assert_eq!(connected.body["trial"]["passed"], true, "everything is right: {}", connected.body);
    assert_eq!(connected.body["accessToken"], "********");
    newcomer.first_message_arrives(Duration::from_secs(30)).await;
    assert!(begun.elapsed() < Duration::from_secs(120), "it took {:?}", begun.elapsed());

    assert_eq!(done(&newcomer.get("/config/guide").await), [true; 5]);
    let status = newcomer.get("/status").await;
    assert_eq!((&status["state"], &status["phoneNumber"]), (&json!("CONNECTED"), &json!("+54 9 11 5000-1234")));
    let calls = newcomer.stack.control("/calls").await["by_edge"].clone();
    for edge in ["GET debug_token", "GET phone_numbers", "GET subscribed_apps"] {
        assert!(calls[edge].as_u64() > Some(0), "Meta was really asked for {edge}: {calls}");
    }
}

#[tokio::test]
async fn a_test_message_is_sent_to_whoever_wrote_and_is_a_link_while_there_is_no_number() {
    let newcomer = Newcomer::new().await;
    let send = async |to: &str| newcomer.post("/config/test-message", &json!({"to": to})).await;
    let by_hand = send("11 5555-1234").await;
    assert_eq!((by_hand.status, &by_hand.body["mode"]), (200, &json!("wa_me")), "{}", by_hand.body);
    let link = "https://wa.me/5491155551234?text=Mensaje%20de%20prueba%20de%20Recado";
    assert_eq!(by_hand.body["url"], link);

    assert_eq!(newcomer.connect(json!({})).await.status, 200);
    assert_eq!(code(&send("11 5555-1234").await), (409, "WINDOW_EXPIRED"), "nobody has written yet");
    newcomer.first_message_arrives(Duration::from_secs(30)).await;
    let taken = send("+54 11 15-5555-1234").await;
    assert_eq!((taken.status, &taken.body["mode"]), (202, &json!("api")), "{}", taken.body);
    let sent = format!("/sent?phone_number_id={}", newcomer.number);
    eventually_within(Duration::from_secs(30), "the test message at Meta", &mut async || {
        let sent = newcomer.stack.control(&sent).await;
        let text = sent["items"][0]["request"]["text"]["body"].as_str().unwrap_or_default().to_owned();
        if text == "Mensaje de prueba de Recado" { Ok(()) } else { Err(sent.to_string()) }
    })
    .await;
    assert_eq!(code(&send("nobody").await), (400, "INVALID_REQUEST"));

    // They give that phone up: whoever asks for it to be tried is not to reach them at another one.
    let moved = json!({"object": "whatsapp_business_account", "entry": [{"id": newcomer.waba, "changes": [{"field": "messages",
        "value": {"messaging_product": "whatsapp", "metadata": {"phone_number_id": newcomer.number}, "messages": [{
            "from": "5491155551234", "id": format!("wamid.{}", newcomer.number), "timestamp": (now() + 1).to_string(),
            "type": "system", "system": {"type": "user_changed_number", "body": "cambió", "wa_id": "5491166667777"}}]}}]}]});
    assert_eq!(newcomer.stack.post_webhook(moved.to_string().as_bytes()).await.status, 200);
    eventually_within(Duration::from_secs(30), "their new phone", &mut async || {
        let inbox = newcomer.get("/conversations").await;
        let phone = inbox["items"][0]["contact"]["phone"].clone();
        if phone == "+5491166667777" { Ok(()) } else { Err(inbox.to_string()) }
    })
    .await;
    assert_eq!(code(&send("11 5555-1234").await), (409, "WINDOW_EXPIRED"), "nobody has this phone any more");
    assert_eq!(send("11 6666-7777").await.status, 202);
}

#[tokio::test]
async fn a_connection_that_is_not_right_says_what_is_wrong_with_it() {
    let newcomer = Newcomer::new().await;
    assert_eq!(newcomer.connect(json!({})).await.status, 200);
    let test = async || {
        let tested = newcomer.post("/config/test", &json!({})).await;
        assert_eq!(tested.status, 200, "{}", tested.body);
        let findings = tested.body["numbers"][0]["trial"]["findings"].as_array().unwrap().clone();
        let wrong = findings.into_iter().filter(|finding| finding["found"] != "PASSED");
        let wrong: Vec<_> = wrong.map(|finding| finding["check"].as_str().unwrap().to_owned()).collect();
        (wrong, tested.body["error"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(test().await, (vec![], String::new()));

    let soon = stories::stack().control("/clock").await;
    let soon = soon["now"].as_str().unwrap().parse::<Timestamp>().unwrap() + SignedDuration::from_hours(48);
    newcomer.stack.control_put("/tokens", &json!({"token": newcomer.token, "expires_at": soon.as_second()})).await;
    let (wrong, error) = test().await;
    assert_eq!(wrong, ["TOKEN"], "a token that ends in two days");
    assert!(error.contains("ends at"), "{error}");

    newcomer.stack.control_put("/tokens", &json!({"token": newcomer.token, "cannot_manage": true})).await;
    let (wrong, error) = test().await;
    assert_eq!(wrong, ["PERMISSIONS", "NUMBER", "SUBSCRIPTION"]);
    assert_eq!(error, "The token lacks the permissions whatsapp_business_management");

    newcomer.stack.control_put("/tokens", &json!({"token": newcomer.token})).await;
    newcomer.stack.control_put("/accounts", &json!({"waba_id": newcomer.waba, "subscribed": false})).await;
    assert_eq!(test().await.0, ["SUBSCRIPTION"], "an account whose webhooks nobody gets");
    assert_eq!(newcomer.connect(json!({})).await.body["trial"]["passed"], true, "connecting subscribes to it");

    newcomer.stack.control_put("/tokens", &json!({"token": newcomer.token, "subcode": 463})).await;
    let (wrong, error) = test().await;
    assert_eq!(wrong[..2], ["TOKEN", "PERMISSIONS"]);
    assert!(error.starts_with("Meta refuses the token (code 190)"), "{error}");
    let status = newcomer.get("/status").await;
    assert_eq!((&status["state"], status["error"].as_str()), (&json!("ERROR"), Some(error.as_str())));
    let unknown = newcomer.post("/config/test", &json!({"phoneNumberId": "1"})).await;
    assert_eq!(code(&unknown), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn a_number_that_comes_with_its_tenant_is_subscribed_to_and_tried_at_once() {
    let Newcomer { stack, number, waba, token, .. } = Newcomer::new().await;
    stack.control_put("/accounts", &json!({"waba_id": waba, "subscribed": false})).await;
    let email = format!("otra-{number}@story.example");
    let user = stack.create_user(&email, PASSWORD).await.unwrap();
    let request = json!({"name": "Plomería Sur", "phoneNumberId": number, "wabaId": waba, "accessToken": token,
        "members": [{"userId": user, "email": email, "name": "Nora", "role": "admin"}]});
    let registered = stack.post(&deployment_admin().await, "/tenants", &request).await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    let tenant_id = registered.body["tenantId"].as_str().unwrap().to_owned();
    let admin = stack.sign_in(&email, PASSWORD).await.unwrap();
    let newcomer = Newcomer { stack, admin, tenant_id, number, waba, token };
    let trial = &newcomer.get("/config").await["numbers"][0]["trial"];
    assert_eq!(trial["passed"], true, "the account was subscribed to, and all is right: {trial}");
    newcomer.first_message_arrives(Duration::from_secs(30)).await;
}

#[tokio::test]
async fn a_connection_that_broke_off_half_way_is_completed_by_asking_again() {
    let newcomer = Newcomer::new().await;
    let request = json!({"phoneNumberId": newcomer.number, "accessToken": newcomer.token});
    let connect = async || {
        let request = http().post(newcomer.stack.api("/config")).bearer_auth(&newcomer.admin).json(&request);
        send(request.header("idempotency-key", "connect")).await
    };
    assert_eq!(connect().await.status, 200);
    // As if the first had ended once the number was written: nothing was subscribed to, nothing tried.
    newcomer.stack.control_put("/accounts", &json!({"waba_id": newcomer.waba, "subscribed": false})).await;
    let client = aws_sdk_dynamodb::Client::new(&newcomer.stack.sdk_config());
    let table = Store::new(client, newcomer.stack.aws.table.as_str());
    let number = PhoneNumberId::parse(&newcomer.number).unwrap();
    let store = table.of_route(&table.route(&number).await.unwrap().unwrap());
    let number = store.number(&number).await.unwrap().unwrap();
    assert_eq!(store.connect_once(&number, None, Timestamp::UNIX_EPOCH).await.unwrap(), Connected::Done);

    let again = connect().await;
    assert_eq!((again.status, &again.body["trial"]["passed"]), (200, &json!(true)), "{}", again.body);
    newcomer.stack.control_put("/accounts", &json!({"waba_id": newcomer.waba, "subscribed": false})).await;
    let settled = connect().await;
    assert_eq!(settled.body["trial"], again.body["trial"], "what was completed is answered as it stands");
}

#[tokio::test]
async fn what_meta_cannot_answer_now_registers_nothing_and_is_not_called_refused() {
    let newcomer = Newcomer::new().await;
    let rate_limited = json!({"kind": "reject", "code": 4, "http_status": 400});
    for mut fault in [json!({"kind": "bad_gateway"}), rate_limited.clone()] {
        fault["id"] = json!(newcomer.waba);
        fault["on"] = json!("phone_numbers");
        newcomer.stack.control_post("/faults", &fault).await;
        let answer = newcomer.connect(json!({})).await;
        assert_eq!(code(&answer), (502, "UNAVAILABLE"), "{fault}: {}", answer.body);
        assert_eq!(newcomer.get("/config").await["numbers"], json!([]), "{fault}: nothing is half-connected");
    }
    assert_eq!(newcomer.connect(json!({})).await.status, 200, "asked again, it is connected");
    let mut fault = rate_limited;
    fault["id"] = json!(newcomer.waba);
    fault["on"] = json!("phone_numbers");
    newcomer.stack.control_post("/faults", &fault).await;
    let tested = newcomer.post("/config/test", &json!({})).await;
    let finding = &tested.body["numbers"][0]["trial"]["findings"][2];
    assert_eq!((&finding["check"], &finding["found"]), (&json!("NUMBER"), &json!("UNKNOWN")), "{finding}");
}

#[tokio::test]
async fn a_meta_that_is_slow_is_given_up_before_the_function_s_time_ends() {
    let newcomer = Newcomer::new().await;
    let slow = json!({"id": newcomer.waba, "on": "phone_numbers", "kind": "delay", "millis": 9_000, "count": 2});
    newcomer.stack.control_post("/faults", &slow).await;
    let answer = newcomer.connect(json!({})).await;
    assert_eq!(code(&answer), (502, "UNAVAILABLE"), "{}", answer.body);
    assert_eq!(newcomer.get("/config").await["numbers"], json!([]), "nothing is half-connected");
}

#[tokio::test]
async fn many_numbers_are_tried_at_the_same_time() {
    let newcomer = Newcomer::new().await;
    let mut accounts = Vec::new();
    for _ in 0..4 {
        let (number, waba) = (fresh_digits(), fresh_digits());
        let at_meta = json!({"phone_number_id": number, "waba_id": waba, "token": newcomer.token});
        newcomer.stack.control_put("/numbers", &at_meta).await;
        let connected = newcomer.connect(json!({"phoneNumberId": number, "wabaId": waba})).await;
        assert_eq!(connected.status, 200, "{}", connected.body);
        accounts.push(waba);
    }
    for waba in &accounts {
        let slow = json!({"id": waba, "on": "phone_numbers", "kind": "delay", "millis": 4_000});
        newcomer.stack.control_post("/faults", &slow).await;
    }
    // One after the other, they would take longer than the function may.
    let tested = newcomer.post("/config/test", &json!({})).await;
    assert_eq!(tested.status, 200, "{}", tested.body);
    let passed = tested.body["numbers"].as_array().unwrap().iter().filter(|number| number["trial"]["passed"] == true);
    assert_eq!(passed.count(), 4, "{}", tested.body);
}

#[tokio::test]
async fn no_tenant_takes_the_room_of_the_others_apps() {
    let newcomer = Newcomer::new().await;
    let long = "s".repeat(129);
    let app = |id: usize| json!({"id": id.to_string(), "appSecret": "s"});
    for (field, body) in [
        ("appSecret", json!({"id": "1", "appSecret": long})),
        ("verifyToken", json!({"id": "1", "appSecret": "s", "verifyToken": long})),
    ] {
        let refused = newcomer.post("/config/apps", &body).await;
        assert_eq!(code(&refused), (400, "INVALID_REQUEST"), "a {field} of 129 characters: {}", refused.body);
    }
    let requests: Vec<_> = (1..=8).map(app).collect();
    let answers = join_all(requests.iter().map(|request| newcomer.post("/config/apps", request))).await;
    let added = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| code(answer) == (409, "TOO_MANY_APPS")).count();
    assert!(added <= 5 && refused > 0, "of eight at the same moment, five fit: {answers:?}");
    assert!(newcomer.get("/config/apps").await["items"].as_array().unwrap().len() <= 5);
}

#[tokio::test]
async fn an_app_secret_that_is_not_the_token_s_app_s_is_found_out() {
    let newcomer = Newcomer::new().await;
    let app = fresh_digits();
    let at_meta =
        json!({"phone_number_id": newcomer.number, "waba_id": newcomer.waba, "token": newcomer.token, "app": app});
    newcomer.stack.control_put("/numbers", &at_meta).await;
    newcomer.stack.control_put("/apps", &json!({"app_id": app, "secret": "the-right-app-secret"})).await;
    let findings = async |answer: Answer| {
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["trial"]["findings"][4].clone()
    };
    let found = findings(newcomer.connect(json!({})).await).await;
    assert_eq!((&found["check"], &found["found"]), (&json!("APP_SECRET"), &json!("FAILED")), "of the default app");

    let registered = newcomer.post("/config/apps", &json!({"id": app, "appSecret": "another-app-secret"})).await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    let found = findings(newcomer.connect(json!({"appId": app})).await).await;
    assert_eq!(found["found"], "FAILED", "the app has another secret at Meta");
    let path = format!("/config/apps/{app}/secret");
    assert_eq!(newcomer.post(&path, &json!({"appSecret": "the-right-app-secret"})).await.status, 200);
    let found = findings(newcomer.connect(json!({})).await).await;
    assert_eq!(found["found"], "PASSED", "{found}");
}

#[tokio::test]
async fn what_is_secret_never_comes_out_again() {
    let newcomer = Newcomer::new().await;
    let app = fresh_digits();
    let secrets = [newcomer.token.clone(), format!("planted-app-secret-{app}"), format!("planted-verify-token-{app}")];
    let [token, app_secret, verify_token] = &secrets;
    let mut answers = vec![
        newcomer.connect(json!({})).await,
        newcomer.connect(json!({"wabaId": "1"})).await,
        newcomer.connect(json!({"surprise": 1})).await,
        newcomer.connect(json!({"accessToken": format!("{token} {token}")})).await,
        newcomer.connect(json!({"accessToken": [token]})).await,
        newcomer.connect(json!({"appId": app})).await,
        newcomer.post("/config/test", &json!({})).await,
        newcomer.post("/config/apps", &json!({"id": app, "appSecret": app_secret, "verifyToken": verify_token})).await,
        newcomer.post("/config/apps", &json!({"id": app, "appSecret": app_secret})).await,
        newcomer.post("/config/apps", &json!({"id": app, "appSecret": {"secret": app_secret}})).await,
        newcomer.post(&format!("/config/apps/{app}/secret"), &json!({"appSecret": format!("{app_secret}-2")})).await,
    ];
    let expected = [200, 422, 400, 400, 400, 422, 200, 201, 409, 400, 200];
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), expected, "{answers:?}");
    for path in ["/config", "/config/apps", "/config/guide", "/status", "/me", "/webhook-logs"] {
        answers.push(newcomer.stack.get(&newcomer.admin, path).await);
    }
    // Meta refuses the token, which is told and logged.
    newcomer.stack.control_put("/tokens", &json!({"token": token, "subcode": 463})).await;
    answers.push(newcomer.connect(json!({})).await);
    answers.push(newcomer.post("/config/test", &json!({})).await);
    let shows = |text: &str| secrets.iter().find(|secret| text.contains(*secret)).cloned();
    for answer in &answers {
        assert_eq!(shows(&answer.body.to_string()), None, "came back: {}", answer.body);
    }

    let lines = crate::logs::lines(&newcomer.stack).await;
    assert!(lines.iter().any(|(_, line)| line.contains(&newcomer.tenant_id)), "the logs tell of the tenant");
    for (group, line) in &lines {
        assert_eq!(shows(line), None, "stands in the log {group}: {line}");
    }
    let mut own = 0;
    for item in everything(&newcomer.stack).await {
        own += usize::from(item.contains(&newcomer.tenant_id));
        assert_eq!(shows(&item), None, "is stored as it is: {item}");
    }
    assert!(own > 4, "only {own} items of the tenant were looked at");
}

/// Every item of the table as text; bytes as the text that they are, as far as they are.
async fn everything(stack: &Stack) -> Vec<String> {
    use aws_sdk_dynamodb::types::AttributeValue;
    let client = aws_sdk_dynamodb::Client::new(&stack.sdk_config());
    #[allow(clippy::disallowed_methods, reason = "a test may look at the whole of the table")]
    let scan = client.scan().table_name(&stack.aws.table).into_paginator().items().send();
    let items = scan.try_collect().await.unwrap();
    let text = |value: &AttributeValue| match value {
        AttributeValue::B(bytes) => String::from_utf8_lossy(bytes.as_ref()).into_owned(),
        other => format!("{other:?}"),
    };
    items.iter().map(|item| item.values().map(text).collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test]
async fn a_number_belongs_to_one_tenant_and_stays_in_quarantine_when_it_is_given_back() {
    let (owner, other) = (Newcomer::new().await, Newcomer::new().await);
    let unlisted = owner.connect(json!({"phoneNumberId": other.number})).await;
    assert_eq!(code(&unlisted), (422, "NUMBER_NOT_LISTED"), "Graph does not list it under the account");
    assert_eq!(owner.get("/config").await["numbers"], json!([]), "so it is not connected");
    assert_eq!(owner.connect(json!({})).await.status, 200);
    let theirs = json!({"phoneNumberId": owner.number, "wabaId": owner.waba});
    assert_eq!(
        code(&other.connect(theirs.clone()).await),
        (422, "GRAPH_REFUSED"),
        "Graph shows the account to its own token only"
    );
    let mut stolen = theirs.clone();
    stolen["accessToken"] = json!(owner.token);
    assert_eq!(code(&other.connect(stolen.clone()).await), (409, "NUMBER_TAKEN"), "even with the owner's token");
    let foreign = delete(&other.stack, &other.admin, &format!("/config?phoneNumberId={}", owner.number)).await;
    assert_eq!(code(&foreign), (404, "NOT_FOUND"), "and nobody gives back what is somebody else's");
    assert_eq!(owner.get("/status").await["state"], "CONNECTED");

    let path = format!("/config?phoneNumberId={}", owner.number);
    let released = delete(&owner.stack, &owner.admin, &path).await;
    assert_eq!(released.status, 200, "{}", released.body);
    assert_eq!(code(&delete(&owner.stack, &owner.admin, &path).await), (404, "NOT_FOUND"), "it is given back once");
    assert_eq!(owner.get("/config").await["numbers"], json!([]));
    assert_eq!(code(&other.connect(stolen).await), (409, "NUMBER_QUARANTINED"), "nobody else gets it at once");
    let again = owner.connect(json!({})).await;
    assert_eq!((again.status, &again.body["status"]), (200, &json!("ACTIVE")), "whoever gave it back gets it");

    // A second number of the same tenant.
    let second = fresh_digits();
    let at_meta = json!({"phone_number_id": second, "waba_id": owner.waba, "token": owner.token});
    owner.stack.control_put("/numbers", &at_meta).await;
    assert_eq!(owner.connect(json!({"phoneNumberId": second})).await.status, 200);
    assert_eq!(owner.get("/config").await["numbers"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn after_the_quarantine_somebody_else_gets_the_number_and_what_waited_for_it() {
    let lab = Lab::new().await;
    let occupant = lab.another_tenant().await;
    let former = lab.tenant().await;
    let membership = lab.store.memberships(&occupant.user).await.unwrap().remove(0);
    let heir = lab.store.of_member(&membership);
    let known = former.number(&lab.number).await.unwrap().unwrap();
    let number = Number { waba_id: WabaId::parse("777").unwrap(), status: NumberStatus::Active, ..known };
    let taken = heir.connect_once(&number, None, lab.now()).await.unwrap();
    assert_eq!(taken, Connected::Taken, "a number that is somebody else's");

    let until = former.release(&lab.number, lab.now()).await.unwrap().expect("it is the tenant's");
    assert_eq!(until.duration_since(lab.now()), QUARANTINE);
    lab.deliver(&[lab.text(&stories::lab::phone("5491155551234"), "wamid.meanwhile", 0, "hola")]).await;
    let waiting = ParkedScope::UnroutedNumber(&lab.number);
    assert_eq!(lab.store.parked(&waiting).await.unwrap().len(), 1, "what comes for a number that nobody has, waits");

    lab.pass(QUARANTINE - SignedDuration::from_secs(1));
    let early = heir.connect_once(&number, None, lab.now()).await.unwrap();
    assert_eq!(early, Connected::Quarantined(until), "a second before the quarantine ends");
    lab.pass(SignedDuration::from_secs(1));
    assert_eq!(heir.connect_once(&number, None, lab.now()).await.unwrap(), Connected::Done);
    assert_eq!(lab.store.route(&lab.number).await.unwrap().unwrap().tenant(), heir.tenant());
    assert_eq!(former.release(&lab.number, lab.now()).await.unwrap(), None, "it is not the former one's any more");
    assert!(former.number(&lab.number).await.unwrap().is_none(), "whose token is forgotten");

    // What had waited was for the former owner's account, so it is nobody's.
    let app = AppKey::parse("default").unwrap();
    assert!(!lab.store.route(&lab.number).await.unwrap().unwrap().accepts(app.as_str(), Some(known.waba_id.as_str())));
}

#[tokio::test]
async fn only_administrators_change_what_a_tenant_is_set_up_with() {
    let tenant = Tenant::new().await;
    let connect = json!({"phoneNumberId": tenant.phone_number_id, "accessToken": tenant.graph_token});
    let policy = json!({"policy": {"autoAssign": true}});
    let app = json!({"id": "1", "appSecret": "s"});
    for token in [&tenant.agent, &tenant.viewer] {
        let post = async |path, body| tenant.stack.post(token, path, body).await;
        let release = format!("/config?phoneNumberId={}", tenant.phone_number_id);
        for answer in [
            post("/config", &connect).await,
            post("/config/test", &json!({})).await,
            post("/config/apps", &app).await,
            post("/config/apps/1/secret", &json!({"appSecret": "s"})).await,
            tenant.stack.patch(token, "/config", &policy).await,
            tenant.stack.get(token, "/config/apps").await,
            tenant.stack.get(token, "/config/guide").await,
            delete(&tenant.stack, token, &release).await,
            delete(&tenant.stack, token, "/config/apps/1").await,
            delete(&tenant.stack, token, "/config/apps/1/previous-secret").await,
        ] {
            assert_eq!(code(&answer), (403, "FORBIDDEN"), "{}", answer.body);
        }
        assert_eq!(tenant.stack.get(token, "/config").await.status, 200, "everybody may see it, without secrets");
        assert_eq!(tenant.stack.get(token, "/status").await.status, 200);
    }
}

#[tokio::test]
async fn what_a_tenant_decides_is_kept_by_its_version_and_what_cannot_be_followed_is_refused() {
    let tenant = Tenant::new().await;
    let change = async |policy: Value, version: Option<&str>| {
        let mut request = http().patch(tenant.stack.api("/config")).bearer_auth(&tenant.admin);
        if let Some(version) = version {
            request = request.header("if-match", version);
        }
        send(request.json(&json!({"policy": policy}))).await
    };
    let everything = json!({"timezone": "Europe/Madrid", "locale": "es", "defaultAreaCode": "351",
        "smsFallbackEnabled": true, "autoAssign": true, "autoMarkRead": true, "panicAutoResolveMinutes": 30,
        "dataRetentionDays": 365, "quietHours": {"from": "21:00:00", "until": "08:30:00"},
        "welcomeTemplate": {"name": "welcome", "language": "es_AR"}});
    let changed = change(everything.clone(), Some("\"0\"")).await;
    assert_eq!((changed.status, &changed.body["policy"]), (200, &everything), "{}", changed.body);
    assert_eq!(change(json!({"locale": "es_AR"}), Some("\"0\"")).await.status, 412, "it has changed since");
    let cleared =
        change(json!({"dataRetentionDays": null, "quietHours": null, "welcomeTemplate": null}), Some("\"1\"")).await;
    assert_eq!((cleared.status, &cleared.body["policy"]["quietHours"]), (200, &Value::Null), "{}", cleared.body);
    assert_eq!(cleared.body["policy"]["timezone"], "Europe/Madrid", "what is not named stays");

    for (policy, message) in [
        (json!({"timezone": "Marte"}), "policy.timezone: must be a time zone's IANA name"),
        (json!({"locale": "es-AR"}), "policy.locale: must be a language as Meta writes it"),
        (json!({"defaultAreaCode": "011"}), "policy.defaultAreaCode: "),
        (json!({"panicAutoResolveMinutes": 0}), "policy.panicAutoResolveMinutes: must be 1 to 1440"),
        (json!({"dataRetentionDays": 7}), "policy.dataRetentionDays: must be 30 to 3650, or null"),
        (json!({"quietHours": {"from": "09:00", "until": "09:00"}}), "policy.quietHours: must end at another time"),
        (json!({"quietHours": {"from": "25:00", "until": "09:00"}}), "policy.quietHours.from: "),
        (
            json!({"welcomeTemplate": {"name": "No", "language": "es"}}),
            "policy.welcomeTemplate: not a valid template name",
        ),
        (json!({"colour": "red"}), "policy.colour: unknown field"),
    ] {
        let refused = change(policy.clone(), None).await;
        let told = refused.body["error"]["message"].as_str().unwrap_or_default();
        assert!(refused.status == 400 && told.starts_with(message), "{policy}: expected 400 {message:?}, got {told:?}");
    }
}

#[tokio::test]
async fn a_secret_is_rotated_without_a_deployment_and_the_old_one_ends_when_it_is_said() {
    let newcomer = Newcomer::new().await;
    let (lab, app) = (Lab::new().await, fresh_digits());
    // The webhook's own code, on the deployed secrets and with a clock that passes as told.
    let mut webhook = Queues::new(&lab, "30").await.webhook(&lab, &lab.stack.sdk_config()).await;
    let secrets = aws_sdk_secretsmanager::Client::new(&lab.stack.sdk_config());
    let document = format!("{}/tenant-apps", lab.stack.aws.stack_name);
    webhook.apps.push(SecretDocument::load(secrets, document, lab.clock()).await.unwrap());

    let made = newcomer.post("/config/apps", &json!({"id": app, "appSecret": "the-first-secret"})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let address = made.body["webhookUrl"].as_str().unwrap();
    let own = format!("{}/{}.{app}", newcomer.stack.webhook_url, newcomer.tenant_id);
    assert_eq!(address, own, "each app has an address of its own");
    let body = json!({"object": "whatsapp_business_account", "entry": []}).to_string();
    let post = async |secret: &str| {
        let signature = signature::sign(body.as_bytes(), &secret.into());
        let request = lambda_http::http::Request::post(address).header(signature::HEADER, signature);
        webhook.handle(request.body(lambda_http::Body::from(body.as_str())).unwrap()).await.status().as_u16()
    };
    let verify = async |token: &str| {
        let uri = format!("{address}?hub.mode=subscribe&hub.challenge=42&hub.verify_token={token}");
        let mut request = lambda_http::http::Request::get(&uri).body(lambda_http::Body::Empty).unwrap();
        let query = [("hub.mode", "subscribe"), ("hub.challenge", "42"), ("hub.verify_token", token)];
        let query = query.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
        request =
            lambda_http::RequestExt::with_query_string_parameters(request, std::collections::HashMap::from(query));
        webhook.handle(request).await.status().as_u16()
    };
    lab.pass(SignedDuration::from_secs(60));
    assert_eq!(post("the-first-secret").await, 200, "a new app is known a minute later");
    assert_eq!(verify(made.body["verifyToken"].as_str().unwrap()).await, 200, "and can be verified by Meta");
    assert_eq!(verify("recado-").await, 403);

    let rotate = format!("/config/apps/{app}/secret");
    let same = newcomer.post(&rotate, &json!({"appSecret": "the-first-secret"})).await;
    assert_eq!((same.status, &same.body["isRotating"]), (200, &json!(false)), "one secret only: {}", same.body);
    let rotated = newcomer.post(&rotate, &json!({"appSecret": "the-second-secret"})).await;
    assert_eq!((rotated.status, &rotated.body["isRotating"]), (200, &json!(true)), "{}", rotated.body);
    let repeated = newcomer.post(&rotate, &json!({"appSecret": "the-second-secret"})).await;
    assert_eq!(repeated.status, 200, "the same secret again loses nothing: {}", repeated.body);
    lab.pass(SignedDuration::from_secs(60));
    assert_eq!((post("the-second-secret").await, post("the-first-secret").await), (200, 200), "both are accepted");

    let settled = delete(&newcomer.stack, &newcomer.admin, &format!("/config/apps/{app}/previous-secret")).await;
    assert_eq!((settled.status, &settled.body["isRotating"]), (200, &json!(false)), "{}", settled.body);
    lab.pass(SignedDuration::from_mins(5));
    assert_eq!((post("the-second-secret").await, post("the-first-secret").await), (200, 401), "only the new one is");

    let removed = delete(&newcomer.stack, &newcomer.admin, &format!("/config/apps/{app}")).await;
    assert_eq!(removed.status, 200, "{}", removed.body);
    lab.pass(SignedDuration::from_mins(5));
    assert_eq!(post("the-second-secret").await, 401, "an app that was removed is unknown");
}

#[tokio::test]
async fn a_business_with_an_app_of_its_own_receives_by_it() {
    let newcomer = Newcomer::new().await;
    let (app, secret) = (fresh_digits(), "a-secret-of-its-own");
    let made = newcomer.post("/config/apps", &json!({"id": app, "appSecret": secret})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let at_meta = json!({"app_id": app, "secret": secret, "webhook_url": made.body["webhookUrl"]});
    newcomer.stack.control_put("/apps", &at_meta).await;
    let number =
        json!({"phone_number_id": newcomer.number, "waba_id": newcomer.waba, "token": newcomer.token, "app": app});
    newcomer.stack.control_put("/numbers", &number).await;
    assert_eq!(code(&newcomer.connect(json!({"appId": "1"})).await), (422, "NO_SUCH_APP"));
    let connected = newcomer.connect(json!({"appId": app})).await;
    assert_eq!((connected.status, &connected.body["trial"]["passed"]), (200, &json!(true)), "{}", connected.body);
    // The webhook may have read the secrets less than a minute ago. Meta asks again, each time a little later.
    newcomer.customer_writes().await;
    let patience = Duration::from_secs(100);
    eventually_within(patience, "the first message to arrive", &mut async || newcomer.one_in_inbox().await).await;

    let in_use = delete(&newcomer.stack, &newcomer.admin, &format!("/config/apps/{app}")).await;
    assert_eq!(code(&in_use), (409, "APP_IN_USE"));
    let tenant = TenantId::parse(&newcomer.tenant_id).unwrap();
    assert!(AppKey::of_tenant(tenant, &app).unwrap().is_of(tenant));
}
