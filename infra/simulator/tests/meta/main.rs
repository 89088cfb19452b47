//! The simulator as the hub and its tests see it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod account;
mod faults;
mod media;
mod sending;
mod sim;
mod templates;
mod webhooks;
