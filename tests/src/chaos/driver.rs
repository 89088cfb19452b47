//! Lambda's part: many instances of each worker, fed from real queues, and killed at any moment.

use super::plan::{Customer, body, entry};
use crate::lab::{Lab, Occupant};
use crate::proxy::Proxy;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use futures_util::future::join_all;
use inbound::Inbound;
use janitor::Janitor;
use jiff::SignedDuration;
use lambda_http::Request;
use outbound::Outbound;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use recado_domain::ids::{Bsuid, ClientMessageId, TenantId, WaId};
use recado_domain::message::MessageType;
use recado_domain::personal::Personal;
use recado_domain::wake_up::WakeUp;
use recado_ingest::Archive;
use recado_platform::aws::SdkConfig;
use recado_platform::clock::Clock;
use recado_platform::intake::IntakeBucket;
use recado_platform::queue::{Outgoing, Queue};
use recado_platform::secret::SecretDocument;
use recado_platform::vault::Vault;
use recado_store::{Composed, Conversation, ConversationStatus, Draft, Sender, Store};
use recado_whatsapp::graph::Graph;
use recado_whatsapp::signature::{self, sign};
use serde_json::{Value, json};
use status::Status;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use webhook::Webhook;

/// A queue message that was received so often is given up: far more often than chance explains.
const GIVE_UP: u32 = 40;

/// How long a queue message stays hidden from others, in seconds.
const VISIBILITY: &str = "2";

/// The test's time runs so much faster, so that leases and waits of a minute pass.
pub(super) const PACE: u32 = 20;

/// The queues of a run.
#[derive(Debug, Clone)]
struct Queues {
    messages: String,
    statuses: String,
    account: String,
    outbound: String,
    media: String,
}

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) lab: Lab,
    pub(super) occupants: Vec<Occupant>,
    pub(super) proxy: Proxy,
    /// The queues, past the proxy: what Lambda's own pollers use.
    sqs: aws_sdk_sqs::Client,
    queues: Queues,
    secret_id: String,
    seed: u64,
    kills: f64,
    over: AtomicBool,
    pub(super) killed: AtomicU64,
    pub(super) dead_letters: AtomicUsize,
    /// What reached Meta already has its statuses.
    reported: Mutex<HashSet<String>>,
}

impl Driver {
    pub(super) async fn new(seed: u64, tenants: usize, kills: f64) -> Self {
        let lab = Lab::new().await;
        let mut occupants = vec![lab.occupant().clone()];
        for _ in 1..tenants {
            occupants.push(lab.another_tenant().await);
        }
        let config = lab.stack.sdk_config();
        let sqs = aws_sdk_sqs::Client::new(&config);
        let queue = async |name: &str| {
            let create = sqs.create_queue().queue_name(format!("{}-{name}", lab.table()));
            let create = create.attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY);
            create.send().await.unwrap().queue_url.unwrap()
        };
        let queues = Queues {
            messages: queue("messages").await,
            statuses: queue("statuses").await,
            account: queue("account").await,
            outbound: queue("outbound").await,
            media: queue("media").await,
        };
        let secret_id = format!("{}-apps", lab.table());
        let apps = json!({"default": {"current": lab.stack.meta.app_secret, "verify_token": "token"}});
        let secrets = aws_sdk_secretsmanager::Client::new(&config);
        secrets.create_secret().name(&secret_id).secret_string(apps.to_string()).send().await.unwrap();
        let proxy = Proxy::everywhere(&lab.stack.aws.endpoint, seed, 0.0).await;
        Self {
            lab,
            occupants,
            proxy,
            sqs,
            queues,
            secret_id,
            seed,
            kills,
            over: AtomicBool::new(false),
            killed: AtomicU64::new(0),
            dead_letters: AtomicUsize::new(0),
            reported: Mutex::default(),
        }
    }

    /// Clients as the functions have them, through the proxy.
    fn config(&self) -> SdkConfig {
        self.lab.stack.sdk_config_at(self.proxy.url())
    }

    fn store(&self) -> Store {
        Store::new(aws_sdk_dynamodb::Client::new(&self.config()), self.lab.table())
    }

    fn archive(&self) -> Archive {
        Archive { bucket: self.intake(), log_days: 30 }
    }

    fn intake(&self) -> IntakeBucket {
        IntakeBucket::new(&self.config(), self.lab.stack.aws.intake_bucket.as_str())
    }

    fn clock(&self) -> Clock {
        self.lab.clock()
    }

    fn queue(&self, url: &str) -> Queue {
        Queue::new(aws_sdk_sqs::Client::new(&self.config()), url.to_owned())
    }

    fn random(&self, who: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed.wrapping_mul(1000).wrapping_add(who))
    }

    /// Runs every worker until it is over. There are several instances of each.
    pub(super) async fn work(&self) {
        let now = || self.lab.now();
        let inbound = (0..4).map(|who| async move {
            let worker = Inbound::new(self.store(), self.archive(), self.clock());
            self.poll(&self.queues.messages, who, async |event| worker.handle(event).await).await;
        });
        let status = (10..13).map(|who| async move {
            let worker = Status::new(self.store(), self.archive(), self.clock());
            self.poll(&self.queues.statuses, who, async |event| worker.handle(event).await).await;
        });
        let outbound = (20..23).map(|who| async move {
            let kms = aws_sdk_kms::Client::new(&self.config());
            let worker = Outbound {
                store: self.store(),
                graph: Graph::new(&self.lab.stack.meta.graph_url, "v26.0").unwrap(),
                vault: Vault::new(kms, self.lab.key().to_owned(), self.clock()),
                wake_ups: self.queue(&self.queues.outbound),
                clock: self.clock(),
            };
            let minute = SignedDuration::from_secs(60);
            self.poll(&self.queues.outbound, who, async |event| worker.handle(event, now() + minute).await).await;
        });
        let janitor = async {
            let outbound = self.queue(&self.queues.outbound);
            let worker =
                Janitor { store: self.store(), outbound, media: self.queue(&self.queues.media), clock: self.clock() };
            while !self.is_over() {
                // A run that fails is followed by the next.
                let _ = worker.sweep(now() + SignedDuration::from_mins(1)).await;
                self.report_statuses().await;
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        };
        tokio::join!(join_all(inbound), join_all(status), join_all(outbound), janitor, self.pass_time());
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    async fn pass_time(&self) {
        let tick = Duration::from_millis(20);
        while !self.is_over() {
            tokio::time::sleep(tick).await;
            self.lab.pass(SignedDuration::try_from(tick * PACE).unwrap());
        }
    }

    /// An instance: takes batches off a queue, in any order, and is killed now and then.
    async fn poll(&self, url: &str, who: u64, handle: impl AsyncFn(SqsEvent) -> SqsBatchResponse) {
        let mut random = self.random(who);
        while !self.is_over() {
            let receive = self.sqs.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(1);
            let receive = receive.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
            let mut messages = receive.send().await.unwrap().messages.unwrap_or_default();
            messages.shuffle(&mut random);
            let event = event_of(&messages);
            let failed: HashSet<String> = if random.random_bool(self.kills) {
                // The process is gone in the middle of something. All its messages come again.
                let moment = Duration::from_millis(random.random_range(0..40));
                let _ = tokio::time::timeout(moment, handle(event)).await;
                self.killed.fetch_add(1, Ordering::Relaxed);
                continue;
            } else {
                let response = handle(event).await;
                response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
            };
            for message in messages {
                let count =
                    message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
                let gives_up = count.and_then(|count| count.parse().ok()).unwrap_or(0_u32) >= GIVE_UP;
                if failed.contains(message.message_id().unwrap()) && !gives_up {
                    continue;
                }
                if failed.contains(message.message_id().unwrap()) {
                    self.dead_letters.fetch_add(1, Ordering::Relaxed);
                }
                let handle = message.receipt_handle().unwrap();
                // Refused if it took so long that another instance has it by now: delivered twice, that is.
                let _ = self.sqs.delete_message().queue_url(url).receipt_handle(handle).send().await;
            }
        }
    }

    /// Meta's part: posts each body until it is taken.
    pub(super) async fn post_all(&self, bodies: &[Vec<u8>]) {
        let next = AtomicUsize::new(0);
        let posters = (0..6).map(|_| async {
            let webhook = self.webhook().await;
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.post(&webhook, body).await;
            }
        });
        join_all(posters).await;
    }

    async fn webhook(&self) -> Webhook {
        // The secrets are read at the start, when a failure would only mean another start.
        let secrets = aws_sdk_secretsmanager::Client::new(&self.lab.stack.sdk_config());
        Webhook {
            apps: SecretDocument::load(secrets, self.secret_id.clone(), self.clock()).await.unwrap(),
            messages: self.queue(&self.queues.messages),
            statuses: self.queue(&self.queues.statuses),
            account: self.queue(&self.queues.account),
            intake: self.intake(),
            clock: self.clock(),
        }
    }

    async fn post(&self, webhook: &Webhook, body: &[u8]) {
        let header = sign(body, &self.lab.stack.meta.app_secret.as_str().into());
        loop {
            let request = lambda_http::http::Request::post("/api/whatsapp/webhook").header(signature::HEADER, &header);
            let request: Request = request.body(body.to_vec().into()).unwrap();
            if webhook.handle(request).await.status() == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Meta's part: what it has taken gets its statuses, at once, in any order, some of them twice, and
    /// half of them without our key.
    async fn report_statuses(&self) {
        let webhook = self.webhook().await;
        for occupant in &self.occupants {
            for sent in self.sent(occupant).await {
                let wamid = sent["wamid"].as_str().unwrap().to_owned();
                if !self.reported.lock().unwrap().insert(wamid.clone()) {
                    continue;
                }
                let mut random = self.random(wamid.bytes().map(u64::from).sum());
                let at = self.lab.now().as_second();
                let mut statuses: Vec<Value> = ["sent", "delivered", "read", "read", "sent"]
                    .iter()
                    .map(|status| json!({"id": wamid, "status": status, "timestamp": at.to_string()}))
                    .collect();
                // An answer that was lost can only be told by the key, which Meta always sends back.
                for status in &mut statuses {
                    status["biz_opaque_callback_data"] = sent["request"]["biz_opaque_callback_data"].clone();
                }
                statuses.shuffle(&mut random);
                for status in statuses {
                    self.post(&webhook, &body(&[entry(occupant, "statuses", &[status])])).await;
                }
            }
        }
    }

    /// What reached Meta from a number.
    pub(super) async fn sent(&self, occupant: &Occupant) -> Vec<Value> {
        let answer = self.lab.stack.control(&format!("/sent?phone_number_id={}", occupant.number.as_str())).await;
        answer["items"].as_array().unwrap().clone()
    }

    /// The agents' part: each customer gets their replies, in order, as soon as they have written.
    pub(super) async fn reply_all(&self, customers: &[Customer]) {
        let wake_ups = self.queue(&self.queues.outbound);
        join_all(customers.iter().filter(|customer| !customer.replies.is_empty()).map(|customer| async {
            let mut random = self.random(customer.replies.len() as u64);
            let occupant = &self.occupants[customer.tenant];
            for text in &customer.replies {
                let Some((tenant, conversation)) = self.compose(occupant, customer, text).await else { return };
                // Some wake-ups are lost; the sweep finds what they were for.
                if random.random_bool(0.7) {
                    let wake_up = WakeUp { tenant, conversation: conversation.id };
                    let _ = wake_ups.send_all(vec![Outgoing::wake_up(wake_up, Duration::ZERO)]).await;
                }
            }
        }))
        .await;
    }

    /// An agent writes, and asks again until it is confirmed.
    async fn compose(&self, occupant: &Occupant, customer: &Customer, text: &str) -> Option<(TenantId, Conversation)> {
        let store = self.store();
        let draft = Draft {
            client_message_id: ClientMessageId::parse(text.replace(' ', "-")).unwrap(),
            kind: MessageType::Text,
            content: Personal::new(json!({ "text": text })),
            preview: Personal::new(text.to_owned()),
            sender: Sender { id: occupant.user.clone(), name: Personal::new("Ana".to_owned()) },
        };
        while !self.is_over() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let Ok(memberships) = store.memberships(&occupant.user).await else { continue };
            let tenant = store.of_member(&memberships[0]);
            let Some(conversation) = self.conversation_of(&tenant, customer).await else { continue };
            match tenant.compose(conversation.clone(), &draft, self.lab.now()).await {
                Ok(Composed::New(_) | Composed::Existing(_)) => return Some((tenant.tenant(), conversation)),
                Err(_) => {}
            }
        }
        None
    }

    async fn conversation_of(&self, tenant: &recado_store::TenantStore, customer: &Customer) -> Option<Conversation> {
        let mut after = None;
        loop {
            let page = tenant.inbox(ConversationStatus::Open, 100, after.as_deref()).await.ok()?;
            let found = page.items.into_iter().find(|conversation| {
                let who = &conversation.contact;
                customer.is(who.wa_id.as_ref().map(WaId::as_str), who.bsuid.as_ref().map(Bsuid::as_str))
            });
            match (found, page.next) {
                (Some(found), _) => return Some(found),
                (None, Some(next)) => after = Some(next),
                (None, None) => return None,
            }
        }
    }

    /// Waits until the queues are empty and no reply is under way; says how much is left otherwise.
    pub(super) async fn settled(&self, patience: Duration) -> usize {
        let deadline = tokio::time::Instant::now() + patience;
        let mut quiet = 0;
        loop {
            let left = self.queued().await
                + self.lab.count("outbox").await
                + self.lab.count("early-status").await
                + self.lab.count("early-change").await;
            quiet = if left == 0 { quiet + 1 } else { 0 };
            if quiet == 3 || tokio::time::Instant::now() > deadline {
                return left;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn queued(&self) -> usize {
        let mut left = 0;
        for url in [&self.queues.messages, &self.queues.statuses, &self.queues.outbound] {
            let names = [
                QueueAttributeName::ApproximateNumberOfMessages,
                QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            ];
            let asked = self.sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
            let counts = asked.send().await.unwrap().attributes.unwrap_or_default();
            left += counts.values().filter_map(|count| count.parse::<usize>().ok()).sum::<usize>();
        }
        left
    }
}

fn event_of(messages: &[Message]) -> SqsEvent {
    let records = messages.iter().map(|message| json!({"messageId": message.message_id(), "body": message.body()}));
    serde_json::from_value(json!({"Records": records.collect::<Vec<_>>()})).unwrap()
}
