//! What a tenant has decided.

use crate::TenantStore;
use crate::error::StoreError;
use crate::item;
use crate::keys::Key;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::TenantId;
use recado_domain::policy::Policy;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How long a policy may be believed without asking again, as a number's route is.
const KEEP: SignedDuration = SignedDuration::from_mins(5);

/// The policies that were read lately.
#[derive(Debug, Default)]
pub(crate) struct RecentPolicies(Mutex<HashMap<TenantId, (Arc<Policy>, Timestamp)>>);

impl TenantStore {
    /// What the tenant has decided, strongly consistent.
    pub async fn policy(&self) -> Result<Policy, StoreError> {
        const OPERATION: &str = "reading a tenant's policy";
        let found = self.get(OPERATION, Key::policy(self.tenant)).await?;
        Ok(found.map(|item| item::record(OPERATION, item)).transpose()?.unwrap_or_default())
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
