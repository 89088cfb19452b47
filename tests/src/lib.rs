//! What the stories and the chaos run share.
//!
//! - [`chaos`] runs everything at once, with faults, and counts what is lost or done twice.
//! - [`cost`] counts what a message costs in calls to AWS.
//! - [`lab`] runs the workers' own code here, on a table of a test's own and with a clock that it sets.
//! - [`proxy`] stands between the functions and the AWS emulator, and lets calls go wrong.
//! - [`queues`] are a lab's own, with a webhook in front of them.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

pub mod chaos;
pub mod cost;
pub mod lab;
pub mod proxy;
pub mod queues;

use recado_testkit::stack::Stack;
use recado_testkit::template::repository;
use std::path::PathBuf;

/// The running stack.
pub fn stack() -> Stack {
    #[allow(clippy::disallowed_methods, reason = "the test command says where the stack is")]
    let path = std::env::var_os("RECADO_STACK").map_or_else(|| repository().join(".local/stack.json"), PathBuf::from);
    Stack::load(&path).unwrap_or_else(|error| {
        panic!("the stories need a running stack, and {}: {error}. Run `cargo xtask test`", path.display())
    })
}

/// Digits that nobody else uses.
pub fn fresh_digits() -> String {
    format!("9{:014}", rand::random::<u64>() % 100_000_000_000_000)
}
