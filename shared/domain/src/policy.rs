//! What a tenant has decided about its hub (REQUIREMENTS §3.1).

use crate::phone::AreaCode;
use jiff::civil::Time;
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
        }
    }
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
}
