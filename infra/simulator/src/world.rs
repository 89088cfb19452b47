//! What the simulator knows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Everything that exists in this Meta.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) numbers: BTreeMap<String, Number>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) faults: HashMap<String, VecDeque<Fault>>,
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
}

impl Number {
    fn default_display() -> String {
        "+54 9 11 5000-1234".to_owned()
    }

    fn default_statuses() -> Vec<String> {
        ["sent", "delivered", "read"].map(str::to_owned).to_vec()
    }

    /// The number as webhooks spell it.
    pub(crate) fn digits(&self) -> String {
        self.display_phone_number.chars().filter(char::is_ascii_digit).collect()
    }
}

/// A message that reached Meta, whether or not the answer to it reached the sender.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sent {
    pub(crate) phone_number_id: String,
    pub(crate) version: String,
    pub(crate) wamid: String,
    pub(crate) at: String,
    /// The body as it was posted.
    pub(crate) request: Value,
}

/// What goes wrong with the next send of a number.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Fault {
    /// Meta takes the message, and the connection breaks before the answer is complete.
    DropAfterAccept,
    /// Meta takes the message and answers 500.
    ErrorAfterAccept,
    /// Meta refuses with this code.
    Reject {
        code: i64,
        #[serde(default = "bad_request")]
        http_status: u16,
    },
}

fn bad_request() -> u16 {
    400
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
