//! Every limit of a template's buttons.

use super::component::{Button, Examples, FlowButton, Lenient, OtpButton, UrlButton};
use super::validate::{Around, check_label};
use super::variable::{Placeholder, variables};
use super::word::{Category, OtpType};
use crate::invalid::Findings;

/// Most characters of a label.
const LABEL_MAX: usize = 25;
/// Most characters of an address.
pub(super) const URL_MAX: usize = 2_000;
/// Most characters of a phone number.
const PHONE_MAX: usize = 20;
/// Most characters of an offer's code, and of a one-time code.
pub(super) const CODE_MAX: usize = 15;

/// How many buttons of a kind a template may have, and how Meta calls them.
fn limit(button: &Button) -> (usize, &'static str) {
    match button {
        Button::QuickReply(_) => (10, "QUICK_REPLY"),
        Button::Url(_) => (2, "URL"),
        Button::PhoneNumber(_) => (1, "PHONE_NUMBER"),
        Button::CopyCode(_) => (1, "COPY_CODE"),
        Button::Otp(_) => (1, "OTP"),
        Button::Flow(_) => (1, "FLOW"),
        Button::Catalog(_) => (1, "CATALOG"),
        Button::Mpm(_) => (1, "MPM"),
        Button::Spm(_) => (1, "SPM"),
        Button::VoiceCall(_) => (1, "VOICE_CALL"),
        Button::Other(_) => (usize::MAX, "other"),
    }
}

/// What Meta calls a button.
pub(super) fn kind(button: &Button) -> &'static str {
    limit(button).1
}

pub(super) fn check(found: &mut Findings, field: &str, buttons: &[Button], around: &Around<'_>) {
    let max = if around.in_card { 2 } else { 10 };
    found.require((1..=max).contains(&buttons.len()), field, format!("must be 1 to {max}"));
    let kinds: Vec<_> = buttons.iter().map(limit).collect();
    let mut seen = Vec::new();
    for (allowed, kind) in &kinds {
        if !seen.contains(kind) && kinds.iter().filter(|(_, other)| other == kind).count() > *allowed {
            found.add(field, format!("must contain at most {allowed} of type {kind}"));
        }
        seen.push(kind);
    }
    let replies: Vec<_> = buttons.iter().map(|button| matches!(button, Button::QuickReply(_))).collect();
    let changes = replies.windows(2).filter(|pair| pair[0] != pair[1]).count();
    found.require(changes <= 1, field, "must keep quick replies together, before or after all others");
    // Gupshup, "Template Button List"; Meta's catalogue and multi-product templates show no other.
    let is_shop = |button: &Button| matches!(button, Button::Catalog(_) | Button::Mpm(_));
    found.require(
        buttons.len() == 1 || !buttons.iter().any(is_shop),
        field,
        "must be one alone if it is CATALOG or MPM",
    );
    let is_otp = |button: &Button| matches!(button, Button::Otp(_));
    if *around.category == Category::Authentication {
        found.require(
            buttons.len() == 1 && buttons.iter().all(is_otp),
            field,
            "must be one OTP button, for authentication",
        );
    } else {
        found.require(!buttons.iter().any(is_otp), field, "must contain no OTP button except for authentication");
    }
    if around.has_offer {
        let late_code = buttons.iter().skip(1).any(|button| matches!(button, Button::CopyCode(_)));
        found.require(!late_code, field, "must begin with the COPY_CODE button beside a LIMITED_TIME_OFFER");
    }
    for (index, button) in buttons.iter().enumerate() {
        check_button(found, &format!("{field}[{index}]"), button);
    }
}

fn check_button(found: &mut Findings, field: &str, button: &Button) {
    let label = format!("{field}.text");
    match button {
        Button::QuickReply(button)
        | Button::Catalog(button)
        | Button::Mpm(button)
        | Button::Spm(button)
        | Button::VoiceCall(button) => check_label(found, &label, &button.text, LABEL_MAX),
        Button::Url(button) => {
            check_label(found, &label, &button.text, LABEL_MAX);
            check_url(found, field, button);
        }
        Button::PhoneNumber(button) => {
            check_label(found, &label, &button.text, LABEL_MAX);
            let length = button.phone_number.chars().count();
            found.require(
                (1..=PHONE_MAX).contains(&length),
                &format!("{field}.phone_number"),
                "must have 1 to 20 characters",
            );
        }
        Button::CopyCode(button) => {
            let code = first(button.example.as_ref()).map_or(0, |code| code.chars().count());
            found.require((1..=CODE_MAX).contains(&code), &format!("{field}.example"), "must have 1 to 15 characters");
        }
        Button::Otp(button) => check_otp(found, field, button),
        Button::Flow(button) => {
            check_label(found, &label, &button.text, LABEL_MAX);
            check_flow(found, field, button);
        }
        Button::Other(_) => found.add(field, "must be a button of a known type, with the fields of that type"),
    }
}

fn check_url(found: &mut Findings, field: &str, button: &UrlButton) {
    let path = format!("{field}.url");
    let url = &button.url;
    found.require(
        url.starts_with("https://") || url.starts_with("http://"),
        &path,
        "must begin with https:// or http://",
    );
    found.require(url.chars().count() <= URL_MAX, &path, "must have at most 2000 characters");
    found.require(!url.contains(char::is_whitespace), &path, "must have no spaces");
    match variables(url).as_slice() {
        [] => {}
        [only] => {
            // The variable of an address is numbered even where the others are named.
            let is_first = matches!(only.placeholder, Placeholder::Positional(1));
            found.require(
                is_first && only.range.end == url.len(),
                &path,
                "must have its variable, `{{1}}`, at its end",
            );
            let example = first(button.example.as_ref()).unwrap_or_default();
            let filled = !example.is_empty() && example.chars().count() <= URL_MAX;
            found.require(filled, &format!("{field}.example"), "must hold one address with a value for the variable");
        }
        _ => found.add(path, "must have at most one variable"),
    }
}

fn check_otp(found: &mut Findings, field: &str, button: &OtpButton) {
    for (name, text) in [("text", &button.text), ("autofill_text", &button.autofill_text)] {
        if let Some(text) = text {
            check_label(found, &format!("{field}.{name}"), text, LABEL_MAX);
        }
    }
    if let OtpType::Other(_) = button.otp_type {
        found.add(format!("{field}.otp_type"), "must be COPY_CODE, ONE_TAP or ZERO_TAP");
    }
    if button.otp_type == OtpType::ZeroTap {
        let accepted = button.zero_tap_terms_accepted == Some(true);
        found.require(accepted, &format!("{field}.zero_tap_terms_accepted"), "must be true for ZERO_TAP");
    }
    let apps = button.supported_apps.as_deref().unwrap_or_default();
    if matches!(button.otp_type, OtpType::OneTap | OtpType::ZeroTap) {
        let path = format!("{field}.supported_apps");
        found.require((1..=5).contains(&apps.len()), &path, "must be 1 to 5 for ONE_TAP and ZERO_TAP");
    }
    for (index, app) in apps.iter().enumerate() {
        let path = format!("{field}.supported_apps[{index}]");
        let name = &app.package_name;
        let segment = |part: &str| {
            part.starts_with(|char: char| char.is_ascii_alphabetic())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let is_package = name.len() <= 224 && name.contains('.') && name.split('.').all(segment);
        found.require(
            is_package,
            &format!("{path}.package_name"),
            "must be an Android package name such as com.example.app",
        );
        let is_hash = app.signature_hash.chars().count() == 11;
        found.require(is_hash, &format!("{path}.signature_hash"), "must have exactly 11 characters");
    }
}

fn check_flow(found: &mut Findings, field: &str, button: &FlowButton) {
    let named = [&button.flow_id, &button.flow_name, &button.flow_json].into_iter().flatten().count();
    found.require(named == 1, field, "must have one of flow_id, flow_name and flow_json");
    let path = format!("{field}.flow_action");
    match button.flow_action.as_deref() {
        None | Some("navigate") => {}
        Some("data_exchange") => {
            let absent = button.navigate_screen.is_none();
            found.require(absent, &format!("{field}.navigate_screen"), "must be absent for data_exchange");
        }
        Some(_) => found.add(path, "must be navigate or data_exchange"),
    }
}

fn first(example: Option<&Lenient<Examples>>) -> Option<&str> {
    example.and_then(Lenient::read).and_then(Examples::first)
}
