//! Building the functions, and packing them for Lambda.

use crate::process::run_shown;
use crate::report::Step;
use anyhow::Context;
use recado_testkit::template::{self, repository};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The functions that the template deploys, by the name of their binary.
pub(crate) fn functions() -> Vec<String> {
    let template = template::load();
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources
        .filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function")
        .filter_map(|(_, resource)| resource.pointer("/Metadata/BuildProperties/Binary")?.as_str().map(str::to_owned))
        .collect()
}

/// The way Cargo is to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quickly; shared with the tests.
    Dev,
    /// As it runs on AWS.
    Release,
}

/// Builds all functions and the simulator in one Cargo invocation. Returns where the binaries are.
pub(crate) fn build(profile: Profile, log: &Path) -> anyhow::Result<PathBuf> {
    let functions = functions();
    let step =
        Step::begin(format!("building {} functions and the simulator (the first time takes minutes)", functions.len()));
    let mut cargo = cargo();
    cargo.arg("build");
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    for package in functions.iter().map(String::as_str).chain(["simulator"]) {
        cargo.args(["--package", package]);
    }
    run_shown("building", &mut cargo, log)?;
    step.done();
    Ok(target_folder()?.join(match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    }))
}

/// Cargo, in the repository.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(repository());
    cargo
}

/// Where Cargo builds; it may be set by the environment or by a configuration file.
pub(crate) fn target_folder() -> anyhow::Result<PathBuf> {
    let output = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output().context("running cargo")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("reading what cargo says of itself")?;
    let folder = metadata["target_directory"].as_str().context("cargo did not say where it builds")?;
    Ok(folder.into())
}

/// Packs a file as Lambda takes it: a zip archive with one executable named `bootstrap`.
pub(crate) fn package(bootstrap: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755))?;
    zip.write_all(bootstrap)?;
    Ok(zip.finish()?.into_inner())
}

/// A few characters that name a content.
pub(crate) fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
