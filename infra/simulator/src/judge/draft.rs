//! A template's draft: the errors that people make most, told as Meta tells them (WHATSAPP.md §2.5).

use super::template::variables;
use crate::refusal::Refusal;
use serde_json::Value;
use std::ops::RangeInclusive;

/// Whether a draft's own fields are in order: name, language, category, time to live, components.
/// `is_handle` knows the handles of finished uploads.
pub(crate) fn judge(draft: &Value, is_handle: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    let text = |name: &str| draft[name].as_str().filter(|text| !text.is_empty()).ok_or_else(|| Refusal::required(name));
    let name = text("name")?;
    if name.len() > 512 || !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
        let message =
            "The template name can only have lowercase letters, numbers and underscores, at most 512 of them.";
        return Err(Refusal::draft(2_388_042, "Template name is not valid", message));
    }
    let language = text("language")?;
    let is_language = language.len() <= 7 && language.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !is_language || language.len() < 2 {
        return Err(Refusal::parameter("language", "is not a supported language"));
    }
    let category = text("category")?;
    let lives: RangeInclusive<i64> = match category {
        "AUTHENTICATION" => 30..=900,
        "UTILITY" => 30..=43_200,
        "MARKETING" => 43_200..=2_592_000,
        _ => return Err(Refusal::parameter("category", "must be one of {UTILITY, MARKETING, AUTHENTICATION}")),
    };
    if let Some(seconds) = draft.get("message_send_ttl_seconds").and_then(Value::as_i64)
        && seconds != -1
        && !lives.contains(&seconds)
    {
        let rule = format!("must be from {} to {} for {category}", lives.start(), lives.end());
        return Err(Refusal::parameter("message_send_ttl_seconds", &rule));
    }
    let is_named = match draft.get("parameter_format").map(|format| format.as_str().unwrap_or_default()) {
        None => false,
        Some(format) if format.eq_ignore_ascii_case("positional") => false,
        Some(format) if format.eq_ignore_ascii_case("named") => true,
        Some(_) => return Err(Refusal::parameter("parameter_format", "must be one of {NAMED, POSITIONAL}")),
    };
    let components = draft["components"].as_array().ok_or_else(|| Refusal::required("components"))?;
    judge_components(components, category, is_named, &is_handle)
}

/// Whether a draft's components are in order.
pub(crate) fn judge_components(
    components: &[Value],
    category: &str,
    is_named: bool,
    is_handle: &dyn Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let kind = |component: &Value| component["type"].as_str().unwrap_or_default().to_uppercase();
    let body = components.iter().find(|component| kind(component) == "BODY");
    let body = body.ok_or_else(|| Refusal::draft(2_388_043, "Body is missing", "A template must have a body."))?;
    if category != "AUTHENTICATION" || body.get("text").is_some() {
        judge_body(body, is_named)?;
    }
    for component in components {
        match &*kind(component) {
            "BODY" | "LIMITED_TIME_OFFER" => {}
            "HEADER" => judge_header(component, is_named, is_handle)?,
            "FOOTER" => judge_footer(component)?,
            "BUTTONS" => judge_buttons(component["buttons"].as_array().map_or(&[][..], Vec::as_slice))?,
            "CAROUSEL" => {
                let cards = component["cards"].as_array().map_or(&[][..], Vec::as_slice);
                if !(2..=10).contains(&cards.len()) {
                    return Err(Refusal::parameter("components", "must have 2 to 10 cards in a carousel"));
                }
            }
            _ => {
                let all = "{HEADER, BODY, FOOTER, BUTTONS, CAROUSEL, LIMITED_TIME_OFFER}";
                return Err(Refusal::parameter("components[]['type']", &format!("must be one of {all}")));
            }
        }
    }
    Ok(())
}

fn too_long(what: &str, most: usize) -> Refusal {
    Refusal::draft(2_388_040, "Message is too long", format!("The {what} can have at most {most} characters."))
}

fn no_example(what: &str) -> Refusal {
    let message = format!("The {what} has variables, and an example is needed for each of them.");
    Refusal::draft(2_388_043, "Message template is missing example", message)
}

fn judge_body(body: &Value, is_named: bool) -> Result<(), Refusal> {
    let wrong = |message: &str| Refusal::draft(2_388_072, "Message body format is incorrect", message);
    let text =
        body["text"].as_str().filter(|text| !text.trim().is_empty()).ok_or_else(|| wrong("The body is empty."))?;
    if text.chars().count() > 1024 {
        return Err(too_long("body", 1024));
    }
    check_names(text, is_named).map_err(wrong)?;
    let names = variables(text);
    if names.is_empty() {
        return Ok(());
    }
    if text.trim_start().starts_with("{{") || text.trim_end().ends_with("}}") {
        let message = "Variables can't be at the start or end of the template.";
        return Err(Refusal::draft(2_388_299, "Leading or trailing params not allowed", message));
    }
    // Meta does not publish its ratio. More variables than words is too many in any case.
    let words = text.split("{{").flat_map(|part| part.rsplit("}}").next().unwrap_or_default().split_whitespace());
    let words = words.filter(|word| word.chars().any(char::is_alphanumeric)).count();
    if words <= names.len() {
        let message = "This template has too many variables for its length. Reduce the number of variables or increase the message length.";
        return Err(Refusal::draft(2_388_293, "Parameters words ratio exceeds limit", message));
    }
    let example = &body["example"];
    let has_examples = if is_named {
        let given = example["body_text_named_params"].as_array().map_or(&[][..], Vec::as_slice);
        names.iter().all(|name| given.iter().any(|it| it["param_name"] == **name && it["example"].is_string()))
    } else {
        example["body_text"][0].as_array().map_or(0, Vec::len) == names.len()
    };
    if has_examples { Ok(()) } else { Err(no_example("body")) }
}

/// Positional variables are numbered from 1 without a gap; named ones are lower-case words.
fn check_names(text: &str, is_named: bool) -> Result<(), &'static str> {
    let names = variables(text);
    if text.matches("{{").count() != text.matches("}}").count() {
        return Err("A variable is not closed.");
    }
    let are_right = if is_named {
        let is_word = |name: &&str| {
            name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        };
        names.iter().all(is_word)
    } else {
        (1..=names.len()).all(|number| names.contains(&&*number.to_string()))
    };
    if are_right {
        return Ok(());
    }
    Err(if is_named {
        "Variables must be lower-case words."
    } else {
        "Variables must be numbered {{1}}, {{2}} and so on."
    })
}

fn judge_header(header: &Value, is_named: bool, is_handle: &dyn Fn(&str) -> bool) -> Result<(), Refusal> {
    let wrong = |message: &str| Refusal::draft(2_388_047, "Message header format is incorrect", message);
    match &*header["format"].as_str().unwrap_or_default().to_uppercase() {
        "TEXT" => {
            let text =
                header["text"].as_str().filter(|text| !text.is_empty()).ok_or_else(|| wrong("The header is empty."))?;
            if text.chars().count() > 60 {
                return Err(too_long("header", 60));
            }
            check_names(text, is_named).map_err(wrong)?;
            match variables(text).len() {
                0 => Ok(()),
                1 if header["example"]["header_text"][0].is_string() => Ok(()),
                1 if header["example"]["header_text_named_params"][0]["example"].is_string() => Ok(()),
                1 => Err(no_example("header")),
                _ => Err(wrong("The header can have one variable at most.")),
            }
        }
        "IMAGE" | "VIDEO" | "DOCUMENT" => match header["example"]["header_handle"][0].as_str() {
            Some(handle) if is_handle(handle) => Ok(()),
            Some(_) => Err(Refusal::draft(2_494_102, "Uploaded file handle is not valid", "Upload the sample again.")),
            None => Err(no_example("header")),
        },
        "LOCATION" | "PRODUCT" => Ok(()),
        _ => Err(wrong("The format must be TEXT, IMAGE, VIDEO, DOCUMENT, LOCATION or PRODUCT.")),
    }
}

fn judge_footer(footer: &Value) -> Result<(), Refusal> {
    let wrong = |message: &str| Refusal::draft(2_388_073, "Message footer format is incorrect", message);
    match footer.get("text").map(|text| text.as_str().unwrap_or_default()) {
        None if footer.get("code_expiration_minutes").is_some() => Ok(()),
        None | Some("") => Err(wrong("The footer is empty.")),
        Some(text) if text.chars().count() > 60 => Err(too_long("footer", 60)),
        Some(text) if text.contains("{{") => Err(wrong("The footer can't have variables.")),
        Some(_) => Ok(()),
    }
}

fn judge_buttons(buttons: &[Value]) -> Result<(), Refusal> {
    let wrong = |message: &str| Refusal::draft(2_388_044, "Buttons are not valid", message);
    let kinds: Vec<_> =
        buttons.iter().map(|button| button["type"].as_str().unwrap_or_default().to_uppercase()).collect();
    if !(1..=10).contains(&buttons.len()) {
        return Err(wrong("A template can have 1 to 10 buttons."));
    }
    for (kind, most) in [("URL", 2), ("PHONE_NUMBER", 1), ("COPY_CODE", 1), ("OTP", 1)] {
        if kinds.iter().filter(|it| *it == kind).count() > most {
            return Err(wrong(&format!("A template can have at most {most} buttons of type {kind}.")));
        }
    }
    let mut groups: Vec<bool> = kinds.iter().map(|kind| kind == "QUICK_REPLY").collect();
    groups.dedup();
    if groups.len() > 2 {
        return Err(wrong("Quick replies and other buttons must stand in two groups."));
    }
    for (button, kind) in buttons.iter().zip(&kinds) {
        let text = button["text"].as_str().unwrap_or_default();
        match &**kind {
            "QUICK_REPLY" | "URL" | "PHONE_NUMBER" | "FLOW" | "CATALOG" | "MPM" | "SPM" if text.is_empty() => {
                return Err(wrong("A button has no text."));
            }
            "QUICK_REPLY" | "URL" | "PHONE_NUMBER" | "COPY_CODE" | "OTP" | "FLOW" | "CATALOG" | "MPM" | "SPM" => {}
            _ => return Err(wrong("A button's type is unknown.")),
        }
        if text.chars().count() > 25 {
            return Err(too_long("button's text", 25));
        }
        let url = button["url"].as_str().unwrap_or_default();
        if kind == "URL" && !url.starts_with("http") {
            return Err(wrong("A button's url is not valid."));
        }
        if !variables(url).is_empty() {
            if variables(url).len() > 1 || !url.ends_with("}}") {
                return Err(wrong("A button's url can have one variable, at its end."));
            }
            if !(button["example"].is_string() || button["example"][0].is_string()) {
                return Err(no_example("button"));
            }
        }
    }
    Ok(())
}
