//! Wires the API up. What it does stands in `lib.rs`.

use api::auth::TokenVerifier;
use api::cursor::CursorKey;
use api::throttle::Throttle;
use api::{Api, DeploymentNumber, report, router};
use axum::middleware;
use lambda_http::run;
use recado_domain::ids::{PhoneNumberId, WabaId};
use recado_domain::throttle::Rate;
use recado_ingest::Replay;
use recado_platform::apps::{MetaApps, default_app};
use recado_platform::secret::SecretDocument;
use recado_platform::settings::{SettingError, graph_version, optional, required};
use recado_platform::{aws, bucket::Bucket, clock::Clock, intake::IntakeBucket, telemetry, vault::Vault};
use recado_store::Store;
use recado_whatsapp::graph::{DEFAULT_VERSION, Graph};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start(async || {
        let config = aws::config(aws::WORKER)?;
        let secrets = aws_sdk_secretsmanager::Client::new(&config);
        let cursor_key: SecretDocument<CursorKey> =
            SecretDocument::load(secrets.clone(), required("CURSOR_SECRET_ID")?, Clock::system()).await?;
        let version = graph_version().unwrap_or_else(|| DEFAULT_VERSION.to_owned());
        let store = Store::new(aws_sdk_dynamodb::Client::new(&config), required("TABLE_NAME")?);
        let api = Api {
            replay: Replay::from_settings(store.clone(), &config)?,
            intake: IntakeBucket::new(&config, required("INTAKE_BUCKET")?),
            store,
            vault: Vault::new(aws_sdk_kms::Client::new(&config), required("KMS_KEY_ID")?, Clock::system()),
            apps: MetaApps::new(secrets, required("APPS_SECRET_ID")?, required("TENANT_APPS_SECRET_ID")?)
                .with_default(default_app()?),
            deployment_number: deployment_number()?,
            public_url: required("PUBLIC_URL")?,
            bucket: Bucket::new(&config, required("MEDIA_BUCKET")?),
            graph: Graph::new(&required("GRAPH_BASE_URL")?, &version)?,
            tokens: TokenVerifier::new(
                &required("AWS_REGION")?,
                &required("USER_POOL_ID")?,
                &required("USER_POOL_CLIENT_ID")?,
                optional("AWS_ENDPOINT_URL").as_deref(),
            )?,
            throttle: Throttle::new(rate()?),
            cursor_key: cursor_key.current().await,
            clock: Clock::system(),
        };
        run(router(api).layer(middleware::from_fn(report))).await
    })
    .await
}

fn rate() -> Result<Rate, SettingError> {
    const NAME: &str = "TENANT_REQUESTS_PER_SECOND";
    let rule = "must be a whole number from 1 on";
    let number = required(NAME)?.parse().ok().filter(|number| *number > 0);
    number.map(Rate::per_second).ok_or(SettingError::Unusable { name: NAME, rule })
}

/// The number that the environment names, if it does.
fn deployment_number() -> Result<Option<DeploymentNumber>, SettingError> {
    let Some(phone_number_id) = optional("WHATSAPP_PHONE_NUMBER_ID") else { return Ok(None) };
    let (number, account) = ("WHATSAPP_PHONE_NUMBER_ID", "WHATSAPP_BUSINESS_ACCOUNT_ID");
    let unusable = |name| move |_| SettingError::Unusable { name, rule: "must be Meta's id" };
    let waba_id = optional(account).map(WabaId::parse).transpose().map_err(unusable(account))?;
    let phone_number_id = PhoneNumberId::parse(phone_number_id).map_err(unusable(number))?;
    Ok(Some(DeploymentNumber { phone_number_id, waba_id, access_token: required("WHATSAPP_ACCESS_TOKEN")?.into() }))
}
