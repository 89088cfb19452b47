//! Accounts and numbers, as Meta tells of them.

use crate::TenantStore;
use crate::error::StoreError;
use crate::expression::{Expression, PRESENT};
use crate::item;
use crate::keys::{Key, NOTICES, SK, account_prefix, notices_partition};
use crate::tenant::Number;
use crate::told::{learned, telling};
use jiff::{SignedDuration, Timestamp};
use recado_domain::account::{AccountFact, AccountState, NumberStatus, Restriction};
use recado_domain::as_of::Told;
use recado_domain::ids::{PhoneNumberId, WabaId};
use recado_domain::number::{NumberFact, NumberState};
use recado_domain::personal::Personal;
use recado_domain::status::Learned;
use serde::{Deserialize, Serialize};

/// The last event of its kind about an account, a number or a business, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The webhook field that it came in.
    pub field: String,
    /// What it is about: the id of an account, a number or a business.
    pub subject: String,
    /// What happened, in Meta's word.
    pub event: String,
    /// How bad it is, in Meta's word, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// The JSON that Meta sent. It may name people.
    pub payload: Personal<String>,
}

/// How long a notice is kept after what it tells of. Long after every redelivery and replay, so that an
/// older one cannot come back in its place.
const NOTICE_KEEP: SignedDuration = SignedDuration::from_hours(90 * 24);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NoticeRecord<'a> {
    #[serde(flatten)]
    told: &'a Told<Notice>,
    /// When DynamoDB may tidy it away.
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    expires_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountRecord<'a> {
    waba_id: &'a WabaId,
}

impl TenantStore {
    /// Adds what was told of one of the tenant's accounts.
    ///
    /// **In any order and any number of times**: one conditional update of one aspect, by [`AccountState`]'s
    /// rule. What follows for the account's numbers is read off the account ([`TenantStore::status_of`]),
    /// so no number has to be written, and a number that joins later is in the same state.
    pub async fn learn_of_account(&self, waba: &WabaId, fact: &AccountFact) -> Result<Learned, StoreError> {
        const OPERATION: &str = "learning of an account";
        let made = item::item(Key::account(self.tenant, waba), "account", &AccountRecord { waba_id: waba });
        match fact {
            AccountFact::Ban(told) => self.tell(OPERATION, made, "ban", told).await,
            AccountFact::Link(told) => self.tell(OPERATION, made, "link", told).await,
            AccountFact::Review(told) => self.tell(OPERATION, made, "review", told).await,
            AccountFact::Capability(told) => self.tell(OPERATION, made, "capability", told).await,
            AccountFact::Restriction(told) => {
                let key = Key::restriction(self.tenant, waba, &told.value.kind);
                self.tell_whole(OPERATION, item::item(key, "restriction", told)).await
            }
        }
    }

    /// What was told of one of the tenant's accounts; nothing of one that never was told of.
    pub async fn account(&self, waba: &WabaId) -> Result<AccountState, StoreError> {
        const OPERATION: &str = "reading an account";
        let Key { pk, sk } = Key::account(self.tenant, waba);
        let (mut state, mut restrictions) = (AccountState::default(), Vec::new());
        for item in self.partition(OPERATION, &pk, &account_prefix(waba)).await? {
            if item::text(&item, SK) == Some(&sk) {
                state = item::record(OPERATION, item)?;
            } else {
                restrictions.push(item::record::<Told<Restriction>>(OPERATION, item)?);
            }
        }
        for told in restrictions {
            state.learn(AccountFact::Restriction(told));
        }
        Ok(state)
    }

    /// Whether a number may send at this time: by what the hub knows of the number, and by what Meta said of
    /// its account.
    pub async fn status_of(&self, number: &Number, now: Timestamp) -> Result<NumberStatus, StoreError> {
        Ok(self.account(&number.waba_id).await?.status_of_number(number.status, now))
    }

    /// Adds what was told of one of the tenant's numbers; of a number that is not the tenant's any more,
    /// nothing is added.
    ///
    /// **In any order and any number of times**: one conditional update of one aspect, by [`NumberState`]'s
    /// rule.
    pub async fn learn_of_number(&self, number: &PhoneNumberId, fact: &NumberFact) -> Result<Learned, StoreError> {
        let change = match fact {
            NumberFact::Limit(told) => telling(Expression::new(), "limit", told),
            NumberFact::Flag(told) => telling(Expression::new(), "flag", told),
            NumberFact::Quality(told) => telling(Expression::new(), "quality", told),
            NumberFact::Throughput(told) => telling(Expression::new(), "throughput", told),
            NumberFact::NameReview(told) => telling(Expression::new(), "nameReview", told),
            NumberFact::VerifiedName(told) => telling(Expression::new(), "verifiedName", told),
        };
        let key = Key::number(self.tenant, number);
        self.update("learning of a number", key, change.when(PRESENT)).await.map(|updated| learned(&updated))
    }

    /// What was told of one of the tenant's numbers; nothing of one that is not the tenant's.
    pub async fn number_state(&self, number: &PhoneNumberId) -> Result<NumberState, StoreError> {
        const OPERATION: &str = "reading a number";
        let item = self.get(OPERATION, Key::number(self.tenant, number)).await?;
        item.map_or(Ok(NumberState::default()), |item| item::record(OPERATION, item))
    }

    /// Keeps an event for people to read: the newest of its kind about its subject. So there are never more
    /// than Meta has kinds of events.
    pub async fn keep_notice(&self, told: &Told<Notice>) -> Result<Learned, StoreError> {
        let Notice { field, subject, event, .. } = &told.value;
        let expires_at = told.as_of.at().saturating_add(NOTICE_KEEP).unwrap_or(Timestamp::MAX);
        let key = Key::notice(self.tenant, field, subject, event);
        let item = item::item(key, "notice", &NoticeRecord { told, expires_at });
        self.tell_whole("keeping a notice", item).await
    }

    /// The last events about the tenant's accounts and numbers, one of each kind, without those that have
    /// expired by `now`.
    pub async fn notices(&self, now: Timestamp) -> Result<Vec<Told<Notice>>, StoreError> {
        const OPERATION: &str = "listing notices";
        let items = self.partition(OPERATION, &notices_partition(self.tenant), NOTICES).await?;
        let mut notices: Vec<Told<Notice>> =
            items.into_iter().map(|item| item::record(OPERATION, item)).collect::<Result<_, _>>()?;
        notices.retain(|told| told.as_of.at().saturating_add(NOTICE_KEEP).is_ok_and(|expiry| now < expiry));
        Ok(notices)
    }
}
