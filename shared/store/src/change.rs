//! What is said about a message after it was sent: reactions, new words, its deletion.
//!
//! A change names the message it is about, and may come before it. So it is first put beside the place
//! where that message's pointer is or will be, and then taken from there by whoever sees both: the one
//! who brought the change, the one who writes the pointer, or at last the sweep.

use crate::TenantStore;
use crate::due;
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression, NOT_MERGED, PRESENT};
use crate::inbound::Recorded;
use crate::item;
use crate::keys::{DueKind, INBOX_SK, Key, Place, due_shard, inbox_sort};
use crate::message::Reaction;
use crate::outbox::Updated;
use crate::status::EarlyRecord;
use crate::transaction::{Outcome, SURPRISES, Verdict};
use jiff::Timestamp;
use recado_domain::contact::Identities;
use recado_domain::ids::{ConversationId, MessageId, PhoneNumberId, Wamid};
use recado_domain::message::{Direction, MessageType, REVOKED, preview};
use recado_domain::order::MessageOrder;
use recado_domain::personal::Personal;
use recado_domain::window::{self, CustomerAct};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A change as it came.
#[derive(Debug, Clone)]
pub struct NewChange {
    /// The number in whose conversations it happened.
    pub number: PhoneNumberId,
    /// Meta's id of the change itself.
    pub wamid: Wamid,
    /// The message that it changes.
    pub target: Wamid,
    /// The customer who made it, if one did outside a group: it opens their window.
    pub customer: Option<Identities>,
    /// What it changes.
    pub change: Change,
}

/// A change of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Who made it.
    pub by: Direction,
    /// Its place among all messages.
    pub order: MessageOrder,
    /// When it was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// Whether it opens no window: it is history.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_quiet: bool,
    /// What it does.
    pub what: What,
}

/// What a change does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase", tag = "kind")]
pub enum What {
    /// Puts an emoji onto the message in the place of the former one, or takes it off (none). Of one
    /// side's reactions the last one counts.
    Reaction {
        /// The emoji.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        emoji: Option<Personal<String>>,
    },
    /// Gives the message new words. Only its author can; of several edits the last one counts.
    Edit {
        /// Whether the words are a caption; otherwise they are a text.
        is_caption: bool,
        /// The words.
        words: Personal<String>,
        /// The line that the inbox shows; none if these words do not show in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        preview: Option<Personal<String>>,
    },
    /// Deletes the message. Only its author can, and no edit brings it back.
    Revoke,
}

/// Tells that a change was taken, in which place.
#[derive(Debug, Serialize, Deserialize)]
struct TakenRecord {
    order: MessageOrder,
}

impl TenantStore {
    /// Takes a change, and applies it as soon as its message is known.
    ///
    /// **Exactly once** by an item under a key derived from the change's own wamid, put only if absent
    /// in the transaction that puts the change beside its target's pointer. **In any order**: the change
    /// is put there before the pointer is read, and the pointer is written before anybody reads what
    /// waits there, so one of the two sees the other; each kind of change commutes with all others.
    pub async fn record_change(&self, new: &NewChange, now: Timestamp) -> Result<Recorded, StoreError> {
        const OPERATION: &str = "taking a change";
        let own = MessageId::of_wamid(&new.number, &new.wamid);
        let target = MessageId::of_wamid(&new.number, &new.target);
        let mut change = new.change.clone();
        let taken = item::item(Key::taken(self.tenant, own), "taken", &TakenRecord { order: change.order });
        let record = EarlyRecord::of_change(change.clone(), now);
        let mut early = item::item(Key::early_change(self.tenant, target, own), "early-change", &record);
        due::set(&mut early, DueKind::Early, due_shard(target.to_bits()), record.due(now));
        let writes = vec![
            Expression::new().when(ABSENT).into_put(self.table(), taken),
            Expression::new().into_put(self.table(), early),
        ];
        let mut recorded = Recorded::Stored;
        if let Outcome::Refused(verdicts) = self.transact(OPERATION, writes).await? {
            // Delivered again. Whoever took it first may have got no further.
            recorded = Recorded::AlreadyStored;
            if let Some(Verdict::Broken(item)) = verdicts.into_iter().next() {
                change.order = item::record::<TakenRecord>(OPERATION, item)?.order;
            }
        }
        if let Some(customer) = &new.customer {
            let person = self.person(customer, own, change.at, None).await?;
            if !person.is_new {
                self.customer_acted(ConversationId::between(person.contact, &new.number), &change, now).await?;
            }
        }
        if let Some(place) = self.place_of(target).await? {
            self.merge_early(&place, target, now).await?;
        }
        Ok(recorded)
    }

    /// Applies a change to its message, and to the inbox if it shows there. Doing it again, or after a
    /// later change, does nothing.
    pub(crate) async fn apply_change(&self, place: &Place, change: &Change, now: Timestamp) -> Result<(), StoreError> {
        const OPERATION: &str = "changing a message";
        let (message, line) = message_change(change);
        let mut is_done = false;
        for _ in 0..if line.is_some() { SURPRISES } else { 0 } {
            let shown_in = self.surviving(place.conversation).await?.unwrap_or(place.conversation);
            let shown = Expression::new()
                .set_if_some("lastPreview", line)
                .set("updatedAt", now.as_millisecond())
                .add("rev", 1)
                .when("#lastOrder = :shown")
                .when(NOT_MERGED)
                .value(":shown", place.order)
                .into_update(self.table(), Key::conversation(self.tenant, shown_in));
            let writes = vec![message.clone().into_update(self.table(), Key::message(place)), shown];
            let Outcome::Refused(verdicts) = self.transact(OPERATION, writes).await? else {
                is_done = true;
                break;
            };
            is_done = verdicts[0].is_broken();
            // Another conversation took its place meanwhile, and may show the message.
            let is_merged = matches!(&verdicts[1], Verdict::Broken(item) if item.contains_key("mergedInto"));
            if is_done || !is_merged {
                break;
            }
        }
        // What is not the last message of its conversation now, never will be.
        if !is_done {
            self.update(OPERATION, Key::message(place), message).await?;
        }
        if change.by == Direction::Inbound && !change.is_quiet {
            self.customer_acted(place.conversation, change, now).await?;
        }
        Ok(())
    }

    /// Extends the window of a conversation that exists, and shows a reaction in the inbox if it is the
    /// last thing that happened. It is nothing that waits for an answer: neither is it unread, nor does
    /// it open a conversation that was closed.
    async fn customer_acted(&self, id: ConversationId, change: &Change, now: Timestamp) -> Result<(), StoreError> {
        let Some(id) = self.surviving(id).await? else { return Ok(()) };
        let window = |_| {
            Expression::new()
                .set("windowExpiresAt", window::expiry(CustomerAct::at(change.at)).as_millisecond())
                .when("attribute_not_exists(#windowExpiresAt) OR #windowExpiresAt < :windowExpiresAt")
        };
        let id = self.tell_survivor(id, window, now).await?;
        let What::Reaction { emoji } = &change.what else { return Ok(()) };
        let line = preview(MessageType::Reaction, emoji.as_ref().map(|emoji| emoji.expose().as_str()));
        let last = |id| {
            Expression::new()
                .set("lastOrder", change.order)
                .set("lastMessageAt", change.at.as_millisecond())
                .set("lastPreview", &line)
                .set("lastDirection", change.by)
                .set(INBOX_SK, inbox_sort(change.order, id))
                .when("#lastOrder < :lastOrder")
        };
        self.tell_survivor(id, last, now).await.map(drop)
    }

    /// Changes a conversation if the change fits, or the one that took its place meanwhile. Returns which.
    async fn tell_survivor(
        &self,
        mut id: ConversationId,
        change: impl Fn(ConversationId) -> Expression,
        now: Timestamp,
    ) -> Result<ConversationId, StoreError> {
        const OPERATION: &str = "telling a conversation of a change";
        loop {
            let change = change(id).set("updatedAt", now.as_millisecond()).add("rev", 1).when(PRESENT).when(NOT_MERGED);
            match self.update(OPERATION, Key::conversation(self.tenant, id), change).await? {
                Updated::Refused(item) if item.contains_key("mergedInto") => {
                    // It ends, because what took the place of another is not merged into that.
                    id = self.surviving(id).await?.ok_or(StoreError::Contended { operation: OPERATION })?;
                }
                Updated::Done | Updated::Refused(_) => return Ok(id),
            }
        }
    }
}

/// What a change does to its message, and the line it leaves in the inbox if the message shows there.
fn message_change(change: &Change) -> (Expression, Option<&str>) {
    let expression = Expression::new().when(PRESENT);
    // Nobody can change what others wrote.
    let authored = |expression: Expression| expression.when("#direction = :author").value(":author", change.by);
    match &change.what {
        What::Reaction { emoji } => {
            let name = match change.by {
                Direction::Inbound => "customerReaction",
                Direction::Outbound => "businessReaction",
            };
            let reaction = Reaction { emoji: emoji.clone(), at: change.at, order: change.order };
            let newer = format!("attribute_not_exists(#{name}) OR #{name}.#order < :order");
            (expression.set(name, reaction).when(newer).value(":order", change.order), None)
        }
        What::Edit { is_caption, words, preview } => {
            let (path, kinds) = match is_caption {
                false => ("content.text", "#type = :text"),
                true => ("content.caption", "#type IN (:image, :video, :document)"),
            };
            let kind = |expression: Expression, name: &str, kind| expression.value(name, kind);
            let expression = match is_caption {
                false => kind(expression, ":text", MessageType::Text),
                true => [
                    (":image", MessageType::Image),
                    (":video", MessageType::Video),
                    (":document", MessageType::Document),
                ]
                .into_iter()
                .fold(expression, |expression, (name, of)| kind(expression, name, of)),
            };
            let expression = authored(expression)
                .set(path, words)
                .set("lastEdit", change.order)
                .set("editedAt", change.at.as_millisecond())
                .when(kinds)
                .when("attribute_not_exists(#revokedAt)")
                .when("attribute_not_exists(#lastEdit) OR #lastEdit < :lastEdit");
            (expression, preview.as_ref().map(|line| line.expose().as_str()))
        }
        What::Revoke => {
            let expression = authored(expression)
                .set("content", json!({ "revoked": true }))
                .set("revokedAt", change.at.as_millisecond())
                .remove("editedAt")
                .remove("lastEdit")
                .remove("referral")
                .when("attribute_not_exists(#revokedAt) OR #revokedAt > :revokedAt");
            (expression, Some(REVOKED))
        }
    }
}
