//! What goes wrong between the handlers and the table, and when: by a seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

/// One call that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Too much was asked of the table. Nothing was done.
    Throttled,
    /// Somebody else is writing the same items. Nothing was done.
    Conflict,
    /// DynamoDB does not know why. Nothing was done.
    Unavailable,
    /// It was done, and the answer does not arrive.
    AnswerLost,
    /// Of a batch, nothing was done, and that is said.
    LeftOver,
}

/// Decides about every call.
#[derive(Debug)]
pub(crate) struct Faults {
    random: Option<StdRng>,
    per_thousand: u32,
    /// How many calls went wrong.
    pub(crate) count: u64,
}

impl Faults {
    /// Everything goes well, and in the order in which it is asked for.
    pub(crate) const fn none() -> Self {
        Self { random: None, per_thousand: 0, count: 0 }
    }

    /// So many calls of a thousand go wrong; and calls wait for others, more or less long.
    pub(crate) fn of(seed: u64, per_thousand: u32) -> Self {
        Self { random: Some(StdRng::seed_from_u64(seed)), per_thousand, count: 0 }
    }

    /// How often a call lets others go first.
    pub(crate) fn turns(&mut self) -> u32 {
        self.random.as_mut().map_or(0, |random| random.random_range(0..3))
    }

    /// What happens to the next call.
    pub(crate) fn next(&mut self, operation: &str) -> Option<Fault> {
        let random = self.random.as_mut()?;
        if random.random_range(0..1000) >= self.per_thousand {
            return None;
        }
        self.count += 1;
        let all = [Fault::Throttled, Fault::Unavailable, Fault::AnswerLost, Fault::Conflict];
        Some(match (operation, all[random.random_range(0..all.len())]) {
            ("BatchGetItem" | "BatchWriteItem", Fault::Conflict) => Fault::LeftOver,
            ("Query" | "GetItem", Fault::Conflict) => Fault::Throttled,
            (_, fault) => fault,
        })
    }
}

impl Fault {
    /// The answer in place of DynamoDB's; none if DynamoDB is to be asked all the same.
    pub(crate) fn instead(self, operation: &str, body: &[u8]) -> Option<(u16, String)> {
        let exception = |status, name: &str| {
            let body =
                json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": "a planted fault"});
            Some((status, body.to_string()))
        };
        let asked = || serde_json::from_slice::<Value>(body).unwrap();
        match self {
            Self::Throttled => exception(400, "ProvisionedThroughputExceededException"),
            Self::Unavailable => exception(500, "InternalServerError"),
            Self::AnswerLost => None,
            Self::Conflict if operation == "TransactWriteItems" => {
                let count = asked()["TransactItems"].as_array().unwrap().len();
                let reasons: Vec<Value> = (0..count)
                    .map(|place| json!({"Code": if place == 0 { "TransactionConflict" } else { "None" }}))
                    .collect();
                let name = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
                let body = json!({"__type": name, "Message": "a planted fault", "CancellationReasons": reasons});
                Some((400, body.to_string()))
            }
            Self::Conflict => exception(400, "TransactionConflictException"),
            Self::LeftOver => {
                let left = &asked()["RequestItems"];
                let body = match operation {
                    "BatchGetItem" => json!({"Responses": {}, "UnprocessedKeys": left}),
                    _ => json!({ "UnprocessedItems": left }),
                };
                Some((200, body.to_string()))
            }
        }
    }
}
