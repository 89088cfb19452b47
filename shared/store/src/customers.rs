//! The customers in a tenant's books.

use crate::TenantStore;
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression};
use crate::item;
use crate::keys::Key;
use crate::links::MatchRecord;
use crate::once::Once;
use crate::transaction::{Outcome, SURPRISES, pause};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use recado_domain::customer::MatchOn;
use recado_domain::email::Email;
use recado_domain::ids::CustomerId;
use recado_domain::personal::Personal;
use recado_domain::phone::Phone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How many customers may have the same phone or e-mail.
pub const MAX_SHARING: usize = 50;

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// Their id.
    pub id: CustomerId,
    /// Their name.
    pub name: Personal<String>,
    /// Their phone numbers; at most 20.
    pub phones: Vec<Phone>,
    /// Their e-mail addresses; at most 20.
    pub emails: Vec<Email>,
    /// When they were entered.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When they were last changed.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
    /// Counts the changes, from 1.
    pub version: u64,
}

impl Customer {
    /// What contacts can be matched with them on.
    fn matchable(&self) -> BTreeSet<MatchOn> {
        let phones = self.phones.iter().map(|phone| MatchOn::Phone(phone.match_key()));
        phones.chain(self.emails.iter().cloned().map(MatchOn::Email)).collect()
    }
}

/// What became of a customer that was to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptCustomer {
    /// It is stored, and matched with whoever has a phone or e-mail in common.
    Done(Customer),
    /// This one has the id already.
    Existing(Customer),
    /// Somebody else changed it since it was read.
    Stale,
    /// As many customers as there may be have this already.
    TooMany(MatchOn),
}

impl TenantStore {
    /// A customer; `None` if this tenant has none of that id.
    pub async fn customer(&self, id: CustomerId) -> Result<Option<Customer>, StoreError> {
        const OPERATION: &str = "reading a customer";
        let found = self.get(OPERATION, Key::customer(self.tenant, id)).await?;
        found.map(|item| item::record(OPERATION, item)).transpose()
    }

    /// Some customers; those that there are.
    pub async fn customers(&self, ids: &[CustomerId]) -> Result<Vec<Customer>, StoreError> {
        Ok(try_join_all(ids.iter().map(|id| self.customer(*id))).await?.into_iter().flatten().collect())
    }

    /// Keeps a new customer.
    ///
    /// **Once** by its id, put only if absent. Contacts that have a phone or e-mail in common with it are
    /// linked, whether they wrote before, after, or at the same time.
    pub async fn add_customer(&self, new: Customer) -> Result<KeptCustomer, StoreError> {
        self.add_customer_once(new, None).await
    }

    /// The same, noting the request that asked for it with the customer's id.
    pub async fn add_customer_once(&self, new: Customer, once: Option<&Once>) -> Result<KeptCustomer, StoreError> {
        match self.keep_customer(None, new.clone(), once).await? {
            KeptCustomer::Stale => {
                let existing = self.customer(new.id).await?;
                Ok(existing.map_or(KeptCustomer::Stale, KeptCustomer::Existing))
            }
            kept => Ok(kept),
        }
    }

    /// Keeps a change of a customer, conditional on the version that was read. Version and time of the
    /// change are set here.
    pub async fn change_customer(
        &self,
        before: &Customer,
        after: Customer,
        now: Timestamp,
    ) -> Result<KeptCustomer, StoreError> {
        let version = before.version + 1;
        self.keep_customer(Some(before), Customer { version, updated_at: now, ..after }, None).await
    }

    async fn keep_customer(
        &self,
        before: Option<&Customer>,
        after: Customer,
        once: Option<&Once>,
    ) -> Result<KeptCustomer, StoreError> {
        const OPERATION: &str = "keeping a customer";
        let now = after.updated_at;
        let had = before.map(Customer::matchable).unwrap_or_default();
        let has = after.matchable();
        let changed: Vec<MatchOn> = had.symmetric_difference(&has).cloned().collect();
        for surprise in 0..SURPRISES {
            if surprise > 1 {
                pause(surprise).await;
            }
            let customer = item::item(Key::customer(self.tenant, after.id), "customer", &after);
            let condition = match before {
                None => Expression::new().when(ABSENT),
                Some(before) => Expression::new().at("version", before.version),
            };
            let mut writes = vec![condition.into_put(self.table(), customer)];
            let leads = self.leads(changed.clone()).await?;
            for (lead, rev) in leads.all.into_iter().zip(leads.revs) {
                let mut customers = lead.customers;
                customers.retain(|id| *id != after.id);
                if has.contains(&lead.on) {
                    if customers.len() >= MAX_SHARING {
                        return Ok(KeptCustomer::TooMany(lead.on));
                    }
                    customers.push(after.id);
                }
                let list = self.match_item(&lead.on, &MatchRecord { customers, rev: rev + 1 }, now);
                writes.push(Expression::new().at("rev", rev).into_put(self.table(), list));
            }
            match self.store.transact_once(OPERATION, writes, once, &after.id).await? {
                Outcome::Done => {
                    self.match_now(&changed, now).await;
                    return Ok(KeptCustomer::Done(after));
                }
                Outcome::Refused(verdicts) if verdicts[0].is_broken() => return Ok(KeptCustomer::Stale),
                // Somebody else with the same phone or e-mail was kept at this moment.
                Outcome::Refused(_) => {}
            }
        }
        Err(StoreError::Contended { operation: OPERATION })
    }

    /// The customer is stored by now. What goes wrong here is due, and the sweep does it.
    async fn match_now(&self, changed: &[MatchOn], now: Timestamp) {
        for on in changed {
            if let Err(error) = self.match_all(&Key::matched(self.tenant, on).pk, now).await {
                tracing::warn!(%error, "contacts are matched with a customer by the next sweep");
            }
        }
    }
}
