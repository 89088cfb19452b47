//! Numbers that are also used on a phone: what is written there, its address book, its past
//! (WHATSAPP.md §2.4).

use super::contact::{Contact, MetaError, Metadata};
use super::message::Message;
use super::object::{object, words};
use jiff::Timestamp;
use recado_domain::ids::{Bsuid, WaId};
use recado_domain::personal::Personal;

object! {
    /// `smb_message_echoes`: what the business wrote on its phone. Each message is outbound: its `from`
    /// is the business, its `to` the customer.
    pub struct Echoes {
        /// `whatsapp`.
        pub messaging_product: Option<String>,
        /// The number.
        pub metadata: Option<Metadata>,
        /// The people.
        pub contacts: Vec<Contact>,
        /// The messages.
        pub message_echoes: Vec<Message>,
    }

    /// `smb_app_state_sync`: what changed in the phone's address book.
    pub struct AppStateSync {
        /// `whatsapp`.
        pub messaging_product: Option<String>,
        /// The number.
        pub metadata: Option<Metadata>,
        /// What changed.
        pub state_sync: Vec<StateChange>,
    }

    /// A change in the phone's address book.
    pub struct StateChange {
        /// What changed: `contact`.
        pub kind = "type": Option<String>,
        /// The entry.
        pub contact: Option<BookEntry>,
        /// How it changed.
        pub action: Option<StateAction>,
        /// When it changed.
        pub metadata: Option<StateMetadata>,
    }

    /// An entry of the phone's address book. Of a removed one only the number is known.
    pub struct BookEntry {
        /// The whole name.
        pub full_name: Option<Personal<String>>,
        /// The first name.
        pub first_name: Option<Personal<String>>,
        /// The phone number as WhatsApp spells it.
        pub phone_number: Option<WaId>,
        /// The business-scoped user id.
        pub user_id: Option<Bsuid>,
        /// The public handle.
        pub username: Option<Personal<String>>,
    }

    /// When the address book changed.
    pub struct StateMetadata {
        /// When.
        pub timestamp: Option<Timestamp>,
        /// The version of the address book.
        pub version: Option<i64>,
    }

    /// `history`: what was written in the 180 days before the number joined, in pieces that come in any
    /// order; or the refusal to share it; or media that belong to messages told before.
    pub struct History {
        /// `whatsapp`.
        pub messaging_product: Option<String>,
        /// The number.
        pub metadata: Option<Metadata>,
        /// The people.
        pub contacts: Vec<Contact>,
        /// The pieces.
        pub history: Vec<HistoryChunk>,
        /// Messages whose media were placeholders in a piece; only of the last 14 days.
        pub messages: Vec<Message>,
        /// Why there is none.
        pub errors: Vec<MetaError>,
    }

    /// A piece of the past.
    pub struct HistoryChunk {
        /// Which piece it is.
        pub metadata: Option<ChunkMetadata>,
        /// The conversations.
        pub threads: Vec<Thread>,
        /// Why there is none.
        pub errors: Vec<MetaError>,
    }

    /// Which piece of the past it is.
    pub struct ChunkMetadata {
        /// 0: the last day, 1: the last 90 days, 2: the last 180 days.
        pub phase: Option<i64>,
        /// The piece's place within the phase.
        pub chunk_order: Option<i64>,
        /// How much of everything has been sent, from 0 to 100.
        pub progress: Option<i64>,
    }

    /// A conversation of the past.
    pub struct Thread {
        /// The customer, by phone number as WhatsApp spells it, or by user id.
        pub id: Option<Personal<String>>,
        /// Who the customer is.
        pub context: Option<ThreadContext>,
        /// The messages, of both sides: the business's own say `to`.
        pub messages: Vec<Message>,
    }

    /// Who the customer of a conversation is.
    pub struct ThreadContext {
        /// By phone number.
        pub wa_id: Option<WaId>,
        /// By business-scoped user id.
        pub user_id: Option<Bsuid>,
        /// The public handle.
        pub username: Option<Personal<String>>,
    }
}

words! {
    /// How an entry of the address book changed.
    pub enum StateAction { Add = "add", Edit = "edit", Remove = "remove", }
}

/// The error of a business that does not share its history (WHATSAPP.md §2.4).
const DECLINED: i64 = 2_593_109;

impl History {
    /// Whether the business does not share its history.
    pub fn is_declined(&self) -> bool {
        let mut errors = self.errors.iter().chain(self.history.iter().flat_map(|chunk| &chunk.errors));
        errors.any(|error| error.code == Some(DECLINED))
    }
}
