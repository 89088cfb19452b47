//! Structured logs, one JSON object a line.
//!
//! Never in a log: message text, names, phone numbers, wamids (the phone number is inside), tokens.
//! The types that hold them hide them in `Debug`; log ids of ours instead.

use crate::settings;
use std::error::Error;
use std::process::ExitCode;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is shown without `RUST_LOG`: warnings of libraries, and everything from `info` up of ours.
const SHOWN: [(&str, LevelFilter); 2] = [("aws_smithy_runtime", LevelFilter::WARN), ("hyper", LevelFilter::WARN)];

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

/// Starts logging. `RUST_LOG` chooses by target and level what is shown, as in `info,hyper=warn`. Instead of
/// `EnvFilter`, which could also choose by fields, with regular expressions that every function would carry.
fn init() {
    let shown = settings::optional("RUST_LOG").and_then(|targets| targets.parse().ok());
    let shown: Targets = shown.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO).with_targets(SHOWN));
    let lines =
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
    tracing_subscriber::registry().with(lines.with_target(true)).with(shown).init();
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
