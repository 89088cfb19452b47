//! From a queue message that names an account, and perhaps a number as people write it, to its tenants.

use crate::{Gate, Opened};
use recado_domain::ids::{PhoneNumberId, WabaId};
use recado_domain::personal::Personal;
use recado_domain::phone::is_same_number;
use recado_platform::batch::Delivery;
use recado_platform::metrics::Metric;
use recado_store::{AccountNumber, LogScope, ParkedScope, StoreError, TenantStore};
use recado_whatsapp::envelope::Envelope;
use recado_whatsapp::webhook::word;

/// A queue message about an account, whose tenants are proven.
#[derive(Debug)]
pub struct AdmittedAccount<'a> {
    /// The delivery, to be parked if it turns out to be unusable.
    pub delivery: &'a Delivery,
    /// What it holds.
    pub envelope: Envelope<'a>,
    /// The account it is about.
    pub waba: WabaId,
    /// Those whom it is for; at least one.
    pub owners: Vec<Owner>,
}

/// A tenant with numbers in an account.
#[derive(Debug)]
pub struct Owner {
    /// The tenant's data.
    pub store: TenantStore,
    /// Its numbers in the account or, of a message about a certain number, that number; at least one.
    pub numbers: Vec<AccountNumber>,
}

/// How a message about an account names one of the account's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedNumber {
    /// As people write it.
    Display(Personal<String>),
    /// By Meta's id.
    Id(PhoneNumberId),
}

impl NamedNumber {
    fn is(&self, number: &AccountNumber) -> bool {
        let shown = number.display_phone_number.as_deref();
        match self {
            Self::Display(display) => shown.is_some_and(|shown| is_same_number(shown, display.expose())),
            Self::Id(id) => *id == number.phone_number_id,
        }
    }
}

impl Gate {
    /// Finds the tenants that have numbers in an account for which the app that signed receives; of a
    /// message about a certain `number`, those that have this number. `None`: it was parked, and is
    /// done with.
    ///
    /// What comes for an account before it has a tenant is parked with nobody: by the time it has one, Graph
    /// tells what its templates and numbers are like.
    pub async fn admit_account<'a>(
        &self,
        opened: Opened<'a>,
        waba: Option<WabaId>,
        number: Option<&NamedNumber>,
    ) -> Result<Option<AdmittedAccount<'a>>, StoreError> {
        let Opened { delivery, envelope } = opened;
        let park = async |scope, reason: String, metric| {
            self.park(delivery, Some(&envelope), scope, reason, metric).await.map(|_| None::<AdmittedAccount<'a>>)
        };
        let field = word(envelope.item.field.as_deref().unwrap_or_default());
        let Some(waba) = waba else {
            let reason = format!("a value of the field `{field}` that names neither number nor account");
            return park(ParkedScope::Nobody, reason, Metric::Parked).await;
        };
        let known = self.store.numbers_of_account(&waba).await?;
        if known.is_empty() {
            let reason = "nobody owns the account".to_owned();
            return park(ParkedScope::Nobody, reason, Metric::UnknownPhoneNumber).await;
        }
        let owners = self.owners(&waba, known, &envelope.app).await?;
        if owners.is_empty() {
            tracing::error!(app = %envelope.app, account = ?waba, "an app that does not receive for the account");
            let reason = "the app that signed does not receive for the account".to_owned();
            return park(ParkedScope::Nobody, reason, Metric::Parked).await;
        }
        let scope = sole(&owners);
        let owners = match number {
            Some(number) => having(owners, number),
            None => owners,
        };
        if owners.is_empty() {
            if let ParkedScope::Tenant(tenant) = scope {
                self.journal.note(delivery, &envelope, vec![LogScope::Tenant(tenant)]);
            }
            let reason = format!("a value of the field `{field}` about a number of the account that is not ours");
            return park(scope, reason, Metric::UnknownPhoneNumber).await;
        }
        let logs = owners.iter().map(|owner| LogScope::Tenant(owner.store.tenant())).collect();
        self.journal.note(delivery, &envelope, logs);
        Ok(Some(AdmittedAccount { delivery, envelope, waba, owners }))
    }

    /// Keeps a message about an account that is not applied, and counts it as this: with the tenant if there
    /// is one, and of several with none, because what it says need not concern them all.
    pub async fn keep_for_account(
        &self,
        admitted: &AdmittedAccount<'_>,
        reason: String,
        metric: Metric,
    ) -> Result<(), StoreError> {
        let AdmittedAccount { delivery, envelope, owners, .. } = admitted;
        if owners.len() > 1 {
            self.journal.note(delivery, envelope, vec![LogScope::Deployment]);
        }
        self.park(delivery, Some(envelope), sole(owners), reason, metric).await.map(|_| ())
    }

    /// Those of the numbers whose routes name this account and this app, by tenant.
    async fn owners(&self, waba: &WabaId, known: Vec<AccountNumber>, app: &str) -> Result<Vec<Owner>, StoreError> {
        let mut owners: Vec<Owner> = Vec::new();
        for number in known {
            let route = self.route(&number.phone_number_id).await?;
            let Some(route) = route.filter(|route| route.accepts(app, Some(waba.as_str()))) else { continue };
            match owners.iter_mut().find(|owner| owner.store.tenant() == route.tenant()) {
                Some(owner) => owner.numbers.push(number),
                None => owners.push(Owner { store: self.store.of_route(&route), numbers: vec![number] }),
            }
        }
        Ok(owners)
    }
}

/// The owners of a number, with that number only.
fn having(mut owners: Vec<Owner>, number: &NamedNumber) -> Vec<Owner> {
    for owner in &mut owners {
        owner.numbers.retain(|one| number.is(one));
    }
    owners.retain(|owner| !owner.numbers.is_empty());
    owners
}

/// The only owner; of several, nobody.
fn sole(owners: &[Owner]) -> ParkedScope<'static> {
    match owners {
        [owner] => ParkedScope::Tenant(owner.store.tenant()),
        _ => ParkedScope::Nobody,
    }
}
