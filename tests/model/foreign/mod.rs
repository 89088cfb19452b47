//! Whatever a tenant says, it reaches no other tenant.
//!
//! Fifty tenants, each with an app of its own, and things of every kind. One of them takes ids of another into its
//! webhooks ([`webhooks`]: signed by its own app) and into its requests ([`requests`]: with its own people's tokens),
//! in every field that has one and in any combination. Afterwards nothing of any other tenant may have changed,
//! and nothing of theirs may have come back.

mod requests;
mod town;
mod webhooks;
