#![doc = include_str!("../README.md")]
//!
//! **Invariants:** only this crate knows Meta's JSON. It knows no AWS, no table and no clock.

pub mod envelope;
pub mod graph;
mod invalid;
pub mod media;
pub mod signature;
pub mod template;
pub mod webhook;

pub use invalid::Invalid;
