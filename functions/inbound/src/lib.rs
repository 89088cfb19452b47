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
use recado_domain::ids::{MessageId, PhoneNumberId};
use recado_ingest::{Admitted, Gate};
use recado_platform::batch::{self, Delivery};
use recado_platform::clock::Clock;
use recado_store::{InboundBatch, NewMessage, Recorded, Store, StoreError, TenantStore};
use recado_whatsapp::envelope::Kind;
use recado_whatsapp::webhook::message::InboundMessage;

/// The function and what it uses.
#[derive(Debug)]
pub struct Inbound {
    gate: Gate,
    clock: Clock,
}

/// A message that is ready to be stored.
struct Arrival {
    delivery: String,
    store: TenantStore,
    number: PhoneNumberId,
    sender: Identities,
    message: NewMessage,
}

/// Arrivals that are stored together: one sender, one number.
struct Group {
    deliveries: Vec<String>,
    store: TenantStore,
    batch: InboundBatch,
}

impl Inbound {
    /// A worker on this table.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { gate: Gate::new(store, "messages", clock.clone()), clock }
    }

    /// Applies a batch of the queue.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let deliveries = batch::deliveries(event);
        let read = join_all(deliveries.iter().map(|delivery| batch::attempt(self.read(delivery)))).await;
        let mut failed = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        for (delivery, outcome) in deliveries.iter().zip(read) {
            match outcome {
                Some(Some(arrival)) => put_in_group(&mut groups, arrival),
                Some(None) => {}
                None => failed.push(delivery.id.clone()),
            }
        }
        let recorded = join_all(groups.iter().map(|group| batch::attempt(self.record(group)))).await;
        for (group, outcome) in groups.into_iter().zip(recorded) {
            if outcome.is_none() {
                failed.extend(group.deliveries);
            }
        }
        batch::response(failed)
    }

    /// Reads a delivery. `None`: it was parked, and is done with.
    async fn read(&self, delivery: &Delivery) -> Result<Option<Arrival>, StoreError> {
        let Some(admitted) = self.gate.admit(delivery).await? else { return Ok(None) };
        let item = &admitted.envelope.item;
        if item.kind != Kind::Message {
            return self.park(&admitted, format!("a {:?} does not belong on this queue", item.kind)).await;
        }
        let message = match InboundMessage::parse(item.raw, item.contact) {
            Ok(message) => message,
            Err(error) => return self.park(&admitted, recado_platform::telemetry::chain(&error)).await,
        };
        let id = MessageId::of_wamid(&admitted.number, &message.wamid);
        let order = admitted.envelope.order(message.timestamp, id);
        Ok(Some(Arrival {
            delivery: delivery.id.clone(),
            store: admitted.store,
            number: admitted.number,
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

    async fn park(&self, admitted: &Admitted<'_>, reason: String) -> Result<Option<Arrival>, StoreError> {
        self.gate.park_for(admitted, reason).await.map(|()| None)
    }

    async fn record(&self, group: &Group) -> Result<(), StoreError> {
        let recorded = group.store.record_inbound(&group.batch, self.clock.now()).await?;
        let stored = recorded.iter().filter(|recorded| **recorded == Recorded::Stored).count();
        tracing::debug!(tenant = %group.store.tenant(), stored, duplicates = recorded.len() - stored, "recorded");
        Ok(())
    }
}

fn put_in_group(groups: &mut Vec<Group>, arrival: Arrival) {
    let group = groups.iter_mut().find(|group| {
        let InboundBatch { number, sender, .. } = &group.batch;
        *number == arrival.number && sender.wa_id == arrival.sender.wa_id && sender.bsuid == arrival.sender.bsuid
    });
    match group {
        Some(group) => {
            group.deliveries.push(arrival.delivery);
            let Identities { name, username, .. } = arrival.sender;
            group.batch.sender.name = name.or(group.batch.sender.name.take());
            group.batch.sender.username = username.or(group.batch.sender.username.take());
            group.batch.messages.push(arrival.message);
        }
        None => groups.push(Group {
            deliveries: vec![arrival.delivery],
            store: arrival.store,
            batch: InboundBatch { number: arrival.number, sender: arrival.sender, messages: vec![arrival.message] },
        }),
    }
}
