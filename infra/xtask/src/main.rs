//! `cargo xtask`: the project's own commands.
#![allow(clippy::print_stdout, reason = "a command-line tool talks to people on standard output")]

mod bench;
mod bruno;
mod build;
mod deploy;
mod fuzz;
mod lifecycle;
mod process;
mod python;
mod replay;
mod report;
mod seed;
mod test;

use anyhow::Context;
use clap::{Parser, Subcommand};
use lifecycle::{Options, Ports};
use recado_testkit::stack::Stack;
use recado_testkit::template::repository;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Brings the hub up on this machine, with two demo tenants and a simulated Meta.
    Up {
        /// Return when everything answers, and leave it running.
        #[arg(long)]
        detach: bool,
        /// Deploy through `sam build` and `sam deploy`, as on AWS (SAM_BUILD_MODE=debug builds faster).
        #[arg(long)]
        sam: bool,
        /// Keep what is stored until the next `up --keep`.
        #[arg(long)]
        keep: bool,
        /// Enforce the functions' IAM roles.
        #[arg(long)]
        iam: bool,
        /// The first of three ports: AWS, HTTP API, Meta.
        #[arg(long, default_value_t = 4566)]
        port: u16,
    },
    /// Stops what `up` started.
    Down,
    /// Prints an access token of a demo user, for `Authorization: Bearer`.
    Token {
        /// Whose; the first demo tenant's first user, if missing. admin@recado.example runs the deployment.
        email: Option<String>,
    },
    /// Puts webhook events back on their queues, through the API. Applying them again changes nothing.
    Replay(replay::Replay),
    /// Counts the dead letters of each queue and, with --run, moves them back.
    Redrive(replay::Redrive),
    /// Writes the API's OpenAPI document anew, from the code, and from it the Bruno collection.
    Openapi,
    /// Tries the API with generated requests against its document, on a local stack of its own.
    FuzzApi {
        /// Another seed, other requests.
        #[arg(long, default_value_t = 1)]
        seed: u32,
        /// How many generated requests each operation gets at most, beside those for its limits.
        #[arg(long, default_value_t = 100)]
        examples: u32,
    },
    /// Runs every check and every test, on a local stack of its own.
    Test,
    /// Lets everything happen at once, with faults, on a local stack of its own, and counts what is lost
    /// or done twice.
    Chaos {
        /// For the run: `--seed`, `--inbound`, `--outbound`, `--faults`, `--kills`, `--patience`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Builds for release and prints the figures.
    Bench {
        /// Also time a cold and a warm `up` in a folder of its own. Takes several minutes.
        #[arg(long)]
        build: bool,
        /// Also count the calls to AWS that a message takes, and what they cost, on a local stack of its own.
        #[arg(long)]
        calls: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::failure(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    let local = local_folder();
    match command {
        Command::Up { detach, sam, keep, iam, port } => {
            let options = Options { folder: local, ports: Ports::from(port)?, sam, keep, iam, for_tests: false };
            lifecycle::up(&options, detach).await
        }
        Command::Down => lifecycle::down(&local),
        Command::Token { email } => {
            println!("{}", seed::access_token(&running_stack(&local)?, email.as_deref()).await?);
            Ok(())
        }
        Command::Replay(asked) => replay::replay(&running_stack(&local)?, &asked).await,
        Command::Redrive(asked) => replay::redrive(&running_stack(&local)?, &asked).await,
        Command::Openapi => {
            test::write_openapi()?;
            bruno::write()
        }
        Command::FuzzApi { seed, examples } => test::fuzz_api(&local, seed, examples).await,
        Command::Test => test::run(&local).await,
        Command::Chaos { arguments } => test::on_own_stack(&local, "chaos", &arguments).await,
        Command::Bench { build, calls } => bench::run(&local, build, calls).await,
    }
}

/// Everything that a local run leaves behind is below this folder.
fn local_folder() -> PathBuf {
    repository().join(".local")
}

fn running_stack(local: &Path) -> anyhow::Result<Stack> {
    let path = local.join("stack.json");
    Stack::load(&path).with_context(|| format!("no stack is running: {} is missing", path.display()))
}
