//! Outgoing messages: what may be said, and the gate that only a sound one passes.
//!
//! An [`OutgoingMessage`] is a draft; [`OutgoingMessage::check`] turns it into a [`Sendable`], the only
//! thing that [`Graph::send`](super::Graph::send) takes, or names the field and the rule that it breaks.
//! The content types are written exactly as Meta documents them (WHATSAPP.md §2.5) and can be read from the
//! same shape, `{"text": {"body": "…"}}`, when a client of ours sends them.

mod basic;
mod contact_card;
mod interactive;
mod media;
mod template;

pub use basic::{Location, Reaction, Text};
pub use contact_card::{CardAddress, CardEmail, CardName, CardOrganisation, CardPhone, CardUrl, ContactCard};
pub use interactive::{
    Action, Button, Buttons, CtaUrl, Flow, FlowAction, FlowPayload, Header, Interactive, List, RequestContactInfo, Row,
    Section, SendLocation, Words,
};
pub use media::Media;
pub use template::{
    ButtonKind, ButtonParameter, Card, Component, Currency, DateTime, Language, Offer, OfferParameter, Parameter,
    Product, TemplateMessage,
};

use super::limits::{Checked, Field};
use crate::Invalid;
use recado_domain::contact::Address;
use recado_domain::ids::Wamid;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A draft of a message to one person.
#[derive(Debug)]
pub struct OutgoingMessage<'a> {
    /// To whom.
    pub to: &'a Address,
    /// The message that it answers; it is shown as a quotation.
    pub reply_to: Option<&'a Wamid>,
    /// What the statuses of this message will carry: at most 512 characters.
    pub callback: Option<&'a str>,
    /// What it says.
    pub content: Content,
}

/// What a message says.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A text.
    Text(Text),
    /// A template, the only thing that may be sent outside the 24-hour window.
    Template(TemplateMessage),
    /// A picture, with or without a caption.
    Image(Media),
    /// A video, with or without a caption.
    Video(Media),
    /// Sound, or a voice message.
    Audio(Media),
    /// A file, with or without a caption and a name.
    Document(Media),
    /// A sticker.
    Sticker(Media),
    /// A place.
    Location(Location),
    /// One or more contact cards.
    Contacts(Vec<ContactCard>),
    /// A reaction to a message, or its removal.
    Reaction(Reaction),
    /// Buttons, a list, a link, a request or a form.
    Interactive(Box<Interactive>),
}

impl Content {
    /// A plain text without a preview of its links.
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text(Text { body: body.into(), preview_url: false })
    }

    /// The word that Meta has for it, such as `text`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Template(_) => "template",
            Self::Image(_) => "image",
            Self::Video(_) => "video",
            Self::Audio(_) => "audio",
            Self::Document(_) => "document",
            Self::Sticker(_) => "sticker",
            Self::Location(_) => "location",
            Self::Contacts(_) => "contacts",
            Self::Reaction(_) => "reaction",
            Self::Interactive(_) => "interactive",
        }
    }

    /// Checks every limit of Meta's that can be checked without asking Meta (WHATSAPP.md §2.5, §2.8).
    pub fn check(&self) -> Result<(), Invalid> {
        let at = &Field::root(self.kind());
        match self {
            Self::Text(text) => text.check(at),
            Self::Template(template) => template.check(at),
            Self::Image(media) | Self::Video(media) => media.check_with_caption(at),
            Self::Audio(media) => media.check_audio(at),
            Self::Document(media) => media.check_document(at),
            Self::Sticker(media) => media.check_bare(at),
            Self::Location(location) => location.check(at),
            Self::Contacts(cards) => contact_card::check(cards, at),
            Self::Reaction(reaction) => reaction.check(at),
            Self::Interactive(interactive) => interactive.check(at),
        }
    }
}

/// A message that keeps to every rule we know.
#[derive(Debug)]
pub struct Sendable<'a> {
    message: OutgoingMessage<'a>,
    marketing: Option<Marketing>,
    direct: Option<DirectSend>,
}

/// A free-form message outside the 24-hour window, without a template: a beta of Meta's, for accounts that
/// it chose (WHATSAPP.md §2.5). Others are refused with 139200.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DirectSend {
    /// As what it is judged and charged.
    pub category: DirectCategory,
    /// For how many seconds delivery is tried; Meta's default if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
}

/// As what a direct message is judged and charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectCategory {
    /// About something that the person has ordered or agreed.
    Utility,
    /// A code to sign in with.
    Authentication,
}

/// How a marketing template goes out by the Marketing Messages API (WHATSAPP.md §2.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Marketing {
    /// What to do with a template that this API does not take; Meta's default if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_policy: Option<ProductPolicy>,
    /// Whether Meta may use what people do with the message; the account's setting if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_activity_sharing: Option<bool>,
}

/// What the Marketing Messages API does with a template that it does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProductPolicy {
    /// It sends it as Cloud API would.
    CloudApiFallback,
    /// It refuses it.
    Strict,
}

/// The longest callback data Meta carries, in characters (WHATSAPP.md §2.8).
const CALLBACK_MAX: usize = 512;

impl<'a> OutgoingMessage<'a> {
    /// Lets the draft through if it breaks no rule.
    pub fn check(self) -> Result<Sendable<'a>, Invalid> {
        self.content.check()?;
        Field::root("biz_opaque_callback_data").optional_text(self.callback, CALLBACK_MAX)?;
        Ok(Sendable { message: self, marketing: None, direct: None })
    }
}

impl Sendable<'_> {
    /// Sends it by the Marketing Messages API instead, which takes templates only.
    pub fn by_marketing(self, marketing: Marketing) -> Result<Self, Invalid> {
        let is_template = matches!(self.message.content, Content::Template(_));
        Field::root("type").must(is_template, "only templates are sent as marketing messages")?;
        Ok(Self { marketing: Some(marketing), ..self })
    }

    /// Sends a text or an interactive message although the window may be closed.
    pub fn directly(self, direct: DirectSend) -> Result<Self, Invalid> {
        let is_free_form = matches!(self.message.content, Content::Text(_) | Content::Interactive(_));
        Field::root("type").must(is_free_form, "only text and interactive messages are sent directly")?;
        Ok(Self { direct: Some(direct), ..self })
    }

    /// The last segment of the path that it is posted to.
    pub(super) const fn endpoint(&self) -> &'static str {
        if self.marketing.is_some() { "marketing_messages" } else { "messages" }
    }
}

/// The body of the call. A phone number goes into `to` and a business-scoped id into `recipient`: Meta
/// silently drops the latter in the former's place (WHATSAPP.md §2.6).
impl Serialize for Sendable<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Context<'a> {
            message_id: &'a str,
        }

        #[derive(Serialize)]
        struct Body<'a> {
            messaging_product: &'static str,
            recipient_type: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            to: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            recipient: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            context: Option<Context<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            biz_opaque_callback_data: Option<&'a str>,
            #[serde(rename = "type")]
            kind: &'static str,
            #[serde(flatten)]
            content: &'a Content,
            #[serde(flatten)]
            marketing: Option<Marketing>,
            #[serde(flatten)]
            direct: Option<DirectSend>,
        }

        let OutgoingMessage { to, reply_to, callback, content } = &self.message;
        let (to, recipient) = match to {
            Address::Phone(wa_id) => (Some(wa_id.as_str()), None),
            Address::Bsuid(bsuid) => (None, Some(bsuid.as_str())),
        };
        Body {
            messaging_product: "whatsapp",
            recipient_type: "individual",
            to,
            recipient,
            context: reply_to.map(|wamid| Context { message_id: wamid.as_str() }),
            biz_opaque_callback_data: *callback,
            kind: content.kind(),
            content,
            marketing: self.marketing,
            direct: self.direct,
        }
        .serialize(serializer)
    }
}

/// What people write to each other does not belong in a log.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (hidden)", self.kind())
    }
}

/// Whether a flag that is off by default can be left out.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Implements a `Debug` that shows nothing of what the types hold.
macro_rules! hide {
    ($($name:ident),* $(,)?) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), " (hidden)"))
            }
        }
    )*};
}
use hide;

#[cfg(test)]
mod tests;
