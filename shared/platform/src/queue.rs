//! Putting messages on a queue.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::{StreamExt, TryStreamExt, stream};
use recado_domain::wake_up::{MediaTask, MediaWakeUp, OutboundTask, WakeUp};
use std::time::Duration;

/// A queue that we put messages on.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

/// A message to be put on a queue.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// What it says; at most 1 MiB.
    pub body: String,
    /// Whose it is: the queue serves the groups in turn, so that a noisy one holds nobody up.
    pub group: String,
    /// How long it stays hidden; at most 15 minutes.
    pub delay: Duration,
}

impl Outgoing {
    /// A message to be delivered at once.
    pub const fn now(body: String, group: String) -> Self {
        Self { body, group, delay: Duration::ZERO }
    }

    /// A reason to look at a conversation's outbox, after a while.
    pub fn wake_up(wake_up: WakeUp, delay: Duration) -> Self {
        let body = serde_json::to_string(&OutboundTask::WakeUp(wake_up)).expect("a wake-up is representable as JSON");
        Self { body, group: wake_up.tenant.to_string(), delay }
    }

    /// A reason to look at a message's file.
    pub fn media(wake_up: MediaWakeUp) -> Self {
        let body = serde_json::to_string(&MediaTask::Fetch(wake_up)).expect("a wake-up is representable as JSON");
        Self::now(body, wake_up.tenant.to_string())
    }
}

/// Not every message was taken.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The queue could not be reached, or refused the whole call.
    #[error("the queue did not take the batch")]
    Batch(#[source] Box<SdkError<SendMessageBatchError>>),
    /// The queue refused some of the messages.
    #[error("the queue refused {refused} of {sent} messages, first with code {code}")]
    Entries {
        /// How many it refused.
        refused: usize,
        /// Out of how many.
        sent: usize,
        /// The first refusal's code.
        code: String,
    },
}

/// How many calls are under way at a time: each needs a connection of its own, and opening one costs
/// more than waiting for one.
const CALLS_AT_ONCE: usize = 16;

/// SQS takes at most this many messages in a call.
const BATCH_ENTRIES: usize = 10;
/// SQS takes at most 1 MiB in a call; a little is left for what it counts besides the bodies.
const BATCH_BYTES: usize = 1024 * 1024 - 16 * 1024;

impl Queue {
    /// The queue at this URL.
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Opens a connection, so that the first message need not wait for the TLS handshake. For the start of
    /// a process; should it fail, the first message opens one.
    pub async fn connect(&self) {
        let asked = self.client.get_queue_attributes().queue_url(&self.url).send().await;
        if let Err(error) = asked {
            tracing::debug!(error = crate::telemetry::chain(&error), "no connection to the queue yet");
        }
    }

    /// Puts all of the messages on the queue, in as few calls as its limits allow, side by side.
    ///
    /// `Ok` means that every single one was taken. On an error some may have been: whoever sends
    /// again sends duplicates, which every worker absorbs.
    pub async fn send_all(&self, messages: Vec<Outgoing>) -> Result<(), QueueError> {
        let sends = into_batches(messages).into_iter().map(|batch| self.send_batch(batch));
        stream::iter(sends).buffer_unordered(CALLS_AT_ONCE).try_collect::<()>().await
    }

    async fn send_batch(&self, batch: Vec<Outgoing>) -> Result<(), QueueError> {
        let sent = batch.len();
        let entries = batch.into_iter().enumerate().map(|(place, message)| {
            SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_body(message.body)
                .message_group_id(message.group)
                .delay_seconds(i32::try_from(message.delay.as_secs().min(900)).expect("900 fits"))
                .build()
                .expect("all parts are set")
        });
        let answer = self
            .client
            .send_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.collect()))
            .send()
            .await
            .map_err(|error| QueueError::Batch(Box::new(error)))?;
        if answer.successful().len() == sent {
            return Ok(());
        }
        let code = answer.failed().first().map_or("none given", |failure| failure.code()).to_owned();
        Err(QueueError::Entries { refused: sent - answer.successful().len(), sent, code })
    }
}

/// Cuts messages into batches by number and by size, keeping their order.
fn into_batches(messages: Vec<Outgoing>) -> Vec<Vec<Outgoing>> {
    let mut batches: Vec<Vec<Outgoing>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = message.body.len() + message.group.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_ENTRIES && bytes + size <= BATCH_BYTES => {
                bytes += size;
                batch.push(message);
            }
            _ => {
                bytes = size;
                batches.push(vec![message]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_testkit::aws::client_config;
    use serde_json::json;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

    fn message(bytes: usize) -> Outgoing {
        Outgoing::now("x".repeat(bytes), String::new())
    }

    #[test]
    fn batches_keep_to_ten_messages_and_a_mebibyte() {
        let sizes = |messages: Vec<Outgoing>| into_batches(messages).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(vec![]), [0_usize; 0]);
        assert_eq!(sizes((0..23).map(|_| message(1)).collect()), [10, 10, 3]);
        assert_eq!(sizes(vec![message(600_000), message(300_000), message(300_000)]), [2, 1]);
        assert_eq!(
            sizes(vec![message(2_000_000), message(1)]),
            [1, 1],
            "one that is too large goes alone, to be refused"
        );
    }

    #[tokio::test]
    async fn one_refused_entry_fails_the_call() {
        let server = MockServer::start().await;
        let answer = json!({
            "Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "9dd4e461268c8034f5c8564e155c67a6"}],
            "Failed": [{"Id": "1", "SenderFault": false, "Code": "InternalError"}],
        });
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_json(answer)).mount(&server).await;
        let queue = Queue::new(Client::new(&client_config(&server.uri())), format!("{}/queue", server.uri()));
        let error = queue.send_all(vec![message(1), message(1)]).await.unwrap_err();
        assert_eq!(error.to_string(), "the queue refused 1 of 2 messages, first with code InternalError");
    }
}
