//! Everything at once: many instances of the workers' own code on real queues and a real table, with
//! calls that fail before or after their effect, batches in any order, duplicates, and instances that
//! are killed in the middle. Afterwards what is stored is compared with what was sent.
//!
//! A run is drawn from a seed. The seed decides what is sent and what goes wrong; the moments at which
//! it does are the machine's, so a seed that failed fails again likely, not surely.

mod driver;
mod files;
mod plan;
mod report;
mod verdict;

pub use report::Report;

use crate::stack;
use driver::Driver;
use plan::Plan;
use serde_json::json;
use std::time::Duration;

/// What a run is made of.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Decides everything that chance decides.
    pub seed: u64,
    /// How many messages customers send.
    pub inbound: usize,
    /// How many replies agents write.
    pub outbound: usize,
    /// Of how many calls to AWS something goes wrong, from 0 to 1.
    pub faults: f64,
    /// How many of the runs of an instance are cut short, from 0 to 1.
    pub kills: f64,
    /// How long the run may take before what is left counts as unfinished.
    pub patience: Duration,
}

/// How many tenants share the table.
const TENANTS: usize = 3;

/// Of how many transactions each is held besides. More than of other calls goes wrong, because what was decided before
/// two contacts became one and is written after it would be too rare.
const HELD: f64 = 0.1;

/// One in so many messages brings a file.
const FILES: usize = 20;

/// Runs it, on the running stack.
pub async fn run(options: &Options) -> Report {
    let driver = Driver::new(options.seed, TENANTS, options.kills).await;
    let files = driver.files(options.inbound / FILES).await;
    let Options { seed, inbound, outbound, .. } = *options;
    let plan = Plan::new(seed, inbound, outbound, files, &driver.occupants, driver.lab.now());
    let stack = stack();
    for occupant in &driver.occupants {
        // Now and then Meta takes a message, and the answer is lost.
        for (kind, count) in
            [("drop_after_accept", options.outbound / 30), ("error_after_accept", options.outbound / 30)]
        {
            let fault = json!({"phone_number_id": occupant.number.as_str(), "kind": kind, "count": count});
            stack.control_post("/faults", &fault).await;
        }
    }
    driver.proxy.storm(options.faults);
    driver.proxy.hold(HELD);
    let (left, ()) = tokio::join!(
        async {
            let left = tokio::time::timeout(options.patience, async {
                tokio::join!(driver.post_all(&plan.bodies), driver.reply_all(&plan.customers));
                driver.settled(options.patience).await
            });
            let left = match left.await {
                Ok(left) => left,
                // Whoever posts or replies was not done; and this is what waits besides.
                Err(_) => 1 + driver.settled(Duration::ZERO).await,
            };
            driver.end();
            left
        },
        driver.work()
    );
    let calls = driver.proxy.calls();
    driver.proxy.calm();
    let mut report = verdict::of(&driver, &plan).await;
    report.unfinished += left;
    report.calls = calls.values().map(|calls| calls.made).sum();
    report.faults = calls.values().flat_map(|calls| calls.faults.values()).sum();
    report
}
