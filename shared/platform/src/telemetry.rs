//! Structured logs, one JSON object a line.
//!
//! Never in a log: message text, names, phone numbers, wamids (the phone number is inside), tokens.
//! The types that hold them hide them in `Debug`; log ids of ours instead.

use crate::settings;
use std::error::Error;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Runs a function's `main`: starts logging, and if it cannot start, says why in one line of the log.
pub async fn start(main: impl AsyncFnOnce() -> Result<(), Box<dyn Error + Send + Sync>>) -> ExitCode {
    init();
    match Box::pin(main()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&*error), "refused to start");
            ExitCode::FAILURE
        }
    }
}

/// Starts logging. `RUST_LOG` chooses what is shown; without it, warnings of libraries and
/// everything from `info` up of ours.
fn init() {
    let filter = settings::optional("RUST_LOG")
        .and_then(|directives| EnvFilter::try_new(directives).ok())
        .unwrap_or_else(|| EnvFilter::new("info,aws_config=warn,aws_smithy_runtime=warn,hyper=warn"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(true)
        .with_env_filter(filter)
        .init();
}

/// An error with everything that led to it, in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_line = cause.to_string();
        if !line.contains(&cause_line) {
            line.push_str(": ");
            line.push_str(&cause_line);
        }
        source = cause.source();
    }
    line
}
