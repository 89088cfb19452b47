//! Conversations, by a part of the contact's phone or a beginning of their name.
//!
//! Whatever a contact is found by has an item that leads to them, written before anything shows that phone or name.
//! Such an item is never taken away and promises nothing: what it leads to is looked at, and counts only if the
//! conversation shows what was looked for. So a write that came to nothing, a phone that has passed on, a former
//! name and a contact that was merged into another need no change of these items.

use crate::TenantStore;
use crate::contacts::ContactRecord;
use crate::conversation::Conversation;
use crate::error::{StoreError, failed};
use crate::item::{self, Page};
use crate::keys::{Key, PK, SK, parse_search_sort, search_partition, search_prefix};
use crate::log::BATCH;
use aws_sdk_dynamodb::types::AttributeValue;
use recado_domain::ids::{ContactId, ConversationId};
use recado_domain::search::Term;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A search item has nothing but its key.
#[derive(Serialize)]
struct SearchRecord {}

impl TenantStore {
    /// Lets a contact be found by these; to be done before anything shows them. Doing it again changes nothing.
    pub(crate) async fn make_findable(&self, contact: ContactId, terms: &[Term]) -> Result<(), StoreError> {
        // A call that names an item twice is refused, and a name may begin twice with the same words.
        let terms: BTreeSet<&Term> = terms.iter().collect();
        let item = |term| item::item(Key::search(self.tenant, term, contact), "search", &SearchRecord {});
        let items: Vec<_> = terms.into_iter().map(item).collect();
        for batch in items.chunks(BATCH) {
            self.store.put_batch("letting a contact be found", batch).await?;
        }
        Ok(())
    }

    /// A page of the wanted conversations whose contact is found by a term. A page takes the same few calls however many
    /// conversations there are, and may have fewer than there is room for without being the last one.
    pub async fn search(
        &self,
        term: &Term,
        is_wanted: impl Fn(&Conversation) -> bool,
        limit: i32,
        after: Option<&str>,
    ) -> Result<Page<Conversation>, StoreError> {
        const OPERATION: &str = "searching conversations";
        let numbers = self.numbers().await?;
        // Each contact may have a conversation at each number, and more of them than a page has room for: then the next
        // page leaves those out that were shown.
        let most = usize::try_from(limit).unwrap_or_default();
        let room = (most / numbers.len().max(1)).max(1);
        let (shown, after) = after.and_then(|after| after.split_once(' ')).unwrap_or(("0", ""));
        let shown: usize = shown.parse().unwrap_or_default();
        let (found, next) = self.found(term, i32::try_from(room).unwrap_or(1), after).await?;
        let next = next.map(|next| format!("0 {next}"));
        if found.is_empty() {
            return Ok(Page { items: Vec::new(), next });
        }
        let ids: BTreeSet<ContactId> = found.iter().map(|(_, contact)| *contact).collect();
        let keys = ids.into_iter().map(|contact| Key::contact(self.tenant, contact)).collect();
        let mut leads: BTreeMap<ContactId, BTreeSet<&str>> = BTreeMap::new();
        for item in self.store.batch_get(OPERATION, keys).await? {
            let record: ContactRecord = item::record(OPERATION, item)?;
            let contact = match record.merged_into {
                None => Some(record.id),
                Some(survivor) => self.surviving_contact(survivor).await?.map(|survivor| survivor.id),
            };
            let texts = found.iter().filter(|(_, contact)| *contact == record.id).map(|(text, _)| text.as_str());
            leads.entry(contact.unwrap_or(record.id)).or_default().extend(texts);
        }
        let mut keys = Vec::new();
        for contact in leads.keys() {
            let ids = numbers.iter().map(|number| ConversationId::between(*contact, number));
            keys.extend(ids.map(|id| Key::conversation(self.tenant, id)));
        }
        let mut items = Vec::new();
        for keys in keys.chunks(100) {
            for item in self.store.batch_get(OPERATION, keys.to_vec()).await? {
                let known: Conversation = item::record(OPERATION, item)?;
                let under = term.found_under(&known.contact);
                // Under what finds them first, and so on one page only.
                let is_found =
                    leads.get(&known.contact_id).zip(under).is_some_and(|(by, under)| by.contains(under.as_str()));
                if is_found && known.merged_into.is_none() && is_wanted(&known) {
                    items.push(known);
                }
            }
        }
        items.sort_by_key(|known| std::cmp::Reverse((known.last_order, known.id)));
        if shown > 0 || items.len() > most {
            // In an order that messages do not change.
            items.sort_by_key(|known| known.id);
            items.drain(..shown.min(items.len()));
        }
        let is_rest = items.len() > most;
        items.truncate(most);
        Ok(Page { items, next: if is_rest { Some(format!("{} {after}", shown + most)) } else { next } })
    }

    /// To whom a term leads, and by what; and where to go on.
    async fn found(
        &self,
        term: &Term,
        limit: i32,
        after: &str,
    ) -> Result<(Vec<(String, ContactId)>, Option<String>), StoreError> {
        let pk = search_partition(self.tenant, term);
        let start = Some(after).filter(|sk| !sk.is_empty());
        let start = start.map(|sk| Key { pk: pk.clone(), sk: sk.to_owned() }.into_attributes());
        let answer = self
            .client()
            .query()
            .table_name(self.table())
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", AttributeValue::S(pk))
            .expression_attribute_values(":prefix", AttributeValue::S(search_prefix(term)))
            .consistent_read(true)
            .limit(limit)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(failed("searching conversations"))?;
        let next = answer.last_evaluated_key.as_ref().and_then(|key| item::text(key, SK)).map(str::to_owned);
        let items = answer.items.unwrap_or_default();
        Ok((items.iter().filter_map(|item| parse_search_sort(item::text(item, SK)?)).collect(), next))
    }
}
