//! The document, put together from what stands at each handler and what holds for all of them.

use super::example::example_of;
use crate::Api;
use crate::operations::Operations;
use axum::routing::{MethodFilter, MethodRouter};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::__dev::SchemaReferences;
use utoipa::Path;

/// Every error that more than one operation answers with: its component's name, status, code and message.
const ERRORS: [(&str, &str, &str, &str); 12] = [
    ("Invalid", "400", "INVALID_REQUEST", "limit: must be a whole number from 1 to 100"),
    ("Unauthenticated", "401", "UNAUTHENTICATED", "The access token is not valid, or not any more"),
    ("Forbidden", "403", "FORBIDDEN", "Your role only allows reading"),
    ("NotFound", "404", "NOT_FOUND", "There is no such conversation"),
    ("UnderWay", "409", "REQUEST_UNDER_WAY", "The same request has just been made; ask again for its answer"),
    ("Changed", "412", "PRECONDITION_FAILED", "It has changed since you read it: read it again, and change that"),
    ("TooLarge", "413", "BODY_TOO_LARGE", "The body is larger than 1 MiB"),
    (
        "KeyReused",
        "422",
        "IDEMPOTENCY_KEY_REUSED",
        "Idempotency-Key: was used for another request in the last 24 hours",
    ),
    ("TooMany", "429", "TOO_MANY_REQUESTS", "Your tenant asks too often; see Retry-After"),
    ("Internal", "500", "INTERNAL", "Something went wrong on our side"),
    ("GraphUnavailable", "502", "UNAVAILABLE", "Graph could not be asked; try again in a moment"),
    ("Unavailable", "503", "UNAVAILABLE", "Try again in a moment"),
];

/// The paths that belong to no tenant.
const TENANTLESS: [&str; 3] = ["/deployment", "/openapi.json", "/tenants"];

/// The document while operations are added to it.
#[derive(Default)]
pub(super) struct Document {
    paths: Map<String, Value>,
    schemas: Map<String, Value>,
}

impl Operations for Document {
    fn add<P: Path + SchemaReferences>(
        mut self,
        below: &str,
        name: &str,
        _: fn(MethodFilter) -> MethodRouter<Arc<Api>>,
    ) -> Self {
        let path = format!("{below}{}", P::path());
        let mut schemas = Vec::new();
        P::schemas(&mut schemas);
        for (name, schema) in schemas {
            let schema = json!(schema);
            let is_one = self.schemas.get(&name).is_none_or(|former| *former == schema);
            assert!(is_one, "two types are called {name} in the document: give one another name, `#[schema(as = …)]`");
            self.schemas.insert(name, schema);
        }
        for method in P::methods() {
            let method = json!(method).as_str().unwrap_or_default().to_owned();
            let operation = Described { is_post: method == "post", path: &path, operation: json!(P::operation()) };
            let place = self.paths.entry(path.clone()).or_insert_with(|| json!({}));
            let former = place.as_object_mut().unwrap().insert(method.clone(), operation.complete(below, name));
            assert!(former.is_none(), "two handlers for {method} {path}");
        }
        self
    }
}

/// An operation as its handler describes it.
struct Described<'a> {
    is_post: bool,
    path: &'a str,
    operation: Value,
}

impl Described<'_> {
    fn is_public(&self) -> bool {
        self.operation["security"] == json!([{}])
    }

    fn is_of_no_tenant(&self) -> bool {
        TENANTLESS.iter().any(|prefix| self.path.starts_with(prefix))
    }

    /// Adds what follows from method and path.
    fn complete(mut self, below: &str, name: &str) -> Value {
        let id = format!("{below}/{name}").replace("::", "_");
        self.operation["operationId"] = json!(id.trim_start_matches('/').replace('/', "_"));
        self.operation["tags"] = json!([self.path.split('/').nth(1)]);
        if !self.is_of_no_tenant() {
            self.parameter("TenantId");
        }
        if self.is_post {
            self.parameter("IdempotencyKey");
        }
        if self.path.starts_with("/deployment/parked") {
            self.parameter("WaitsFor");
        }
        let parameters = self.operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            // What is absent from a query or a path is absent, and never null.
            if let Some(kind) = parameter.pointer("/schema/type/0").cloned() {
                parameter["schema"]["type"] = kind;
            }
            let choices = parameter.pointer("/schema/oneOf").and_then(Value::as_array);
            if let Some(only) = choices.and_then(|choices| choices.iter().find(|one| one["type"] != "null")).cloned() {
                parameter["schema"] = only;
            }
        }
        for (name, status, code, message) in ERRORS {
            if self.can_answer(status) {
                self.add_error(name, status, code, message);
            }
        }
        for (status, response) in self.operation["responses"].as_object_mut().unwrap() {
            if status.as_str() >= "400" && response.get("$ref").is_none() {
                describe_error(response);
            }
        }
        self.operation
    }

    fn parameter(&mut self, name: &str) {
        let reference = json!({"$ref": format!("#/components/parameters/{name}")});
        let operation = self.operation.as_object_mut().unwrap();
        operation.entry("parameters").or_insert_with(|| json!([])).as_array_mut().unwrap().push(reference);
    }

    /// Whether an error that many operations share is one of this one's.
    fn can_answer(&self, status: &str) -> bool {
        match status {
            _ if self.is_public() => false,
            "404" => self.path.contains('{'),
            "409" | "422" => self.is_post,
            "412" => self.operation["parameters"].to_string().contains("\"If-Match\""),
            "429" => !self.is_of_no_tenant(),
            "413" => self.operation.get("requestBody").is_some(),
            // Only where a handler says so.
            "502" => false,
            _ => true,
        }
    }

    /// Beside what the handler says of the same status.
    fn add_error(&mut self, name: &str, status: &str, code: &str, message: &str) {
        match self.operation["responses"].get_mut(status) {
            Some(own) => {
                let told = own["description"].as_str().unwrap_or_default();
                own["description"] = json!(format!("{told}\n`{code}`: {message}"));
            }
            None => {
                self.operation["responses"][status] = json!({"$ref": format!("#/components/responses/{name}")});
            }
        }
    }
}

/// Gives an error its body. Its description has a line for each code: "`CODE`: the message".
fn describe_error(response: &mut Value) {
    let description = response["description"].as_str().unwrap_or_default().to_owned();
    let mut examples = Map::new();
    for line in description.lines() {
        let (code, message) = line.strip_prefix('`').and_then(|line| line.split_once("`: ")).unwrap_or_else(|| {
            panic!("an error is described as \"`CODE`: the message\", and not as {line:?}");
        });
        examples.insert(code.to_owned(), json!({"value": error_body(code, message)}));
    }
    response["content"] = json!({"application/json": {
        "schema": {"$ref": "#/components/schemas/Error"}, "examples": examples}});
}

fn error_body(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message, "requestId": "5f1c9a52-3a9e-4d0b-9f70-5d0a5e1f8a11"}})
}

impl Document {
    /// The finished document.
    pub(super) fn finish(mut self) -> Value {
        let text = |description: &str| json!({"type": "string", "description": description});
        let error = json!({"type": "object", "required": ["error"], "properties": {"error": {
        "type": "object",
        "required": ["code", "message", "requestId"],
        "properties": {
            "code": text("What went wrong, for programs"),
            "message": text("What went wrong, for people; of a 400, the field and the rule"),
            "requestId": text("Names this request in our logs"),
        }}}});
        self.schemas.insert("Error".to_owned(), error);
        self.require_what_may_be_null();
        self.schemas.values_mut().for_each(without_sources);
        self.give_examples();
        let mut responses = Map::new();
        for (name, _, code, message) in ERRORS {
            let mut response = json!({"description": format!("`{code}`: {message}")});
            describe_error(&mut response);
            if name == "TooMany" {
                let seconds = json!({"type": "integer", "minimum": 1});
                response["headers"] = json!({"Retry-After": {"description": "In how many seconds to ask again",
                    "required": true, "schema": seconds}});
            }
            responses.insert(name.to_owned(), response);
        }
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Recado",
                "version": env!("CARGO_PKG_VERSION"),
                "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
                "description": INTRODUCTION,
            },
            "servers": [{"url": crate::operations::BASE}],
            "security": [{"bearer": []}],
            "paths": self.paths,
            "components": {
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer",
                    "description": "A person's access token from the user pool, or an API key of a tenant"}},
                "parameters": {
                    "TenantId": {
                        "name": "X-Tenant-Id", "in": "header", "required": false,
                        "description": "Which of your tenants; needed only if you belong to several",
                        "schema": {"type": "string"}, "example": "tnt_01KA6Y3JWQ8Z5T7N4X2M9B1C0D",
                    },
                    "IdempotencyKey": {
                        "name": "Idempotency-Key", "in": "header", "required": false,
                        "description": "Names the request. The same one again under the same key, within 24 hours, \
                            changes nothing and gets the same answer; another one is refused",
                        "schema": {"type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": 255},
                        "example": "8e03978e-40d5-43e8-bc93-6894a57f9324",
                    },
                    "WaitsFor": {
                        "name": "phoneNumberId", "in": "query", "required": false,
                        "description": "What waits for whoever claims this number, instead of what names none",
                        "schema": {"$ref": "#/components/schemas/PhoneNumberId"}, "example": "109876543210987",
                    },
                },
                "responses": responses,
                "schemas": self.schemas,
            },
        })
    }

    /// In answers, a field that may be null is always there, and one that may not be null and is not
    /// required may be missing. Of requests, nothing follows.
    fn require_what_may_be_null(&mut self) {
        let asked = self.reachable("requestBody");
        for (name, schema) in self.schemas.iter_mut().filter(|(name, _)| !asked.contains(*name)) {
            require_nullable(schema);
            assert!(name != "Error" || schema["required"] == json!(["error"]), "{schema}");
        }
    }

    /// The names of the schemas that a part of any operation leads to.
    pub(super) fn reachable(&self, part: &str) -> BTreeSet<String> {
        let operations = self.paths.values().flat_map(|methods| methods.as_object().unwrap().values());
        let mut open: Vec<String> = operations.flat_map(|operation| references(&operation[part])).collect();
        let mut found = BTreeSet::new();
        while let Some(name) = open.pop() {
            if found.insert(name.clone()) {
                open.extend(references(&self.schemas[&name]));
            }
        }
        found
    }

    fn give_examples(&mut self) {
        let mut missing = Vec::new();
        for (path, methods) in &mut self.paths {
            for (method, operation) in methods.as_object_mut().unwrap() {
                let place = format!("{} {path}", method.to_uppercase());
                let parts = operation.as_object_mut().unwrap().iter_mut();
                let bodies = parts.flat_map(|(name, part)| match name.as_str() {
                    "requestBody" => vec![part],
                    "responses" => part.as_object_mut().unwrap().values_mut().collect(),
                    _ => Vec::new(),
                });
                let contents = bodies.filter_map(|body| body.get_mut("content")?.as_object_mut());
                for content in contents.flat_map(|content| content.values_mut()) {
                    if content.get("example").is_some() || content.get("examples").is_some() {
                        continue;
                    }
                    match example_of(&content["schema"], &self.schemas, &place) {
                        Ok(example) => content["example"] = example,
                        Err(path) => missing.push(path),
                    }
                }
            }
        }
        assert!(missing.is_empty(), "\n{}", missing.join("\n"));
        // Those of whole schemas only completed what fields cannot say themselves.
        for schema in self.schemas.values_mut().filter(|schema| schema.get("properties").is_some()) {
            schema.as_object_mut().unwrap().remove("example");
        }
    }
}

fn require_nullable(schema: &mut Value) {
    let may_be_null = |field: &Value| {
        let choices = field["oneOf"].as_array().into_iter().flatten();
        field["type"].as_array().is_some_and(|types| types.contains(&json!("null")))
            || choices.clone().any(|choice| choice["type"] == "null")
    };
    let Some(fields) = schema.get("properties").and_then(Value::as_object) else {
        let parts = schema.get_mut("allOf").and_then(Value::as_array_mut);
        parts.into_iter().flatten().for_each(require_nullable);
        return;
    };
    let nullable = fields.iter().filter(|(_, field)| may_be_null(field)).map(|(name, _)| json!(name));
    let mut required: Vec<_> = schema["required"].as_array().cloned().unwrap_or_default();
    required.extend(nullable);
    required.sort_by_key(ToString::to_string);
    required.dedup();
    schema["required"] = json!(required);
}

/// Where a rule comes from is said in the code, for those who have it.
fn without_sources(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                for source in [" (REQUIREMENTS", " (WHATSAPP.md"] {
                    if let Some((before, rest)) = text.clone().split_once(source) {
                        *text = format!("{before}{}", rest.split_once(')').map_or("", |(_, after)| after));
                    }
                }
            }
            fields.values_mut().for_each(without_sources);
        }
        Value::Array(items) => items.iter_mut().for_each(without_sources),
        _ => {}
    }
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str);
            let own = own.and_then(|reference| reference.strip_prefix("#/components/schemas/")).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

const INTRODUCTION: &str = "\
The shared WhatsApp inbox of a business, for its agents' tools and the systems around it.

Every answer is JSON, times are RFC 3339 in UTC. Lists answer `items`, and `nextCursor` unless it is the last page; \
a cursor is good only for the list it came from. Errors answer `error` with `code`, `message` and `requestId`; a 400 \
names the field and the rule, and a foreign id is a 404 like one that does not exist. Fields that are not described \
here are refused in requests and may be added to answers.";
