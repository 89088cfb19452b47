//! Wires the webhook up. What it does stands in `lib.rs`.

use lambda_http::{Error, run, service_fn};
use recado_platform::clock::Clock;
use recado_platform::intake::IntakeBucket;
use recado_platform::queue::Queue;
use recado_platform::settings::required;
use recado_platform::{aws, metrics, telemetry};
use std::process::ExitCode;
use webhook::{Webhook, apps_from_settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start(async || {
        let config = aws::config(aws::WEBHOOK)?;
        let sqs = aws_sdk_sqs::Client::new(&config);
        let queue = |name| required(name).map(|url| Queue::new(sqs.clone(), url));
        let webhook = Webhook {
            apps: apps_from_settings(aws_sdk_secretsmanager::Client::new(&config)).await?,
            messages: queue("MESSAGES_QUEUE_URL")?,
            statuses: queue("STATUSES_QUEUE_URL")?,
            account: queue("ACCOUNT_QUEUE_URL")?,
            intake: IntakeBucket::new(&config, required("INTAKE_BUCKET")?),
            clock: Clock::system(),
        };
        webhook.refuse_to_start_without_apps().await?;
        webhook.messages.connect().await;
        run(service_fn(async |request| Ok::<_, Error>(metrics::report(webhook.handle(request)).await))).await
    })
    .await
}
