//! What a tenant has decided about its hub (REQUIREMENTS §3.1).

use crate::phone::AreaCode;
use crate::template::TemplateKey;
use jiff::civil::Time;
use jiff::tz::TimeZoneDatabase;
use serde::{Deserialize, Serialize};

/// A tenant's policies. What was never decided is as [`Policy::default`] says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policy {
    /// The time zone of the business, by its IANA name.
    pub timezone: String,
    /// The language of the business as Meta writes it: `es_AR`.
    pub locale: String,
    /// The area of a phone number that is written without one.
    pub default_area_code: AreaCode,
    /// Whether a message that finally failed is sent as an SMS.
    pub sms_fallback_enabled: bool,
    /// Whether a conversation that begins or is opened again is given to somebody who is online.
    pub auto_assign: bool,
    /// After how many minutes a panic ends by itself.
    pub panic_auto_resolve_minutes: u32,
    /// After how many days data is erased; `None`: it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_retention_days: Option<u32>,
    /// Whether customers are told at once that their messages were read, before anybody has.
    pub auto_mark_read: bool,
    /// When nothing is sent by itself, in the time zone of the business.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// The template that greets whoever writes for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub welcome_template: Option<TemplateKey>,
}

/// A part of each day. One that ends before it begins goes over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// When it begins.
    pub from: Time,
    /// When it ends.
    pub until: Time,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            timezone: "America/Argentina/Buenos_Aires".to_owned(),
            locale: "es_AR".to_owned(),
            default_area_code: AreaCode::BUENOS_AIRES,
            sms_fallback_enabled: false,
            auto_assign: false,
            panic_auto_resolve_minutes: 60,
            data_retention_days: None,
            auto_mark_read: false,
            quiet_hours: None,
            welcome_template: None,
        }
    }
}

/// A policy that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct InvalidPolicy {
    /// Which one.
    pub field: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// The longest panic that ends by itself, in minutes: a day.
const LONGEST_PANIC: u32 = 24 * 60;

/// For how many days data is kept at least, and at most. Longer than Meta delivers a webhook again, so that
/// nothing comes back after it was erased.
const RETENTION: std::ops::RangeInclusive<u32> = 30..=3_650;

impl Policy {
    /// Whether every value is one that can be followed.
    pub fn check(&self) -> Result<(), InvalidPolicy> {
        let broken = |field, rule| Err(InvalidPolicy { field, rule });
        // The database that this code carries, so that it makes no difference where it runs.
        if TimeZoneDatabase::bundled().get(&self.timezone).is_err() {
            return broken("timezone", "must be a time zone's IANA name, such as `America/Argentina/Buenos_Aires`");
        }
        if !is_locale(&self.locale) {
            return broken("locale", "must be a language as Meta writes it, such as `es` or `es_AR`");
        }
        if !(1..=LONGEST_PANIC).contains(&self.panic_auto_resolve_minutes) {
            return broken("panicAutoResolveMinutes", "must be 1 to 1440");
        }
        if self.data_retention_days.is_some_and(|days| !RETENTION.contains(&days)) {
            return broken("dataRetentionDays", "must be 30 to 3650, or null");
        }
        if self.quiet_hours.is_some_and(|quiet| quiet.from == quiet.until) {
            return broken("quietHours", "must end at another time than they begin");
        }
        Ok(())
    }
}

fn is_locale(text: &str) -> bool {
    let (language, country) = text.split_once('_').map_or((text, None), |(language, rest)| (language, Some(rest)));
    let of = |text: &str, lengths: std::ops::RangeInclusive<usize>, is: fn(&u8) -> bool| {
        lengths.contains(&text.len()) && text.as_bytes().iter().all(is)
    };
    of(language, 2..=3, u8::is_ascii_lowercase)
        && country.is_none_or(|country| of(country, 2..=2, u8::is_ascii_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_never_decided_is_as_the_defaults_say() {
        assert_eq!(serde_json::from_value::<Policy>(json!({})).unwrap(), Policy::default());
        let decided = Policy { auto_assign: true, ..Policy::default() };
        assert_eq!(serde_json::from_value::<Policy>(json!({"autoAssign": true})).unwrap(), decided);
    }

    #[test]
    fn a_policy_is_written_like_this_and_reads_back() {
        let quiet = QuietHours { from: Time::constant(21, 0, 0, 0), until: Time::constant(8, 30, 0, 0) };
        let policy = Policy { quiet_hours: Some(quiet), data_retention_days: Some(365), ..Policy::default() };
        let json = serde_json::to_value(&policy).unwrap();
        assert_eq!(
            json,
            json!({"timezone": "America/Argentina/Buenos_Aires", "locale": "es_AR", "defaultAreaCode": "11",
                "smsFallbackEnabled": false, "autoAssign": false, "panicAutoResolveMinutes": 60, "dataRetentionDays": 365,
                "autoMarkRead": false, "quietHours": {"from": "21:00:00", "until": "08:30:00"}})
        );
        assert_eq!(serde_json::from_value::<Policy>(json).unwrap(), policy);
    }

    #[test]
    fn a_policy_that_cannot_be_followed_is_refused_by_its_field() {
        let field_of = |policy: Policy| policy.check().err().map(|invalid| invalid.field);
        assert_eq!(field_of(Policy::default()), None);
        let same = Time::constant(9, 0, 0, 0);
        let with = |change: fn(&mut Policy)| {
            let mut policy = Policy::default();
            change(&mut policy);
            field_of(policy)
        };
        for zone in ["", "Marte/Olimpo", "America/Argentina/Buenos_Aires/..", "-03:00"] {
            let policy = Policy { timezone: zone.to_owned(), ..Policy::default() };
            assert_eq!(field_of(policy), Some("timezone"), "{zone:?} was taken for a time zone");
        }
        for locale in ["", "e", "es-AR", "es_ar", "es_", "español", "es_ARG"] {
            let policy = Policy { locale: locale.to_owned(), ..Policy::default() };
            assert_eq!(field_of(policy), Some("locale"), "{locale:?} was taken for a locale");
        }
        assert_eq!(with(|policy| policy.panic_auto_resolve_minutes = 0), Some("panicAutoResolveMinutes"));
        assert_eq!(with(|policy| policy.panic_auto_resolve_minutes = 1_441), Some("panicAutoResolveMinutes"));
        assert_eq!(with(|policy| policy.data_retention_days = Some(29)), Some("dataRetentionDays"));
        let quiet = Policy { quiet_hours: Some(QuietHours { from: same, until: same }), ..Policy::default() };
        assert_eq!(field_of(quiet), Some("quietHours"));
        for (zone, locale) in [("Europe/Madrid", "es"), ("UTC", "en_US"), ("America/Sao_Paulo", "pt_BR")] {
            let policy = Policy { timezone: zone.to_owned(), locale: locale.to_owned(), ..Policy::default() };
            assert_eq!(field_of(policy), None, "{zone} {locale}");
        }
    }
}
