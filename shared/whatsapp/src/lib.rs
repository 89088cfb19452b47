//! Meta's WhatsApp Cloud API, both directions.
//!
//! - [`signature`] turns the raw bytes of a webhook into verified bytes, or refuses them. Nothing
//!   is parsed before.
//! - [`webhook`] splits verified bytes into single items and reads each item leniently.
//! - [`envelope`] is the form in which an item travels on a queue.
//! - [`template`] defines message templates, and judges them and what fills them before Meta does.
//! - [`media`] knows what Meta takes as a picture, a voice note or a document.
//! - [`graph`] sends, and says honestly what became of a send.
//!
//! Shapes and limits come from Meta's documentation as of Graph v26.0 (November 2026).
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
