//! Sends what stands in the outbox.
//!
//! **Trigger:** the `outbound` queue, whose messages are wake-ups: "look at this conversation". The
//! work is in the table.
//!
//! **Promise:** a message reaches Graph at most once unless a person says otherwise, and the messages
//! of a conversation in the order in which they were written. Each one ends accepted, failed, or
//! flagged as unknown; none is forgotten.
//!
//! **Idempotency:** the claim ([`recado_store::TenantStore::claim`]), a conditional write that lets one
//! worker make one attempt. Everything that can fail without Meta knowing (token, address, message) is
//! ready before it.
//!
//! **On failure:** before the claim, the wake-up is delivered again. After it, what surely did not
//! reach Meta is tried again after a wait, at most three times in all; what may have reached Meta
//! becomes `UNKNOWN` and is never sent again by itself, a status with our callback key tells. A worker
//! that vanishes between claim and answer leaves a lease that runs out, and the sweep finds it.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use jiff::{SignedDuration, Timestamp};
use recado_domain::callback::CallbackKey;
use recado_domain::contact::Address;
use recado_domain::message::MessageType;
use recado_domain::outbox::{self, MAX_ATTEMPTS, Next};
use recado_domain::personal::Personal;
use recado_domain::status::DeliveryError;
use recado_domain::wake_up::{OutboundTask, WakeUp};
use recado_domain::window;
use recado_platform::batch::{self, Delivery};
use recado_platform::clock::Clock;
use recado_platform::metrics::{self, Metric};
use recado_platform::queue::{Outgoing, Queue, QueueError};
use recado_platform::telemetry;
use recado_platform::vault::{Purpose, Vault};
use recado_store::{
    Answer, Claimed, Conversation, Message, NumberStatus, OpenEntry, Settled, Store, StoreError, TenantStore,
};
use recado_whatsapp::graph::message::{Content, OutgoingMessage};
use recado_whatsapp::graph::{CALL_TIMEOUT, Graph, SendOutcome};
use secrecy::SecretString;
use std::time::Duration;

/// What a claim needs to be worth making: the longest call to Graph, and time to record its answer.
const NEEDED: SignedDuration = SignedDuration::from_secs(CALL_TIMEOUT.as_secs() as i64 + 8);

/// How long a message waits while its number may not send.
const NUMBER_WAIT: SignedDuration = SignedDuration::from_mins(5);

/// How long a message waits when the tenant's token could not be opened. Retrying by the queue would
/// only fill the dead letters: the work is in the table.
const VAULT_WAIT: SignedDuration = SignedDuration::from_mins(1);

/// Meta's code for a closed customer-service window. We use it too when we find it closed ourselves.
const WINDOW_CLOSED: i64 = 131_047;

/// Meta's code for a parameter that it does not accept. We use it too for a message that breaks its limits.
const INVALID: i64 = 100;

/// The function and what it uses.
#[derive(Debug)]
pub struct Outbound {
    /// The table.
    pub store: Store,
    /// Meta.
    pub graph: Graph,
    /// Opens the tenants' tokens.
    pub vault: Vault,
    /// The function's own queue, for waking itself later.
    pub wake_ups: Queue,
    /// The time.
    pub clock: Clock,
}

/// Something failed before a claim was made, or while its answer was recorded.
#[derive(Debug, thiserror::Error)]
enum OutboundError {
    #[error("the table could not be used")]
    Store(#[from] StoreError),
    #[error("a later wake-up could not be left")]
    Queue(#[from] QueueError),
}

/// How a turn at sending ended.
enum Turn {
    /// There may be more to do.
    Over,
    /// There is too little time left for another.
    OutOfTime,
}

/// How far a message is from being sent.
enum Prepared {
    /// Everything is at hand.
    Ready(Ready),
    /// Not before this time.
    Later(Timestamp),
    /// It cannot be sent.
    Never(DeliveryError),
}

/// What sending takes.
struct Ready {
    token: SecretString,
    address: Address,
    content: Content,
    /// When the message was written.
    asked: Timestamp,
}

impl Prepared {
    fn never(code: impl Into<Option<i64>>, message: &str) -> Self {
        Self::Never(refused(code, message))
    }
}

/// A refusal of our own, in Meta's terms.
fn refused(code: impl Into<Option<i64>>, message: &str) -> DeliveryError {
    DeliveryError { code: code.into(), message: Some(Personal::new(message.to_owned())), ..DeliveryError::default() }
}

impl Outbound {
    /// Works off the conversations that a batch of wake-ups names. `deadline` is when Lambda will end
    /// this run.
    pub async fn handle(&self, event: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
        let deliveries = batch::deliveries(event);
        batch::each(&deliveries, |delivery| self.wake(delivery, deadline)).await
    }

    async fn wake(&self, delivery: &Delivery, deadline: Timestamp) -> Result<(), OutboundError> {
        match serde_json::from_str(&delivery.body) {
            Ok(OutboundTask::WakeUp(wake_up)) => self.work_off(wake_up, deadline).await,
            Err(error) => {
                // Nothing is lost: the work is in the table and has a due date.
                tracing::error!(%error, "ignored something that is no wake-up");
                Ok(())
            }
        }
    }

    async fn work_off(&self, wake_up: WakeUp, deadline: Timestamp) -> Result<(), OutboundError> {
        let store = self.store.of_wake_up(&wake_up);
        while let Some((conversation, entries)) = store.open_outbox(wake_up.conversation).await? {
            let open: Vec<_> = entries.iter().map(OpenEntry::open).collect();
            let now = self.clock.now();
            match outbox::next(&open, now) {
                Next::Rest => break,
                Next::Send(place) => {
                    match self.send(&store, wake_up, &conversation, &entries[place], deadline).await? {
                        Turn::Over => {}
                        Turn::OutOfTime => break,
                    }
                }
                Next::Lost(place) => {
                    let entry = &entries[place];
                    tracing::warn!(message = %entry.message(), "a sender vanished; the message's fate is unknown");
                    let settled = store.settle(&store.abandoned(entry), &Answer::Unknown, now).await?;
                    count(&Answer::Unknown, settled);
                }
                Next::GiveUp(place) => {
                    let entry = &entries[place];
                    tracing::warn!(message = %entry.message(), "no status came; the message stays flagged as unknown");
                    if store.give_up(entry).await? == Settled::Recorded {
                        metrics::count(Metric::MessagesLeftUnknown);
                    }
                }
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        store: &TenantStore,
        wake_up: WakeUp,
        conversation: &Conversation,
        entry: &OpenEntry,
        deadline: Timestamp,
    ) -> Result<Turn, OutboundError> {
        let ready = match self.prepare(store, conversation, entry).await? {
            Prepared::Ready(ready) => Ok(ready),
            Prepared::Never(error) => Err(error),
            Prepared::Later(time) => {
                store.postpone(entry, time, self.clock.now()).await?;
                return Ok(Turn::Over);
            }
        };
        // The last moment at which turning back costs nothing.
        let now = self.clock.now();
        if deadline.duration_since(now) < NEEDED {
            self.wake_ups.send_all(vec![Outgoing::wake_up(wake_up, Duration::ZERO)]).await?;
            return Ok(Turn::OutOfTime);
        }
        let Claimed::Ours(claim) = store.claim(entry, rand::random(), now).await? else { return Ok(Turn::Over) };
        let answer = match ready {
            Ok(Ready { token, address, content, asked }) => {
                let key = CallbackKey { tenant: store.tenant(), message: claim.message(), attempt: claim.attempt() };
                let callback = key.to_string();
                let draft = OutgoingMessage { to: &address, reply_to: None, callback: Some(&callback), content };
                match draft.check() {
                    Ok(message) => {
                        let outcome = self.graph.send(&token, &conversation.phone_number_id, &message).await;
                        if matches!(outcome, SendOutcome::Accepted(_)) {
                            let took = self.clock.now().duration_since(asked);
                            metrics::measure(Metric::SendLatencyMs, Duration::try_from(took).unwrap_or_default());
                        }
                        self.answer(outcome, key)
                    }
                    Err(invalid) => Answer::Failed(refused(INVALID, &invalid.to_string())),
                }
            }
            Err(error) => Answer::Failed(error),
        };
        let now = self.clock.now();
        let settled = store.settle(&claim, &answer, now).await?;
        count(&answer, settled);
        if let Answer::RetryAfter(time) = answer {
            let delay = Duration::try_from(time.duration_since(now)).unwrap_or_default() + Duration::from_secs(1);
            self.wake_ups.send_all(vec![Outgoing::wake_up(wake_up, delay)]).await?;
        }
        Ok(Turn::Over)
    }

    /// Gets everything ready that can fail without Meta knowing.
    async fn prepare(
        &self,
        store: &TenantStore,
        conversation: &Conversation,
        entry: &OpenEntry,
    ) -> Result<Prepared, OutboundError> {
        let now = self.clock.now();
        let Some(message) = store.message_of(entry).await? else {
            return Ok(Prepared::never(None, "the message does not exist any more"));
        };
        let Some(number) = store.number(&conversation.phone_number_id).await? else {
            return Ok(Prepared::never(None, "the number is not connected any more"));
        };
        if store.status_of(&number, now).await? != NumberStatus::Active {
            return Ok(Prepared::Later(now.saturating_add(NUMBER_WAIT).unwrap_or(Timestamp::MAX)));
        }
        if !window::is_open(conversation.window_expires_at, now) {
            return Ok(Prepared::never(WINDOW_CLOSED, "the 24-hour window closed before the message could be sent"));
        }
        let Some(content) = text_of(&message).map(Content::text) else {
            return Ok(Prepared::never(None, "messages of this type cannot be sent"));
        };
        let Some(address) = conversation.contact.address() else {
            return Ok(Prepared::never(None, "the contact has no address"));
        };
        match self.vault.open(store.tenant(), Purpose::AccessToken, &number.encrypted_token).await {
            Ok(token) => Ok(Prepared::Ready(Ready { token, address, content, asked: message.timestamp })),
            Err(error) => {
                tracing::error!(tenant = %store.tenant(), error = telemetry::chain(&error), "a token could not be opened");
                Ok(Prepared::Later(now.saturating_add(VAULT_WAIT).unwrap_or(Timestamp::MAX)))
            }
        }
    }

    /// What a call to Graph means for the message.
    fn answer(&self, outcome: SendOutcome, attempt: CallbackKey) -> Answer {
        let CallbackKey { tenant, message, attempt } = attempt;
        let (retry, error) = match outcome {
            SendOutcome::Accepted(accepted) => return Answer::Accepted(accepted.wamid),
            SendOutcome::Unknown(reason) => {
                tracing::warn!(%tenant, %message, attempt, reason, "the answer was lost; a status will tell");
                return Answer::Unknown;
            }
            SendOutcome::NotSent(error) => {
                tracing::warn!(%tenant, %message, attempt, %error, "Graph could not be reached");
                (true, refused(None, "WhatsApp could not be reached"))
            }
            SendOutcome::Rejected(error) => {
                let (code, trace, class) = (error.code, error.trace_id.as_deref(), error.class());
                tracing::warn!(%tenant, %message, attempt, code, trace, ?class, "Graph refused a message");
                (class.passes_soon(), error.to_delivery_error())
            }
        };
        if retry && attempt < MAX_ATTEMPTS {
            let wait = outbox::backoff(attempt, rand::random());
            Answer::RetryAfter(self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX))
        } else {
            Answer::Failed(error)
        }
    }
}

/// Counts what a claimed attempt came to, unless somebody else has recorded that.
fn count(answer: &Answer, settled: Settled) {
    match (answer, settled) {
        // A status that overtook the answer has recorded it, and does not count it.
        (Answer::Accepted(_), _) => metrics::count(Metric::MessagesSent),
        (Answer::Failed(_), Settled::Recorded) => metrics::count(Metric::MessagesFailed),
        (Answer::Unknown, Settled::Recorded) => metrics::count(Metric::MessagesUnknown),
        _ => {}
    }
}

fn text_of(message: &Message) -> Option<String> {
    match message.kind {
        MessageType::Text => message.content.expose()["text"].as_str().map(str::to_owned),
        _ => None,
    }
}
