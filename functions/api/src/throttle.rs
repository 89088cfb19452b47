//! No tenant asks so often that others wait.
//!
//! Each tenant has one bucket of tokens in the table, and each instance of this function takes a few at a
//! time: the limit holds over all instances, and a busy one pays one write for many requests. What an
//! instance does not use within ten seconds is lost to it, so a little less than the limit may be had,
//! never more. If the bucket cannot be asked, the request goes on: this protects, it does not authorise.

use crate::error::ApiError;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::TenantId;
use recado_domain::throttle::{Rate, Taken};
use recado_platform::settings::{SettingError, required};
use recado_platform::telemetry;
use recado_store::TenantStore;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long tokens that were taken may be used.
const LEASE_LIFE: SignedDuration = SignedDuration::from_secs(10);

/// How many tenants an instance remembers before it forgets those that are quiet.
const MOST_TENANTS: usize = 1_000;

/// The limit, and what this instance has taken for whom.
#[derive(Debug)]
pub struct Throttle {
    rate: Rate,
    leases: Mutex<HashMap<TenantId, Lease>>,
}

/// What an instance knows of a tenant's bucket.
#[derive(Debug, Clone, Copy)]
enum Lease {
    /// Tokens were taken, and some are left or none.
    Taken { left: u32, until: Timestamp },
    /// There were not enough.
    Empty { until: Timestamp },
}

/// How a request can be paid.
enum Pay {
    Paid,
    NotBefore(Timestamp),
    /// From the bucket, which is in use as far as we know, or is not.
    FromBucket {
        seems_full: bool,
    },
}

impl Throttle {
    /// A limit of so many requests a second for each tenant.
    pub fn new(rate: Rate) -> Self {
        Self { rate, leases: Mutex::default() }
    }

    /// The limit that the deployment gives.
    pub fn from_settings() -> Result<Self, SettingError> {
        const NAME: &str = "TENANT_REQUESTS_PER_SECOND";
        let rule = "must be a whole number from 1 on";
        let number = required(NAME)?.parse().ok().filter(|number| *number > 0);
        number.map(Rate::per_second).map(Self::new).ok_or(SettingError::Unusable { name: NAME, rule })
    }

    /// Lets a request of the tenant in, or says when to ask again.
    pub(crate) async fn admit(&self, store: &TenantStore, now: Timestamp) -> Result<(), ApiError> {
        let tenant = store.tenant();
        let seems_full = match self.pay(tenant, now) {
            Pay::Paid => return Ok(()),
            Pay::NotBefore(then) => return Err(ApiError::too_many(then.duration_since(now))),
            Pay::FromBucket { seems_full } => seems_full,
        };
        let size = self.rate.lease();
        match store.take_tokens(size, self.rate, seems_full, now).await {
            Ok(Taken::Granted) => {
                self.keep(tenant, Lease::Taken { left: size - 1, until: now + LEASE_LIFE }, now);
                Ok(())
            }
            Ok(Taken::NotBefore(then)) => {
                self.keep(tenant, Lease::Empty { until: then }, now);
                Err(ApiError::too_many(then.duration_since(now)))
            }
            Err(error) => {
                tracing::warn!(error = telemetry::chain(&error), "a tenant's requests could not be counted");
                Ok(())
            }
        }
    }

    fn pay(&self, tenant: TenantId, now: Timestamp) -> Pay {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        match leases.get_mut(&tenant) {
            Some(Lease::Taken { until, .. }) if *until <= now => Pay::FromBucket { seems_full: true },
            Some(Lease::Taken { left: 0, .. }) => Pay::FromBucket { seems_full: false },
            Some(Lease::Taken { left, .. }) => {
                *left -= 1;
                Pay::Paid
            }
            Some(Lease::Empty { until }) if *until > now => Pay::NotBefore(*until),
            Some(Lease::Empty { .. }) => Pay::FromBucket { seems_full: false },
            None => Pay::FromBucket { seems_full: true },
        }
    }

    fn keep(&self, tenant: TenantId, lease: Lease, now: Timestamp) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if leases.len() >= MOST_TENANTS {
            leases.retain(|_, lease| match lease {
                Lease::Taken { until, .. } | Lease::Empty { until } => *until > now,
            });
        }
        leases.insert(tenant, lease);
    }
}
