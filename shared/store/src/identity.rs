//! Whose an identity is.
//!
//! A phone may pass from one person to another, and whoever was seen with it last has it. Of an identity item only
//! the changes of hands are written; how lately its holder was seen stands in their conversations, where a message
//! is written anyway. So an old message takes a phone from nobody, whenever it comes.

use crate::TenantStore;
use crate::conversation::Conversation;
use crate::error::StoreError;
use crate::expression::{ABSENT, Expression};
use crate::item;
use crate::keys::Key;
use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use recado_domain::contact::{Address, Identities};
use recado_domain::ids::{Bsuid, ContactId, ConversationId};
use serde::{Deserialize, Serialize};

/// What an identity item says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IdentityRecord {
    pub(crate) contact: ContactId,
    /// The business-scoped id of the contact, as far as it was known when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bsuid: Option<Bsuid>,
    /// When it was seen to be theirs, the last time that this was written down.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) since: Option<Timestamp>,
    /// Until when it was theirs, if they are known by another one since.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) until: Option<Timestamp>,
    /// Whose it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) former: Option<Former>,
}

/// Who had an identity before somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Former {
    pub(crate) contact: ContactId,
    /// Until when, if they said so.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) until: Option<Timestamp>,
}

impl IdentityRecord {
    /// Whose it was before, once it is this contact's.
    pub(crate) fn former(known: Option<&Self>, contact: ContactId) -> Option<Former> {
        let known = known?;
        // What somebody said of when they left it is worth more than who had it in between.
        let is_told = known.until.is_none() && known.former.is_some_and(|former| former.until.is_some());
        match known.contact == contact || is_told {
            true => known.former,
            false => Some(Former { contact: known.contact, until: known.until }),
        }
    }

    /// Who left it at this time, as far as is known. Not whoever has it since: that is somebody else, or has come back.
    pub(crate) fn left_by(&self, who: &Identities, at: Timestamp) -> Option<ContactId> {
        let is_same = self.bsuid.is_some() && self.bsuid == who.bsuid;
        if !is_same && self.since.is_some_and(|since| since > at) {
            let former = self.former.filter(|former| former.until.is_none_or(|until| at <= until));
            former.map(|former| former.contact)
        } else {
            self.may_be(who, at).then_some(self.contact)
        }
    }

    /// Until when it was surely somebody else's than afterwards, oldest first.
    pub(crate) fn partings(&self) -> [Option<Timestamp>; 2] {
        [self.former.and_then(|former| former.until), self.until]
    }

    /// The same, once it is told that this contact left it at that time; `None` if that says nothing new of whose it
    /// was before.
    pub(crate) fn after(&self, contact: ContactId, until: Timestamp) -> Option<Self> {
        let is_news = match self.former {
            None => true,
            Some(known) => known.contact == contact && known.until.is_none_or(|known| known < until),
        };
        is_news.then(|| Self { former: Some(Former { contact, until: Some(until) }), ..self.clone() })
    }

    /// Whether it was this contact's before.
    pub(crate) fn was_of(&self, contact: ContactId) -> bool {
        self.former.is_some_and(|former| former.contact == contact)
    }

    /// Whose it was at this time, if it is somebody else's since.
    pub(crate) fn held_before(&self, at: Timestamp) -> Option<ContactId> {
        self.former.filter(|former| former.until.is_some_and(|until| at <= until)).map(|former| former.contact)
    }

    /// Whether nothing speaks against its holder being the one who was seen with it at this time.
    pub(crate) fn may_be(&self, seen: &Identities, at: Timestamp) -> bool {
        let is_other = matches!((&self.bsuid, &seen.bsuid), (Some(known), Some(now)) if known != now);
        let was_others = self.held_before(at).is_some_and(|former| former != self.contact);
        !is_other && !was_others && self.until.is_none_or(|until| at <= until)
    }

    /// Whether it passes to somebody who was seen with it at this time, while its holder was last seen with it at
    /// that one. Of two at the same time, the greater id has it: never whichever message came first.
    fn yields_to(&self, holder_seen: Option<Timestamp>, seen: &Identities, at: Option<Timestamp>) -> bool {
        (holder_seen, &self.bsuid) < (at, &seen.bsuid)
    }

    /// The condition that an identity item says what was read of it (none: there was none).
    pub(crate) fn unchanged(known: Option<&Self>) -> Expression {
        let Some(Self { contact, bsuid, since, until, former }) = known else { return Expression::new().when(ABSENT) };
        let millisecond = |at: &Option<Timestamp>| at.map(Timestamp::as_millisecond);
        Expression::new()
            .when("#contact = :knownContact")
            .value(":knownContact", contact)
            .still("bsuid", bsuid.as_ref())
            .still("since", millisecond(since))
            .still("until", millisecond(until))
            .still("former", former.as_ref())
    }
}

impl TenantStore {
    pub(crate) async fn identities(
        &self,
        addresses: &[&Address],
    ) -> Result<Vec<(Address, IdentityRecord)>, StoreError> {
        const OPERATION: &str = "reading a sender's identities";
        // DynamoDB takes no key twice, and whoever keeps an id is told of with the same one before and after.
        let mut asked: Vec<&Address> = Vec::with_capacity(addresses.len());
        for address in addresses {
            if !asked.contains(address) {
                asked.push(address);
            }
        }
        let keys: Vec<Key> = asked.iter().map(|address| Key::identity(self.tenant, address)).collect();
        let items = self.store.batch_get(OPERATION, keys.clone()).await?;
        let mut found = Vec::new();
        for item in items {
            let place = keys.iter().position(|key| item::text(&item, crate::keys::PK) == Some(&key.pk));
            if let Some(place) = place {
                found.push((asked[place].clone(), item::record(OPERATION, item)?));
            }
        }
        Ok(found)
    }

    /// What takes a phone from its holder, for somebody who was seen with it at this time: it is shown there no
    /// longer, and nothing is sent there. `None` if the holder keeps it, because they were seen with it later.
    pub(crate) async fn handover(
        &self,
        phone: &Address,
        held: &IdentityRecord,
        seen: &Identities,
        at: Option<Timestamp>,
    ) -> Result<Option<Vec<TransactWriteItem>>, StoreError> {
        let Address::Phone(wa_id) = phone else { return Ok(None) };
        // Whoever left it does not show it any more.
        if held.until.is_some() {
            return Ok(held.yields_to(held.until, seen, at).then(Vec::new));
        }
        // What its own item says mostly decides, and costs nothing.
        if !held.yields_to(held.since, seen, at) {
            return Ok(None);
        }
        let conversations = self.conversations_of(held.contact).await?;
        let last_seen = conversations.iter().filter_map(|(_, known)| known.as_ref()?.phone_seen_at).max();
        if !held.yields_to(held.since.max(last_seen), seen, at) {
            return Ok(None);
        }
        let mut writes = Vec::new();
        let without = |path: &str| {
            let hashed = path.split('.').map(|part| format!("#{part}")).collect::<Vec<_>>().join(".");
            Expression::new().remove(path).when(format!("{hashed} = :phone")).value(":phone", wa_id)
        };
        if self.contact_record(held.contact).await?.is_some_and(|known| known.identities.wa_id.as_ref() == Some(wa_id))
        {
            writes.push(without("waId").into_update(self.table(), Key::contact(self.tenant, held.contact)));
        }
        for (id, known) in conversations {
            let key = Key::conversation(self.tenant, id);
            // Whatever else happens in it now may be its holder, seen with it later.
            writes.push(match known {
                None => unbegun().into_check(self.table(), key),
                Some(known) if known.contact.wa_id.as_ref() == Some(wa_id) => {
                    without("contact.waId").add("rev", 1).at("rev", known.rev).into_update(self.table(), key)
                }
                Some(known) => Expression::new().at("rev", known.rev).into_check(self.table(), key),
            });
        }
        Ok(Some(writes))
    }

    /// The conversations of a contact with each of the tenant's numbers; `None` where there is none, or where it was
    /// merged into another.
    pub(crate) async fn conversations_of(
        &self,
        contact: ContactId,
    ) -> Result<Vec<(ConversationId, Option<Conversation>)>, StoreError> {
        let mut found = Vec::new();
        for number in self.numbers().await? {
            let id = ConversationId::between(contact, &number);
            let known = self.conversation_itself(id).await?;
            found.push((id, known.filter(|known| known.merged_into.is_none())));
        }
        Ok(found)
    }
}

/// The condition that a conversation has not begun, and does not begin right now.
pub(crate) fn unbegun() -> Expression {
    Expression::new().when(format!("{ABSENT} OR attribute_exists(#mergedInto)"))
}
