//! Between records and items.

use crate::error::StoreError;
use crate::keys::{Key, PK, SK};
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The version that every item carries in `v`.
const ITEM_VERSION: u8 = 1;

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where the next page starts; `None` on the last page. To be handed back as it is, to the same list.
    pub next: Option<String>,
}

/// The item of a record: its attributes, its key, what it is and in which version.
pub(crate) fn item(key: Key, entity: &str, record: &impl Serialize) -> Item {
    let mut item: Item = serde_dynamo::to_item(record).expect("our own records are representable");
    let text = |text: String| AttributeValue::S(text);
    item.insert(PK.to_owned(), text(key.pk));
    item.insert(SK.to_owned(), text(key.sk));
    item.insert("entity".to_owned(), text(entity.to_owned()));
    item.insert("v".to_owned(), AttributeValue::N(ITEM_VERSION.to_string()));
    item
}

/// The record of an item.
pub(crate) fn record<T: DeserializeOwned>(operation: &'static str, item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::item(operation, error))
}

/// Whether a counter has never counted: then it is not stored, as [`crate::expression::Expression::at`] expects.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A text attribute.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}
