//! The table's stream, as Lambda reads it: in batches, some of them more than once, and each until it is taken.

use super::Driver;
use aws_sdk_dynamodbstreams::types::{AttributeValue, Record, ShardIteratorType};
use data_encoding::BASE64;
use fanout::{Fanout, StreamBatch};
use rand::RngExt;
use rand::seq::SliceRandom;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One of so many batches is lost, as after a day on which nobody read the stream.
const LOST: f64 = 0.1;

/// One of so many batches is delivered again although it was taken.
const AGAIN: f64 = 0.1;

impl Driver {
    /// Follows the stream until it is over.
    pub(super) async fn follow(&self) {
        let streams = aws_sdk_dynamodbstreams::Client::new(&self.lab.stack.sdk_config());
        let fanout = Fanout { outbound: self.queue(&self.queues.outbound), media: self.queue(&self.queues.media) };
        let mut random = self.random(30);
        let mut iterators: BTreeMap<String, Option<String>> = BTreeMap::new();
        while !self.is_over() {
            let described = streams.describe_stream().stream_arn(self.lab.stream()).send().await.unwrap();
            for shard in described.stream_description.unwrap().shards() {
                let id = shard.shard_id().unwrap();
                if !iterators.contains_key(id) {
                    let from_start = streams.get_shard_iterator().stream_arn(self.lab.stream()).shard_id(id);
                    let got = from_start.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap();
                    iterators.insert(id.to_owned(), got.shard_iterator);
                }
            }
            for iterator in iterators.values_mut() {
                let Some(at) = iterator.take() else { continue };
                let got = streams.get_records().shard_iterator(at).limit(100).send().await.unwrap();
                *iterator = got.next_shard_iterator;
                let mut records: Vec<Value> = got.records.unwrap_or_default().iter().map(record).collect();
                if records.is_empty() || random.random_bool(LOST) {
                    continue;
                }
                records.shuffle(&mut random);
                while !self.is_over() {
                    let batch = StreamBatch { records: records.clone() };
                    let killed = random.random_bool(self.kills);
                    let moment = Duration::from_millis(if killed { random.random_range(0..20) } else { 60_000 });
                    let taken = tokio::time::timeout(moment, fanout.handle(batch)).await;
                    self.killed.fetch_add(u64::from(killed), Ordering::Relaxed);
                    if matches!(taken, Ok(Ok(()))) && !random.random_bool(AGAIN) {
                        break;
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A record as Lambda hands it over.
fn record(record: &Record) -> Value {
    let change = record.dynamodb().unwrap();
    json!({"eventID": record.event_id(), "eventName": record.event_name().map(|name| name.as_str()),
        "eventVersion": record.event_version(), "eventSource": record.event_source(), "awsRegion": record.aws_region(),
        "dynamodb": {"ApproximateCreationDateTime": change.approximate_creation_date_time().unwrap().secs(),
            "Keys": image(change.keys()), "NewImage": image(change.new_image()), "OldImage": image(change.old_image()),
            "SequenceNumber": change.sequence_number(), "SizeBytes": change.size_bytes(),
            "StreamViewType": "NEW_AND_OLD_IMAGES"}})
}

fn image(item: Option<&HashMap<String, AttributeValue>>) -> Value {
    Value::Object(
        item.into_iter().flatten().map(|(name, value)| (name.clone(), attribute(value))).collect::<Map<_, _>>(),
    )
}

fn attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(number) => json!({"N": number}),
        AttributeValue::B(bytes) => json!({"B": BASE64.encode(bytes.as_ref())}),
        AttributeValue::Bool(truth) => json!({"BOOL": truth}),
        AttributeValue::Null(_) => json!({"NULL": true}),
        AttributeValue::L(list) => json!({"L": list.iter().map(attribute).collect::<Vec<_>>()}),
        AttributeValue::M(map) => json!({"M": image(Some(map))}),
        AttributeValue::Ss(texts) => json!({"SS": texts}),
        AttributeValue::Ns(numbers) => json!({"NS": numbers}),
        other => panic!("an attribute that nobody writes: {other:?}"),
    }
}
