//! What the stories and the chaos run share.
//!
//! - [`proxy`] stands between the functions and the AWS emulator, and lets calls go wrong.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

pub mod proxy;
