//! One delivery status.

use super::{Unreadable, unix_seconds, word};
use jiff::Timestamp;
use recado_domain::callback::CallbackKey;
use recado_domain::ids::Wamid;
use recado_domain::status::{DeliveryError, Fact, MessageStatus};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What Meta says became of a message.
#[derive(Debug, Clone)]
pub struct StatusUpdate {
    /// Meta's id of the message.
    pub wamid: Wamid,
    /// What it became.
    pub status: MessageStatus,
    /// When, and why if it failed.
    pub fact: Fact,
    /// The key that we sent along, if it is ours.
    pub callback: Option<CallbackKey>,
}

/// Why an item of `statuses[]` could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// It is not shaped like a status, or lacks its id or time.
    #[error("the item is not a status")]
    Unreadable(#[source] Unreadable),
    /// A status word that we do not know. It must never move a message (REQUIREMENTS ST-01).
    #[error("the status `{0}` is not known")]
    UnknownStatus(String),
}

#[derive(Deserialize)]
struct RawStatus {
    id: Wamid,
    status: String,
    #[serde(deserialize_with = "unix_seconds")]
    timestamp: Timestamp,
    #[serde(default)]
    biz_opaque_callback_data: Option<String>,
    #[serde(default)]
    errors: Vec<RawError>,
}

#[derive(Deserialize)]
struct RawError {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    error_data: Option<ErrorData>,
}

#[derive(Deserialize)]
struct ErrorData {
    #[serde(default)]
    details: Option<String>,
}

impl StatusUpdate {
    /// Reads one element of `statuses[]`.
    pub fn parse(raw: &RawValue) -> Result<Self, StatusError> {
        let raw: RawStatus = serde_json::from_str(raw.get()).map_err(|error| StatusError::Unreadable(error.into()))?;
        let status = MessageStatus::of_meta(&raw.status)
            .ok_or_else(|| StatusError::UnknownStatus(word(&raw.status).to_owned()))?;
        let error = raw.errors.into_iter().next().map(|error| DeliveryError {
            code: error.code,
            title: error.title,
            message: error.message,
            details: error.error_data.and_then(|data| data.details),
        });
        Ok(Self {
            wamid: raw.id,
            status,
            fact: Fact { at: raw.timestamp, error },
            callback: raw.biz_opaque_callback_data.as_deref().and_then(CallbackKey::parse),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_testkit::samples;
    use serde_json::Value;

    fn sample(file: &str) -> StatusUpdate {
        let body: Value = serde_json::from_slice(&samples::webhook(file)).unwrap();
        let status = &body["entry"][0]["changes"][0]["value"]["statuses"][0];
        StatusUpdate::parse(&RawValue::from_string(status.to_string()).unwrap()).unwrap()
    }

    #[test]
    fn a_failure_keeps_its_code_title_and_details() {
        let update = sample("status_failed_131026.json");
        assert_eq!(update.status, MessageStatus::Failed);
        let error = update.fact.error.unwrap();
        assert_eq!((error.code, error.details.as_deref()), (131_026, Some("Message Undeliverable.")));
    }

    #[test]
    fn only_our_own_callback_data_counts_as_a_key() {
        assert_eq!(sample("status_sent.json").callback, None);
        let key = "v1.tnt_0000000000000000000000001A.msg_0000000000000000000000001A.2";
        let raw = format!(r#"{{"id":"w","status":"read","timestamp":"5","biz_opaque_callback_data":"{key}"}}"#);
        let update = StatusUpdate::parse(serde_json::from_str(&raw).unwrap()).unwrap();
        assert_eq!(update.callback.map(|key| key.to_string()).as_deref(), Some(key));
    }

    #[test]
    fn an_unknown_status_word_is_named() {
        let raw = r#"{"id":"w","status":"teleported","timestamp":"5"}"#;
        let error = StatusUpdate::parse(serde_json::from_str(raw).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the status `teleported` is not known");
    }
}
