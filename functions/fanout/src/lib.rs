//! Tells whoever must act on a change of the table.
//!
//! **Trigger:** the table's stream, in batches, filtered to new outbox entries and new files.
//!
//! **Promise:** for each conversation with a new outbox entry, a wake-up is put on the `outbound` queue; for each
//! file to be fetched, one on the `media` queue.
//!
//! **Idempotency:** none needed. A wake-up is a reason to look, not the work; a double one finds
//! nothing to do.
//!
//! **On failure:** the whole batch is delivered again. A record that cannot be decoded is logged and
//! skipped, because it would hold up the stream for ever. Whatever is lost here has a due date in the
//! table, and the janitor's sweep wakes it.

use aws_lambda_events::event::dynamodb::EventRecord;
use recado_platform::metrics::{self, Metric};
use recado_platform::queue::{Outgoing, Queue, QueueError};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The function and what it uses.
#[derive(Debug)]
pub struct Fanout {
    /// Where wake-ups for conversations go.
    pub outbound: Queue,
    /// Where wake-ups for files go.
    pub media: Queue,
}

/// A batch of the stream, its records not decoded yet: one by one, so that a bad one stands alone.
#[derive(Debug, Deserialize)]
pub struct StreamBatch {
    /// The records.
    #[serde(rename = "Records")]
    pub records: Vec<Value>,
}

impl Fanout {
    /// Follows a batch of changes.
    pub async fn handle(&self, batch: StreamBatch) -> Result<(), QueueError> {
        let mut wake_ups = BTreeMap::new();
        let mut files = BTreeSet::new();
        for record in batch.records {
            match serde_json::from_value::<EventRecord>(record) {
                Ok(record) => {
                    if let Some(wake_up) = recado_store::opened_outbox(&record.change.new_image) {
                        wake_ups.insert((wake_up.tenant, wake_up.conversation), wake_up);
                    }
                    files.extend(recado_store::opened_media(&record.change.new_image));
                }
                Err(error) => {
                    metrics::count(Metric::RecordsSkipped);
                    tracing::error!(%error, "skipped a stream record that cannot be decoded");
                }
            }
        }
        let woken = (wake_ups.len() + files.len()) as u64;
        let wake_ups = wake_ups.into_values().map(|wake_up| Outgoing::wake_up(wake_up, Duration::ZERO));
        self.outbound.send_all(wake_ups.collect()).await?;
        self.media.send_all(files.into_iter().map(Outgoing::media).collect()).await?;
        metrics::add(Metric::WakeUps, woken);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_testkit::aws::client_config;
    use serde_json::json;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

    const TENANT: &str = "tnt_00000000000000000000000001";

    fn inserted(entity: &str, conversation: u8) -> Value {
        let pk = format!("TENANT#{TENANT}#CONVERSATION#cnv_0000000000000000000000000{conversation}");
        json!({"eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
            "dynamodb": {"ApproximateCreationDateTime": 1, "Keys": {}, "SequenceNumber": "1", "SizeBytes": 1, "StreamViewType": "NEW_AND_OLD_IMAGES",
                "NewImage": {"entity": {"S": entity}, "pk": {"S": pk}}}})
    }

    async fn follow(records: Vec<Value>, queue_takes_all: bool) -> (Result<(), QueueError>, Vec<Value>) {
        let sqs = MockServer::start().await;
        let answer = move |request: &wiremock::Request| {
            let asked: Value = request.body_json().unwrap();
            let ids = asked["Entries"].as_array().unwrap().iter().map(|entry| entry["Id"].clone());
            let taken =
                ids.filter(|_| queue_takes_all).map(|id| json!({"Id": id, "MessageId": "m", "MD5OfMessageBody": "x"}));
            ResponseTemplate::new(200).set_body_json(json!({"Successful": taken.collect::<Vec<_>>(), "Failed": []}))
        };
        Mock::given(method("POST")).respond_with(answer).mount(&sqs).await;
        let client = aws_sdk_sqs::Client::new(&client_config(&sqs.uri()));
        let queue = |name: &str| Queue::new(client.clone(), format!("{}/0/{name}", sqs.uri()));
        let fanout = Fanout { outbound: queue("outbound"), media: queue("media") };
        let followed = fanout.handle(StreamBatch { records }).await;
        let requests = sqs.received_requests().await.unwrap();
        let entries = requests
            .iter()
            .flat_map(|request| request.body_json::<Value>().unwrap()["Entries"].as_array().unwrap().clone());
        let tasks = entries.map(|entry| serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap());
        (followed, tasks.collect())
    }

    #[tokio::test]
    async fn each_conversation_is_woken_once_and_a_record_that_cannot_be_decoded_holds_nobody_up() {
        let records = vec![
            json!({"dynamodb": 7}),
            inserted("outbox", 1),
            inserted("message", 3),
            inserted("outbox", 2),
            inserted("outbox", 1),
        ];
        let (followed, tasks) = follow(records, true).await;
        followed.unwrap();
        let wake_up = |conversation: u8| json!({"task": "wake-up.v1", "tenant": TENANT, "conversation": format!("cnv_0000000000000000000000000{conversation}")});
        assert_eq!(tasks, [wake_up(1), wake_up(2)]);
    }

    #[tokio::test]
    async fn a_new_file_wakes_who_fetches_it() {
        let mut record = inserted("media", 1);
        record["dynamodb"]["NewImage"]["sk"] =
            json!({"S": "MEDIA#1795171200.1795171200500.000000.00000000#msg_00000000000000000000000007"});
        let (followed, tasks) = follow(vec![record.clone(), inserted("message", 1), record], true).await;
        followed.unwrap();
        assert_eq!(tasks, [json!({"task": "fetch.v1", "tenant": TENANT, "message": "msg_00000000000000000000000007"})]);
    }

    #[tokio::test]
    async fn the_whole_batch_comes_again_if_the_queue_does_not_take_a_wake_up() {
        assert!(follow(vec![inserted("outbox", 1)], false).await.0.is_err());
    }
}
