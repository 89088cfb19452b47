//! What the functions write into their logs, and what they do not.

use crate::world::{Tenant, eventually, now};
use recado_testkit::stack::{Stack, http, send};
use serde_json::{Value, json};

/// Asks CloudWatch Logs. Who asks is told; the emulator does not check the signature.
async fn logs(stack: &Stack, operation: &str, request: &Value) -> Value {
    let credential = format!("{}/20260101/{}/logs/aws4_request", stack.aws.access_key_id, stack.aws.region);
    let call = http()
        .post(&stack.aws.endpoint)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("Logs_20140328.{operation}"))
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"))
        .body(request.to_string());
    // The emulator fails to list streams while another one begins; clients of AWS ask again after a 5xx.
    eventually(&format!("an answer to {operation}"), async || {
        let answer = send(call.try_clone().expect("its body is text")).await;
        assert!(answer.status == 200 || answer.status >= 500, "{operation}: {} {}", answer.status, answer.body);
        if answer.status == 200 { Ok(answer.body) } else { Err(answer.body.to_string()) }
    })
    .await
}

/// Every line of every function's log.
pub(crate) async fn lines(stack: &Stack) -> Vec<(String, String)> {
    let prefix = format!("/aws/lambda/{}-", stack.aws.stack_name);
    let groups = logs(stack, "DescribeLogGroups", &json!({"logGroupNamePrefix": prefix})).await;
    let mut lines = Vec::new();
    for group in groups["logGroups"].as_array().unwrap() {
        let name = group["logGroupName"].as_str().unwrap();
        let mut request = json!({"logGroupName": name, "limit": 10000});
        loop {
            let page = logs(stack, "FilterLogEvents", &request).await;
            let events = page["events"].as_array().unwrap();
            lines.extend(events.iter().map(|event| (name.to_owned(), event["message"].as_str().unwrap().to_owned())));
            match page["nextToken"].as_str() {
                Some(token) if !events.is_empty() => request["nextToken"] = json!(token),
                _ => break,
            }
        }
    }
    lines
}

#[tokio::test]
async fn no_log_tells_who_wrote_or_what() {
    let tenant = Tenant::new().await;
    let phone = "5493514479013";
    let (name, text) = ("Zoraida Quintrileo", "El ornitorrinco violeta pierde agua");
    let mut body = tenant.text_webhook(phone, "wamid.HBgNPlantedWamid", now(), text);
    let value = &mut body["entry"][0]["changes"][0]["value"];
    value["contacts"][0]["profile"]["name"] = json!(name);
    let message = value["messages"][0].clone();
    // One that is applied; one that nobody can read; one of an unknown kind; one that the table refuses.
    let with = |id: &str, change: Value| {
        let mut odd = message.clone();
        odd["id"] = json!(format!("wamid.HBgNPlantedWamid{id}"));
        odd.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        odd
    };
    let odd = [
        with("A", json!({"timestamp": text})),
        with("B", json!({"type": text, "text": [text]})),
        with("C", json!({"type": "x", "x": {"number": 1e200, "text": text}})),
        json!(text),
    ];
    value["messages"].as_array_mut().unwrap().extend(odd);
    value["statuses"] =
        json!([{"id": "wamid.HBgNPlantedWamid", "status": text, "recipient_id": phone}, {"status": 5, "x": text}]);
    assert_eq!(tenant.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
    assert_eq!(tenant.stack.post_webhook_signed(body.to_string().as_bytes(), "sha256=00").await.status, 401);
    assert_eq!(tenant.stack.post_webhook(format!("{{{text}").as_bytes()).await.status, 200, "signed, and unreadable");
    let conversation = tenant.conversation().await;
    let reply = tenant.reply(&conversation, "c1", text).await;
    tenant.message_with_status(&conversation, &reply.body["id"], "READ").await;
    tenant.next_send_fails(json!({"kind": "reject", "code": 131_026})).await;
    tenant.reply(&conversation, "c2", text).await;
    eventually("everything to have been through its worker, and some of it to be parked", async || {
        let logged = tenant.stack.get(&tenant.admin, "/webhook-logs?limit=100").await.body;
        let outcomes: Vec<_> = logged["items"].as_array().unwrap().iter().map(|item| &item["outcome"]).collect();
        let parked = outcomes.iter().filter(|outcome| ***outcome == "parked").count();
        // Five messages, two statuses, and three statuses of the reply.
        if outcomes.len() >= 10 && parked >= 3 { Ok(()) } else { Err(logged.to_string()) }
    })
    .await;

    let lines = lines(&tenant.stack).await;
    let of = |function: &str| lines.iter().filter(|(group, _)| group.ends_with(function)).count();
    for function in ["-webhook", "-inbound", "-status", "-api", "-outbound"] {
        assert!(of(function) > 0, "nothing in the log of {function}: the story would not notice anything");
    }
    assert!(lines.iter().any(|(_, line)| line.contains("\"parked\"")), "the functions' own lines are missing");
    let sent = tenant.sent().await;
    let planted = [
        phone,
        name,
        "Zoraida",
        text,
        "ornitorrinco",
        "HBgNPlantedWamid",
        &tenant.graph_token,
        &tenant.admin,
        &tenant.agent,
    ];
    let wamid_of_reply = sent[0]["wamid"].as_str().unwrap_or("wamid.HBgNPlantedWamid");
    for planted in planted.into_iter().chain([wamid_of_reply]) {
        let encoded = recado_testkit::base64(planted.as_bytes());
        let told =
            lines.iter().find(|(_, line)| line.contains(planted) || line.contains(encoded.trim_end_matches('=')));
        assert_eq!(told, None, "a log tells {planted:?}");
    }
}
