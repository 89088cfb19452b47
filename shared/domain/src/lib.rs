//! What Recado means by a tenant, a conversation, a message and its state.
//!
//! Pure by construction: no AWS, no async runtime, no clock, no environment and no Meta JSON. Time
//! and randomness are arguments, so every rule here can be tried with plain values.
//!
//! - [`ids`] is the registry of every identifier.
//! - [`status`] says what a message's state is, given everything ever heard about it, in any order.
//! - [`order`] places messages in a conversation by what Meta said, not by when we heard it.
//! - [`window`] is the 24-hour customer-service window.
//! - [`media`] says how long a customer's file is fetched from Meta before it is given up.
//! - [`as_of`] lets the newest news win, in whatever order it arrives; [`template`], [`account`] and
//!   [`number`] are what Meta says of those.
//! - [`outbox`] decides what the sender may do next for a conversation.
//! - [`phone`] reads phone numbers as people type them.
//! - [`customer`] decides which customer a contact is; [`email`] reads e-mail addresses as people type them.
//! - [`tenant`] says what a tenant's people may do; [`api_key`] is what its own systems show instead of a token.
//! - [`assignment`] decides whose turn it is to look after a conversation.
//! - [`search`] is what somebody can be found by.
//! - [`label`] is what people call a conversation, to find it again.
//! - [`connection`] is whether a number is connected as it should be.
//! - [`policy`] is what a tenant has decided about its hub.
//! - [`preference`] is whether a customer wants to be written to.
//! - [`throttle`] is how often a tenant may ask.
//! - [`callback`] is the key that travels with a send and comes back with its statuses.
//! - [`wake_up`] is what is put on the queues whose work stands in the table.
//!
//! **Invariant:** this crate depends on no other crate of the workspace.

pub mod account;
pub mod api_key;
pub mod as_of;
pub mod assignment;
pub mod callback;
pub mod connection;
pub mod contact;
pub mod customer;
pub mod email;
pub mod ids;
pub mod label;
pub mod media;
pub mod message;
pub mod number;
pub mod order;
pub mod outbox;
pub mod personal;
pub mod phone;
pub mod policy;
pub mod preference;
#[cfg(feature = "openapi")]
mod schema;
pub mod search;
pub mod status;
pub mod template;
pub mod tenant;
pub mod throttle;
pub mod wake_up;
pub mod window;
