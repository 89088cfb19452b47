//! Wires the fan-out up. What it does stands in `lib.rs`.

use fanout::{Fanout, StreamBatch};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use recado_platform::queue::Queue;
use recado_platform::settings::required;
use recado_platform::{aws, metrics, telemetry};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start(async || {
        let sqs = aws_sdk_sqs::Client::new(&aws::config(aws::WORKER)?);
        let fanout = Fanout {
            outbound: Queue::new(sqs.clone(), required("OUTBOUND_QUEUE_URL")?),
            media: Queue::new(sqs, required("MEDIA_QUEUE_URL")?),
        };
        run(service_fn(async |event: LambdaEvent<StreamBatch>| {
            Ok::<_, Error>(metrics::report(fanout.handle(event.payload)).await?)
        }))
        .await
    })
    .await
}
