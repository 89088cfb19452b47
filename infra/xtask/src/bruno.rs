//! The Bruno collection in `docs/bruno`, written from the API's document.
//!
//! One request for each operation, with the document's own example and an assertion on its answer. A request
//! that lists things keeps the id of the first, for the requests that need one: what `GET …/conversations`
//! finds is `{{conversations}}` in every path that has `conversations/{id}`.

use anyhow::Context;
use recado_testkit::template::repository;
use recado_whatsapp::signature;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;

/// The operations whose example is answered otherwise on the local stack, and how.
const OTHERWISE: [(&str, u16); 5] = [
    // There is a number, and the example's customer has written to it.
    ("test_message_send", 202),
    // The example's token is not one.
    ("config_connect", 422),
    // It names no number: whoever tries the collection must not lose one.
    ("config_release", 400),
    // The example's number is not the example's token's.
    ("tenants_register", 422),
    // A text has no file.
    ("media_lead", 404),
];

/// What is replaced in examples, so that a second run is a new request.
const FRESH: [(&str, &str); 1] = [("reply-1", "reply-{{$guid}}")];

/// Writes the collection anew.
pub(crate) fn write() -> anyhow::Result<()> {
    let folder = repository().join("docs/bruno");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("environments"))?;
    let text = fs::read_to_string(repository().join("functions/api/openapi.json"))?;
    let document: Value = serde_json::from_str(&text).context("reading openapi.json")?;

    let settings = json!({"version": "1", "name": "Recado", "type": "collection"});
    fs::write(folder.join("bruno.json"), format!("{settings:#}\n"))?;
    fs::write(folder.join("environments/local.bru"), ENVIRONMENT)?;
    fs::write(folder.join("collection.bru"), "auth {\n  mode: bearer\n}\n\nauth:bearer {\n  token: {{token}}\n}\n")?;
    fs::write(folder.join("a_customer_writes.bru"), A_CUSTOMER_WRITES)?;
    fs::write(folder.join("an_event_is_parked.bru"), an_event_is_parked())?;

    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().context("the document has no paths")? {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            operations.push((path.as_str(), method.as_str(), operation));
        }
    }
    // What finds or makes something comes before what needs it, reading before changing, and deleting last, parts
    // before the whole.
    operations.sort_by_key(|(path, method, _)| {
        let (is_delete, parts) = (*method == "delete", path.split('/').count());
        let parts = if is_delete { usize::MAX - parts } else { parts };
        (is_delete, path.matches('{').count(), parts, *method != "get", *path)
    });
    for (place, (path, method, operation)) in operations.iter().enumerate() {
        let name = operation["operationId"].as_str().context("an operation without a name")?;
        fs::write(folder.join(format!("{name}.bru")), request(place + 3, path, method, name, operation)?)?;
    }
    Ok(())
}

fn request(place: usize, path: &str, method: &str, name: &str, operation: &Value) -> anyhow::Result<String> {
    let body = operation.pointer("/requestBody/content/application~1json/example");
    let statuses = operation["responses"].as_object().context("an operation without answers")?;
    let otherwise = OTHERWISE.iter().find(|(other, _)| *other == name).map(|(_, status)| *status);
    let succeeds = statuses.keys().filter_map(|status| status.parse::<u16>().ok()).find(|status| *status < 400);
    let status = otherwise.or(succeeds).context("an operation that never succeeds")?;

    let mut text = format!("meta {{\n  name: {name}\n  type: http\n  seq: {place}\n}}\n\n");
    let url = with_variables(path);
    let kind = if body.is_some() { "json" } else { "none" };
    write!(text, "{method} {{\n  url: {{{{api}}}}{url}\n  body: {kind}\n  auth: bearer\n}}\n\n")?;
    let token = if path.starts_with("/deployment") || path == "/tenants" { "deploymentToken" } else { "token" };
    write!(text, "auth:bearer {{\n  token: {{{{{token}}}}}\n}}\n\n")?;
    if let Some(body) = body {
        let body = FRESH.iter().fold(format!("{body:#}"), |body, (old, fresh)| body.replace(old, fresh));
        let body = body.replace('\n', "\n  ");
        write!(text, "body:json {{\n  {body}\n}}\n\n")?;
    }
    write!(text, "assert {{\n  res.status: eq {status}\n")?;
    let example = statuses[&status.to_string()].pointer("/content/application~1json/example");
    for field in example.and_then(Value::as_object).into_iter().flat_map(|example| example.keys()).take(3) {
        writeln!(text, "  res.body.{field}: isDefined")?;
    }
    text.push_str("}\n");
    if example.is_some_and(|example| example.pointer("/items/0/id").is_some()) {
        let variable = variable(path, path.rsplit('/').next().unwrap_or_default());
        write!(
            text,
            "\nscript:post-response {{\n  const [first] = res.body.items ?? [];\n  if (first) bru.setVar(\"{variable}\", first.id);\n}}\n"
        )?;
    }
    if method == "post" && status == 201 && example.is_some_and(|example| example["id"].is_string()) {
        let variable = variable(path, path.rsplit('/').next().unwrap_or_default());
        write!(text, "\nscript:post-response {{\n  bru.setVar(\"{variable}\", res.body.id);\n}}\n")?;
    }
    if let Some(summary) = operation["summary"].as_str() {
        write!(text, "\ndocs {{\n  {summary}\n}}\n")?;
    }
    Ok(text)
}

/// `/conversations/{id}` with the id of the first conversation that was found.
fn with_variables(path: &str) -> String {
    let parts: Vec<_> = path.split('/').collect();
    let named = parts.iter().enumerate().map(|(place, part)| match part.strip_prefix('{') {
        Some(_) => format!("{{{{{}}}}}", variable(path, parts[place - 1])),
        None => (*part).to_owned(),
    });
    named.collect::<Vec<_>>().join("/")
}

/// Where the id of the first thing is kept that a list with this last part has.
fn variable(path: &str, last: &str) -> String {
    let whose = if path.starts_with("/deployment") { "deployment_" } else { "" };
    format!("{whose}{}", last.replace('-', "_"))
}

/// A webhook that Meta signed, about a message without a time, and one that names no number.
fn an_event_is_parked() -> String {
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "102938475610293", "changes": [{
        "field": "messages", "value": {"metadata": {"phone_number_id": "109876543210987"},
        "messages": [{"from": "5491155551234", "id": "wamid.bruno", "type": "text", "text": {"body": "sin hora"}}]}},
        {"field": "messages", "value": {"messages": [{"id": "wamid.nobody", "type": "text"}]}}]}]});
    let body = body.to_string();
    let signature = signature::sign(body.as_bytes(), &crate::seed::APP_SECRET.into());
    format!(
        "meta {{\n  name: an event is parked\n  type: http\n  seq: 2\n}}\n\npost {{\n  url: {{{{api}}}}/webhook\n  body: text\n  auth: none\n}}\n\n\
         headers {{\n  content-type: application/json\n  {}: {signature}\n}}\n\nbody:text {{\n  {body}\n}}\n\nassert {{\n  res.status: eq 200\n}}\n\n\
         script:post-response {{\n  await bru.sleep(3000);\n}}\n\ndocs {{\n  Signed as the simulated Meta would; of its messages, one has no time and one no number, so both are parked.\n}}\n",
        signature::HEADER
    )
}

const A_CUSTOMER_WRITES: &str = r#"meta {
  name: a customer writes
  type: http
  seq: 1
}

post {
  url: {{meta}}/control/inbound
  body: json
  auth: none
}

body:json {
  {"phone_number_id": "109876543210987", "from": "5491155551234", "name": "Lucía", "text": "¿Pueden venir hoy?"}
}

assert {
  res.status: eq 200
}

docs {
  Through the simulated Meta, so that there is a conversation to look at.
}
"#;

const ENVIRONMENT: &str = "vars {
  api: http://127.0.0.1:4567/api/whatsapp
  meta: http://127.0.0.1:4568
}
vars:secret [
  token,
  deploymentToken
]
";
