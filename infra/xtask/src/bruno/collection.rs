//! What stands in the collection: its files, from the API's document.

use anyhow::Context;
use recado_whatsapp::signature;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The operations whose example is answered otherwise on the local stack, and how.
const OTHERWISE: [(&str, u16); 6] = [
    // There is a number, and the example's customer has written to it.
    ("test_message_send", 202),
    // The example's token is not one.
    ("config_connect", 422),
    // It names no number: whoever tries the collection must not lose one.
    ("config_release", 400),
    // It does not say whose messages.
    ("history_list", 400),
    // The example's number is not the example's token's.
    ("tenants_register", 422),
    // A text has no file.
    ("media_lead", 404),
];

/// What is replaced in examples: so that a second run is a new request, and by what exists.
const REPLACED: [(&str, &str); 2] =
    [("reply-1", "reply-{{$guid}}"), ("cus_01KA6Y3JWQ8Z5T7N4X2M9B1C0D", "{{customers}}")];

/// Which lists tell of other things too, and where in an item: they are in no list of their own.
const ALSO_FOUND: [(&str, &str, &str); 1] = [("conversations_list", "contacts", "contact.id")];

/// Every file of the collection for a document, by its name.
pub(super) fn files(document: &Value) -> anyhow::Result<BTreeMap<String, String>> {
    let settings = json!({"version": "1", "name": "Recado", "type": "collection"});
    let mut files = BTreeMap::from([
        ("bruno.json".to_owned(), format!("{settings:#}\n")),
        ("environments/local.bru".to_owned(), ENVIRONMENT.to_owned()),
        ("collection.bru".to_owned(), COLLECTION.to_owned()),
        ("a_customer_writes.bru".to_owned(), A_CUSTOMER_WRITES.to_owned()),
        ("an_event_is_parked.bru".to_owned(), an_event_is_parked()),
    ]);
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
        files.insert(format!("{name}.bru"), request(document, place + 3, (path, method, name), operation)?);
    }
    Ok(files)
}

/// The text of a request.
fn request(
    document: &Value,
    place: usize,
    (path, method, name): (&str, &str, &str),
    operation: &Value,
) -> anyhow::Result<String> {
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
        let body = REPLACED.iter().fold(format!("{body:#}"), |body, (old, fresh)| body.replace(old, fresh));
        let body = body.replace('\n', "\n  ");
        write!(text, "body:json {{\n  {body}\n}}\n\n")?;
    }
    write!(text, "assert {{\n  res.status: eq {status}\n")?;
    let content = &statuses[&status.to_string()]["content"]["application/json"];
    for field in required(document, &content["schema"]).iter().take(3) {
        writeln!(text, "  res.body.{field}: isDefined")?;
    }
    let example = content.get("example");
    text.push_str("}\n");
    text.push_str(&what_is_found(path, name, example));
    if let Some(summary) = operation["summary"].as_str() {
        write!(text, "\ndocs {{\n  {summary}\n}}\n")?;
    }
    Ok(text)
}

/// The fields that an answer of this schema always has.
fn required<'a>(document: &'a Value, schema: &'a Value) -> BTreeSet<&'a str> {
    if let Some(named) = schema["$ref"].as_str() {
        return document
            .pointer(named.trim_start_matches('#'))
            .map(|schema| required(document, schema))
            .unwrap_or_default();
    }
    let parts = schema["allOf"].as_array().into_iter().flatten().flat_map(|part| required(document, part));
    let own = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    parts.chain(own).collect()
}

/// Keeps the ids that an answer tells, for the requests that need them.
fn what_is_found(path: &str, name: &str, example: Option<&Value>) -> String {
    let own = variable(path, path.rsplit('/').next().unwrap_or_default());
    let has = |place| example.is_some_and(|example| example.pointer(place).is_some());
    let kept = if has("/items/0/id") {
        let also = ALSO_FOUND.iter().filter(|(list, ..)| *list == name);
        let all = [(own.as_str(), "id")].into_iter().chain(also.map(|(_, variable, field)| (*variable, *field)));
        let set = all.map(|(variable, field)| format!("  if (first) bru.setVar(\"{variable}\", first.{field});\n"));
        format!("  const [first] = res.body.items ?? [];\n{}", set.collect::<String>())
    } else if has("/id") && !path.contains('{') && path != "/me" {
        format!("  bru.setVar(\"{own}\", res.body.id);\n")
    } else {
        return String::new();
    };
    format!("\nscript:post-response {{\n{kept}}}\n")
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

const COLLECTION: &str = "auth {
  mode: bearer
}

auth:bearer {
  token: {{token}}
}
";

const ENVIRONMENT: &str = "vars {
  api: http://127.0.0.1:4567/api/whatsapp
  meta: http://127.0.0.1:4568
}
vars:secret [
  token,
  deploymentToken
]
";
