//! A webhook that lacks a setting does not start (RELIABILITY row 25).
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::json;
use std::process::{Command, Output};
use wiremock::matchers::header;
use wiremock::{Mock, MockServer, ResponseTemplate};

const SETTINGS: [(&str, &str); 6] = [
    ("APPS_SECRET_ID", "apps"),
    ("TENANT_APPS_SECRET_ID", "tenant-apps"),
    ("MESSAGES_QUEUE_URL", "http://127.0.0.1:1/0/messages"),
    ("STATUSES_QUEUE_URL", "http://127.0.0.1:1/0/statuses"),
    ("ACCOUNT_QUEUE_URL", "http://127.0.0.1:1/0/account"),
    ("INTAKE_BUCKET", "intake"),
];

/// Starts the webhook with these settings, outside of Lambda; so it ends by itself sooner or later.
async fn start(settings: Vec<(&'static str, &'static str)>, secret: serde_json::Value) -> Output {
    let aws = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({"SecretString": secret.to_string()}));
    Mock::given(header("x-amz-target", "secretsmanager.GetSecretValue")).respond_with(answer).mount(&aws).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_webhook"));
    command.env_clear().envs(settings).env("AWS_ENDPOINT_URL", aws.uri()).env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn refused(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stdout).contains("refused to start")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_of_its_settings_the_webhook_does_not_start() {
    let apps = || json!({"default": {"current": "secret", "verify_token": "token"}});
    let complete = start(SETTINGS.to_vec(), apps()).await;
    assert!(!refused(&complete), "with all settings it should reach Lambda's runtime: {complete:?}");

    for (missing, _) in SETTINGS {
        for blank in [false, true] {
            let mut settings = SETTINGS.to_vec();
            settings.retain(|(name, _)| *name != missing);
            if blank {
                settings.push((missing, ""));
            }
            let output = start(settings, apps()).await;
            assert!(refused(&output) && !output.status.success(), "{missing}: {output:?}");
            let log = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(log.contains(&format!("{missing} is not set")), "{missing} is not named: {log}");
        }
    }
    for secret in [json!({}), json!({"default": {"current": "", "verify_token": "t"}}), json!("nonsense")] {
        let output = start(SETTINGS.to_vec(), secret.clone()).await;
        assert!(refused(&output) && !output.status.success(), "started with the secret {secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_may_name_the_default_app_by_either_of_its_names_and_not_by_half() {
    let secrets = ["WHATSAPP_APP_SECRET", "WHATSAPP_WEBHOOK_SECRET"];
    let tokens = ["WHATSAPP_WEBHOOK_VERIFY_TOKEN", "WHATSAPP_VERIFY_TOKEN"];
    for (secret, token) in secrets.into_iter().zip(tokens) {
        let with = |more: &[(&'static str, &'static str)]| [&SETTINGS[..], more].concat();
        let whole = start(with(&[(secret, "secret"), (token, "token")]), json!({})).await;
        assert!(!refused(&whole), "{secret} and {token} name an app: {whole:?}");
        for half in [(secret, "secret"), (token, "token")] {
            let output = start(with(&[half]), json!({})).await;
            assert!(refused(&output) && !output.status.success(), "{} alone names no app: {output:?}", half.0);
        }
    }
}
