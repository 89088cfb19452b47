//! What an error answer says, and what it means.

use super::codes::Advice;
use recado_domain::status::DeliveryError;
use serde::Deserialize;

/// What kind of error it is (WHATSAPP.md §2.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// The token is expired, revoked or unknown: nothing of this tenant can be sent.
    Auth,
    /// The token lacks a permission.
    Permission,
    /// Meta had a problem of its own and says that it did not take the message.
    Temporary,
    /// Maintenance of this number or of the service.
    Maintenance,
    /// Too many calls by the app or the account.
    AppRate,
    /// More messages per second than the number may send.
    Throughput,
    /// Too many messages in a row to one person.
    PairRate,
    /// The number or account is limited because of what it sent.
    Spam,
    /// The account is blocked or restricted by policy.
    Policy,
    /// The account cannot be charged.
    Payment,
    /// The number is not registered, verified or named as sending needs it.
    Registration,
    /// The 24-hour customer-service window is closed.
    Window,
    /// The person has had enough marketing for now.
    MarketingCap,
    /// The person wants no marketing from this business.
    OptedOut,
    /// The person is in one of Meta's experiments and gets no marketing.
    Experiment,
    /// This person cannot be reached at this address.
    Undeliverable,
    /// A test number may not write to this person.
    NotAllowListed,
    /// This kind of message needs a phone number; the address is a business-scoped id.
    BsuidUnsupported,
    /// The template is missing, paused, or does not fit its parameters.
    Template,
    /// A file could not be fetched or is not acceptable.
    Media,
    /// The request is wrong.
    BadRequest,
    /// The account may not use this part of the API.
    NotAvailable,
    /// Anything else.
    Other,
}

impl ErrorClass {
    /// Whether the same call may well succeed within minutes, without anybody doing anything.
    pub const fn passes_soon(self) -> bool {
        matches!(self, Self::Temporary | Self::Maintenance | Self::AppRate | Self::Throughput | Self::PairRate)
    }
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
    /// What Meta would say to a person, in the language of the token's owner: title and text. Only errors in
    /// template definitions have it.
    pub for_people: Option<(String, String)>,
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
    error_user_title: Option<String>,
    #[serde(default)]
    error_user_msg: Option<String>,
    #[serde(default)]
    fbtrace_id: Option<String>,
}

/// Meta sends an object, and a string of JSON for some errors in templates.
#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorData {
    Object {
        #[serde(default)]
        details: Option<String>,
    },
    Other(serde::de::IgnoredAny),
}

impl GraphError {
    /// Reads an error answer; one that is not in Meta's form is described by its HTTP status.
    pub(super) fn parse(http_status: u16, body: &[u8]) -> Self {
        Self::read(http_status, body).unwrap_or_else(|| Self {
            http_status,
            code: i64::from(http_status),
            subcode: None,
            is_transient: false,
            message: format!("HTTP {http_status} without an error in Meta's form"),
            details: None,
            for_people: None,
            trace_id: None,
        })
    }

    /// Reads an error answer in Meta's form.
    pub(super) fn read(http_status: u16, body: &[u8]) -> Option<Self> {
        let Body { error } = serde_json::from_slice(body).ok()?;
        let details = match error.error_data {
            Some(ErrorData::Object { details }) => details,
            Some(ErrorData::Other(_)) | None => None,
        };
        Some(Self {
            http_status,
            code: error.code,
            subcode: error.error_subcode,
            is_transient: error.is_transient,
            message: error.message,
            details,
            for_people: error.error_user_msg.map(|text| (error.error_user_title.unwrap_or_default(), text)),
            trace_id: error.fbtrace_id,
        })
    }

    /// What to do about it. Decided by code and subcode, never by title; a code that we do not know is
    /// judged by the HTTP status and `is_transient`.
    pub const fn advice(&self) -> &'static Advice {
        match Advice::of_code(self.code, self.subcode) {
            Some(advice) => advice,
            None => Advice::of_unknown(self.http_status, self.is_transient),
        }
    }

    /// What kind of error it is.
    pub const fn class(&self) -> ErrorClass {
        self.advice().class
    }

    /// Whether it says for certain that Meta did not do what was asked. A server's error says so only with a
    /// code that stands for a refusal.
    pub(super) const fn is_definite(&self) -> bool {
        match Advice::of_code(self.code, self.subcode) {
            _ if self.http_status < 500 => true,
            Some(advice) => {
                !matches!(advice.class, ErrorClass::Temporary | ErrorClass::Maintenance | ErrorClass::Other)
            }
            None => false,
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
            ("graph_error_130429.json", 400, ErrorClass::Throughput),
            ("graph_error_131056.json", 400, ErrorClass::PairRate),
            ("graph_error_1_transient.json", 400, ErrorClass::Temporary),
            ("graph_error_2_transient.json", 400, ErrorClass::Temporary),
            ("graph_error_131030.json", 400, ErrorClass::NotAllowListed),
            ("graph_error_131047.json", 400, ErrorClass::Window),
            ("graph_error_132000.json", 400, ErrorClass::Template),
            ("graph_error_html_502.html", 403, ErrorClass::Permission),
            ("graph_error_html_502.html", 404, ErrorClass::Other),
            ("graph_error_html_502.html", 502, ErrorClass::Temporary),
        ] {
            assert_eq!(GraphError::parse(status, &samples::graph(file)).class(), class, "{file} with HTTP {status}");
        }
    }

    #[test]
    fn an_expired_token_says_when_and_why() {
        let error = GraphError::parse(401, &samples::graph("graph_error_190_expired.json"));
        assert_eq!((error.code, error.subcode), (190, Some(463)));
        assert!(error.advice().explanation.es.contains("Venció"), "{:?}", error.advice().explanation);
        assert_eq!(error.trace_id.as_deref(), Some("AexampleTrace123"));
    }

    #[test]
    fn an_error_in_a_template_keeps_what_meta_says_to_people_whatever_its_data_look_like() {
        let body = br#"{"error":{"message":"Invalid parameter","code":100,"error_subcode":2388299,
            "error_data":"{\"blame\":\"body\"}","error_user_title":"Variables","error_user_msg":"Not at the end."}}"#;
        let error = GraphError::parse(400, body);
        assert_eq!(error.class(), ErrorClass::Template);
        assert_eq!(error.for_people, Some(("Variables".to_owned(), "Not at the end.".to_owned())));
    }

    #[test]
    fn a_servers_error_is_definite_only_with_the_code_of_a_refusal() {
        let error = |http_status, code| GraphError { code, http_status, ..GraphError::parse(http_status, b"") };
        for (http_status, code, definite) in [
            (400, 1, true),
            (400, 99_999, true),
            (500, 131_047, true),
            (500, 190, true),
            (500, 1, false),
            (503, 131_016, false),
            (500, 131_057, false),
            (500, 135_000, false),
            (500, 99_999, false),
            (502, 502, false),
        ] {
            assert_eq!(error(http_status, code).is_definite(), definite, "code {code} with HTTP {http_status}");
        }
    }
}
