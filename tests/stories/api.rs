//! The API: who may ask, what bad requests get, how lists go on.

use crate::world::{Tenant, deployment_admin, eventually, now};
use recado_testkit::stack::{Answer, http, send};
use serde_json::{Value, json};

async fn with_conversation() -> (Tenant, String) {
    let tenant = Tenant::with_statuses(json!([])).await;
    tenant.customer_writes("5491155551234", "hola").await;
    let id = tenant.conversation().await["id"].as_str().unwrap().to_owned();
    (tenant, id)
}

fn message_of(answer: &Answer) -> (&str, &str) {
    let error = &answer.body["error"];
    assert!(
        !error["requestId"].as_str().unwrap_or_default().is_empty(),
        "an error without a request id: {}",
        answer.body
    );
    (error["code"].as_str().unwrap(), error["message"].as_str().unwrap())
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong_with_them() {
    let (tenant, id) = with_conversation().await;
    let path = format!("/conversations/{id}/messages");
    let text = |body: &str| json!({"clientMessageId": "c1", "type": "text", "text": {"body": body}}).to_string();
    let post =
        async |body: String| send(http().post(tenant.stack.api(&path)).bearer_auth(&tenant.agent).body(body)).await;
    for (body, status, code, message) in [
        (
            "{\"clientMessageId\": \"c1\",".to_owned(),
            400,
            "INVALID_REQUEST",
            "body: EOF while parsing a value at line 1 column 25",
        ),
        (String::new(), 400, "INVALID_REQUEST", "body: EOF while parsing a value at line 1 column 0"),
        (text(""), 400, "INVALID_REQUEST", "text.body: must not be empty"),
        (text(&"ñ".repeat(4097)), 400, "INVALID_REQUEST", "text.body: must have at most 4096 characters, and has 4097"),
        (
            json!({"type": "text", "text": {"body": "x"}}).to_string(),
            400,
            "INVALID_REQUEST",
            "body: missing field `clientMessageId` at line 1 column 35",
        ),
        (
            json!({"clientMessageId": "", "type": "text", "text": {"body": "x"}}).to_string(),
            400,
            "INVALID_REQUEST",
            "clientMessageId: not a valid client message id: it is empty at line 1 column 21",
        ),
        (
            json!({"clientMessageId": "c", "type": "text", "text": {"body": "x", "bold": true}}).to_string(),
            400,
            "INVALID_REQUEST",
            "text.bold: unknown field `bold`, expected `body` at line 1 column 48",
        ),
        (
            json!({"clientMessageId": "c", "type": "fax", "text": {"body": "x"}}).to_string(),
            400,
            "INVALID_REQUEST",
            "type: unknown variant `fax`, expected `text` at line 1 column 55",
        ),
        (text(&"x".repeat(1024 * 1024)), 413, "BODY_TOO_LARGE", "The body is larger than 1 MiB"),
    ] {
        let answer = post(body).await;
        assert_eq!((answer.status, message_of(&answer)), (status, (code, message)));
    }
    let longest = post(text(&"ñ".repeat(4096))).await;
    assert_eq!(longest.status, 202, "4096 characters are allowed: {}", longest.body);
}

#[tokio::test]
async fn unknown_things_are_not_found() {
    let (tenant, _) = with_conversation().await;
    let never = "cnv_00000000000000000000000000";
    for path in [
        format!("/conversations/{never}"),
        format!("/conversations/{never}/messages"),
        "/conversations/x".to_owned(),
        "/nothing".to_owned(),
    ] {
        let answer = tenant.stack.get(&tenant.agent, &path).await;
        assert_eq!((answer.status, message_of(&answer).0), (404, "NOT_FOUND"), "{path}");
    }
    let message = json!({"clientMessageId": "c", "type": "text", "text": {"body": "x"}});
    let answer = tenant.stack.post(&tenant.agent, &format!("/conversations/{never}/messages"), &message).await;
    assert_eq!(answer.status, 404);
    let answer = send(http().delete(tenant.stack.api("/conversations")).bearer_auth(&tenant.agent)).await;
    assert_eq!((answer.status, message_of(&answer).0), (405, "METHOD_NOT_ALLOWED"));
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_of_this_pool_and_client() {
    let (tenant, _) = with_conversation().await;
    let (head, rest) = tenant.agent.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let forged_claims =
        recado_testkit::base64_url(br#"{"sub":"x","client_id":"x","token_use":"access","exp":99999999999}"#);
    let unsigned = format!("{}.{claims}.", recado_testkit::base64_url(br#"{"alg":"none","kid":"x"}"#));
    let mut broken = signature.to_owned();
    broken.replace_range(0..1, if signature.starts_with('A') { "B" } else { "A" });
    let symmetric = format!("{}.{claims}.{signature}", recado_testkit::base64_url(br#"{"alg":"HS256","kid":"x"}"#));
    for (what, token) in [
        ("nonsense", "nonsense".to_owned()),
        ("forged claims", format!("{head}.{forged_claims}.{signature}")),
        ("a broken signature", format!("{head}.{claims}.{broken}")),
        ("no algorithm", unsigned),
        ("another algorithm", symmetric),
    ] {
        let answer = tenant.stack.get(&token, "/conversations").await;
        assert_eq!((answer.status, message_of(&answer).0), (401, "UNAUTHENTICATED"), "{what}");
    }
    for header in ["", "Basic YTpi", "Bearer", "Bearer "] {
        let answer = send(http().get(tenant.stack.api("/conversations")).header("authorization", header)).await;
        assert_eq!(answer.status, 401, "authorization: {header:?}");
    }
}

#[tokio::test]
async fn somebody_without_a_tenant_and_somebody_who_may_only_read_are_kept_to_that() {
    let (tenant, id) = with_conversation().await;
    let outsider = tenant.stack.get(&deployment_admin().await, "/conversations").await;
    assert_eq!(
        (outsider.status, message_of(&outsider).0),
        (403, "FORBIDDEN"),
        "running the deployment opens no tenant"
    );

    let path = format!("/conversations/{id}/messages");
    assert_eq!(tenant.stack.get(&tenant.viewer, &path).await.status, 200);
    let message = json!({"clientMessageId": "c", "type": "text", "text": {"body": "x"}});
    let answer = tenant.stack.post(&tenant.viewer, &path, &message).await;
    assert_eq!((answer.status, message_of(&answer).0), (403, "FORBIDDEN"));
    assert!(tenant.sent().await.is_empty());
}

#[tokio::test]
async fn a_tenant_is_registered_only_by_an_administrator_and_only_with_a_number_that_graph_confirms() {
    let tenant = Tenant::new().await;
    let request = |change: Value| {
        let mut request = json!({"name": "Otra", "phoneNumberId": tenant.phone_number_id, "wabaId": tenant.waba_id,
            "accessToken": tenant.graph_token,
            "members": [{"userId": "u", "email": "u@x.example", "name": "U", "role": "admin"}]});
        request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        request
    };
    let admin = deployment_admin().await;
    let member = json!({"userId": "u", "email": "u@x.example", "name": "U", "role": "admin"});
    let agent = json!({"userId": "v", "email": "v@x.example", "name": "V", "role": "agent"});
    for (token, change, status, code) in [
        (&tenant.agent, json!({}), 403, "FORBIDDEN"),
        (&admin, json!({}), 409, "NUMBER_TAKEN"),
        (&admin, json!({"accessToken": "wrong"}), 422, "GRAPH_REFUSED"),
        (&admin, json!({"phoneNumberId": "1"}), 422, "NUMBER_NOT_LISTED"),
        (&admin, json!({"name": " "}), 400, "INVALID_REQUEST"),
        (&admin, json!({"members": []}), 400, "INVALID_REQUEST"),
        (&admin, json!({"members": [member, member]}), 400, "INVALID_REQUEST"),
        // Nobody could ever let anybody in.
        (&admin, json!({"members": [agent]}), 400, "INVALID_REQUEST"),
        (&admin, json!({"accessToken": "x".repeat(4097)}), 400, "INVALID_REQUEST"),
        (&admin, json!({"accessToken": "sí\n"}), 400, "INVALID_REQUEST"),
        (&admin, json!({"surprise": 1}), 400, "INVALID_REQUEST"),
    ] {
        let answer = tenant.stack.post(token, "/tenants", &request(change.clone())).await;
        assert_eq!((answer.status, message_of(&answer).0), (status, code), "{change}: {}", answer.body);
        assert!(!answer.body.to_string().contains(&tenant.graph_token), "the token came back: {}", answer.body);
    }
}

#[tokio::test]
async fn lists_go_on_page_by_page_and_a_cursor_is_good_for_its_own_list_only() {
    let tenant = Tenant::with_statuses(json!([])).await;
    let start = now() - 100;
    for number in 0..7 {
        let from = format!("549115555000{number}");
        let body = tenant.text_webhook(&from, &format!("wamid.{number}"), start + number, &format!("hola {number}"));
        assert_eq!(tenant.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
    }
    eventually("seven conversations", async || {
        let count = tenant.conversations().await.len();
        if count == 7 { Ok(()) } else { Err(format!("{count}")) }
    })
    .await;

    let mut previews = Vec::new();
    let mut path = "/conversations?limit=3".to_owned();
    let mut sizes = Vec::new();
    let cursor = loop {
        let page = tenant.stack.get(&tenant.agent, &path).await.body;
        let items = page["items"].as_array().unwrap();
        sizes.push(items.len());
        previews.extend(items.iter().map(|item| item["lastMessagePreview"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("/conversations?limit=3&cursor={cursor}"),
            None => break path.split_once("cursor=").unwrap().1.to_owned(),
        }
    };
    assert_eq!(
        previews,
        (0..7).rev().map(|number| format!("hola {number}")).collect::<Vec<_>>(),
        "newest first, each once"
    );
    assert_eq!(sizes, [3, 3, 1]);

    let conversation = tenant.conversations().await[0]["id"].as_str().unwrap().to_owned();
    let other = Tenant::with_statuses(json!([])).await;
    for (token, path) in [
        (&tenant.agent, format!("/conversations/{conversation}/messages?cursor={cursor}")),
        (&other.agent, format!("/conversations?cursor={cursor}")),
        (&tenant.agent, format!("/conversations?cursor=A{cursor}")),
        (&tenant.agent, "/conversations?cursor=".to_owned()),
        (&tenant.agent, "/conversations?limit=0".to_owned()),
        (&tenant.agent, "/conversations?limit=101".to_owned()),
        (&tenant.agent, "/conversations?limit=ten".to_owned()),
    ] {
        let answer = tenant.stack.get(token, &path).await;
        assert_eq!((answer.status, message_of(&answer).0), (400, "INVALID_REQUEST"), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_tenant_cannot_reach_another_ones_conversation() {
    let (tenant, id) = with_conversation().await;
    let other = Tenant::new().await;
    let paths = [format!("/conversations/{id}"), format!("/conversations/{id}/messages")];
    for path in &paths {
        let foreign = other.stack.get(&other.agent, path).await;
        let never = other.stack.get(&other.agent, &path.replace(&id, "cnv_00000000000000000000000000")).await;
        assert_eq!((foreign.status, message_of(&foreign)), (404, message_of(&never)), "a foreign id looks like no id");
    }
    let message = json!({"clientMessageId": "c", "type": "text", "text": {"body": "ajena"}});
    assert_eq!(other.stack.post(&other.agent, &paths[1], &message).await.status, 404);
    let as_the_other = http()
        .get(other.stack.api("/conversations"))
        .bearer_auth(&other.agent)
        .header("x-tenant-id", &tenant.tenant_id);
    assert_eq!(send(as_the_other).await.status, 403, "naming another tenant does not make one a member");
    assert!(other.conversations().await.is_empty());
    assert_eq!(tenant.messages(&json!({ "id": id })).await.len(), 1, "nothing was written into it");
    assert!(tenant.sent().await.is_empty() && other.sent().await.is_empty());
}
