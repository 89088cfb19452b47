//! What a message costs, by the calls to AWS that it takes: counted at the proxy, priced by Amazon's list.
//!
//! The functions' own calls are counted as they pass. What Lambda does for them (receiving and deleting queue
//! messages, invoking) is counted where a test does it in Lambda's place. Compute time is not in it: it
//! depends on the memory that the functions are given.

use crate::lab::{Lab, archive_of, sqs_event};
use crate::proxy::Proxy;
use crate::queues::Queues;
use aws_lambda_events::event::sqs::SqsBatchResponse;
use jiff::SignedDuration;
use lambda_http::Request;
use recado_domain::wake_up::WakeUp;
use recado_platform::queue::{Outgoing, Queue};
use recado_whatsapp::signature::{self, sign};
use serde_json::{Value, json};
use status::Status;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use webhook::Webhook;

/// What was counted for each message.
#[derive(Debug, Clone)]
pub struct Cost {
    /// What kind of message, and how they came.
    pub what: &'static str,
    /// Of each kind of call, how many there were a message.
    pub calls: BTreeMap<String, f64>,
    /// What was consumed of the table to read, a message.
    pub read_units: f64,
    /// What was consumed of the table to write, a message.
    pub write_units: f64,
}

/// The price in dollars of a million of each: us-east-1, on demand, November 2026.
const WRITE_UNIT: f64 = 0.625;
const READ_UNIT: f64 = 0.125;
const PRICES: [(&str, f64); 7] = [
    ("HTTP request", 1.00),
    ("invocation", 0.20),
    // A fair queue: 0.40 and 0.10 for the message group.
    ("SendMessageBatch", 0.50),
    ("ReceiveMessage", 0.50),
    ("DeleteMessageBatch", 0.50),
    ("Decrypt", 3.00),
    ("PUT", 5.00),
];

impl Cost {
    /// The price of a million of such messages, in dollars.
    pub fn per_million(&self) -> f64 {
        let price = |(call, price): (&str, f64)| self.calls(call) * price;
        self.write_units * WRITE_UNIT + self.read_units * READ_UNIT + PRICES.into_iter().map(price).sum::<f64>()
    }

    /// How many calls of a kind a message takes.
    pub fn calls(&self, call: &str) -> f64 {
        self.calls.get(call).copied().unwrap_or(0.0)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls: Vec<_> = self.calls.iter().map(|(call, count)| format!("{count:.2} {call}")).collect();
        write!(
            f,
            "| {} | {} | {:.1} | {:.1} | {:.2} |",
            self.what,
            calls.join(", "),
            self.write_units,
            self.read_units,
            self.per_million()
        )
    }
}

/// How many messages of each kind are counted.
const MESSAGES: usize = 100;

/// How many messages a queue hands over at once.
const BATCH: usize = 10;

/// A lab that counts.
struct Counter {
    lab: Lab,
    proxy: Proxy,
    queues: Queues,
    webhook: Webhook,
    status: Status,
    sqs: aws_sdk_sqs::Client,
    /// What Lambda did for the functions.
    lambda: BTreeMap<&'static str, usize>,
}

/// Counts everything, on the running stack.
pub async fn measure() -> Vec<Cost> {
    let (lab, proxy) = Lab::behind_proxy().await;
    let queues = Queues::new(&lab, "60").await;
    let config = lab.stack.sdk_config();
    let webhook = queues.webhook(&lab, &config).await;
    let status = Status::new(lab.store.clone(), archive_of(&lab.stack), lab.clock());
    // Past the proxy, as Lambda's own pollers.
    let sqs = aws_sdk_sqs::Client::new(&crate::stack().sdk_config());
    let mut counter = Counter { lab, proxy, queues, webhook, status, sqs, lambda: BTreeMap::new() };
    vec![
        counter.inbound("a customer's first message, alone", 0, 1, 1).await,
        counter.inbound("a customer's message, alone", 1, 1, 1).await,
        counter.inbound("a customer's message, alone in its webhook, ten to a worker", 2, 1, BATCH).await,
        counter.inbound("a customer's message, ten in a webhook and to a worker", 3, BATCH, BATCH).await,
        counter.outbound("a reply with three statuses, each alone").await,
    ]
}

impl Counter {
    /// Every customer writes once, so many in a webhook, so many to a worker.
    async fn inbound(&mut self, what: &'static str, round: usize, in_webhook: usize, to_worker: usize) -> Cost {
        self.lab.pass(SignedDuration::from_secs(60));
        let at = self.lab.now().as_second().to_string();
        let texts: Vec<Value> = (0..MESSAGES)
            .map(|customer| {
                // As long as people write, and as long as Meta's ids are.
                let id = format!("wamid.HBgNNTQ5MTE1NTU1MTIzNBUCABIYFjNFQjBDNEM5RUQ2MzY5MzQ{round:04}{customer:04}");
                json!({"from": format!("54911{:08}", 30_000_000 + customer), "id": id, "timestamp": at, "type": "text",
                    "from_user_id": format!("AR.{:020}", 5_000_000 + customer),
                    "text": {"body": "Hola, ¿pueden venir hoy a la tarde? Se rompió el calefón y no hay agua caliente."}})
            })
            .collect();
        let before = self.counted();
        for texts in texts.chunks(to_worker) {
            for texts in texts.chunks(in_webhook) {
                self.post("messages", texts).await;
            }
            let bodies = self.receive(&self.queues.messages.clone(), to_worker).await;
            let response = self.lab.inbound.handle(sqs_event(&bodies)).await;
            assert_taken(&response);
        }
        self.cost(what, &before)
    }

    /// An agent answers every customer, and Meta reports three statuses of each answer, one by one.
    async fn outbound(&mut self, what: &'static str) -> Cost {
        let (tenant, conversations) = (self.lab.tenant().await.tenant(), self.lab.inbox().await);
        assert_eq!(conversations.len(), MESSAGES, "every customer has a conversation");
        let before = self.counted();
        for (number, known) in conversations.into_iter().enumerate() {
            *self.lambda.entry("HTTP request").or_default() += 1;
            *self.lambda.entry("invocation").or_default() += 1;
            // As the API does: whose conversation is it, and how does it stand?
            self.lab.compose(known.id, &format!("reply-{number}")).await;
            // The stream invokes the fan-out, with up to ten changes.
            *self.lambda.entry("invocation").or_default() += 1;
            let wake_up = WakeUp { tenant, conversation: known.id };
            let queue =
                Queue::new(aws_sdk_sqs::Client::new(&self.lab.stack.sdk_config()), self.queues.outbound.clone());
            queue.send_all(vec![Outgoing::wake_up(wake_up, Duration::ZERO)]).await.unwrap();
            let bodies = self.receive(&self.queues.outbound.clone(), 1).await;
            let deadline = self.lab.now() + SignedDuration::from_secs(30);
            assert_taken(&self.lab.outbound.handle(sqs_event(&bodies), deadline).await);
        }
        let sent = self.lab.stack.control(&format!("/sent?phone_number_id={}", self.lab.number.as_str())).await;
        for sent in sent["items"].as_array().unwrap() {
            for status in ["sent", "delivered", "read"] {
                let at = self.lab.now().as_second().to_string();
                let status = json!({"id": sent["wamid"], "status": status, "timestamp": at,
                    "recipient_id": sent["request"]["to"],
                    "biz_opaque_callback_data": sent["request"]["biz_opaque_callback_data"]});
                self.post("statuses", &[status]).await;
                let bodies = self.receive(&self.queues.statuses.clone(), 1).await;
                assert_taken(&self.status.handle(sqs_event(&bodies)).await);
            }
        }
        self.cost(what, &before)
    }

    async fn post(&mut self, list: &str, items: &[Value]) {
        let occupant = self.lab.occupant();
        let mut value = json!({"messaging_product": "whatsapp", "metadata": {
            "display_phone_number": "5491150001234", "phone_number_id": occupant.number.as_str()}});
        value[list] = json!(items);
        let body = json!({"object": "whatsapp_business_account", "entry": [{"id": occupant.waba.as_str(),
            "changes": [{"value": value, "field": "messages"}]}]});
        let body = body.to_string().into_bytes();
        let header = sign(&body, &self.lab.stack.meta.app_secret.as_str().into());
        let request = lambda_http::http::Request::post("/api/whatsapp/webhook").header(signature::HEADER, &header);
        let request: Request = request.body(body.into()).unwrap();
        assert_eq!(self.webhook.handle(request).await.status(), 200, "the webhook takes what is signed");
        *self.lambda.entry("HTTP request").or_default() += 1;
        *self.lambda.entry("invocation").or_default() += 1;
    }

    /// What Lambda does before it invokes a worker, and after.
    async fn receive(&mut self, url: &str, count: usize) -> Vec<String> {
        let received = self.sqs.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(5);
        let messages = received.send().await.unwrap().messages.unwrap_or_default();
        assert_eq!(messages.len(), count, "the queue holds what was put on it");
        for message in &messages {
            let handle = message.receipt_handle().unwrap();
            self.sqs.delete_message().queue_url(url).receipt_handle(handle).send().await.unwrap();
        }
        for call in ["ReceiveMessage", "invocation", "DeleteMessageBatch"] {
            *self.lambda.entry(call).or_default() += 1;
        }
        messages.into_iter().map(|message| message.body.unwrap()).collect()
    }

    /// How often each kind of call was made so far, and what it consumed.
    fn counted(&self) -> BTreeMap<String, (f64, f64)> {
        let made = self.proxy.calls().into_iter().map(|(call, calls)| (call, (calls.made as f64, calls.units)));
        let for_them = self.lambda.iter().map(|(call, count)| ((*call).to_owned(), (*count as f64, 0.0)));
        made.chain(for_them).collect()
    }

    fn cost(&self, what: &'static str, before: &BTreeMap<String, (f64, f64)>) -> Cost {
        let mut cost = Cost { what, calls: BTreeMap::new(), read_units: 0.0, write_units: 0.0 };
        for (call, (made, units)) in self.counted() {
            let (made_before, units_before) = before.get(&call).copied().unwrap_or_default();
            let (made, units) = ((made - made_before) / MESSAGES as f64, (units - units_before) / MESSAGES as f64);
            if made == 0.0 {
                continue;
            }
            match call.as_str() {
                "GetItem" | "BatchGetItem" | "Query" | "TransactGetItems" => cost.read_units += units,
                _ => cost.write_units += units,
            }
            cost.calls.insert(call, made);
        }
        cost
    }
}

fn assert_taken(response: &SqsBatchResponse) {
    assert!(response.batch_item_failures.is_empty(), "a worker did not take what it was given: {response:?}");
}
