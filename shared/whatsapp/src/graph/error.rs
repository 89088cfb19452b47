//! What an error answer says, and what it means.

use super::codes::Advice;
use crate::webhook::lenient::mend_surrogates;
use recado_domain::personal::Personal;
use recado_domain::status::DeliveryError;
use serde_json::Value;

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
    /// This person may not be who they were: the security code has changed.
    IdentityChanged,
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
    /// Meta's message. It may quote what was sent, even a token.
    pub message: Personal<String>,
    /// Meta's details. As above.
    pub details: Option<Personal<String>>,
    /// What Meta would say to a person, in the language of the token's owner: title and text. Only errors in
    /// template definitions have it.
    pub for_people: Option<Personal<(String, String)>>,
    /// Meta's trace id, to quote when asking Meta for help.
    pub trace_id: Option<String>,
}

impl GraphError {
    /// Reads an error answer; one that is not in Meta's form is described by its HTTP status.
    pub(super) fn parse(http_status: u16, body: &[u8]) -> Self {
        Self::read(http_status, body).unwrap_or_else(|| Self {
            http_status,
            code: i64::from(http_status),
            subcode: None,
            is_transient: false,
            message: Personal::new(format!("HTTP {http_status} without an error in Meta's form")),
            details: None,
            for_people: None,
            trace_id: None,
        })
    }

    /// Reads an error answer in Meta's form. All that it must have is a code; whatever else is missing or odd
    /// must not change what the code means.
    pub(super) fn read(http_status: u16, body: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(body);
        let body: Value = serde_json::from_str(&mend_surrogates(&text)).ok()?;
        let error = body.get("error")?;
        let number = |name: &str| match error.get(name)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let text = |path: &str| error.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let for_people = text("/error_user_msg").map(|said| (text("/error_user_title").unwrap_or_default(), said));
        Some(Self {
            http_status,
            code: number("code")?,
            subcode: number("error_subcode"),
            is_transient: matches!(error.get("is_transient"), Some(Value::Bool(true))),
            message: Personal::new(text("/message").unwrap_or_default()),
            details: text("/error_data/details").map(Personal::new),
            for_people: for_people.map(Personal::new),
            trace_id: text("/fbtrace_id"),
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
            // A gateway that gave up waiting (408) does not know either, even if it blames the client.
            _ if self.http_status < 500 && self.http_status != 408 => true,
            Some(advice) => {
                !matches!(advice.class, ErrorClass::Temporary | ErrorClass::Maintenance | ErrorClass::Other)
            }
            None => false,
        }
    }

    /// The form in which a failed message keeps it. Without Meta's words where they may quote a token.
    pub fn to_delivery_error(&self) -> DeliveryError {
        let is_safe = self.class() != ErrorClass::Auth;
        DeliveryError {
            code: Some(self.code),
            title: None,
            message: is_safe.then(|| self.message.clone()),
            details: self.details.clone().filter(|_| is_safe),
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
        assert_eq!(error.for_people, Some(Personal::new(("Variables".to_owned(), "Not at the end.".to_owned()))));
    }

    #[test]
    fn nothing_odd_beside_it_changes_what_a_code_means() {
        for odd in [
            r#""code":"130429""#,
            r#""code":130429,"is_transient":null"#,
            r#""code":130429,"message":null,"error_data":"{}""#,
            r#""code":130429,"error_subcode":"463","fbtrace_id":5"#,
            r#""code":130429,"message":"\ud83d","error_data":{"details":7}"#,
        ] {
            let error = GraphError::parse(400, format!(r#"{{"error":{{{odd}}}}}"#).as_bytes());
            assert_eq!((error.code, error.class()), (130_429, ErrorClass::Throughput), "{odd}");
        }
    }

    #[test]
    fn what_meta_quotes_stays_out_of_logs_and_a_token_out_of_the_message() {
        let body = br#"{"error":{"message":"Malformed access token EAABsecret","code":190}}"#;
        let error = GraphError::parse(401, body);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        assert_eq!(error.to_delivery_error().message, None);
    }

    #[test]
    fn a_servers_error_is_definite_only_with_the_code_of_a_refusal() {
        let error = |http_status, code| GraphError { code, http_status, ..GraphError::parse(http_status, b"") };
        for (http_status, code, definite) in [
            (400, 1, true),
            (400, 99_999, true),
            (408, 2, false),
            (408, 131_047, true),
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
