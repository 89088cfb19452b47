//! From a queue message to what is to be done.

use recado_domain::contact::Identities;
use recado_domain::ids::{Bsuid, MessageId, WaId};
use recado_domain::message::{Direction, Origin};
use recado_domain::order::MessageOrder;
use recado_domain::personal::Personal;
use recado_domain::status::MessageStatus;
use recado_ingest::Admitted;
use recado_platform::telemetry::chain;
use recado_store::{Change, Move, NewChange, NewMessage, What};
use recado_whatsapp::envelope::Kind;
use recado_whatsapp::webhook::coexistence::{HistoryChunk, Thread};
use recado_whatsapp::webhook::message::{Act, HistoryStatus, InboundMessage, Message, Moved, Said};
use recado_whatsapp::webhook::word;

/// One thing to be done.
pub(crate) enum Step {
    /// Store a message in the conversation with this customer.
    Store { customer: Identities, message: NewMessage },
    /// Store a message apart, because it was written to a group.
    StoreInGroup { group: Personal<String>, message: NewMessage },
    /// Change a message.
    Change(NewChange),
    /// Let a customer be known by other identities.
    Move(Box<Move>),
}

/// Whence a message comes: what its kind and its field say of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Customer,
    Standby,
    Phone,
    Past(Direction),
}

/// What is to be done about an item, in order; or why it is not known.
pub(crate) fn read(admitted: &Admitted<'_>) -> Result<Vec<Step>, String> {
    let item = &admitted.envelope.item;
    let field = item.field.as_deref().unwrap_or_default();
    let (message, source) = match (item.kind, field) {
        (Kind::Message, "messages") => (InboundMessage::parse(item.raw, item.contact), Source::Customer),
        // Of a thread that Meta's own agent holds.
        (Kind::Message, "standby") => (InboundMessage::parse(item.raw, item.contact), Source::Standby),
        (Kind::Echo, _) => (InboundMessage::parse_echo(item.raw, item.contact), Source::Phone),
        (Kind::History, _) => {
            let chunk = HistoryChunk::parse(item.raw).map_err(|error| chain(&error))?;
            return Ok(history(admitted, &chunk));
        }
        (Kind::Message, _) => return Err(format!("the field `{}` is kept, but not applied yet", word(field))),
        (kind, _) => return Err(format!("a {kind:?} does not belong on this queue")),
    };
    let message = message.map_err(|error| chain(&error))?;
    let id = MessageId::of_wamid(&admitted.number, &message.wamid);
    let order = admitted.envelope.order(message.timestamp, id);
    let customer = if source == Source::Phone { message.recipient.clone() } else { message.sender.clone() };
    Ok(vec![step(admitted, message, source, customer, order)])
}

/// A piece of the past. What in it cannot be read does not keep the rest away.
fn history(admitted: &Admitted<'_>, chunk: &HistoryChunk) -> Vec<Step> {
    let mut steps = Vec::new();
    for thread in &chunk.threads {
        let customer = customer_of(thread);
        for (position, message) in (0..).zip(&thread.messages) {
            let Ok(read) = InboundMessage::of_history(message) else {
                tracing::warn!(position, "a message of the past cannot be applied");
                continue;
            };
            let direction = direction_of(message, &customer);
            let id = MessageId::of_wamid(&admitted.number, &read.wamid);
            // All of a piece stand at one position of the webhook; what counts is the place in the thread.
            let order = MessageOrder { position, ..admitted.envelope.order(read.timestamp, id) };
            let who = if customer.is_anonymous() { read.sender.clone() } else { customer.clone() };
            if who.is_anonymous() && read.group.is_none() {
                tracing::warn!(position, "a message of the past names nobody");
                continue;
            }
            steps.push(step(admitted, read, Source::Past(direction), who, order));
        }
    }
    steps
}

fn customer_of(thread: &Thread) -> Identities {
    let id = thread.id.as_ref().map(|id| id.expose().as_str()).unwrap_or_default();
    let is_phone = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let context = thread.context.as_ref();
    Identities {
        wa_id: context.and_then(|who| who.wa_id.clone()).or_else(|| WaId::parse(id).ok().filter(|_| is_phone)),
        bsuid: context.and_then(|who| who.user_id.clone()).or_else(|| Bsuid::parse(id).ok().filter(|_| !is_phone)),
        username: context.and_then(|who| who.username.clone()),
        ..Identities::default()
    }
}

/// The business's own messages say to whom they went; and whoever is not the customer is the business.
fn direction_of(message: &Message, customer: &Identities) -> Direction {
    let is_sent = message.to.is_some() || message.to_user_id.is_some();
    let is_other = match (&message.from, &customer.wa_id) {
        (Some(from), Some(customer)) => from != customer,
        _ => false,
    };
    if is_sent || is_other { Direction::Outbound } else { Direction::Inbound }
}

fn step(
    admitted: &Admitted<'_>,
    message: InboundMessage,
    source: Source,
    customer: Identities,
    order: MessageOrder,
) -> Step {
    let InboundMessage { wamid, timestamp, sender, group, history, act, .. } = message;
    let by = match source {
        Source::Customer | Source::Standby => Direction::Inbound,
        Source::Phone => Direction::Outbound,
        Source::Past(direction) => direction,
    };
    let is_in_group = group.is_some();
    let new_message = |said: Said| NewMessage {
        wamid: wamid.clone(),
        order,
        timestamp,
        kind: said.kind,
        content: said.content,
        preview: said.preview,
        quoted: said.quoted,
        referral: said.referral,
        direction: by,
        origin: origin(source, is_in_group, said.is_notice),
        status: status(by, source, history.as_ref()),
        author: (is_in_group && !sender.is_anonymous()).then_some(sender),
    };
    let change = |target, what| {
        let is_act = matches!(source, Source::Customer | Source::Standby) && !is_in_group;
        Step::Change(NewChange {
            number: admitted.number.clone(),
            wamid: wamid.clone(),
            target,
            customer: is_act.then(|| customer.clone()),
            change: Change { by, order, at: timestamp, is_quiet: !is_act, what },
        })
    };
    let store = |message| match group {
        Some(group) => Step::StoreInGroup { group, message },
        None => Step::Store { customer: customer.clone(), message },
    };
    match act {
        Act::Reacts { target, emoji } => change(target, What::Reaction { emoji }),
        Act::Edits { target, words } => {
            let (is_caption, preview) = (words.is_caption, words.preview);
            change(target, What::Edit { is_caption, words: words.words, preview })
        }
        Act::Revokes { target } => change(target, What::Revoke),
        Act::Says(said) => store(new_message(said)),
        Act::Moves(moved) if matches!(source, Source::Customer | Source::Standby) => {
            let Moved { before, after, said } = *moved;
            Step::Move(Box::new(Move { number: admitted.number.clone(), before, after, line: new_message(said) }))
        }
        // Told by the wrong one, or long ago: only a line.
        Act::Moves(moved) => store(new_message(moved.said)),
    }
}

const fn origin(source: Source, is_in_group: bool, is_notice: bool) -> Option<Origin> {
    match source {
        _ if is_in_group => Some(Origin::Group),
        Source::Past(_) => Some(Origin::History),
        _ if is_notice => Some(Origin::System),
        Source::Customer => None,
        Source::Standby => Some(Origin::Standby),
        Source::Phone => Some(Origin::PhoneApp),
    }
}

/// What is known of a message's delivery when it comes.
fn status(by: Direction, source: Source, history: Option<&HistoryStatus>) -> MessageStatus {
    match (by, source, history) {
        (Direction::Inbound, ..) => MessageStatus::Received,
        (Direction::Outbound, Source::Past(_), Some(HistoryStatus::Delivered)) => MessageStatus::Delivered,
        (Direction::Outbound, Source::Past(_), Some(HistoryStatus::Read)) => MessageStatus::Read,
        (Direction::Outbound, Source::Past(_), Some(HistoryStatus::Played)) => MessageStatus::Played,
        (Direction::Outbound, Source::Past(_), Some(HistoryStatus::Error)) => MessageStatus::Failed,
        (Direction::Outbound, ..) => MessageStatus::Sent,
    }
}
