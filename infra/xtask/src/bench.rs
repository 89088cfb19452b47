//! `cargo xtask bench`: the figures, measured here and now.

use crate::build::{self, Profile, cargo, functions, package};
use crate::lifecycle::{Ports, servers_of};
use crate::process::{resident_bytes, run_quietly};
use crate::report::Step;
use crate::test;
use anyhow::{Context, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use recado_testkit::template::{self, repository};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How often each function is started.
const STARTS: usize = 21;

pub(crate) async fn run(local: &Path, build: bool, calls: bool) -> anyhow::Result<()> {
    let folder = local.join("bench");
    fs::create_dir_all(&folder)?;
    intake(&folder)?;
    start_up(&folder).await?;
    if build {
        build_times(&folder)?;
    }
    if calls {
        println!("\nP3 to P5, what a message costs in calls to AWS:\n");
        test::on_own_stack(local, "cost", &[]).await?;
    }
    Ok(())
}

/// P1: what the webhook does with a body before it touches the network, per event.
fn intake(folder: &Path) -> anyhow::Result<()> {
    let step = Step::begin("P1: cargo bench --package recado-whatsapp --bench intake");
    let log = folder.join("intake.log");
    let mut bench = cargo();
    bench.args(["bench", "--quiet", "--package", "recado-whatsapp", "--bench", "intake"]);
    run_quietly("the intake benchmark", &mut bench, &log)?;
    step.done();
    let medians = medians(&fs::read_to_string(&log)?);
    println!("\nP1, µs of CPU per event (medians; all of it in {}):\n", log.display());
    println!(
        "| events in the body | verify + split + envelope | verify alone | the same with serde_json::Value | ratio |"
    );
    println!("|---|---|---|---|---|");
    for events in [1, 3, 10, 100, 1000] {
        let per_event = |what: &str| -> anyhow::Result<f64> {
            let median = medians.get(&(what.to_owned(), events)).with_context(|| format!("no figure for {what}"))?;
            Ok(median.as_secs_f64() * 1e6 / f64::from(events))
        };
        let (ours, value) = (per_event("verify_split_envelope")?, per_event("the_same_with_serde_json_value")?);
        println!("| {events} | {ours:.2} | {:.2} | {value:.2} | {:.1} |", per_event("verify_alone")?, value / ours);
    }
    Ok(())
}

/// The median of each benchmark and argument in what divan prints: a tree, with the columns fastest,
/// slowest, median and mean behind each argument.
fn medians(printed: &str) -> BTreeMap<(String, u32), Duration> {
    let mut medians = BTreeMap::new();
    let mut benchmark = String::new();
    for line in printed.lines() {
        let Some((_, text)) = line.split_once("─ ") else { continue };
        let name = text.split_whitespace().next().unwrap_or_default();
        match (name.parse(), text.split('│').nth(2).and_then(duration)) {
            (Ok(argument), Some(median)) => drop(medians.insert((benchmark.clone(), argument), median)),
            _ => name.clone_into(&mut benchmark),
        }
    }
    medians
}

/// A time as divan writes it, such as `2.817 µs`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.trim().split_once(' ')?;
    let seconds = match unit {
        "ns" => 1e-9,
        "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * seconds))
}

/// P2: from starting a process to its first request for work, its memory then, and its zipped size.
async fn start_up(folder: &Path) -> anyhow::Result<()> {
    let binaries = build::build(Profile::Release, &folder.join("build.log"))?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?.to_string();
    let (told, mut ready) = unbounded_channel();
    let server = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/", post(secrets_manager))
        .with_state(told);
    tokio::spawn(async move { axum::serve(listener, server).await });

    println!(
        "\nP2, start-up to the first request for work, {STARTS} starts of the release build, no network but loopback:\n"
    );
    println!("| function | min ms | median ms | max ms | resident MB | zipped MB |");
    println!("|---|---|---|---|---|---|");
    for name in functions() {
        let binary = binaries.join(&name);
        let mut starts = Vec::new();
        let mut resident = 0;
        for _ in 0..STARTS {
            let (time, bytes) = start_once(&name, &binary, &address, &mut ready).await?;
            starts.push(time);
            resident = resident.max(bytes);
        }
        starts.sort();
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let zipped = package(&fs::read(&binary)?)?.len() as u64;
        println!(
            "| {name} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} |",
            ms(starts[0]),
            ms(starts[STARTS / 2]),
            ms(starts[STARTS - 1]),
            mb(resident),
            mb(zipped)
        );
    }
    Ok(())
}

/// Lambda's side: whoever asks for work is ready. There is none.
async fn next(State(told): State<UnboundedSender<Instant>>) {
    let _ = told.send(Instant::now());
    std::future::pending::<()>().await;
}

/// The only service that a function calls while it starts.
async fn secrets_manager(headers: HeaderMap, body: String) -> String {
    let asked: Value = serde_json::from_str(&body).unwrap_or_default();
    debug_assert!(headers.contains_key("x-amz-target"), "not an AWS call");
    let secret = match asked["SecretId"].as_str() {
        Some("cursor") => json!({"key": "a-cursor-key"}),
        _ => json!({"default": {"current": "an-app-secret", "verify_token": "a-verify-token"}}),
    };
    json!({"SecretString": secret.to_string()}).to_string()
}

async fn start_once(
    name: &str,
    binary: &Path,
    address: &str,
    ready: &mut UnboundedReceiver<Instant>,
) -> anyhow::Result<(Duration, u64)> {
    let mut command = Command::new(binary);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for (variable, value) in settings(name) {
        command.env(variable, value);
    }
    for (variable, value) in [
        ("AWS_LAMBDA_RUNTIME_API", address),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ] {
        command.env(variable, value);
    }
    command.env("AWS_ENDPOINT_URL", format!("http://{address}"));
    let begun = Instant::now();
    let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
    let asked = tokio::time::timeout(Duration::from_secs(10), ready.recv()).await;
    let resident = resident_bytes(child.id());
    child.kill()?;
    child.wait()?;
    let asked = asked.ok().flatten().with_context(|| format!("{name} did not ask for work within 10 s"))?;
    Ok((asked - begun, resident))
}

/// Something for each of the variables that the template gives to a function.
fn settings(name: &str) -> Vec<(String, String)> {
    let template = template::load();
    let resources = template["Resources"].as_object().into_iter().flatten();
    let function = resources
        .map(|(_, resource)| resource)
        .find(|resource| resource.pointer("/Metadata/BuildProperties/Binary").and_then(Value::as_str) == Some(name));
    let variables = function.and_then(|function| function.pointer("/Properties/Environment/Variables")?.as_object());
    let default = |given: &Value| match &template["Parameters"][given["Ref"].as_str()?]["Default"] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let value = |variable: &str, given: &Value| match variable {
        "CURSOR_SECRET_ID" => "cursor".to_owned(),
        _ => default(given).unwrap_or_else(|| "something".to_owned()),
    };
    let variables = variables.into_iter().flatten();
    variables.map(|(variable, given)| (variable.clone(), value(variable, given))).collect()
}

/// P8: `cargo xtask up` on a clean clone, and again; and what the stack holds in memory when idle.
fn build_times(folder: &Path) -> anyhow::Result<()> {
    let clone = folder.join("clone");
    let _ = fs::remove_dir_all(&clone);
    let mut git = Command::new("git");
    git.args(["clone", "--quiet"]).arg(repository()).arg(&clone);
    run_quietly("cloning", &mut git, &folder.join("clone.log"))?;
    let port = Ports::free_row()?.to_string();
    let xtask = |arguments: &[&str], what: &str| -> anyhow::Result<Duration> {
        let step = Step::begin(what);
        let begun = Instant::now();
        let mut command = cargo();
        command.current_dir(&clone).env("CARGO_TARGET_DIR", clone.join("target")).arg("xtask").args(arguments);
        run_quietly(what, &mut command, &folder.join("xtask.log"))?;
        step.done();
        Ok(begun.elapsed())
    };
    let up = ["up", "--detach", "--port", &port];
    let cold = xtask(&up, "cargo xtask up on a clean clone")?;
    xtask(&["down"], "cargo xtask down")?;
    let warm = xtask(&up, "cargo xtask up again")?;
    let servers = servers_of(&clone.join(".local"));
    ensure!(!servers.is_empty(), "the stack of the clone is not running");
    println!("\nP8: cargo xtask up cold {:.0} s, warm {:.1} s", cold.as_secs_f64(), warm.as_secs_f64());
    println!("Memory of the idle stack, functions included:");
    let mut total = 0;
    for server in &servers {
        let bytes = server.resident_bytes();
        total += bytes;
        println!("  {:<10} {:>6.0} MB", server.name, bytes as f64 / 1e6);
    }
    println!("  together   {:>6.0} MB", total as f64 / 1e6);
    xtask(&["down"], "cargo xtask down")?;
    fs::remove_dir_all(&clone)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_read_off_the_printed_tree() {
        let printed =
            "intake            fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ verify_alone                 │               │               │               │         │
│  ├─ 1           550.5 ns      │ 6.512 µs      │ 555.7 ns      │ 616.9 ns      │ 100     │ 400
│  │                            │               │               │               │         │
│  ╰─ 1000        229.4 µs      │ 294.5 µs      │ 1.203 ms      │ 232.8 µs      │ 100     │ 100
╰─ other                        │               │               │               │         │
   ├─ 1           2.777 µs      │ 21.62 µs      │ 2.817 µs      │ 3.023 µs      │ 100     │ 100
   │              alloc:        │               │               │               │         │";
        let medians = medians(printed);
        let micros: Vec<_> = medians.iter().map(|((name, of), time)| (name.as_str(), *of, time.as_nanos())).collect();
        assert_eq!(micros, [("other", 1, 2817), ("verify_alone", 1, 556), ("verify_alone", 1000, 1_203_000)]);
    }
}
