//! The one DynamoDB table, and the only truth.
//!
//! - [`Store`] answers what must be known before a tenant is known: who owns a number, who a person is.
//! - [`TenantStore`] does everything else, for one tenant. It can be opened only with something that
//!   this crate itself looked up ([`Route`], [`Membership`]) or with a wake-up from our own queue, so
//!   a handler cannot reach a tenant that nobody proved.
//!
//! Exactly-once effects come from conditional writes whose keys are derived from the payload. Each
//! operation says in its documentation which condition that is. `keys.rs` lists every access pattern.
//!
//! **Invariants:** only this crate knows attribute names. No `Scan`. An index read never decides an
//! effect: indexes may lag.

mod account;
mod activity;
mod api_keys;
mod apps;
mod change;
mod contact;
mod contacts;
mod conversation;
mod customers;
mod due;
mod edit;
mod error;
mod event;
mod expression;
mod identity;
mod inbound;
mod inbox;
mod item;
mod keys;
mod links;
mod log;
mod media;
mod members;
mod message;
mod moves;
mod numbers;
mod once;
mod outbox;
mod parked;
mod people;
mod policy;
mod preference;
mod search;
mod status;
mod stream;
mod template;
mod tenant;
mod throttle;
mod told;
mod transaction;
mod unread;

pub use account::Notice;
pub use api_keys::{AddedKey, KnownKey, NewKey, RevokedKey};
pub use apps::{RemovedApp, TenantApp};
pub use change::{Change, NewChange, What};
pub use contact::{ChangedContact, Contact, ContactChange};
pub use conversation::{Conversation, ConversationStatus, Referred};
pub use customers::{Customer, KeptCustomer, MAX_SHARING};
pub use due::{Due, EarlyWait, MatchWait};
pub use edit::{ChangedConversation, ConversationChange};
pub use error::StoreError;
pub use event::EventId;
pub use inbound::{InboundBatch, NewMessage, Recorded};
pub use inbox::Listing;
pub use item::Page;
pub use keys::{LogScope, ParkedScope};
pub use log::{EventOutcome, LogEntry, LoggedEvent};
pub use media::{Media, MediaState, Stored, TakenUp};
pub use members::{Here, Member};
pub use message::{Message, Reaction, Sender};
pub use moves::Move;
pub use numbers::{Connected, QUARANTINE, TenantNumber};
pub use once::{Earlier, Effect, Once, REMEMBERED};
pub use outbox::{Answer, Claim, Claimed, Composed, Draft, OpenEntry, Settled};
pub use parked::{Marked, Park, Parked, ParkedItem};
pub use people::{Admitted, Dismissed, RoleGiven};
pub use policy::{ChangedPolicy, KeptPolicy};
pub use recado_domain::account::NumberStatus;
pub use status::{Heard, StatusReport};
pub use stream::{opened_media, opened_outbox};
pub use template::Template;
pub use tenant::{AccountNumber, Membership, NewMember, NewTenant, Number, Registered, Route};
pub use unread::{MOST_COUNTED, ReadAll};

use aws_sdk_dynamodb::Client;
use recado_domain::ids::TenantId;
use recado_domain::wake_up::WakeUp;
use std::sync::Arc;

/// The table, before a tenant is known.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    table: Arc<str>,
    policies: Arc<policy::RecentPolicies>,
}

impl Store {
    /// The table of this name.
    pub fn new(client: Client, table: impl Into<Arc<str>>) -> Self {
        Self { client, table: table.into(), policies: Arc::default() }
    }

    /// The tenant that owns the number a webhook came for.
    pub fn of_route(&self, route: &Route) -> TenantStore {
        self.open(route.tenant())
    }

    /// The tenant that an authenticated person or system is a member of.
    pub fn of_member(&self, membership: &Membership) -> TenantStore {
        self.open(membership.tenant())
    }

    /// The tenant that a wake-up names. Wake-ups come from our own queue only.
    pub fn of_wake_up(&self, wake_up: &WakeUp) -> TenantStore {
        self.open(wake_up.tenant)
    }

    fn open(&self, tenant: TenantId) -> TenantStore {
        TenantStore { store: self.clone(), tenant }
    }
}

/// The table, as far as one tenant is concerned.
#[derive(Debug, Clone)]
pub struct TenantStore {
    store: Store,
    tenant: TenantId,
}

impl TenantStore {
    /// Whose it is.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn client(&self) -> &Client {
        &self.store.client
    }

    fn table(&self) -> &str {
        &self.store.table
    }
}
