//! For tests and `cargo xtask` only.
//!
//! - [`samples`]: what Meta sends.
//! - [`stack`]: a running local stack, as `stack.json` describes it.
//! - [`template`]: the deployment's template, as data.
//! - [`aws`]: clients for a server on this machine.
#![allow(clippy::unwrap_used, reason = "this crate only serves tests, which stop at the first surprise")]

pub mod aws;
pub mod samples;
pub mod stack;
pub mod template;
