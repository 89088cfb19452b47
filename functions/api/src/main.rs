//! Wires the API up. What it does stands in `lib.rs`.

use api::{Api, auth::TokenVerifier, cursor::CursorKey, report, router, throttle::Throttle};
use axum::middleware;
use lambda_http::run;
use recado_ingest::Replay;
use recado_platform::secret::SecretDocument;
use recado_platform::settings::{optional, required};
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
            SecretDocument::load(secrets, required("CURSOR_SECRET_ID")?, Clock::system()).await?;
        let version = optional("GRAPH_VERSION").unwrap_or_else(|| DEFAULT_VERSION.to_owned());
        let store = Store::new(aws_sdk_dynamodb::Client::new(&config), required("TABLE_NAME")?);
        let api = Api {
            replay: Replay::from_settings(store.clone(), &config)?,
            intake: IntakeBucket::new(&config, required("INTAKE_BUCKET")?),
            store,
            vault: Vault::new(aws_sdk_kms::Client::new(&config), required("KMS_KEY_ID")?, Clock::system()),
            bucket: Bucket::new(&config, required("MEDIA_BUCKET")?),
            graph: Graph::new(&required("GRAPH_BASE_URL")?, &version)?,
            tokens: TokenVerifier::new(
                &required("AWS_REGION")?,
                &required("USER_POOL_ID")?,
                &required("USER_POOL_CLIENT_ID")?,
                optional("AWS_ENDPOINT_URL").as_deref(),
            )?,
            throttle: Throttle::from_settings()?,
            cursor_key: cursor_key.current().await,
            clock: Clock::system(),
        };
        run(router(api).layer(middleware::from_fn(report))).await
    })
    .await
}
