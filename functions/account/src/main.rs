//! Wires the account worker up. What it does stands in `lib.rs`.

use account::Account;
use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use recado_platform::clock::Clock;
use recado_platform::settings::required;
use recado_platform::{aws, telemetry};
use recado_store::Store;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    telemetry::start(async || {
        let client = aws_sdk_dynamodb::Client::new(&aws::config(aws::WORKER).await);
        let account = Account::new(Store::new(client, required("TABLE_NAME")?), Clock::system());
        run(service_fn(async |event: LambdaEvent<SqsEvent>| Ok::<_, Error>(account.handle(event.payload).await))).await
    })
    .await
}
