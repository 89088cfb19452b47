//! Template messages: which template, and what fills its places.

use super::{Checked, Field, Location, Media, hide};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The longest template name (WHATSAPP.md §2.5).
const NAME_MAX: usize = 512;

/// The longest text for a place in a header, which as a whole may have 60 characters.
const HEADER_TEXT_MAX: usize = 60;

/// The longest text for a place in a body: Meta takes 32,768 characters of a body without other components
/// and 1,024 otherwise; the template decides which.
const BODY_TEXT_MAX: usize = 32_768;

/// The longest end of a link, in characters.
const URL_TEXT_MAX: usize = 2000;

/// The longest payload of a quick reply, in characters; as for the id of a reply button.
const PAYLOAD_MAX: usize = 256;

/// The longest code to copy, in characters (Meta, "Coupon code templates", December 2025).
pub(crate) const CODE_MAX: usize = 20;

/// The most buttons of a template (WHATSAPP.md §2.5).
const BUTTONS_MAX: u8 = 10;

/// The fewest and the most cards of a carousel (Meta, "Media card carousel templates").
const CARDS: (usize, usize) = (2, 10);

/// A message made from a template.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateMessage {
    /// The template's name: 1 to 512 lower-case letters, digits and underscores.
    pub name: String,
    /// Which translation.
    pub language: Language,
    /// What fills its places; nothing for a template without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
}

/// A translation of a template.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// Such as `es_AR`. Meta matches it exactly.
    pub code: String,
}

/// What fills one part of a template.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Component {
    /// The header: exactly one parameter.
    Header {
        /// A text, a file, a place or a product.
        parameters: Vec<Parameter>,
    },
    /// The body.
    Body {
        /// In order, or each by its name.
        parameters: Vec<Parameter>,
    },
    /// One button.
    Button {
        /// What kind of button.
        sub_type: ButtonKind,
        /// Its place among the template's buttons, from 0.
        #[serde(serialize_with = "index_as_text", deserialize_with = "index_of_either")]
        index: u8,
        /// What fills it: exactly one; a form may have none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        parameters: Vec<ButtonParameter>,
    },
    /// The cards of a carousel.
    Carousel {
        /// Two to ten.
        cards: Vec<Card>,
    },
    /// When a limited-time offer ends.
    LimitedTimeOffer {
        /// Exactly one.
        parameters: Vec<OfferParameter>,
    },
}

/// A card of a carousel.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Its place, from 0.
    pub card_index: u8,
    /// What fills it.
    pub components: Vec<Component>,
}

/// What fills a place in a header or a body. A template has either named places or positional ones: all its
/// parameters have a `parameter_name`, or none has.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Parameter {
    /// A text.
    Text {
        /// The place's name, in a template with named places.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameter_name: Option<String>,
        /// The text.
        text: String,
    },
    /// An amount of money.
    Currency {
        /// The place's name, in a template with named places.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameter_name: Option<String>,
        /// The amount.
        currency: Currency,
    },
    /// A date and time.
    DateTime {
        /// The place's name, in a template with named places.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parameter_name: Option<String>,
        /// The moment.
        date_time: DateTime,
    },
    /// A picture; headers only.
    Image {
        /// The file.
        image: Media,
    },
    /// A video; headers only.
    Video {
        /// The file.
        video: Media,
    },
    /// A document; headers only.
    Document {
        /// The file.
        document: Media,
    },
    /// A place; headers only.
    Location {
        /// The place.
        location: Location,
    },
    /// A product; headers only.
    Product {
        /// The product.
        product: Product,
    },
}

/// An amount of money, written in the way of the reader's country.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Currency {
    /// What is shown where the amount cannot be formatted.
    pub fallback_value: String,
    /// The currency by its three letters (ISO 4217).
    pub code: String,
    /// The amount in thousandths.
    pub amount_1000: i64,
}

/// A date and time. Cloud API shows the fallback as it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateTime {
    /// What is shown.
    pub fallback_value: String,
}

/// A product of a catalogue.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The shop's id of it.
    pub product_retailer_id: String,
    /// The catalogue.
    pub catalog_id: String,
}

/// A kind of button that takes a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonKind {
    /// Sends a payload back.
    QuickReply,
    /// Opens a link that ends in the parameter. A one-time code's button is of this kind too.
    Url,
    /// Copies a coupon's code.
    CopyCode,
    /// Opens a form.
    Flow,
    /// Opens a catalogue.
    Catalog,
    /// Opens a choice of products.
    Mpm,
}

/// What fills a button.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ButtonParameter {
    /// The end of a link, or a one-time code.
    Text {
        /// The text.
        text: String,
    },
    /// What a quick reply sends back.
    Payload {
        /// 1 to 256 characters.
        payload: String,
    },
    /// The code to copy.
    CouponCode {
        /// 1 to 20 characters.
        coupon_code: String,
    },
    /// What a form, catalogue or choice of products opens with.
    Action {
        /// Meta's words for it, such as `flow_token` and `flow_action_data`.
        action: Map<String, Value>,
    },
}

/// What fills a limited-time offer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum OfferParameter {
    /// Its end.
    LimitedTimeOffer {
        /// Its end.
        limited_time_offer: Offer,
    },
}

/// The end of an offer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// In Unix milliseconds.
    pub expiration_time_ms: i64,
}

hide!(
    TemplateMessage,
    Language,
    Component,
    Card,
    Parameter,
    Currency,
    DateTime,
    Product,
    ButtonParameter,
    OfferParameter,
    Offer
);

impl TemplateMessage {
    /// A template without places, or the start of one with.
    pub fn new(name: impl Into<String>, language: impl Into<String>) -> Self {
        Self { name: name.into(), language: Language { code: language.into() }, components: Vec::new() }
    }

    /// A one-time code: it fills the body and the button, as every authentication template wants it. Such a
    /// template needs a phone number; to a business-scoped id Meta refuses it (131062).
    pub fn one_time_code(name: impl Into<String>, language: impl Into<String>, code: &str) -> Self {
        Self::new(name, language).body([Parameter::text(code)]).button(
            0,
            ButtonKind::Url,
            ButtonParameter::Text { text: code.to_owned() },
        )
    }

    /// The same with a header.
    #[must_use]
    pub fn header(self, parameter: Parameter) -> Self {
        self.with(Component::Header { parameters: vec![parameter] })
    }

    /// The same with a body's parameters.
    #[must_use]
    pub fn body(self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.with(Component::Body { parameters: parameters.into_iter().collect() })
    }

    /// The same with a button's parameter.
    #[must_use]
    pub fn button(self, index: u8, sub_type: ButtonKind, parameter: ButtonParameter) -> Self {
        self.with(Component::Button { sub_type, index, parameters: vec![parameter] })
    }

    /// The same with the end of its limited-time offer.
    #[must_use]
    pub fn offer_until(self, expiration_time_ms: i64) -> Self {
        let limited_time_offer = Offer { expiration_time_ms };
        self.with(Component::LimitedTimeOffer {
            parameters: vec![OfferParameter::LimitedTimeOffer { limited_time_offer }],
        })
    }

    /// The same with the cards of its carousel, each with what fills it.
    #[must_use]
    pub fn carousel(self, cards: impl IntoIterator<Item = Vec<Component>>) -> Self {
        let cards = (0..).zip(cards).map(|(card_index, components)| Card { card_index, components }).collect();
        self.with(Component::Carousel { cards })
    }

    /// The same with one more component.
    #[must_use]
    pub fn with(mut self, component: Component) -> Self {
        self.components.push(component);
        self
    }

    pub(super) fn check(&self, at: &Field<'_>) -> Checked {
        let is_name_char = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        at.at("name").must(
            (1..=NAME_MAX).contains(&self.name.len()) && self.name.bytes().all(is_name_char),
            "1 to 512 lower-case letters, digits and underscores",
        )?;
        let code = &self.language.code;
        at.at("language").at("code").must(
            (2..=16).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            "a language code such as es_AR",
        )?;
        check_components(&self.components, &at.at("components"), false)
    }
}

impl ButtonParameter {
    /// What a form opens with: the token that its reply will carry, and the data of its first screen.
    pub fn flow(token: &str, data: Option<Map<String, Value>>) -> Self {
        let token = ("flow_token".to_owned(), Value::from(token));
        let data = data.map(|data| ("flow_action_data".to_owned(), Value::from(data)));
        Self::Action { action: [token].into_iter().chain(data).collect() }
    }
}

impl Parameter {
    /// A text for the next place.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { parameter_name: None, text: text.into() }
    }

    /// A text for a place with a name.
    pub fn named(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Text { parameter_name: Some(name.into()), text: text.into() }
    }

    /// Its name, if it is of a kind that can have one.
    const fn name(&self) -> Option<Option<&String>> {
        match self {
            Self::Text { parameter_name, .. }
            | Self::Currency { parameter_name, .. }
            | Self::DateTime { parameter_name, .. } => Some(parameter_name.as_ref()),
            _ => None,
        }
    }

    fn check(&self, at: &Field<'_>, text_max: usize) -> Checked {
        match self {
            Self::Text { text, .. } => {
                at.at("text").text(text, text_max)?;
                let is_one_line = !text.contains(['\n', '\r', '\t']) && !text.contains("     ");
                at.at("text").must(is_one_line, "no line breaks, tabs or more than four blanks in a row")
            }
            Self::Currency { currency: Currency { fallback_value, code, .. }, .. } => {
                let at = at.at("currency");
                at.at("fallback_value").text(fallback_value, text_max)?;
                let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
                at.at("code").must(is_code, "three capital letters such as ARS")
            }
            Self::DateTime { date_time, .. } => {
                at.at("date_time").at("fallback_value").text(&date_time.fallback_value, text_max)
            }
            Self::Image { image } => image.check_bare(&at.at("image")),
            Self::Video { video } => video.check_bare(&at.at("video")),
            Self::Document { document } => document.check_document_header(&at.at("document")),
            Self::Location { location } => location.check(&at.at("location")),
            Self::Product { product } => {
                at.at("product").at("product_retailer_id").text(&product.product_retailer_id, 100)?;
                at.at("product").at("catalog_id").text(&product.catalog_id, 100)
            }
        }
    }
}

/// Checks the components of a template, or of a card of its carousel.
fn check_components(components: &[Component], at: &Field<'_>, in_card: bool) -> Checked {
    let mut seen = BTreeSet::new();
    for (index, component) in components.iter().enumerate() {
        let at = at.nth(index);
        // Each part once; of the buttons, each place once.
        let part = match component {
            Component::Header { .. } => "header".to_owned(),
            Component::Body { .. } => "body".to_owned(),
            Component::Button { index, .. } => format!("button {index}"),
            Component::Carousel { .. } => "carousel".to_owned(),
            Component::LimitedTimeOffer { .. } => "limited_time_offer".to_owned(),
        };
        at.must(seen.insert(part), "each part of a template only once")?;
        let parameters = at.at("parameters");
        match component {
            Component::Header { parameters: given } => {
                parameters.must(given.len() == 1, "exactly 1 parameter")?;
                given[0].check(&parameters.nth(0), HEADER_TEXT_MAX)?;
            }
            Component::Body { parameters: given } => check_body(given, &parameters)?,
            Component::Button { sub_type, index, parameters: given } => {
                at.at("index").must(*index < BUTTONS_MAX, "0 to 9")?;
                let may_be_empty = *sub_type == ButtonKind::Flow;
                parameters.must(given.len() == 1 || (given.is_empty() && may_be_empty), "exactly 1 parameter")?;
                given.iter().try_for_each(|parameter| parameter.check(&parameters.nth(0), *sub_type))?;
            }
            Component::Carousel { cards } => {
                at.must(!in_card, "a card has no carousel of its own")?;
                check_cards(cards, &at.at("cards"))?;
            }
            Component::LimitedTimeOffer { parameters: given } => {
                at.must(!in_card, "a card has no offer of its own")?;
                parameters.must(given.len() == 1, "exactly 1 parameter")?;
                let OfferParameter::LimitedTimeOffer { limited_time_offer: offer } = &given[0];
                let at = parameters.nth(0);
                let at = at.at("limited_time_offer");
                // Seconds in the place of milliseconds are the usual mistake; they would mean 1970.
                at.at("expiration_time_ms").must(offer.expiration_time_ms > 100_000_000_000, "in Unix milliseconds")?;
            }
        }
    }
    Ok(())
}

fn check_body(given: &[Parameter], at: &Field<'_>) -> Checked {
    at.must(!given.is_empty(), "at least 1 parameter; leave the body out if the template has no places")?;
    let named = matches!(given[0].name(), Some(Some(_)));
    let mut names = BTreeSet::new();
    for (index, parameter) in given.iter().enumerate() {
        let at = at.nth(index);
        let Some(name) = parameter.name() else {
            return at.must(false, "only text, currency and date_time stand in a body");
        };
        at.must(name.is_some() == named, "all parameters have a `parameter_name`, or none has")?;
        if let Some(name) = name {
            let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            at.at("parameter_name").must(is_name && !name.is_empty(), "lower-case letters, digits and underscores")?;
            at.at("parameter_name").must(names.insert(name), "must be unique")?;
        }
        parameter.check(&at, BODY_TEXT_MAX)?;
    }
    Ok(())
}

fn check_cards(cards: &[Card], at: &Field<'_>) -> Checked {
    at.count(cards.len(), CARDS.0, CARDS.1, "cards")?;
    for (index, card) in cards.iter().enumerate() {
        let at = at.nth(index);
        at.at("card_index").must(usize::from(card.card_index) == index, "must count from 0 in order")?;
        check_components(&card.components, &at.at("components"), true)?;
    }
    Ok(())
}

impl ButtonParameter {
    fn check(&self, at: &Field<'_>, kind: ButtonKind) -> Checked {
        match (kind, self) {
            (ButtonKind::Url, Self::Text { text }) => at.at("text").text(text, URL_TEXT_MAX),
            (ButtonKind::QuickReply, Self::Payload { payload }) => at.at("payload").text(payload, PAYLOAD_MAX),
            (ButtonKind::CopyCode, Self::CouponCode { coupon_code }) => {
                at.at("coupon_code").text(coupon_code, CODE_MAX)
            }
            (ButtonKind::Flow | ButtonKind::Catalog | ButtonKind::Mpm, Self::Action { .. }) => Ok(()),
            _ => at.must(
                false,
                match kind {
                    ButtonKind::QuickReply => "a quick reply takes a payload",
                    ButtonKind::Url => "a link takes a text",
                    ButtonKind::CopyCode => "a code to copy takes a coupon_code",
                    ButtonKind::Flow | ButtonKind::Catalog | ButtonKind::Mpm => "forms and products take an action",
                },
            ),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn index_as_text<S: Serializer>(index: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(index)
}

/// Meta's documents write it as text in most places and as a number in some.
fn index_of_either<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u8),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(index) => Ok(index),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}
