//! A contact, as agents and other systems see and change it.

use crate::TenantStore;
use crate::contacts::ContactRecord;
use crate::error::StoreError;
use crate::expression::{Expression, PRESENT};
use crate::item;
use crate::keys::Key;
use crate::transaction::{Outcome, SURPRISES, pause};
use jiff::Timestamp;
use recado_domain::contact::{Address, Identities};
use recado_domain::customer::{Link, MatchOn};
use recado_domain::email::Email;
use recado_domain::ids::{ContactId, CustomerId};
use recado_domain::phone::{Phone, alternate_form};
use recado_domain::preference::Preference;

/// Somebody who wrote to the tenant, or was written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Their id.
    pub id: ContactId,
    /// What Meta knows them by.
    pub identities: Identities,
    /// Their e-mail address, if somebody stored one.
    pub email: Option<Email>,
    /// What they last said about being written to.
    pub preference: Option<Preference>,
    /// Which customer they are.
    pub link: Link,
}

/// What is to be changed about a contact. `None` leaves it, `Some(None)` removes it.
#[derive(Debug, Clone, Default)]
pub struct ContactChange {
    /// The e-mail address.
    pub email: Option<Option<Email>>,
    /// The customer that they are, as a person says. To say that they are none is a word, too.
    pub customer: Option<Option<CustomerId>>,
}

/// What became of a change.
#[derive(Debug, Clone)]
pub enum ChangedContact {
    /// It is kept.
    Done(Box<Contact>),
    /// There is no such contact.
    NoContact,
    /// There is no such customer.
    NoCustomer,
}

impl From<ContactRecord> for Contact {
    fn from(record: ContactRecord) -> Self {
        let link = record.link();
        let ContactRecord { id, identities, email, preference, .. } = record;
        Self { id, identities, email, preference, link }
    }
}

impl TenantStore {
    /// A contact; `None` if this tenant has none of that id. In place of one that turned out to be the
    /// same person as another, the other.
    pub async fn contact(&self, id: ContactId) -> Result<Option<Contact>, StoreError> {
        Ok(self.surviving_contact(id).await?.map(Contact::from))
    }

    /// Who is known by a phone, in whichever of its spellings WhatsApp has it; whoever has it now goes before
    /// whoever had it.
    pub async fn contact_of_phone(&self, phone: &Phone) -> Result<Option<ContactId>, StoreError> {
        let first = phone.to_wa_id();
        let spellings: Vec<_> = alternate_form(&first).into_iter().chain([first]).map(Address::Phone).collect();
        let mut found = self.identities(&spellings.iter().collect::<Vec<_>>()).await?;
        found.sort_by_key(|(_, held)| std::cmp::Reverse((held.until.is_none(), held.until, held.since)));
        Ok(found.first().map(|(_, held)| held.contact))
    }

    /// A contact, even if another goes on in its place.
    pub(crate) async fn contact_record(&self, contact: ContactId) -> Result<Option<ContactRecord>, StoreError> {
        const OPERATION: &str = "reading a contact";
        let found = self.get(OPERATION, Key::contact(self.tenant, contact)).await?;
        found.map(|item| item::record(OPERATION, item)).transpose()
    }

    /// Changes a contact, and shows the customer in all their conversations.
    ///
    /// **What a person says about the customer goes before every match**, and stays. An e-mail address is
    /// something to match on from now on; a match that rests on one that is removed goes with it.
    pub async fn change_contact(
        &self,
        id: ContactId,
        change: &ContactChange,
        now: Timestamp,
    ) -> Result<ChangedContact, StoreError> {
        const OPERATION: &str = "changing a contact";
        for surprise in 0..SURPRISES {
            if surprise > 1 {
                pause(surprise).await;
            }
            let Some(known) = self.surviving_contact(id).await? else { return Ok(ChangedContact::NoContact) };
            let email = change.email.clone().unwrap_or_else(|| known.email.clone());
            let rested_on = known.email.clone().filter(|old| Some(old) != email.as_ref()).map(MatchOn::Email);
            let link = match change.customer {
                Some(customer) => Link::by_person(customer),
                None if rested_on.is_some() && known.link().via == rested_on => Link::default(),
                None => known.link(),
            };
            let fields = match &email {
                Some(email) => Expression::new().set("email", email),
                None => Expression::new().remove("email"),
            };
            let mut writes = self.link_writes(&known, &link, fields, None, now).await?;
            let of_link = writes.len();
            if let Some(old) = &rested_on {
                let key = Key::matched_contact(self.tenant, old, known.id);
                writes.push(Expression::new().into_delete(self.table(), key));
            }
            let new = email.filter(|email| Some(email) != known.email.as_ref()).map(MatchOn::Email);
            if let Some(new) = &new {
                writes.push(self.contact_match_write(new, known.id, Some(now)));
            }
            if let Some(Some(customer)) = change.customer {
                let key = Key::customer(self.tenant, customer);
                writes.push(Expression::new().when(PRESENT).into_check(self.table(), key));
            }
            match self.transact(OPERATION, writes).await? {
                Outcome::Done => {
                    if let Some(new) = &new {
                        self.match_on_news(known.id, new, now).await?;
                    } else if rested_on.is_some() {
                        self.match_contact(known.id, now).await?;
                    }
                    let contact = self.contact(known.id).await?;
                    return Ok(
                        contact.map_or(ChangedContact::NoContact, |contact| ChangedContact::Done(Box::new(contact)))
                    );
                }
                Outcome::Refused(verdicts) if verdicts[of_link..].iter().any(|verdict| verdict.is_broken()) => {
                    return Ok(ChangedContact::NoCustomer);
                }
                Outcome::Refused(_) => {}
            }
        }
        Err(StoreError::Contended { operation: OPERATION })
    }
}
