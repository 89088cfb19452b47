//! What most values carry beside their items: the number, the people, the errors.

use super::object::object;
use recado_domain::ids::{Bsuid, ParentBsuid, PhoneNumberId, WaId};
use recado_domain::personal::Personal;

object! {
    /// The business number that a value is about.
    pub struct Metadata {
        /// The number as people write it, digits only in most webhooks.
        pub display_phone_number: Option<String>,
        /// Its id.
        pub phone_number_id: Option<PhoneNumberId>,
    }

    /// One element of `contacts[]`: a person who occurs in the value. Which item it belongs to is said
    /// by the ids, never by its place (WHATSAPP.md §2.1).
    pub struct Contact {
        /// How the person calls themself.
        pub profile: Option<Profile>,
        /// The phone number as WhatsApp spells it; absent or empty for whoever hides it.
        pub wa_id: Option<WaId>,
        /// The business-scoped user id (WHATSAPP.md §2.6).
        pub user_id: Option<Bsuid>,
        /// The id within the parent business portfolio, `CC.ENT.…`.
        pub parent_user_id: Option<ParentBsuid>,
    }

    /// How a person calls themself.
    pub struct Profile {
        /// The profile name.
        pub name: Option<Personal<String>>,
        /// The public handle; it may change at any time.
        pub username: Option<Personal<String>>,
    }

    /// An error as webhooks tell it (codes: WHATSAPP.md §2.9).
    pub struct MetaError {
        /// What to decide by.
        pub code: Option<i64>,
        /// A short title, for people.
        pub title: Option<String>,
        /// A sentence, for people. It may quote what was sent.
        pub message: Option<Personal<String>>,
        /// More of it.
        pub error_data: Option<ErrorData>,
        /// Where Meta explains the code.
        pub href: Option<String>,
    }

    /// More about an error.
    pub struct ErrorData {
        /// What exactly went wrong. As above.
        pub details: Option<Personal<String>>,
    }
}
