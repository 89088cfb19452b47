//! `cargo xtask chaos`: everything at once, on a running stack. Prints what came of it; the exit
//! status says whether that is as it should be.
#![allow(clippy::print_stdout, reason = "a command-line tool talks to people on standard output")]

use clap::Parser;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use stories::chaos::{Options, run};

/// Sends messages, lets things go wrong, and counts what is lost or done twice.
#[derive(Debug, Parser)]
struct Arguments {
    /// Decides everything that chance decides.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many messages customers send.
    #[arg(long, default_value_t = 1000)]
    inbound: usize,
    /// How many replies agents write; a tenth of the messages, if missing.
    #[arg(long)]
    outbound: Option<usize>,
    /// The percentage of calls to AWS that go wrong.
    #[arg(long, default_value_t = 5.0)]
    faults: f64,
    /// The percentage of the workers' runs that are cut short.
    #[arg(long, default_value_t = 2.0)]
    kills: f64,
    /// How many seconds it may take.
    #[arg(long, default_value_t = 300)]
    patience: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { seed, inbound, outbound, faults, kills, patience } = Arguments::parse();
    let options = Options {
        seed,
        inbound,
        outbound: outbound.unwrap_or(inbound / 10),
        faults: faults / 100.0,
        kills: kills / 100.0,
        patience: Duration::from_secs(patience),
    };
    let begun = Instant::now();
    let report = Box::pin(run(&options)).await;
    println!("seed {seed}, {:.0} s", begun.elapsed().as_secs_f64());
    println!("{report}");
    let failures = report.failures();
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("wrong: {}", failures.join(", "));
    ExitCode::FAILURE
}
