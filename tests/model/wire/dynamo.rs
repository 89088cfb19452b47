//! DynamoDB in this process.

use dynoxide::{Database, DynoxideError};
use recado_testkit::template;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// One table.
pub(crate) struct Table(Database);

impl Table {
    /// An empty table as the template describes it.
    pub(crate) fn of_the_template(name: &str) -> Self {
        static TABLE: LazyLock<Value> = LazyLock::new(|| template::load()["Resources"]["Table"]["Properties"].take());
        let mut request = json!({ "TableName": name });
        for part in ["BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes"] {
            request[part] = TABLE[part].clone();
        }
        let database = Database::memory().unwrap();
        database.create_table(serde_json::from_value(request).unwrap()).unwrap();
        Self(database)
    }

    /// What DynamoDB answers: an HTTP status and a body.
    pub(crate) fn answer(&self, operation: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let table = &self.0;
        let answered = match operation {
            "BatchGetItem" => answer(body, |request| table.batch_get_item(request)),
            "BatchWriteItem" => answer(body, |request| table.batch_write_item(request)),
            "DeleteItem" => answer(body, |request| table.delete_item(request)),
            "GetItem" => answer(body, |request| table.get_item(request)),
            "PutItem" => answer(body, |request| table.put_item(request)),
            "Query" => answer(body, |request| table.query(request)),
            "Scan" => answer(body, |request| table.scan(request)),
            "TransactWriteItems" => answer(body, |request| table.transact_write_items(request)),
            "UpdateItem" => answer(body, |request| table.update_item(request)),
            _ => panic!("nobody answers {operation}"),
        };
        match answered {
            Ok(body) => (200, body),
            Err(error) => (error.status_code(), error.to_json().into_bytes()),
        }
    }
}

fn answer<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    work: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<Vec<u8>, DynoxideError> {
    let request = serde_json::from_slice(body).unwrap_or_else(|error| panic!("not a request: {error}"));
    work(request).map(|answer| serde_json::to_vec(&answer).unwrap())
}
