//! One delivery status.
//!
//! [`Status`] is everything that Meta says (WHATSAPP.md §2.3). [`StatusUpdate`] is what the status
//! worker needs of it.

use super::contact::MetaError;
use super::object::{object, words};
use super::{Unreadable, word};
use jiff::Timestamp;
use recado_domain::callback::CallbackKey;
use recado_domain::contact::Identities;
use recado_domain::ids::{Bsuid, ParentBsuid, WaId, Wamid};
use recado_domain::personal::Personal;
use recado_domain::status::{DeliveryError, Fact, MessageStatus};
use serde_json::value::RawValue;

object! {
    /// One element of `statuses[]`, of a message or (in the field `calls`) of a call.
    pub struct Status {
        /// Meta's id of the message or call.
        pub id: Wamid,
        /// When it became so.
        pub timestamp: Timestamp,
        /// What it became.
        pub status: Option<StatusWord>,
        /// What it is the status of; a message if nothing is said.
        pub kind = "type": Option<StatusKind>,
        /// Whom the message was for: a phone number as WhatsApp spells it, or a group's id. Absent or
        /// empty for people who hide their number.
        pub recipient_id: Option<Personal<String>>,
        /// Whom the message was for, by business-scoped user id.
        pub recipient_user_id: Option<Bsuid>,
        /// The same, by the parent portfolio's user id.
        pub recipient_parent_user_id: Option<ParentBsuid>,
        /// Whether the message was for a person or a group.
        pub recipient_type: Option<RecipientType>,
        /// The member of the group that this status is about, by phone number.
        pub recipient_participant_id: Option<WaId>,
        /// The same, by business-scoped user id.
        pub recipient_participant_user_id: Option<Bsuid>,
        /// What was sent along with the message, at most 512 characters.
        pub biz_opaque_callback_data: Option<String>,
        /// The conversation that is billed; often absent since messages are billed one by one.
        pub conversation: Option<Conversation>,
        /// What the message costs.
        pub pricing: Option<Pricing>,
        /// Why it failed.
        pub errors: Vec<MetaError>,
    }

    /// A conversation in Meta's sense: 24 hours of messages, billed together until July 2025.
    pub struct Conversation {
        /// Its id.
        pub id: Option<String>,
        /// When it ends; only with `sent`.
        pub expiration_timestamp: Option<Timestamp>,
        /// How it began.
        pub origin: Option<Origin>,
    }

    /// How a conversation began.
    pub struct Origin {
        /// With which kind of message.
        pub kind = "type": Option<PricingCategory>,
    }

    /// What a message costs (WHATSAPP.md §2.7).
    pub struct Pricing {
        /// Whether it costs anything.
        pub billable: Option<bool>,
        /// What is billed: each message, or each conversation.
        pub pricing_model: Option<PricingModel>,
        /// Why it costs nothing, if it does not.
        pub kind = "type": Option<PricingType>,
        /// Which rate applies.
        pub category: Option<PricingCategory>,
    }
}

words! {
    /// What became of a message or call.
    pub enum StatusWord {
        Sent = "sent",
        Delivered = "delivered",
        Read = "read",
        /// The customer listened to a voice message.
        Played = "played",
        Failed = "failed",
        /// Calls only.
        Ringing = "RINGING",
        /// Calls only.
        Accepted = "ACCEPTED",
        /// Calls only.
        Rejected = "REJECTED",
    }

    /// What something is the status of.
    pub enum StatusKind { Message = "message", Call = "call", }

    /// Whom a message was for.
    pub enum RecipientType { Individual = "individual", Group = "group", }

    /// What is billed.
    pub enum PricingModel {
        /// Each message, since July 2025.
        PerMessage = "PMP",
        /// Each conversation, until then.
        PerConversation = "CBP",
    }

    /// Why a message is free, if it is.
    pub enum PricingType {
        Regular = "regular",
        FreeCustomerService = "free_customer_service",
        FreeEntryPoint = "free_entry_point",
    }

    /// Which rate applies.
    pub enum PricingCategory {
        Authentication = "authentication",
        AuthenticationInternational = "authentication_international",
        Marketing = "marketing",
        MarketingLite = "marketing_lite",
        ReferralConversion = "referral_conversion",
        Service = "service",
        Utility = "utility",
    }
}

impl Status {
    /// Whether it is the status of a message, not of a call or of something newer.
    pub fn is_of_message(&self) -> bool {
        matches!(self.kind, None | Some(StatusKind::Message))
    }

    /// The person that the message was for, or the member of the group that the status is about.
    pub fn recipient(&self) -> Identities {
        let (wa_id, bsuid) = match self.recipient_type {
            Some(RecipientType::Group) => (&self.recipient_participant_id, &self.recipient_participant_user_id),
            _ => (&self.recipient_id.as_ref().and_then(|id| WaId::parse(id.expose()).ok()), &self.recipient_user_id),
        };
        Identities { wa_id: wa_id.clone(), bsuid: bsuid.clone(), ..Identities::default() }
    }
}

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
    /// What the message costs.
    pub pricing: Option<Pricing>,
    /// The conversation that is billed.
    pub conversation: Option<Conversation>,
}

/// Why an item of `statuses[]` could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// It is not shaped like a status, or lacks its id or time.
    #[error("the item is not a status")]
    Unreadable(#[source] Unreadable),
    /// It is the status of something else, such as a call.
    #[error("the status of a `{0}` is not one of a message")]
    NotOfMessage(String),
    /// A status word that we do not know. It must never move a message (REQUIREMENTS ST-01).
    #[error("the status `{0}` is not known")]
    UnknownStatus(String),
}

impl StatusUpdate {
    /// Reads one element of `statuses[]`.
    pub fn parse(raw: &RawValue) -> Result<Self, StatusError> {
        let heard = Status::parse(raw).map_err(StatusError::Unreadable)?;
        if !heard.is_of_message() {
            let kind = heard.kind.as_ref().map_or("", StatusKind::as_str);
            return Err(StatusError::NotOfMessage(word(kind).to_owned()));
        }
        let name = heard.status.as_ref().map_or("", StatusWord::as_str);
        let status = MessageStatus::of_meta(name).ok_or_else(|| StatusError::UnknownStatus(word(name).to_owned()))?;
        Ok(Self {
            status,
            fact: Fact { at: heard.timestamp, error: heard.errors.into_iter().next().map(delivery_error) },
            callback: heard.biz_opaque_callback_data.as_deref().and_then(CallbackKey::parse),
            wamid: heard.id,
            pricing: heard.pricing,
            conversation: heard.conversation,
        })
    }
}

fn delivery_error(error: MetaError) -> DeliveryError {
    DeliveryError {
        code: error.code,
        title: error.title,
        message: error.message,
        details: error.error_data.and_then(|data| data.details),
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
        let details = error.details.as_ref().map(|details| details.expose().as_str());
        assert_eq!((error.code, details), (Some(131_026), Some("Message Undeliverable.")));
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
    fn the_price_comes_along() {
        let update = sample("status_sent_with_conversation.json");
        let pricing = update.pricing.unwrap();
        assert_eq!((pricing.billable, pricing.category), (Some(true), Some(PricingCategory::Utility)));
        let conversation = update.conversation.unwrap();
        assert_eq!(conversation.expiration_timestamp.map(Timestamp::as_second), Some(1_795_257_600));
        assert_eq!(conversation.origin.unwrap().kind, Some(PricingCategory::Utility));
    }

    #[test]
    fn the_status_of_a_call_moves_no_message() {
        let raw = r#"{"id":"wacid.A","type":"call","status":"ACCEPTED","timestamp":"5","recipient_id":"549"}"#;
        let error = StatusUpdate::parse(serde_json::from_str(raw).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the status of a `call` is not one of a message");
    }

    #[test]
    fn a_status_in_a_group_is_about_one_of_its_members() {
        let raw = r#"{"id":"w","status":"read","timestamp":"5","recipient_id":"Y2FwaV9ncm91","recipient_type":"group",
            "recipient_participant_id":"5491155551234"}"#;
        let status = Status::parse(serde_json::from_str(raw).unwrap()).unwrap();
        assert_eq!(status.recipient().wa_id, Some(WaId::parse("5491155551234").unwrap()));
        assert_eq!(sample("status_read.json").status, MessageStatus::Read);
    }

    #[test]
    fn an_unknown_status_word_is_named() {
        let raw = r#"{"id":"w","status":"teleported","timestamp":"5"}"#;
        let error = StatusUpdate::parse(serde_json::from_str(raw).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the status `teleported` is not known");
    }
}
