//! Wires the API up. What it does stands in `lib.rs`.

use api::{Api, DeploymentNumber, auth::TokenVerifier, cursor::CursorKey};
use api::{report, router, throttle::Throttle, user_pool::UserPool};
use axum::middleware;
use lambda_http::run;
use recado_ingest::Replay;
use recado_platform::settings::{graph_version_or, required};
use recado_platform::{apps::MetaApps, aws, bucket::Bucket, clock::Clock};
use recado_platform::{intake::IntakeBucket, secret::SecretDocument, telemetry, vault::Vault};
use recado_store::Store;
use recado_whatsapp::graph::{DEFAULT_VERSION, Graph};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start(async || {
        let config = aws::config(aws::WORKER)?;
        let secrets = aws_sdk_secretsmanager::Client::new(&config);
        let key =
            SecretDocument::<CursorKey>::load(secrets.clone(), required("CURSOR_SECRET_ID")?, Clock::system()).await?;
        let store = Store::new(aws_sdk_dynamodb::Client::new(&config), required("TABLE_NAME")?);
        let api = Api {
            replay: Replay::from_settings(store.clone(), &config)?,
            intake: IntakeBucket::new(&config, required("INTAKE_BUCKET")?),
            store,
            vault: Vault::new(aws_sdk_kms::Client::new(&config), required("KMS_KEY_ID")?, Clock::system()),
            apps: MetaApps::from_settings(secrets)?,
            deployment_number: DeploymentNumber::from_settings()?,
            public_url: required("PUBLIC_URL")?,
            bucket: Bucket::new(&config, required("MEDIA_BUCKET")?),
            graph: Graph::new(&required("GRAPH_BASE_URL")?, &graph_version_or(DEFAULT_VERSION))?,
            tokens: TokenVerifier::from_settings()?,
            user_pool: UserPool::from_settings(&config)?,
            throttle: Throttle::from_settings()?,
            cursor_key: key.current().await,
            clock: Clock::system(),
        };
        run(router(api).layer(middleware::from_fn(report))).await
    })
    .await
}
