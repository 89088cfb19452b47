//! Customer messages into the table, each exactly once.

use crate::TenantStore;
use crate::activity::Happened;
use crate::contacts::Person;
use crate::conversation::{Conversation, ConversationStatus, Referred};
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression, PRESENT};
use crate::item;
use crate::keys::{
    INBOX_PK, INBOX_SK, Key, Place, UNREAD_PK, UNREAD_SK, inbox_partition, inbox_sort, unread_partition,
};
use crate::media::NewMedia;
use crate::members::Assignee;
use crate::message::{Message, Pointer};
use crate::transaction::{Outcome, SURPRISES, Verdict, pause};
use crate::unread::{earlier, unread_from};
use aws_sdk_dynamodb::types::TransactWriteItem;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use recado_domain::contact::Identities;
use recado_domain::ids::{ConversationId, MessageId, PhoneNumberId, Wamid};
use recado_domain::message::{Direction, MessageType, Origin};
use recado_domain::order::MessageOrder;
use recado_domain::personal::Personal;
use recado_domain::search::Term;
use recado_domain::status::{MessageStatus, States};
use recado_domain::window::{self, CustomerAct};

/// Messages between one customer and one number, as they came together.
#[derive(Debug, Clone)]
pub struct InboundBatch {
    /// The tenant's number.
    pub number: PhoneNumberId,
    /// The customer.
    pub sender: Identities,
    /// Any number; as many as fit into a transaction are stored at once.
    pub messages: Vec<NewMessage>,
}

/// A message to be stored.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Meta's id.
    pub wamid: Wamid,
    /// Its place in the conversation.
    pub order: MessageOrder,
    /// When it was written.
    pub timestamp: Timestamp,
    /// What it is.
    pub kind: MessageType,
    /// What it says.
    pub content: Personal<serde_json::Value>,
    /// Its line in the inbox.
    pub preview: Personal<String>,
    /// The message it quotes.
    pub quoted: Option<Wamid>,
    /// The advertisement through which it came, as Meta sent it.
    pub referral: Option<Personal<serde_json::Value>>,
    /// Who wrote it.
    pub direction: Direction,
    /// How it came, if the customer did not simply send it.
    pub origin: Option<Origin>,
    /// What is known of its delivery.
    pub status: MessageStatus,
    /// Who wrote it, if the conversation does not say.
    pub author: Option<Identities>,
}

/// What became of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored, and counted once.
    Stored,
    /// It had been stored before; nothing was changed.
    AlreadyStored,
}

/// The most messages one transaction takes: of its 100 writes up to 19 are for the rest, and up to three for each
/// message.
const MOST: usize = (100 - 19) / 3;

/// After how many surprises it no longer matters whose turn it is.
const HURRY: u32 = 6;

/// What is believed of the conversation before writing to it. The write is conditional on it.
#[derive(Debug)]
enum Belief {
    /// It exists, is open, and all that is in it is older. Costs no read, and is nearly always so.
    Ordinary,
    /// It does not exist.
    Absent,
    /// It is exactly this.
    Known(Box<Conversation>),
}

impl Belief {
    /// Whether it holds only as long as the phone is shown that the sender was seen with. If not, whether it still
    /// is theirs is to be checked where that is stored.
    fn rests_on_phone(&self, sender: &Identities) -> bool {
        match self {
            Self::Ordinary => true,
            Self::Absent => false,
            Self::Known(known) => known.contact.wa_id == sender.wa_id,
        }
    }

    /// Whether a customer's message now begins or reopens what nobody looks after.
    fn wants_somebody(&self) -> bool {
        match self {
            Self::Ordinary => false,
            Self::Absent => true,
            Self::Known(known) => known.assigned_to_id.is_none() && known.status != known.status.after_inbound(),
        }
    }
}

/// What storing messages does to their conversation.
struct Effect<'a> {
    newest: &'a NewMessage,
    /// How many of them wait to be read.
    unread: u64,
    /// The place of the first of those.
    first_unread: Option<MessageOrder>,
    /// The end of the window that the customer opened with them.
    window: Option<Timestamp>,
    /// The last advertisement that they tell of.
    referral: Option<Referred>,
    /// When the customer wrote the last of those that they wrote themselves.
    seen: Option<Timestamp>,
}

impl<'a> Effect<'a> {
    fn of(messages: &[(MessageId, &'a NewMessage)]) -> Self {
        let all = || messages.iter().map(|(_, message)| *message);
        let acts = all().filter(|message| Origin::is_customer_act(message.origin));
        let last_act = acts.map(|message| CustomerAct::at(message.timestamp)).max();
        let unread = || all().filter(|message| message.origin.is_none());
        let referred = |message: &NewMessage| Some(Referred { order: message.order, ad: message.referral.clone()? });
        Self {
            newest: all().max_by_key(|message| message.order).expect("a batch that is written has messages"),
            unread: unread().count() as u64,
            first_unread: unread().map(|message| message.order).min(),
            window: last_act.map(window::expiry),
            referral: all().filter_map(referred).max_by_key(|referred| referred.order),
            seen: all()
                .filter(|message| message.direction == Direction::Inbound)
                .map(|message| message.timestamp)
                .max(),
        }
    }
}

impl TenantStore {
    /// Stores messages: each with its pointer, its place in the conversation, and its effect on
    /// unread count, preview, window and inbox order, in one transaction.
    ///
    /// **Exactly once** by the pointer, put only if absent under a key derived from the wamid. What
    /// was stored before is dropped from the batch and the rest is written. **In any order** because
    /// preview and inbox order change only for a newer message, and the window only grows. What a customer
    /// did not simply send (see [`Origin`]) is stored quietly: it is not unread and reopens nothing.
    pub async fn record_inbound(&self, batch: &InboundBatch, now: Timestamp) -> Result<Vec<Recorded>, StoreError> {
        let mut recorded = Vec::with_capacity(batch.messages.len());
        for messages in batch.messages.chunks(MOST) {
            recorded.extend(self.record_chunk(batch, messages, now).await?);
            self.merge_into(&batch.number, messages, now).await?;
        }
        Ok(recorded)
    }

    /// Stores what was written to a group: apart from all conversations, and with no other effect.
    /// **Exactly once** as above.
    pub async fn record_in_group(
        &self,
        number: &PhoneNumberId,
        group: &str,
        message: &NewMessage,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let id = MessageId::of_wamid(number, &message.wamid);
        let writes = self.message_writes(ConversationId::of_group(number, group), id, message, now);
        let recorded = match self.transact("recording a group's message", writes.into()).await? {
            Outcome::Done => Recorded::Stored,
            Outcome::Refused(_) => Recorded::AlreadyStored,
        };
        self.merge_into(number, std::slice::from_ref(message), now).await?;
        Ok(recorded)
    }

    /// Applies what came before these messages. Also to those that were stored before: whoever stored
    /// them may have got no further.
    async fn merge_into(
        &self,
        number: &PhoneNumberId,
        messages: &[NewMessage],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let ids = messages.iter().map(|message| MessageId::of_wamid(number, &message.wamid));
        try_join_all(ids.map(|id| self.merge_awaited(id, now))).await.map(|_| ())
    }

    async fn record_chunk(
        &self,
        batch: &InboundBatch,
        messages: &[NewMessage],
        now: Timestamp,
    ) -> Result<Vec<Recorded>, StoreError> {
        const OPERATION: &str = "recording inbound messages";
        let ids: Vec<MessageId> =
            messages.iter().map(|message| MessageId::of_wamid(&batch.number, &message.wamid)).collect();
        let mut recorded = vec![None; messages.len()];
        // The same message twice in one batch: the second is a duplicate of the first, unless the first tells of the
        // past what the second brings as new.
        let is_new = |place: usize| messages[place].origin != Some(Origin::History);
        for (place, id) in ids.iter().enumerate() {
            let mut twins = (0..ids.len()).filter(|other| *other != place && ids[*other] == *id);
            if twins.any(|twin| if is_new(twin) == is_new(place) { twin < place } else { is_new(twin) }) {
                recorded[place] = Some(Recorded::AlreadyStored);
            }
        }
        let mut person: Option<Person> = None;
        let mut belief = Belief::Ordinary;
        for surprise in 0..SURPRISES {
            if surprise > 1 {
                pause(surprise).await;
            }
            let mut open: Vec<usize> = (0..messages.len()).filter(|place| recorded[*place].is_none()).collect();
            let Some(first) = open.first() else { break };
            let with = |open: &[usize]| open.iter().map(|place| (ids[*place], &messages[*place])).collect::<Vec<_>>();
            let latest = open.iter().map(|place| messages[*place].timestamp).max().unwrap_or(now);
            let mut who = match person.take().filter(|who| who.partings == [None; 2]) {
                Some(who) => who,
                None => self.person(&batch.sender, ids[*first], latest, Effect::of(&with(&open)).seen).await?,
            };
            // Whoever had the phone before has written the older ones. They come first, and the others next.
            for parting in who.partings.into_iter().flatten() {
                let is_older = |place: &usize| messages[*place].timestamp <= parting;
                let older: Vec<usize> = open.iter().copied().filter(is_older).collect();
                if !older.is_empty() && older.len() < open.len() {
                    who = self.person(&batch.sender, ids[older[0]], parting, Effect::of(&with(&older)).seen).await?;
                    open = older;
                    break;
                }
            }
            if let Some(twin) = who.twin {
                self.merge_twins(who.contact, twin, now).await?;
                continue;
            }
            if who.is_new {
                belief = Belief::Absent;
            } else if matches!(&belief, Belief::Known(known) if known.contact_id != who.contact) {
                belief = Belief::Ordinary;
            }
            let begins = matches!(belief, Belief::Absent);
            let who = if begins { self.stored(who).await? } else { who };
            let conversation = ConversationId::between(who.contact, &batch.number);

            let fresh = with(&open);
            let mut writes = Vec::with_capacity(2 * fresh.len() + 6);
            for (id, message) in &fresh {
                writes.extend(self.message_writes(conversation, *id, message, now));
            }
            let effect = Effect::of(&fresh);
            let assignee = match effect.unread > 0 && belief.wants_somebody() {
                true => self.assignee(conversation, now).await?,
                false => None,
            };
            writes.push(self.conversation_write(&belief, &who, batch, effect, assignee.as_ref(), now));
            let mut of_person = self.person_writes(&who, &batch.sender, begins, now);
            if !belief.rests_on_phone(&batch.sender) {
                of_person.extend(self.holder_check(&who));
            }
            let persons = of_person.len();
            writes.extend(of_person);
            if begins {
                writes.push(self.activity_write(Happened::Began, who.contact, conversation, now));
            }
            for (id, message) in &fresh {
                let place = Place { tenant: self.tenant, conversation, order: message.order, message: *id };
                let media = NewMedia { number: &batch.number, kind: message.kind, content: &message.content };
                writes.extend(self.media_write(&place, &media, now));
            }
            // Last, because nothing is to be found out anew if it was somebody else's turn.
            if let Some(assignee) = &assignee {
                writes.extend(self.assignment_writes(assignee, who.contact, conversation, surprise > HURRY, now));
            }

            self.make_findable(who.contact, &found_by(&belief, &who, &batch.sender)).await?;
            match self.transact(OPERATION, writes).await? {
                Outcome::Done => {
                    open.into_iter().for_each(|place| recorded[place] = Some(Recorded::Stored));
                    self.match_new_phone(&who, now).await?;
                    belief = Belief::Ordinary;
                }
                Outcome::Refused(verdicts) => {
                    let (of_messages, rest) = verdicts.split_at(2 * fresh.len());
                    let (of_conversation, rest) = rest.split_first().expect("the conversation is always written");
                    for (place, verdict) in open.into_iter().zip(of_messages.chunks(2)) {
                        if let Verdict::Broken(item) = &verdict[0] {
                            let pointer: Pointer = item::record(OPERATION, item.clone())?;
                            recorded[place] = Some(self.heard_again(&pointer, &messages[place], now).await?);
                        }
                    }
                    let mut is_merged = false;
                    if let Verdict::Broken(item) = of_conversation {
                        is_merged = item.contains_key("mergedInto");
                        belief = match item.is_empty() {
                            true => Belief::Absent,
                            false => Belief::Known(Box::new(item::record(OPERATION, item.clone())?)),
                        };
                    }
                    // Somebody else made this contact known meanwhile, or found out that it is the same
                    // as another: find out anew who it is.
                    if is_merged || rest[..persons].iter().any(Verdict::is_broken) {
                        belief = Belief::Ordinary;
                    } else {
                        person = Some(who);
                    }
                }
            }
        }
        recorded.into_iter().collect::<Option<_>>().ok_or(StoreError::Contended { operation: OPERATION })
    }

    /// A message that is there already. If the past brought it, and now its customer does, it was new all
    /// the same: it counts now as it would have.
    async fn heard_again(
        &self,
        pointer: &Pointer,
        message: &NewMessage,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        const OPERATION: &str = "counting a message that history brought";
        if pointer.origin != Some(Origin::History) || message.origin.is_some() {
            return Ok(Recorded::AlreadyStored);
        }
        let place = pointer.place(self.tenant);
        let window = window::expiry(CustomerAct::at(message.timestamp));
        for surprise in 0..SURPRISES {
            let Some(known) = self.conversation(place.conversation).await? else { break };
            let status = known.status.after_inbound();
            let taken = |change: Expression| {
                change.remove("origin").when("#origin = :history").value(":history", Origin::History)
            };
            let writes = vec![
                // What comes in is kept under the id of its wamid itself.
                taken(Expression::new()).into_update(self.table(), Key::pointer(self.tenant, place.message)),
                taken(Expression::new()).into_update(self.table(), Key::message(&place)),
                unread_from(Expression::new(), self.tenant, status, earlier(known.first_unread, Some(place.order)))
                    .add("unreadCount", 1)
                    .add("rev", 1)
                    .set("updatedAt", now.as_millisecond())
                    .set(
                        "windowExpiresAt",
                        known.window_expires_at.map_or(window, |end| end.max(window)).as_millisecond(),
                    )
                    .set("status", status)
                    .set(INBOX_PK, inbox_partition(self.tenant, status.as_str()))
                    .when("#rev = :known")
                    .value(":known", known.rev)
                    .into_update(self.table(), Key::conversation(self.tenant, known.id)),
            ];
            match self.transact(OPERATION, writes).await? {
                Outcome::Done => return Ok(Recorded::Stored),
                Outcome::Refused(verdicts) if verdicts[0].is_broken() => return Ok(Recorded::AlreadyStored),
                Outcome::Refused(_) => pause(surprise).await,
            }
        }
        Err(StoreError::Contended { operation: OPERATION })
    }

    /// The pointer and the message.
    fn message_writes(
        &self,
        conversation: ConversationId,
        id: MessageId,
        message: &NewMessage,
        now: Timestamp,
    ) -> [TransactWriteItem; 2] {
        let place = Place { tenant: self.tenant, conversation, order: message.order, message: id };
        let record = Message {
            id,
            conversation_id: conversation,
            order: message.order,
            direction: message.direction,
            kind: message.kind,
            content: message.content.clone(),
            wamid: Some(message.wamid.clone()),
            quoted: message.quoted.clone(),
            // What others tell of the past happened when they say it did.
            states: States::new(message.status, if message.origin.is_none() { now } else { message.timestamp }),
            timestamp: message.timestamp,
            sender: None,
            client_message_id: None,
            origin: message.origin,
            author: message.author.clone(),
            referral: message.referral.clone(),
            customer_reaction: None,
            business_reaction: None,
            edited_at: None,
            revoked_at: None,
            created_at: now,
        };
        let pointer = item::item(
            Key::pointer(self.tenant, id),
            "pointer",
            &Pointer { origin: message.origin, ..Pointer::to(&place) },
        );
        [
            Expression::new().when(ABSENT).into_put(self.table(), pointer),
            Expression::new().into_put(self.table(), record.to_item(&place)),
        ]
    }

    /// The conversation's share, conditional on what is believed of it.
    fn conversation_write(
        &self,
        belief: &Belief,
        person: &Person,
        batch: &InboundBatch,
        effect: Effect<'_>,
        assignee: Option<&Assignee>,
        now: Timestamp,
    ) -> TransactWriteItem {
        let Effect { newest, unread, first_unread, window, referral, seen } = effect;
        let id = ConversationId::between(person.contact, &batch.number);
        let phone_seen_at = seen.filter(|_| batch.sender.wa_id.is_some());
        let assigned_to_id = assignee.map(|assignee| assignee.user.clone());

        if matches!(belief, Belief::Absent) {
            let conversation = Conversation {
                id,
                phone_number_id: batch.number.clone(),
                contact_id: person.contact,
                contact: person.shown(&batch.sender),
                status: ConversationStatus::Open,
                unread_count: unread,
                first_unread,
                last_order: newest.order,
                last_message_at: newest.timestamp,
                last_preview: newest.preview.clone(),
                last_direction: newest.direction,
                window_expires_at: window,
                phone_seen_at,
                customer_id: person.customer(),
                assigned_to_id,
                labels: Vec::new(),
                active_job_id: None,
                snoozed_until: None,
                referral,
                merged_into: None,
                absorbed: Vec::new(),
                created_at: now,
                updated_at: now,
                rev: 1,
                edits: 0,
            };
            return Expression::new().when(ABSENT).into_put(self.table(), conversation.to_item(self.tenant));
        }

        let mut change =
            Expression::new().add("unreadCount", unread).add("rev", 1).set("updatedAt", now.as_millisecond());
        if person.has_news() {
            let known_by = person.known_by(&batch.sender);
            change = change
                .set_if_some("contact.waId", known_by.wa_id.as_ref())
                .set_if_some("contact.bsuid", known_by.bsuid.as_ref());
        }
        let (is_newer, window, phone_seen_at, status, referral) = match belief {
            Belief::Known(known) => {
                change = change.when("#rev = :known").value(":known", known.rev);
                // It began at another number, or in the past, before the phone was known; or shows one that they left.
                let is_last = newest.order > known.last_order && seen == Some(newest.timestamp);
                if person.holds_phone() && (known.contact.wa_id.is_none() || is_last) {
                    change = change.set_if_some("contact.waId", batch.sender.wa_id.as_ref());
                }
                if unread > 0 {
                    let (status, first) = (known.status.after_inbound(), earlier(known.first_unread, first_unread));
                    change = unread_from(change, self.tenant, status, first);
                }
                let is_later = |new: &Referred| known.referral.as_ref().is_none_or(|old| old.order < new.order);
                (
                    newest.order > known.last_order,
                    window.max(known.window_expires_at),
                    phone_seen_at.max(known.phone_seen_at),
                    known.status.after_inbound(),
                    referral.filter(is_later),
                )
            }
            Belief::Ordinary | Belief::Absent => {
                change = change.when(PRESENT).when("attribute_not_exists(#mergedInto)").when("#lastOrder < :lastOrder");
                // By another name, they are to be found.
                if let Some(name) = &batch.sender.name {
                    change = change.when("#contact.#name = :contact_name").value(":contact_name", name);
                }
                // Whoever takes the phone from them takes it from here.
                if let Some(phone) = batch.sender.wa_id.as_ref().filter(|_| person.holds_phone()) {
                    change = change.when("#contact.#waId = :holds").value(":holds", phone);
                }
                // It becomes unread, or is it already since an earlier message: then its place in the index stays.
                if let Some(first) = first_unread {
                    change = change
                        .when("#status = :status")
                        .when(format!("attribute_not_exists(#{UNREAD_SK}) OR #{UNREAD_SK} <= :{UNREAD_SK}"))
                        .set(UNREAD_PK, unread_partition(self.tenant))
                        .set_if_absent(UNREAD_SK, first);
                }
                if window.is_some() {
                    change =
                        change.when("attribute_not_exists(#windowExpiresAt) OR #windowExpiresAt <= :windowExpiresAt");
                }
                if phone_seen_at.is_some() {
                    change = change.when("attribute_not_exists(#phoneSeenAt) OR #phoneSeenAt <= :phoneSeenAt");
                }
                if let Some(referral) = &referral {
                    change = change
                        .when("attribute_not_exists(#referral) OR #referral.#order < :referred")
                        .value(":referred", referral.order);
                }
                (true, window, phone_seen_at, ConversationStatus::Open, referral)
            }
        };
        change = change
            .set_if_some("windowExpiresAt", window.map(Timestamp::as_millisecond))
            .set_if_some("phoneSeenAt", phone_seen_at.map(Timestamp::as_millisecond))
            .set_if_some("referral", referral)
            .set_if_some("assignedToId", assigned_to_id);
        if is_newer {
            change = change
                .set("lastOrder", newest.order)
                .set("lastMessageAt", newest.timestamp.as_millisecond())
                .set("lastPreview", newest.preview.expose())
                .set("lastDirection", newest.direction)
                .set(INBOX_SK, inbox_sort(newest.order, id))
                .set_if_some("contact.name", batch.sender.name.as_ref())
                .set_if_some("contact.username", batch.sender.username.as_ref());
        }
        if unread > 0 {
            change = change.set("status", status).set(INBOX_PK, inbox_partition(self.tenant, status.as_str()));
        }
        change.into_update(self.table(), Key::conversation(self.tenant, id))
    }
}

/// What a conversation is about to show for the first time that its contact is found by.
fn found_by(belief: &Belief, person: &Person, sender: &Identities) -> Vec<Term> {
    let (phone, name) = match belief {
        Belief::Absent => (person.shown(sender).wa_id, sender.name.as_ref()),
        Belief::Ordinary => (person.known_by(sender).wa_id.filter(|_| person.has_news()), None),
        Belief::Known(known) => {
            let phone = person.known_by(sender).wa_id.filter(|phone| known.contact.wa_id.as_ref() != Some(phone));
            (phone, sender.name.as_ref().filter(|name| known.contact.name.as_ref() != Some(name)))
        }
    };
    let of_name = name.map(|name| Term::of_name(name.expose()));
    phone.iter().flat_map(Term::of_phone).chain(of_name.into_iter().flatten()).collect()
}
