//! Who belongs to a tenant, what they may do, and that whoever does not any more can do nothing.

use crate::world::{Tenant, fresh_digits};
use futures_util::future::join_all;
use recado_testkit::stack::{Answer, http, send};
use reqwest::Method;
use serde_json::{Value, json};

const PASSWORD: &str = "Story-password-1";

fn code(answer: &Answer) -> &str {
    answer.body["error"]["code"].as_str().unwrap_or_default()
}

fn id(of: &Value) -> &str {
    of["id"].as_str().unwrap()
}

impl Tenant {
    /// Everybody, as the administrator sees them.
    async fn people(&self) -> Vec<Value> {
        let answer = self.stack.get(&self.admin, "/users").await;
        assert_eq!(answer.status, 200, "listing people: {}", answer.body);
        answer.body["items"].as_array().unwrap().clone()
    }

    /// The id of the only person with this role.
    async fn person(&self, role: &str) -> String {
        let people = self.people().await;
        id(people.iter().find(|person| person["role"] == role).unwrap()).to_owned()
    }

    async fn invite(&self, email: &str, role: &str) -> Answer {
        let body = json!({"email": email, "name": "Lucía Gómez", "role": role});
        self.stack.post(&self.admin, "/users", &body).await
    }

    /// Makes a key: what it is, and the key itself.
    async fn key(&self, role: &str) -> (Value, String) {
        let answer = self.stack.post(&self.admin, "/api-keys", &json!({"name": "Turnos", "role": role})).await;
        assert_eq!(answer.status, 201, "making a key: {}", answer.body);
        let key = answer.body["key"].as_str().unwrap().to_owned();
        (answer.body, key)
    }

    /// Every operation of the document that asks who is there, with things of this tenant in its path.
    async fn operations(&self) -> Vec<Operation> {
        self.customer_writes("5491155551234", "hola").await;
        let conversation = self.conversation().await;
        let messages = self.messages(&conversation).await;
        let (key, _) = self.key("viewer").await;
        let customer = self.stack.post(&self.agent, "/customers", &json!({"name": "Lucía"})).await.body;
        let events = self.stack.get(&self.admin, "/webhook-logs").await.body;
        let agent = self.person("agent").await;
        let known = [
            ("conversations", id(&conversation)),
            ("messages", id(&messages[0])),
            ("contacts", id(&conversation["contact"])),
            ("customers", id(&customer)),
            ("webhook-logs", events["items"][0]["id"].as_str().unwrap_or("x")),
            ("users", agent.as_str()),
            ("api-keys", id(&key)),
        ];
        let document = self.stack.get("", "/openapi.json").await.body;
        let mut operations = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                if operation["security"] == json!([{}]) {
                    continue;
                }
                let thing = known.iter().find(|(name, _)| path.contains(&format!("/{name}/{{")));
                operations.push(Operation {
                    method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                    path: path.replace("{id}", thing.map_or("x", |(_, id)| id)),
                    body: operation.pointer("/requestBody/content/application~1json/example").cloned(),
                });
            }
        }
        assert!(operations.len() >= 30, "only {} operations are described", operations.len());
        operations
    }
}

/// An operation that is described, and what to ask of it.
#[derive(Debug, Clone)]
struct Operation {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Operation {
    async fn ask(&self, tenant: &Tenant, token: &str) -> Answer {
        let mut request = http().request(self.method.clone(), tenant.stack.api(&self.path)).bearer_auth(token);
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        send(request).await
    }
}

#[tokio::test]
async fn who_may_only_read_cannot_write_by_any_operation_of_the_document_signed_in_or_by_key() {
    let tenant = Tenant::with_statuses(json!([])).await;
    let operations = tenant.operations().await;
    let (_, key) = tenant.key("viewer").await;
    let seen = async || {
        let all = join_all(["/users", "/api-keys", "/conversations"].map(|list| tenant.stack.get(&tenant.admin, list)));
        all.await.into_iter().map(|answer| answer.body["items"].clone()).collect::<Vec<_>>()
    };
    // So that the key's use is noted before.
    assert_eq!(tenant.stack.get(&key, "/me").await.status, 200);
    let before = seen().await;
    let mut writes = 0;
    for operation in operations.iter().filter(|operation| operation.method != Method::GET) {
        for (who, token) in [("a person", &tenant.viewer), ("a key", &key)] {
            let answer = operation.ask(&tenant, token).await;
            assert_eq!((answer.status, code(&answer)), (403, "FORBIDDEN"), "{who} who may only read: {operation:?}");
        }
        writes += 1;
    }
    assert!(writes >= 17, "only {writes} operations write");
    assert_eq!(seen().await, before, "what was refused changed something");
    assert!(tenant.sent().await.is_empty());
}

#[tokio::test]
async fn who_was_let_go_and_a_key_that_was_revoked_can_do_nothing_at_once() {
    let tenant = Tenant::with_statuses(json!([])).await;
    let operations = tenant.operations().await;
    let (known, key) = tenant.key("admin").await;
    for token in [&tenant.agent, &key] {
        assert_eq!(tenant.stack.get(token, "/conversations").await.status, 200, "before");
    }
    let agent = tenant.person("agent").await;
    for path in [format!("/users/{agent}"), format!("/api-keys/{}", id(&known))] {
        let gone = tenant.stack.delete(&tenant.admin, &path).await;
        assert_eq!(gone.status, 204, "{path}: {}", gone.body);
        let again = tenant.stack.delete(&tenant.admin, &path).await;
        assert_eq!((again.status, code(&again)), (404, "NOT_FOUND"), "{path}, a second time");
    }
    for operation in &operations {
        let person = operation.ask(&tenant, &tenant.agent).await;
        assert_eq!((person.status, code(&person)), (403, "FORBIDDEN"), "let go, with a valid token: {operation:?}");
        let system = operation.ask(&tenant, &key).await;
        assert!(matches!(system.status, 401 | 403), "a revoked key got {}: {operation:?}", system.status);
        let is_tenants = !["/deployment", "/tenants"].iter().any(|prefix| operation.path.starts_with(prefix));
        assert_eq!(is_tenants, system.status == 401, "a revoked key got {}: {operation:?}", system.status);
    }
    assert!(tenant.people().await.iter().all(|person| id(person) != agent), "they are still listed");
    let keys = tenant.stack.get(&tenant.admin, "/api-keys").await.body;
    assert!(!keys.to_string().contains(id(&known)), "the key is still listed: {keys}");
}

#[tokio::test]
async fn a_person_is_invited_once_however_often_they_are_asked_and_signs_in() {
    let tenant = Tenant::new().await;
    let email = format!("lucia-{}@story.example", fresh_digits());
    // Of a first request, only the user pool heard.
    let in_pool = tenant.stack.create_user(&email, PASSWORD).await.unwrap();
    let first = tenant.invite(&email.to_uppercase(), "agent").await;
    assert_eq!((first.status, id(&first.body)), (201, in_pool.as_str()), "who is in the pool already: {}", first.body);
    let expected = json!({"id": in_pool, "email": email, "name": "Lucía Gómez", "role": "agent", "online": false});
    assert_eq!(first.body, expected);
    let again = tenant.invite(&email, "agent").await;
    assert_eq!((again.status, again.body), (201, expected), "the answer was lost, and the request came again");
    let other = tenant.invite(&email, "admin").await;
    assert_eq!((other.status, code(&other)), (409, "ALREADY_A_MEMBER"), "an invitation is no way to get another role");
    assert_eq!(tenant.people().await.len(), 4);

    // Somebody whom nobody knows.
    let email = format!("nueva-{}@story.example", fresh_digits());
    let invited = tenant.invite(&email, "viewer").await;
    assert_eq!(invited.status, 201, "{}", invited.body);
    let signed_in = tenant.stack.create_user(&email, PASSWORD).await.unwrap();
    assert_eq!(id(&invited.body), signed_in, "the member is whoever signs in with the address");
    let token = tenant.stack.sign_in(&email, PASSWORD).await.unwrap();
    let me = tenant.stack.get(&token, "/me").await.body;
    assert_eq!(
        (&me["email"], &me["role"], &me["tenantId"]),
        (&json!(email), &json!("viewer"), &json!(tenant.tenant_id))
    );

    for (body, field) in [
        (json!({"email": "lucia", "name": "L", "role": "agent"}), "email: "),
        (
            json!({"email": format!("{}@{}.example", "l".repeat(60), "x".repeat(70)), "name": "L", "role": "agent"}),
            "email: ",
        ),
        (json!({"email": email, "name": " ", "role": "agent"}), "name: "),
        (json!({"email": email, "name": "L", "role": "owner"}), "role: "),
        (json!({"email": email, "name": "L"}), "body: "),
        (json!({"email": email, "name": "L", "role": "agent", "tenantId": "x"}), "tenantId: "),
    ] {
        let answer = tenant.stack.post(&tenant.admin, "/users", &body).await;
        let message = answer.body["error"]["message"].as_str().unwrap_or_default();
        assert!(answer.status == 400 && message.starts_with(field), "{body}: {} {message}", answer.status);
    }
}

#[tokio::test]
async fn a_person_who_is_invited_many_times_at_the_same_moment_is_one_member() {
    let tenant = Tenant::new().await;
    let email = format!("lucia-{}@story.example", fresh_digits());
    let answers = join_all((0..6).map(|_| tenant.invite(&email, "agent"))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (201, &answers[0].body), "each is told of the same person");
    }
    assert_eq!(tenant.people().await.len(), 4, "and there is one of them");
}

#[tokio::test]
async fn the_same_request_under_a_key_makes_one_person_and_one_api_key_that_is_told_once() {
    let tenant = Tenant::new().await;
    let email = format!("lucia-{}@story.example", fresh_digits());
    for (path, body, other) in [
        (
            "/users",
            json!({"email": email, "name": "L", "role": "agent"}),
            json!({"email": email, "name": "M", "role": "agent"}),
        ),
        ("/api-keys", json!({"name": "Turnos", "role": "agent"}), json!({"name": "Turnos", "role": "admin"})),
    ] {
        let ask_under = async |key: &str, body: &Value| {
            let request = http().post(tenant.stack.api(path)).bearer_auth(&tenant.admin);
            send(request.header("idempotency-key", key).json(body)).await
        };
        let ask = async |body: &Value| ask_under("k1", body).await;
        let (first, again) = (ask(&body).await, ask(&body).await);
        assert_eq!((first.status, again.status), (201, 201), "{path}: {} {}", first.body, again.body);
        assert_eq!(id(&first.body), id(&again.body), "{path} had two effects");
        assert!(again.body.get("key").is_none_or(Value::is_null), "a key was told twice: {path}");
        let refused = ask(&other).await;
        assert_eq!((refused.status, code(&refused)), (422, "IDEMPOTENCY_KEY_REUSED"), "{path}");
        if path == "/users" {
            let known = ask_under("k2", &body).await;
            assert_eq!((known.status, id(&known.body)), (201, id(&first.body)), "they are a member already");
            let gone = tenant.stack.delete(&tenant.admin, &format!("/users/{}", id(&first.body))).await;
            assert_eq!(gone.status, 204);
            for key in ["k1", "k2"] {
                let late = ask_under(key, &body).await;
                assert_eq!((late.status, code(&late)), (404, "NOT_FOUND"), "a late repetition let somebody back in");
            }
        }
    }
    let keys = tenant.stack.get(&tenant.admin, "/api-keys").await.body;
    assert_eq!(keys["items"].as_array().unwrap().len(), 1, "{keys}");
    assert!(!keys.to_string().contains("rk_"), "a key is told in the list: {keys}");
}

#[tokio::test]
async fn a_person_of_two_tenants_chooses_one_with_a_header_and_has_in_each_its_own_role() {
    let (one, other) = (Tenant::new().await, Tenant::new().await);
    let email = one.people().await.iter().find(|person| person["role"] == "agent").unwrap()["email"].clone();
    let invited = other.invite(email.as_str().unwrap(), "viewer").await;
    assert_eq!((invited.status, id(&invited.body)), (201, one.person("agent").await.as_str()), "{}", invited.body);
    let token = &one.agent;
    let ask = async |path: &str, chosen: Option<&str>| {
        let mut request = http().get(one.stack.api(path)).bearer_auth(token);
        if let Some(chosen) = chosen {
            request = request.header("x-tenant-id", chosen);
        }
        send(request).await
    };
    let undecided = ask("/me", None).await;
    assert_eq!((undecided.status, code(&undecided)), (400, "INVALID_REQUEST"), "{}", undecided.body);
    for (tenant, role) in [(&one, "agent"), (&other, "viewer")] {
        let me = ask("/me", Some(&tenant.tenant_id)).await.body;
        assert_eq!((&me["tenantId"], &me["role"]), (&json!(tenant.tenant_id), &json!(role)));
    }
    let third = Tenant::new().await;
    assert_eq!(ask("/me", Some(&third.tenant_id)).await.status, 403, "of a third tenant");

    // Let go by one, they stay with the other.
    let gone = other.stack.delete(&other.admin, &format!("/users/{}", id(&invited.body))).await;
    assert_eq!(gone.status, 204);
    assert_eq!(ask("/me", Some(&other.tenant_id)).await.status, 403);
    assert_eq!(ask("/me", None).await.body["tenantId"], json!(one.tenant_id));
}

#[tokio::test]
async fn another_tenants_people_and_keys_are_as_if_they_did_not_exist() {
    let (tenant, other) = (Tenant::new().await, Tenant::new().await);
    let (key, _) = other.key("agent").await;
    let agent = other.person("agent").await;
    let ask = async |method: Method, path: String| {
        let body = (method == Method::PATCH).then(|| json!({"role": "viewer"}));
        Operation { method, path, body }.ask(&tenant, &tenant.admin).await
    };
    let never = "key_00000000000000000000000000";
    for (method, foreign, nothing) in [
        (Method::PATCH, format!("/users/{agent}"), "/users/nobody".to_owned()),
        (Method::DELETE, format!("/users/{agent}"), "/users/nobody".to_owned()),
        (Method::DELETE, format!("/api-keys/{}", id(&key)), format!("/api-keys/{never}")),
    ] {
        let answers = [ask(method.clone(), foreign).await, ask(method, nothing).await];
        let told = answers.each_ref().map(|answer| (answer.status, answer.body["error"]["message"].clone()));
        assert_eq!((told[0].0, &told[0]), (404, &told[1]), "a foreign id looks like no id");
    }
    assert_eq!(other.person("agent").await, agent);
    let keys = other.stack.get(&other.admin, "/api-keys").await.body;
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_last_administrator_cannot_leave_and_of_two_who_remove_each_other_one_stays() {
    let tenant = Tenant::new().await;
    let admin = tenant.person("admin").await;
    let path = format!("/users/{admin}");
    for answer in [
        tenant.stack.delete(&tenant.admin, &path).await,
        tenant.stack.patch(&tenant.admin, &path, &json!({"role": "viewer"})).await,
    ] {
        assert_eq!((answer.status, code(&answer)), (409, "LAST_ADMIN"), "{}", answer.body);
    }
    // A system may do much, but not give rights: a key would outlive its revocation.
    let (_, key) = tenant.key("admin").await;
    assert_eq!(tenant.stack.get(&key, "/webhook-logs").await.status, 200);
    let agent = format!("/users/{}", tenant.person("agent").await);
    for answer in [
        tenant.stack.delete(&key, &agent).await,
        tenant.stack.patch(&key, &agent, &json!({"role": "admin"})).await,
        tenant.stack.post(&key, "/users", &json!({"email": "x@story.example", "name": "X", "role": "admin"})).await,
        tenant.stack.post(&key, "/api-keys", &json!({"name": "X", "role": "admin"})).await,
        tenant.stack.patch(&key, "/me", &json!({"online": true})).await,
    ] {
        assert_eq!((answer.status, code(&answer)), (403, "FORBIDDEN"), "{}", answer.body);
    }

    let promoted = tenant.stack.patch(&tenant.admin, &agent, &json!({"role": "admin"})).await;
    assert_eq!((promoted.status, &promoted.body["role"]), (200, &json!("admin")), "{}", promoted.body);
    let (one, other) =
        tokio::join!(tenant.stack.delete(&tenant.admin, &agent), tenant.stack.delete(&tenant.agent, &path),);
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 403], "{} {}", one.body, other.body);
}

#[tokio::test]
async fn a_key_works_like_a_person_of_its_tenant_and_says_who_it_is() {
    let tenant = Tenant::with_statuses(json!([])).await;
    let (known, key) = tenant.key("agent").await;
    assert!(key.starts_with("rk_") && key.len() == 108, "{} characters", key.len());
    let me = tenant.stack.get(&key, "/me").await.body;
    let expected =
        json!({"tenantId": tenant.tenant_id, "id": known["id"], "name": "Turnos", "role": "agent", "online": false});
    assert_eq!(me, expected);
    tenant.customer_writes("5491155551234", "hola").await;
    let conversation = tenant.conversation().await;
    let path = format!("/conversations/{}/messages", id(&conversation));
    let message = json!({"clientMessageId": "c", "type": "text", "text": {"body": "Turno confirmado"}});
    let sent = tenant.stack.post(&key, &path, &message).await;
    assert_eq!((sent.status, &sent.body["senderName"]), (202, &json!("Turnos")), "{}", sent.body);

    let keys = tenant.stack.get(&tenant.admin, "/api-keys").await.body;
    let listed = &keys["items"][0];
    assert!(
        listed["lastUsedAt"].is_string() && listed["createdById"] == json!(tenant.person("admin").await),
        "{listed}"
    );
    let tail = |change: &str| format!("{}{change}", &key[..key.len() - 1]);
    let (wrong, short) = (tail(if key.ends_with('0') { "1" } else { "0" }), tail(""));
    for bad in [wrong.as_str(), &short, "rk_", "rk_x_y"] {
        let answer = tenant.stack.get(bad, "/me").await;
        assert_eq!((answer.status, code(&answer)), (401, "UNAUTHENTICATED"), "a key that is none of ours");
    }
    let elsewhere = http().get(tenant.stack.api("/me")).bearer_auth(&key).header("x-tenant-id", "tnt_x");
    assert_eq!(send(elsewhere).await.status, 403, "a key belongs to its tenant");
    for role in ["agent", "viewer"] {
        let token = if role == "agent" { &tenant.agent } else { &tenant.viewer };
        assert_eq!(tenant.stack.get(token, "/api-keys").await.status, 403, "a {role} sees the keys");
    }
    for (group, line) in crate::logs::lines(&tenant.stack).await {
        assert!(!line.contains(&key[56..]), "the secret of a key is in {group}");
    }
}

#[tokio::test]
async fn people_and_keys_are_listed_page_by_page() {
    let tenant = Tenant::new().await;
    for _ in 0..3 {
        tenant.key("viewer").await;
    }
    for list in ["/users", "/api-keys"] {
        let mut path = format!("{list}?limit=2");
        let (mut seen, mut sizes) = (Vec::new(), Vec::new());
        loop {
            let page = tenant.stack.get(&tenant.admin, &path).await;
            assert_eq!(page.status, 200, "{path}: {}", page.body);
            let items = page.body["items"].as_array().unwrap();
            sizes.push(items.len());
            seen.extend(items.iter().map(|item| id(item).to_owned()));
            match page.body["nextCursor"].as_str() {
                Some(cursor) => path = format!("{list}?limit=2&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(sizes, [2, 1], "{list}");
        seen.dedup();
        assert_eq!(seen.len(), 3, "{list} tells somebody twice");
    }
    let as_agent = tenant.stack.get(&tenant.agent, "/users").await.body;
    assert!(!as_agent.to_string().contains('@'), "addresses are told to an agent: {as_agent}");
}
