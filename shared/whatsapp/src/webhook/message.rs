//! One message: inbound, an echo of what the business wrote on its phone, or a piece of history.
//!
//! [`Message`] is everything that Meta says (WHATSAPP.md §2.2). [`InboundMessage`] is what the inbound
//! worker needs of it.

mod content;
mod inbound;

pub use content::*;
pub use inbound::{Act, InboundMessage, MessageError, Moved, NewWords, Said};

use super::contact::{Contact, MetaError};
use super::object::{object, words};
use jiff::Timestamp;
use recado_domain::contact::Identities;
use recado_domain::ids::{Bsuid, ParentBsuid, WaId, Wamid};
use recado_domain::personal::Personal;

object! {
    /// One element of `messages[]`, of `message_echoes[]`, or of a history thread's `messages[]`.
    pub struct Message {
        /// Meta's id of the message.
        pub id: Wamid,
        /// When it was sent, by the sender's phone.
        pub timestamp: Timestamp,
        /// Who sent it, by phone number. Absent or empty for whoever hides it, and in some system
        /// messages.
        pub from: Option<WaId>,
        /// Who sent it, by business-scoped user id.
        pub from_user_id: Option<Bsuid>,
        /// Who sent it, by the parent portfolio's user id.
        pub from_parent_user_id: Option<ParentBsuid>,
        /// To whom the business sent it: only in echoes and history.
        pub to: Option<WaId>,
        /// The same, by business-scoped user id.
        pub to_user_id: Option<Bsuid>,
        /// The same, by the parent portfolio's user id.
        pub to_parent_user_id: Option<ParentBsuid>,
        /// The group it was sent to.
        pub group_id: Option<String>,
        /// What it refers to.
        pub context: Option<Box<Context>>,
        /// The advertisement through which the conversation began.
        pub referral: Option<Box<Referral>>,
        /// The security code of the sender, with `customer_identity_changed` or if identity checks are on.
        pub identity: Option<Box<Identity>>,
        /// Why Meta could not pass on the message itself.
        pub errors: Vec<MetaError>,
        /// What had become of it when the history was exported.
        pub history_context: Option<HistoryContext>,
        /// What it says.
        pub content: Content,
    }

    /// What a message refers to.
    pub struct Context {
        /// Who sent the quoted message.
        pub from: Option<WaId>,
        /// The quoted message; absent if this one was forwarded.
        pub id: Option<Wamid>,
        /// It was forwarded.
        pub forwarded: Option<bool>,
        /// It was forwarded more than five times.
        pub frequently_forwarded: Option<bool>,
        /// The product it asks about.
        pub referred_product: Option<ReferredProduct>,
    }

    /// A product of a catalogue.
    pub struct ReferredProduct {
        /// The catalogue.
        pub catalog_id: Option<String>,
        /// The product, by the business's own id.
        pub product_retailer_id: Option<String>,
    }

    /// A click-to-WhatsApp advertisement or post. Answered within 24 hours, it opens a free window of 72.
    pub struct Referral {
        /// The advertisement's link.
        pub source_url: Option<String>,
        /// Meta's id of it.
        pub source_id: Option<String>,
        /// What it is.
        pub source_type: Option<ReferralSource>,
        /// Its headline.
        pub headline: Option<String>,
        /// Its text.
        pub body: Option<String>,
        /// What it shows.
        pub media_type: Option<ReferralMedia>,
        /// The image.
        pub image_url: Option<String>,
        /// The video.
        pub video_url: Option<String>,
        /// The video's thumbnail.
        pub thumbnail_url: Option<String>,
        /// The click's id, for Meta's conversions API; not sent for posts of the status tab.
        pub ctwa_clid: Option<Personal<String>>,
        /// The greeting that the customer saw.
        pub welcome_message: Option<WelcomeMessage>,
    }

    /// The greeting of an advertisement.
    pub struct WelcomeMessage {
        /// Its text.
        pub text: Option<String>,
    }

    /// The security code of a customer, which changes with their phone.
    pub struct Identity {
        /// Whether the change was acknowledged.
        pub acknowledged: Option<bool>,
        /// Since when the code is what it is.
        pub created_timestamp: Option<Timestamp>,
        /// Names the code.
        pub hash: Option<Personal<String>>,
    }

    /// What had become of a message when the history was exported.
    pub struct HistoryContext {
        /// Its status on the phone.
        pub status: Option<HistoryStatus>,
    }
}

words! {
    /// What a customer clicked on.
    pub enum ReferralSource { Ad = "ad", Post = "post", }

    /// What an advertisement shows.
    pub enum ReferralMedia { Image = "image", Video = "video", }

    /// A message's status on the business's phone.
    pub enum HistoryStatus {
        Delivered = "DELIVERED",
        Error = "ERROR",
        Pending = "PENDING",
        Played = "PLAYED",
        Read = "READ",
        Sent = "SENT",
    }
}

impl Context {
    /// Whether the message was forwarded, however often.
    pub fn is_forwarded(&self) -> bool {
        self.forwarded == Some(true) || self.frequently_forwarded == Some(true)
    }
}

impl Message {
    /// Who sent it, together with what the contact that belongs to it says.
    pub fn sender(&self, contact: Option<&Contact>) -> Identities {
        identities(&self.from, &self.from_user_id, &self.from_parent_user_id, contact)
    }

    /// To whom an echo was sent, together with what the contact that belongs to it says.
    pub fn recipient(&self, contact: Option<&Contact>) -> Identities {
        identities(&self.to, &self.to_user_id, &self.to_parent_user_id, contact)
    }

    /// Whether it was sent to a group, even if the group's id cannot be read.
    pub fn is_in_group(&self) -> bool {
        let unread = self.rest.get("group_id").map(super::lenient::Raw::as_str);
        self.group_id.is_some() || unread.is_some_and(|raw| !matches!(raw, "null" | "\"\""))
    }
}

fn identities(
    wa_id: &Option<WaId>,
    bsuid: &Option<Bsuid>,
    parent_bsuid: &Option<ParentBsuid>,
    contact: Option<&Contact>,
) -> Identities {
    let profile = contact.and_then(|contact| contact.profile.as_ref());
    Identities {
        wa_id: wa_id.clone().or_else(|| contact?.wa_id.clone()),
        phone: None,
        bsuid: bsuid.clone().or_else(|| contact?.user_id.clone()),
        parent_bsuid: parent_bsuid.clone().or_else(|| contact?.parent_user_id.clone()),
        username: profile.and_then(|profile| profile.username.clone()),
        name: profile.and_then(|profile| profile.name.clone()),
    }
}
