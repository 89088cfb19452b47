//! The local stack from beginning to end.

use crate::process::{Server, run_quietly};
use crate::python::Tools;
use crate::report::{Failed, Step};
use crate::{build, deploy, seed};
use anyhow::{Context, bail, ensure};
use recado_testkit::aws::Credentials;
use recado_testkit::stack::{Auth, Aws, Meta, Stack, http};
use recado_testkit::template::repository;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// The one region of the local stack: what is in one region cannot be seen from another.
pub(crate) const REGION: &str = "us-east-1";

/// How a stack is to be brought up.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Where everything it writes goes.
    pub(crate) folder: PathBuf,
    /// Where it listens.
    pub(crate) ports: Ports,
    /// Deploy through SAM.
    pub(crate) sam: bool,
    /// Keep its state for the next run.
    pub(crate) keep: bool,
    /// Enforce IAM.
    pub(crate) iam: bool,
    /// Short waits.
    pub(crate) for_tests: bool,
}

/// Where the stack listens, on loopback.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Ports {
    aws: u16,
    http: u16,
    meta: u16,
}

impl Ports {
    /// Three ports in a row.
    pub(crate) fn from(first: u16) -> anyhow::Result<Self> {
        ensure!((1..=u16::MAX - 2).contains(&first), "--port must be from 1 to {}", u16::MAX - 2);
        Ok(Self { aws: first, http: first + 1, meta: first + 2 })
    }

    /// Three ports that nobody uses.
    pub(crate) fn free() -> anyhow::Result<Self> {
        let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let mut ports = Vec::new();
        for listener in listeners {
            ports.push(listener?.local_addr()?.port());
        }
        Ok(Self { aws: ports[0], http: ports[1], meta: ports[2] })
    }

    /// The first of three ports in a row that nobody uses.
    pub(crate) fn free_row() -> anyhow::Result<u16> {
        let free = |port: &u16| Self::from(*port).is_ok_and(|ports| ports.check_free().is_ok());
        (20_000..60_000).step_by(100).find(free).context("no three free ports in a row")
    }

    fn check_free(self) -> anyhow::Result<()> {
        for (port, what) in [(self.aws, "AWS"), (self.http, "the HTTP API"), (self.meta, "Meta")] {
            if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                bail!("port {port}, meant for {what}, cannot be used: {error}. Choose others with --port");
            }
        }
        Ok(())
    }

    pub(crate) fn aws_url(self) -> String {
        format!("http://127.0.0.1:{}", self.aws)
    }

    pub(crate) fn http_url(self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    pub(crate) fn meta_url(self) -> String {
        format!("http://127.0.0.1:{}", self.meta)
    }
}

impl Options {
    /// With IAM enforced, whoever starts the emulator names its root user; without, anybody is anybody.
    pub(crate) const fn access_key_id(&self) -> &'static str {
        if self.iam { "AKIARECADOLOCALROOT0" } else { "test" }
    }

    pub(crate) const fn secret_access_key(&self) -> &'static str {
        if self.iam { "recado-local-root-secret" } else { "test" }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::new(self.access_key_id(), self.secret_access_key(), None, None, "xtask")
    }

    fn stack_file(&self) -> PathBuf {
        self.folder.join("stack.json")
    }

    /// Which tenants a kept state belongs to.
    pub(crate) fn kept_stack_file(&self) -> PathBuf {
        self.folder.join("kept/stack.json")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join("log").join(name)
    }
}

/// What stands in `run.json`: how to find a stack again.
#[derive(Debug, Serialize, Deserialize)]
struct RunFile {
    servers: Vec<Server>,
}

fn run_file(folder: &Path) -> PathBuf {
    folder.join("run.json")
}

/// A stack that is running. Stops when dropped, unless it is let go.
pub(crate) struct Running {
    folder: PathBuf,
    servers: Arc<Mutex<Vec<Server>>>,
    /// Stops everything on Ctrl-C.
    watch: JoinHandle<()>,
    let_go: bool,
}

impl Running {
    fn new(folder: &Path) -> Self {
        let servers = Arc::<Mutex<Vec<Server>>>::default();
        let (watched_folder, watched) = (folder.to_owned(), servers.clone());
        let watch = tokio::spawn(async move {
            interrupted().await;
            println!("\nStopping …");
            stop(&watched_folder, &watched);
            std::process::exit(130);
        });
        Self { folder: folder.to_owned(), servers, watch, let_go: false }
    }

    fn start(&self, name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Server> {
        let server = Server::start(name, command, log)?;
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.push(server.clone());
        fs::write(run_file(&self.folder), serde_json::to_vec_pretty(&RunFile { servers: servers.clone() })?)?;
        Ok(server)
    }

    pub(crate) fn servers(&self) -> Vec<Server> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn let_go(mut self) {
        self.let_go = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.watch.abort();
        if !self.let_go {
            stop(&self.folder, &self.servers);
        }
    }
}

/// Ctrl-C, or a polite request to end.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Stops the servers, the youngest first, and removes what says that they run.
fn stop(folder: &Path, servers: &Mutex<Vec<Server>>) {
    let mut servers = servers.lock().unwrap_or_else(PoisonError::into_inner);
    for server in servers.drain(..).rev() {
        server.stop();
    }
    let _ = fs::remove_file(folder.join("stack.json"));
    let _ = fs::remove_file(run_file(folder));
}

/// `cargo xtask up`.
pub(crate) async fn up(options: &Options, detach: bool) -> anyhow::Result<()> {
    if let Some(stack) = already_running(&options.folder) {
        println!("The local stack is running already. `cargo xtask down` stops it.\n");
        return introduce(&stack);
    }
    let begun = Instant::now();
    let (running, stack) = start(options).await?;
    println!("\nThe hub is up, after {:.0} s.\n", begun.elapsed().as_secs_f64());
    introduce(&stack)?;
    if detach {
        println!("\n`cargo xtask down` stops it.");
        running.let_go();
        return Ok(());
    }
    println!("\nCtrl-C stops it.");
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let servers = running.servers();
        if let Some(server) = servers.iter().find(|server| !server.is_running()) {
            // Another terminal may have said `down`.
            if !run_file(&options.folder).exists() {
                println!("Stopped.");
                return Ok(());
            }
            let log = options.log(&format!("{}.log", server.name));
            return Err(Failed::new(format!("the {} stopped by itself", server.name), &log).into());
        }
    }
}

/// `cargo xtask down`.
pub(crate) fn down(folder: &Path) -> anyhow::Result<()> {
    let Ok(text) = fs::read(run_file(folder)) else {
        println!("No local stack is running.");
        return Ok(());
    };
    let RunFile { servers } = serde_json::from_slice(&text).context("reading run.json")?;
    stop(folder, &Mutex::new(servers));
    println!("The local stack is stopped.");
    Ok(())
}

/// The servers of the stack that runs from this folder.
pub(crate) fn servers_of(folder: &Path) -> Vec<Server> {
    let text = fs::read(run_file(folder)).unwrap_or_default();
    let file: Option<RunFile> = serde_json::from_slice(&text).ok();
    file.map(|file| file.servers).unwrap_or_default()
}

/// The stack that runs from this folder, if one does. What is left of one that died is removed.
fn already_running(folder: &Path) -> Option<Stack> {
    let text = fs::read(run_file(folder)).ok()?;
    let RunFile { servers } = serde_json::from_slice(&text).ok()?;
    let stack = Stack::load(&folder.join("stack.json")).ok();
    if servers.iter().all(Server::is_running) && stack.is_some() {
        return stack;
    }
    stop(folder, &Mutex::new(servers));
    None
}

/// Brings a stack up.
pub(crate) async fn start(options: &Options) -> anyhow::Result<(Running, Stack)> {
    options.ports.check_free()?;
    fs::create_dir_all(options.folder.join("log"))?;
    // What an earlier run left behind; a state that was asked to be kept lies elsewhere.
    for leftover in ["emulator", "functions", "sam"] {
        let _ = fs::remove_dir_all(options.folder.join(leftover));
    }
    Tools::Emulator.install()?;
    Tools::Sam.install()?;
    let binaries = build::build(build::Profile::Dev, &options.log("build.log"))?;

    let running = Running::new(&options.folder);
    start_emulator(&running, options).await?;
    let in_the_emulator = |what: &str| Failed::new(what, &options.log("emulator.log"));
    let outputs = if options.sam {
        deploy::with_sam(options).await?
    } else {
        deploy::directly(options, &binaries).await.with_context(|| in_the_emulator("deploying template.yaml failed"))?
    };
    start_simulator(&running, options, &binaries).await?;

    let mut stack = describe(options, &outputs)?;
    check_webhook(&stack).await.with_context(|| in_the_emulator("the webhook does not answer as it should"))?;
    let tenants = seed::seed(&stack, options).await;
    stack.tenants = tenants.with_context(|| in_the_emulator("the demo tenants could not be registered"))?;
    write_function_settings(&stack, options).await?;
    let text = serde_json::to_vec_pretty(&stack)?;
    if options.keep {
        fs::write(options.kept_stack_file(), &text)?;
    }
    // Whoever waits for the file must never read half of it.
    let unfinished = options.folder.join("stack.json.new");
    fs::write(&unfinished, text)?;
    fs::rename(unfinished, options.stack_file())?;
    Ok((running, stack))
}

async fn start_emulator(running: &Running, options: &Options) -> anyhow::Result<()> {
    let step = Step::begin(format!("starting the AWS emulator on {}", options.ports.aws_url()));
    let work = options.folder.join("emulator");
    fs::create_dir_all(&work)?;
    let log = options.log("emulator.log");
    let mut command = Command::new(Tools::Emulator.program("python"));
    command
        .arg(repository().join("infra/emulator/launch.py"))
        .env("GATEWAY_PORT", options.ports.aws.to_string())
        .env("FRONT_DOOR_PORT", options.ports.http.to_string())
        .env("FRONT_DOOR_API", format!("{}-http", deploy::STACK_NAME))
        .env("AWS_ENDPOINT_URL", options.ports.aws_url())
        .env("IOT_MTLS_ENABLED", "0")
        .env("PYTHONUNBUFFERED", "1")
        .env("TMPDIR", &work)
        .env("STATE_DIR", work.join("state"))
        .env("S3_DATA_DIR", work.join("s3"))
        .env("MINISTACK_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", options.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", options.secret_access_key())
        .env("AUTH", options.iam.to_string());
    if options.keep {
        let kept = options.folder.join("kept");
        fs::create_dir_all(&kept)?;
        command.env("PERSIST_STATE", "1").env("STATE_DIR", kept.join("state"));
        command.env("S3_PERSIST", "1").env("S3_DATA_DIR", kept.join("s3"));
    }
    let server = running.start("emulator", &mut command, &log)?;
    wait_until_it_answers(&server, &format!("{}/_ministack/health", options.ports.aws_url()), &log).await?;
    step.done();
    Ok(())
}

async fn start_simulator(running: &Running, options: &Options, binaries: &Path) -> anyhow::Result<()> {
    let step = Step::begin(format!("starting the Meta simulator on {}", options.ports.meta_url()));
    let log = options.log("simulator.log");
    let mut command = Command::new(binaries.join("simulator"));
    command
        .args(["--port", &options.ports.meta.to_string(), "--app-secret", seed::APP_SECRET])
        .args(["--webhook-url", &format!("{}/api/whatsapp/webhook", options.ports.http_url())]);
    if options.for_tests {
        command.args(["--status-delay-ms", "50", "--retry-ms", "200"]);
    }
    let server = running.start("simulator", &mut command, &log)?;
    wait_until_it_answers(&server, &format!("{}/control/sent", options.ports.meta_url()), &log).await?;
    step.done();
    Ok(())
}

async fn wait_until_it_answers(server: &Server, url: &str, log: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let http = http();
    loop {
        if http.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        ensure!(server.is_running(), Failed::new(format!("the {} stopped while starting", server.name), log));
        ensure!(Instant::now() < deadline, Failed::new(format!("the {} does not answer at {url}", server.name), log));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The stack as its outputs describe it; without tenants yet.
fn describe(options: &Options, outputs: &HashMap<String, String>) -> anyhow::Result<Stack> {
    let output = |name: &str| outputs.get(name).cloned().with_context(|| format!("the stack has no output {name}"));
    let mut queues = BTreeMap::new();
    let mut dead_letter_queues = BTreeMap::new();
    for name in ["messages", "statuses", "account", "media", "outbound", "outbound_bulk"] {
        let camel: String = name.split('_').map(capitalised).collect();
        queues.insert(name.to_owned(), outputs.get(&format!("{camel}QueueUrl")).cloned());
        dead_letter_queues.insert(name.to_owned(), outputs.get(&format!("{camel}DeadLettersUrl")).cloned());
    }
    let api_url = options.ports.http_url();
    Ok(Stack {
        version: 1,
        aws: Aws {
            endpoint: options.ports.aws_url(),
            region: REGION.to_owned(),
            access_key_id: options.access_key_id().to_owned(),
            secret_access_key: options.secret_access_key().to_owned(),
            stack_name: deploy::STACK_NAME.to_owned(),
            table: output("TableName")?,
            media_bucket: Some(output("MediaBucketName")?),
            intake_bucket: output("IntakeBucketName")?,
            queues,
            dead_letter_queues,
        },
        webhook_url: format!("{api_url}/api/whatsapp/webhook"),
        api_url,
        websocket_url: None,
        console_url: None,
        auth: Auth { user_pool_id: output("UserPoolId")?, client_id: output("UserPoolClientId")? },
        meta: Meta {
            graph_url: options.ports.meta_url(),
            control_url: options.ports.meta_url(),
            app_secret: seed::APP_SECRET.to_owned(),
            verify_token: seed::VERIFY_TOKEN.to_owned(),
        },
        tenants: Vec::new(),
    })
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

/// Verifies the webhook as Meta does when it is set up.
async fn check_webhook(stack: &Stack) -> anyhow::Result<()> {
    let query = [("hub.mode", "subscribe"), ("hub.challenge", "42"), ("hub.verify_token", &stack.meta.verify_token)];
    let answer = http().get(&stack.webhook_url).query(&query).send().await.context("asking the webhook")?;
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status == 200 && text == "42", "the webhook does not answer Meta's verification: {status} {text}");
    Ok(())
}

/// Writes the functions' settings to a file, so that `cargo lambda watch` can run one beside the stack.
async fn write_function_settings(stack: &Stack, options: &Options) -> anyhow::Result<()> {
    let lambda = aws_sdk_lambda::Client::new(&stack.sdk_config());
    let mut settings = BTreeMap::from([
        ("AWS_ENDPOINT_URL".to_owned(), stack.aws.endpoint.clone()),
        ("AWS_REGION".to_owned(), stack.aws.region.clone()),
        ("AWS_ACCESS_KEY_ID".to_owned(), stack.aws.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), stack.aws.secret_access_key.clone()),
    ]);
    for name in build::functions() {
        let full_name = format!("{}-{name}", stack.aws.stack_name);
        let answer = lambda.get_function_configuration().function_name(full_name).send().await;
        let answer = answer.with_context(|| format!("asking for the settings of {name}"))?;
        settings.extend(answer.environment.and_then(|environment| environment.variables).unwrap_or_default());
    }
    // Quoted, because cargo-lambda refuses an unquoted value with `=` in it.
    let lines: String = settings.into_iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    fs::write(options.folder.join("functions.env"), lines)?;
    Ok(())
}

/// Says where everything is, and what to do first.
fn introduce(stack: &Stack) -> anyhow::Result<()> {
    let tenant = stack.tenants.first().context("the stack has no tenant")?;
    println!("  API        {}/api/whatsapp/…", stack.api_url);
    println!("  webhook    {}", stack.webhook_url);
    println!("  Meta       {}/control/…  (simulated)", stack.meta.control_url);
    println!("  AWS        {}  (emulated, region {})", stack.aws.endpoint, stack.aws.region);
    for tenant in &stack.tenants {
        let people: Vec<_> = tenant.users.iter().map(|user| format!("{} ({})", user.email, user.role)).collect();
        println!("  tenant     {}, number {}: {}", tenant.name, tenant.phone_number_id, people.join(", "));
    }
    println!("  all of it  .local/stack.json\n");
    println!("Try this: a customer writes, and the conversation appears.\n");
    println!("  curl -s {}/control/inbound -H 'content-type: application/json' \\", stack.meta.control_url);
    println!(
        "    -d '{{\"phone_number_id\":\"{}\",\"from\":\"5491155551234\",\"name\":\"Lucía\",\"text\":\"¡Hola! Se rompió el termotanque\"}}'",
        tenant.phone_number_id
    );
    println!(
        "  curl -s {}/api/whatsapp/conversations -H \"authorization: Bearer $(cargo xtask token)\"",
        stack.api_url
    );
    Ok(())
}

/// `sam validate --lint` and `cfn-lint`.
pub(crate) fn lint_template(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder.join("log"))?;
    Tools::Sam.install()?;
    let mut sam = Command::new(Tools::Sam.program("sam"));
    sam.current_dir(repository()).env("SAM_CLI_TELEMETRY", "0");
    sam.args(["validate", "--lint", "--template", "template.yaml", "--region", REGION]);
    run_quietly("sam validate --lint", &mut sam, &folder.join("log/sam-validate.log"))?;
    let mut cfn = Command::new(Tools::Sam.program("cfn-lint"));
    cfn.current_dir(repository()).arg("template.yaml");
    run_quietly("cfn-lint", &mut cfn, &folder.join("log/cfn-lint.log"))
}
