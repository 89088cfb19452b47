//! The parts of a template.

use super::word::{HeaderFormat, OtpType};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// A part of a template. What we do not know, or cannot read as what it says it is, is `Other`, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names are Meta's own words")]
pub enum Component {
    #[serde(alias = "header")]
    Header(Header),
    #[serde(alias = "body")]
    Body(Body),
    #[serde(alias = "footer")]
    Footer(Footer),
    #[serde(alias = "buttons")]
    Buttons(Buttons),
    #[serde(alias = "carousel")]
    Carousel(Carousel),
    #[serde(alias = "limited_time_offer")]
    LimitedTimeOffer(LimitedTimeOffer),
    #[serde(untagged)]
    Other(Map<String, Value>),
}

/// A value of the form that is documented, or of another that Meta chose to send instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Lenient<T> {
    /// As documented.
    Read(T),
    /// Anything else, kept as it is.
    Odd(Value),
}

impl<T> Lenient<T> {
    /// The value, if it has the form that is documented.
    pub const fn read(&self) -> Option<&T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Odd(_) => None,
        }
    }
}

/// What stands above the body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// What it is.
    pub format: HeaderFormat,
    /// The text of a text header; at most 60 characters and one variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A value for the variable, or a handle of uploaded sample media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Lenient<HeaderExample>>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Samples for the reviewer of a header.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeaderExample {
    /// For a positional variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_text: Option<Vec<String>>,
    /// For a named variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_text_named_params: Option<Vec<NamedExample>>,
    /// For media: what the resumable upload answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_handle: Option<Vec<String>>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A sample for a named variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedExample {
    /// The variable.
    pub param_name: String,
    /// What it may become.
    pub example: String,
}

/// What the message says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Body {
    /// The text, at most 1,024 characters. Templates for one-time codes have Meta's own and are made without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A value for each variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Lenient<BodyExample>>,
    /// For one-time codes: whether the message warns against sharing the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_security_recommendation: Option<bool>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Samples for the reviewer of a body.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BodyExample {
    /// For positional variables: one row, with a value for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_text: Option<Vec<Vec<String>>>,
    /// For named variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_text_named_params: Option<Vec<NamedExample>>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Body {
    /// A text with positional variables and a sample for each.
    pub fn positional<'a>(text: impl Into<String>, examples: impl IntoIterator<Item = &'a str>) -> Self {
        let row: Vec<_> = examples.into_iter().map(str::to_owned).collect();
        let body_text = (!row.is_empty()).then(|| vec![row]);
        let example = body_text.map(|rows| BodyExample { body_text: Some(rows), ..BodyExample::default() });
        Self { text: Some(text.into()), example: example.map(Lenient::Read), ..Self::default() }
    }

    /// A text with named variables and a sample for each.
    pub fn named<'a>(text: impl Into<String>, examples: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let examples = examples.into_iter();
        let named = examples.map(|(name, value)| NamedExample { param_name: name.into(), example: value.into() });
        let example = BodyExample { body_text_named_params: Some(named.collect()), ..BodyExample::default() };
        Self { text: Some(text.into()), example: Some(Lenient::Read(example)), ..Self::default() }
    }
}

/// What stands small below the body.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Footer {
    /// The text, at most 60 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// For one-time codes, instead of a text: after how many minutes the code expires, 1 to 90.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_expiration_minutes: Option<u32>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What can be pressed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Buttons {
    /// The buttons, at most ten.
    pub buttons: Vec<Button>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Cards to swipe through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Carousel {
    /// Two to ten cards of equal structure.
    pub cards: Vec<Card>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One card of a carousel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// A header, perhaps a body, perhaps buttons.
    pub components: Vec<Component>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An offer that ends at a time given with each message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitedTimeOffer {
    /// The offer.
    pub limited_time_offer: Offer,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What is offered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// The heading, at most 16 characters.
    pub text: String,
    /// Whether the message shows when the offer ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_expiration: Option<bool>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A button. What we do not know, or cannot read as what it says it is, is `Other`, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names are Meta's own words")]
pub enum Button {
    #[serde(alias = "quick_reply")]
    QuickReply(Labelled),
    #[serde(alias = "url")]
    Url(UrlButton),
    #[serde(alias = "phone_number")]
    PhoneNumber(PhoneNumberButton),
    #[serde(alias = "copy_code")]
    CopyCode(CopyCodeButton),
    #[serde(alias = "otp")]
    Otp(OtpButton),
    #[serde(alias = "flow")]
    Flow(FlowButton),
    #[serde(alias = "catalog")]
    Catalog(Labelled),
    #[serde(alias = "mpm")]
    Mpm(Labelled),
    #[serde(alias = "spm")]
    Spm(Labelled),
    #[serde(alias = "voice_call")]
    VoiceCall(Labelled),
    #[serde(untagged)]
    Other(Map<String, Value>),
}

/// A button that has a label and nothing else to define.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Labelled {
    /// The label, at most 25 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A button that opens a web page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UrlButton {
    /// The label, at most 25 characters.
    pub text: String,
    /// The address, at most 2,000 characters, with at most one variable, at its end.
    pub url: String,
    /// The whole address with a value for the variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Lenient<Examples>>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A button that calls a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhoneNumberButton {
    /// The label, at most 25 characters.
    pub text: String,
    /// The business's number, at most 20 characters.
    #[serde(deserialize_with = "text_or_number")]
    pub phone_number: String,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A button that copies the code of an offer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyCodeButton {
    /// The label, which is Meta's; listed, but not given when creating.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A sample code, at most 15 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Lenient<Examples>>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A button that takes a one-time code to the app. Meta lists it as a URL button afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OtpButton {
    /// How the code gets there.
    pub otp_type: OtpType,
    /// The label of the copy button, at most 25 characters; Meta's own if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The label of the autofill button, at most 25 characters; Meta's own if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autofill_text: Option<String>,
    /// The apps that may take the code, at most five.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supported_apps: Option<Vec<SupportedApp>>,
    /// For zero-tap: that the terms are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zero_tap_terms_accepted: Option<bool>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An Android app that may take a one-time code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupportedApp {
    /// Its package.
    pub package_name: String,
    /// The hash of its signing key, eleven characters.
    pub signature_hash: String,
}

/// A button that opens a flow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowButton {
    /// The label, at most 25 characters.
    pub text: String,
    /// The flow by its id.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "optional_text_or_number")]
    pub flow_id: Option<String>,
    /// Or by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow_name: Option<String>,
    /// Or as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow_json: Option<String>,
    /// `navigate` or `data_exchange`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow_action: Option<String>,
    /// The first screen, when navigating.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub navigate_screen: Option<String>,
    /// Fields we do not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Samples that Meta takes and gives as one text or as several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Examples {
    /// A text.
    One(String),
    /// A list of texts.
    Many(Vec<String>),
}

impl Examples {
    /// The first sample, or the only one.
    pub fn first(&self) -> Option<&str> {
        match self {
            Self::One(text) => Some(text),
            Self::Many(texts) => texts.first().map(String::as_str),
        }
    }
}

/// What the derived reader of a tagged enumeration makes of an object, if its tag is a text. A number it
/// would take for the place of a variant: `"type": 7` is not the eighth kind of button.
macro_rules! tagged_by_text {
    ($($name:ident)*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let fields = Map::deserialize(deserializer)?;
                if fields.get("type").is_some_and(Value::is_string) {
                    Self::deserialize(Value::Object(fields)).map_err(serde::de::Error::custom)
                } else {
                    Ok(Self::Other(fields))
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }
    )*};
}

tagged_by_text! { Component Button }

/// Ids are text here and numbers in webhooks (WHATSAPP.md §2.5); to us they are text.
pub(super) fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(serde::de::Error::custom("neither a text nor a number")),
    }
}

pub(super) fn optional_text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    struct Text(#[serde(deserialize_with = "text_or_number")] String);
    Ok(Option::<Text>::deserialize(deserializer)?.map(|text| text.0))
}
