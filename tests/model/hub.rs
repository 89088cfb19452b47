//! The hub's own code, with its tenants, on one wire and with a clock that the test sets.

use crate::wire::{Faults, TABLE, Wire};
use account::Account;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join3;
use inbound::Inbound;
use janitor::Janitor;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::{AppKey, PhoneNumberId, TenantId, UserId, WabaId};
use recado_domain::tenant::Role;
use recado_ingest::Archive;
use recado_platform::aws::SdkConfig;
use recado_platform::clock::Clock;
use recado_platform::intake::IntakeBucket;
use recado_platform::queue::Queue;
use recado_platform::secret::SecretDocument;
use recado_store::{Store, TenantStore};
use recado_whatsapp::signature;
use serde_json::{Map, Value, json};
use status::Status;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use stories::lab::{Home, registration, sqs_event};
use webhook::Webhook;

/// When everything begins: the time of the sample payloads, in milliseconds since 1970.
pub(crate) const BEGIN: i64 = 1_795_171_200_000;

/// A message as a worker gets it: the queue's name, and the message.
pub(crate) type Record = (String, String);

/// Webhook, two sets of workers, and the table.
pub(crate) struct Hub {
    pub(crate) wire: Wire,
    pub(crate) store: Store,
    config: SdkConfig,
    webhook: Webhook,
    workers: [Workers; 2],
    janitor: Janitor,
    time: Arc<AtomicI64>,
}

/// One of each.
struct Workers {
    inbound: Inbound,
    status: Status,
    account: Account,
}

/// A business.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) number: String,
    pub(crate) waba: String,
    pub(crate) app: String,
    pub(crate) users: Vec<(String, Role)>,
}

impl Hub {
    /// A hub with these tenants, whose workers try each call so many times.
    pub(crate) async fn new(tenants: &[Tenant], attempts: u32) -> Self {
        let app = |tenant: &Tenant| {
            let document = json!({"current": secret_of(&tenant.app), "verify_token": "token"});
            (tenant.app.clone(), document)
        };
        let apps: Map<String, Value> = tenants.iter().map(app).collect();
        let wire = Wire::new(&Value::Object(apps));
        let time = Arc::new(AtomicI64::new(BEGIN));
        let told = time.clone();
        let clock = Clock::new(move || Timestamp::from_millisecond(told.load(Ordering::Relaxed)).unwrap());
        let config = wire.config(attempts);
        let store = Store::new(aws_sdk_dynamodb::Client::new(&config), TABLE);
        let bucket = || IntakeBucket::new(&config, "intake");
        let queue = |name| Queue::new(aws_sdk_sqs::Client::new(&config), format!("http://aws.invalid/0/{name}"));
        let archive = || Archive { bucket: bucket(), log_days: 30 };
        let workers = [(); 2].map(|()| Workers {
            inbound: Inbound::new(store.clone(), archive(), clock.clone()),
            status: Status::new(store.clone(), archive(), clock.clone()),
            account: Account::new(store.clone(), archive(), clock.clone()),
        });
        let janitor =
            Janitor { store: store.clone(), outbound: queue("outbound"), media: queue("media"), clock: clock.clone() };
        let secrets = aws_sdk_secretsmanager::Client::new(&config);
        let webhook = Webhook {
            apps: vec![SecretDocument::load(secrets, "apps".to_owned(), clock.clone()).await.unwrap()],
            messages: queue("messages"),
            statuses: queue("statuses"),
            account: queue("account"),
            intake: bucket(),
            clock,
        };
        let hub = Self { store, webhook, workers, janitor, time, config, wire };
        for tenant in tenants {
            hub.register(tenant).await;
        }
        hub
    }

    async fn register(&self, tenant: &Tenant) {
        let home = Home {
            number: PhoneNumberId::parse(&tenant.number).unwrap(),
            waba: WabaId::parse(&tenant.waba).unwrap(),
            app: AppKey::parse(&tenant.app).unwrap(),
        };
        let people: Vec<_> = tenant.users.iter().map(|(user, role)| (user.as_str(), *role)).collect();
        let token = format!("token of {}", tenant.id).into_bytes();
        self.store.register(&registration(tenant.id, home, token, &people), self.now()).await.unwrap();
    }

    /// What clients on this wire are made of.
    pub(crate) const fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The hub's clock.
    pub(crate) fn clock(&self) -> Clock {
        self.webhook.clock.clone()
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        self.webhook.clock.now()
    }

    /// Makes it so many milliseconds after the beginning.
    pub(crate) fn set_time(&self, after: i64) {
        self.time.store(BEGIN + after, Ordering::Relaxed);
    }

    /// Meta posts a body to an app, signed with that app's secret. Returns the answer's status.
    pub(crate) async fn post(&self, app: &str, body: &[u8]) -> u16 {
        self.post_signed(app, &secret_of(app), body).await
    }

    /// Somebody posts a body to an app, signed with some secret.
    pub(crate) async fn post_signed(&self, app: &str, secret: &str, body: &[u8]) -> u16 {
        let request = lambda_http::http::Request::post(format!("/api/whatsapp/webhook/{app}"))
            .header(signature::HEADER, signature::sign(body, &secret.into()))
            .body(lambda_http::Body::from(body))
            .unwrap();
        self.webhook.handle(request).await.status().as_u16()
    }

    /// Hands records to one of the two sets of workers, each kind in one batch; returns those that failed.
    pub(crate) async fn deliver(&self, workers: usize, records: &[Record]) -> Vec<Record> {
        let workers = &self.workers[workers];
        let of = |queue: &str| -> Vec<String> {
            records.iter().filter(|(name, _)| name == queue).map(|(_, body)| body.clone()).collect()
        };
        let (messages, statuses, accounts) = (of("messages"), of("statuses"), of("account"));
        let (inbound, status, account) = join3(
            async {
                if messages.is_empty() {
                    Default::default()
                } else {
                    workers.inbound.handle(sqs_event(&messages)).await
                }
            },
            async {
                if statuses.is_empty() { Default::default() } else { workers.status.handle(sqs_event(&statuses)).await }
            },
            async {
                if accounts.is_empty() {
                    Default::default()
                } else {
                    workers.account.handle(sqs_event(&accounts)).await
                }
            },
        )
        .await;
        let failed =
            [("messages", &messages, inbound), ("statuses", &statuses, status), ("account", &accounts, account)];
        let failed = failed.into_iter().flat_map(|(queue, bodies, response)| {
            let place = |id: String| id.parse::<usize>().unwrap();
            let places = response.batch_item_failures.into_iter().map(move |failure| place(failure.item_identifier));
            places.map(|place| (queue.to_owned(), bodies[place].clone())).collect::<Vec<_>>()
        });
        failed.collect()
    }

    /// Hands over everything that is on the queues, ten at a time, until nothing fails.
    pub(crate) async fn settle_queues(&self) {
        let queued = self.wire.take_queued();
        for batch in queued.chunks(10) {
            let failed = self.deliver(0, batch).await;
            assert!(failed.is_empty(), "not taken: {failed:?}");
        }
    }

    /// The sweep of the minute that it is, with nothing going wrong. Those whom it wakes stay asleep.
    pub(crate) async fn sweep(&self) {
        self.wire.set_faults(Faults::none());
        let deadline = self.now() + SignedDuration::from_mins(1);
        self.janitor.sweep(deadline).await.unwrap();
        self.wire.take_queued();
    }

    /// The data of a tenant, as the owner of its number.
    pub(crate) async fn tenant(&self, tenant: &Tenant) -> TenantStore {
        let route = self.store.route(&PhoneNumberId::parse(&tenant.number).unwrap()).await.unwrap().unwrap();
        self.store.of_route(&route)
    }

    /// Everything that is stored.
    pub(crate) async fn items(&self) -> Vec<HashMap<String, AttributeValue>> {
        self.wire.set_faults(Faults::none());
        let client = aws_sdk_dynamodb::Client::new(&self.config);
        #[allow(clippy::disallowed_methods, reason = "a test may look at the whole of its own table")]
        let scan = client.scan().table_name(TABLE).consistent_read(true);
        scan.into_paginator().items().send().try_collect().await.unwrap()
    }
}

/// What an app signs with.
pub(crate) fn secret_of(app: &str) -> String {
    format!("test-app-secret-of-{app}")
}

/// A person's id as the store has it.
pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}
