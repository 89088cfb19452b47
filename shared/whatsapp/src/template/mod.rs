//! Message templates, as they are created, edited, listed and sent (WHATSAPP.md §2.5, REQUIREMENTS §3.5, §11).
//!
//! Reading is lenient: parts, fields and words that we do not know are kept, and written back as they
//! came. Creating is strict: [`Template::validate`] names every limit that a definition breaks before
//! Meta is asked. Sending is checked against the definition: [`Template::parameters`] says what a message
//! must supply, [`Template::check_parameters`] judges what it does supply
//! ([`Parameters::of_components`] reads it from the form in which it is sent), [`Template::render`] shows
//! what the customer will see.
//!
//! Limits are Meta's ([components], [time-to-live], [carousels], [limited-time offers],
//! [authentication]) unless a rule names another source.
//!
//! [components]: https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/components
//! [time-to-live]: https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/time-to-live
//! [carousels]: https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/marketing-templates/media-card-carousel-templates
//! [limited-time offers]: https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/marketing-templates/limited-time-offer-templates
//! [authentication]: https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/authentication-templates/authentication-templates

mod component;
mod parameters;
mod render;
mod sent;
mod validate;
mod validate_buttons;
mod variable;
mod word;

pub use component::{
    Body, BodyExample, Button, Buttons, Card, Carousel, Component, CopyCodeButton, Examples, FlowButton, Footer,
    Header, HeaderExample, Labelled, Lenient, LimitedTimeOffer, NamedExample, Offer, OtpButton, PhoneNumberButton,
    SupportedApp, UrlButton,
};
pub use parameters::{
    ButtonKind, ButtonRequirement, ButtonValue, HeaderRequirement, HeaderValue, Parameters, Required, Requirement,
    Values,
};
pub use variable::{Placeholder, Variable, fill, variables};
pub use word::{Category, HeaderFormat, OtpType, ParameterFormat, Quality, RejectedReason, Status};

use component::optional_text_or_number;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A template: its definition, and what Meta adds when listing it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Template {
    /// Meta's id. A text here, a number in webhooks; read from both, written as text.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "optional_text_or_number")]
    pub id: Option<String>,
    /// The name: at most 512 small letters, digits and underscores; with the language, unique in an account.
    pub name: String,
    /// The language, such as `es_AR`. A message must name exactly this one.
    pub language: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// How its variables are written; positional if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter_format: Option<ParameterFormat>,
    /// For how many seconds Meta tries to deliver; −1 is 30 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_send_ttl_seconds: Option<i64>,
    /// When creating: whether Meta may put it into another category instead of rejecting it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_category_change: Option<bool>,
    /// Its parts.
    pub components: Vec<Component>,
    /// Listed: where it stands in review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Listed: why it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_reason: Option<RejectedReason>,
    /// Listed: what customers make of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality_score: Option<Lenient<QualityScore>>,
    /// Listed: the category it had before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_category: Option<Category>,
    /// Listed: the category Meta will put it into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correct_category: Option<Category>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What customers make of a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QualityScore {
    /// The score.
    pub score: Quality,
    /// When it was given, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<i64>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The body of `POST /{waba}/message_templates`.
#[derive(Debug, Serialize)]
pub struct Creation<'a> {
    name: &'a str,
    language: &'a str,
    #[serde(flatten)]
    edit: Edit<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_category_change: Option<bool>,
}

/// The body of `POST /{template id}`: what may be changed of a template that exists.
#[derive(Debug, Serialize)]
pub struct Edit<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a Category>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter_format: Option<&'a ParameterFormat>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_send_ttl_seconds: Option<i64>,
    components: &'a [Component],
}

impl Template {
    /// A definition, to be validated and created.
    pub fn new(
        name: impl Into<String>,
        language: impl Into<String>,
        category: Category,
        parameter_format: ParameterFormat,
        components: Vec<Component>,
    ) -> Self {
        Self {
            name: name.into(),
            language: language.into(),
            category: Some(category),
            parameter_format: Some(parameter_format),
            components,
            ..Self::default()
        }
    }

    /// What to post to create it: the definition without what only a listing has.
    pub fn creation(&self) -> Creation<'_> {
        let allow_category_change = self.allow_category_change;
        Creation { name: &self.name, language: &self.language, edit: self.edit(), allow_category_change }
    }

    /// What to post to change it. Meta refuses another category once it is approved.
    pub fn edit(&self) -> Edit<'_> {
        Edit {
            category: self.category.as_ref(),
            parameter_format: self.parameter_format.as_ref(),
            message_send_ttl_seconds: self.message_send_ttl_seconds,
            components: &self.components,
        }
    }

    /// Whether it may be sent: approved, if only just (flagged), or reinstated after a pause.
    pub const fn is_sendable(&self) -> bool {
        matches!(self.status, Some(Status::Approved | Status::Flagged | Status::Reinstated))
    }

    fn is_named(&self) -> bool {
        self.parameter_format == Some(ParameterFormat::Named)
    }
}

#[cfg(test)]
mod tests;
