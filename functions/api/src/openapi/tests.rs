//! The document keeps what it promises, and is the committed one.

use super::DOCUMENT;
use super::document::Document;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Set, by `cargo xtask openapi`, to have the document written instead of compared.
const WRITE: &str = "RECADO_WRITE_OPENAPI";

fn built() -> Value {
    crate::operations(Document::default()).finish()
}

#[test]
fn the_committed_document_is_the_one_that_the_code_describes() {
    let text = format!("{}\n", serde_json::to_string_pretty(&built()).unwrap());
    #[allow(clippy::disallowed_methods, reason = "the command that writes the document says so")]
    if std::env::var_os(WRITE).is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        std::fs::write(path, text).unwrap();
        return;
    }
    let lines = || DOCUMENT.lines().zip(text.lines());
    let differs = lines().position(|(committed, built)| committed != built);
    assert!(
        DOCUMENT == text,
        "functions/api/openapi.json is not what the code describes (from line {}): run `cargo xtask openapi`",
        differs.unwrap_or_else(|| lines().count()) + 1
    );
}

/// Every operation: method, path and description.
fn operations(document: &Value) -> Vec<(String, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), path.as_str(), operation))
    });
    all.collect()
}

/// A response, even if it stands among the components.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference}")),
        None => value,
    }
}

#[test]
fn every_operation_has_a_name_a_summary_examples_and_errors() {
    let document = built();
    let mut names = BTreeMap::new();
    for (place, path, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        assert_eq!(names.insert(name, place.clone()), None, "{place} and another operation are both called {name}");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(!summary.trim().is_empty() && !summary.contains('`'), "{place} has the summary {summary:?}");

        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| matches!(status.as_bytes()[0], b'2' | b'3')), "{place} never succeeds");
        let is_public = operation["security"] == json!([{}]);
        assert!(is_public || responses.keys().any(|status| status.starts_with('4')), "{place} has no client error");
        let bodies =
            responses.values().map(|response| resolved(&document, response)).chain([&operation["requestBody"]]);
        for content in bodies.filter_map(|body| body["content"]["application/json"].as_object()) {
            let has_example = content.contains_key("example") || content.contains_key("examples");
            assert!(has_example && content.contains_key("schema"), "{place}: a body without an example or a schema");
        }

        let given: BTreeSet<_> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parameter| resolved(&document, parameter))
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let wanted: BTreeSet<_> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(given, wanted, "the path parameters of {place}");
    }
}

#[test]
fn every_request_is_closed_so_that_a_misspelt_field_is_not_lost() {
    let document = crate::operations(Document::default());
    let requests = document.reachable("requestBody");
    let document = document.finish();
    for name in requests {
        let schema = &document["components"]["schemas"][&name];
        let open = schema["properties"].is_object() && schema["additionalProperties"] != json!(false);
        assert!(!open, "{name} takes unknown fields: it lacks #[serde(deny_unknown_fields)]");
    }
}

/// The handlers' files, by name.
fn sources() -> Vec<(String, String)> {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn no_route_is_added_but_through_the_list_of_operations() {
    for (name, text) in sources().into_iter().filter(|(name, _)| !name.ends_with("operations.rs")) {
        assert!(
            !text.contains(".route("),
            "{name} adds a route that the document does not know: give its handler a #[utoipa::path] and list it in `operations`"
        );
    }
}

#[test]
fn every_post_honours_an_idempotency_key_as_its_description_says() {
    let mut posts = 0;
    for (name, text) in sources() {
        for handler in text.split("#[utoipa::path(").skip(1).filter(|text| text.trim_start().starts_with("post")) {
            posts += 1;
            let signature = handler.split_once("async fn ").and_then(|(_, rest)| rest.split_once('{')).unwrap().0;
            let honours = handler
                .split_once(") -> ")
                .is_some_and(|(before, _)| before.contains(": OnceBody<") || before.contains(": Asked"));
            assert!(honours, "in {name}, {signature} takes neither `OnceBody` nor `Asked`: see once.rs");
        }
    }
    assert!(posts >= 6, "only {posts} POSTs were found");
}

#[test]
fn the_bruno_collection_has_a_request_for_each_operation() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/bruno");
    for (place, path, operation) in operations(&built()) {
        let name = operation["operationId"].as_str().unwrap();
        let text = std::fs::read_to_string(folder.join(format!("{name}.bru"))).unwrap_or_default();
        let method = place.split(' ').next().unwrap_or_default().to_lowercase();
        let begin = path.split('{').next().unwrap_or_default();
        let asks =
            text.contains(&format!("\n{method} {{\n  url: {{{{api}}}}{begin}")) && text.contains("res.status: eq");
        assert!(asks, "docs/bruno/{name}.bru does not ask for {place}: run `cargo xtask openapi`");
    }
}
