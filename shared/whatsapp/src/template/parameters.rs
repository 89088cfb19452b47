//! What a message must supply, and whether what it supplies fits.

use super::Template;
use super::component::{Button, Component};
use super::validate::{Around, HEADER_MAX};
use super::validate_buttons::{CODE_MAX, URL_MAX};
use super::variable::{Placeholder, fill, variables};
use super::word::{Category, HeaderFormat};
use crate::invalid::{Findings, Invalid};
use recado_domain::personal::Personal;

/// What a message of a template, or a card of it, must supply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Required {
    /// For the header, if it varies.
    pub header: Option<HeaderRequirement>,
    /// For the body.
    pub body: Requirement,
    /// For buttons; only those that vary.
    pub buttons: Vec<ButtonRequirement>,
    /// Whether the end of the limited-time offer must be given.
    pub expiration: bool,
    /// For each card of the carousel.
    pub cards: Vec<Self>,
}

/// The values that a text takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// So many, in the order of their numbers; perhaps none.
    Positional(usize),
    /// These, each once, in any order.
    Named(Vec<String>),
}

/// What a header takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderRequirement {
    /// Values for its text.
    Text(Requirement),
    /// A medium, a place or a product of this format.
    Media(HeaderFormat),
}

/// What a button takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ButtonRequirement {
    /// Its place among the buttons, from 0.
    pub index: usize,
    /// What it takes.
    pub kind: ButtonKind,
    /// Whether it does without.
    pub is_optional: bool,
}

/// What a button takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ButtonKind {
    /// The end of its address; also the one-time code of an authentication template.
    UrlSuffix,
    /// The code of an offer.
    CouponCode,
    /// What a quick reply sends back unseen.
    Payload,
    /// The token and data of a flow.
    Flow,
    /// The picture of a catalogue.
    Catalog,
    /// The products of a list.
    Products,
}

/// What a message supplies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    /// For the header.
    pub header: Option<HeaderValue>,
    /// For the body.
    pub body: Values,
    /// For the buttons.
    pub buttons: Vec<ButtonValue>,
    /// When the limited-time offer ends, in milliseconds since 1970.
    pub expiration_ms: Option<i64>,
    /// For each card of the carousel.
    pub cards: Vec<Self>,
}

/// Values for a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// In the order of their numbers.
    Positional(Vec<Personal<String>>),
    /// By name.
    Named(Vec<(String, Personal<String>)>),
}

/// What a message supplies for a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// Values for its text.
    Text(Values),
    /// A medium, a place or a product of this format.
    Media(HeaderFormat),
}

/// What a message supplies for a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ButtonValue {
    /// Its place among the buttons, from 0.
    pub index: usize,
    /// What it is.
    pub kind: ButtonKind,
    /// The text, where it is one.
    pub text: Option<Personal<String>>,
}

impl Default for Requirement {
    fn default() -> Self {
        Self::Positional(0)
    }
}

impl Default for Values {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

impl Values {
    /// The value for a variable.
    pub fn of(&self, placeholder: Placeholder<'_>) -> Option<&str> {
        let value = match (self, placeholder) {
            (Self::Positional(values), Placeholder::Positional(number)) => values.get(number.checked_sub(1)?),
            (Self::Named(values), Placeholder::Named(name)) => {
                values.iter().find(|(given, _)| given == name).map(|(_, value)| value)
            }
            _ => None,
        };
        value.map(|value| value.expose().as_str())
    }

    /// Each value with the path it is found under.
    fn each(&self) -> Vec<(String, &str)> {
        match self {
            Self::Positional(values) => values
                .iter()
                .enumerate()
                .map(|(index, value)| (format!("[{index}]"), value.expose().as_str()))
                .collect(),
            Self::Named(values) => {
                values.iter().map(|(name, value)| (format!(".{name}"), value.expose().as_str())).collect()
            }
        }
    }
}

impl Template {
    /// What a message of this template must supply.
    pub fn parameters(&self) -> Required {
        required(&self.components, self.category.as_ref())
    }

    /// Judges what a message would supply, before Meta answers 132000, 132012 or 132018 (or 132005, for
    /// a text that its values make too long).
    pub fn check_parameters(&self, supplied: &Parameters) -> Result<(), Vec<Invalid>> {
        let mut found = Findings::default();
        let has_offer = self.components.iter().any(|part| matches!(part, Component::LimitedTimeOffer(_)));
        let category = self.category.as_ref().unwrap_or(&Category::Utility);
        let around = Around { category, is_named: self.is_named(), has_offer, in_card: false };
        check(&mut found, "", &self.components, supplied, &around);
        found.into_result()
    }
}

fn required(components: &[Component], category: Option<&Category>) -> Required {
    let mut required = Required::default();
    for component in components {
        match component {
            Component::Header(header) => {
                required.header = match (&header.format, header.text.as_deref().map(requirement)) {
                    (HeaderFormat::Text, None | Some(Requirement::Positional(0))) => None,
                    (HeaderFormat::Text, Some(values)) => Some(HeaderRequirement::Text(values)),
                    (format, _) => Some(HeaderRequirement::Media(format.clone())),
                };
            }
            Component::Body(body) => {
                // The text of an authentication template is Meta's: the code is its one variable.
                let code = (category == Some(&Category::Authentication)).then_some(Requirement::Positional(1));
                required.body = body.text.as_deref().map(requirement).or(code).unwrap_or_default();
            }
            Component::Buttons(buttons) => {
                let buttons = buttons.buttons.iter().enumerate();
                required.buttons = buttons.filter_map(|(index, button)| button_requirement(index, button)).collect();
            }
            Component::LimitedTimeOffer(offer) => {
                required.expiration = offer.limited_time_offer.has_expiration == Some(true);
            }
            Component::Carousel(carousel) => {
                // A card has no carousel of its own, so this goes one level deep.
                required.cards = carousel.cards.iter().map(|card| self::required(&card.components, None)).collect();
            }
            Component::Footer(_) | Component::Other(_) => {}
        }
    }
    required
}

fn requirement(text: &str) -> Requirement {
    let mut count = 0;
    let mut names: Vec<String> = Vec::new();
    for variable in variables(text) {
        match variable.placeholder {
            Placeholder::Positional(number) => count = count.max(number),
            Placeholder::Named(name) if !names.iter().any(|known| known == name) => names.push(name.to_owned()),
            Placeholder::Named(_) | Placeholder::Malformed(_) => {}
        }
    }
    if names.is_empty() { Requirement::Positional(count) } else { Requirement::Named(names) }
}

fn button_requirement(index: usize, button: &Button) -> Option<ButtonRequirement> {
    let (kind, is_optional) = match button {
        Button::Url(button) if !variables(&button.url).is_empty() => (ButtonKind::UrlSuffix, false),
        Button::Otp(_) => (ButtonKind::UrlSuffix, false),
        Button::CopyCode(_) => (ButtonKind::CouponCode, false),
        Button::Mpm(_) => (ButtonKind::Products, false),
        Button::QuickReply(_) => (ButtonKind::Payload, true),
        Button::Flow(_) => (ButtonKind::Flow, true),
        Button::Catalog(_) => (ButtonKind::Catalog, true),
        Button::Url(_) | Button::PhoneNumber(_) | Button::Spm(_) | Button::VoiceCall(_) | Button::Other(_) => {
            return None;
        }
    };
    Some(ButtonRequirement { index, kind, is_optional })
}

fn check(found: &mut Findings, path: &str, components: &[Component], supplied: &Parameters, around: &Around<'_>) {
    let required = required(components, Some(around.category));
    let text_of = |is_header: bool| {
        components.iter().find_map(|component| match component {
            Component::Header(header) if is_header => header.text.as_deref(),
            Component::Body(body) if !is_header => body.text.as_deref(),
            _ => None,
        })
    };

    let header = format!("{path}header");
    match (&required.header, &supplied.header) {
        (None, None) => {}
        (None, Some(_)) => found.add(header, "must be absent: the template's header takes no values"),
        (Some(HeaderRequirement::Text(values)), Some(HeaderValue::Text(given))) => {
            check_values(found, &header, values, given);
            check_length(found, &header, text_of(true), given, HEADER_MAX);
        }
        (Some(HeaderRequirement::Media(wanted)), Some(HeaderValue::Media(given))) if wanted == given => {}
        (Some(HeaderRequirement::Text(_)), _) => found.add(header, "must be the values of a text"),
        (Some(HeaderRequirement::Media(format)), _) => {
            found.add(header, format!("must be of format {}", format.as_str()))
        }
    }

    let body = format!("{path}body");
    check_values(found, &body, &required.body, &supplied.body);
    check_length(found, &body, text_of(false), &supplied.body, around.body_max());
    if *around.category == Category::Authentication {
        for (place, value) in supplied.body.each() {
            found.require(
                value.chars().count() <= CODE_MAX,
                &format!("{body}{place}"),
                "must have at most 15 characters",
            );
        }
    }

    check_buttons(found, path, components, &required.buttons, supplied);

    let expiration = format!("{path}expiration_ms");
    match (required.expiration, supplied.expiration_ms) {
        (true, None) => found.add(expiration, "must say when the offer ends"),
        (false, Some(_)) => found.add(expiration, "must be absent: the template has no offer that ends"),
        _ => {}
    }

    let cards = components.iter().find_map(|component| match component {
        Component::Carousel(carousel) => Some(carousel.cards.as_slice()),
        _ => None,
    });
    let cards = cards.unwrap_or_default();
    if cards.len() != supplied.cards.len() {
        found.add(format!("{path}cards"), format!("must be {}, as many as the template has", cards.len()));
        return;
    }
    let around = Around { category: around.category, is_named: around.is_named, has_offer: false, in_card: true };
    for (index, (card, supplied)) in cards.iter().zip(&supplied.cards).enumerate() {
        check(found, &format!("{path}cards[{index}]."), &card.components, supplied, &around);
    }
}

fn check_values(found: &mut Findings, field: &str, required: &Requirement, given: &Values) {
    match (required, given) {
        (Requirement::Positional(0), values) => {
            found.require(values.each().is_empty(), field, "must be absent: the template's text takes no values");
        }
        (Requirement::Positional(count), Values::Positional(values)) => {
            found.require(values.len() == *count, field, format!("must be {count} values"));
        }
        (Requirement::Positional(_), Values::Named(_)) => {
            found.add(field, "must be positional values: the template numbers its variables");
        }
        (Requirement::Named(names), Values::Named(values)) => {
            let all = names.iter().all(|name| values.iter().any(|(given, _)| given == name));
            let rule = || format!("must be one value for each of: {}", names.join(", "));
            if !all || values.len() != names.len() {
                found.add(field, rule());
            }
        }
        (Requirement::Named(_), Values::Positional(_)) => {
            found.add(field, "must be named values: the template names its variables");
        }
    }
    for (place, value) in given.each() {
        check_value(found, &format!("{field}{place}"), value);
    }
}

/// A value may not break the line or leave a gap: Meta answers 132018 ("new-line/tab characters or more
/// than 4 consecutive spaces").
fn check_value(found: &mut Findings, field: &str, value: &str) {
    found.require(!value.trim().is_empty(), field, "must not be empty");
    found.require(!value.contains(['\n', '\r', '\t']), field, "must have neither line breaks nor tabs");
    found.require(!value.contains("     "), field, "must have at most 4 spaces in a row");
}

fn check_length(found: &mut Findings, field: &str, text: Option<&str>, given: &Values, max: usize) {
    let length = text.map_or(0, |text| fill(text, |placeholder| given.of(placeholder)).chars().count());
    found.require(length <= max, field, format!("must leave the whole text at {max} characters or fewer"));
}

fn check_buttons(
    found: &mut Findings,
    path: &str,
    components: &[Component],
    required: &[ButtonRequirement],
    supplied: &Parameters,
) {
    for wanted in required.iter().filter(|wanted| !wanted.is_optional) {
        let given = supplied.buttons.iter().any(|given| given.index == wanted.index);
        found.require(given, &format!("{path}buttons[{}]", wanted.index), "must be supplied");
    }
    let buttons = components.iter().find_map(|component| match component {
        Component::Buttons(buttons) => Some(buttons.buttons.as_slice()),
        _ => None,
    });
    for (place, given) in supplied.buttons.iter().enumerate() {
        let field = format!("{path}buttons[{}]", given.index);
        if supplied.buttons[..place].iter().any(|earlier| earlier.index == given.index) {
            found.add(&field, "must be supplied once");
        }
        let Some(wanted) = required.iter().find(|wanted| wanted.index == given.index) else {
            found.add(field, "must be absent: there is no button that takes values at this place");
            continue;
        };
        if wanted.kind != given.kind {
            found.add(field, "must be what the button at this place takes");
            continue;
        }
        let text = given.text.as_ref().map_or("", |text| text.expose().as_str());
        match (given.kind, buttons.and_then(|buttons| buttons.get(given.index))) {
            (ButtonKind::UrlSuffix, Some(Button::Otp(_))) | (ButtonKind::CouponCode, _) => {
                let length = text.chars().count();
                found.require((1..=CODE_MAX).contains(&length), &field, "must have 1 to 15 characters");
            }
            (ButtonKind::UrlSuffix, Some(Button::Url(button))) => {
                check_value(found, &field, text);
                let url = fill(&button.url, |_| Some(text));
                found.require(
                    url.chars().count() <= URL_MAX,
                    &field,
                    "must leave the address at 2000 characters or fewer",
                );
            }
            (ButtonKind::Payload, _) => found.require(!text.is_empty(), &field, "must not be empty"),
            _ => {}
        }
    }
}
