//! `cargo xtask test`: every check and every test.

use crate::build::{cargo, target_folder};
use crate::lifecycle::{self, Options, Ports};
use crate::process::run_shown;
use crate::report::Step;
use crate::{bruno, fuzz};
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Where the tests find the stack to run against.
const STACK_VARIABLE: &str = "RECADO_STACK";

/// How many generated requests each operation of the API gets at most, beside those for its limits.
const FUZZED: u32 = 20;

pub(crate) async fn run(local: &Path) -> anyhow::Result<()> {
    let begun = Instant::now();
    check("format", cargo().args(["fmt", "--all", "--check"]))?;
    let deny = ["--", "-D", "warnings"];
    check("clippy", cargo().args(["clippy", "--workspace", "--all-targets", "--quiet"]).args(deny))?;
    check("docs", cargo().args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    let step = Step::begin("template: sam validate --lint, cfn-lint");
    lifecycle::lint_template(local)?;
    step.done();

    // A stack of its own, so that it can run beside one that a person is using; with IAM enforced, so
    // that a function that reaches beyond its role fails here and not on AWS.
    let mut options = options(local.join("test"))?;
    let (running, up) = lifecycle::start(&options).await.context("bringing up the stack for the tests")?;
    let stack = options.folder.join("stack.json");
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--no-fail-fast"]).env(STACK_VARIABLE, &stack);
    let counted = run_tests("tests", &mut tests, &options.folder)?;
    bruno::run(&up, &options.folder).await?;
    check("chaos", tool("chaos", &stack)?.args(["--seed", "1", "--inbound", "1000"]))?;
    let tried = fuzz::run(&up, &options.folder, 1, FUZZED).await?;
    drop(running);

    options.folder = local.join("test-sam");
    options.ports = Ports::free()?;
    options.sam = true;
    options.iam = false;
    let (running, _) = lifecycle::start(&options).await.context("bringing up a stack through SAM")?;
    let stack = options.folder.join("stack.json");
    let mut story = cargo();
    story.args(["test", "--workspace", "--test", "stories", "--", "round_trip"]).env(STACK_VARIABLE, stack);
    let once_more = run_tests("the round trip on a stack that SAM deployed", &mut story, &options.folder)?;
    drop(running);

    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "\nEverything passed: {counted} tests, and {once_more} of them again on a stack that SAM deployed; \
         {tried} generated requests to the API; {seconds:.0} s."
    );
    Ok(())
}

/// What a stack for tests is brought up with.
fn options(folder: PathBuf) -> anyhow::Result<Options> {
    Ok(Options { folder, ports: Ports::free()?, sam: false, keep: false, iam: true, for_tests: true })
}

/// Runs one of the stories' tools on a stack of its own.
pub(crate) async fn on_own_stack(local: &Path, name: &str, arguments: &[String]) -> anyhow::Result<()> {
    let options = options(local.join(name))?;
    let (running, _) = lifecycle::start(&options).await.with_context(|| format!("bringing up the stack for {name}"))?;
    let result = check(name, tool(name, &options.folder.join("stack.json"))?.args(arguments));
    drop(running);
    result
}

/// Tries the API with generated requests, on a stack of its own.
pub(crate) async fn fuzz_api(local: &Path, seed: u32, examples: u32) -> anyhow::Result<()> {
    let options = options(local.join("fuzz"))?;
    let (running, stack) = lifecycle::start(&options).await.context("bringing up the stack for schemathesis")?;
    let result = fuzz::run(&stack, &options.folder, seed, examples).await;
    drop(running);
    result.map(|_| ())
}

fn tool(name: &str, stack: &Path) -> anyhow::Result<Command> {
    // With the whole workspace and one of its tests, so that it shares what the tests are built from.
    let build = ["build", "--quiet", "--workspace", "--test", "stories", "--bin", name];
    check(&format!("building {name}"), cargo().args(build))?;
    let mut command = Command::new(target_folder()?.join("debug").join(name));
    command.env(STACK_VARIABLE, stack);
    Ok(command)
}

/// Writes `functions/api/openapi.json`. The code that builds it exists in tests only, so a test does it.
pub(crate) fn write_openapi() -> anyhow::Result<()> {
    // With the whole workspace, so that it shares what the tests are built from.
    let mut writer = cargo();
    writer.args([
        "test",
        "--quiet",
        "--workspace",
        "--lib",
        "the_committed_document_is_the_one_that_the_code_describes",
    ]);
    check("writing functions/api/openapi.json", writer.env("RECADO_WRITE_OPENAPI", "1").stdout(Stdio::null()))
}

/// Runs a test command with its output shown, and adds up what its closing lines count.
fn run_tests(what: &str, command: &mut Command, folder: &Path) -> anyhow::Result<u32> {
    let step = Step::begin(what);
    let log = folder.join("log/tests.log");
    run_shown(what, command, &log)?;
    step.done();
    let text = std::fs::read_to_string(&log)?;
    let closing =
        text.lines().filter_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse::<u32>().ok());
    let passed = closing.sum();
    ensure!(passed > 0, "{what}: no test was run");
    Ok(passed)
}

/// Runs a command with its output shown as it comes.
fn check(what: &str, command: &mut Command) -> anyhow::Result<()> {
    let step = Step::begin(what);
    let status = command.status().with_context(|| format!("{what}: could not start {command:?}"))?;
    ensure!(status.success(), "{what} failed ({status})");
    step.done();
    Ok(())
}
