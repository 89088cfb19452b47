//! Cursors: where a list goes on, sealed.
//!
//! A cursor is opaque, and good only for the tenant and the list it was made for: it carries a MAC over
//! both. So it cannot be built by hand, altered, or used elsewhere.

use crate::error::ApiError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use recado_domain::ids::TenantId;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha256;

/// The secret that seals cursors; shared by all instances of the function.
#[derive(Debug, Deserialize)]
pub struct CursorKey {
    key: SecretString,
}

const TAG: usize = 16;

impl CursorKey {
    /// A key of this text.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: SecretString::from(key.into()) }
    }

    /// Seals the position at which `list` of this tenant goes on.
    pub(crate) fn seal(&self, tenant: TenantId, list: &str, position: &str) -> String {
        let tag = self.mac(tenant, list, position).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode([&tag[..TAG], position.as_bytes()].concat())
    }

    /// Reads a position back; a 400 if the cursor was not made by [`CursorKey::seal`] for the same list.
    pub(crate) fn open(&self, tenant: TenantId, list: &str, cursor: &str) -> Result<String, ApiError> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let (tag, position) = bytes.split_at_checked(TAG)?;
            let position = str::from_utf8(position).ok()?;
            self.mac(tenant, list, position).verify_truncated_left(tag).ok()?;
            Some(position.to_owned())
        };
        read().ok_or_else(|| ApiError::invalid("cursor", "is not a cursor of this list"))
    }

    fn mac(&self, tenant: TenantId, list: &str, position: &str) -> Hmac<Sha256> {
        // Neither a tenant id nor a list's name contains a line break, so the parts cannot run together.
        Hmac::<Sha256>::new_from_slice(self.key.expose_secret().as_bytes())
            .expect("HMAC takes keys of any length")
            .chain_update(format!("{tenant}\n{list}\n{position}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_opens_only_where_it_was_made(position in "\\PC{0,60}", place in any::<prop::sample::Index>(), bit in 0_u8..6) {
            let key = CursorKey::new("k");
            let (tenant, other) = (TenantId::from_bits(1), TenantId::from_bits(2));
            let cursor = key.seal(tenant, "conversations", &position);
            prop_assert_eq!(key.open(tenant, "conversations", &cursor).unwrap(), position);
            prop_assert!(key.open(other, "conversations", &cursor).is_err(), "another tenant opened it");
            prop_assert!(key.open(tenant, "messages", &cursor).is_err(), "another list opened it");
            prop_assert!(CursorKey::new("l").open(tenant, "conversations", &cursor).is_err(), "another key opened it");

            let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            prop_assert!(key.open(tenant, "conversations", &URL_SAFE_NO_PAD.encode(&bytes)).is_err(), "an altered one opened");
        }
    }
}
