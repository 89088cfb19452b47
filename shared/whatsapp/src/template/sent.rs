//! The `components` of a message, as they are sent to Meta (WHATSAPP.md §2.5).

use super::parameters::{ButtonKind, ButtonValue, HeaderValue, Parameters, Values};
use super::word::HeaderFormat;
use crate::invalid::{Findings, Invalid};
use recado_domain::personal::Personal;
use serde_json::Value;

impl Parameters {
    /// Reads what a message supplies from its `components`. What belongs to no template is named.
    pub fn of_components(components: &[Value]) -> Result<Self, Vec<Invalid>> {
        let mut found = Findings::default();
        let parameters = read(&mut found, "components", components);
        found.into_result().map(|()| parameters)
    }
}

fn read(found: &mut Findings, path: &str, components: &[Value]) -> Parameters {
    let mut supplied = Parameters::default();
    for (index, component) in components.iter().enumerate() {
        let field = format!("{path}[{index}]");
        let parameters = list(component, "parameters");
        match word(component, "type").as_str() {
            "header" => supplied.header = header(found, &field, parameters),
            "body" => supplied.body = values(found, &field, parameters),
            "button" => supplied.buttons.extend(button(found, &field, component, parameters)),
            "limited_time_offer" => {
                let end = parameters.first().and_then(|offer| offer.pointer("/limited_time_offer/expiration_time_ms"));
                supplied.expiration_ms = end.and_then(Value::as_i64);
                found.require(supplied.expiration_ms.is_some(), &field, "must have an expiration_time_ms");
            }
            "carousel" => supplied.cards = cards(found, &field, component),
            _ => found.add(format!("{field}.type"), "must be header, body, button, limited_time_offer or carousel"),
        }
    }
    supplied
}

fn header(found: &mut Findings, field: &str, parameters: &[Value]) -> Option<HeaderValue> {
    let format = match word(parameters.first()?, "type").as_str() {
        "image" => HeaderFormat::Image,
        "video" => HeaderFormat::Video,
        "gif" => HeaderFormat::Gif,
        "document" => HeaderFormat::Document,
        "location" => HeaderFormat::Location,
        "product" => HeaderFormat::Product,
        _ => return Some(HeaderValue::Text(values(found, field, parameters))),
    };
    found.require(parameters.len() == 1, field, "must have one parameter");
    Some(HeaderValue::Media(format))
}

/// The values of a text: all of them named, or none.
fn values(found: &mut Findings, field: &str, parameters: &[Value]) -> Values {
    let mut named = Vec::new();
    let mut numbered = Vec::new();
    for (index, parameter) in parameters.iter().enumerate() {
        let text = match word(parameter, "type").as_str() {
            "text" => parameter.get("text"),
            kind @ ("currency" | "date_time") => parameter.get(kind).and_then(|value| value.get("fallback_value")),
            _ => None,
        };
        let Some(text) = text.and_then(Value::as_str) else {
            found.add(format!("{field}.parameters[{index}]"), "must be a text, a currency or a date_time");
            continue;
        };
        let text = Personal::new(text.to_owned());
        match parameter.get("parameter_name").and_then(Value::as_str) {
            Some(name) => named.push((name.to_owned(), text)),
            None => numbered.push(text),
        }
    }
    found.require(named.is_empty() || numbered.is_empty(), field, "must name all of its parameters or none");
    if named.is_empty() { Values::Positional(numbered) } else { Values::Named(named) }
}

fn button(found: &mut Findings, field: &str, component: &Value, parameters: &[Value]) -> Option<ButtonValue> {
    let index = number(component.get("index"));
    found.require(index.is_some(), &format!("{field}.index"), "must be a number from 0");
    let (kind, text) = match word(component, "sub_type").as_str() {
        "url" => (ButtonKind::UrlSuffix, "text"),
        "copy_code" => (ButtonKind::CouponCode, "coupon_code"),
        "quick_reply" => (ButtonKind::Payload, "payload"),
        "flow" => (ButtonKind::Flow, ""),
        "catalog" => (ButtonKind::Catalog, ""),
        "mpm" => (ButtonKind::Products, ""),
        _ => {
            found.add(format!("{field}.sub_type"), "must be url, copy_code, quick_reply, flow, catalog or mpm");
            return None;
        }
    };
    let text = parameters.first().and_then(|parameter| parameter.get(text)).and_then(Value::as_str);
    Some(ButtonValue { index: index?, kind, text: text.map(|text| Personal::new(text.to_owned())) })
}

fn cards(found: &mut Findings, field: &str, component: &Value) -> Vec<Parameters> {
    let mut cards = Vec::new();
    for (index, card) in list(component, "cards").iter().enumerate() {
        let field = format!("{field}.cards[{index}]");
        // A card that holds a carousel would hold cards: no template has them, so it is refused later.
        let supplied = read(found, &format!("{field}.components"), list(card, "components"));
        match number(card.get("card_index")) {
            Some(place) => cards.push((place, supplied)),
            None => found.add(format!("{field}.card_index"), "must be a number from 0"),
        }
    }
    cards.sort_by_key(|(place, _)| *place);
    let is_complete = cards.iter().enumerate().all(|(index, (place, _))| index == *place);
    found.require(is_complete, field, "must have cards with the indexes 0, 1, 2 and so on");
    cards.into_iter().map(|(_, supplied)| supplied).collect()
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn word(value: &Value, field: &str) -> String {
    value.get(field).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase()
}

/// Meta takes indexes as numbers and as text.
fn number(value: Option<&Value>) -> Option<usize> {
    match value? {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => usize::try_from(number.as_u64()?).ok(),
        _ => None,
    }
}
