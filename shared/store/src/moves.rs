//! People who change their number or id, and contacts that turn out to be one person.
//!
//! A contact keeps its id and its conversations whatever it is known by. Of two contacts that are one
//! person, the survivor's conversations take the place of the other's: those are marked with
//! `mergedInto`, every write to a conversation checks that mark, and their messages stay where they are.

use crate::TenantStore;
use crate::contacts::ContactRecord;
use crate::conversation::{Conversation, ConversationStatus};
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression, NOT_MERGED, PRESENT};
use crate::identity::{Former, IdentityRecord, unbegun};
use crate::inbound::{InboundBatch, NewMessage, Recorded};
use crate::item;
use crate::keys::{FORMERLY, INBOX_PK, INBOX_SK, Key, NUMBERS, SK, UNREAD_PK, UNREAD_SK, inbox_partition, inbox_sort};
use crate::links::{linked_to, shown_as};
use crate::transaction::{Outcome, SURPRISES, pause};
use crate::unread::{earlier, unread_from};
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use recado_domain::contact::{Address, Identities};
use recado_domain::customer::{Link, matchable};
use recado_domain::ids::{ContactId, ConversationId, CustomerId, MessageId, PhoneNumberId};
use recado_domain::label::Label;
use recado_domain::search::Term;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Somebody is now known by other identities.
#[derive(Debug, Clone)]
pub struct Move {
    /// The number at which it was told.
    pub number: PhoneNumberId,
    /// What they were known by.
    pub before: Identities,
    /// What they are known by now.
    pub after: Identities,
    /// The line that tells of it in the conversation.
    pub line: NewMessage,
}

/// What the one contact that goes on for two is known as.
struct KnownAs<'a> {
    survivor: ContactId,
    identities: &'a Identities,
    customer: Option<CustomerId>,
}

/// Something a contact is or was known by.
#[derive(Debug, Serialize, Deserialize)]
struct FormerRecord {
    #[serde(flatten)]
    identity: Identities,
}

impl TenantStore {
    /// Lets a contact be known by other identities, and stores the line that tells of it.
    ///
    /// **Once** by the line's pointer. **In any order**: what was written under the new identities before
    /// this came made a contact of its own, which is merged; what was written under the old ones and comes
    /// later still leads to the contact, because an identity that was left behind says until when.
    pub async fn record_move(&self, moved: &Move, now: Timestamp) -> Result<Recorded, StoreError> {
        let id = MessageId::of_wamid(&moved.number, &moved.line.wamid);
        if self.place_of(id).await?.is_none() {
            self.rewire(moved, id, now).await?;
        }
        let Move { number, after, line, .. } = moved;
        let batch = InboundBatch { number: number.clone(), sender: after.clone(), messages: vec![line.clone()] };
        Ok(self.record_inbound(&batch, now).await?.remove(0))
    }

    async fn rewire(&self, moved: &Move, line: MessageId, now: Timestamp) -> Result<(), StoreError> {
        const OPERATION: &str = "changing what a contact is known by";
        let (before, after, at) = (addresses(&moved.before), addresses(&moved.after), moved.line.timestamp);
        for surprise in 0..SURPRISES {
            if surprise > 1 {
                pause(surprise).await;
            }
            let known = self.identities(&before.iter().chain(&after).collect::<Vec<_>>()).await?;
            let of = |address: &Address| known.iter().find(|(known, _)| known == address).map(|(_, record)| record);
            let holders =
                |addresses: &[Address], holder: &dyn Fn(&IdentityRecord) -> Option<ContactId>| -> Vec<ContactId> {
                    // The stronger identity first; it is never anybody else's.
                    let strength = |address: &&Address| u8::from(matches!(address, Address::Phone(_)));
                    let mut addresses: Vec<&Address> = addresses.iter().collect();
                    addresses.sort_by_key(strength);
                    let held = addresses.into_iter().filter_map(|address| Some((address, of(address)?)));
                    held.filter_map(|(address, record)| match address {
                        Address::Bsuid(_) => Some(record.contact),
                        Address::Phone(_) => holder(record),
                    })
                    .collect()
                };
            let left = holders(&before, &|record| record.left_by(&moved.before, at));
            // Whoever had it before that, and said nothing of leaving it, is somebody else.
            let was_there = |record: &IdentityRecord| {
                let is_mover = |left: &IdentityRecord| left.contact == record.contact || left.was_of(record.contact);
                record.since.is_none_or(|since| since >= at) || before.iter().filter_map(of).any(is_mover)
            };
            let is_theirs = |record: &IdentityRecord| was_there(record) && record.may_be(&moved.after, at);
            let taken = holders(&after, &|record| is_theirs(record).then_some(record.contact));
            let same = [left, taken].concat();
            let contact = same.first().copied().unwrap_or_else(|| ContactId::of_first_message(line));
            if let Some(twin) = same.iter().find(|other| **other != contact) {
                self.merge(contact, *twin, now).await?;
                continue;
            }
            let mut writes = self.move_writes(moved, contact, same.is_empty(), &of, now).await?;
            // Whoever has another phone may be found to be a customer by it.
            let phone = matchable(&moved.after, None).pop();
            writes.extend(phone.iter().map(|phone| self.contact_match_write(phone, contact, Some(now))));
            let terms: Vec<Term> = moved.after.wa_id.iter().flat_map(Term::of_phone).collect();
            self.make_findable(contact, &terms).await?;
            if matches!(self.transact(OPERATION, writes).await?, Outcome::Done) {
                return match &phone {
                    Some(phone) => self.match_on_news(contact, phone, now).await,
                    None => Ok(()),
                };
            }
        }
        Err(StoreError::Contended { operation: OPERATION })
    }

    async fn move_writes<'a>(
        &self,
        moved: &Move,
        contact: ContactId,
        is_new: bool,
        of: &impl Fn(&Address) -> Option<&'a IdentityRecord>,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let at = moved.line.timestamp;
        let (before, after) = (addresses(&moved.before), addresses(&moved.after));
        let mut writes = Vec::new();
        let link = |address: &Address, bsuid, since, until| {
            let former = IdentityRecord::former(of(address), contact);
            let record = IdentityRecord { contact, bsuid, since, until, former };
            let item = item::item(Key::identity(self.tenant, address), "identity", &record);
            IdentityRecord::unchanged(of(address)).into_put(self.table(), item)
        };
        let others = |address: &Address| of(address).filter(|held| held.contact != contact);
        let mut shown = moved.after.clone();
        for address in &after {
            let held = of(address).filter(|held| held.contact == contact);
            // They have left it again since.
            if held.is_some_and(|held| held.until.is_some_and(|until| at <= until)) {
                continue;
            }
            if let Some(other) = others(address) {
                match self.handover(address, other, &moved.after, Some(at)).await? {
                    Some(releases) => writes.extend(releases),
                    // Somebody else has it since.
                    None => {
                        shown.wa_id = None;
                        continue;
                    }
                }
            }
            let since = held.and_then(|held| held.since).max(Some(at));
            shown.bsuid = shown.bsuid.or_else(|| held.and_then(|held| held.bsuid.clone()));
            writes.push(link(address, shown.bsuid.clone(), since, None));
            writes.push(self.known_by_write(contact, address));
        }
        // A new id does not mean a new phone, but a new phone means a new id.
        let is_left = |address: &&Address| moved.after.wa_id.is_some() || matches!(address, Address::Bsuid(_));
        for address in before.iter().filter(|address| !after.contains(address)).filter(is_left) {
            let held = of(address).filter(|held| held.contact == contact);
            // An id is nobody else's ever; a phone may be somebody else's tomorrow.
            let until = matches!(address, Address::Phone(_)).then_some(at);
            let is_theirs = match others(address) {
                None => true,
                // From one who has had both, one thing after the other.
                Some(other) if after.iter().filter_map(others).any(|loser| loser.contact == other.contact) => false,
                Some(other) => match self.handover(address, other, &moved.before, Some(at)).await? {
                    Some(releases) => {
                        writes.extend(releases);
                        true
                    }
                    None => {
                        if let Some(now_known) = other.after(contact, at) {
                            let item = item::item(Key::identity(self.tenant, address), "identity", &now_known);
                            writes.push(IdentityRecord::unchanged(Some(other)).into_put(self.table(), item));
                        }
                        false
                    }
                },
            };
            let has_come_back = held.is_some_and(|held| held.since > Some(at));
            if is_theirs && !has_come_back && (held.is_none() || until.is_some()) {
                let until = until.max(held.and_then(|held| held.until));
                let since = held.and_then(|held| held.since);
                let bsuid = moved.before.bsuid.clone().or_else(|| held.and_then(|held| held.bsuid.clone()));
                writes.push(link(address, bsuid, since, until));
            }
            writes.push(self.known_by_write(contact, address));
        }
        let key = Key::contact(self.tenant, contact);
        if is_new {
            let record = ContactRecord { moved_at: Some(at), ..ContactRecord::new(contact, shown, now) };
            writes.push(Expression::new().when(ABSENT).into_put(self.table(), item::item(key, "contact", &record)));
            return Ok(writes);
        }
        let known = self.contact_record(contact).await?;
        if known.as_ref().and_then(|known| known.moved_at).is_some_and(|last| last >= at) {
            // What is linked to it must not be left behind by a merge.
            writes.push(Expression::new().when(PRESENT).when(NOT_MERGED).into_check(self.table(), key));
        } else {
            let change = Expression::new()
                .set("movedAt", at.as_millisecond())
                .when(PRESENT)
                .when(NOT_MERGED)
                .when("attribute_not_exists(#movedAt) OR #movedAt < :movedAt");
            let show = |change, place| {
                let change = now_known_by(change, place, &shown);
                let has_none = moved.after.wa_id.is_some() && shown.wa_id.is_none();
                if has_none { change.remove(&format!("{place}waId")) } else { change }
            };
            writes.push(show(change, "").into_update(self.table(), key));
            for (id, conversation) in self.conversations_of(contact).await? {
                let key = Key::conversation(self.tenant, id);
                // One that begins right now would show what is read here.
                let Some(conversation) = conversation else {
                    writes.push(unbegun().into_check(self.table(), key));
                    continue;
                };
                let change = Expression::new().add("rev", 1).set("updatedAt", now.as_millisecond());
                let change = change.when("#rev = :known").value(":known", conversation.rev);
                writes.push(show(change, "contact.").into_update(self.table(), key));
            }
        }
        Ok(writes)
    }

    /// Merges two contacts of which neither is the older one by what was told: the one that was there
    /// first goes on.
    pub(crate) async fn merge_twins(&self, one: ContactId, other: ContactId, now: Timestamp) -> Result<(), StoreError> {
        let age =
            async |contact| Ok::<_, StoreError>((self.contact_record(contact).await?.map(|c| c.created_at), contact));
        let mut twins = [age(one).await?, age(other).await?];
        twins.sort();
        self.merge(twins[0].1, twins[1].1, now).await
    }

    /// Lets one contact go on for two that are the same person. Doing it again does nothing. Should
    /// anything have changed since it was read, nothing is written; the caller looks again.
    pub(crate) async fn merge(&self, survivor: ContactId, loser: ContactId, now: Timestamp) -> Result<(), StoreError> {
        const OPERATION: &str = "merging two contacts";
        let (Some(goes_on), Some(ends)) = (self.contact_record(survivor).await?, self.contact_record(loser).await?)
        else {
            return Err(StoreError::Contended { operation: OPERATION });
        };
        // Whichever of them changed last knows what they are known by; the other one fills in.
        let is_later = ends.moved_at > goes_on.moved_at;
        let (first, second) = match is_later {
            true => (&ends.identities, &goes_on.identities),
            false => (&goes_on.identities, &ends.identities),
        };
        let known_by = Identities {
            wa_id: first.wa_id.clone().or_else(|| second.wa_id.clone()),
            bsuid: first.bsuid.clone().or_else(|| second.bsuid.clone()),
            ..first.clone()
        };
        let link = Link::merged(&goes_on.link(), &ends.link());
        let preference = match (goes_on.preference, ends.preference) {
            (Some(known), Some(other)) => Some(if other.goes_before(&known) { other } else { known }),
            (known, other) => known.or(other),
        };
        let as_read = |known: &ContactRecord| {
            let Identities { wa_id, bsuid, .. } = &known.identities;
            let change = Expression::new().when(PRESENT).when(NOT_MERGED).at("linkRev", known.link_rev);
            change.still("waId", wa_id.as_ref()).still("bsuid", bsuid.as_ref())
        };
        let mut writes = vec![
            as_read(&ends).set("mergedInto", survivor).into_update(self.table(), Key::contact(self.tenant, loser)),
            linked_to(now_known_by(as_read(&goes_on), "", &known_by), &link)
                .add("linkRev", 1)
                .set_if_some("email", goes_on.email.or(ends.email))
                .set_if_some("preference", preference)
                .set_if_some("movedAt", goes_on.moved_at.max(ends.moved_at).map(Timestamp::as_millisecond))
                .into_update(self.table(), Key::contact(self.tenant, survivor)),
        ];
        let mut identities = addresses(&ends.identities);
        let formerly = Key::contact(self.tenant, loser).pk;
        for former in self.partition(OPERATION, &formerly, FORMERLY).await? {
            let FormerRecord { identity } = item::record(OPERATION, former)?;
            for address in addresses(&identity) {
                if !identities.contains(&address) {
                    identities.push(address);
                }
            }
        }
        for address in addresses(&goes_on.identities) {
            if !identities.contains(&address) {
                identities.push(address);
            }
        }
        for (address, record) in self.identities(&identities.iter().collect::<Vec<_>>()).await? {
            // Whoever has the phone is known by the id as well from now on, so that another id with it is somebody else.
            let bsuid = record.bsuid.clone().or_else(|| known_by.bsuid.clone().filter(|_| record.until.is_none()));
            let now_of = |contact| if contact == loser { survivor } else { contact };
            let contact = now_of(record.contact);
            let former = record.former.map(|former| Former { contact: now_of(former.contact), ..former });
            let is_news =
                (contact, former) != (record.contact, record.former) || (contact == survivor && bsuid != record.bsuid);
            if is_news {
                let unchanged = IdentityRecord::unchanged(Some(&record));
                let link = IdentityRecord { contact, former, bsuid, ..record };
                let item = item::item(Key::identity(self.tenant, &address), "identity", &link);
                writes.push(unchanged.into_put(self.table(), item));
                writes.push(self.known_by_write(survivor, &address));
            }
        }
        for number in self.numbers().await? {
            let of = |contact| self.conversation_itself(ConversationId::between(contact, &number));
            let goes_on = of(survivor).await?;
            if let Some(ends) = of(loser).await?.filter(|ends| ends.merged_into.is_none()) {
                let known = KnownAs { survivor, identities: &known_by, customer: link.id };
                writes.extend(self.fold(&known, goes_on, ends, &number, now));
            } else if let Some(goes_on) = goes_on.filter(|goes_on| {
                let Identities { wa_id, bsuid, .. } = &goes_on.contact;
                goes_on.customer_id != link.id || (wa_id, bsuid) != (&known_by.wa_id, &known_by.bsuid)
            }) {
                let change = Expression::new().add("rev", 1).set("updatedAt", now.as_millisecond());
                let change = now_known_by(shown_as(change, link.id), "contact.", &known_by)
                    .when("#rev = :known")
                    .value(":known", goes_on.rev);
                writes.push(change.into_update(self.table(), Key::conversation(self.tenant, goes_on.id)));
            }
        }
        let terms: Vec<Term> = known_by.wa_id.iter().flat_map(Term::of_phone).collect();
        self.make_findable(survivor, &terms).await?;
        self.transact(OPERATION, writes).await.map(|_| ())
    }

    /// Remembers that a contact is known by something. Written whenever an identity comes to lead to the contact, so
    /// that a merge finds every identity that does, whatever the contact shows by then.
    pub(crate) fn known_by_write(&self, contact: ContactId, address: &Address) -> TransactWriteItem {
        let former = FormerRecord { identity: identity_of(address) };
        let item = item::item(Key::formerly(self.tenant, contact, address), "former-identity", &former);
        Expression::new().into_put(self.table(), item)
    }

    /// Puts one conversation in the place of two.
    fn fold(
        &self,
        known: &KnownAs<'_>,
        goes_on: Option<Conversation>,
        ends: Conversation,
        number: &PhoneNumberId,
        now: Timestamp,
    ) -> [TransactWriteItem; 2] {
        let KnownAs { survivor, identities: known_by, customer } = *known;
        let id = ConversationId::between(survivor, number);
        let mark = Expression::new()
            .set("mergedInto", id)
            .set("updatedAt", now.as_millisecond())
            .add("rev", 1)
            .remove(INBOX_PK)
            .remove(INBOX_SK)
            .remove(UNREAD_PK)
            .remove(UNREAD_SK)
            .when("#rev = :known")
            .value(":known", ends.rev)
            .into_update(self.table(), Key::conversation(self.tenant, ends.id));
        let absorbed = [vec![ends.id], ends.absorbed.clone()].concat();
        let Some(goes_on) = goes_on else {
            let contact = Identities { wa_id: known_by.wa_id.clone(), bsuid: known_by.bsuid.clone(), ..ends.contact };
            let (contact_id, customer_id, updated_at) = (survivor, customer, now);
            let begun = Conversation { id, contact_id, contact, customer_id, absorbed, updated_at, rev: 1, ..ends };
            return [mark, Expression::new().when(ABSENT).into_put(self.table(), begun.to_item(self.tenant))];
        };
        let status = match (goes_on.status, ends.status) {
            (ConversationStatus::Spam, _) => ConversationStatus::Spam,
            (_, ConversationStatus::Open) => ConversationStatus::Open,
            (status, _) => status,
        };
        let last_order = goes_on.last_order.max(ends.last_order);
        let window = goes_on.window_expires_at.max(ends.window_expires_at);
        let phone_seen_at = goes_on.phone_seen_at.max(ends.phone_seen_at);
        let labels: BTreeSet<&Label> = goes_on.labels.iter().chain(&ends.labels).collect();
        let first_unread = earlier(goes_on.first_unread, ends.first_unread);
        let mut change = unread_from(Expression::new(), self.tenant, status, first_unread)
            .add("unreadCount", ends.unread_count)
            .add("rev", 1)
            // More than either had, so that nobody's change fits who knew only one of them.
            .add("edits", ends.edits + 1)
            .set("updatedAt", now.as_millisecond())
            .set("status", status)
            .set(INBOX_PK, inbox_partition(self.tenant, status.as_str()))
            .set(INBOX_SK, inbox_sort(last_order, id))
            .set("absorbed", [goes_on.absorbed, absorbed].concat())
            .set_if_some("windowExpiresAt", window.map(Timestamp::as_millisecond))
            .set_if_some("phoneSeenAt", phone_seen_at.map(Timestamp::as_millisecond))
            .set_if_some("assignedToId", goes_on.assigned_to_id.or(ends.assigned_to_id))
            .set_if_some("labels", Some(labels).filter(|labels| !labels.is_empty()))
            .set_if_some("activeJobId", goes_on.active_job_id.or(ends.active_job_id))
            .when("#rev = :known")
            .value(":known", goes_on.rev);
        change = shown_as(change, customer);
        if ends.last_order == last_order {
            change = change
                .set("lastOrder", last_order)
                .set("lastMessageAt", ends.last_message_at.as_millisecond())
                .set("lastPreview", ends.last_preview.expose())
                .set("lastDirection", ends.last_direction)
                .set_if_some("contact.name", ends.contact.name.as_ref())
                .set_if_some("contact.username", ends.contact.username.as_ref());
        }
        let key = Key::conversation(self.tenant, id);
        [mark, now_known_by(change, "contact.", known_by).into_update(self.table(), key)]
    }

    /// The tenant's numbers.
    pub(crate) async fn numbers(&self) -> Result<Vec<PhoneNumberId>, StoreError> {
        let items = self.partition("listing a tenant's numbers", &Key::tenant(self.tenant).pk, NUMBERS).await?;
        let number = |item: &item::Item| PhoneNumberId::parse(item::text(item, SK)?.strip_prefix(NUMBERS)?).ok();
        Ok(items.iter().filter_map(number).collect())
    }
}

/// What a contact can be found by.
fn addresses(who: &Identities) -> Vec<Address> {
    let phone = who.wa_id.clone().map(Address::Phone);
    phone.into_iter().chain(who.bsuid.clone().map(Address::Bsuid)).collect()
}

fn identity_of(address: &Address) -> Identities {
    match address.clone() {
        Address::Phone(wa_id) => Identities { wa_id: Some(wa_id), ..Identities::default() },
        Address::Bsuid(bsuid) => Identities { bsuid: Some(bsuid), ..Identities::default() },
    }
}

/// Sets what somebody is known by. With the number the id changes too (WHATSAPP.md §2.6): an id that is
/// not told is not known.
fn now_known_by(change: Expression, at: &str, who: &Identities) -> Expression {
    let (phone, id) = (format!("{at}waId"), format!("{at}bsuid"));
    let change = change.set_if_some(&phone, who.wa_id.as_ref());
    match &who.bsuid {
        Some(bsuid) => change.set(&id, bsuid),
        None => change.remove(&id),
    }
}
