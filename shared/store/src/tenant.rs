//! Tenants, their numbers and their people.

use crate::Store;
use crate::TenantStore;
use crate::api_keys::KnownKey;
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression};
use crate::item;
use crate::keys::{Key, MEMBERS, NUMBERS, TENANTS, tenant_partition, user_partition, waba_partition};
use crate::members::MemberRecord;
use crate::numbers::quarantined;
use crate::once::Once;
use crate::transaction::Outcome;
use jiff::Timestamp;
use recado_domain::account::NumberStatus;
use recado_domain::ids::{AppKey, PhoneNumberId, TenantId, UserId, WabaId};
use recado_domain::personal::Personal;
use recado_domain::policy::Policy;
use recado_domain::tenant::Role;
use serde::{Deserialize, Serialize};

/// Who owns a number. Can only be had from [`Store::route`]; it opens the owner's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    tenant: TenantId,
    waba_id: WabaId,
    app: AppKey,
}

impl Route {
    /// The route of a tenant's number, to be written.
    pub(crate) fn of_number(tenant: TenantId, number: &Number) -> Self {
        Self { tenant, waba_id: number.waba_id.clone(), app: number.app.clone() }
    }

    /// The owner.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Whether a webhook of this app and account may speak for the number. An app's secret proves
    /// the app, not the tenant, so both must be the ones the number was registered with.
    pub fn accepts(&self, app: &str, waba: Option<&str>) -> bool {
        self.app.as_str() == app && waba == Some(self.waba_id.as_str())
    }
}

/// A place in a tenant: a person's, or that of a system of the tenant's own. Can only be had from
/// [`Store::memberships`] and [`Store::member_of_key`]; it opens the tenant's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    tenant: TenantId,
    user: UserId,
    role: Role,
    email: Personal<String>,
    name: Personal<String>,
}

impl Membership {
    /// The place that a person is let into.
    pub(crate) fn of_person(tenant: TenantId, new: &NewMember) -> Self {
        let NewMember { user, role, email, name } = new.clone();
        Self { tenant, user, role, email, name }
    }

    /// The place of whoever has shown this key. Nobody can be reached there.
    pub(crate) fn of_key(tenant: TenantId, key: &KnownKey) -> Self {
        let user = UserId::parse(key.id.to_string()).expect("an id of ours has no control characters");
        Self { tenant, user, role: key.role, email: Personal::new(String::new()), name: key.name.clone() }
    }

    /// The same place with another role.
    pub(crate) fn with_role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// The tenant.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The person; of a system, the id of its key.
    pub const fn user(&self) -> &UserId {
        &self.user
    }

    /// What they may do.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Where to reach them; empty for a system.
    pub const fn email(&self) -> &Personal<String> {
        &self.email
    }

    /// The name they write under.
    pub const fn name(&self) -> &Personal<String> {
        &self.name
    }
}

/// One of a tenant's numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Number {
    /// Meta's id of the number.
    pub phone_number_id: PhoneNumberId,
    /// The account it belongs to.
    pub waba_id: WabaId,
    /// The Meta app that receives for it.
    pub app: AppKey,
    /// Whether it may send, as far as the hub itself is concerned. What Meta says of its account can only
    /// take from that ([`TenantStore::status_of`]).
    pub status: NumberStatus,
    /// The access token, encrypted for this tenant.
    #[serde(default, with = "serde_bytes")]
    pub encrypted_token: Vec<u8>,
    /// The number as people write it.
    #[serde(default)]
    pub display_phone_number: Option<String>,
}

/// A number of an account, whoever it belongs to.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountNumber {
    /// Meta's id of the number.
    pub phone_number_id: PhoneNumberId,
    waba_id: WabaId,
    status: NumberStatus,
    /// The number as people write it.
    #[serde(default)]
    pub display_phone_number: Option<String>,
}

/// A tenant to be registered, with its first number and its people.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// Its id; new.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// Its first number, if it has one yet. Graph has confirmed that it belongs to the account.
    pub number: Option<Number>,
    /// Its people; at most 45, because a transaction holds 100 writes.
    pub members: Vec<NewMember>,
    /// What it has decided.
    pub policy: Policy,
}

/// A person to be let in.
#[derive(Debug, Clone)]
pub struct NewMember {
    /// The subject of their access token.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
    /// Where to reach them.
    pub email: Personal<String>,
    /// The name they write under.
    pub name: Personal<String>,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// The tenant exists and its number is routed to it.
    Done,
    /// The number already has an owner. Nothing was written.
    NumberTaken,
    /// Another tenant gave the number back lately; nobody gets it until then. Nothing was written.
    NumberQuarantined(Timestamp),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TenantRecord<'a> {
    id: TenantId,
    name: &'a str,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct TenantName {
    name: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct WabaRecord {
    pub(crate) tenant: TenantId,
}

impl Store {
    /// Who owns a number, strongly consistent; `None` if nobody does.
    pub async fn route(&self, number: &PhoneNumberId) -> Result<Option<Route>, StoreError> {
        const OPERATION: &str = "looking up who owns a number";
        self.get(OPERATION, Key::route(number)).await?.map(|item| item::record(OPERATION, item)).transpose()
    }

    /// The numbers that tenants have in an account, strongly consistent. They are a reason to look up their
    /// routes, which alone open a tenant's data.
    pub async fn numbers_of_account(&self, waba: &WabaId) -> Result<Vec<AccountNumber>, StoreError> {
        const OPERATION: &str = "looking up an account's numbers";
        let mut numbers = Vec::new();
        for item in self.partition(OPERATION, &waba_partition(waba), TENANTS).await? {
            let WabaRecord { tenant } = item::record(OPERATION, item)?;
            for item in self.partition(OPERATION, &tenant_partition(tenant), NUMBERS).await? {
                let number: AccountNumber = item::record(OPERATION, item)?;
                let is_in_it = number.waba_id == *waba && number.status != NumberStatus::Disconnected;
                numbers.extend(is_in_it.then_some(number));
            }
        }
        Ok(numbers)
    }

    /// The tenants a person belongs to.
    pub async fn memberships(&self, user: &UserId) -> Result<Vec<Membership>, StoreError> {
        const OPERATION: &str = "looking up a person's memberships";
        let items = self.partition(OPERATION, &user_partition(user), MEMBERS).await?;
        items.into_iter().map(|item| item::record(OPERATION, item)).collect()
    }

    /// Registers a tenant with its people and, if it has one, its number and the number's route, in one
    /// transaction.
    ///
    /// **A number has one owner** by the route, put only if absent.
    pub async fn register(&self, new: &NewTenant, now: Timestamp) -> Result<Registered, StoreError> {
        self.register_once(new, None, &(), now).await
    }

    /// The same, noting the request that asked for it with `effect`.
    pub async fn register_once(
        &self,
        new: &NewTenant,
        once: Option<&Once>,
        effect: &impl Serialize,
        now: Timestamp,
    ) -> Result<Registered, StoreError> {
        let NewTenant { id, name, number, members, policy } = new;
        let put = |item| Expression::new().when(ABSENT).into_put(&self.table, item);
        let mut writes = number.as_ref().map(|number| self.open(*id).number_writes(number, now)).unwrap_or_default();
        writes.push(put(item::item(Key::tenant(*id), "tenant", &TenantRecord { id: *id, name, created_at: now })));
        writes.push(put(item::item(Key::policy(*id), "policy", policy)));
        for member in members {
            let membership = Membership::of_person(*id, member);
            writes.push(put(item::item(Key::membership(&member.user, *id), "membership", &membership)));
            writes.push(put(MemberRecord::new_item(*id, &member.user)));
        }
        Ok(match self.transact_once("registering a tenant", writes, once, effect).await? {
            Outcome::Done => Registered::Done,
            Outcome::Refused(verdicts) => match quarantined(&verdicts) {
                Some(until) if number.is_some() => Registered::NumberQuarantined(until),
                _ => Registered::NumberTaken,
            },
        })
    }
}

impl TenantStore {
    /// What the tenant is called.
    pub async fn name(&self) -> Result<String, StoreError> {
        const OPERATION: &str = "reading a tenant";
        let found = self.get(OPERATION, Key::tenant(self.tenant)).await?;
        let found: Option<TenantName> = found.map(|item| item::record(OPERATION, item)).transpose()?;
        Ok(found.map(|found| found.name).unwrap_or_default())
    }

    /// One of the tenant's numbers; not one that it gave back.
    pub async fn number(&self, number: &PhoneNumberId) -> Result<Option<Number>, StoreError> {
        const OPERATION: &str = "reading a number";
        let found = self.get(OPERATION, Key::number(self.tenant, number)).await?;
        let found: Option<Number> = found.map(|item| item::record(OPERATION, item)).transpose()?;
        Ok(found.filter(|number| number.status != NumberStatus::Disconnected))
    }
}
