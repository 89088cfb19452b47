//! Errors in Meta's form (WHATSAPP.md §2.9).

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The subcode of what does not exist or may not be seen.
const NO_OBJECT: i64 = 33;

/// Meta says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: i64,
    pub(crate) subcode: Option<i64>,
    pub(crate) message: String,
    pub(crate) details: Option<String>,
    /// Meta's words for people: title and message.
    user: Option<(&'static str, String)>,
    pub(crate) is_transient: bool,
}

impl Refusal {
    /// HTTP 400, spelled `(#code) message` as most are.
    pub(crate) fn new(code: i64, message: &str) -> Self {
        Self::unprefixed(code, format!("(#{code}) {message}"))
    }

    /// HTTP 400 with a message of exactly these words.
    pub(crate) fn unprefixed(code: i64, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            subcode: None,
            message: message.into(),
            details: None,
            user: None,
            is_transient: false,
        }
    }

    pub(crate) fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    pub(crate) const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(crate) const fn with_subcode(mut self, subcode: i64) -> Self {
        self.subcode = Some(subcode);
        self
    }

    /// The token is not one that Meta knows, or no longer: 460 password changed, 463 expired, 467 invalid.
    pub(crate) fn token(subcode: Option<i64>) -> Self {
        let message = match subcode {
            Some(460) => {
                "Error validating access token: The session has been invalidated because the user changed their password."
            }
            Some(463) => "Error validating access token: Session has expired on Friday, 20-Nov-26 02:00:00 PST.",
            Some(_) => "Error validating access token: The access token could not be decrypted",
            None => "Invalid OAuth access token - Cannot parse access token",
        };
        Self { subcode, ..Self::unprefixed(190, message) }.with_status(StatusCode::UNAUTHORIZED)
    }

    /// There is no such object, or the token may not see it. Meta does not say which.
    pub(crate) fn no_object(verb: &str, id: &str) -> Self {
        let message = format!(
            "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
             permissions, or does not support this operation. Please read the Graph API documentation at \
             https://developers.facebook.com/docs/graph-api"
        );
        Self::unprefixed(100, message).with_subcode(NO_OBJECT)
    }

    /// The path leads nowhere.
    pub(crate) fn path(path: &str) -> Self {
        Self::unprefixed(2500, format!("Unknown path components: {path}"))
    }

    /// A parameter of the request is missing.
    pub(crate) fn required(parameter: &str) -> Self {
        Self::new(100, &format!("The parameter {parameter} is required."))
    }

    /// A parameter of the request breaks a rule: `Param text['body'] must be at most 4096 characters long.`
    pub(crate) fn parameter(parameter: &str, rule: &str) -> Self {
        Self::new(100, &format!("Param {parameter} {rule}."))
    }

    /// What a message's type asks for is missing.
    pub(crate) fn missing(details: impl Into<String>) -> Self {
        Self::new(131_008, "Required parameter is missing").with_details(details)
    }

    /// A value that this message cannot have.
    pub(crate) fn not_valid(details: impl Into<String>) -> Self {
        Self::new(131_009, "Parameter value is not valid").with_details(details)
    }

    /// A file that Meta does not take.
    pub(crate) fn media(details: impl Into<String>) -> Self {
        Self::new(131_053, "Media upload error").with_details(details)
    }

    /// A template's draft that Meta does not take.
    pub(crate) fn draft(subcode: i64, title: &'static str, message: impl Into<String>) -> Self {
        let mut refusal = Self::unprefixed(100, "Invalid parameter").with_subcode(subcode);
        refusal.user = Some((title, message.into()));
        refusal
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({
            "message": self.message,
            "type": if self.subcode == Some(NO_OBJECT) { "GraphMethodException" } else { "OAuthException" },
            "code": self.code,
            "fbtrace_id": format!("A{:015x}", rand::random::<u64>() >> 4),
        });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        if self.is_transient {
            error["is_transient"] = json!(true);
        }
        if let Some((title, message)) = self.user {
            error["is_transient"] = json!(false);
            error["error_user_title"] = json!(title);
            error["error_user_msg"] = json!(message);
        }
        if let Some(details) = self.details {
            error["error_data"] = json!({"messaging_product": "whatsapp", "details": details});
        }
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

/// An error inside a failed status (WHATSAPP.md §2.3), for a code.
pub(crate) fn in_status(code: i64, details: Option<&str>) -> Value {
    let (title, usual) = match code {
        130_472 => (
            "User's number is part of an experiment",
            "Failed to send message because this user's phone number is part of an experiment",
        ),
        131_026 => ("Message undeliverable", "Message Undeliverable."),
        131_047 => (
            "Re-engagement message",
            "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
        ),
        131_049 => (
            "This message was not delivered to maintain healthy ecosystem engagement.",
            "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
        ),
        131_050 => (
            "User has stopped marketing messages",
            "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages on WhatsApp from your business.",
        ),
        131_053 => ("Media upload error", "Unable to download the media used in the message."),
        _ => ("Something went wrong", "Message failed to send because of an unknown error. Please try again later"),
    };
    json!({
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": details.unwrap_or(usual)},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    })
}
