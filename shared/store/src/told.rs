//! Aspects of things, of which the newest news counts.

use crate::TenantStore;
use crate::error::StoreError;
use crate::expression::Expression;
use crate::item::Item;
use crate::keys::{Key, PK, SK};
use crate::outbox::Updated;
use recado_domain::as_of::Told;
use recado_domain::status::Learned;
use serde::Serialize;

impl TenantStore {
    /// Writes one aspect of an item, unless something as new or newer is written there, and makes the item
    /// if there is none.
    ///
    /// **In any order and any number of times**: one conditional update, whose condition is the rule of
    /// [`Told::settle`]. Other aspects of the item are not touched.
    pub(crate) async fn tell(
        &self,
        operation: &'static str,
        made: Item,
        aspect: &str,
        told: &Told<impl Serialize>,
    ) -> Result<Learned, StoreError> {
        let (key, attributes) = parts(made);
        let change = telling(Expression::new().set_all(attributes), aspect, told);
        self.update(operation, key, change).await.map(|updated| learned(&updated))
    }

    /// Writes a whole item, unless it is there as new or newer: `item` is made of something [`Told`].
    ///
    /// **In any order and any number of times**, as above.
    pub(crate) async fn tell_whole(&self, operation: &'static str, item: Item) -> Result<Learned, StoreError> {
        let (key, attributes) = parts(item);
        let change = Expression::new().set_all(attributes).when("attribute_not_exists(#asOf) OR #asOf < :asOf");
        self.update(operation, key, change).await.map(|updated| learned(&updated))
    }
}

/// The change that writes an aspect, if it is news.
pub(crate) fn telling(change: Expression, aspect: &str, told: &Told<impl Serialize>) -> Expression {
    change
        .set(aspect, told)
        .value(":asOf", told.as_of)
        .when(format!("attribute_not_exists(#{aspect}) OR #{aspect}.#asOf < :asOf"))
}

pub(crate) const fn learned(updated: &Updated) -> Learned {
    match updated {
        Updated::Done => Learned::News,
        Updated::Refused(_) => Learned::Known,
    }
}

/// An item's key, and what else it has.
fn parts(mut item: Item) -> (Key, Item) {
    let mut take = |name| match item.remove(name) {
        Some(aws_sdk_dynamodb::types::AttributeValue::S(text)) => text,
        _ => String::new(),
    };
    let (pk, sk) = (take(PK), take(SK));
    (Key { pk, sk }, item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use recado_domain::account::{AccountFact, AccountState, Link, LinkState};
    use recado_domain::as_of::AsOf;

    fn told() -> Told<Link> {
        let as_of = AsOf::new(Timestamp::from_second(1_795_171_200).unwrap(), 3, "payload");
        Told { as_of, value: Link { state: LinkState::Deleted, reason: None } }
    }

    #[test]
    fn the_condition_reads_what_is_written() {
        let change = telling(Expression::new(), "link", &told());
        assert_eq!(change.update(), "SET #link = :link");
        assert_eq!(change.condition().unwrap(), "attribute_not_exists(#link) OR #link.#asOf < :asOf");
        let values = change.values().unwrap();
        let written = values[":link"].as_m().unwrap();
        assert_eq!(written["asOf"], values[":asOf"], "what is compared is what is stored");
        assert_eq!(written["state"].as_s().unwrap(), "DELETED");
    }

    #[test]
    fn an_aspect_that_was_written_reads_back_as_part_of_its_state() {
        let change = telling(Expression::new(), "link", &told());
        let item = Item::from([("link".to_owned(), change.values().unwrap()[":link"].clone())]);
        let read: AccountState = serde_dynamo::from_item(item).unwrap();
        let mut learned = AccountState::default();
        learned.learn(AccountFact::Link(told()));
        assert_eq!(read, learned);
    }
}
