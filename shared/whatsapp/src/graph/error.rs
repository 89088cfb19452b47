//! What an error answer means.

use recado_domain::status::DeliveryError;
use serde::Deserialize;

/// What can be done about an error (WHATSAPP.md §2.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The token is expired, revoked or lacks a permission: nothing of this tenant can be sent.
    Auth,
    /// Too much at once: the same message may go a little later.
    RateLimited,
    /// Meta had a problem of its own and says that it did not take the message.
    Temporary,
    /// This message, to this person, will not go. Trying again changes nothing.
    Permanent,
}

/// An error answer of the Graph API: the request was understood and refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphError {
    /// The HTTP status.
    pub http_status: u16,
    /// Meta's code; the HTTP status if the answer was not in Meta's form.
    pub code: i64,
    /// Meta's subcode.
    pub subcode: Option<i64>,
    /// Whether Meta itself calls it transient.
    pub is_transient: bool,
    /// Meta's message.
    pub message: String,
    /// Meta's details.
    pub details: Option<String>,
    /// Meta's trace id, to quote when asking Meta for help.
    pub trace_id: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    error: RawError,
}

#[derive(Deserialize)]
struct RawError {
    #[serde(default)]
    message: String,
    code: i64,
    #[serde(default)]
    error_subcode: Option<i64>,
    #[serde(default)]
    is_transient: bool,
    #[serde(default)]
    error_data: Option<ErrorData>,
    #[serde(default)]
    fbtrace_id: Option<String>,
}

#[derive(Deserialize)]
struct ErrorData {
    #[serde(default)]
    details: Option<String>,
}

impl GraphError {
    /// Reads an error answer; one that is not in Meta's form is described by its HTTP status.
    pub(crate) fn parse(http_status: u16, body: &[u8]) -> Self {
        match serde_json::from_slice::<Body>(body) {
            Ok(Body { error }) => Self {
                http_status,
                code: error.code,
                subcode: error.error_subcode,
                is_transient: error.is_transient,
                message: error.message,
                details: error.error_data.and_then(|data| data.details),
                trace_id: error.fbtrace_id,
            },
            Err(_) => Self {
                http_status,
                code: i64::from(http_status),
                subcode: None,
                is_transient: false,
                message: format!("HTTP {http_status} without an error in Meta's form"),
                details: None,
                trace_id: None,
            },
        }
    }

    /// What can be done about it. Decided by code, never by title; a code that we do not know is
    /// judged by `is_transient` and the HTTP status.
    pub const fn class(&self) -> ErrorClass {
        match self.code {
            0 | 3 | 10 | 190 | 200..=299 => ErrorClass::Auth,
            4 | 613 | 80_007 | 130_429 | 131_056 => ErrorClass::RateLimited,
            1 | 2 | 131_000 | 131_016 | 131_057 | 133_004 | 2_494_100 => ErrorClass::Temporary,
            _ => match self.http_status {
                401 | 403 => ErrorClass::Auth,
                429 => ErrorClass::RateLimited,
                _ if self.is_transient => ErrorClass::Temporary,
                _ => ErrorClass::Permanent,
            },
        }
    }

    /// The form in which a failed message keeps it.
    pub fn to_delivery_error(&self) -> DeliveryError {
        DeliveryError {
            code: self.code,
            title: None,
            message: Some(self.message.clone()),
            details: self.details.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_testkit::samples;

    #[test]
    fn the_sampled_errors_have_their_class() {
        for (file, status, class) in [
            ("graph_error_190_expired.json", 401, ErrorClass::Auth),
            ("graph_error_130429.json", 400, ErrorClass::RateLimited),
            ("graph_error_131056.json", 400, ErrorClass::RateLimited),
            ("graph_error_1_transient.json", 400, ErrorClass::Temporary),
            ("graph_error_2_transient.json", 400, ErrorClass::Temporary),
            ("graph_error_131030.json", 400, ErrorClass::Permanent),
            ("graph_error_131047.json", 400, ErrorClass::Permanent),
            ("graph_error_132000.json", 400, ErrorClass::Permanent),
            ("graph_error_html_502.html", 403, ErrorClass::Auth),
            ("graph_error_html_502.html", 404, ErrorClass::Permanent),
        ] {
            assert_eq!(GraphError::parse(status, &samples::graph(file)).class(), class, "{file} with HTTP {status}");
        }
    }
}
