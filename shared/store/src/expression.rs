//! Update and condition expressions, written once and readable.
//!
//! Every `#name` in an expression stands for the attribute `name`, so that no attribute name can
//! collide with one of DynamoDB's reserved words.

use crate::item::Item;
use crate::keys::Key;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use serde::Serialize;
use std::collections::HashMap;

/// What a write does, and when it may.
#[derive(Debug, Default, Clone)]
pub(crate) struct Expression {
    set: Vec<String>,
    add: Vec<String>,
    remove: Vec<String>,
    conditions: Vec<String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Sets an attribute; a path such as `states.SENT` sets inside a map.
    pub(crate) fn set(mut self, path: &str, value: impl Serialize) -> Self {
        let placeholder = format!(":{}", path.replace('.', "_"));
        self.set.push(format!("{} = {placeholder}", hashed(path)));
        self.value(&placeholder, value)
    }

    /// Sets every attribute of an item.
    pub(crate) fn set_all(mut self, item: Item) -> Self {
        for (name, value) in item {
            let placeholder = format!(":{name}");
            self.set.push(format!("#{name} = {placeholder}"));
            self.values.insert(placeholder, value);
        }
        self
    }

    /// Sets an attribute if there is something to set.
    pub(crate) fn set_if_some(self, path: &str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.set(path, value),
            None => self,
        }
    }

    /// Sets an attribute that is not there yet.
    pub(crate) fn set_if_absent(mut self, name: &str, value: impl Serialize) -> Self {
        let placeholder = format!(":{name}");
        self.set.push(format!("#{name} = if_not_exists(#{name}, {placeholder})"));
        self.value(&placeholder, value)
    }

    /// Adds to a number, which counts as 0 if absent.
    pub(crate) fn add(mut self, path: &str, value: impl Serialize) -> Self {
        let placeholder = format!(":add_{path}");
        self.add.push(format!("{} {placeholder}", hashed(path)));
        self.value(&placeholder, value)
    }

    pub(crate) fn remove(mut self, path: &str) -> Self {
        self.remove.push(hashed(path));
        self
    }

    /// Adds a condition; all of them must hold.
    pub(crate) fn when(mut self, condition: impl Into<String>) -> Self {
        self.conditions.push(condition.into());
        self
    }

    /// Adds the condition that a counter still stands where it was seen; one that is not there stands at 0.
    pub(crate) fn at(self, counter: &str, seen: u64) -> Self {
        match seen {
            0 => self.when(format!("attribute_not_exists(#{counter})")),
            seen => self.when(format!("#{counter} = :{counter}")).value(&format!(":{counter}"), seen),
        }
    }

    /// Adds the condition that an attribute still says what was read of it (none: it is not there).
    pub(crate) fn still(self, name: &str, known: Option<impl Serialize>) -> Self {
        match known {
            Some(known) => self.when(format!("#{name} = :known_{name}")).value(&format!(":known_{name}"), known),
            None => self.when(format!("attribute_not_exists(#{name})")),
        }
    }

    /// Gives a placeholder its value.
    pub(crate) fn value(mut self, placeholder: &str, value: impl Serialize) -> Self {
        let value = serde_dynamo::to_attribute_value(value).expect("our own values are representable");
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    /// Gives a placeholder these bytes.
    pub(crate) fn bytes(mut self, placeholder: &str, bytes: &[u8]) -> Self {
        let value = AttributeValue::B(Blob::new(bytes));
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    pub(crate) fn condition(&self) -> Option<String> {
        match self.conditions.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            many => Some(many.iter().map(|condition| format!("({condition})")).collect::<Vec<_>>().join(" AND ")),
        }
    }

    pub(crate) fn update(&self) -> String {
        let clause = |word: &str, parts: &[String]| match parts {
            [] => None,
            parts => Some(format!("{word} {}", parts.join(", "))),
        };
        [clause("SET", &self.set), clause("ADD", &self.add), clause("REMOVE", &self.remove)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The attribute names that the expression uses, for DynamoDB to resolve.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        let mut names = HashMap::new();
        for text in self.set.iter().chain(&self.add).chain(&self.remove).chain(&self.conditions) {
            for start in text.match_indices('#').map(|(place, _)| place + 1) {
                let name: String = text[start..].chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
                names.insert(format!("#{name}"), name);
            }
        }
        (!names.is_empty()).then_some(names)
    }

    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    /// What a write without a condition must not ask for.
    fn returned(&self) -> Option<ReturnValuesOnConditionCheckFailure> {
        (!self.conditions.is_empty()).then_some(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    // The four things a transaction can do. Each returns the item that broke its condition.

    pub(crate) fn into_update(self, table: &str, key: Key) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key.into_attributes()))
            .update_expression(self.update())
            .set_condition_expression(self.condition())
            .set_expression_attribute_names(self.names())
            .set_expression_attribute_values(self.values())
            .set_return_values_on_condition_check_failure(self.returned());
        TransactWriteItem::builder().update(update.build().expect("all parts are set")).build()
    }

    pub(crate) fn into_put(self, table: &str, item: Item) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .set_condition_expression(self.condition())
            .set_expression_attribute_names(self.names())
            .set_expression_attribute_values(self.values())
            .set_return_values_on_condition_check_failure(self.returned());
        TransactWriteItem::builder().put(put.build().expect("all parts are set")).build()
    }

    pub(crate) fn into_delete(self, table: &str, key: Key) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(table)
            .set_key(Some(key.into_attributes()))
            .set_condition_expression(self.condition())
            .set_expression_attribute_names(self.names())
            .set_expression_attribute_values(self.values())
            .set_return_values_on_condition_check_failure(self.returned());
        TransactWriteItem::builder().delete(delete.build().expect("all parts are set")).build()
    }

    pub(crate) fn into_check(self, table: &str, key: Key) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(key.into_attributes()))
            .condition_expression(self.condition().expect("a check has a condition"))
            .set_expression_attribute_names(self.names())
            .set_expression_attribute_values(self.values())
            .set_return_values_on_condition_check_failure(self.returned());
        TransactWriteItem::builder().condition_check(check.build().expect("all parts are set")).build()
    }
}

/// The condition that the item is not there yet.
pub(crate) const ABSENT: &str = "attribute_not_exists(#pk)";
/// The condition that a contact or a conversation has not been merged into another.
pub(crate) const NOT_MERGED: &str = "attribute_not_exists(#mergedInto)";
/// The condition that the item is there.
pub(crate) const PRESENT: &str = "attribute_exists(#pk)";

fn hashed(path: &str) -> String {
    path.split('.').map(|part| format!("#{part}")).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_names_every_attribute_and_value_it_uses() {
        let expression = Expression::new()
            .set("states.SENT", 5)
            .add("unreadCount", 1)
            .remove("duePk")
            .when(PRESENT)
            .when("attribute_not_exists(#states.#SENT) OR #states.#SENT.#at > :states_SENT");
        assert_eq!(
            expression.update(),
            "SET #states.#SENT = :states_SENT ADD #unreadCount :add_unreadCount REMOVE #duePk"
        );
        assert_eq!(
            expression.condition().unwrap(),
            "(attribute_exists(#pk)) AND (attribute_not_exists(#states.#SENT) OR #states.#SENT.#at > :states_SENT)"
        );
        let mut names: Vec<_> = expression.names().unwrap().into_keys().collect();
        names.sort();
        assert_eq!(names, ["#SENT", "#at", "#duePk", "#pk", "#states", "#unreadCount"]);
        assert_eq!(expression.values().unwrap().len(), 2);
    }
}
