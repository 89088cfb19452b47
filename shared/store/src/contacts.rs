//! Who a sender is.
//!
//! A contact has one identity item per identity (WhatsApp id, business-scoped id), written in the
//! transaction that creates the contact. Since usernames exist, either identity may be missing and
//! may become known later; a phone number may also be recycled: the same WhatsApp id with another
//! business-scoped id is another person.

use crate::error::{StoreError, failed};
use crate::expression::{ABSENT, Expression, NOT_MERGED, PRESENT};
use crate::identity::IdentityRecord;
use crate::item::{self, Item};
use crate::keys::Key;
use crate::links::Leads;
use crate::transaction::pause;
use crate::{Store, TenantStore};
use aws_sdk_dynamodb::types::{KeysAndAttributes, TransactWriteItem};
use jiff::Timestamp;
use recado_domain::contact::{Address, Identities};
use recado_domain::customer::{Link, MatchOn, matchable};
use recado_domain::email::Email;
use recado_domain::ids::{ContactId, CustomerId, MessageId};
use recado_domain::phone::match_key_of;
use recado_domain::preference::Preference;
use serde::{Deserialize, Serialize};

/// What a contact item says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContactRecord {
    pub(crate) id: ContactId,
    #[serde(flatten)]
    pub(crate) identities: Identities,
    /// When they last changed their number or id.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) moved_at: Option<Timestamp>,
    /// What they last said about being written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) preference: Option<Preference>,
    /// Their e-mail address, as an agent or another system stored it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<Email>,
    /// Which customer they are; `None` if that was never the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) customer: Option<Link>,
    /// Counts the changes of it, so that one based on what was read is refused if it is outdated.
    #[serde(default, skip_serializing_if = "item::is_zero")]
    pub(crate) link_rev: u64,
    /// The contact that turned out to be the same person, and goes on for both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) merged_into: Option<ContactId>,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub(crate) created_at: Timestamp,
}

impl ContactRecord {
    /// A contact that nobody knew.
    pub(crate) fn new(id: ContactId, identities: Identities, now: Timestamp) -> Self {
        Self {
            id,
            identities,
            moved_at: None,
            preference: None,
            email: None,
            customer: None,
            link_rev: 0,
            merged_into: None,
            created_at: now,
        }
    }

    /// Which customer they are.
    pub(crate) fn link(&self) -> Link {
        self.customer.clone().unwrap_or_default()
    }
}

/// What the identities of a sender lead to.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) contact: ContactId,
    /// The contact does not exist yet, and so has no conversation.
    pub(crate) is_new: bool,
    /// Another contact that is the same person. To be merged before anything is written.
    pub(crate) twin: Option<ContactId>,
    /// Identity items to write, each with what it must say now (none: it must not be there).
    links: Vec<(Address, Option<IdentityRecord>)>,
    /// What takes a phone from a contact that lost it to this one.
    releases: Vec<TransactWriteItem>,
    /// The phone that they were seen with, if it is known to be theirs now.
    holds: Option<(Address, IdentityRecord)>,
    /// Which customer they are. Only known of a new contact, and of one that begins a conversation.
    link: Link,
    /// How often that was changed when it was read.
    link_rev: u64,
    /// Of a new contact, whom its phone leads to.
    leads: Leads,
    /// The phone that they were seen with is somebody else's since.
    has_lost_phone: bool,
    /// Until when their phone was somebody else's than afterwards, if it alone says who they are.
    pub(crate) partings: [Option<Timestamp>; 2],
    /// What is stored of them, where a conversation with them begins.
    stored: Option<Identities>,
    /// Since when what is written of their identities counts.
    at: Option<Timestamp>,
}

impl Person {
    fn known(contact: ContactId, at: Option<Timestamp>) -> Self {
        Self {
            contact,
            is_new: false,
            twin: None,
            links: Vec::new(),
            releases: Vec::new(),
            holds: None,
            link: Link::default(),
            link_rev: 0,
            leads: Leads::default(),
            has_lost_phone: false,
            partings: [None; 2],
            stored: None,
            at,
        }
    }

    /// Whether an identity of this person was not known before.
    pub(crate) fn has_news(&self) -> bool {
        !self.links.is_empty()
    }

    /// Whether the phone that they were seen with is theirs, as far as was known when this was found out.
    pub(crate) const fn holds_phone(&self) -> bool {
        self.holds.is_some()
    }

    /// The customer that is to be shown in a conversation that begins.
    pub(crate) const fn customer(&self) -> Option<CustomerId> {
        self.link.id
    }

    /// A phone by which a contact was not known before.
    fn new_phone(&self) -> Option<MatchOn> {
        let phone = self.links.iter().find_map(|(address, _)| match address {
            Address::Phone(phone) => Some(phone),
            Address::Bsuid(_) => None,
        });
        phone.and_then(match_key_of).map(MatchOn::Phone)
    }

    /// Adds the condition that what is stored of them has not changed since it was read.
    fn unchanged(&self, change: Expression) -> Expression {
        let Some(Identities { wa_id, bsuid, .. }) = &self.stored else { return change };
        let change = match wa_id {
            Some(wa_id) => change.when("#waId = :storedWaId").value(":storedWaId", wa_id),
            None => change.when("attribute_not_exists(#waId)"),
        };
        match bsuid {
            Some(bsuid) => change.when("#bsuid = :storedBsuid").value(":storedBsuid", bsuid),
            None => change.when("attribute_not_exists(#bsuid)"),
        }
    }

    /// What a conversation that begins with this sender shows. Of somebody known not what an old message says of
    /// them, but what they are known by now.
    pub(crate) fn shown(&self, sender: &Identities) -> Identities {
        let sender = self.known_by(sender);
        let Some(stored) = self.stored.clone() else { return sender };
        let news = if self.has_news() { sender.clone() } else { Identities::default() };
        let (wa_id, bsuid) = (news.wa_id.or(stored.wa_id), news.bsuid.or(stored.bsuid));
        Identities { wa_id, bsuid, ..sender }
    }

    /// What of a message's sender is still true: not a phone that has passed to somebody else, who would be written
    /// to in their place.
    pub(crate) fn known_by(&self, sender: &Identities) -> Identities {
        let wa_id = sender.wa_id.clone().filter(|_| !self.has_lost_phone);
        Identities { wa_id, ..sender.clone() }
    }
}

impl TenantStore {
    /// Finds out who a sender is that was seen at this time: one strongly consistent read of all their
    /// identities.
    ///
    /// `first_message` names the contact if it turns out to be a new one. The phone is theirs if nobody else was
    /// `seen` with it later. If they were not seen themselves, because somebody else wrote or it was no message, the
    /// phone is theirs only as long as nobody writes from it.
    pub(crate) async fn person(
        &self,
        sender: &Identities,
        first_message: MessageId,
        at: Timestamp,
        seen: Option<Timestamp>,
    ) -> Result<Person, StoreError> {
        let phone = sender.wa_id.clone().map(Address::Phone);
        let bsuid = sender.bsuid.clone().map(Address::Bsuid);
        let identities: Vec<&Address> = phone.iter().chain(&bsuid).collect();
        let found = self.identities(&identities).await?;
        let of = |address: &Option<Address>| {
            let address = address.as_ref()?;
            found.iter().find(|(known, _)| known == address).map(|(_, record)| record)
        };
        // Of somebody without an id, only the phone tells who they were.
        let by_phone = of(&phone).filter(|_| of(&bsuid).is_none());
        let partings = by_phone.map(IdentityRecord::partings).unwrap_or_default();
        if let Some(former) = by_phone.and_then(|held| held.held_before(at)) {
            return Ok(Person { partings, ..Person::known(former, seen) });
        }
        let mut links = Vec::new();
        let (mut person, held) = match (of(&phone), of(&bsuid)) {
            // The stronger identity is known.
            (held, Some(record)) => {
                let mut person = Person::known(record.contact, seen);
                if let Some(held) = held.filter(|held| held.contact != record.contact && held.may_be(sender, at)) {
                    person.twin = Some(held.contact);
                    return Ok(person);
                }
                let is_free = |held: &&IdentityRecord| held.until.is_some_and(|until| until < at);
                let is_theirs = |held: &&IdentityRecord| held.contact == record.contact && held.until.is_none();
                person.holds = phone.clone().zip(held.filter(is_theirs).cloned());
                (person, held.filter(|held| held.contact != record.contact || is_free(held)))
            }
            // Only the phone is known, and nothing says that it changed hands.
            (Some(held), None) if held.may_be(sender, at) => {
                let mut person = Person { partings, ..Person::known(held.contact, seen) };
                // What an old message says of an identity that was left behind is not news.
                if held.until.is_none() {
                    match bsuid {
                        Some(bsuid) => {
                            person.links.push((bsuid, None));
                            person.links.extend(phone.map(|phone| (phone, Some(held.clone()))));
                        }
                        None => person.holds = phone.map(|phone| (phone, held.clone())),
                    }
                }
                return Ok(person);
            }
            // A stranger, or a recycled number.
            (held, None) => {
                links.extend(bsuid.clone().map(|bsuid| (bsuid, None)));
                let contact = ContactId::of_first_message(first_message);
                let leads = self.leads(matchable(sender, None)).await?;
                let link = Link::default().after_match(&leads.all);
                (Person { is_new: true, link, leads, partings, ..Person::known(contact, seen) }, held)
            }
        };
        let is_free = of(&phone).is_none();
        match (phone, held) {
            (Some(phone), None) if is_free => links.push((phone, None)),
            (Some(phone), Some(held)) if held.until.is_some_and(|until| until < at) => {
                links.push((phone, Some(held.clone())));
            }
            (Some(phone), Some(held)) => match self.handover(&phone, held, sender, seen).await? {
                Some(releases) => {
                    person.releases = releases;
                    links.push((phone, Some(held.clone())));
                }
                // An old message says that it once was theirs.
                None => person.has_lost_phone = held.contact != person.contact,
            },
            _ => {}
        }
        person.links = links;
        Ok(person)
    }

    /// Finds out what is stored of a known contact, because a conversation with them begins: what they are known
    /// by, and which customer they are.
    pub(crate) async fn stored(&self, person: Person) -> Result<Person, StoreError> {
        if person.is_new {
            return Ok(person);
        }
        let known = self.contact_record(person.contact).await?;
        let (link, link_rev) = known.as_ref().map(|known| (known.link(), known.link_rev)).unwrap_or_default();
        Ok(Person { link, link_rev, stored: known.map(|known| known.identities), ..person })
    }

    /// Matches a contact that has a phone by which it was not known before. It is stored by now, and due.
    pub(crate) async fn match_new_phone(&self, person: &Person, now: Timestamp) -> Result<(), StoreError> {
        match person.new_phone().filter(|_| !person.is_new) {
            Some(phone) => self.match_on_news(person.contact, &phone, now).await,
            None => Ok(()),
        }
    }

    /// The writes that make a person's identities known; none if they all are. `creates` says whether a
    /// conversation with them is written for the first time: it shows the customer, so that must still be
    /// the one.
    pub(crate) fn person_writes(
        &self,
        person: &Person,
        sender: &Identities,
        creates: bool,
        now: Timestamp,
    ) -> Vec<TransactWriteItem> {
        let sender = &person.known_by(sender);
        let mut writes = person.releases.clone();
        let key = Key::contact(self.tenant, person.contact);
        if person.is_new {
            let customer = Some(person.link.clone()).filter(|link| *link != Link::default());
            let record = ContactRecord { customer, ..ContactRecord::new(person.contact, sender.clone(), now) };
            writes.push(Expression::new().when(ABSENT).into_put(self.table(), item::item(key, "contact", &record)));
            let leads = person.leads.all.iter();
            writes.extend(leads.map(|lead| self.contact_match_write(&lead.on, person.contact, None)));
            writes.extend(self.lead_checks(&person.leads));
        } else if person.has_news() {
            let change = Expression::new()
                .set_if_some("waId", sender.wa_id.as_ref())
                .set_if_some("bsuid", sender.bsuid.as_ref());
            let change = person.unchanged(change);
            let change = if creates { change.at("linkRev", person.link_rev) } else { change };
            writes.push(change.when(PRESENT).when(NOT_MERGED).into_update(self.table(), key));
            writes.extend(person.new_phone().map(|phone| self.contact_match_write(&phone, person.contact, Some(now))));
        } else if creates {
            // Who is being merged, linked, or becomes known by something else right now must not begin anything.
            let unchanged = person.unchanged(Expression::new()).at("linkRev", person.link_rev);
            writes.push(unchanged.when(PRESENT).when(NOT_MERGED).into_check(self.table(), key));
        }
        for (address, known) in &person.links {
            // What told it aside has it from when it was free.
            let since = person.at.or_else(|| known.as_ref().and_then(|known| known.until));
            let since = since.max(known.as_ref().filter(|known| known.contact == person.contact).and_then(|k| k.since));
            let former = IdentityRecord::former(known.as_ref(), person.contact);
            let bsuid = sender.bsuid.clone();
            let record = IdentityRecord { contact: person.contact, bsuid, since, until: None, former };
            let unchanged = IdentityRecord::unchanged(known.as_ref());
            let item = item::item(Key::identity(self.tenant, address), "identity", &record);
            writes.push(unchanged.into_put(self.table(), item));
            writes.push(self.known_by_write(person.contact, address));
        }
        writes
    }

    /// The check that the phone of a person is still theirs, for what is stored of them where it does not show.
    pub(crate) fn holder_check(&self, person: &Person) -> Option<TransactWriteItem> {
        let (phone, known) = person.holds.as_ref()?;
        let unchanged = IdentityRecord::unchanged(Some(known));
        Some(unchanged.into_check(self.table(), Key::identity(self.tenant, phone)))
    }
}

impl Store {
    /// Reads a few items, strongly consistent, in one call unless DynamoDB asks for another.
    pub(crate) async fn batch_get(&self, operation: &'static str, keys: Vec<Key>) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut wanted: Vec<_> = keys.into_iter().map(Key::into_attributes).collect();
        for attempt in 0.. {
            let request = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true);
            let request = request.build().expect("all parts are set");
            let answer = self
                .client
                .batch_get_item()
                .request_items(self.table.as_ref(), request)
                .send()
                .await
                .map_err(failed(operation))?;
            items.extend(answer.responses.into_iter().flatten().flat_map(|(_, items)| items));
            wanted = answer.unprocessed_keys.into_iter().flatten().flat_map(|(_, rest)| rest.keys).collect();
            if wanted.is_empty() {
                break;
            }
            pause(attempt).await;
        }
        Ok(items)
    }
}
