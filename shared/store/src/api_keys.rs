//! The keys with which a tenant's own systems call the API.
//!
//! Kept below the tenant, with a digest in place of the key. A key is looked up for each request that shows
//! it, so one that was revoked is good for nothing at once.

use crate::error::StoreError;
use crate::expression::{ABSENT, Expression, PRESENT};
use crate::item::{self, Page};
use crate::keys::{API_KEYS, Key, api_keys_partition};
use crate::once::Once;
use crate::outbox::Updated;
use crate::tenant::Membership;
use crate::transaction::Outcome;
use crate::{Store, TenantStore};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use recado_domain::api_key::ApiKey;
use recado_domain::ids::{ApiKeyId, UserId};
use recado_domain::personal::Personal;
use recado_domain::tenant::Role;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// A key is noted to be in use this often at most, so that a busy system does not pay a write per request.
const NOTED_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// The attribute that holds the digest.
const DIGEST: &str = "digest";

/// A key that a tenant has; not the key itself, which nobody but its holder has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What it is for, as people say.
    pub name: Personal<String>,
    /// What its holder may do.
    pub role: Role,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it was used; up to an hour before it was used last. `None` if it never was.
    #[serde(
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub last_used_at: Option<Timestamp>,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The key, of which only the digest is kept.
    pub key: ApiKey,
    /// What it is for, as people say.
    pub name: Personal<String>,
    /// What its holder may do.
    pub role: Role,
}

/// What became of a new key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddedKey {
    /// It is good from now on.
    Done(KnownKey),
    /// Whoever asked is no administrator any more.
    NotAllowed,
}

/// What became of revoking a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedKey {
    /// It is good for nothing from now on.
    Done,
    /// The tenant has no such key.
    NoSuchKey,
}

impl Store {
    /// The place of whoever shows this key; `None` if it is not one of that tenant's keys.
    pub async fn member_of_key(&self, shown: &ApiKey, now: Timestamp) -> Result<Option<Membership>, StoreError> {
        const OPERATION: &str = "looking up an API key";
        let key = Key::api_key(shown.tenant(), shown.id());
        let Some(item) = self.get(OPERATION, key).await? else { return Ok(None) };
        let digest = item.get(DIGEST).and_then(|digest| digest.as_b().ok()).map(Blob::as_ref).unwrap_or_default();
        if !bool::from(digest.ct_eq(&shown.digest())) {
            return Ok(None);
        }
        let known: KnownKey = item::record(OPERATION, item)?;
        let membership = Membership::of_key(shown.tenant(), &known);
        if known.last_used_at.is_none_or(|last| now.duration_since(last) >= NOTED_EVERY)
            && let Err(error) = self.of_member(&membership).note_use(&known, now).await
        {
            tracing::warn!(%error, "it was not noted that an API key is in use");
        }
        Ok(Some(membership))
    }
}

impl TenantStore {
    /// Makes a key.
    ///
    /// **Nobody gives what they no longer have:** only while whoever asks is an administrator. A request of its
    /// own name is noted with the key's id.
    pub async fn add_api_key(
        &self,
        by: &Membership,
        new: &NewKey,
        once: Option<&Once>,
        now: Timestamp,
    ) -> Result<AddedKey, StoreError> {
        const OPERATION: &str = "making an API key";
        let NewKey { key, name, role } = new;
        let known = KnownKey {
            id: key.id(),
            name: name.clone(),
            role: *role,
            created_by: by.user().clone(),
            created_at: now,
            last_used_at: None,
        };
        let mut item = item::item(Key::api_key(self.tenant, key.id()), "api-key", &known);
        item.insert(DIGEST.to_owned(), AttributeValue::B(Blob::new(key.digest())));
        let writes = vec![self.is_admin(by.user()), Expression::new().when(ABSENT).into_put(self.table(), item)];
        match self.store.transact_once(OPERATION, writes, once, &key.id()).await? {
            Outcome::Done => Ok(AddedKey::Done(known)),
            Outcome::Refused(verdicts) if verdicts[0].is_broken() => Ok(AddedKey::NotAllowed),
            // Its id is random.
            Outcome::Refused(_) => Err(StoreError::Contended { operation: OPERATION }),
        }
    }

    /// One of the tenant's keys.
    pub async fn api_key(&self, id: ApiKeyId) -> Result<Option<KnownKey>, StoreError> {
        const OPERATION: &str = "reading an API key";
        let found = self.get(OPERATION, Key::api_key(self.tenant, id)).await?;
        found.map(|item| item::record(OPERATION, item)).transpose()
    }

    /// A page of the tenant's keys, oldest first.
    pub async fn api_keys(&self, limit: i32, after: Option<&str>) -> Result<Page<KnownKey>, StoreError> {
        const OPERATION: &str = "listing API keys";
        let page = self.partition_page(OPERATION, &api_keys_partition(self.tenant), API_KEYS, limit, after).await?;
        let items: Result<_, _> = page.items.into_iter().map(|item| item::record(OPERATION, item)).collect();
        Ok(Page { items: items?, next: page.next })
    }

    /// Makes a key good for nothing.
    pub async fn revoke_api_key(&self, id: ApiKeyId) -> Result<RevokedKey, StoreError> {
        let delete = Expression::new().when(PRESENT).into_delete(self.table(), Key::api_key(self.tenant, id));
        Ok(match self.transact("revoking an API key", vec![delete]).await? {
            Outcome::Done => RevokedKey::Done,
            Outcome::Refused(_) => RevokedKey::NoSuchKey,
        })
    }

    /// Notes that a key is in use, unless somebody else just did.
    ///
    /// **A revoked key stays revoked:** only while the key is there.
    async fn note_use(&self, known: &KnownKey, now: Timestamp) -> Result<(), StoreError> {
        let seen = known.last_used_at.map(Timestamp::as_millisecond);
        let change = Expression::new().set("lastUsedAt", now.as_millisecond()).when(PRESENT);
        let change = match seen {
            None => change.when("attribute_not_exists(#lastUsedAt)"),
            Some(seen) => change.when("#lastUsedAt = :seen").value(":seen", seen),
        };
        match self.update("noting that an API key is in use", Key::api_key(self.tenant, known.id), change).await? {
            Updated::Done | Updated::Refused(_) => Ok(()),
        }
    }
}
