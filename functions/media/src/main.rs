//! Wires the fetching of files up. What it does stands in `lib.rs`.

use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use media::Media;
use recado_platform::bucket::Bucket;
use recado_platform::clock::{Clock, deadline};
use recado_platform::settings::{graph_version_or, required};
use recado_platform::vault::Vault;
use recado_platform::{aws, metrics, telemetry};
use recado_store::Store;
use recado_whatsapp::graph::{DEFAULT_VERSION, Graph};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start(async || {
        let config = aws::config(aws::WORKER)?;
        let media = Media {
            store: Store::new(aws_sdk_dynamodb::Client::new(&config), required("TABLE_NAME")?),
            graph: Graph::new(&required("GRAPH_BASE_URL")?, &graph_version_or(DEFAULT_VERSION))?,
            vault: Vault::new(aws_sdk_kms::Client::new(&config), required("KMS_KEY_ID")?, Clock::system()),
            bucket: Bucket::new(&config, required("MEDIA_BUCKET")?),
            clock: Clock::system(),
        };
        run(service_fn(async |event: LambdaEvent<SqsEvent>| {
            Ok::<_, Error>(metrics::report(media.handle(event.payload, deadline(event.context.deadline))).await)
        }))
        .await
    })
    .await
}
