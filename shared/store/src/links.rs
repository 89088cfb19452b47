//! Which customer a contact is: kept with the contact, shown in its conversations.
//!
//! Customers and contacts that have a phone or an e-mail in common meet in one partition. Its first item
//! lists the customers and counts its own changes; beside it stands an item for each contact.
//!
//! **Whoever comes second sees the first.** The transaction that makes a contact known checks that the
//! list is still the one that was read. The transaction that changes the list gives it a due date; after
//! it, every contact beside it is matched anew, by whoever changed it or at last by the sweep. So it makes
//! no difference whether a customer or their first message is stored first, or which of the two crashes.

use crate::TenantStore;
use crate::contacts::ContactRecord;
use crate::due;
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression, NOT_MERGED, PRESENT};
use crate::item::{self, Item};
use crate::keys::{DUE_PK, DUE_SK, DueKind, Key, MATCH, SK, due_shard, parse_match_key};
use crate::outbox::Updated;
use crate::transaction::{Outcome, SURPRISES, pause};
use aws_sdk_dynamodb::types::TransactWriteItem;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use recado_domain::customer::{Lead, Link, LinkedBy, MatchOn, matchable};
use recado_domain::ids::{ContactId, ConversationId, CustomerId};
use serde::{Deserialize, Serialize};

/// After which time the sweep matches what nobody has. Ordinarily it takes milliseconds.
const PATIENCE: SignedDuration = SignedDuration::from_mins(1);

/// The customers that a phone or e-mail leads to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct MatchRecord {
    #[serde(default)]
    pub(crate) customers: Vec<CustomerId>,
    /// Counts the changes of the list. It is never removed, so no number comes back.
    #[serde(default)]
    pub(crate) rev: u64,
}

#[derive(Serialize)]
struct ContactMatchRecord {
    contact: ContactId,
}

/// Leads, and where each list stood when it was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leads {
    pub(crate) all: Vec<Lead>,
    pub(crate) revs: Vec<u64>,
}

impl TenantStore {
    /// Whom these lead to, strongly consistent: one read for each.
    pub(crate) async fn leads(&self, on: Vec<MatchOn>) -> Result<Leads, StoreError> {
        const OPERATION: &str = "looking up the customers of a phone or e-mail";
        let reads = on.into_iter().map(async |on| {
            let found = self.get(OPERATION, Key::matched(self.tenant, &on)).await?;
            let record: Option<MatchRecord> = found.map(|item| item::record(OPERATION, item)).transpose()?;
            let MatchRecord { customers, rev } = record.unwrap_or_default();
            Ok::<_, StoreError>((Lead { on, customers }, rev))
        });
        let (all, revs) = try_join_all(reads).await?.into_iter().unzip();
        Ok(Leads { all, revs })
    }

    /// The checks that each list is still as it was read.
    pub(crate) fn lead_checks(&self, leads: &Leads) -> impl Iterator<Item = TransactWriteItem> {
        leads.all.iter().zip(&leads.revs).map(|(lead, rev)| {
            Expression::new().at("rev", *rev).into_check(self.table(), Key::matched(self.tenant, &lead.on))
        })
    }

    /// Lets a contact be found by customers who have the same. With a time, the contact is to be matched
    /// by then; without, that is done in the same transaction.
    pub(crate) fn contact_match_write(
        &self,
        on: &MatchOn,
        contact: ContactId,
        open_since: Option<Timestamp>,
    ) -> TransactWriteItem {
        let key = Key::matched_contact(self.tenant, on, contact);
        let mut item = item::item(key, "contact-match", &ContactMatchRecord { contact });
        if let Some(now) = open_since {
            set_due(&mut item, self, now);
        }
        Expression::new().into_put(self.table(), item)
    }

    /// The item of a list of customers, changed just now: all its contacts are to be matched anew.
    pub(crate) fn match_item(&self, on: &MatchOn, record: &MatchRecord, now: Timestamp) -> Item {
        let mut item = item::item(Key::matched(self.tenant, on), "match", record);
        set_due(&mut item, self, now);
        item
    }

    /// Matches every contact that has this in common with customers. Doing it again does nothing.
    pub(crate) async fn match_all(&self, partition: &str, now: Timestamp) -> Result<(), StoreError> {
        const OPERATION: &str = "listing who has a phone or e-mail in common";
        let items = self.partition(OPERATION, partition, MATCH).await?;
        for item in &items {
            let sort = item::text(item, SK).unwrap_or_default();
            if let Some((_, Some(contact))) = parse_match_key(partition, sort) {
                self.match_contact(contact, now).await?;
            }
        }
        for item in items.into_iter().filter(|item| item.contains_key(DUE_SK)) {
            self.settle_match(item).await?;
        }
        Ok(())
    }

    /// Matches a contact that can be matched on something new.
    pub(crate) async fn match_on_news(
        &self,
        contact: ContactId,
        on: &MatchOn,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.match_contact(contact, now).await?;
        let key = Key::matched_contact(self.tenant, on, contact);
        match self.get("reading what a contact is matched on", key).await? {
            Some(item) if item.contains_key(DUE_SK) => self.settle_match(item).await,
            _ => Ok(()),
        }
    }

    /// Takes the due date off an item that nobody has changed since it was read.
    async fn settle_match(&self, item: Item) -> Result<(), StoreError> {
        const OPERATION: &str = "settling a match";
        let due = item::text(&item, DUE_SK).unwrap_or_default().to_owned();
        let key = |name| item::text(&item, name).unwrap_or_default().to_owned();
        let key = Key { pk: key(crate::keys::PK), sk: key(SK) };
        let MatchRecord { rev, .. } = item::record(OPERATION, item)?;
        let settled = Expression::new().remove(DUE_PK).remove(DUE_SK).when("#dueSk = :due").value(":due", due);
        self.update(OPERATION, key, settled.at("rev", rev)).await.map(|_: Updated| ())
    }

    /// Matches a contact anew, in whose place another may have gone on.
    ///
    /// **What a person said stays**, by the condition that the contact's link is still the one that was
    /// read; **what is outdated is not written**, by the same condition on every list.
    pub(crate) async fn match_contact(&self, contact: ContactId, now: Timestamp) -> Result<(), StoreError> {
        const OPERATION: &str = "matching a contact";
        for surprise in 0..SURPRISES {
            if surprise > 1 {
                pause(surprise).await;
            }
            let Some(known) = self.surviving_contact(contact).await? else { return Ok(()) };
            let leads = self.leads(matchable(&known.identities, known.email.as_ref())).await?;
            let link = known.link().after_match(&leads.all);
            if link == known.link() {
                return Ok(());
            }
            let mut writes = self.link_writes(&known, &link, Expression::new(), None, now).await?;
            writes.extend(self.lead_checks(&leads));
            if matches!(self.transact(OPERATION, writes).await?, Outcome::Done) {
                return Ok(());
            }
        }
        Err(StoreError::Contended { operation: OPERATION })
    }

    /// The writes that give a contact another link and show it in all its conversations; together with
    /// another change of the contact, and of one of the conversations. Conditional on the link that is known.
    pub(crate) async fn link_writes(
        &self,
        known: &ContactRecord,
        link: &Link,
        change: Expression,
        edited: Option<(ConversationId, Expression)>,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let change = linked_to(change, link)
            .add("linkRev", 1)
            .at("linkRev", known.link_rev)
            .when(PRESENT)
            .when(NOT_MERGED)
            .into_update(self.table(), Key::contact(self.tenant, known.id));
        let mut writes = vec![change];
        let is_another = known.link().id != link.id;
        for number in if is_another { self.numbers().await? } else { Vec::new() } {
            let conversation = ConversationId::between(known.id, &number);
            if edited.as_ref().is_some_and(|(edited, _)| *edited == conversation) {
                continue;
            }
            let key = Key::conversation(self.tenant, conversation);
            writes.push(match self.conversation_itself(conversation).await? {
                Some(_) => {
                    let change = Expression::new().add("rev", 1).set("updatedAt", now.as_millisecond());
                    let change = if link.by == LinkedBy::Person { change.add("edits", 1) } else { change };
                    shown_as(change, link.id).when(PRESENT).into_update(self.table(), key)
                }
                // One that begins meanwhile would show the old link.
                None => Expression::new().when(ABSENT).into_check(self.table(), key),
            });
        }
        if let Some((conversation, edit)) = edited {
            let edit = if is_another { shown_as(edit, link.id) } else { edit };
            writes.push(edit.into_update(self.table(), Key::conversation(self.tenant, conversation)));
        }
        Ok(writes)
    }

    /// A contact, or the one that goes on in its place.
    pub(crate) async fn surviving_contact(&self, id: ContactId) -> Result<Option<ContactRecord>, StoreError> {
        let mut found = self.contact_record(id).await?;
        while let Some(survivor) = found.as_ref().and_then(|found| found.merged_into) {
            found = self.contact_record(survivor).await?;
        }
        Ok(found)
    }
}

/// Links a contact. A link that says nothing is not kept.
pub(crate) fn linked_to(change: Expression, link: &Link) -> Expression {
    if *link == Link::default() { change.remove("customer") } else { change.set("customer", link) }
}

/// Shows a customer, or none, in a conversation.
pub(crate) fn shown_as(change: Expression, customer: Option<CustomerId>) -> Expression {
    match customer {
        Some(customer) => change.set("customerId", customer),
        None => change.remove("customerId"),
    }
}

fn set_due(item: &mut Item, store: &TenantStore, now: Timestamp) {
    let due = now.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
    due::set(item, DueKind::Match, due_shard(store.tenant.to_bits()), due);
}
