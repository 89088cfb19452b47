//! Lambda and AWS plumbing.
//!
//! - [`settings`] is the only reader of the environment.
//! - [`telemetry`] sets up structured logs.
//! - [`apps`] knows the Meta apps whose webhooks are taken.
//! - [`aws`] is the one SDK configuration of a process.
//! - [`batch`] runs queue batches: each unit on its own, failures reported one by one.
//! - [`bucket`] keeps files: streams go in part by part, signed links lead to them.
//! - [`metrics`] counts what happens during a run, for one line of the log.
//! - [`intake`] is the bucket for webhook events too large for a queue message or an item.
//! - [`queue`] puts messages on a queue and checks that each was taken.
//! - [`secret`] keeps a Secrets Manager document at hand.
//! - [`vault`] encrypts and decrypts a tenant's tokens with KMS.
//! - [`clock`] is the time, or a test's idea of it.
//!
//! **Invariants:** knows no Meta JSON and no table. Clients are concrete; tests replace the wire.

pub mod apps;
pub mod aws;
pub mod batch;
pub mod bucket;
pub mod clock;
pub mod intake;
pub mod metrics;
pub mod queue;
pub mod secret;
pub mod settings;
pub mod telemetry;
pub mod vault;
