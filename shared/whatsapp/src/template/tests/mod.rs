mod judging;
mod reading;
mod sending;

use super::*;
use crate::invalid::Invalid;
use serde_json::json;

/// A definition with most of what there is, as Meta lists it.
fn listed() -> Value {
    json!({
        "id": "1689556900000001",
        "name": "turno_recordatorio",
        "language": "es_AR",
        "status": "APPROVED",
        "category": "UTILITY",
        "parameter_format": "NAMED",
        "message_send_ttl_seconds": 600,
        "rejected_reason": "NONE",
        "quality_score": {"score": "GREEN", "date": 1_795_171_200, "reasons": ["x"]},
        "previous_category": "MARKETING",
        "correct_category": "UTILITY",
        "sub_category": "ORDER_STATUS",
        "cta_url_link_tracking_opted_out": false,
        "components": [
            {"type": "HEADER", "format": "TEXT", "text": "Turno {{number}}",
             "example": {"header_text_named_params": [{"param_name": "number", "example": "7"}]}},
            {"type": "BODY", "text": "Hola {{name}}, te esperamos el {{date}} en el consultorio.",
             "example": {"body_text_named_params": [
                 {"param_name": "name", "example": "Ana"}, {"param_name": "date", "example": "20/11"}]}},
            {"type": "FOOTER", "text": "Consultorio Sur"},
            {"type": "BUTTONS", "buttons": [
                {"type": "QUICK_REPLY", "text": "Confirmar"},
                {"type": "QUICK_REPLY", "text": "Cancelar"},
                {"type": "URL", "text": "Ver turno", "url": "https://example.com/t/{{1}}",
                 "example": ["https://example.com/t/77"]},
                {"type": "PHONE_NUMBER", "text": "Llamar", "phone_number": "+541148001234"},
                {"type": "FLOW", "text": "Encuesta", "flow_id": "123456", "flow_action": "navigate",
                 "navigate_screen": "START"},
                {"type": "VOICE_CALL", "text": "Hablar"}
            ]}
        ]
    })
}

fn carousel() -> Value {
    let card = |title: &str| {
        json!({"components": [
            {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4::aW"]}},
            {"type": "BODY", "text": format!("{title} con {{{{1}}}} de descuento por esta semana"),
             "example": {"body_text": [["20 %"]]}},
            {"type": "BUTTONS", "buttons": [
                {"type": "QUICK_REPLY", "text": "Quiero"},
                {"type": "URL", "text": "Ver", "url": "https://example.com/p/{{1}}", "example": ["https://example.com/p/1"]}
            ]}
        ]})
    };
    json!({
        "name": "ofertas", "language": "es_AR", "category": "MARKETING", "parameter_format": "POSITIONAL",
        "components": [
            {"type": "BODY", "text": "Hola {{1}}, mirá lo nuevo de esta semana.", "example": {"body_text": [["Ana"]]}},
            {"type": "CAROUSEL", "cards": [card("Limones"), card("Naranjas")]}
        ]
    })
}

fn offer() -> Value {
    json!({
        "name": "oferta", "language": "es", "category": "MARKETING",
        "components": [
            {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4::aW"]}},
            {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Se termina", "has_expiration": true}},
            {"type": "BODY", "text": "Con el código {{1}} tenés descuento en toda la tienda.",
             "example": {"body_text": [["CARIBE25"]]}},
            {"type": "BUTTONS", "buttons": [
                {"type": "COPY_CODE", "example": "CARIBE25"},
                {"type": "URL", "text": "Comprar", "url": "https://example.com/?c={{1}}", "example": "https://example.com/?c=1"}
            ]}
        ]
    })
}

fn one_time_code() -> Value {
    json!({
        "name": "codigo", "language": "es_AR", "category": "AUTHENTICATION", "message_send_ttl_seconds": 300,
        "components": [
            {"type": "BODY", "add_security_recommendation": true},
            {"type": "FOOTER", "code_expiration_minutes": 5},
            {"type": "BUTTONS", "buttons": [
                {"type": "OTP", "otp_type": "ZERO_TAP", "text": "Copiar", "autofill_text": "Completar",
                 "zero_tap_terms_accepted": true,
                 "supported_apps": [{"package_name": "com.example.app", "signature_hash": "K8a/AINcGX7"}]}
            ]}
        ]
    })
}

fn read(json: Value) -> Template {
    serde_json::from_value(json).unwrap()
}

/// The findings, as text.
fn findings(result: Result<(), Vec<Invalid>>) -> Vec<String> {
    result.err().unwrap_or_default().iter().map(|Invalid { field, rule }| format!("{field} {rule}")).collect()
}
