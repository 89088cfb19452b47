//! With the fan-out switched off, everything still happens.

use crate::world::{deployment_admin, eventually_within, fresh_digits, now, stack};
use aws_sdk_cloudformation::types::{Capability, Parameter, StackStatus};
use recado_testkit::stack::{Stack, http, send};
use recado_whatsapp::signature;
use serde_json::{Value, json};
use std::time::Duration;

/// A second deployment of the same template on the same account, without the fan-out.
async fn without_fanout(stack: &Stack) -> Stack {
    let name = format!("quiet-{}", fresh_digits());
    let cloudformation = aws_sdk_cloudformation::Client::new(&stack.sdk_config());
    let template = cloudformation.get_template().stack_name(&stack.aws.stack_name).send().await.unwrap();
    let s3 = aws_sdk_s3::config::Builder::from(&stack.sdk_config()).force_path_style(true);
    let s3 = aws_sdk_s3::Client::from_conf(s3.build());
    s3.create_bucket().bucket(&name).send().await.unwrap();
    let body = template.template_body.unwrap().into_bytes();
    s3.put_object().bucket(&name).key("template").body(body.into()).send().await.unwrap();
    let url = format!("{}/{name}/template", stack.aws.endpoint);
    let parameters = [
        ("AppSecret", stack.meta.app_secret.as_str()),
        ("VerifyToken", &stack.meta.verify_token),
        ("Architecture", "x86_64"),
        ("Environment", "local"),
        ("GraphBaseUrl", &stack.meta.graph_url),
        ("FanoutEnabled", "false"),
    ];
    let parameter =
        |(name, value): (&str, &str)| Parameter::builder().parameter_key(name).parameter_value(value).build();
    cloudformation
        .create_stack()
        .stack_name(&name)
        .template_url(url)
        .set_parameters(Some(parameters.into_iter().map(parameter).collect()))
        .capabilities(Capability::CapabilityIam)
        .capabilities(Capability::CapabilityAutoExpand)
        .send()
        .await
        .unwrap();
    let deployed =
        eventually_within(Duration::from_secs(60), "the second deployment to be complete", &mut async || {
            let answer = cloudformation
                .describe_stacks()
                .stack_name(&name)
                .send()
                .await
                .map_err(|error| format!("{error:?}"))?;
            let deployed = answer.stacks()[0].clone();
            match deployed.stack_status() {
                Some(StackStatus::CreateComplete) => Ok(deployed),
                other => Err(format!("{other:?} {:?}", deployed.stack_status_reason())),
            }
        })
        .await;
    let output = |name: &str| {
        let found = deployed.outputs().iter().find(|output| output.output_key() == Some(name));
        found.and_then(|output| output.output_value()).unwrap().to_owned()
    };
    let api_url = format!("{}/_aws/execute-api/{name}-http", stack.aws.endpoint);
    let mut quiet = stack.clone();
    quiet.webhook_url = format!("{api_url}/api/whatsapp/webhook");
    quiet.api_url = api_url;
    quiet.aws.table = output("TableName");
    quiet.auth.user_pool_id = output("UserPoolId");
    quiet.auth.client_id = output("UserPoolClientId");
    quiet
}

#[tokio::test]
async fn with_the_fanout_switched_off_the_minute_sweep_sends_the_reply_and_fetches_the_file() {
    let stack = without_fanout(&stack()).await;
    let (number, waba) = (fresh_digits(), fresh_digits());
    let token = format!("token-{number}");
    stack
        .control_put("/numbers", &json!({"phone_number_id": number, "waba_id": waba, "token": token, "statuses": []}))
        .await;

    let password = "Story-password-1";
    for email in ["admin@story.example", "agent@story.example"] {
        stack.create_user(email, password).await.unwrap();
    }
    stack.make_deployment_admin("admin@story.example").await.unwrap();
    let admin = stack.sign_in("admin@story.example", password).await.unwrap();
    assert_ne!(admin, deployment_admin().await, "another deployment has its own people");
    let agent_id = stack.create_user("agent@story.example", password).await.unwrap();
    let request = json!({"name": "Silencio", "phoneNumberId": number, "wabaId": waba, "accessToken": token,
        "members": [{"userId": agent_id, "email": "agent@story.example", "name": "Ana", "role": "admin"}]});
    let registered = stack.post(&admin, "/tenants", &request).await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    let agent = stack.sign_in("agent@story.example", password).await.unwrap();

    // Meta keeps the file; its own webhook goes to the first deployment, which does not know the number.
    let file = json!({"phone_number_id": number, "from": "5491155551234", "media": {"type": "image", "size": 5000}});
    let media_id = stack.control_post("/inbound", &file).await["media_id"].clone();
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": waba, "changes": [{"field": "messages", "value": {
        "metadata": {"phone_number_id": number},
        "messages": [{"from": "5491155551234", "id": "wamid.p", "timestamp": now().to_string(), "type": "image",
            "image": {"id": media_id, "mime_type": "image/jpeg"}},
            {"from": "5491155551234", "id": "wamid.q", "timestamp": now().to_string(), "type": "text", "text": {"body": "hola"}}]}}]}]});
    let body = body.to_string();
    let signed = signature::sign(body.as_bytes(), &stack.meta.app_secret.as_str().into());
    let post =
        http().post(&stack.webhook_url).header("content-type", "application/json").header(signature::HEADER, signed);
    assert_eq!(send(post.body(body)).await.status, 200);

    let wait = Duration::from_secs(30);
    let conversation = eventually_within(wait, "the conversation", &mut async || {
        let answer = stack.get(&agent, "/conversations").await;
        answer
            .body
            .pointer("/items/0/id")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| answer.body.to_string())
    })
    .await;
    let path = format!("/conversations/{conversation}/messages");
    let reply = json!({"clientMessageId": "c1", "type": "text", "text": {"body": "igual llega"}});
    assert_eq!(stack.post(&agent, &path, &reply).await.status, 202);

    // Half a minute until it is due, and at most one more until the sweep.
    eventually_within(
        Duration::from_secs(110),
        "the sweep to have the reply sent and the file fetched",
        &mut async || {
            let answer = stack.get(&agent, &path).await;
            let status = answer.body.pointer("/items/0/status").cloned().unwrap_or_default();
            let file = answer.body.pointer("/items/2/media/status").cloned().unwrap_or_default();
            if status == "SENT" && file == "STORED" { Ok(()) } else { Err(answer.body.to_string()) }
        },
    )
    .await;
    let sent = stack.control(&format!("/sent?phone_number_id={number}")).await;
    assert_eq!(sent["items"].as_array().unwrap().len(), 1, "{sent}");
}
