//! Wires the webhook up. What it does stands in `lib.rs`.

use lambda_http::{Error, run, service_fn};
use recado_platform::apps::{DEFAULT_APP, default_app};
use recado_platform::clock::Clock;
use recado_platform::intake::IntakeBucket;
use recado_platform::queue::Queue;
use recado_platform::secret::SecretDocument;
use recado_platform::settings::required;
use recado_platform::{aws, metrics, telemetry};
use std::process::ExitCode;
use webhook::{App, Apps, Webhook};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start(async || {
        let config = aws::config(aws::WEBHOOK)?;
        let sqs = aws_sdk_sqs::Client::new(&config);
        let queue = |name| required(name).map(|url| Queue::new(sqs.clone(), url));
        let secrets = aws_sdk_secretsmanager::Client::new(&config);
        let apps = async |name| {
            let id = required(name)?;
            Ok::<_, anyhow::Error>(SecretDocument::load(secrets.clone(), id, Clock::system()).await?)
        };
        let (deployment, tenants) = tokio::try_join!(apps("APPS_SECRET_ID"), apps("TENANT_APPS_SECRET_ID"))?;
        let webhook = Webhook {
            apps: [deployment, tenants].into_iter().chain(by_environment()?).collect(),
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

/// The default app as the environment names it, if it does.
fn by_environment() -> anyhow::Result<Option<SecretDocument<Apps>>> {
    let Some(app) = default_app()? else { return Ok(None) };
    let app = App::try_from(app).map_err(anyhow::Error::msg)?;
    Ok(Some(SecretDocument::fixed(Apps::from([(DEFAULT_APP.to_owned(), app)]), Clock::system())))
}
