//! The workers' own code, run here, on a table of a story's own and with a clock that the story sets.
//!
//! For what a deployed stack cannot show: two workers at the very same moment, one that vanishes, a
//! lease that runs out.

use crate::proxy::Proxy;
use crate::{fresh_digits, stack};
use aws_lambda_events::event::sqs::SqsEvent;
use aws_sdk_dynamodb::types::{AttributeValue, BillingMode, GlobalSecondaryIndex, GlobalSecondaryIndexDescription};
use inbound::Inbound;
use jiff::{SignedDuration, Timestamp};
use media::Media;
use outbound::Outbound;
use recado_domain::contact::Identities;
use recado_domain::ids::{
    AppKey, Bsuid, ClientMessageId, ConversationId, MessageId, PhoneNumberId, TenantId, UserId, WaId, WabaId, Wamid,
};
use recado_domain::message::MessageType;
use recado_domain::personal::Personal;
use recado_domain::policy::Policy;
use recado_domain::tenant::Role;
use recado_ingest::Archive;
use recado_platform::aws::SdkConfig;
use recado_platform::bucket::Bucket;
use recado_platform::clock::Clock;
use recado_platform::intake::IntakeBucket;
use recado_platform::queue::Queue;
use recado_platform::vault::{Purpose, Vault};
use recado_store::{
    Composed, Connected, Conversation, Draft, Message, NewMember, NewTenant, Number, NumberStatus, Sender, Store,
    TenantStore,
};
use recado_testkit::stack::Stack;
use recado_whatsapp::envelope::{Envelope, Item, Kind};
use recado_whatsapp::graph::Graph;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A table, a key and a queue of a story's own, with one tenant.
#[derive(Debug)]
pub struct Lab {
    /// The running stack.
    pub stack: Stack,
    /// The table.
    pub store: Store,
    /// A worker.
    pub inbound: Inbound,
    /// A worker.
    pub outbound: Outbound,
    /// A worker.
    pub media: Media,
    /// The tenant's number.
    pub number: PhoneNumberId,
    dynamo: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    table: String,
    stream: String,
    queue_url: String,
    key: String,
    first: Occupant,
    time: Arc<AtomicI64>,
}

impl Lab {
    /// The table of the running stack.
    pub fn store_of(stack: &Stack) -> Store {
        Store::new(aws_sdk_dynamodb::Client::new(&stack.sdk_config()), stack.aws.table.as_str())
    }

    /// A lab with one tenant.
    pub async fn new() -> Self {
        Self::on(stack(), &Staff::default()).await
    }

    /// A lab whose tenant has decided this, and has these agents besides its administrator.
    pub async fn staffed(policy: Policy, agents: &[&str]) -> Self {
        let agents = agents.iter().map(|agent| (*agent).to_owned()).collect();
        Self::on(stack(), &Staff { policy, agents }).await
    }

    /// A lab whose calls to AWS go through a proxy, which lets them go wrong if asked to.
    pub async fn behind_proxy() -> (Self, Proxy) {
        let mut stack = stack();
        let proxy = Proxy::start(&stack.aws.endpoint).await;
        stack.aws.endpoint = proxy.url().to_owned();
        (Self::on(stack, &Staff::default()).await, proxy)
    }

    async fn on(stack: Stack, staff: &Staff) -> Self {
        let config = stack.sdk_config();
        let (dynamo, sqs, kms) = (
            aws_sdk_dynamodb::Client::new(&config),
            aws_sdk_sqs::Client::new(&config),
            aws_sdk_kms::Client::new(&config),
        );
        let id = fresh_digits();
        let table = format!("lab-{id}");
        let stream = copy_of_table(&dynamo, &stack.aws.table, &table).await;
        let queue = sqs.create_queue().queue_name(format!("lab-{id}")).send().await.unwrap();
        let queue_url = queue.queue_url.unwrap();
        let key = kms.create_key().send().await.unwrap().key_metadata.unwrap().key_id;

        let time = Arc::new(AtomicI64::new(1_795_171_200_000));
        let told = time.clone();
        let clock = Clock::new(move || Timestamp::from_millisecond(told.load(Ordering::Relaxed)).unwrap());
        let store = Store::new(dynamo.clone(), table.as_str());
        let vault = Vault::new(kms, key.clone(), clock.clone());

        let first = Occupant::move_in(&stack, &store, &vault, staff, clock.now()).await;
        Self {
            inbound: Inbound::new(store.clone(), archive_of(&stack), clock.clone()),
            media: Media {
                store: store.clone(),
                graph: Graph::new(&stack.meta.graph_url, "v26.0").unwrap(),
                vault: Vault::new(aws_sdk_kms::Client::new(&config), key.clone(), clock.clone()),
                bucket: Bucket::new(&config, stack.aws.media_bucket.clone().unwrap()),
                clock: clock.clone(),
            },
            outbound: Outbound {
                store: store.clone(),
                graph: Graph::new(&stack.meta.graph_url, "v26.0").unwrap(),
                vault,
                wake_ups: Queue::new(sqs.clone(), queue_url.clone()),
                clock,
            },
            number: first.number.clone(),
            stack,
            store,
            first,
            dynamo,
            sqs,
            table,
            stream,
            queue_url,
            key,
            time,
        }
    }

    /// One more inbound worker, whose calls go through this proxy.
    pub fn inbound_through(&self, proxy: &Proxy) -> Inbound {
        let client = aws_sdk_dynamodb::Client::new(&self.stack.sdk_config_at(proxy.url()));
        Inbound::new(Store::new(client, self.table()), archive_of(&self.stack), self.clock())
    }

    /// The table, past the proxy.
    pub fn store_past_proxy(&self) -> Store {
        Store::new(aws_sdk_dynamodb::Client::new(&stack().sdk_config()), self.table())
    }

    /// One more inbound worker, past the proxy.
    pub fn inbound_past_proxy(&self) -> Inbound {
        Inbound::new(self.store_past_proxy(), archive_of(&self.stack), self.clock())
    }

    /// One more number of the tenant's, on the same account.
    pub async fn another_number(&self) -> PhoneNumberId {
        let tenant = self.tenant().await;
        let first = tenant.number(&self.number).await.unwrap().unwrap();
        let number = Number { phone_number_id: PhoneNumberId::parse(fresh_digits()).unwrap(), ..first };
        let connected = tenant.connect_once(&number, None, self.now()).await.unwrap();
        assert_eq!(connected, Connected::Done, "nobody else has a fresh number");
        number.phone_number_id
    }

    /// One more tenant on the same table.
    pub async fn another_tenant(&self) -> Occupant {
        Occupant::move_in(&self.stack, &self.store, &self.outbound.vault, &Staff::default(), self.now()).await
    }

    /// The tenant that was here first.
    pub const fn occupant(&self) -> &Occupant {
        &self.first
    }

    /// The name of the table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The table's stream.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// The KMS key of the tenants' tokens.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The lab's clock.
    pub fn clock(&self) -> Clock {
        self.outbound.clock.clone()
    }

    /// What time it is in the lab.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.time.load(Ordering::Relaxed)).unwrap()
    }

    /// Lets time pass.
    pub fn pass(&self, time: SignedDuration) {
        self.time.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// The tenant's data, as a member opens it.
    pub async fn tenant(&self) -> TenantStore {
        let membership = self.store.memberships(&self.first.user).await.unwrap().remove(0);
        self.store.of_member(&membership)
    }

    /// The queue message of a customer's text, `age` seconds old.
    pub fn text(&self, sender: &Identities, wamid: &str, age: i64, text: &str) -> String {
        let time = self.now().as_second() - age;
        let message = json!({"id": wamid, "timestamp": time.to_string(), "type": "text", "text": {"body": text},
            "from": sender.wa_id.as_ref().map(WaId::as_str), "from_user_id": sender.bsuid.as_ref().map(Bsuid::as_str)});
        self.envelope(&message)
    }

    /// The queue message of any message.
    pub fn envelope(&self, message: &Value) -> String {
        self.item(Kind::Message, "messages", message)
    }

    /// The queue message of anything.
    pub fn item(&self, kind: Kind, field: &str, raw: &Value) -> String {
        self.item_at(&self.number, kind, field, raw)
    }

    /// The queue message of anything at this number of the tenant's.
    pub fn item_at(&self, number: &PhoneNumberId, kind: Kind, field: &str, raw: &Value) -> String {
        let raw = RawValue::from_string(raw.to_string()).unwrap();
        let item = Item {
            waba_id: Some(self.first.waba.as_str().into()),
            field: Some(field.into()),
            phone_number_id: Some(number.as_str().into()),
            ..Item::new(kind, &raw)
        };
        serde_json::to_string(&Envelope::new("default".into(), self.now().as_millisecond(), item)).unwrap()
    }

    /// Delivers queue messages to the inbound worker, which need not take them.
    pub async fn try_to_deliver(&self, bodies: &[String]) -> bool {
        self.inbound.handle(sqs_event(bodies)).await.batch_item_failures.is_empty()
    }

    /// Delivers queue messages to the inbound worker, which must take them all.
    pub async fn deliver(&self, bodies: &[String]) {
        let response = self.inbound.handle(sqs_event(bodies)).await;
        assert!(response.batch_item_failures.is_empty(), "not taken: {response:?}");
    }

    /// A customer writes to the tenant; the conversation is open and has one message.
    pub async fn conversation(&self) -> Conversation {
        self.deliver(&[self.text(&phone("5491155551234"), "wamid.first", 0, "hola")]).await;
        self.inbox().await.remove(0)
    }

    /// The inbox.
    pub async fn inbox(&self) -> Vec<Conversation> {
        let tenant = self.tenant().await;
        tenant.inbox(recado_store::ConversationStatus::Open, 100, None).await.unwrap().items
    }

    /// The agent writes.
    pub async fn compose(&self, conversation: ConversationId, text: &str) -> MessageId {
        let tenant = self.tenant().await;
        let known = tenant.conversation(conversation).await.unwrap().unwrap();
        self.compose_in(&tenant, known, text).await
    }

    /// The agent writes, knowing the conversation as it was.
    pub async fn compose_on(&self, known: Conversation, text: &str) -> MessageId {
        self.compose_in(&self.tenant().await, known, text).await
    }

    /// The agent writes through a certain worker.
    pub async fn compose_in(&self, tenant: &TenantStore, known: Conversation, text: &str) -> MessageId {
        let draft = Draft {
            client_message_id: ClientMessageId::parse(text.escape_default().to_string()).unwrap(),
            kind: MessageType::Text,
            content: Personal::new(json!({ "text": text })),
            preview: Personal::new(text.to_owned()),
            sender: Sender { id: self.first.user.clone(), name: Personal::new("Ana".to_owned()) },
        };
        match tenant.compose(known, &draft, self.now()).await.unwrap() {
            Composed::New(message) | Composed::Existing(message) => message.id,
        }
    }

    /// Wakes the sender, with plenty of time.
    pub async fn wake(&self, conversation: ConversationId) {
        self.wake_with(conversation, SignedDuration::from_secs(30)).await;
    }

    /// Wakes the sender, with so much time left.
    pub async fn wake_with(&self, conversation: ConversationId, left: SignedDuration) {
        let tenant = self.tenant().await.tenant();
        let task = json!({"task": "wake-up.v1", "tenant": tenant, "conversation": conversation}).to_string();
        let response = self.outbound.handle(sqs_event(&[task]), self.now() + left).await;
        assert!(response.batch_item_failures.is_empty(), "the sender failed: {response:?}");
    }

    /// A customer sends a file, which the simulated Meta has for the tenant's number; the message is stored.
    pub async fn file(&self, wamid: &str, file: Value) -> MessageId {
        let at_meta = json!({"phone_number_id": self.number.as_str(), "from": "5491155551234", "media": file});
        let answer = self.stack.control_post("/inbound", &at_meta).await;
        let described = json!({"id": answer["media_id"], "mime_type": file["mime_type"], "sha256": file["sha256"]});
        self.file_message(wamid, file["type"].as_str().unwrap(), described).await
    }

    /// A message with a file of this kind that is described like this.
    pub async fn file_message(&self, wamid: &str, kind: &str, described: Value) -> MessageId {
        let message = json!({"id": wamid, "timestamp": self.now().as_second().to_string(), "type": kind,
            "from": "5491155551234", kind: described});
        self.deliver(&[self.envelope(&message)]).await;
        MessageId::of_wamid(&self.number, &Wamid::parse(wamid).unwrap())
    }

    /// Wakes the fetching of a message's file.
    pub async fn fetch(&self, message: MessageId) {
        self.fetch_by(&self.media, message).await;
    }

    /// Wakes a certain worker for a message's file.
    pub async fn fetch_by(&self, worker: &Media, message: MessageId) {
        let tenant = self.tenant().await.tenant();
        let task = json!({"task": "fetch.v1", "tenant": tenant, "message": message}).to_string();
        let response = worker.handle(sqs_event(&[task]), self.now() + SignedDuration::from_mins(2)).await;
        assert!(response.batch_item_failures.is_empty(), "the worker failed: {response:?}");
    }

    /// Where a message's file stands.
    pub async fn file_of(&self, message: MessageId) -> recado_store::Media {
        self.tenant().await.media(message).await.unwrap().unwrap()
    }

    /// A message.
    pub async fn message(&self, id: MessageId) -> Message {
        self.tenant().await.message(id).await.unwrap().unwrap()
    }

    /// What reached Meta, as texts, in order.
    pub async fn sent(&self) -> Vec<String> {
        let answer = self.stack.control(&format!("/sent?phone_number_id={}", self.number.as_str())).await;
        let items = answer["items"].as_array().unwrap();
        items.iter().map(|sent| sent["request"]["text"]["body"].as_str().unwrap().to_owned()).collect()
    }

    /// How many wake-ups the sender has left for itself.
    pub async fn wake_ups(&self) -> usize {
        let request = self.sqs.receive_message().queue_url(&self.queue_url).max_number_of_messages(10);
        request.send().await.unwrap().messages.unwrap_or_default().len()
    }

    /// Everything that is stored, sorted, without what only counts or dates the writes.
    pub async fn everything(&self) -> Vec<Value> {
        let readable = |mut item: HashMap<String, AttributeValue>| -> Value {
            item.retain(|_, value| !value.is_b());
            serde_dynamo::from_item(item).unwrap()
        };
        let mut items: Vec<Value> = self.raw_items().await.into_iter().map(readable).collect();
        for item in &mut items {
            let item = item.as_object_mut().unwrap();
            for bookkeeping in ["rev", "edits", "updatedAt", "createdAt", "since", "former", "dueSk"] {
                item.remove(bookkeeping);
            }
        }
        items.sort_by_key(|item| (item["pk"].to_string(), item["sk"].to_string()));
        items
    }

    /// Everything that is stored, as DynamoDB has it.
    pub async fn raw_items(&self) -> Vec<HashMap<String, AttributeValue>> {
        #[allow(clippy::disallowed_methods, reason = "a story may look at the whole of its own small table")]
        let scan = self.dynamo.scan().table_name(&self.table).consistent_read(true);
        scan.into_paginator().items().send().try_collect().await.unwrap()
    }

    /// How many items of this kind are stored.
    pub async fn count(&self, entity: &str) -> usize {
        self.raw_items().await.iter().filter(|item| text(item, "entity") == Some(entity)).count()
    }

    /// How many items stand for work that is not done: they have a due date, or wait for their message.
    pub async fn unfinished(&self) -> usize {
        let waits = |item: &HashMap<_, _>| text(item, "entity").is_some_and(|entity| entity.starts_with("early-"));
        self.raw_items().await.iter().filter(|item| item.contains_key("duePk") || waits(item)).count()
    }

    /// Every queue message that is parked, whoever it is for.
    pub async fn parked(&self) -> Vec<String> {
        let items = self.raw_items().await;
        let parked = items.iter().filter(|item| text(item, "entity") == Some("parked"));
        parked.map(|item| text(item, "body").unwrap().to_owned()).collect()
    }

    /// The tenant's data, as another worker sees it whose calls go through this proxy.
    pub async fn tenant_through(&self, proxy: &Proxy) -> TenantStore {
        let client = aws_sdk_dynamodb::Client::new(&self.stack.sdk_config_at(proxy.url()));
        let store = Store::new(client, self.table());
        let membership = store.memberships(&self.first.user).await.unwrap().remove(0);
        store.of_member(&membership)
    }

    /// Takes an item away, past all code of ours.
    pub async fn remove_raw(&self, item: &HashMap<String, AttributeValue>) {
        let key = ["pk", "sk"].map(|name| (name.to_owned(), item[name].clone()));
        self.dynamo.delete_item().table_name(&self.table).set_key(Some(key.into())).send().await.unwrap();
    }

    /// Puts an item there, past all code of ours.
    pub async fn put_raw(&self, item: HashMap<String, AttributeValue>) {
        self.dynamo.put_item().table_name(&self.table).set_item(Some(item)).send().await.unwrap();
    }
}

/// A tenant of a lab.
#[derive(Debug, Clone)]
pub struct Occupant {
    /// Its number.
    pub number: PhoneNumberId,
    /// The number's account.
    pub waba: WabaId,
    /// Its administrator.
    pub user: UserId,
    /// Its agents, if it has any.
    pub agents: Vec<UserId>,
}

/// What a tenant has decided, and who works there besides the administrator.
#[derive(Debug, Default)]
struct Staff {
    policy: Policy,
    agents: Vec<String>,
}

impl Occupant {
    /// Registers a tenant whose number the simulated Meta knows, and reports no statuses for.
    async fn move_in(stack: &Stack, store: &Store, vault: &Vault, staff: &Staff, now: Timestamp) -> Self {
        let id = fresh_digits();
        let (number, waba) = (PhoneNumberId::parse(&id).unwrap(), WabaId::parse(format!("1{id}")).unwrap());
        let token = format!("token-{id}");
        let at_meta = json!({"phone_number_id": id, "waba_id": waba.as_str(), "token": token, "statuses": []});
        stack.control_put("/numbers", &at_meta).await;
        let tenant = TenantId::from_bits(rand::random());
        let user = UserId::parse(format!("user-{id}")).unwrap();
        let encrypted_token = vault.seal(tenant, Purpose::AccessToken, &token.into()).await.unwrap();
        let agents: Vec<UserId> =
            staff.agents.iter().map(|agent| UserId::parse(format!("{agent}-{id}")).unwrap()).collect();
        let at = Home { number: number.clone(), waba: waba.clone(), app: AppKey::parse("default").unwrap() };
        let mut people = vec![(user.as_str(), Role::Admin)];
        people.extend(agents.iter().map(|agent| (agent.as_str(), Role::Agent)));
        let new = NewTenant { policy: staff.policy.clone(), ..registration(tenant, at, encrypted_token, &people) };
        store.register(&new, now).await.unwrap();
        Self { number, waba, user, agents }
    }
}

/// Where a tenant can be reached.
#[derive(Debug, Clone)]
pub struct Home {
    /// Its number.
    pub number: PhoneNumberId,
    /// The number's account.
    pub waba: WabaId,
    /// The Meta app that receives for the number.
    pub app: AppKey,
}

/// A tenant to be registered, with these people.
pub fn registration(tenant: TenantId, home: Home, encrypted_token: Vec<u8>, people: &[(&str, Role)]) -> NewTenant {
    let member = |(user, role): &(&str, Role)| NewMember {
        user: UserId::parse(*user).unwrap(),
        role: *role,
        email: Personal::new(format!("{user}@story.example")),
        name: Personal::new(format!("Ana {user}")),
    };
    NewTenant {
        id: tenant,
        name: format!("Laboratorio {tenant}"),
        number: Some(Number {
            phone_number_id: home.number,
            waba_id: home.waba,
            app: home.app,
            status: NumberStatus::Active,
            encrypted_token,
            display_phone_number: Some("+54 9 11 5000-1234".to_owned()),
        }),
        members: people.iter().map(member).collect(),
        policy: Policy::default(),
    }
}

/// Where workers keep large events, and the log's length.
pub fn archive_of(stack: &Stack) -> Archive {
    archive_with(stack, &stack.sdk_config())
}

/// The same, with these clients.
pub fn archive_with(stack: &Stack, config: &SdkConfig) -> Archive {
    Archive { bucket: IntakeBucket::new(config, stack.aws.intake_bucket.as_str()), log_days: 30 }
}

/// Somebody who is known by their phone.
pub fn phone(wa_id: &str) -> Identities {
    Identities { wa_id: Some(WaId::parse(wa_id).unwrap()), ..Identities::default() }
}

/// Somebody who is known by both.
pub fn phone_and_bsuid(wa_id: &str, bsuid: &str) -> Identities {
    Identities { bsuid: Some(Bsuid::parse(bsuid).unwrap()), ..phone(wa_id) }
}

fn text<'a>(item: &'a HashMap<String, AttributeValue>, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// The event with which Lambda hands these queue messages over.
pub fn sqs_event(bodies: &[String]) -> SqsEvent {
    let records = bodies.iter().enumerate().map(|(place, body)| json!({"messageId": place.to_string(), "body": body}));
    serde_json::from_value(json!({"Records": records.collect::<Vec<_>>()})).unwrap()
}

async fn copy_of_table(dynamo: &aws_sdk_dynamodb::Client, of: &str, name: &str) -> String {
    let described = dynamo.describe_table().table_name(of).send().await.unwrap().table.unwrap();
    let index = |index: &GlobalSecondaryIndexDescription| {
        GlobalSecondaryIndex::builder()
            .set_index_name(index.index_name.clone())
            .set_key_schema(index.key_schema.clone())
            .set_projection(index.projection.clone())
            .build()
            .unwrap()
    };
    let create = dynamo.create_table();
    create
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(described.attribute_definitions.clone())
        .set_key_schema(described.key_schema.clone())
        .set_global_secondary_indexes(Some(described.global_secondary_indexes().iter().map(index).collect()))
        .set_stream_specification(described.stream_specification.clone())
        .send()
        .await
        .unwrap()
        .table_description
        .and_then(|table| table.latest_stream_arn)
        .expect("the table has a stream, as the deployed one has")
}
