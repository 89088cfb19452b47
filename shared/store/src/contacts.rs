//! Who a sender is.
//!
//! A contact has one identity item per identity (WhatsApp id, business-scoped id), written in the
//! transaction that creates the contact. Since usernames exist, either identity may be missing and
//! may become known later; a phone number may also be recycled: the same WhatsApp id with another
//! business-scoped id is another person.

use crate::error::{StoreError, failed};
use crate::expression::{ABSENT, Expression};
use crate::item::{self, Item};
use crate::keys::Key;
use crate::transaction::pause;
use crate::{Store, TenantStore};
use aws_sdk_dynamodb::types::{KeysAndAttributes, TransactWriteItem};
use jiff::Timestamp;
use recado_domain::contact::{Address, Identities};
use recado_domain::ids::{Bsuid, ContactId, MessageId};
use serde::{Deserialize, Serialize};

/// What an identity item says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityRecord {
    contact: ContactId,
    /// The business-scoped id of the contact, as far as it was known when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bsuid: Option<Bsuid>,
}

impl IdentityRecord {
    /// Whether nothing speaks against the holder of this phone being the sender.
    fn may_be(&self, sender: &Identities) -> bool {
        match (&self.bsuid, &sender.bsuid) {
            (Some(known), Some(now)) => known == now,
            _ => true,
        }
    }
}

/// What a contact item says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContactRecord {
    id: ContactId,
    #[serde(flatten)]
    identities: Identities,
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    created_at: Timestamp,
}

/// What the identities of a sender lead to.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) contact: ContactId,
    /// The contact does not exist yet, and so has no conversation.
    pub(crate) is_new: bool,
    /// Identity items to write, each with the contact that must hold it now (none: nobody may).
    links: Vec<(Address, Option<ContactId>)>,
}

impl Person {
    /// Whether an identity of this person was not known before.
    pub(crate) fn has_news(&self) -> bool {
        !self.links.is_empty()
    }
}

impl TenantStore {
    /// Finds out who a sender is: one strongly consistent read of all their identities.
    ///
    /// `first_message` names the contact if it turns out to be a new one.
    pub(crate) async fn person(&self, sender: &Identities, first_message: MessageId) -> Result<Person, StoreError> {
        let phone = sender.wa_id.clone().map(Address::Phone);
        let bsuid = sender.bsuid.clone().map(Address::Bsuid);
        let identities: Vec<&Address> = phone.iter().chain(&bsuid).collect();
        let found = self.identities(&identities).await?;
        let of = |address: &Option<Address>| {
            let address = address.as_ref()?;
            found.iter().find(|(known, _)| known == address).map(|(_, record)| record)
        };
        Ok(match (of(&phone), of(&bsuid)) {
            // The stronger identity is known; the phone may be news, or somebody else's (left alone).
            (known_phone, Some(record)) => Person {
                contact: record.contact,
                is_new: false,
                links: phone.filter(|_| known_phone.is_none()).map(|phone| (phone, None)).into_iter().collect(),
            },
            // Only the phone is known, and nothing says that it changed hands.
            (Some(record), None) if record.may_be(sender) => Person {
                contact: record.contact,
                is_new: false,
                links: bsuid
                    .map(|bsuid| (bsuid, None))
                    .into_iter()
                    .flat_map(|link| [link].into_iter().chain(phone.clone().map(|phone| (phone, Some(record.contact)))))
                    .collect(),
            },
            // A stranger, or a recycled number.
            (known_phone, None) => Person {
                contact: ContactId::of_first_message(first_message),
                is_new: true,
                links: phone
                    .map(|phone| (phone, known_phone.map(|record| record.contact)))
                    .into_iter()
                    .chain(bsuid.map(|bsuid| (bsuid, None)))
                    .collect(),
            },
        })
    }

    /// The writes that make a person's identities known; none if they all are.
    pub(crate) fn person_writes(&self, person: &Person, sender: &Identities, now: Timestamp) -> Vec<TransactWriteItem> {
        let mut writes = Vec::new();
        if person.is_new {
            let record = ContactRecord { id: person.contact, identities: sender.clone(), created_at: now };
            let key = Key::contact(self.tenant, person.contact);
            writes.push(Expression::new().when(ABSENT).into_put(self.table(), item::item(key, "contact", &record)));
        } else if person.has_news() {
            let change = Expression::new()
                .set_if_some("waId", sender.wa_id.as_ref())
                .set_if_some("bsuid", sender.bsuid.as_ref());
            writes.push(change.into_update(self.table(), Key::contact(self.tenant, person.contact)));
        }
        for (address, holder) in &person.links {
            let record = IdentityRecord { contact: person.contact, bsuid: sender.bsuid.clone() };
            let unchanged = match holder {
                None => Expression::new().when(ABSENT),
                Some(holder) => Expression::new().when("#contact = :holder").value(":holder", holder),
            };
            let item = item::item(Key::identity(self.tenant, address), "identity", &record);
            writes.push(unchanged.into_put(self.table(), item));
        }
        writes
    }

    async fn identities(&self, addresses: &[&Address]) -> Result<Vec<(Address, IdentityRecord)>, StoreError> {
        const OPERATION: &str = "reading a sender's identities";
        let keys: Vec<Key> = addresses.iter().map(|address| Key::identity(self.tenant, address)).collect();
        let items = self.store.batch_get(OPERATION, keys.clone()).await?;
        let mut found = Vec::new();
        for item in items {
            let place = keys.iter().position(|key| item::text(&item, crate::keys::PK) == Some(&key.pk));
            if let Some(place) = place {
                found.push((addresses[place].clone(), item::record(OPERATION, item)?));
            }
        }
        Ok(found)
    }
}

impl Store {
    /// Reads a few items, strongly consistent, in one call unless DynamoDB asks for another.
    async fn batch_get(&self, operation: &'static str, keys: Vec<Key>) -> Result<Vec<Item>, StoreError> {
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
