//! Deploying `template.yaml` to the emulator.

use crate::build::{digest, functions, package};
use crate::lifecycle::Options;
use crate::process::run_quietly;
use crate::python::Tools;
use crate::report::Step;
use anyhow::{Context, bail};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use aws_sdk_cloudformation::types::{Capability, Parameter};
use aws_sdk_s3::primitives::ByteStream;
use recado_testkit::aws::client_config_as;
use recado_testkit::template::{self, repository};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The name of the CloudFormation stack.
pub(crate) const STACK_NAME: &str = "recado";

/// Where the packages of the functions are put for CloudFormation to find.
const CODE_BUCKET: &str = "recado-code";

/// What the template is given.
pub(crate) fn parameters(options: &Options) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("AppSecret", crate::seed::APP_SECRET.to_owned()),
        ("VerifyToken", crate::seed::VERIFY_TOKEN.to_owned()),
        ("Architecture", if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }.to_owned()),
        ("Environment", "local".to_owned()),
        ("GraphBaseUrl", options.ports.meta_url()),
        ("PublicUrl", options.ports.http_url()),
        ("VisibilityTimeoutSeconds", if options.for_tests { "2" } else { "60" }.to_owned()),
        // Tests ask faster than any person.
        ("TenantRequestsPerSecond", if options.for_tests { "5000" } else { "50" }.to_owned()),
        ("MediaVisibilityTimeoutSeconds", if options.for_tests { "2" } else { "60" }.to_owned()),
    ])
}

/// Deploys the built binaries with CloudFormation directly: what takes SAM ten seconds takes one.
pub(crate) async fn directly(options: &Options, binaries: &Path) -> anyhow::Result<HashMap<String, String>> {
    let step = Step::begin("deploying template.yaml");
    let config = client_config_as(&options.ports.aws_url(), crate::lifecycle::REGION, options.credentials());
    let s3_config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(s3_config);
    if s3.head_bucket().bucket(CODE_BUCKET).send().await.is_err() {
        s3.create_bucket().bucket(CODE_BUCKET).send().await.context("making a bucket for the functions")?;
    }
    let mut template = template::load();
    for name in functions() {
        let bootstrap = bootstrap(&name, binaries, &options.folder)?;
        let key = format!("{name}-{}.zip", digest(&bootstrap));
        let body = ByteStream::from(package(&bootstrap)?);
        s3.put_object().bucket(CODE_BUCKET).key(&key).body(body).send().await.context("uploading a function")?;
        set_code(&mut template, &name, &key);
    }
    // CloudFormation takes 50 KB in a call, and twenty times as much from a bucket.
    let template = template.to_string().into_bytes();
    let key = format!("template-{}.json", digest(&template));
    s3.put_object()
        .bucket(CODE_BUCKET)
        .key(&key)
        .body(template.into())
        .send()
        .await
        .context("uploading the template")?;
    let client = Client::new(&config);
    apply(&client, format!("{}/{CODE_BUCKET}/{key}", options.ports.aws_url()), options).await?;
    let outputs = outputs(&client).await?;
    step.done();
    Ok(outputs)
}

/// What the emulator is to run as a function: a script that starts a copy of the built binary.
///
/// The emulator keeps every package in memory, and unoptimised binaries are large. The copy is named by
/// its content, so that a later build cannot change a function that is running.
fn bootstrap(name: &str, binaries: &Path, folder: &Path) -> anyhow::Result<Vec<u8>> {
    let binary = binaries.join(name);
    let content = fs::read(&binary).with_context(|| format!("reading {}", binary.display()))?;
    let copies = folder.join("functions");
    fs::create_dir_all(&copies)?;
    let copy = copies.join(format!("{name}-{}", digest(&content)));
    if !copy.exists() {
        fs::copy(&binary, &copy).with_context(|| format!("writing {}", copy.display()))?;
    }
    let quoted = copy.display().to_string().replace('\'', "'\\''");
    Ok(format!("#!/bin/sh\nexec '{quoted}'\n").into_bytes())
}

fn set_code(template: &mut Value, name: &str, key: &str) {
    let resources = template["Resources"].as_object_mut().into_iter().flatten();
    for (_, resource) in resources {
        if resource.pointer("/Metadata/BuildProperties/Binary").and_then(Value::as_str) == Some(name) {
            resource["Properties"]["CodeUri"] = json!({"Bucket": CODE_BUCKET, "Key": key});
        }
    }
}

/// Creates the stack, or updates it if it is there.
async fn apply(client: &Client, template: String, options: &Options) -> anyhow::Result<()> {
    let parameters: Vec<_> = parameters(options)
        .into_iter()
        .map(|(name, value)| Parameter::builder().parameter_key(name).parameter_value(value).build())
        .collect();
    let exists = client.describe_stacks().stack_name(STACK_NAME).send().await.is_ok();
    let capabilities = [Capability::CapabilityIam, Capability::CapabilityAutoExpand].to_vec();
    if exists {
        let update = client
            .update_stack()
            .stack_name(STACK_NAME)
            .template_url(template)
            .set_parameters(Some(parameters))
            .set_capabilities(Some(capabilities));
        match update.send().await {
            Ok(_) => {}
            Err(error) if error.message().is_some_and(|message| message.contains("No updates")) => return Ok(()),
            Err(error) => return Err(error).context("updating the stack"),
        }
    } else {
        let create = client
            .create_stack()
            .stack_name(STACK_NAME)
            .template_url(template)
            .set_parameters(Some(parameters))
            .set_capabilities(Some(capabilities));
        create.send().await.context("creating the stack")?;
    }
    settled(client).await
}

/// Waits until the stack is what it was asked to be.
async fn settled(client: &Client) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let answer = client.describe_stacks().stack_name(STACK_NAME).send().await.context("asking for the stack")?;
        let stack = answer.stacks().first().context("the stack is not there")?;
        let status = stack.stack_status().map_or("?", |status| status.as_str()).to_owned();
        match status.as_str() {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" => return Ok(()),
            "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
                if Instant::now() < deadline =>
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            _ => {
                let reason = stack.stack_status_reason().unwrap_or("no reason given");
                bail!("{status}: {reason}{}", reasons(client).await);
            }
        }
    }
}

/// Which resources could not be made, and why.
async fn reasons(client: &Client) -> String {
    let Ok(events) = client.describe_stack_events().stack_name(STACK_NAME).send().await else { return String::new() };
    let failed = events.stack_events().iter().filter_map(|event| {
        let status = event.resource_status()?.as_str();
        let reason = event.resource_status_reason()?;
        status.ends_with("FAILED").then(|| format!("\n  {}: {reason}", event.logical_resource_id().unwrap_or("?")))
    });
    failed.collect()
}

async fn outputs(client: &Client) -> anyhow::Result<HashMap<String, String>> {
    let answer = client.describe_stacks().stack_name(STACK_NAME).send().await.context("asking for the stack")?;
    let stack = answer.stacks().first().context("the stack is not there")?;
    let pair = |output: &aws_sdk_cloudformation::types::Output| {
        Some((output.output_key()?.to_owned(), output.output_value()?.to_owned()))
    };
    Ok(stack.outputs().iter().filter_map(pair).collect())
}

/// Deploys as on AWS: `sam build`, then `sam deploy`.
pub(crate) async fn with_sam(options: &Options) -> anyhow::Result<HashMap<String, String>> {
    let build_folder = options.folder.join("sam");
    let overrides: Vec<_> = parameters(options)
        .into_iter()
        .map(|(name, value)| format!("ParameterKey={name},ParameterValue={value}"))
        .collect();
    let sam = || -> anyhow::Result<Command> {
        let mut sam = Command::new(Tools::Sam.program("sam"));
        sam.current_dir(repository())
            .env("PATH", Tools::Sam.path()?)
            .env("SAM_CLI_TELEMETRY", "0")
            .env("AWS_ENDPOINT_URL", options.ports.aws_url())
            .env("AWS_ACCESS_KEY_ID", options.access_key_id())
            .env("AWS_SECRET_ACCESS_KEY", options.secret_access_key())
            .env("AWS_DEFAULT_REGION", crate::lifecycle::REGION);
        Ok(sam)
    };
    let step = Step::begin("sam build (for release, unless SAM_BUILD_MODE=debug; it takes minutes)");
    let mut build = sam()?;
    if options.for_tests {
        build.env("SAM_BUILD_MODE", "debug");
    }
    build.args(["build", "--template", "template.yaml", "--build-dir"]).arg(&build_folder);
    build.arg("--parameter-overrides").args(&overrides);
    run_quietly("sam build", &mut build, &options.folder.join("log/sam-build.log"))?;
    step.done();

    let step = Step::begin("sam deploy");
    let mut deploy = sam()?;
    deploy.args(["deploy", "--stack-name", STACK_NAME, "--resolve-s3", "--no-confirm-changeset"]);
    deploy.args(["--no-fail-on-empty-changeset", "--capabilities", "CAPABILITY_IAM", "--template-file"]);
    deploy.arg(build_folder.join("template.yaml")).arg("--parameter-overrides").args(&overrides);
    run_quietly("sam deploy", &mut deploy, &options.folder.join("log/sam-deploy.log"))?;
    step.done();

    let config = client_config_as(&options.ports.aws_url(), crate::lifecycle::REGION, options.credentials());
    outputs(&Client::new(&config)).await
}
