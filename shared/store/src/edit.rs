//! What people change about a conversation.
//!
//! Their changes are counted (`edits`), and that count is the version that they name. A message that arrives
//! changes a conversation too, and touches nothing that people decide, except that it opens what was closed: so it
//! neither counts nor gets in the way.

use crate::TenantStore;
use crate::activity::{Edited, Happened};
use crate::conversation::{Conversation, ConversationStatus};
use crate::error::StoreError;
use crate::expression::{Expression, NOT_MERGED, PRESENT};
use crate::keys::{INBOX_PK, Key, inbox_partition};
use crate::transaction::{Outcome, SURPRISES, Verdict, pause};
use crate::unread::{NotHere, Unread};
use jiff::Timestamp;
use recado_domain::customer::Link;
use recado_domain::ids::{ConversationId, CustomerId, JobId, MessageId, UserId};
use recado_domain::label::Label;

/// What is to be changed about a conversation. `None` leaves it, `Some(None)` removes it.
#[derive(Debug, Clone, Default)]
pub struct ConversationChange {
    /// Where it stands.
    pub status: Option<ConversationStatus>,
    /// Who looks after it.
    pub assigned_to_id: Option<Option<UserId>>,
    /// What people call it: all of it.
    pub labels: Option<Vec<Label>>,
    /// Which customer the contact is, as a person says; in all conversations of the contact.
    pub customer_id: Option<Option<CustomerId>>,
    /// The job under discussion.
    pub active_job_id: Option<Option<JobId>>,
    /// Until when nobody wants to be reminded of it.
    pub snoozed_until: Option<Option<Timestamp>>,
    /// Up to which message it was read; with none, what the customer wrote last is unread again.
    pub read_up_to: Option<Option<MessageId>>,
}

/// What became of a change.
#[derive(Debug, Clone)]
pub enum ChangedConversation {
    /// It is kept.
    Done(Box<Conversation>),
    /// Somebody has changed it since the version that was named.
    Stale,
    /// There is no such conversation.
    NoConversation,
    /// The conversation has no such message.
    NoMessage,
    /// There is no such customer.
    NoCustomer,
    /// Nobody of this tenant who may look after conversations.
    NoAgent,
}

impl TenantStore {
    /// Changes a conversation: what is named, all or nothing, with an activity for each thing that is different
    /// afterwards. That it was read or not is none.
    ///
    /// **Nobody's change is undone unseen**, by the condition that nobody else has changed it since it was read,
    /// and that what was read is the version that the caller names, if they do. **What arrives meanwhile stays
    /// unread**, as in [`TenantStore::read_up_to`].
    pub async fn change_conversation(
        &self,
        id: ConversationId,
        change: &ConversationChange,
        version: Option<u64>,
        by: &UserId,
        now: Timestamp,
    ) -> Result<ChangedConversation, StoreError> {
        const OPERATION: &str = "changing a conversation";
        for surprise in 0..SURPRISES {
            if surprise > 1 {
                pause(surprise).await;
            }
            let Some(known) = self.conversation(id).await? else { return Ok(ChangedConversation::NoConversation) };
            if version.is_some_and(|version| version != known.edits) {
                return Ok(ChangedConversation::Stale);
            }
            let contact = match change.customer_id {
                Some(_) => self.surviving_contact(known.contact_id).await?,
                None => None,
            };
            let link = contact.zip(change.customer_id.map(Link::by_person));
            let link = link.filter(|(contact, link)| contact.link() != *link);
            let left = match change.read_up_to {
                None => None,
                Some(None) => self.made_unread(&known).await?,
                Some(Some(message)) => match self.left_after(&known, message).await? {
                    Ok(left) => left,
                    Err(NotHere) => return Ok(ChangedConversation::NoMessage),
                },
            };
            let mut news = news(change, &known);
            if let Some((_, link)) = &link {
                news.push(Edited::CustomerId(link.id));
            }
            if news.is_empty() && left.is_none() {
                return Ok(ChangedConversation::Done(Box::new(known)));
            }

            let edit = self.edit(&known, &news, left, now);
            let mut writes = match &link {
                Some((contact, link)) => {
                    self.link_writes(contact, link, Expression::new(), Some((known.id, edit)), now).await?
                }
                None => vec![edit.into_update(self.table(), Key::conversation(self.tenant, known.id))],
            };
            for edited in &news {
                let happened = Happened::Edited(by, known.edits + 1, *edited);
                writes.push(self.activity_write(happened, known.contact_id, known.id, now));
            }
            let rest = writes.len();
            let agent = change.assigned_to_id.as_ref().and_then(Option::as_ref);
            writes.extend(agent.map(|agent| self.agent_check(agent)));
            if let Some((_, Link { id: Some(customer), .. })) = &link {
                let key = Key::customer(self.tenant, *customer);
                writes.push(Expression::new().when(PRESENT).into_check(self.table(), key));
            }
            match self.transact(OPERATION, writes).await? {
                Outcome::Done => {
                    let changed = self.conversation(known.id).await?;
                    return Ok(changed.map_or(ChangedConversation::NoConversation, |changed| {
                        ChangedConversation::Done(Box::new(changed))
                    }));
                }
                Outcome::Refused(verdicts) => {
                    let mut of_rest = verdicts[rest..].iter().map(Verdict::is_broken);
                    if agent.is_some() && of_rest.next() == Some(true) {
                        return Ok(ChangedConversation::NoAgent);
                    }
                    if of_rest.next() == Some(true) {
                        return Ok(ChangedConversation::NoCustomer);
                    }
                }
            }
        }
        Err(StoreError::Contended { operation: OPERATION })
    }

    /// The conversation's share.
    fn edit(&self, known: &Conversation, news: &[Edited<'_>], left: Option<Unread>, now: Timestamp) -> Expression {
        let mut edit = Expression::new()
            .add("rev", 1)
            .set("updatedAt", now.as_millisecond())
            .when(PRESENT)
            .when(NOT_MERGED)
            .at("edits", known.edits);
        if !news.is_empty() {
            edit = edit.add("edits", 1);
        }
        let mut status = known.status;
        for edited in news {
            edit = match *edited {
                Edited::Status(new) => {
                    status = new;
                    edit.set("status", new).set(INBOX_PK, inbox_partition(self.tenant, new.as_str()))
                }
                Edited::AssignedToId(Some(user)) => edit.set("assignedToId", user),
                Edited::AssignedToId(None) => edit.remove("assignedToId"),
                Edited::Labels([]) => edit.remove("labels"),
                Edited::Labels(labels) => edit.set("labels", labels),
                Edited::ActiveJobId(Some(job)) => edit.set("activeJobId", job),
                Edited::ActiveJobId(None) => edit.remove("activeJobId"),
                Edited::SnoozedUntil(Some(time)) => edit.set("snoozedUntil", time),
                Edited::SnoozedUntil(None) => edit.remove("snoozedUntil"),
                // It is shown by what links the contact.
                Edited::CustomerId(_) => edit,
            };
        }
        let is_moved = status.is_wanted() != known.status.is_wanted();
        let unread = Unread { count: known.unread_count, first: known.first_unread };
        match left.or(is_moved.then_some(unread)) {
            Some(left) => self.unread_change(edit, known, status, left),
            None => edit,
        }
    }
}

/// What of a change is not so already.
fn news<'a>(change: &'a ConversationChange, known: &Conversation) -> Vec<Edited<'a>> {
    let ConversationChange { status, assigned_to_id, labels, active_job_id, snoozed_until, .. } = change;
    let mut news = Vec::new();
    news.extend(status.filter(|status| *status != known.status).map(Edited::Status));
    let assigned = assigned_to_id.as_ref().filter(|user| **user != known.assigned_to_id);
    news.extend(assigned.map(|user| Edited::AssignedToId(user.as_ref())));
    news.extend(labels.as_ref().filter(|labels| **labels != known.labels).map(|labels| Edited::Labels(labels)));
    let job = active_job_id.as_ref().filter(|job| **job != known.active_job_id);
    news.extend(job.map(|job| Edited::ActiveJobId(job.as_ref())));
    let millisecond = |time: Option<Timestamp>| time.map(Timestamp::as_millisecond);
    let snoozed = snoozed_until.map(millisecond).filter(|time| *time != millisecond(known.snoozed_until));
    news.extend(snoozed.map(Edited::SnoozedUntil));
    news
}
