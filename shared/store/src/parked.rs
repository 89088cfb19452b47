//! What could not be applied, kept with its reason.

use crate::Store;
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression};
use crate::item;
use crate::keys::{Key, ParkedScope};
use crate::transaction::Outcome;
use jiff::Timestamp;
use recado_domain::personal::Personal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A queue message that could not be applied.
#[derive(Debug, Clone)]
pub struct Park<'a> {
    /// To whom it belongs.
    pub scope: ParkedScope<'a>,
    /// Why it could not be applied; without personal data.
    pub reason: String,
    /// The queue it came from, so that it can be put there again.
    pub queue: &'static str,
    /// The queue message as it was.
    pub body: &'a str,
    /// When the webhook was received, in milliseconds since 1970; 0 if even that is unknown.
    pub received: i64,
}

/// What became of parking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parked {
    /// It is kept.
    Kept,
    /// The number has an owner by now: apply it instead.
    Routed,
}

/// A parked queue message, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedItem {
    /// Why it was parked.
    pub reason: String,
    /// The queue it came from.
    pub queue: String,
    /// The queue message as it was.
    pub body: Personal<String>,
    /// When it was parked.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub parked_at: Timestamp,
}

impl Store {
    /// Keeps a queue message that could not be applied.
    ///
    /// **Once**, however often it is delivered: its key is derived from its bytes. For a number that
    /// nobody owns, the transaction checks that this is still so; whoever claims the number writes the
    /// route first and then looks for what was parked, so neither order loses it.
    pub async fn park(&self, park: &Park<'_>, now: Timestamp) -> Result<Parked, StoreError> {
        const OPERATION: &str = "parking an item";
        let digest: [u8; 32] = Sha256::digest(park.body.as_bytes()).into();
        let digest: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let record = ParkedItem {
            reason: park.reason.clone(),
            queue: park.queue.to_owned(),
            body: Personal::new(park.body.to_owned()),
            parked_at: now,
        };
        let item = item::item(Key::parked(&park.scope, park.received, &digest), "parked", &record);
        let mut writes = vec![Expression::new().when(ABSENT).into_put(&self.table, item)];
        if let ParkedScope::UnroutedNumber(number) = park.scope {
            writes.push(Expression::new().when(ABSENT).into_check(&self.table, Key::route(number)));
        }
        Ok(match self.transact(OPERATION, writes).await? {
            Outcome::Refused(verdicts) if verdicts.get(1).is_some_and(crate::transaction::Verdict::is_broken) => {
                Parked::Routed
            }
            Outcome::Done | Outcome::Refused(_) => Parked::Kept,
        })
    }

    /// Everything parked in a scope, oldest first.
    pub async fn parked(&self, scope: &ParkedScope<'_>) -> Result<Vec<ParkedItem>, StoreError> {
        const OPERATION: &str = "listing parked items";
        let pk = Key::parked(scope, 0, "").pk;
        let items = self.partition(OPERATION, &pk, "PARKED#").await?;
        items.into_iter().map(|item| item::record(OPERATION, item)).collect()
    }
}
