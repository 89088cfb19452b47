//! What a webhook value says, in our own terms. Pure.

use jiff::Timestamp;
use recado_domain::account::{AccountFact, Ban, BanState, Capability, Link, LinkState, Restriction, Review};
use recado_domain::as_of::{AsOf, Told};
use recado_domain::ids::{PhoneNumberId, WabaId};
use recado_domain::number::{Flag, Limit, NameReview, NumberFact, NumberQuality, Throughput, VerifiedName};
use recado_domain::personal::Personal;
use recado_domain::template::{TemplateFact, TemplateKey, weight_of_score};
use recado_ingest::NamedNumber;
use recado_store::Notice;
use recado_whatsapp::envelope::Item;
use recado_whatsapp::webhook::account::{
    self as meta, AccountAlert, AccountEvent, AccountUpdate, AlertStatus, BusinessCapability, PhoneNumberName,
    PhoneNumberQuality, QualityEvent, Security,
};
use recado_whatsapp::webhook::change::Change;
use recado_whatsapp::webhook::word;

/// What a value says, and of whom.
#[derive(Debug, PartialEq)]
pub(crate) struct News {
    /// The account it is about.
    pub(crate) waba: Option<WabaId>,
    /// The number it is about; none if it is about the whole account.
    pub(crate) number: Option<NamedNumber>,
    /// What it says.
    pub(crate) facts: Vec<Fact>,
}

/// One thing that a value says.
#[derive(Debug, PartialEq)]
pub(crate) enum Fact {
    /// Of a template of the account.
    Template(TemplateKey, TemplateFact),
    /// Of the account.
    Account(AccountFact),
    /// Of the number.
    Number(NumberFact),
    /// For people to read.
    Notice(About, Told<Notice>),
}

/// What a notice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    /// The account.
    Account,
    /// The number that the news names.
    Number,
    /// Whatever has this id of Meta's, such as a business portfolio.
    Entity(String),
}

/// What a value is to this worker.
#[derive(Debug, PartialEq)]
pub(crate) enum Reading {
    /// It says something that we know.
    News(News),
    /// It is of a field that we know, but cannot be read, because it breaks this rule.
    Unreadable(&'static str),
    /// It is of another field.
    Elsewhere,
}

/// The largest value that is kept as a notice or as a template's parts, in bytes. Meta's have some hundred.
const VALUE_MAX: usize = 32_768;

/// The longest sentence of Meta's that is kept, in characters.
const SENTENCE_MAX: usize = 1_000;

/// Reads a value.
pub(crate) fn read(item: &Item<'_>) -> Reading {
    let change = Change::parse(item.field.as_deref().unwrap_or_default(), item.raw);
    let raw = item.raw.get();
    let source = Source {
        at: item.time.and_then(|second| Timestamp::from_second(second).ok()),
        field: item.field.as_deref().unwrap_or_default(),
        raw,
    };
    let read = match &change {
        Change::TemplateStatus(told) => source.template_status(told),
        Change::TemplateQuality(told) => source.template_quality(told),
        Change::TemplateCategory(told) => source.template_category(told),
        Change::TemplateComponents(told) => source.template_components(told),
        Change::PhoneNumberQuality(told) => source.number_quality(told),
        Change::PhoneNumberName(told) => source.number_name(told),
        Change::AccountUpdate(told) => source.account_update(told),
        Change::AccountAlert(told) => source.account_alert(told),
        Change::AccountReview(told) => source.account_review(told),
        Change::BusinessCapability(told) => source.capability(told),
        Change::Security(told) => source.security(told),
        _ => return Reading::Elsewhere,
    };
    // Without a time it cannot be told what is newer.
    if source.at.is_none() {
        return Reading::Unreadable("it has no time");
    }
    if raw.len() > VALUE_MAX {
        return Reading::Unreadable("it is too large");
    }
    match read {
        Ok(news) => Reading::News(News { waba: news.waba.or_else(|| entry(item)), ..news }),
        Err(rule) => Reading::Unreadable(rule),
    }
}

/// The account that the entry names.
pub(crate) fn entry(item: &Item<'_>) -> Option<WabaId> {
    item.waba_id.as_deref().and_then(|id| WabaId::parse(id).ok())
}

pub(crate) type Read = Result<News, &'static str>;

/// A value and when it was true.
pub(crate) struct Source<'a> {
    at: Option<Timestamp>,
    field: &'a str,
    raw: &'a str,
}

impl Source<'_> {
    /// Something that the value tells. Of two told in the same second, the heavier is believed.
    pub(crate) fn told<T>(&self, weight: u8, value: T) -> Told<T> {
        Told { as_of: AsOf::new(self.at.unwrap_or_default(), weight, self.raw), value }
    }

    fn notice(&self, weight: u8, event: String, severity: Option<String>) -> Told<Notice> {
        let (field, payload) = (self.field.to_owned(), Personal::new(self.raw.to_owned()));
        self.told(weight, Notice { field, subject: String::new(), event, severity, payload })
    }

    fn number_quality(&self, told: &PhoneNumberQuality) -> Read {
        let mut facts = Vec::new();
        let tier = known(told.current_limit.as_ref().map(meta::MessagingTier::as_str));
        let max_daily_conversations = told.max_daily_conversations_per_business;
        if tier.is_some() || max_daily_conversations.is_some() {
            facts.push(NumberFact::Limit(self.told(0, Limit { tier, max_daily_conversations })));
        }
        match told.event {
            Some(QualityEvent::Flagged) => facts.push(NumberFact::Flag(self.told(1, Flag { is_flagged: true }))),
            Some(QualityEvent::Unflagged) => facts.push(NumberFact::Flag(self.told(0, Flag { is_flagged: false }))),
            Some(QualityEvent::ThroughputUpgrade) => {
                facts.push(NumberFact::Throughput(self.told(0, Throughput { level: "HIGH".to_owned() })));
            }
            _ => {}
        }
        if let Some(score) = known(told.quality_score.as_ref().map(|score| score.as_str())) {
            facts.push(NumberFact::Quality(self.told(weight_of_score(&score), NumberQuality { score })));
        }
        of_number(told.display_phone_number.as_ref(), facts.into_iter().map(Fact::Number).collect())
    }

    fn number_name(&self, told: &PhoneNumberName) -> Read {
        let decision = decision_of(told.decision.as_ref())?;
        let (name, reason) = (sentence(told.requested_verified_name.as_ref()), told.rejection_reason.as_deref());
        let reason = known(reason).filter(|reason| reason != "NONE");
        let mut facts = Vec::new();
        if let (true, Some(name)) = (decision == "APPROVED", &name) {
            facts.push(Fact::Number(NumberFact::VerifiedName(self.told(0, VerifiedName { name: name.clone() }))));
        }
        let weight = weight_of_decision(&decision);
        facts.push(Fact::Number(NumberFact::NameReview(self.told(weight, NameReview { decision, name, reason }))));
        of_number(told.display_phone_number.as_ref(), facts)
    }

    fn security(&self, told: &Security) -> Read {
        let event = known(told.event.as_ref().map(meta::SecurityEvent::as_str)).ok_or("it says no event")?;
        let notice = Fact::Notice(About::Number, self.notice(0, event, None));
        of_number(told.display_phone_number.as_ref(), vec![notice])
    }

    fn account_update(&self, told: &AccountUpdate) -> Read {
        let event = told.event.as_ref().ok_or("it says no event")?;
        let mut facts = self.account_facts(event, told)?;
        let notice = self.notice(0, event.as_str().to_owned(), None);
        facts.push(Fact::Notice(About::Account, notice));
        let waba = told.waba_info.as_ref().and_then(|info| info.waba_id.clone());
        Ok(News { waba, number: None, facts })
    }

    /// What follows from an event for the account; nothing from most.
    fn account_facts(&self, event: &AccountEvent, told: &AccountUpdate) -> Result<Vec<Fact>, &'static str> {
        let link = |state: LinkState| {
            let reason = told.disconnection_info.as_ref().and_then(|info| known(info.reason.as_deref()));
            vec![Fact::Account(AccountFact::Link(self.told(state as u8, Link { state, reason })))]
        };
        Ok(match event {
            AccountEvent::AccountDeleted => link(LinkState::Deleted),
            AccountEvent::AccountOffboarded => link(LinkState::Offboarded),
            AccountEvent::PartnerRemoved | AccountEvent::PartnerAppUninstalled => link(LinkState::Removed),
            AccountEvent::AccountReconnected | AccountEvent::PartnerAdded | AccountEvent::PartnerAppInstalled => {
                link(LinkState::Connected)
            }
            AccountEvent::DisabledUpdate => {
                let ban = told.ban_info.as_ref().ok_or("it does not say whether the account is disabled")?;
                let state = match ban.waba_ban_state {
                    Some(meta::BanState::Disable) => BanState::Disabled,
                    Some(meta::BanState::ScheduleForDisable) => BanState::Scheduled,
                    Some(meta::BanState::Reinstate) => BanState::Reinstated,
                    Some(meta::BanState::Other(_)) | None => {
                        return Err("it does not say whether the account is disabled");
                    }
                };
                let ban = Ban { state, date: sentence(ban.waba_ban_date.as_ref()) };
                vec![Fact::Account(AccountFact::Ban(self.told(state as u8, ban)))]
            }
            AccountEvent::AccountRestriction => {
                let restrictions = told.restriction_info.iter().filter_map(|info| {
                    let kind = known(info.restriction_type.as_ref().map(meta::RestrictionType::as_str))?;
                    Some(Restriction { kind, until: info.expiration })
                });
                let told = restrictions.map(|restriction| self.told(restriction.weight(), restriction));
                let facts: Vec<_> = told.map(|told| Fact::Account(AccountFact::Restriction(told))).collect();
                if facts.is_empty() {
                    return Err("it does not say what is restricted");
                }
                facts
            }
            AccountEvent::Other(_) => return Err("it is of an event that we do not know"),
            _ => Vec::new(),
        })
    }

    fn account_alert(&self, told: &AccountAlert) -> Read {
        let alert = told.alert_info.as_ref().ok_or("it says no alert")?;
        let event = known(alert.alert_type.as_deref()).ok_or("it says no alert")?;
        let id = told.entity_id.clone().filter(|id| is_plain(id)).ok_or("it does not say what it is about")?;
        let severity = known(alert.alert_severity.as_ref().map(meta::AlertSeverity::as_str));
        let weight = u8::from(alert.alert_status == Some(AlertStatus::Active));
        let notice = self.notice(weight, event, severity);
        if told.entity_type.as_deref().is_some_and(|kind| kind.starts_with("PHONE_NUMBER")) {
            let number = PhoneNumberId::parse(id).map_err(|_| "it does not say what it is about")?;
            let facts = vec![Fact::Notice(About::Number, notice)];
            return Ok(News { waba: None, number: Some(NamedNumber::Id(number)), facts });
        }
        Ok(of_account(vec![Fact::Notice(About::Entity(id), notice)]))
    }

    fn account_review(&self, told: &meta::AccountReview) -> Read {
        let decision = decision_of(told.decision.as_ref())?;
        let review = self.told(weight_of_decision(&decision), Review { decision });
        Ok(of_account(vec![Fact::Account(AccountFact::Review(review))]))
    }

    fn capability(&self, told: &BusinessCapability) -> Read {
        let capability = Capability {
            max_daily_conversations: told
                .max_daily_conversations_per_business
                .or(told.max_daily_conversation_per_phone),
            max_numbers: told.max_phone_numbers_per_business,
            max_numbers_per_account: told.max_phone_numbers_per_waba,
        };
        if capability == Capability::default() {
            return Err("it says no limit");
        }
        Ok(of_account(vec![Fact::Account(AccountFact::Capability(self.told(0, capability)))]))
    }
}

pub(crate) const fn of_account(facts: Vec<Fact>) -> News {
    News { waba: None, number: None, facts }
}

fn of_number(display: Option<&String>, facts: Vec<Fact>) -> Read {
    if facts.is_empty() {
        return Err("it says nothing that we know");
    }
    let display = display.ok_or("it does not say which number it is about")?;
    let number = NamedNumber::Display(Personal::new(display.clone()));
    Ok(News { waba: None, number: Some(number), facts })
}

/// A word of Meta's, if it looks like one.
pub(crate) fn known(text: Option<&str>) -> Option<String> {
    text.filter(|text| word(text) == *text).map(str::to_owned)
}

/// What Meta says in words of its own.
pub(crate) fn sentence(text: Option<&String>) -> Option<String> {
    text.map(|text| text.chars().take(SENTENCE_MAX).collect())
}

fn decision_of(decision: Option<&meta::Decision>) -> Result<String, &'static str> {
    known(decision.map(meta::Decision::as_str)).ok_or("it says no decision")
}

/// Of two decisions in the same second, an answer is believed rather than the wait for it, and of two
/// answers the worse.
fn weight_of_decision(decision: &str) -> u8 {
    match decision {
        "PENDING" => 0,
        "DEFERRED" => 1,
        "APPROVED" => 2,
        "REJECTED" => 4,
        _ => 3,
    }
}

/// Whether an id can stand in a key.
fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
