//! Applies customer messages.
//!
//! **Trigger:** the `messages` queue, in batches.
//!
//! **Promise:** a customer message is stored once, counted unread once, and shown in its conversation
//! at the place that Meta's time gives it, whenever and however often it arrives.
//!
//! **Idempotency:** the pointer item of (phone number id, wamid), put only if absent in the transaction
//! that stores the message ([`recado_store::TenantStore::record_inbound`]).
//!
//! **On failure:** what is transient is delivered again, message by message. What cannot be read, or is
//! of a kind that is not applied yet, is parked at once with its reason. The dead-letter queue is for
//! what nobody foresaw.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::future::join_all;
use recado_domain::contact::Identities;
use recado_domain::ids::MessageId;
use recado_ingest::{Admitted, Archive, Gate};
use recado_platform::batch::{self, Delivery};
use recado_platform::clock::Clock;
use recado_platform::telemetry::chain;
use recado_store::{InboundBatch, NewMessage, Recorded, Store, StoreError};
use recado_whatsapp::envelope::Kind;
use recado_whatsapp::webhook::message::InboundMessage;
use recado_whatsapp::webhook::word;

/// The function and what it uses.
#[derive(Debug)]
pub struct Inbound {
    gate: Gate,
    clock: Clock,
}

/// A message that is ready to be stored.
struct Arrival<'a> {
    admitted: Admitted<'a>,
    sender: Identities,
    message: NewMessage,
}

/// Arrivals that are stored together: one sender, one number.
struct Group<'a> {
    admitted: Vec<Admitted<'a>>,
    batch: InboundBatch,
}

impl Inbound {
    /// A worker on this table.
    pub fn new(store: Store, archive: Archive, clock: Clock) -> Self {
        Self { gate: Gate::new(store, archive, "messages", clock.clone()), clock }
    }

    /// Applies a batch of the queue.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let deliveries = batch::deliveries(event);
        let read = join_all(deliveries.iter().map(|delivery| batch::attempt(self.read(delivery)))).await;
        let mut failed = Vec::new();
        let mut groups: Vec<Group<'_>> = Vec::new();
        for (delivery, outcome) in deliveries.iter().zip(read) {
            match outcome {
                Some(Some(arrival)) => put_in_group(&mut groups, arrival),
                Some(None) => {}
                None => failed.push(delivery.id.clone()),
            }
        }
        let recorded = join_all(groups.iter().map(|group| batch::attempt(self.record(group)))).await;
        for (group, outcome) in groups.iter().zip(recorded) {
            if outcome.is_none() {
                failed.extend(group.admitted.iter().map(|admitted| admitted.delivery.id.clone()));
            }
        }
        self.gate.finish(&deliveries, batch::response(failed)).await
    }

    /// Reads a delivery. `None`: it was parked, and is done with.
    async fn read<'a>(&self, delivery: &'a Delivery) -> Result<Option<Arrival<'a>>, StoreError> {
        let Some(admitted) = self.gate.admit(delivery).await? else { return Ok(None) };
        let item = &admitted.envelope.item;
        let read = match item.kind {
            Kind::Message if item.field.as_deref() == Some("messages") => {
                InboundMessage::parse(item.raw, item.contact).map_err(|error| chain(&error))
            }
            // Messages of a thread that Meta's own agent holds are among these.
            Kind::Message | Kind::Echo | Kind::History => {
                let field = word(item.field.as_deref().unwrap_or_default());
                Err(format!("the field `{field}` is kept, but not applied yet"))
            }
            kind => Err(format!("a {kind:?} does not belong on this queue")),
        };
        let message = match read {
            Ok(message) => message,
            Err(reason) => {
                self.gate.park_for(&admitted, reason).await?;
                return Ok(None);
            }
        };
        let id = MessageId::of_wamid(&admitted.number, &message.wamid);
        let order = admitted.envelope.order(message.timestamp, id);
        Ok(Some(Arrival {
            admitted,
            sender: message.sender,
            message: NewMessage {
                wamid: message.wamid,
                order,
                timestamp: message.timestamp,
                kind: message.kind,
                content: message.content,
                preview: message.preview,
                quoted: message.quoted,
            },
        }))
    }

    /// Stores a group. If the table will never take it, the messages go one by one, and the one that is
    /// at fault is parked instead of taking the others along.
    async fn record(&self, group: &Group<'_>) -> Result<(), StoreError> {
        let store = &group.admitted[0].store;
        let recorded = match store.record_inbound(&group.batch, self.clock.now()).await {
            Ok(recorded) => recorded,
            Err(error) if error.is_transient() => return Err(error),
            Err(_) => return self.record_one_by_one(group).await,
        };
        let stored = recorded.iter().filter(|recorded| **recorded == Recorded::Stored).count();
        tracing::debug!(tenant = %store.tenant(), stored, duplicates = recorded.len() - stored, "recorded");
        Ok(())
    }

    async fn record_one_by_one(&self, group: &Group<'_>) -> Result<(), StoreError> {
        for (admitted, message) in group.admitted.iter().zip(&group.batch.messages) {
            let InboundBatch { number, sender, .. } = &group.batch;
            let alone =
                InboundBatch { number: number.clone(), sender: sender.clone(), messages: vec![message.clone()] };
            match admitted.store.record_inbound(&alone, self.clock.now()).await {
                Ok(_) => {}
                Err(error) if error.is_transient() => return Err(error),
                // Without its cause: that may quote what the message says.
                Err(error) => self.gate.park_for(admitted, format!("the table does not take it: {error}")).await?,
            }
        }
        Ok(())
    }
}

fn put_in_group<'a>(groups: &mut Vec<Group<'a>>, arrival: Arrival<'a>) {
    let Arrival { admitted, sender, message } = arrival;
    let group = groups.iter_mut().find(|group| {
        let InboundBatch { number, sender: known, .. } = &group.batch;
        *number == admitted.number && known.wa_id == sender.wa_id && known.bsuid == sender.bsuid
    });
    match group {
        Some(group) => {
            group.admitted.push(admitted);
            group.batch.sender.name = sender.name.or(group.batch.sender.name.take());
            group.batch.sender.username = sender.username.or(group.batch.sender.username.take());
            group.batch.messages.push(message);
        }
        None => {
            let batch = InboundBatch { number: admitted.number.clone(), sender, messages: vec![message] };
            groups.push(Group { admitted: vec![admitted], batch });
        }
    }
}
