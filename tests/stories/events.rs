//! Every file below `events/` is understood by its function.

use crate::world::{eventually, stack};
use aws_sdk_lambda::primitives::Blob;
use recado_testkit::template::repository;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What a function must answer to a file: its HTTP status, or its whole answer.
enum Expected {
    Status(u16),
    Answer(Value),
}

/// Every file, the function it is for, and what that must answer.
fn expectations() -> Vec<(&'static str, &'static str, Expected)> {
    let nothing_failed = || Expected::Answer(json!({"batchItemFailures": []}));
    vec![
        ("api-conversations.json", "api", Expected::Status(200)),
        ("schedule-janitor.json", "janitor", Expected::Answer(Value::Null)),
        ("sqs-account.json", "account", nothing_failed()),
        ("sqs-inbound.json", "inbound", nothing_failed()),
        ("sqs-media.json", "media", nothing_failed()),
        ("sqs-outbound.json", "outbound", nothing_failed()),
        ("sqs-status.json", "status", nothing_failed()),
        ("stream-fanout.json", "fanout", Expected::Answer(Value::Null)),
        ("webhook-bad-signature.json", "webhook", Expected::Status(401)),
        ("webhook-status-delivered.json", "webhook", Expected::Status(200)),
        ("webhook-text.json", "webhook", Expected::Status(200)),
        ("webhook-verify-bad-token.json", "webhook", Expected::Status(403)),
        ("webhook-verify.json", "webhook", Expected::Status(200)),
    ]
}

#[tokio::test]
async fn every_event_file_is_answered_as_expected_by_its_function() {
    let stack = stack();
    let lambda = aws_sdk_lambda::Client::new(&stack.sdk_config());
    let folder = repository().join("events");
    let user = &stack.tenants[0].users[0];
    let token = stack.sign_in(&user.email, &user.password).await.unwrap();

    let files: BTreeSet<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let expected: BTreeSet<_> = expectations().iter().map(|(file, _, _)| (*file).to_owned()).collect();
    assert_eq!(files, expected, "a file without an expectation, or the other way round");

    for (file, function, expected) in expectations() {
        let event = std::fs::read_to_string(folder.join(file)).unwrap().replace("PUT-A-TOKEN-HERE", &token);
        let name = format!("{}-{function}", stack.aws.stack_name);
        let answer = lambda.invoke().function_name(name).payload(Blob::new(event)).send().await.unwrap();
        let payload: Value = serde_json::from_slice(answer.payload.unwrap().as_ref()).unwrap();
        assert_eq!(answer.function_error, None, "{file}: {payload}");
        match expected {
            Expected::Status(status) => assert_eq!(payload["statusCode"], status, "{file}: {payload}"),
            Expected::Answer(expected) => assert_eq!(payload, expected, "{file}"),
        }
    }

    // What the files bring in is really there.
    eventually("the customer of the event files in the inbox", async || {
        let inbox = stack.get(&token, "/conversations?limit=100").await.body;
        let found = inbox["items"].as_array().unwrap().iter().any(|item| item["contact"]["waId"] == "5491122223333");
        if found { Ok(()) } else { Err(inbox.to_string()) }
    })
    .await;
}
