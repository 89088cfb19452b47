//! For tests and `cargo xtask` only.
//!
//! - [`samples`]: what Meta sends.
//! - `stack`: a running local stack, as `stack.json` describes it.
//! - `template`: the deployment's template, as data.
//! - `redrive`: from a dead-letter queue back to the queue it serves.
//! - `aws`: clients for a server on this machine.
//!
//! All but the samples come with the feature `stack`.
#![allow(clippy::unwrap_used, reason = "this crate only serves tests, which stop at the first surprise")]

#[cfg(feature = "stack")]
pub mod aws;
#[cfg(feature = "stack")]
pub mod redrive;
pub mod samples;
#[cfg(feature = "stack")]
pub mod stack;
#[cfg(feature = "stack")]
pub mod template;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Base64, as Lambda writes binary bodies.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Base64 as tokens use it.
pub fn base64_url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
