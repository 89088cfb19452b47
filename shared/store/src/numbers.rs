//! A tenant's numbers: connected, tried, and given back.

use crate::TenantStore;
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression, PRESENT};
use crate::item;
use crate::keys::{Key, NUMBERS, PK, SK, tenant_partition};
use crate::once::Once;
use crate::outbox::Updated;
use crate::tenant::{Number, Route, WabaRecord};
use crate::transaction::{Outcome, Verdict};
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::{SignedDuration, Timestamp};
use recado_domain::account::NumberStatus;
use recado_domain::connection::Trial;
use recado_domain::ids::{PhoneNumberId, TenantId};
use recado_domain::number::NumberState;
use serde::{Deserialize, Serialize};

/// How long nobody else gets a number that a tenant gave back: longer than any worker believes a route, so
/// that nothing of a new owner's reaches the former one.
pub const QUARANTINE: SignedDuration = SignedDuration::from_mins(15);

/// A number of the tenant, with everything that is known of it.
#[derive(Debug, Clone)]
pub struct TenantNumber {
    /// The number.
    pub number: Number,
    /// What Meta told of it.
    pub state: NumberState,
    /// When it was connected, or its token renewed.
    pub connected_at: Option<Timestamp>,
    /// What was found when its connection was tried last.
    pub trial: Option<Trial>,
}

/// What became of connecting a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connected {
    /// It is the tenant's, with this token.
    Done,
    /// It is another tenant's. Nothing was written.
    Taken,
    /// Another tenant gave it back lately; nobody gets it until then. Nothing was written.
    Quarantined(Timestamp),
    /// The tenant does not have this app any more. Nothing was written.
    NoApp,
}

/// What is stored of a number besides.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Besides {
    #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    connected_at: Option<Timestamp>,
    #[serde(default)]
    trial: Option<Trial>,
}

/// Who gave a number back.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Quarantine {
    tenant: TenantId,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    until: Timestamp,
    /// When DynamoDB may tidy it away.
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    expires_at: Timestamp,
}

/// Where [`TenantStore::number_writes`] checks that nobody owns the number, and that it is not in quarantine.
const ROUTE_AT: usize = 0;
const QUARANTINE_AT: usize = 1;

/// Until when a number is in quarantine, if that is why its writes were refused.
pub(crate) fn quarantined(verdicts: &[Verdict]) -> Option<Timestamp> {
    match verdicts {
        [Verdict::Broken(_), ..] => None,
        [_, Verdict::Broken(item), ..] => {
            item::record::<Quarantine>("reading a quarantine", item.clone()).ok().map(|quarantine| quarantine.until)
        }
        _ => None,
    }
}

impl TenantStore {
    /// The tenant's numbers, without those that it gave back.
    pub async fn connected_numbers(&self) -> Result<Vec<TenantNumber>, StoreError> {
        const OPERATION: &str = "listing a tenant's numbers";
        let items = self.partition(OPERATION, &tenant_partition(self.tenant), NUMBERS).await?;
        let read = |item: item::Item| {
            let Besides { connected_at, trial } = item::record(OPERATION, item.clone())?;
            let state = item::record(OPERATION, item.clone())?;
            Ok(TenantNumber { number: item::record(OPERATION, item)?, state, connected_at, trial })
        };
        let mut numbers = items.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        numbers.retain(|kept| kept.number.status != NumberStatus::Disconnected);
        Ok(numbers)
    }

    /// Makes a number the tenant's, or gives it another token, account or app.
    ///
    /// **A number has one owner**: its route is written only if it has none or is the tenant's already, and
    /// only if no other tenant gave it back within [`QUARANTINE`]. Graph has confirmed that it belongs to the
    /// account. `once` is the request that asked for it.
    pub async fn connect_once(
        &self,
        number: &Number,
        once: Option<&Once>,
        now: Timestamp,
    ) -> Result<Connected, StoreError> {
        let mut writes = self.number_writes(number, now);
        let has_app = number.app.is_of(self.tenant);
        if has_app {
            writes.push(self.app_in_use(&number.app));
        }
        let app_at = has_app.then(|| writes.len() - 1);
        match self.store.transact_once("connecting a number", writes, once, &number.phone_number_id).await? {
            Outcome::Done => Ok(Connected::Done),
            Outcome::Refused(verdicts) => {
                let is_broken = |place: usize| verdicts.get(place).is_some_and(Verdict::is_broken);
                Ok(match quarantined(&verdicts) {
                    _ if is_broken(ROUTE_AT) => Connected::Taken,
                    Some(until) if is_broken(QUARANTINE_AT) => Connected::Quarantined(until),
                    _ if app_at.is_some_and(is_broken) => Connected::NoApp,
                    _ => return Err(StoreError::Contended { operation: "connecting a number" }),
                })
            }
        }
    }

    /// What makes a number the tenant's. What Meta told of it stays.
    pub(crate) fn number_writes(&self, number: &Number, now: Timestamp) -> Vec<TransactWriteItem> {
        let id = &number.phone_number_id;
        let route = item::item(Key::route(id), "route", &Route::of_number(self.tenant, number));
        let is_ours = "#tenant = :tenant";
        let mut attributes = item::item(Key::number(self.tenant, id), "number", number);
        attributes.remove(PK);
        attributes.remove(SK);
        let kept = Expression::new().set_all(attributes).set("connectedAt", now.as_millisecond()).remove("trial");
        let account = item::item(Key::waba(&number.waba_id, self.tenant), "waba", &WabaRecord { tenant: self.tenant });
        vec![
            Expression::new()
                .when(format!("{ABSENT} OR {is_ours}"))
                .value(":tenant", self.tenant)
                .into_put(self.table(), route),
            Expression::new()
                .when(format!("{ABSENT} OR {is_ours} OR #until <= :now"))
                .value(":tenant", self.tenant)
                .value(":now", now.as_millisecond())
                .into_check(self.table(), Key::quarantine(id)),
            kept.into_update(self.table(), Key::number(self.tenant, id)),
            Expression::new().into_put(self.table(), account),
        ]
    }

    /// Gives a number back, and forgets its token. `None`: it is not the tenant's. Otherwise, until when
    /// nobody else gets it. That it was the tenant's stays known, for the sake of its conversations.
    ///
    /// **Once**: its route is deleted only while it is the tenant's. Workers may believe the route for five
    /// minutes more; what comes for the number then still reaches the tenant that gave it back.
    pub async fn release(&self, number: &PhoneNumberId, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let until = now.saturating_add(QUARANTINE).unwrap_or(Timestamp::MAX);
        let quarantine = Quarantine { tenant: self.tenant, until, expires_at: until };
        let quarantine = item::item(Key::quarantine(number), "quarantine", &quarantine);
        let writes = vec![
            Expression::new()
                .when("#tenant = :tenant")
                .value(":tenant", self.tenant)
                .into_delete(self.table(), Key::route(number)),
            Expression::new()
                .set("status", NumberStatus::Disconnected)
                .remove("encryptedToken")
                .remove("trial")
                .when(PRESENT)
                .into_update(self.table(), Key::number(self.tenant, number)),
            Expression::new().into_put(self.table(), quarantine),
        ];
        Ok(match self.transact("giving a number back", writes).await? {
            Outcome::Done => Some(until),
            Outcome::Refused(_) => None,
        })
    }

    /// Keeps what was found when a number's connection was tried, unless it has another token by now.
    pub async fn keep_trial(&self, number: &Number, trial: &Trial) -> Result<(), StoreError> {
        let key = Key::number(self.tenant, &number.phone_number_id);
        let is_same = Expression::new().when("#encryptedToken = :token").bytes(":token", &number.encrypted_token);
        match self.update("keeping what was found of a number", key, is_same.set("trial", trial)).await? {
            Updated::Done | Updated::Refused(_) => Ok(()),
        }
    }
}
