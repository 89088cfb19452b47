//! The Bruno collection in `docs/bruno`: written from the API's document, and run against a local stack.
//!
//! One request for each operation, with the document's own example and an assertion on its answer. A request
//! that finds things keeps the id of the first, for the requests that need one: what `GET …/conversations`
//! finds is `{{conversations}}` in every path that has `conversations/{id}`.

mod collection;

use crate::process::{install_once, run_quietly};
use crate::report::Step;
use crate::seed;
use anyhow::Context;
use recado_testkit::stack::Stack;
use recado_testkit::template::repository;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bruno's command line, from npm.
const CLIENT: &str = "@usebruno/cli@4.1.0";

/// The oldest Node.js that it runs on.
const OLDEST_NODE: u32 = 20;

fn folder() -> PathBuf {
    repository().join("docs/bruno")
}

fn document() -> anyhow::Result<Value> {
    let text = fs::read_to_string(repository().join("functions/api/openapi.json"))?;
    serde_json::from_str(&text).context("reading openapi.json")
}

/// Writes the collection anew.
pub(crate) fn write() -> anyhow::Result<()> {
    let _ = fs::remove_dir_all(folder());
    for (name, text) in collection::files(&document()?)? {
        let path = folder().join(name);
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// Makes every request of the collection once, each of which says what its answer must be. Without Node.js,
/// which nothing else needs, says so and does nothing.
pub(crate) async fn run(stack: &Stack, local: &Path) -> anyhow::Result<()> {
    if !node_is_there() {
        println!("▸ the Bruno collection is not run: that needs npm and Node.js {OLDEST_NODE} or newer");
        return Ok(());
    }
    let program = install()?;
    let variables = [
        ("api", stack.api("")),
        ("meta", stack.meta.control_url.clone()),
        ("token", seed::access_token(stack, None).await?),
        ("deploymentToken", seed::access_token(stack, Some(seed::DEPLOYMENT_ADMIN)).await?),
    ];
    let step = Step::begin(format!("the Bruno collection, {} requests", requests()?));
    let mut client = Command::new("node");
    client.arg(program).args(["run", "--env", "local"]).current_dir(folder());
    for (name, value) in variables {
        client.arg("--env-var").arg(format!("{name}={value}"));
    }
    run_quietly("the Bruno collection", &mut client, &local.join("log/bruno.log"))?;
    step.done();
    Ok(())
}

fn requests() -> anyhow::Result<usize> {
    let names = collection::files(&document()?)?.into_keys();
    Ok(names.filter(|name| name.ends_with(".bru") && name != "collection.bru" && !name.contains('/')).count())
}

fn node_is_there() -> bool {
    let told = |program| Command::new(program).arg("--version").output().ok().map(|output| output.stdout);
    let major = |text: Vec<u8>| String::from_utf8(text).ok()?.trim_start_matches('v').split('.').next()?.parse().ok();
    told("npm").is_some() && told("node").and_then(major).is_some_and(|major: u32| major >= OLDEST_NODE)
}

/// Installs the client, unless exactly this one is installed already.
fn install() -> anyhow::Result<PathBuf> {
    let home = repository().join(".local/npm");
    install_once(&home, CLIENT, || {
        let step = Step::begin(format!("installing {CLIENT} (once)"));
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(&home).arg(CLIENT);
        run_quietly("installing Bruno's command line", &mut npm, &home.with_extension("log"))?;
        step.done();
        Ok(())
    })?;
    Ok(home.join("node_modules/@usebruno/cli/bin/bru.js"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_collection_is_the_one_that_follows_from_the_document() {
        let wanted = collection::files(&document().unwrap()).unwrap();
        for (name, text) in &wanted {
            let committed = fs::read_to_string(folder().join(name)).unwrap_or_default();
            assert!(
                committed == *text,
                "docs/bruno/{name} is not what follows from openapi.json: run `cargo xtask openapi`"
            );
        }
        let mut committed = 0;
        for inside in [folder(), folder().join("environments")] {
            committed += fs::read_dir(inside).unwrap().filter(|file| file.as_ref().unwrap().path().is_file()).count();
        }
        assert_eq!(
            committed,
            wanted.len(),
            "docs/bruno holds files that no operation needs: run `cargo xtask openapi`"
        );
    }
}
