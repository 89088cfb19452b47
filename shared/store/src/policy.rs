//! What a tenant has decided.

use crate::TenantStore;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::item;
use crate::keys::Key;
use crate::transaction::Outcome;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::TenantId;
use recado_domain::policy::Policy;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How long a policy may be believed without asking again, as a number's route is.
const KEEP: SignedDuration = SignedDuration::from_mins(5);

/// The policies that were read lately.
#[derive(Debug, Default)]
pub(crate) struct RecentPolicies(Mutex<HashMap<TenantId, (Arc<Policy>, Timestamp)>>);

/// What a tenant has decided, and how often it has changed that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPolicy {
    /// What it has decided.
    pub policy: Policy,
    /// Counts the changes.
    pub version: u64,
}

/// What became of a change of policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedPolicy {
    /// It is kept.
    Done(KeptPolicy),
    /// Somebody else changed it since it was read. Nothing was written.
    Stale,
}

#[derive(Serialize)]
struct PolicyRecord<'a> {
    #[serde(flatten)]
    policy: &'a Policy,
    version: u64,
}

#[derive(Default, Deserialize)]
struct Version {
    #[serde(default)]
    version: u64,
}

impl TenantStore {
    /// What the tenant has decided, with its version, strongly consistent.
    pub async fn kept_policy(&self) -> Result<KeptPolicy, StoreError> {
        const OPERATION: &str = "reading a tenant's policy";
        let Some(item) = self.get(OPERATION, Key::policy(self.tenant)).await? else {
            return Ok(KeptPolicy { policy: Policy::default(), version: 0 });
        };
        let Version { version } = item::record(OPERATION, item.clone())?;
        Ok(KeptPolicy { policy: item::record(OPERATION, item)?, version })
    }

    /// Keeps what the tenant decides now, conditional on the version that was read. Others may go by the
    /// former one for five minutes more.
    pub async fn change_policy(&self, before: &KeptPolicy, policy: Policy) -> Result<ChangedPolicy, StoreError> {
        let kept = KeptPolicy { policy, version: before.version + 1 };
        let record = PolicyRecord { policy: &kept.policy, version: kept.version };
        let item = item::item(Key::policy(self.tenant), "policy", &record);
        let write = Expression::new().at("version", before.version).into_put(self.table(), item);
        match self.transact("keeping a tenant's policy", vec![write]).await? {
            Outcome::Done => {
                self.store.policies.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.tenant);
                Ok(ChangedPolicy::Done(kept))
            }
            Outcome::Refused(_) => Ok(ChangedPolicy::Stale),
        }
    }

    /// What the tenant has decided, strongly consistent.
    pub async fn policy(&self) -> Result<Policy, StoreError> {
        Ok(self.kept_policy().await?.policy)
    }

    /// What the tenant had decided at most five minutes ago. Not for anything that must not be wrong.
    pub(crate) async fn recent_policy(&self, now: Timestamp) -> Result<Arc<Policy>, StoreError> {
        let recent = || self.store.policies.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((policy, at)) = recent().get(&self.tenant)
            && now.duration_since(*at) < KEEP
        {
            return Ok(policy.clone());
        }
        let policy = Arc::new(self.policy().await?);
        recent().insert(self.tenant, (policy.clone(), now));
        Ok(policy)
    }
}
