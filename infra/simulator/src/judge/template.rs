//! Sending a template: it must exist, be approved, and get the parameters that it was made for
//! (WHATSAPP.md §2.5, §2.9).

use super::fields;
use crate::graph::templates::Template;
use crate::refusal::Refusal;
use crate::world::{Number, World};
use axum::http::StatusCode;
use serde_json::Value;

/// The most characters of a body with its variables filled in.
const BODY: usize = 1024;

/// The template that a message names, if it can be sent.
pub(crate) fn find<'a>(world: &'a World, number: &Number, content: &Value) -> Result<&'a Template, Refusal> {
    let name = content["name"].as_str().unwrap_or_default();
    let language = content["language"]["code"].as_str().unwrap_or_default();
    let missing = || {
        Refusal::new(132_001, "Template name does not exist in the translation")
            .with_status(StatusCode::NOT_FOUND)
            .with_details(format!("template name ({name}) does not exist in {language}"))
    };
    let is_meant = |template: &&Template| {
        template.waba_id == number.waba_id && template.name == name && template.language == language
    };
    let template = world.templates.values().find(is_meant).ok_or_else(missing)?;
    match template.status.as_str() {
        "APPROVED" => Ok(template),
        "PAUSED" => Err(Refusal::new(132_015, "Template is paused")
            .with_details("Template is paused due to low quality so it cannot be sent in a template message.")),
        "DISABLED" => Err(Refusal::new(132_016, "Template is disabled").with_details(
            "Template has been paused too many times due to low quality and is now permanently disabled.",
        )),
        _ => Err(missing()),
    }
}

/// Whether a message's parameters are those of its template.
pub(crate) fn parameters(template: &Template, content: &Value) -> Result<(), Refusal> {
    let sent = content["components"].as_array().map_or(&[][..], Vec::as_slice);
    let is_named = template.parameter_format == "NAMED";
    components(&template.components, sent, is_named, "")
}

/// The names of the variables in a text, in order, each once.
pub(crate) fn variables(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for part in text.split("{{").skip(1) {
        if let Some((name, _)) = part.split_once("}}")
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// The components of a template or of one card against those of a message. `at` says which card.
fn components(defined: &[Value], sent: &[Value], is_named: bool, at: &str) -> Result<(), Refusal> {
    let is_of =
        |component: &Value, kind: &str| component["type"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(kind));
    let of = |kind: &'static str| sent.iter().filter(move |component| is_of(component, kind));
    for component in sent {
        let kind = component["type"].as_str().unwrap_or_default().to_lowercase();
        if !matches!(&*kind, "header" | "body" | "button" | "carousel" | "limited_time_offer" | "order_status") {
            let all = "{HEADER, BODY, BUTTON, CAROUSEL, LIMITED_TIME_OFFER, ORDER_STATUS}";
            return Err(Refusal::parameter("template['components'][]['type']", &format!("must be one of {all}")));
        }
    }
    let definition = |kind: &str| defined.iter().find(|component| component["type"] == kind);
    let given =
        |kind: &'static str| of(kind).flat_map(|component| component["parameters"].as_array().into_iter().flatten());

    let header: Vec<_> = given("header").collect();
    match definition("HEADER")
        .map(|it| (it["format"].as_str().unwrap_or("TEXT"), it["text"].as_str().unwrap_or_default()))
    {
        Some(("TEXT", text)) => texts(&format!("{at}header"), &variables(text), &header, is_named)?,
        Some((format, _)) => one_of_format(&format!("{at}header"), format, &header)?,
        None => texts(&format!("{at}header"), &[], &header, is_named)?,
    }
    let body: Vec<_> = given("body").collect();
    // The text of an authentication template is Meta's own; its one variable is the code.
    let text = definition("BODY").map_or("", |it| it["text"].as_str().unwrap_or("{{1}}"));
    texts(&format!("{at}body"), &variables(text), &body, is_named)?;
    let filled = body.iter().map(|it| it["text"].as_str().map_or(0, |text| text.chars().count())).sum::<usize>();
    if text.chars().count() + filled > BODY + variables(text).iter().map(|name| name.chars().count() + 4).sum::<usize>()
    {
        return Err(Refusal::new(132_005, "Translated text too long")
            .with_details(format!("{at}body: the text has more than {BODY} characters with its variables")));
    }
    let none = Vec::new();
    let buttons = definition("BUTTONS").and_then(|it| it["buttons"].as_array()).unwrap_or(&none);
    judge_buttons(buttons, &of("button").collect::<Vec<_>>(), at)?;
    if let Some(offer) = definition("LIMITED_TIME_OFFER") {
        let has_time = given("limited_time_offer").any(|it| it["limited_time_offer"]["expiration_time_ms"].is_i64());
        if offer["limited_time_offer"]["has_expiration"] == true && !has_time {
            return Err(Refusal::missing("limited_time_offer: expiration_time_ms is required"));
        }
    }
    if let Some(cards) = definition("CAROUSEL").and_then(|it| it["cards"].as_array()) {
        let sent: Vec<_> = of("carousel").flat_map(|it| it["cards"].as_array().into_iter().flatten()).collect();
        if sent.len() != cards.len() {
            return Err(count("carousel", sent.len(), cards.len()));
        }
        for (place, (card, defined)) in sent.iter().zip(cards).enumerate() {
            let empty = Vec::new();
            let list = |of: &Value| of["components"].as_array().cloned().unwrap_or_else(|| empty.clone());
            components(&list(defined), &list(card), is_named, &format!("card {place} "))?;
        }
    }
    Ok(())
}

fn count(at: &str, sent: usize, expected: usize) -> Refusal {
    Refusal::new(132_000, "Number of parameters does not match the expected number of params").with_details(format!(
        "{at}: number of localizable_params ({sent}) does not match the expected number of params ({expected})"
    ))
}

fn format(details: impl Into<String>) -> Refusal {
    Refusal::new(132_012, "Parameter format does not match format in the created template").with_details(details)
}

/// Text parameters against the variables of a text.
fn texts(at: &str, variables: &[&str], sent: &[&Value], is_named: bool) -> Result<(), Refusal> {
    if sent.len() != variables.len() {
        return Err(count(at, sent.len(), variables.len()));
    }
    let mut names = Vec::new();
    for parameter in sent {
        let kind = parameter["type"].as_str().unwrap_or_default();
        if !matches!(kind, "text" | "currency" | "date_time") {
            return Err(format(format!("{at}: Format mismatch, expected TEXT, received {}", kind.to_uppercase())));
        }
        if kind == "text" {
            plain(&parameter["text"])?;
        }
        match (is_named, parameter["parameter_name"].as_str()) {
            (false, None) => {}
            (true, Some(name)) if variables.contains(&name) && !names.contains(&name) => names.push(name),
            (true, _) => {
                return Err(format(format!("{at}: parameter_name must name each variable of the template once")));
            }
            (false, Some(_)) => {
                return Err(format(format!("{at}: parameter_name is not expected, parameters are positional")));
            }
        }
    }
    Ok(())
}

/// A text that may stand in for a variable.
fn plain(value: &Value) -> Result<(), Refusal> {
    let text = value.as_str().filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| Refusal::missing("Parameter of type text is missing text value"))?;
    if text.contains(['\n', '\r', '\t']) || text.contains("     ") {
        return Err(Refusal::new(132_018, "There's an issue with the parameters in your template")
            .with_details("Param text cannot have new-line/tab characters or more than 4 consecutive spaces"));
    }
    Ok(())
}

/// A header that is a file or a place.
fn one_of_format(at: &str, expected: &str, sent: &[&Value]) -> Result<(), Refusal> {
    let [parameter] = sent else {
        return Err(format(format!("{at}: Format mismatch, expected {expected}, received UNKNOWN")));
    };
    let kind = parameter["type"].as_str().unwrap_or_default();
    if !kind.eq_ignore_ascii_case(expected) {
        return Err(format(format!("{at}: Format mismatch, expected {expected}, received {}", kind.to_uppercase())));
    }
    match kind {
        "location" => fields::location(&parameter["location"]),
        "product" => {
            let id = &parameter["product"]["product_retailer_id"];
            fields::string(id, "template['components'][]['parameters'][]['product']['product_retailer_id']", 100)
                .map(drop)
        }
        _ => fields::file(&parameter[kind], kind),
    }
}

fn judge_buttons(defined: &[Value], sent: &[&Value], at: &str) -> Result<(), Refusal> {
    let index = |button: &Value| match &button["index"] {
        Value::String(text) => text.parse().ok(),
        number => number.as_u64().and_then(|number| usize::try_from(number).ok()),
    };
    for button in sent {
        let sub_type = button["sub_type"].as_str().unwrap_or_default().to_lowercase();
        let place = index(button).ok_or_else(|| Refusal::missing(format!("{at}button: index is required")))?;
        let kind = defined.get(place).map(|it| it["type"].as_str().unwrap_or_default());
        let is_meant = match kind {
            Some("URL") => sub_type == "url",
            Some("OTP") => sub_type == "url",
            Some(kind) => kind.eq_ignore_ascii_case(&sub_type),
            None => false,
        };
        if !is_meant {
            return Err(format(format!(
                "{at}button at index {place}: the template has no button of type {sub_type} there"
            )));
        }
    }
    for (place, button) in defined.iter().enumerate() {
        let kind = button["type"].as_str().unwrap_or_default();
        let needed = match kind {
            "URL" if !variables(button["url"].as_str().unwrap_or_default()).is_empty() => "text",
            "OTP" => "text",
            "COPY_CODE" => "coupon_code",
            _ => continue,
        };
        let parameter = sent.iter().find(|it| index(it) == Some(place)).map(|it| &it["parameters"][0][needed]);
        match parameter.and_then(Value::as_str) {
            Some(text) if !text.is_empty() => {}
            _ => {
                return Err(Refusal::missing(format!(
                    "{at}Button at index {place} of type {kind} requires a parameter"
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn code(components: Value, sent: Value, named: bool) -> Option<i64> {
        let list = |value: Value| value.as_array().unwrap().clone();
        super::components(&list(components), &list(sent), named, "").err().map(|refusal| refusal.code)
    }

    fn body(parameters: Value) -> Value {
        json!([{"type": "body", "parameters": parameters}])
    }

    #[test]
    fn positional_parameters_are_counted_and_have_no_names() {
        let template = || json!([{"type": "BODY", "text": "Hola {{1}}, el {{2}}."}]);
        let text = |text: &str| json!({"type": "text", "text": text});
        assert_eq!(code(template(), body(json!([text("Ana"), text("lunes")])), false), None);
        assert_eq!(code(template(), body(json!([text("Ana")])), false), Some(132_000));
        assert_eq!(code(template(), json!([]), false), Some(132_000));
        assert_eq!(code(template(), body(json!([text("Ana"), text("")])), false), Some(131_008));
        assert_eq!(code(template(), body(json!([text("Ana"), text("a\nb")])), false), Some(132_018));
        assert_eq!(code(template(), body(json!([text("Ana"), {"type": "image"}])), false), Some(132_012));
        assert_eq!(code(template(), body(json!([text("Ana"), text(&"x".repeat(1100))])), false), Some(132_005));
        let named = json!([text("Ana"), {"type": "text", "text": "lunes", "parameter_name": "day"}]);
        assert_eq!(code(template(), body(named), false), Some(132_012));
    }

    #[test]
    fn named_parameters_name_each_variable_once_in_any_order() {
        let template = || json!([{"type": "BODY", "text": "Hola {{name}}, el {{day}}."}]);
        let text = |name: &str| json!({"type": "text", "text": "x", "parameter_name": name});
        assert_eq!(code(template(), body(json!([text("day"), text("name")])), true), None);
        assert_eq!(code(template(), body(json!([text("name"), text("name")])), true), Some(132_012));
        assert_eq!(code(template(), body(json!([text("name"), text("other")])), true), Some(132_012));
        assert_eq!(code(template(), body(json!([text("name"), {"type": "text", "text": "x"}])), true), Some(132_012));
    }

    #[test]
    fn headers_have_the_format_of_their_template() {
        let template = || json!([{"type": "HEADER", "format": "DOCUMENT"}, {"type": "BODY", "text": "Hola"}]);
        let header = |parameter: Value| json!([{"type": "header", "parameters": [parameter]}]);
        assert_eq!(
            code(template(), header(json!({"type": "document", "document": {"id": "1", "filename": "a.pdf"}})), false),
            None
        );
        assert_eq!(code(template(), header(json!({"type": "image", "image": {"id": "1"}})), false), Some(132_012));
        assert_eq!(code(template(), json!([]), false), Some(132_012));
        assert_eq!(code(template(), header(json!({"type": "document", "document": {}})), false), Some(100));
        let place = || json!([{"type": "HEADER", "format": "LOCATION"}, {"type": "BODY", "text": "Hola"}]);
        let at = json!({"type": "location", "location": {"latitude": "-34.6", "longitude": "-58.4"}});
        assert_eq!(code(place(), header(at), false), None);
        let product = || json!([{"type": "HEADER", "format": "PRODUCT"}, {"type": "BODY", "text": "Hola"}]);
        let sold = json!({"type": "product", "product": {"product_retailer_id": "1", "catalog_id": "2"}});
        assert_eq!(code(product(), header(sold), false), None);
    }

    #[test]
    fn buttons_with_a_variable_need_a_parameter_at_their_index() {
        let template = || {
            json!([{"type": "BODY", "text": "Hola"}, {"type": "BUTTONS", "buttons": [
                {"type": "QUICK_REPLY", "text": "Sí"}, {"type": "URL", "text": "Ver", "url": "https://a.example/{{1}}"}]}])
        };
        let url = |index: Value| json!({"type": "button", "sub_type": "url", "index": index, "parameters": [{"type": "text", "text": "x"}]});
        assert_eq!(code(template(), json!([url(json!("1"))]), false), None);
        assert_eq!(code(template(), json!([url(json!(1))]), false), None);
        assert_eq!(code(template(), json!([url(json!("0"))]), false), Some(132_012));
        assert_eq!(code(template(), json!([]), false), Some(131_008));
    }

    #[test]
    fn one_time_codes_offers_and_cards_are_judged_too() {
        let code_text = json!({"type": "text", "text": "123456"});
        let otp = || {
            json!([{"type": "BODY", "add_security_recommendation": true},
            {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}])
        };
        let button = json!({"type": "button", "sub_type": "url", "index": "0", "parameters": [code_text]});
        let both = json!([{"type": "body", "parameters": [code_text]}, button]);
        assert_eq!(code(otp(), both, false), None);
        assert_eq!(code(otp(), body(json!([code_text])), false), Some(131_008), "the button's code is missing");

        let offer = || {
            json!([{"type": "BODY", "text": "Hola"},
            {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Ya", "has_expiration": true}}])
        };
        let until = json!([{"type": "limited_time_offer", "parameters": [{"type": "limited_time_offer",
            "limited_time_offer": {"expiration_time_ms": 1_795_171_200_000_i64}}]}]);
        assert_eq!(code(offer(), until, false), None);
        assert_eq!(code(offer(), json!([]), false), Some(131_008));

        let cards = || {
            json!([{"type": "BODY", "text": "Hola"}, {"type": "CAROUSEL", "cards": [
            {"components": [{"type": "BODY", "text": "Uno {{1}}."}]}, {"components": [{"type": "BODY", "text": "Dos"}]}]}])
        };
        let card = |place: u8, components: Value| json!({"card_index": place, "components": components});
        let sent = |first: Value| json!([{"type": "carousel", "cards": [card(0, first), card(1, json!([]))]}]);
        assert_eq!(code(cards(), sent(body(json!([code_text]))), false), None);
        assert_eq!(code(cards(), sent(json!([])), false), Some(132_000));
        assert_eq!(code(cards(), json!([{"type": "carousel", "cards": []}]), false), Some(132_000));
    }
}
