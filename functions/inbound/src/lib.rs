//! Applies what customers do, and what the business does on its phone.
//!
//! **Trigger:** the `messages` queue, in batches.
//!
//! **Promise:** a message is stored once, and shown in its conversation at the place that Meta's time
//! gives it, whenever and however often it arrives; a reaction, an edit and a deletion change the message
//! they are about, even if that comes later. A customer's message is counted unread once and opens the
//! window. What the business wrote on its phone, the past, groups, and what Meta's own agent answers are
//! stored quietly. Somebody who writes for the first time is linked to the customer with their phone, and a
//! conversation that begins or is opened again is given to whoever is there, if the tenant wants that: in
//! the transaction that stores the message, so once.
//!
//! **Idempotency:** the pointer item of (phone number id, wamid), put only if absent in the transaction
//! that stores the message ([`recado_store::TenantStore::record_inbound`]); likewise for changes
//! ([`recado_store::TenantStore::record_change`]). A piece of history that broke off is taken up again:
//! what is stored is passed over, 40 messages at a time.
//!
//! **On failure:** what is transient is delivered again, item by item. What cannot be read is parked at
//! once with its reason. The dead-letter queue is for what nobody foresaw.

mod read;

use crate::read::{Step, read};
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::future::join_all;
use recado_domain::contact::Identities;
use recado_domain::message::{MessageType, Origin};
use recado_domain::preference::{Preference, PreferenceSource, keyword};
use recado_ingest::{Admitted, Archive, Gate};
use recado_platform::batch::{self, Delivery};
use recado_platform::clock::Clock;
use recado_platform::metrics::{self, Metric};
use recado_store::{InboundBatch, NewMessage, Recorded, Store, StoreError, TenantStore};
use std::collections::BTreeSet;

/// The function and what it uses.
#[derive(Debug)]
pub struct Inbound {
    gate: Gate,
    clock: Clock,
}

/// Messages that are stored together: one customer, one number.
struct Group {
    /// Of each message, the delivery that brought it.
    deliveries: Vec<usize>,
    batch: InboundBatch,
}

impl Inbound {
    /// A worker on this table.
    pub fn new(store: Store, archive: Archive, clock: Clock) -> Self {
        Self { gate: Gate::new(store, archive, "messages", clock.clone()).timed(Metric::InboundLatencyMs), clock }
    }

    /// Applies a batch of the queue.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let deliveries = batch::deliveries(event);
        let admitted = join_all(deliveries.iter().map(|delivery| batch::attempt(self.read(delivery)))).await;
        let mut failed = BTreeSet::new();
        let mut groups: Vec<Group> = Vec::new();
        let mut others = Vec::new();
        for (place, outcome) in admitted.iter().enumerate() {
            match outcome {
                Some(Some((admitted, steps))) => {
                    for step in steps {
                        match step {
                            Step::Store { customer, message } => {
                                put_in_group(&mut groups, place, admitted, customer, message);
                            }
                            other => others.push((place, admitted, other)),
                        }
                    }
                }
                Some(None) => {}
                None => drop(failed.insert(place)),
            }
        }
        let of = |place: usize| {
            let admitted = admitted[place].as_ref().and_then(Option::as_ref);
            &admitted.expect("only what was admitted has steps").0
        };
        let recorded = join_all(groups.iter().map(|group| batch::attempt(self.record(group, &of)))).await;
        for (group, _) in groups.iter().zip(recorded).filter(|(_, outcome)| outcome.is_none()) {
            failed.extend(&group.deliveries);
        }
        // After the messages, so that what they are about is mostly there.
        let applied = others.iter().map(|(_, admitted, step)| batch::attempt(self.apply(admitted, step)));
        for ((place, ..), _) in others.iter().zip(join_all(applied).await).filter(|(_, outcome)| outcome.is_none()) {
            failed.insert(*place);
        }
        let failed = failed.into_iter().map(|place| deliveries[place].id.clone());
        self.gate.finish(&deliveries, batch::response(failed)).await
    }

    /// Reads a delivery. `None`: it was parked, and is done with.
    async fn read<'a>(&self, delivery: &'a Delivery) -> Result<Option<(Admitted<'a>, Vec<Step>)>, StoreError> {
        let Some(admitted) = self.gate.admit(delivery).await? else { return Ok(None) };
        match read(&admitted) {
            Ok(steps) => Ok(Some((admitted, steps))),
            Err(reason) => self.gate.park_for(&admitted, reason).await.map(|()| None),
        }
    }

    /// Stores a group. If the table will never take it, the messages go one by one, and the one that is
    /// at fault is parked instead of taking the others along.
    async fn record<'a>(&self, group: &Group, of: &impl Fn(usize) -> &'a Admitted<'a>) -> Result<(), StoreError> {
        let store = &of(group.deliveries[0]).store;
        let recorded = match store.record_inbound(&group.batch, self.clock.now()).await {
            Ok(recorded) => recorded,
            Err(error) if error.is_transient() => return Err(error),
            Err(_) => return self.record_one_by_one(group, of).await,
        };
        self.record_preferences(store, &group.batch).await?;
        recorded.into_iter().for_each(count);
        Ok(())
    }

    /// Some messages say, in one word, whether the customer wants to be written to.
    async fn record_preferences(&self, store: &TenantStore, batch: &InboundBatch) -> Result<(), StoreError> {
        for message in batch.messages.iter().filter(|message| Origin::is_customer_act(message.origin)) {
            let words = message.content.expose().get("text").and_then(|text| text.as_str());
            if let Some(wanted) = words.and_then(keyword).filter(|_| message.kind == MessageType::Text) {
                let preference = Preference { wanted, at: message.timestamp, source: PreferenceSource::Keyword };
                store.record_preference(&batch.number, &batch.sender, &preference, self.clock.now()).await?;
            }
        }
        Ok(())
    }

    async fn record_one_by_one<'a>(
        &self,
        group: &Group,
        of: &impl Fn(usize) -> &'a Admitted<'a>,
    ) -> Result<(), StoreError> {
        for (place, message) in group.deliveries.iter().zip(&group.batch.messages) {
            let admitted = of(*place);
            let InboundBatch { number, sender, .. } = &group.batch;
            let alone =
                InboundBatch { number: number.clone(), sender: sender.clone(), messages: vec![message.clone()] };
            let recorded = admitted.store.record_inbound(&alone, self.clock.now()).await;
            let is_stored = recorded.is_ok();
            self.or_park(admitted, recorded).await?;
            if is_stored {
                self.record_preferences(&admitted.store, &alone).await?;
            }
        }
        Ok(())
    }

    async fn apply(&self, admitted: &Admitted<'_>, step: &Step) -> Result<(), StoreError> {
        let (store, now) = (&admitted.store, self.clock.now());
        match step {
            Step::Store { customer, message } => {
                let number = admitted.number.clone();
                let alone = InboundBatch { number, sender: customer.clone(), messages: vec![message.clone()] };
                self.or_park(admitted, store.record_inbound(&alone, now).await).await
            }
            Step::StoreInGroup { group, message } => {
                let recorded = store.record_in_group(&admitted.number, group.expose(), message, now).await;
                self.or_park(admitted, recorded.map(Some)).await
            }
            Step::Move(moved) => self.or_park(admitted, store.record_move(moved, now).await.map(Some)).await,
            Step::Change(change) => self.or_park(admitted, store.record_change(change, now).await.map(Some)).await,
        }
    }

    /// Parks what the table will never take.
    async fn or_park(
        &self,
        admitted: &Admitted<'_>,
        outcome: Result<impl IntoIterator<Item = Recorded>, StoreError>,
    ) -> Result<(), StoreError> {
        match outcome {
            Ok(recorded) => {
                recorded.into_iter().for_each(count);
                Ok(())
            }
            Err(error) if error.is_transient() => Err(error),
            // Without its cause: that may quote what the message says.
            Err(error) => self.gate.park_for(admitted, format!("the table does not take it: {error}")).await,
        }
    }
}

fn count(recorded: Recorded) {
    metrics::count(match recorded {
        Recorded::Stored => Metric::MessagesStored,
        Recorded::AlreadyStored => Metric::DuplicatesAbsorbed,
    });
}

fn put_in_group(
    groups: &mut Vec<Group>,
    place: usize,
    admitted: &Admitted<'_>,
    customer: &Identities,
    message: &NewMessage,
) {
    let group = groups.iter_mut().find(|group| {
        let InboundBatch { number, sender: known, .. } = &group.batch;
        *number == admitted.number && known.wa_id == customer.wa_id && known.bsuid == customer.bsuid
    });
    match group {
        Some(group) => {
            group.deliveries.push(place);
            let InboundBatch { sender, messages, .. } = &mut group.batch;
            // What the newest of the messages calls them, wherever it stands in the batch.
            let is_newest = messages.iter().all(|known| known.order < message.order);
            let newest = |known: Option<_>, said: Option<_>| if is_newest { said.or(known) } else { known.or(said) };
            sender.name = newest(sender.name.take(), customer.name.clone());
            sender.username = newest(sender.username.take(), customer.username.clone());
            messages.push(message.clone());
        }
        None => {
            let (number, sender) = (admitted.number.clone(), customer.clone());
            let batch = InboundBatch { number, sender, messages: vec![message.clone()] };
            groups.push(Group { deliveries: vec![place], batch });
        }
    }
}
