//! The bucket of tokens from which a tenant's requests are paid.

use crate::TenantStore;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::item::Item;
use crate::keys::Key;
use crate::outbox::Updated;
use jiff::Timestamp;
use recado_domain::throttle::{Rate, Taken};

/// When the bucket will be full again, in microseconds since 1970.
const FULL_AT: &str = "fullAt";

/// How often the bucket may change between being found full and being found in use.
const ROUNDS: u32 = 4;

impl TenantStore {
    /// Takes tokens from the tenant's bucket. One write, or two if `seems_full` is not how it is.
    pub async fn take_tokens(
        &self,
        tokens: u32,
        rate: Rate,
        mut seems_full: bool,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        const OPERATION: &str = "taking from the bucket of requests";
        let cost = micros(rate.time_for(tokens));
        for _ in 0..ROUNDS {
            let bucket = if seems_full {
                Expression::new()
                    .set(FULL_AT, now.as_microsecond() + cost)
                    .when("attribute_not_exists(#fullAt) OR #fullAt < :now OR #fullAt > :credible")
                    .value(":now", now.as_microsecond())
                    .value(":credible", rate.credible(now).as_microsecond())
            } else {
                Expression::new()
                    .add(FULL_AT, cost)
                    .when("#fullAt BETWEEN :now AND :latest")
                    .value(":now", now.as_microsecond())
                    .value(":latest", rate.latest(tokens, now).as_microsecond())
            };
            let Updated::Refused(item) = self.update(OPERATION, Key::bucket(self.tenant), bucket).await? else {
                return Ok(Taken::Granted);
            };
            let full_at = full_at(&item).filter(|full_at| (now..=rate.credible(now)).contains(full_at));
            match full_at {
                Some(full_at) if full_at > rate.latest(tokens, now) => {
                    return Ok(Taken::NotBefore(rate.ready(tokens, full_at)));
                }
                Some(_) => seems_full = false,
                None => seems_full = true,
            }
        }
        Err(StoreError::Contended { operation: OPERATION })
    }
}

fn full_at(item: &Item) -> Option<Timestamp> {
    let micros = item.get(FULL_AT)?.as_n().ok()?.parse().ok()?;
    Timestamp::from_microsecond(micros).ok()
}

fn micros(time: jiff::SignedDuration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
