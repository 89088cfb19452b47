//! Meta's WhatsApp Cloud API, both directions.
//!
//! - [`signature`] turns the raw bytes of a webhook into verified bytes, or refuses them. Nothing
//!   is parsed before.
//! - [`webhook`] splits verified bytes into single items and reads each item leniently.
//! - [`envelope`] is the form in which an item travels on a queue.
//! - [`graph`] sends, and says honestly what became of a send.
//!
//! Shapes and limits come from Meta's documentation as of Graph v26.0 (November 2026).
//!
//! **Invariants:** only this crate knows Meta's JSON. It knows no AWS, no table and no clock.

pub mod envelope;
pub mod graph;
pub mod signature;
pub mod webhook;
