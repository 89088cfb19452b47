//! The keys with which a tenant's own systems call the API.
//!
//! `rk_`, then whose key it is and which (52 characters), `_`, then its secret (52 characters). The first part
//! says where to look it up; only the second one proves anything. Of the whole, a digest is kept. It needs
//! neither salt nor many rounds: a secret of 256 random bits cannot be guessed, however fast guessing is.

use crate::ids::{ApiKeyId, TenantId};
use sha2::{Digest, Sha256};
use std::fmt;
use ulid::{ULID_LEN, Ulid};

/// What every key begins with, and no access token: a reader can tell them apart, and so can scanners for
/// secrets that were published by mistake.
pub const PREFIX: &str = "rk_";

/// A key, with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    tenant: TenantId,
    id: ApiKeyId,
    secret: [u128; 2],
}

impl ApiKey {
    /// A new key; the caller brings 256 bits of randomness.
    pub const fn new(tenant: TenantId, id: ApiKeyId, secret: [u128; 2]) -> Self {
        Self { tenant, id, secret }
    }

    /// Whose key it says it is.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Which of their keys it says it is.
    pub const fn id(&self) -> ApiKeyId {
        self.id
    }

    /// Reads what [`ApiKey::expose`] writes, and no other spelling of it.
    pub fn parse(text: &str) -> Option<Self> {
        let (place, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let [tenant, id] = read_pair(place)?;
        let key = Self::new(TenantId::from_bits(tenant), ApiKeyId::from_bits(id), read_pair(secret)?);
        (key.expose() == text).then_some(key)
    }

    /// The key as its holder sends it; to be shown once, and never to be logged.
    pub fn expose(&self) -> String {
        let [one, other] = self.secret.map(Ulid::from);
        format!("{PREFIX}{}{}_{one}{other}", Ulid::from(self.tenant.to_bits()), Ulid::from(self.id.to_bits()))
    }

    /// What may be kept of it: its SHA-256.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.expose()).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, hidden)", self.id)
    }
}

fn read_pair(text: &str) -> Option<[u128; 2]> {
    let (one, other) = text.split_at_checked(ULID_LEN)?;
    Some([Ulid::from_string(one).ok()?.into(), Ulid::from_string(other).ok()?.into()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_does_not_show_unless_it_is_asked_to() {
        let key = ApiKey::new(TenantId::from_bits(1), ApiKeyId::from_bits(2), [3, 4]);
        assert_eq!(
            key.expose(),
            "rk_0000000000000000000000000100000000000000000000000002_0000000000000000000000000300000000000000000000000004"
        );
        assert_eq!(format!("{key:?}"), "ApiKey(key_00000000000000000000000002, hidden)");
    }

    proptest! {
        #[test]
        fn a_key_reads_back_only_as_it_was_written(tenant: u128, id: u128, secret: [u128; 2], place: prop::sample::Index) {
            let key = ApiKey::new(TenantId::from_bits(tenant), ApiKeyId::from_bits(id), secret);
            let text = key.expose();
            prop_assert_eq!(ApiKey::parse(&text), Some(key.clone()));
            let lower = text.to_lowercase();
            prop_assert!(lower == text || ApiKey::parse(&lower).is_none(), "another spelling passed for the same key");
            let mut other = text.into_bytes();
            let place = place.index(other.len());
            other[place] = if other[place] == b'0' { b'1' } else { b'0' };
            if let Some(other) = ApiKey::parse(str::from_utf8(&other).unwrap()) {
                prop_assert_ne!(other.digest(), key.digest(), "another key has the same digest");
            }
        }

        #[test]
        fn what_is_no_key_is_refused(text in "(rk_)?\\PC{0,110}") {
            prop_assert_eq!(ApiKey::parse(&text), None);
        }
    }
}
