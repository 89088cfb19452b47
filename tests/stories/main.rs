//! What the hub does as a whole, told on a running local stack.
//!
//! The stories run side by side on one stack; each brings its own tenants, so none sees another's data.
//! `cargo xtask test` brings the stack up and says where it is in `RECADO_STACK`; without that, the one
//! of `cargo xtask up` is used.
#![allow(clippy::unwrap_used, reason = "a story stops at the first surprise")]

mod account;
mod api;
mod assignment;
mod changes;
mod cost;
mod customers;
mod edits;
mod events;
mod guards;
mod identities;
mod inbox;
mod ingest;
mod logs;
mod media;
mod merging;
mod metrics;
mod onboarding;
mod people;
mod preferences;
mod quiet;
mod races;
mod recycled;
mod replay;
mod requests;
mod rights;
mod round_trip;
mod samples;
mod search;
mod sending;
mod sweep;
mod template;
mod unread;
mod webhook;
mod world;
