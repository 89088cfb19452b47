//! Pages of conversations, the one with the newest message first.
//!
//! The index has a partition for each status. Several statuses are one query each, brought together: a place in
//! the index is a message's place and a conversation's id, which mean the same in every partition.

use crate::TenantStore;
use crate::conversation::{Conversation, ConversationStatus};
use crate::error::{StoreError, failed};
use crate::expression::Expression;
use crate::item::{self, Item, Page};
use crate::keys::{INBOX_INDEX, INBOX_PK, INBOX_SK, inbox_partition};
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::UserId;
use recado_domain::order::MessageOrder;
use recado_domain::window::SAFETY;

/// How many conversations of each status a page with a filter looks at, whatever it finds.
const LOOKED_AT: i32 = 400;

/// A window is open at most 24 hours after its last message, unless the customer deleted one later, which opens it
/// too and is no message. They can for about two days.
const WINDOW_RANGE: SignedDuration = SignedDuration::from_hours(24 * 4);

/// Which conversations a list has.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// In these statuses.
    pub statuses: Vec<ConversationStatus>,
    /// Only those to which anything may be written at this time.
    pub window_open_at: Option<Timestamp>,
    /// Only those that this person looks after.
    pub assigned_to: Option<UserId>,
}

impl Listing {
    fn filter(&self) -> Expression {
        let mut filter = Expression::new();
        if let Some(now) = self.window_open_at {
            let end = now.saturating_add(SAFETY).unwrap_or(Timestamp::MAX);
            filter = filter.when("#windowExpiresAt > :end").value(":end", end.as_millisecond());
        }
        if let Some(user) = &self.assigned_to {
            filter = filter.when("#assignedToId = :user").value(":user", user);
        }
        filter
    }

    /// The place before which nothing is to be found.
    fn from(&self) -> String {
        let range = |now: Timestamp| now.saturating_sub(WINDOW_RANGE).unwrap_or(Timestamp::MIN).as_second();
        let from = self
            .window_open_at
            .map_or(MessageOrder::FIRST, |now| MessageOrder { timestamp: range(now), ..MessageOrder::FIRST });
        from.to_string()
    }
}

impl TenantStore {
    /// A page of the inbox: the tenant's conversations in a status, the one with the newest message first.
    pub async fn inbox(
        &self,
        status: ConversationStatus,
        limit: i32,
        after: Option<&str>,
    ) -> Result<Page<Conversation>, StoreError> {
        self.conversations(&Listing { statuses: vec![status], ..Listing::default() }, limit, after).await
    }

    /// A page of conversations, the one with the newest message first: one query for each status, however many
    /// conversations there are. With a filter, a page looks at so many and no more, so that it may have fewer than
    /// there is room for, and still not be the last one.
    pub async fn conversations(
        &self,
        listing: &Listing,
        limit: i32,
        after: Option<&str>,
    ) -> Result<Page<Conversation>, StoreError> {
        const OPERATION: &str = "listing conversations";
        let pages = listing.statuses.iter().map(|status| self.inbox_page(listing, *status, limit, after));
        let pages = try_join_all(pages).await?;
        // Down to here, all of them were looked at.
        let reached = pages.iter().filter_map(|page| page.next.clone()).max();
        let place = |item: &Item| item::text(item, INBOX_SK).unwrap_or_default().to_owned();
        let mut items: Vec<(String, Item)> =
            pages.into_iter().flat_map(|page| page.items).map(|item| (place(&item), item)).collect();
        items.retain(|(place, _)| Some(place.as_str()) != after && reached.as_ref().is_none_or(|end| place >= end));
        items.sort_by(|(one, _), (other, _)| other.cmp(one));
        let room = usize::try_from(limit).unwrap_or_default();
        let next = match items.get(room.saturating_sub(1)) {
            Some((last, _)) if items.len() > room => Some(last.clone()),
            _ => reached,
        };
        items.truncate(room);
        let items: Result<Vec<_>, _> = items.into_iter().map(|(_, item)| item::record(OPERATION, item)).collect();
        Ok(Page { items: items?, next })
    }

    async fn inbox_page(
        &self,
        listing: &Listing,
        status: ConversationStatus,
        limit: i32,
        after: Option<&str>,
    ) -> Result<Page<Item>, StoreError> {
        let from = listing.from();
        // A page that goes on later than it began: the range has moved on meanwhile.
        if after.is_some_and(|after| after < from.as_str()) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let filter = listing.filter();
        let condition = filter.condition();
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let answer = self
            .client()
            .query()
            .table_name(self.table())
            .index_name(INBOX_INDEX)
            .key_condition_expression("#pk = :pk AND #sk BETWEEN :from AND :after")
            // The one that the page before ended with may come once more, and one more tells that there is more.
            .limit(if condition.is_some() { LOOKED_AT } else { limit + 2 })
            .set_filter_expression(condition)
            .set_expression_attribute_names(filter.names())
            .set_expression_attribute_values(filter.values())
            .expression_attribute_names("#pk", INBOX_PK)
            .expression_attribute_names("#sk", INBOX_SK)
            .expression_attribute_values(":pk", text(&inbox_partition(self.tenant, status.as_str())))
            .expression_attribute_values(":from", text(&from))
            // Behind every place.
            .expression_attribute_values(":after", text(after.unwrap_or("~")))
            .scan_index_forward(false)
            .send()
            .await
            .map_err(failed("listing conversations"))?;
        let next = answer.last_evaluated_key.as_ref().and_then(|key| item::text(key, INBOX_SK)).map(str::to_owned);
        Ok(Page { items: answer.items.unwrap_or_default(), next })
    }
}
