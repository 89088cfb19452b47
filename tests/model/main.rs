//! Two promises, tried on thousands of cases without any server: whatever the order of what Meta sends, it
//! ends the same ([`order`]); and whatever a tenant says, it reaches no other tenant ([`foreign`]).
//!
//! The handlers, the store and the AWS clients are the real ones. Only what the clients send does not leave
//! the process: an embedded DynamoDB answers it, with the table of `template.yaml` ([`wire`]).
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(clippy::print_stdout, reason = "the closing lines say how much was tried")]

mod conversations;
mod foreign;
mod hub;
mod order;
mod state;
mod wire;

/// How many cases, or seconds of cases, a test is to try: what the environment says, for a longer look, or so many.
pub(crate) fn how_many(variable: &str, otherwise: u32) -> u32 {
    #[allow(clippy::disallowed_methods, reason = "the test command says how long to look")]
    std::env::var(variable).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}
