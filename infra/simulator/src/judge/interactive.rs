//! Interactive messages (WHATSAPP.md §2.5).

use super::fields::{file, link, string};
use crate::refusal::Refusal;
use serde_json::Value;
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// Whether an interactive message is well-formed.
pub(crate) fn judge(content: &Value) -> Result<(), Refusal> {
    let kind = string(&content["type"], "interactive['type']", 40)?;
    let action = &content["action"];
    if !action.is_object() {
        return Err(Refusal::required("interactive['action']"));
    }
    if kind != "product" && kind != "call_permission_request" || content.get("body").is_some() {
        let most = if kind == "list" { 4096 } else { 1024 };
        string(&content["body"]["text"], "interactive['body']['text']", most)?;
    }
    if let Some(footer) = content.get("footer") {
        string(&footer["text"], "interactive['footer']['text']", 60)?;
    }
    if let Some(header) = content.get("header") {
        header_of(kind, header)?;
    }
    match kind {
        "button" => buttons(action),
        "list" => list(action),
        "cta_url" => {
            named(action, "cta_url")?;
            let parameters = &action["parameters"];
            length(&parameters["display_text"], "Button display_text", 1..=20)?;
            link(&parameters["url"], "interactive['action']['parameters']['url']")
        }
        "location_request_message" => named(action, "send_location"),
        "request_contact_info" => named(action, "request_contact_info"),
        "flow" => {
            named(action, "flow")?;
            let parameters = &action["parameters"];
            let parameter = |name: &str| format!("interactive['action']['parameters']['{name}']");
            string(&parameters["flow_message_version"], &parameter("flow_message_version"), 10)?;
            length(&parameters["flow_cta"], "Flow cta", 1..=30)?;
            match (parameters.get("flow_id"), parameters.get("flow_name")) {
                (Some(_), None) | (None, Some(_)) => Ok(()),
                _ => Err(Refusal::required(&parameter("flow_id"))),
            }
        }
        "address_message" => named(action, "address_message"),
        "call_permission_request" => named(action, "call_permission_request"),
        "voice_call" => named(action, "voice_call"),
        "catalog_message" => named(action, "catalog_message"),
        "product" => {
            let parameter = "interactive['action']['product_retailer_id']";
            string(&action["product_retailer_id"], parameter, 100).map(drop)
        }
        "product_list" => {
            let sections = action["sections"].as_array().map_or(0, Vec::len);
            counted("sections", sections, 1..=10)
        }
        "carousel" => counted("cards", action["cards"].as_array().map_or(0, Vec::len), 2..=10),
        _ => Err(Refusal::not_valid("interactive['type'] is not supported")),
    }
}

fn named(action: &Value, name: &str) -> Result<(), Refusal> {
    if action["name"] == name {
        return Ok(());
    }
    Err(Refusal::not_valid(format!("interactive['action']['name'] must be {name}")))
}

fn header_of(of: &str, header: &Value) -> Result<(), Refusal> {
    let kind = string(&header["type"], "interactive['header']['type']", 20)?;
    let allowed: &[&str] = match of {
        "button" | "cta_url" | "flow" => &["text", "image", "video", "document"],
        "list" | "product_list" => &["text"],
        _ => &[],
    };
    if !allowed.contains(&kind) {
        return Err(Refusal::not_valid(format!("A header of type {kind} is not allowed on interactive type {of}")));
    }
    match kind {
        "text" => string(&header["text"], "interactive['header']['text']", 60).map(drop),
        _ => file(&header[kind], kind),
    }
}

/// A text whose length Meta complains of with 131009.
fn length(value: &Value, what: &str, allowed: RangeInclusive<usize>) -> Result<(), Refusal> {
    let text = value.as_str().ok_or_else(|| Refusal::missing(format!("{what} is required")))?;
    if allowed.contains(&text.chars().count()) {
        return Ok(());
    }
    let (least, most) = allowed.into_inner();
    Err(Refusal::not_valid(format!("{what} length invalid. Min length: {least}, Max length: {most}")))
}

fn counted(what: &str, count: usize, allowed: RangeInclusive<usize>) -> Result<(), Refusal> {
    if allowed.contains(&count) {
        return Ok(());
    }
    let (least, most) = allowed.into_inner();
    Err(Refusal::not_valid(format!("Invalid {what} count. Min allowed {what}: {least}, Max allowed {what}: {most}")))
}

fn unlike<'a>(seen: &mut HashSet<&'a str>, value: &'a Value, what: &str) -> Result<(), Refusal> {
    if seen.insert(value.as_str().unwrap_or_default()) {
        return Ok(());
    }
    Err(Refusal::not_valid(format!("Duplicated {what}")))
}

fn buttons(action: &Value) -> Result<(), Refusal> {
    let buttons = action["buttons"].as_array().ok_or_else(|| Refusal::required("interactive['action']['buttons']"))?;
    counted("buttons", buttons.len(), 1..=3)?;
    let (mut ids, mut titles) = (HashSet::new(), HashSet::new());
    for button in buttons {
        if button["type"] != "reply" {
            return Err(Refusal::not_valid("Button type must be reply"));
        }
        let reply = &button["reply"];
        length(&reply["id"], "Button id", 1..=256)?;
        length(&reply["title"], "Button title", 1..=20)?;
        unlike(&mut ids, &reply["id"], "button id")?;
        unlike(&mut titles, &reply["title"], "button title")?;
    }
    Ok(())
}

fn list(action: &Value) -> Result<(), Refusal> {
    length(&action["button"], "List button", 1..=20)?;
    let sections =
        action["sections"].as_array().ok_or_else(|| Refusal::required("interactive['action']['sections']"))?;
    counted("sections", sections.len(), 1..=10)?;
    let mut ids = HashSet::new();
    let mut total = 0;
    for section in sections {
        if sections.len() > 1 || section.get("title").is_some() {
            length(&section["title"], "Section title", 1..=24)?;
        }
        let rows = section["rows"].as_array().ok_or_else(|| Refusal::missing("Section rows are required"))?;
        total += rows.len();
        for row in rows {
            length(&row["id"], "Row id", 1..=200)?;
            length(&row["title"], "Row title", 1..=24)?;
            if row.get("description").is_some() {
                length(&row["description"], "Row description", 0..=72)?;
            }
            unlike(&mut ids, &row["id"], "row id")?;
        }
    }
    counted("rows", total, 1..=10)
}
