//! Lambda's part: many instances of each worker, fed from real queues and the table's real stream, and killed
//! at any moment.

mod agents;
mod meta;
mod stream;

use crate::lab::{Lab, Occupant, archive_with};
use crate::proxy::Proxy;
use crate::queues::Queues;
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use futures_util::future::join_all;
use inbound::Inbound;
use janitor::Janitor;
use jiff::SignedDuration;
use media::Media;
use outbound::Outbound;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use recado_ingest::Archive;
use recado_platform::aws::SdkConfig;
use recado_platform::bucket::Bucket;
use recado_platform::clock::Clock;
use recado_platform::queue::Queue;
use recado_platform::vault::Vault;
use recado_store::Store;
use recado_whatsapp::graph::Graph;
use serde_json::json;
use status::Status;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// A queue message that was received so often is given up: far more often than chance explains.
const GIVE_UP: u32 = 40;

/// How long a queue message stays hidden from others, in seconds.
const VISIBILITY: &str = "6";

/// The test's time runs so much faster, so that leases and waits of a minute pass.
pub(super) const PACE: u32 = 20;

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) lab: Lab,
    pub(super) occupants: Vec<Occupant>,
    pub(super) proxy: Proxy,
    /// The queues, past the proxy: what Lambda's own pollers use.
    sqs: aws_sdk_sqs::Client,
    queues: Queues,
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
        let queues = Queues::new(&lab, VISIBILITY).await;
        let proxy = Proxy::everywhere(&lab.stack.aws.endpoint, seed, 0.0).await;
        Self {
            lab,
            occupants,
            proxy,
            sqs,
            queues,
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
        archive_with(&self.lab.stack, &self.config())
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
        let inbound = (0..10).map(|who| async move {
            let worker = Inbound::new(self.store(), self.archive(), self.clock());
            self.poll(&self.queues.messages, who, async |event| worker.handle(event).await).await;
        });
        let status = (10..16).map(|who| async move {
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
        let media = (40..43).map(|who| async move {
            let kms = aws_sdk_kms::Client::new(&self.config());
            let worker = Media {
                store: self.store(),
                graph: Graph::new(&self.lab.stack.meta.graph_url, "v26.0").unwrap(),
                vault: Vault::new(kms, self.lab.key().to_owned(), self.clock()),
                bucket: Bucket::new(&self.config(), self.lab.stack.aws.media_bucket.clone().unwrap()),
                clock: self.clock(),
            };
            let minutes = SignedDuration::from_mins(4);
            self.poll(&self.queues.media, who, async |event| worker.handle(event, now() + minutes).await).await;
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
        let workers = async { tokio::join!(join_all(inbound), join_all(status), join_all(outbound), join_all(media)) };
        tokio::join!(workers, self.follow(), janitor, self.pass_time());
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

    /// Waits until the queues are empty and no reply is under way; says how much is left otherwise.
    pub(super) async fn settled(&self, patience: Duration) -> usize {
        let deadline = tokio::time::Instant::now() + patience;
        let mut quiet = 0;
        loop {
            let left = match self.queued().await {
                // Only then is it worth reading the whole table.
                0 => self.lab.unfinished().await,
                queued => queued,
            };
            quiet = if left == 0 { quiet + 1 } else { 0 };
            if quiet == 3 || tokio::time::Instant::now() > deadline {
                return left;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn queued(&self) -> usize {
        let mut left = 0;
        for url in [&self.queues.messages, &self.queues.statuses, &self.queues.outbound, &self.queues.media] {
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
