//! Keeps what Meta says about accounts, templates and numbers.
//!
//! **Trigger:** the `account` queue, in batches: every webhook field other than `messages`, and
//! `messages` values that hold neither messages nor statuses.
//!
//! **Promise:** a tenant's templates, numbers and accounts are as Meta last said: a template's status,
//! quality, category and parts; a number's limit, flag, rating, throughput and name; an account's ban, link,
//! restrictions, review and limits, and with them whether its numbers may send. The last event of each kind
//! about accounts and PINs is kept for people to read, and so is what customers want to receive
//! (`user_preferences`). Everything else is kept as Meta sent it, with the reason why it was not applied,
//! and counted.
//!
//! Most events name an account and no number. They are for every tenant that has a number in the account
//! for which the app that signed receives ([`Gate::admit_account`]); what is about one number of several,
//! for that number's tenant alone.
//!
//! **Idempotency:** of each aspect the newest news counts ([`recado_domain::as_of`]), by one conditional
//! write. So a duplicate changes nothing, an older event that comes late changes nothing, and every order
//! of arrival ends in the same state. The key of a parked event is derived from its bytes.
//!
//! **On failure:** delivered again; after that, the dead-letter queue.

mod read;
mod template;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use read::{About, Fact, News, Reading};
use recado_domain::as_of::Told;
use recado_domain::contact::Identities;
use recado_domain::ids::{TenantId, WabaId};
use recado_domain::preference::{Preference, PreferenceSource};
use recado_domain::status::Learned;
use recado_domain::template::{TemplateFact, TemplateStatus};
use recado_ingest::{Admitted, Archive, Gate, Opened, Owner};
use recado_platform::batch::{self, Delivery};
use recado_platform::clock::Clock;
use recado_platform::metrics::{self, Metric};
use recado_store::{Notice, Store, StoreError};
use recado_whatsapp::webhook::preference::{self as meta, UserPreferences};
use recado_whatsapp::webhook::word;

/// The function and what it uses.
#[derive(Debug)]
pub struct Account {
    gate: Gate,
    clock: Clock,
}

impl Account {
    /// A worker on this table.
    pub fn new(store: Store, archive: Archive, clock: Clock) -> Self {
        Self { gate: Gate::new(store, archive, "account", clock.clone()), clock }
    }

    /// Keeps a batch of the queue.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let deliveries = batch::deliveries(event);
        let response = batch::each(&deliveries, |delivery| Box::pin(self.keep(delivery))).await;
        self.gate.finish(&deliveries, response).await
    }

    async fn keep(&self, delivery: &Delivery) -> Result<(), StoreError> {
        let Some(opened) = self.gate.open(delivery).await? else { return Ok(()) };
        let field = word(opened.envelope.item.field.as_deref().unwrap_or_default()).to_owned();
        match read::read(&opened.envelope.item) {
            Reading::News(news) => self.apply(opened, news).await,
            Reading::Unreadable(rule) => {
                self.keep_raw(opened, format!("a value of `{field}`: {rule}"), Metric::Parked).await
            }
            Reading::Elsewhere if field == "user_preferences" => self.prefer(opened).await,
            Reading::Elsewhere => {
                let reason = format!("the field `{field}` is kept, but not applied yet");
                self.keep_raw(opened, reason, Metric::KeptRaw).await
            }
        }
    }

    /// Adds to each tenant's state what was told of its account, templates or number.
    async fn apply(&self, opened: Opened<'_>, news: News) -> Result<(), StoreError> {
        let News { waba, number, facts } = news;
        let Some(admitted) = self.gate.admit_account(opened, waba, number.as_ref()).await? else { return Ok(()) };
        for owner in &admitted.owners {
            for fact in &facts {
                tell(&admitted.waba, owner, fact).await?;
            }
        }
        Ok(())
    }

    /// Keeps what cannot be applied as Meta sent it: with the owner of the number or account that it names.
    async fn keep_raw(&self, opened: Opened<'_>, reason: String, metric: Metric) -> Result<(), StoreError> {
        if opened.envelope.item.phone_number_id.is_some() {
            let Some(admitted) = self.gate.admit_number(opened).await? else { return Ok(()) };
            return self.gate.keep_for(&admitted, reason, metric).await;
        }
        let waba = read::entry(&opened.envelope.item);
        let Some(admitted) = self.gate.admit_account(opened, waba, None).await? else { return Ok(()) };
        self.gate.keep_for_account(&admitted, reason, metric).await
    }

    /// Keeps what customers say in WhatsApp's own settings. What is no answer we know is kept as it is.
    async fn prefer(&self, opened: Opened<'_>) -> Result<(), StoreError> {
        let Ok(told) = UserPreferences::parse(opened.envelope.item.raw) else {
            return self.keep_raw(opened, "preferences that cannot be understood".to_owned(), Metric::Parked).await;
        };
        let Some(admitted) = self.gate.admit_number(opened).await? else { return Ok(()) };
        for one in &told.user_preferences {
            if !self.prefer_one(&admitted, one).await? {
                self.gate.park_for(&admitted, "a preference that cannot be understood".to_owned()).await?;
            }
        }
        Ok(())
    }

    /// Keeps what one customer wants; `false` if that cannot be understood.
    async fn prefer_one(&self, admitted: &Admitted<'_>, one: &meta::UserPreference) -> Result<bool, StoreError> {
        let wanted = match one.value {
            Some(meta::Preference::Stop) => Some(false),
            Some(meta::Preference::Resume | meta::Preference::Signup) => Some(true),
            _ => None,
        };
        let who = Identities { wa_id: one.wa_id.clone(), bsuid: one.user_id.clone(), ..Identities::default() };
        let (Some(wanted), Some(at), false) = (wanted, one.timestamp, who.is_anonymous()) else { return Ok(false) };
        let preference = Preference { wanted, at, source: PreferenceSource::WhatsApp };
        admitted.store.record_preference(&admitted.number, &who, &preference, self.clock.now()).await?;
        Ok(true)
    }
}

/// Adds one thing to what a tenant knows.
async fn tell(waba: &WabaId, owner: &Owner, fact: &Fact) -> Result<(), StoreError> {
    let Owner { store, numbers } = owner;
    match fact {
        Fact::Template(key, fact) => {
            let learned = store.learn_of_template(waba, key, fact).await?;
            if let (TemplateFact::Standing(told), Learned::News) = (fact, learned)
                && told.value.status.is_alarming()
            {
                template_in_trouble(store.tenant(), &told.value.status);
            }
        }
        Fact::Account(fact) => {
            store.learn_of_account(waba, fact).await?;
        }
        Fact::Number(fact) => {
            for number in numbers {
                store.learn_of_number(&number.phone_number_id, fact).await?;
            }
        }
        Fact::Notice(about, told) => {
            let subjects: Vec<&str> = match about {
                About::Account => vec![waba.as_str()],
                About::Number => numbers.iter().map(|number| number.phone_number_id.as_str()).collect(),
                About::Entity(id) => vec![id],
            };
            for subject in subjects {
                let notice = Notice { subject: subject.to_owned(), ..told.value.clone() };
                store.keep_notice(&Told { as_of: told.as_of, value: notice }).await?;
            }
        }
    }
    Ok(())
}

/// Raises the alarm about a template that Meta has refused, paused or disabled, or is about to (REQUIREMENTS
/// TPL-09, ALM-04): when it becomes known, so not again for duplicates and for what is outdated.
fn template_in_trouble(tenant: TenantId, status: &TemplateStatus) {
    metrics::add(Metric::TemplateRejected, 1);
    tracing::warn!(%tenant, status = word(status.as_str()), "a template is in trouble at Meta");
}
