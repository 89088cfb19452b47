//! Wires the inbound worker up. What it does stands in `lib.rs`.

use aws_lambda_events::event::sqs::SqsEvent;
use inbound::Inbound;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use recado_ingest::Archive;
use recado_platform::clock::Clock;
use recado_platform::settings::required;
use recado_platform::{aws, metrics, telemetry};
use recado_store::Store;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start(async || {
        let config = aws::config(aws::WORKER)?;
        let store = Store::new(aws_sdk_dynamodb::Client::new(&config), required("TABLE_NAME")?);
        let inbound = Inbound::new(store, Archive::from_settings(&config)?, Clock::system());
        run(service_fn(async |event: LambdaEvent<SqsEvent>| {
            Ok::<_, Error>(metrics::report(inbound.handle(event.payload)).await)
        }))
        .await
    })
    .await
}
