//! Tenants, their numbers and their people.

use crate::Store;
use crate::TenantStore;
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression};
use crate::item;
use crate::keys::{Key, MEMBERS, NUMBERS, TENANTS, tenant_partition, user_partition, waba_partition};
use crate::members::MemberRecord;
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

/// A person's place in a tenant. Can only be had from [`Store::memberships`]; it opens the tenant's data.
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
    /// The tenant.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The person.
    pub const fn user(&self) -> &UserId {
        &self.user
    }

    /// What they may do.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Where to reach them.
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
    #[serde(with = "serde_bytes")]
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
    /// Its first number. Graph has confirmed that it belongs to the account.
    pub number: Number,
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
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TenantRecord<'a> {
    id: TenantId,
    name: &'a str,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct WabaRecord {
    tenant: TenantId,
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
                numbers.extend((number.waba_id == *waba).then_some(number));
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

    /// Registers a tenant with its number, its route and its people, in one transaction.
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
        let route = Route { tenant: *id, waba_id: number.waba_id.clone(), app: number.app.clone() };
        let absent = || Expression::new().when(ABSENT);
        let put = |item| absent().into_put(&self.table, item);
        let mut writes = vec![
            put(item::item(Key::route(&number.phone_number_id), "route", &route)),
            put(item::item(Key::tenant(*id), "tenant", &TenantRecord { id: *id, name, created_at: now })),
            put(item::item(Key::number(*id, &number.phone_number_id), "number", number)),
            put(item::item(Key::waba(&number.waba_id, *id), "waba", &WabaRecord { tenant: *id })),
            put(item::item(Key::policy(*id), "policy", policy)),
        ];
        for member in members {
            let membership = Membership {
                tenant: *id,
                user: member.user.clone(),
                role: member.role,
                email: member.email.clone(),
                name: member.name.clone(),
            };
            writes.push(put(item::item(Key::membership(&member.user, *id), "membership", &membership)));
            writes.push(put(MemberRecord::new_item(*id, &member.user)));
        }
        Ok(match self.transact_once("registering a tenant", writes, once, effect).await? {
            Outcome::Done => Registered::Done,
            Outcome::Refused(_) => Registered::NumberTaken,
        })
    }
}

impl TenantStore {
    /// One of the tenant's numbers.
    pub async fn number(&self, number: &PhoneNumberId) -> Result<Option<Number>, StoreError> {
        const OPERATION: &str = "reading a number";
        self.get(OPERATION, Key::number(self.tenant, number))
            .await?
            .map(|item| item::record(OPERATION, item))
            .transpose()
    }
}
