//! Calls (WHATSAPP.md §2.4).

use super::contact::{Contact, MetaError, Metadata};
use super::object::{object, words};
use super::status::Status;
use jiff::Timestamp;
use recado_domain::ids::{Bsuid, ParentBsuid, WaId};
use recado_domain::personal::Personal;

object! {
    /// `calls`: calls that begin and end, and what becomes of our own.
    pub struct Calls {
        /// `whatsapp`.
        pub messaging_product: Option<String>,
        /// The number.
        pub metadata: Option<Metadata>,
        /// The people.
        pub contacts: Vec<Contact>,
        /// The calls.
        pub calls: Vec<Call>,
        /// What became of calls that we made; not statuses of messages.
        pub statuses: Vec<Status>,
        /// What went wrong.
        pub errors: Vec<MetaError>,
    }

    /// A call that begins or ends.
    pub struct Call {
        /// Meta's id of the call, `wacid.…`.
        pub id: Personal<String>,
        /// When this happened.
        pub timestamp: Option<Timestamp>,
        /// What happened.
        pub event: Option<CallEvent>,
        /// Who called, by phone number.
        pub from: Option<WaId>,
        /// Who called, by business-scoped user id.
        pub from_user_id: Option<Bsuid>,
        /// Who called, by the parent portfolio's user id.
        pub from_parent_user_id: Option<ParentBsuid>,
        /// Who was called, by phone number.
        pub to: Option<WaId>,
        /// Who was called, by business-scoped user id.
        pub to_user_id: Option<Bsuid>,
        /// Who was called, by the parent portfolio's user id.
        pub to_parent_user_id: Option<ParentBsuid>,
        /// Who called whom.
        pub direction: Option<CallDirection>,
        /// How to connect.
        pub session: Option<CallSession>,
        /// How it ended.
        pub status: Option<CallStatus>,
        /// When it was answered.
        pub start_time: Option<Timestamp>,
        /// When it ended.
        pub end_time: Option<Timestamp>,
        /// How long it lasted, in seconds.
        pub duration: Option<i64>,
        /// What was sent along with the call.
        pub biz_opaque_callback_data: Option<String>,
        /// Why it failed.
        pub errors: Vec<MetaError>,
    }

    /// How to connect a call (RFC 8866).
    pub struct CallSession {
        /// `offer` or `answer`.
        pub sdp_type: Option<String>,
        /// The session description; it names network addresses.
        pub sdp: Option<Personal<String>>,
    }
}

words! {
    /// What happened to a call.
    pub enum CallEvent {
        CallCreated = "call_created",
        Connect = "connect",
        Terminate = "terminate",
    }

    /// Who called whom.
    pub enum CallDirection {
        BusinessInitiated = "BUSINESS_INITIATED",
        UserInitiated = "USER_INITIATED",
    }

    /// How a call ended.
    pub enum CallStatus { Completed = "COMPLETED", Failed = "FAILED", }
}
