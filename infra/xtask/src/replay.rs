//! `cargo xtask replay` and `cargo xtask redrive`: what came once comes again.

use anyhow::{Context, bail, ensure};
use recado_testkit::redrive;
use recado_testkit::stack::{Stack, Tenant};
use serde_json::json;

/// What `cargo xtask replay` is to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// Whose events: a tenant's id or name. Every demo tenant's, if missing.
    #[arg(long)]
    tenant: Option<String>,
    /// Only what was received at or after this time, such as 2026-11-20T09:00:00Z.
    #[arg(long)]
    from: Option<String>,
    /// Only what was received before this time.
    #[arg(long)]
    to: Option<String>,
    /// What is parked instead of everything that is in the webhook log.
    #[arg(long)]
    parked: bool,
}

/// What `cargo xtask redrive` is to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Redrive {
    /// Which queue's dead letters; those of every queue, if missing.
    #[arg(long)]
    queue: Option<String>,
    /// Move them. Without this, they are only counted.
    #[arg(long)]
    run: bool,
}

/// Asks the API to put events back on their queues, tenant by tenant.
pub(crate) async fn replay(stack: &Stack, asked: &Replay) -> anyhow::Result<()> {
    let wanted = |tenant: &&Tenant| {
        asked.tenant.as_ref().is_none_or(|wanted| *wanted == tenant.tenant_id || *wanted == tenant.name)
    };
    let tenants: Vec<_> = stack.tenants.iter().filter(wanted).collect();
    ensure!(!tenants.is_empty(), "the stack has no such tenant");
    let path = if asked.parked { "/parked/replay" } else { "/webhook-logs/replay" };
    for tenant in tenants {
        let admin = tenant.users.iter().find(|user| user.role == "admin");
        let admin = admin.with_context(|| format!("{} has no administrator", tenant.name))?;
        let token = stack.sign_in(&admin.email, &admin.password).await.map_err(anyhow::Error::msg)?;
        let mut request = json!({"from": asked.from, "to": asked.to});
        let mut replayed = 0;
        loop {
            let answer = stack.post(&token, path, &request).await;
            if answer.status != 202 {
                bail!("{}: {} {}", tenant.name, answer.status, answer.body["error"]["message"]);
            }
            replayed += answer.body["replayed"].as_u64().unwrap_or_default();
            if answer.body["nextCursor"].is_null() {
                break;
            }
            request["cursor"] = answer.body["nextCursor"].clone();
        }
        println!("{}: {replayed} events put back on their queues", tenant.name);
    }
    Ok(())
}

/// Counts dead letters and, if told to, moves them back.
pub(crate) async fn redrive(stack: &Stack, asked: &Redrive) -> anyhow::Result<()> {
    let client = aws_sdk_sqs::Client::new(&stack.sdk_config());
    let wanted = |name: &str| asked.queue.as_deref().is_none_or(|wanted| wanted == name);
    let mut seen = 0;
    for (name, dead) in stack.aws.dead_letter_queues.iter().filter(|(name, _)| wanted(name)) {
        let (Some(dead), Some(Some(queue))) = (dead, stack.aws.queues.get(name)) else { continue };
        seen += 1;
        let letters = redrive::count(&client, dead).await.with_context(|| format!("counting those of {name}"))?;
        if asked.run {
            let moved =
                redrive::redrive(&client, dead, queue).await.with_context(|| format!("moving those of {name}"))?;
            let left = redrive::count(&client, dead).await.with_context(|| format!("counting those of {name}"))?;
            println!("{name}: {letters} dead letters, {moved} moved, {left} left");
        } else {
            println!("{name}: {letters} dead letters");
        }
    }
    ensure!(seen > 0, "the stack has no such queue");
    if !asked.run {
        println!("Nothing was moved. `--run` moves them back to their queues.");
    }
    Ok(())
}
