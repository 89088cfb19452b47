//! From a dead-letter queue back to the queue it serves: receive, send, delete.
//!
//! SQS has a task of its own for this, which the emulator lacks.

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use aws_sdk_sqs::{Client, Error};

/// How many messages a queue holds, as far as SQS can tell.
pub async fn count(client: &Client, queue: &str) -> Result<u64, Error> {
    let names =
        [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible];
    let asked = client.get_queue_attributes().queue_url(queue).set_attribute_names(Some(names.to_vec())).send().await?;
    let attributes = asked.attributes.unwrap_or_default();
    Ok(attributes.values().filter_map(|value| value.parse::<u64>().ok()).sum())
}

/// Moves everything from `dead` to `queue` until nothing more is received, and counts what was moved.
/// A message is deleted only after the other queue has taken it, so an interruption doubles some and
/// loses none.
pub async fn redrive(client: &Client, dead: &str, queue: &str) -> Result<u64, Error> {
    let mut moved = 0;
    loop {
        let receive = client.receive_message().queue_url(dead).max_number_of_messages(10).wait_time_seconds(1);
        let group = MessageSystemAttributeName::MessageGroupId;
        let messages = receive.message_system_attribute_names(group).send().await?.messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(moved);
        }
        // One by one, because together they may be too large.
        for message in messages {
            let attributes = message.attributes.unwrap_or_default();
            let group = attributes.get(&MessageSystemAttributeName::MessageGroupId).cloned();
            let send =
                client.send_message().queue_url(queue).set_message_body(message.body).set_message_group_id(group);
            send.send().await?;
            let delete = client.delete_message().queue_url(dead).set_receipt_handle(message.receipt_handle);
            delete.send().await?;
            moved += 1;
        }
    }
}
