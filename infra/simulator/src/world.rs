//! What the simulator knows.

use crate::fault::Faults;
use crate::graph::media::Media;
use crate::graph::templates::Template;
use crate::graph::uploads::Upload;
use crate::judge::limits::Bucket;
use crate::refusal::Refusal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// The id of the app that every number belongs to unless it names another.
pub(crate) const DEFAULT_APP: &str = "670123456789";

/// Everything that exists in this Meta.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) apps: BTreeMap<String, App>,
    pub(crate) numbers: BTreeMap<String, Number>,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) tokens: HashMap<String, Token>,
    pub(crate) templates: BTreeMap<String, Template>,
    /// When the names of deleted templates may be used again, in unix seconds, by account and name.
    pub(crate) deleted_templates: HashMap<(String, String), i64>,
    pub(crate) media: HashMap<String, Media>,
    pub(crate) uploads: HashMap<String, Upload>,
    /// Whom messages do not reach, and why; by number and recipient.
    pub(crate) recipients: HashMap<(String, String), Condition>,
    /// When a customer last wrote to a number, in unix seconds; by number and customer.
    pub(crate) windows: HashMap<(String, String), i64>,
    pub(crate) buckets: HashMap<(String, Option<String>), Bucket>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) faults: Faults,
    /// How often each edge of each object was called.
    pub(crate) calls: BTreeMap<CallKey, u64>,
    issued: u64,
}

/// One kind of call: method, edge and the object's id.
pub(crate) type CallKey = (String, String, String);

/// An app: whoever receives webhooks, and with which secret they are signed.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) url: String,
    pub(crate) secret: secrecy::SecretString,
}

/// A business number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) phone_number_id: String,
    pub(crate) waba_id: String,
    pub(crate) token: String,
    #[serde(default = "Number::default_display")]
    pub(crate) display_phone_number: String,
    #[serde(default)]
    pub(crate) verified_name: String,
    /// The statuses that follow a send, in this order; repetitions and gaps included.
    #[serde(default = "Number::default_statuses")]
    pub(crate) statuses: Vec<String>,
    /// Whether free-form messages need a customer's message within 24 hours. Off unless asked for.
    #[serde(default)]
    pub(crate) enforce_window: bool,
    /// A test number's allowed recipients, as digits; messages to all others are refused. `None`: everybody.
    #[serde(default)]
    pub(crate) allow_list: Option<Vec<String>>,
    /// Whether one customer may get only one message in 6 s, with a burst of 45. Off unless asked for.
    #[serde(default)]
    pub(crate) pair_limit: bool,
    /// Messages per second; Meta's own values are 80, 1,000, and 20 with coexistence. `None`: no limit.
    #[serde(default)]
    pub(crate) throughput: Option<u32>,
    /// The app that it belongs to.
    #[serde(default = "Number::default_app")]
    pub(crate) app: String,
    #[serde(default = "Number::default_quality")]
    pub(crate) quality_rating: String,
}

impl Number {
    fn default_display() -> String {
        "+54 9 11 5000-1234".to_owned()
    }

    fn default_statuses() -> Vec<String> {
        ["sent", "delivered", "read"].map(str::to_owned).to_vec()
    }

    fn default_app() -> String {
        DEFAULT_APP.to_owned()
    }

    fn default_quality() -> String {
        "GREEN".to_owned()
    }

    /// The number as webhooks spell it.
    pub(crate) fn digits(&self) -> String {
        digits(&self.display_phone_number)
    }
}

/// A WhatsApp Business account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// Whether its app hears of it at all.
    pub(crate) subscribed: bool,
    /// Where the fields that can be overridden go instead.
    pub(crate) override_callback_uri: Option<String>,
    /// How long after a draft its review ends, in milliseconds of the machine's time; `None`: on command only.
    pub(crate) review_ms: Option<u64>,
    /// How reviews end.
    pub(crate) verdict: String,
    /// Unverified businesses may have 250 templates (WHATSAPP.md §2.5), others 6,000.
    pub(crate) verified: bool,
    /// What `health_status` says: AVAILABLE, LIMITED, or BLOCKED; then nothing can be sent (131042).
    pub(crate) can_send_message: String,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            name: "Cuenta de prueba".to_owned(),
            subscribed: true,
            override_callback_uri: None,
            review_ms: Some(1000),
            verdict: "APPROVED".to_owned(),
            verified: false,
            can_send_message: "AVAILABLE".to_owned(),
        }
    }
}

/// What is known of a token beyond whose it is.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Token {
    /// Why it is no longer good: 460, 463 or 467.
    #[serde(default)]
    pub(crate) subcode: Option<i64>,
    /// When it expires, in unix seconds; 0: never.
    #[serde(default)]
    pub(crate) expires_at: i64,
    /// A permission that it lacks; management calls answer 200 then.
    #[serde(default)]
    pub(crate) cannot_manage: bool,
}

/// Why messages do not reach somebody.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Condition {
    /// Meta's code: 131026 undeliverable, 131050 stopped marketing, 131049 capped, 130472 experiment, or any other.
    pub(crate) code: i64,
    #[serde(default)]
    pub(crate) by: By,
}

impl Condition {
    /// Whether it concerns marketing only.
    pub(crate) const fn is_of_marketing(self) -> bool {
        matches!(self.code, 130_472 | 131_049 | 131_050)
    }
}

/// How Meta tells that a message did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// It takes the message, and a failed status follows: the usual way.
    #[default]
    Status,
    /// It refuses at once.
    Answer,
}

/// A message that reached Meta, whether or not the answer to it reached the sender.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sent {
    pub(crate) phone_number_id: String,
    /// The version that was asked for.
    pub(crate) version: String,
    /// The version that answered; another one if the one asked for has expired.
    pub(crate) answered_as: String,
    /// `messages` or `marketing_messages`.
    pub(crate) edge: &'static str,
    pub(crate) wamid: String,
    /// The recipient's phone number as WhatsApp knows it.
    pub(crate) wa_id: Option<String>,
    /// The recipient's business-scoped id.
    pub(crate) user_id: Option<String>,
    /// What it is billed as.
    pub(crate) category: String,
    pub(crate) at: String,
    /// The body as it was posted.
    pub(crate) request: Value,
}

/// A read receipt.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Receipt {
    pub(crate) phone_number_id: String,
    pub(crate) message_id: String,
    pub(crate) typing: bool,
    pub(crate) at: String,
}

/// What an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Account,
    App,
    Media,
    Template,
    Upload,
    Unknown,
}

impl World {
    pub(crate) fn kind(&self, id: &str) -> Kind {
        if self.numbers.contains_key(id) {
            Kind::Number
        } else if self.accounts.contains_key(id) {
            Kind::Account
        } else if self.apps.contains_key(id) {
            Kind::App
        } else if self.media.contains_key(id) {
            Kind::Media
        } else if self.templates.contains_key(id) {
            Kind::Template
        } else if self.uploads.contains_key(id) {
            Kind::Upload
        } else {
            Kind::Unknown
        }
    }

    /// A new numeric id: 16 digits, like Meta's.
    pub(crate) fn issue(&mut self) -> String {
        self.issued += 1;
        (1_689_556_900_000_000 + self.issued).to_string()
    }

    /// Whether the token may be used at all.
    pub(crate) fn check_token(&self, token: Option<&str>, now: Timestamp) -> Result<(), Refusal> {
        let token = token.ok_or_else(|| Refusal::token(None))?;
        let is_known = self.numbers.values().any(|number| number.token == token) || self.is_of_app(token);
        match self.tokens.get(token) {
            Some(Token { subcode: Some(subcode), .. }) => Err(Refusal::token(Some(*subcode))),
            Some(Token { expires_at, .. }) if *expires_at != 0 && *expires_at <= now.as_second() => {
                Err(Refusal::token(Some(463)))
            }
            None if !is_known => Err(Refusal::token(None)),
            _ => Ok(()),
        }
    }

    /// Whether it is an app's own token: its id and its secret.
    fn is_of_app(&self, token: &str) -> bool {
        let parts = token.split_once('|');
        let app = parts.and_then(|(id, secret)| self.apps.get(id).filter(|app| app.secret.expose_secret() == secret));
        app.is_some()
    }

    /// Whether the token reaches an account through one of its numbers.
    pub(crate) fn owns_account(&self, token: &str, waba: &str) -> bool {
        self.numbers.values().any(|number| number.token == token && number.waba_id == waba)
    }

    /// When a customer last wrote to a number.
    pub(crate) fn last_inbound(&self, number: &str, customer: &str) -> Option<i64> {
        self.windows.get(&(number.to_owned(), customer.to_owned())).copied()
    }

    /// The phone number under which WhatsApp knows whoever has these digits. An Argentine mobile is known
    /// with a 9 after the country code even if it is dialled without (WHATSAPP.md §2.12).
    pub(crate) fn wa_id(&self, number: &str, digits: &str) -> String {
        match digits.strip_prefix("54") {
            Some(national) if national.len() == 10 && self.last_inbound(number, digits).is_none() => {
                format!("549{national}")
            }
            _ => digits.to_owned(),
        }
    }
}

/// Only the digits.
pub(crate) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// A new wamid. Like Meta's, it contains the customer's phone number.
pub(crate) fn new_wamid(customer: &str, outgoing: bool) -> String {
    let mut bytes = vec![0x1c, 0x18, u8::try_from(customer.len()).unwrap_or(u8::MAX)];
    bytes.extend(customer.as_bytes());
    bytes.extend([0x15, 0x02, 0x00, if outgoing { 0x11 } else { 0x12 }, 0x18, 0x20]);
    bytes.extend(format!("{:032X}", rand::random::<u128>()).as_bytes());
    bytes.push(0);
    format!("wamid.{}", STANDARD.encode(bytes))
}
