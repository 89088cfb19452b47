//! A tenant's tokens, encrypted and decrypted with KMS.

use crate::clock::Clock;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::TenantId;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// How long a decrypted token may be kept in memory.
const KEEP: SignedDuration = SignedDuration::from_mins(5);

/// What a ciphertext is for. Part of the encryption context, so that one cannot stand in for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A number's Graph access token.
    AccessToken,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access-token",
        }
    }
}

/// KMS did not encrypt or decrypt.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Encrypting failed.
    #[error("KMS did not encrypt")]
    Seal(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Decrypting failed.
    #[error("KMS did not decrypt")]
    Open(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Encrypts and decrypts with one KMS key, bound to tenant and purpose.
#[derive(Debug)]
pub struct Vault {
    client: Client,
    key_id: String,
    clock: Clock,
    opened: Mutex<HashMap<[u8; 32], Slot>>,
}

/// Where a decrypted token is kept; locked while it is being fetched, so that the others wait for it.
type Slot = Arc<Mutex<Option<Kept>>>;

/// A decrypted token; wiped from memory when dropped.
#[derive(Debug)]
struct Kept {
    token: SecretString,
    until: Timestamp,
}

impl Vault {
    /// A vault that uses this key.
    pub fn new(client: Client, key_id: String, clock: Clock) -> Self {
        Self { client, key_id, clock, opened: Mutex::default() }
    }

    /// Encrypts a secret of at most 4 KiB for a tenant and a purpose.
    pub async fn seal(&self, tenant: TenantId, purpose: Purpose, secret: &SecretString) -> Result<Vec<u8>, VaultError> {
        let answer = self
            .client
            .encrypt()
            .key_id(&self.key_id)
            .plaintext(Blob::new(secret.expose_secret()))
            .set_encryption_context(Some(context(tenant, purpose)))
            .send()
            .await
            .map_err(|error| VaultError::Seal(Box::new(error)))?;
        Ok(answer.ciphertext_blob.map(Blob::into_inner).unwrap_or_default())
    }

    /// Decrypts what [`Vault::seal`] encrypted for the same tenant and purpose.
    ///
    /// The result is kept for five minutes; callers that ask at the same time share one call to KMS.
    pub async fn open(&self, tenant: TenantId, purpose: Purpose, sealed: &[u8]) -> Result<SecretString, VaultError> {
        let mut name = Sha256::new();
        name.update(tenant.to_string());
        name.update(purpose.as_str());
        name.update(sealed);
        let slot = {
            let mut opened = self.opened.lock().await;
            let now = self.clock.now();
            opened.retain(|_, slot| is_in_use(slot, now));
            opened.entry(name.finalize().into()).or_default().clone()
        };
        let mut kept = slot.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.until > self.clock.now()) {
            return Ok(kept.token.clone());
        }
        let answer = self
            .client
            .decrypt()
            .key_id(&self.key_id)
            .ciphertext_blob(Blob::new(sealed))
            .set_encryption_context(Some(context(tenant, purpose)))
            .send()
            .await
            .map_err(|error| VaultError::Open(Box::new(error)))?;
        let bytes = answer.plaintext.map(Blob::into_inner).unwrap_or_default();
        let token = String::from_utf8(bytes).map_err(|error| VaultError::Open(Box::new(error.utf8_error())))?;
        let token = SecretString::from(token);
        *kept =
            Some(Kept { token: token.clone(), until: self.clock.now().saturating_add(KEEP).unwrap_or(Timestamp::MAX) });
        Ok(token)
    }
}

/// Whether a slot holds a token that is still good, or is being filled.
fn is_in_use(slot: &Slot, now: Timestamp) -> bool {
    slot.try_lock().map_or(true, |kept| kept.as_ref().is_some_and(|kept| kept.until > now))
}

fn context(tenant: TenantId, purpose: Purpose) -> HashMap<String, String> {
    HashMap::from([("tenant_id".to_owned(), tenant.to_string()), ("purpose".to_owned(), purpose.as_str().to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_testkit::aws::client_config;
    use serde_json::json;
    use std::sync::atomic::{AtomicI64, Ordering};
    use wiremock::matchers::{body_partial_json, method};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    #[tokio::test]
    async fn a_token_is_decrypted_once_per_five_minutes_however_many_ask() {
        let server = MockServer::start().await;
        let asked =
            json!({"EncryptionContext": {"tenant_id": "tnt_00000000000000000000000001", "purpose": "access-token"}});
        Mock::given(method("POST"))
            .and(body_partial_json(asked))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"Plaintext": "dG9rZW4="})))
            .mount(&server)
            .await;
        let time = Arc::new(AtomicI64::new(0));
        let told = time.clone();
        let clock = Clock::new(move || Timestamp::from_second(told.load(Ordering::Relaxed)).unwrap());
        let calls = || async { server.received_requests().await.unwrap().len() };
        let vault = Vault::new(Client::new(&client_config(&server.uri())), "key".to_owned(), clock);
        let open = || vault.open(TenantId::from_bits(1), Purpose::AccessToken, b"sealed");

        let (one, two) = tokio::join!(open(), open());
        assert_eq!((one.unwrap().expose_secret(), two.unwrap().expose_secret()), ("token", "token"));
        assert_eq!(calls().await, 1, "two callers at once share one call");

        time.store(300, Ordering::Relaxed);
        open().await.unwrap();
        assert_eq!(calls().await, 2, "after five minutes it is decrypted again");
    }
}
