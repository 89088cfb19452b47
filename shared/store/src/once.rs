//! Requests that have their effect once, however often they are sent.
//!
//! A caller who is not sure whether a request arrived sends it again under the same key. The key is noted
//! in the transaction of the effect, with a digest of the body and with what the effect came to, such as
//! the id of what was made. So there is never a key without its effect nor an effect without its key, and
//! of two equal requests at the same moment one finds the other's note and changes nothing.

use crate::Store;
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression};
use crate::item::{self, Item};
use crate::keys::Key;
use crate::transaction::{Outcome, Verdict};
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::TenantId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long a key is remembered.
pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// A request under a key that its caller chose. What they sent is kept as digests only.
#[derive(Debug, Clone)]
pub struct Once {
    tenant: Option<TenantId>,
    request: String,
    body: String,
    now: Timestamp,
}

/// What is noted of a request that had its effect.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Note {
    body: String,
    /// What the effect came to, as JSON.
    effect: String,
    /// In seconds since 1970. The table may keep it a little longer, so it is looked at.
    expires_at: i64,
}

/// What is known of a request under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earlier {
    /// The same request had its effect.
    Same(Effect),
    /// Another request came under this key.
    Another,
}

/// What the effect of an earlier request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect(String);

impl Effect {
    /// What was noted then.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_str(&self.0).map_err(|error| StoreError::item("reading what a request came to", error))
    }
}

impl Once {
    /// What `caller`, in this tenant if in any, asks of `route` under `key` with this body.
    pub fn new(tenant: Option<TenantId>, caller: &str, route: &str, key: &str, body: &[u8], now: Timestamp) -> Self {
        Self { tenant, request: digest(&[caller, route, key].map(str::as_bytes)), body: digest(&[body]), now }
    }

    fn key(&self) -> Key {
        Key::once(self.tenant, &self.request)
    }

    fn earlier(&self, item: Item) -> Result<Option<Earlier>, StoreError> {
        let note: Note = item::record("reading what is known of a request", item)?;
        Ok(match note {
            Note { expires_at, .. } if expires_at <= self.now.as_second() => None,
            Note { body, effect, .. } if body == self.body => Some(Earlier::Same(Effect(effect))),
            Note { .. } => Some(Earlier::Another),
        })
    }
}

impl Store {
    /// What is known of a request, strongly consistent; `None` if it had no effect in the last 24 hours.
    pub async fn earlier(&self, once: &Once) -> Result<Option<Earlier>, StoreError> {
        let item = self.get("looking for an earlier request", once.key()).await?;
        item.map_or(Ok(None), |item| once.earlier(item))
    }

    /// Notes a request whose effect is not in the table, or was there before, after it happened. Such an effect must
    /// be one that may happen twice: whoever vanishes in between has it again.
    pub async fn remember(&self, once: &Once, effect: &impl Serialize) -> Result<(), StoreError> {
        match self.transact_once("noting a request", Vec::new(), Some(once), effect).await {
            // The same request was faster; its answer is as good.
            Ok(_) | Err(StoreError::Earlier { earlier: Earlier::Same(_) }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes everything or nothing, and notes the request with it.
    ///
    /// **Once** by the note, put only if there is none under this key. A request that was noted meanwhile is
    /// a [`StoreError::Earlier`], and nothing was written. The verdicts are those of `writes`.
    pub(crate) async fn transact_once(
        &self,
        operation: &'static str,
        mut writes: Vec<TransactWriteItem>,
        once: Option<&Once>,
        effect: &impl Serialize,
    ) -> Result<Outcome, StoreError> {
        let Some(once) = once else { return self.transact(operation, writes).await };
        writes.push(self.note(once, effect));
        let Outcome::Refused(mut verdicts) = self.transact(operation, writes).await? else { return Ok(Outcome::Done) };
        if let Some(Verdict::Broken(item)) = verdicts.pop()
            && let Some(earlier) = once.earlier(item)?
        {
            return Err(StoreError::Earlier { earlier });
        }
        Ok(Outcome::Refused(verdicts))
    }

    fn note(&self, once: &Once, effect: &impl Serialize) -> TransactWriteItem {
        let effect = serde_json::to_string(effect).expect("our own records are representable");
        let expires_at = once.now.saturating_add(REMEMBERED).unwrap_or(Timestamp::MAX).as_second();
        let item = item::item(once.key(), "once", &Note { body: once.body.clone(), effect, expires_at });
        Expression::new()
            .when(format!("{ABSENT} OR #expiresAt <= :now"))
            .value(":now", once.now.as_second())
            .into_put(&self.table, item)
    }
}

/// Names the parts and nothing else, in 64 hexadecimal digits.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
