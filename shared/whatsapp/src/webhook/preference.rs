//! What customers want to receive (WHATSAPP.md §2.4).

use super::contact::{Contact, Metadata};
use super::object::{object, words};
use jiff::Timestamp;
use recado_domain::ids::{Bsuid, ParentBsuid, WaId};

object! {
    /// `user_preferences`: customers no longer want marketing messages, or want them again.
    pub struct UserPreferences {
        /// `whatsapp`.
        pub messaging_product: Option<String>,
        /// The number.
        pub metadata: Option<Metadata>,
        /// The people.
        pub contacts: Vec<Contact>,
        /// What they want.
        pub user_preferences: Vec<UserPreference>,
    }

    /// What one customer wants.
    pub struct UserPreference {
        /// Who, by phone number.
        pub wa_id: Option<WaId>,
        /// Who, by business-scoped user id.
        pub user_id: Option<Bsuid>,
        /// Who, by the parent portfolio's user id.
        pub parent_user_id: Option<ParentBsuid>,
        /// What messages it is about.
        pub category: Option<PreferenceCategory>,
        /// Whether they want them.
        pub value: Option<Preference>,
        /// The same in words.
        pub detail: Option<String>,
        /// Where they signed up.
        pub signup_id: Option<String>,
        /// Since when.
        pub timestamp: Option<Timestamp>,
    }
}

words! {
    /// What messages a preference is about.
    pub enum PreferenceCategory { MarketingMessages = "marketing_messages", }

    /// Whether a customer wants messages.
    pub enum Preference {
        Resume = "resume",
        /// Asked for them through a sign-up form.
        Signup = "signup",
        Stop = "stop",
    }
}
