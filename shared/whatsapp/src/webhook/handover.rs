//! Threads that Meta's own agent has taken over (WHATSAPP.md §2.4). Meta's shapes are not certain
//! (§2.13), so both known forms are read, and everything else stays in `rest`.

use super::contact::{Contact, MetaError, Metadata};
use super::message::Message;
use super::object::object;
use super::status::Status;
use jiff::Timestamp;
use recado_domain::ids::{Bsuid, WaId};
use recado_domain::personal::Personal;

object! {
    /// `standby`: what customers write while Meta's agent answers. The messages lie in `standby` or in
    /// `messages`.
    pub struct Standby {
        /// `whatsapp`.
        pub messaging_product: Option<String>,
        /// The number.
        pub metadata: Option<Metadata>,
        /// The people.
        pub contacts: Vec<Contact>,
        /// The messages.
        pub standby: Vec<Message>,
        /// The messages, in the other form.
        pub messages: Vec<Message>,
        /// What became of messages.
        pub statuses: Vec<Status>,
        /// What went wrong.
        pub errors: Vec<MetaError>,
    }

    /// `messaging_handovers`: a thread went from one agent to another.
    pub struct Handovers {
        /// `whatsapp`.
        pub messaging_product: Option<String>,
        /// The number.
        pub metadata: Option<Metadata>,
        /// The people.
        pub contacts: Vec<Contact>,
        /// What happened.
        pub messaging_handovers: Vec<Handover>,
        /// The number, in the other form.
        pub recipient: Option<Metadata>,
        /// The customer, in the other form.
        pub sender: Option<HandoverSender>,
        /// When it happened, in the other form.
        pub timestamp: Option<Timestamp>,
        /// We have the thread now, in the other form.
        pub control_passed: Option<ControlPassed>,
    }

    /// A thread that went from one agent to another.
    pub struct Handover {
        /// Meta's id of the event.
        pub id: Option<String>,
        /// What happened.
        pub event: Option<String>,
        /// What kind of event it is.
        pub event_type: Option<String>,
        /// When it happened.
        pub timestamp: Option<Timestamp>,
        /// The conversation.
        pub conversation_id: Option<String>,
        /// The customer.
        pub user_id: Option<Bsuid>,
        /// Who had the thread.
        pub previous_owner: Option<String>,
        /// Who has it.
        pub new_owner: Option<String>,
    }

    /// The customer of a thread.
    pub struct HandoverSender {
        /// By phone number.
        pub phone_number: Option<WaId>,
        /// The same, by WhatsApp's name for it.
        pub wa_id: Option<WaId>,
        /// By business-scoped user id.
        pub user_id: Option<Bsuid>,
    }

    /// A thread that was passed on.
    pub struct ControlPassed {
        /// What its former owner says about it.
        pub metadata: Option<Personal<String>>,
    }
}
