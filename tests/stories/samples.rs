//! Every sample, twice, on the running stack: what comes of it, and that it came once.

use crate::world::{Tenant, deployment_admin, eventually_within};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use recado_domain::ids::TenantId;
use recado_store::LogScope;
use recado_testkit::samples;
use recado_testkit::stack::Stack;
use recado_whatsapp::signature::{self, AppSecrets};
use recado_whatsapp::webhook::split::{Split, split};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use stories::lab::Lab;

/// There are about a hundred samples, and each is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The number and account of the samples, and of the other tenant in one of them.
const OF_THE_SAMPLES: [(&str, &str); 2] =
    [("109876543210987", "102938475610293"), ("209876543210988", "203847561029384")];

type Item = HashMap<String, AttributeValue>;

/// Two tenants in the place of those that the samples name, so that nobody else writes to them.
struct Pair {
    stack: Stack,
    tenants: Vec<Tenant>,
}

impl Pair {
    async fn new() -> Self {
        let tenants = vec![Tenant::new().await, Tenant::new().await];
        Self { stack: crate::world::stack(), tenants }
    }

    /// A sample that names these tenants.
    fn sample(&self, file: &str) -> String {
        let mut text = String::from_utf8(samples::webhook(file)).unwrap();
        for (tenant, (number, waba)) in self.tenants.iter().zip(OF_THE_SAMPLES) {
            text = text.replace(number, &tenant.phone_number_id).replace(waba, &tenant.waba_id);
        }
        text
    }

    fn scopes(&self) -> Vec<LogScope> {
        let ids = self.tenants.iter().map(|tenant| TenantId::parse(&tenant.tenant_id).unwrap());
        ids.map(LogScope::Tenant).chain([LogScope::Deployment]).collect()
    }

    /// The raw text of every item of a body.
    fn items_of(&self, body: &str) -> Vec<String> {
        let secrets = AppSecrets { current: self.stack.meta.app_secret.as_str().into(), previous: None };
        let header = signature::sign(body.as_bytes(), &secrets.current);
        let verified = signature::verify(body.as_bytes(), Some(header.as_bytes()), &secrets).unwrap();
        let Split::Items(items) = split(verified) else { panic!("a sample is not a webhook: {body}") };
        items.iter().map(|item| item.raw.get().to_owned()).collect()
    }

    /// Waits until each item that was posted after `since` has been through its worker.
    async fn done(&self, what: &str, items: &[String], since: Timestamp) {
        let store = Lab::store_of(&self.stack);
        eventually_within(PATIENCE, what, &mut async || {
            let mut bodies = Vec::new();
            for scope in self.scopes() {
                let day = now().to_zoned(jiff::tz::TimeZone::UTC).date();
                let page = store.logged(scope, day, 40, None, now()).await.map_err(|error| error.to_string())?;
                let new = page.items.into_iter().filter(|logged| logged.event.received() >= since.as_millisecond());
                bodies.extend(new.map(|logged| logged.body.into_inner()));
            }
            let missing = items.iter().find(|item| !bodies.iter().any(|body| body.contains(item.as_str())));
            missing.map_or(Ok(()), |item| Err(format!("nothing of {item}")))
        })
        .await;
    }

    /// Everything that is stored for the two tenants, and what names their accounts and is nobody's.
    async fn items(&self) -> Vec<Item> {
        let dynamo = aws_sdk_dynamodb::Client::new(&self.stack.sdk_config());
        let mut found = Vec::new();
        for tenant in &self.tenants {
            #[allow(clippy::disallowed_methods, reason = "a story may look at all that its tenants have")]
            let scan = dynamo
                .scan()
                .table_name(&self.stack.aws.table)
                .consistent_read(true)
                .filter_expression("begins_with(pk, :prefix) OR contains(body, :waba)")
                .expression_attribute_values(":waba", AttributeValue::S(tenant.waba_id.clone()))
                .expression_attribute_values(":prefix", AttributeValue::S(format!("TENANT#{}", tenant.tenant_id)));
            found.extend(scan.into_paginator().items().send().try_collect().await.unwrap());
        }
        // How often the API was asked is no sample's doing.
        found.retain(|item: &Item| item["sk"].as_s().unwrap() != "BUCKET");
        found
    }

    /// The same text wherever and whenever the story is told: without the ids of the run, and without
    /// what dates or counts the writes.
    fn stable(&self, item: Item) -> String {
        let mut item: Value =
            serde_dynamo::from_item(item.into_iter().filter(|(_, value)| !value.is_b()).collect::<Item>()).unwrap();
        let fields = item.as_object_mut().unwrap();
        for bookkeeping in BOOKKEEPING {
            fields.remove(bookkeeping);
        }
        // A parked message is told by what it is; its words are in the sample.
        if fields["entity"] == "parked" {
            let envelope: Value = serde_json::from_str(fields["body"].as_str().unwrap()).unwrap();
            fields.insert("body".to_owned(), json!([envelope["item"]["kind"], envelope["item"]["field"]]));
        }
        let mut text = item.to_string();
        for (tenant, name) in self.tenants.iter().zip(["A", "B"]) {
            for (id, kind) in
                [(&tenant.tenant_id, "tenant"), (&tenant.phone_number_id, "number"), (&tenant.waba_id, "waba")]
            {
                text = text.replace(id.as_str(), &format!("{kind}-{name}"));
            }
        }
        without_ids(&text)
    }
}

/// What dates or counts the writes, and how far the files that nobody can fetch have got.
const BOOKKEEPING: [&str; 14] = [
    "attempt",
    "notBefore",
    "rev",
    "updatedAt",
    "createdAt",
    "since",
    "dueSk",
    "dueAt",
    "parkedAt",
    "replayedAt",
    "times",
    "expiresAt",
    "version",
    // How the number was connected is no sample's.
    "trial",
];

/// Hides what differs from run to run: our ids, times to the millisecond, digests.
fn without_ids(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = if word(first) { rest.find(|c| !word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (token, after) = rest.split_at(end);
        let digits = token.bytes().all(|byte| byte.is_ascii_digit());
        let hexadecimal = token.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (token.len(), token.split_once('_').map_or("", |(prefix, _)| prefix)) {
            (30, prefix @ ("con" | "cnv" | "msg" | "tnt")) => hidden.push_str(&format!("{prefix}_…")),
            (13, _) if digits && (token.starts_with("17") || token.starts_with("18")) => hidden.push_str("(ms)"),
            (8 | 16 | 32, _) if hexadecimal && (hidden.ends_with('.') || hidden.ends_with("(ms)-")) => {
                hidden.push_str("(digest)")
            }
            _ => hidden.push_str(token),
        }
        rest = after;
    }
    hidden
}

fn now() -> Timestamp {
    #[allow(clippy::disallowed_methods, reason = "stories happen now")]
    Timestamp::now()
}

fn entity(item: &Item) -> &str {
    item["entity"].as_s().unwrap()
}

#[tokio::test]
async fn every_sample_posted_twice_and_replayed_gives_the_expected_items_once() {
    let pair = Pair::new().await;
    let begun = now();
    let samples = samples::manifest();
    for time in 1..=2 {
        for sample in &samples {
            let body = pair.sample(&sample.file);
            let posted = now();
            assert_eq!(pair.stack.post_webhook(body.as_bytes()).await.status, 200, "{}", sample.file);
            let what = format!("every item of {} to have been through, time {time}", sample.file);
            pair.done(&what, &pair.items_of(&body), posted).await;
        }
    }
    // Items that differ in nothing but ids and times are told together. What is parked is parked for each
    // of the two posts; all else must be there once.
    let mut stored: BTreeMap<String, usize> = BTreeMap::new();
    // The log is told below; the people are no sample's.
    for item in pair.items().await.into_iter().filter(|item| !matches!(entity(item), "webhook" | "member")) {
        *stored.entry(pair.stable(item)).or_default() += 1;
    }
    let told: Vec<_> = stored.iter().map(|(item, count)| format!("{count} × {item}")).collect();
    insta::assert_snapshot!("every_sample", told.join("\n"));

    replaying_everything_changes_nothing(&pair, begun).await;
}

/// Replays the whole log of both tenants, and the deployment's since the story has begun.
async fn replaying_everything_changes_nothing(pair: &Pair, begun: Timestamp) {
    let dynamo = aws_sdk_dynamodb::Client::new(&pair.stack.sdk_config());
    let bare = |mut item: Item| {
        for bookkeeping in BOOKKEEPING.into_iter().chain(["mark"]) {
            item.remove(bookkeeping);
        }
        item
    };
    let by_key = |items: Vec<Item>| -> HashMap<_, _> {
        items
            .into_iter()
            .map(|item| ((item["pk"].clone().as_s().unwrap().clone(), item["sk"].as_s().unwrap().clone()), bare(item)))
            .collect()
    };
    let before = pair.items().await;
    // A worker that gets an event writes its log entry anew, so a mark on it tells whether one did.
    let logged: Vec<_> = before.iter().filter(|item| entity(item) == "webhook").collect();
    assert!(logged.len() >= 2 * samples::manifest().len(), "only {} events in the log", logged.len());
    for item in &logged {
        let update = dynamo.update_item().table_name(&pair.stack.aws.table);
        let update =
            update.key("pk", item["pk"].clone()).key("sk", item["sk"].clone()).update_expression("SET mark = :yes");
        update.expression_attribute_values(":yes", AttributeValue::Bool(true)).send().await.unwrap();
    }
    let mut replayed = 0;
    let admin = deployment_admin().await;
    for (token, path) in [(&pair.tenants[0].admin, ""), (&pair.tenants[1].admin, ""), (&admin, "/deployment")] {
        let mut request = json!({"from": begun});
        loop {
            let answer = pair.stack.post(token, &format!("{path}/webhook-logs/replay"), &request).await;
            assert_eq!(answer.status, 202, "replaying: {}", answer.body);
            replayed += answer.body["replayed"].as_u64().unwrap();
            if answer.body["nextCursor"].is_null() {
                break;
            }
            request["cursor"] = answer.body["nextCursor"].clone();
        }
    }
    assert!(replayed >= logged.len() as u64, "{replayed} of {} events were replayed", logged.len());
    let after = eventually_within(PATIENCE, "every replayed event to have reached its worker", &mut async || {
        let items = pair.items().await;
        let marked = items.iter().filter(|item| item.contains_key("mark")).count();
        if marked == 0 { Ok(items) } else { Err(format!("{marked} of {} have not", logged.len())) }
    })
    .await;
    let (before, after) = (by_key(before), by_key(after));
    for (key, item) in &after {
        assert_eq!(before.get(key), Some(item), "replaying has changed {key:?}");
    }
    assert_eq!(before.len(), after.len(), "replaying has removed something");
}
