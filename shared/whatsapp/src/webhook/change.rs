//! The value of any webhook field.

use super::account::{
    AccountAlert, AccountReview, AccountUpdate, BusinessCapability, PhoneNumberName, PhoneNumberQuality, Security,
};
use super::call::Calls;
use super::coexistence::{AppStateSync, Echoes, History};
use super::contact::{Contact, MetaError, Metadata};
use super::handover::{Handovers, Standby};
use super::lenient::Raw;
use super::message::Message;
use super::object::object;
use super::preference::UserPreferences;
use super::status::Status;
use super::template::{TemplateCategoryUpdate, TemplateComponents, TemplateQuality, TemplateStatus};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

object! {
    /// `messages`: messages, statuses, or errors of the number itself (such as 130429) alone.
    pub struct Messages {
        /// `whatsapp`.
        pub messaging_product: Option<String>,
        /// The number.
        pub metadata: Option<Metadata>,
        /// The people. They belong to the messages by their ids, not by their places.
        pub contacts: Vec<Contact>,
        /// The messages.
        pub messages: Vec<Message>,
        /// What became of messages.
        pub statuses: Vec<Status>,
        /// What is wrong with the number.
        pub errors: Vec<MetaError>,
    }
}

macro_rules! changes {
    ($( $(#[$meta:meta])* $variant:ident($model:ty) = $($field:literal)|+, )*) => {
        /// What one element of `changes[]` says: the value of one webhook field (WHATSAPP.md §2.4). It
        /// is written again as that value.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "one at a time is read, looked at and dropped")]
        pub enum Change {
            $( $(#[$meta])* $variant($model), )*
            /// A field that we do not know (groups, flows, payments, what is yet to come), or one whose
            /// value is no object.
            Unknown(Raw),
        }

        impl Change {
            /// Reads the value of a field. Never fails: what cannot be read is [`Change::Unknown`].
            pub fn parse(field: &str, value: &RawValue) -> Self {
                let known = match field {
                    $( $($field)|+ => <$model>::parse(value).ok().map(Self::$variant), )*
                    _ => None,
                };
                known.unwrap_or_else(|| Self::Unknown(value.into()))
            }
        }

        impl Serialize for Change {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $( Self::$variant(value) => value.serialize(serializer), )*
                    Self::Unknown(raw) => raw.serialize(serializer),
                }
            }
        }
    };
}

changes! {
    /// Messages, statuses, errors of the number.
    Messages(Messages) = "messages",
    /// A template was approved, refused, paused, …
    TemplateStatus(TemplateStatus) = "message_template_status_update",
    /// What customers think of a template.
    TemplateQuality(TemplateQuality) = "message_template_quality_update",
    /// A template was edited.
    TemplateComponents(TemplateComponents) = "message_template_components_update",
    /// Meta moves a template to another category.
    TemplateCategory(TemplateCategoryUpdate) = "template_category_update",
    /// How much a number may send.
    PhoneNumberQuality(PhoneNumberQuality) = "phone_number_quality_update",
    /// The name that customers see was reviewed.
    PhoneNumberName(PhoneNumberName) = "phone_number_name_update",
    /// Something happened to the account.
    AccountUpdate(AccountUpdate) = "account_update",
    /// Meta has something to say about the account.
    AccountAlert(AccountAlert) = "account_alerts",
    /// The account was reviewed.
    AccountReview(AccountReview) = "account_review_update",
    /// How much the business may do.
    BusinessCapability(BusinessCapability) = "business_capability_update",
    /// Somebody did something about a number's PIN.
    Security(Security) = "security",
    /// Customers want marketing messages, or do not.
    UserPreferences(UserPreferences) = "user_preferences",
    /// What the business wrote on its phone.
    Echoes(Echoes) = "smb_message_echoes" | "message_echoes",
    /// The phone's address book changed.
    AppStateSync(AppStateSync) = "smb_app_state_sync",
    /// What was written before the number joined.
    History(History) = "history",
    /// Calls.
    Calls(Calls) = "calls",
    /// What customers write while Meta's agent answers.
    Standby(Standby) = "standby",
    /// A thread went from one agent to another.
    Handovers(Handovers) = "messaging_handovers",
}
