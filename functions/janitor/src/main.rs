//! Wires the janitor up. What it does stands in `lib.rs`.

use janitor::Janitor;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use recado_platform::clock::{Clock, deadline};
use recado_platform::queue::Queue;
use recado_platform::settings::required;
use recado_platform::{aws, metrics, telemetry};
use recado_store::Store;
use serde_json::Value;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start(async || {
        let config = aws::config(aws::WORKER)?;
        let sqs = aws_sdk_sqs::Client::new(&config);
        let janitor = Janitor {
            store: Store::new(aws_sdk_dynamodb::Client::new(&config), required("TABLE_NAME")?),
            outbound: Queue::new(sqs.clone(), required("OUTBOUND_QUEUE_URL")?),
            media: Queue::new(sqs, required("MEDIA_QUEUE_URL")?),
            clock: Clock::system(),
        };
        run(service_fn(async |event: LambdaEvent<Value>| {
            Ok::<_, Error>(metrics::report(janitor.sweep(deadline(event.context.deadline))).await?)
        }))
        .await
    })
    .await
}
