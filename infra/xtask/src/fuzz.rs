//! `cargo xtask fuzz-api`: requests that nobody thought of, against what the API's document promises.

use crate::process::run_quietly;
use crate::python::Tools;
use crate::report::Step;
use anyhow::{Context, ensure};
use recado_testkit::stack::Stack;
use recado_testkit::template::repository;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Operations of which a request may fit the schema and yet break a rule that no schema can state: a cursor is
/// one that we gave out, for that list; a replay spans 31 days at most; messages are those of a contact or of a
/// phone; a person is named once, and one of them administers; an address is one that Cognito takes; a number that
/// is not connected needs a token; a time zone is one that there is; a phone has an area code that there is; a
/// verify token of one's own does not begin like those that we make up. Whether such a request is accepted is not
/// asked of them.
const BEYOND_SCHEMAS: [&str; 21] = [
    "conversations_list",
    "messages_list",
    "media_gallery",
    "history_list",
    "reading_all",
    "events_logged",
    "events_parked",
    "events_replay_log",
    "events_replay_all_parked",
    "deployment_events_logged",
    "deployment_events_parked",
    "deployment_events_replay_log",
    "deployment_events_replay_all_parked",
    "tenants_register",
    "people_list",
    "people_invite",
    "api_keys_list",
    "apps_add",
    "config_connect",
    "config_change",
    "test_message_send",
];

/// What a request that fits the schema may be answered with, besides success: what it names is not there or
/// not theirs, or has changed.
const ACCEPTED: [&str; 8] = ["2xx", "3xx", "403", "404", "409", "412", "422", "429"];

/// Where the tenant of the run has its number.
const NUMBER: &str = "309876543210989";

/// The run's person: an administrator of the deployment and of the tenant, so that every operation is reached.
const PERSON: (&str, &str) = ("fuzz@recado.example", "Fuzz-password-1");

/// How long what was asked for may take to come about.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs schemathesis against a running stack, and says how many requests it made.
pub(crate) async fn run(stack: &Stack, folder: &Path, seed: u32, examples: u32) -> anyhow::Result<u64> {
    Tools::Schemathesis.install()?;
    let (tenant, token) = move_in(stack).await?;
    let ids = things_to_ask_for(stack, &token).await?;
    let document = folder.join("openapi-with-ids.json");
    fs::write(&document, with_ids(&tenant, &ids)?.to_string())?;
    let settings = folder.join("schemathesis.toml");
    fs::write(&settings, configuration(&token))?;
    let report = folder.join("schemathesis.json");

    let step = Step::begin(format!("schemathesis, seed {seed}, at most {examples} generated examples per operation"));
    let mut command = Command::new(Tools::Schemathesis.program("schemathesis"));
    command.arg("--config-file").arg(&settings).arg("run").arg(&document).args(["--url", &stack.api("")]);
    command.args(["--phases", "examples,coverage,fuzzing", "--seed", &seed.to_string()]);
    command.args(["--max-examples", &examples.to_string(), "--generation-database", "none", "--no-color"]);
    command.args(["--max-redirects", "0", "--request-timeout", "30", "--warnings", "off"]);
    command.args(["--report", "json", "--report-json-path"]).arg(&report).current_dir(folder);
    run_quietly("schemathesis", &mut command, &folder.join("log/schemathesis.log"))?;
    let told: Value = serde_json::from_slice(&fs::read(&report)?).context("reading what schemathesis reports")?;
    let cases = told["test_cases"]["generated"].as_u64().unwrap_or_default();
    let (operations, tested) = (&told["operations"]["total"], &told["operations"]["tested"]);
    ensure!(cases > 0 && operations == tested, "schemathesis tested {tested} of {operations} operations");
    step.done();
    println!("  {cases} requests to {operations} operations, each answered as the document says");
    Ok(cases)
}

/// What schemathesis is told in a file. A list of texts is written in TOML as it is in JSON.
fn configuration(token: &str) -> String {
    format!(
        "headers = {{ Authorization = \"Bearer {token}\" }}\n\n\
         [checks.positive_data_acceptance]\nexpected-statuses = {}\n\n\
         [[operations]]\ninclude-operation-id = {}\nchecks.positive_data_acceptance.enabled = false\n",
        json!(ACCEPTED),
        json!(BEYOND_SCHEMAS)
    )
}

/// The run's person and their tenant: its id, and their access token.
async fn move_in(stack: &Stack) -> anyhow::Result<(String, String)> {
    let (email, password) = PERSON;
    let user = stack.create_user(email, password).await.context("creating the run's person")?;
    stack.make_deployment_admin(email).await.context("making them an administrator")?;
    let token = stack.sign_in(email, password).await.map_err(anyhow::Error::msg)?;
    let at_meta = json!({"phone_number_id": NUMBER, "waba_id": NUMBER, "token": "fuzz", "verified_name": "Fuzz"});
    stack.control_put("/numbers", &at_meta).await;
    let request = json!({"name": "Fuzz", "phoneNumberId": NUMBER, "wabaId": NUMBER, "accessToken": "fuzz",
        "members": [{"userId": user, "email": email, "name": "Fuzz", "role": "admin"}]});
    let registered = stack.post(&token, "/tenants", &request).await;
    ensure!(registered.status == 201, "registering the run's tenant: {registered:?}");
    Ok((registered.body["tenantId"].as_str().unwrap_or_default().to_owned(), token))
}

/// Lets there be one of each thing that a path can name. What stands before `{id}` in a path, and the id.
async fn things_to_ask_for(stack: &Stack, token: &str) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let inbound = json!({"phone_number_id": NUMBER, "from": "5491155551234", "name": "Lucía", "text": "hola"});
    stack.control_post("/inbound", &inbound).await;
    // Without a time, it is parked.
    let parked = json!({"object": "whatsapp_business_account", "entry": [{"id": NUMBER, "changes": [{"field": "messages",
        "value": {"metadata": {"phone_number_id": NUMBER}, "messages": [{"from": "5491155551234", "id": "wamid.f"}]}}]}]});
    let posted = stack.post_webhook(parked.to_string().as_bytes()).await;
    ensure!(posted.status == 200, "posting a webhook: {posted:?}");
    let entered = stack.post(token, "/customers", &json!({"name": "Lucía"})).await;
    ensure!(entered.status == 201, "entering a customer: {entered:?}");
    let customer = entered.body["id"].as_str().unwrap_or_default().to_owned();
    let conversation = first_of(stack, token, "/conversations").await?;
    let id = |thing: &Value| thing["id"].as_str().unwrap_or_default().to_owned();
    let mut ids = BTreeMap::from([
        ("customers", customer),
        ("contacts", id(&conversation["contact"])),
        ("conversations", id(&conversation)),
    ]);
    for (name, list) in [
        // Not as `users`: the run's person would take their own rights away.
        ("agents", "/users".to_owned()),
        ("messages", format!("/conversations/{}/messages", id(&conversation))),
        ("parked", "/parked".to_owned()),
        ("webhook-logs", "/webhook-logs".to_owned()),
    ] {
        ids.insert(name, id(&first_of(stack, token, &list).await?));
    }
    Ok(ids)
}

async fn first_of(stack: &Stack, token: &str, list: &str) -> anyhow::Result<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = stack.get(token, list).await;
        if let Some(first) = answer.body.pointer("/items/0") {
            return Ok(first.clone());
        }
        ensure!(Instant::now() < deadline, "{list} stayed empty: {answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A phone as it may be typed. What all may be typed is beyond a schema.
const PHONE: &str = r"^\+54911[2-7][0-9]{7}$";

/// The committed document, with ids that lead somewhere half of the time.
fn with_ids(tenant: &str, ids: &BTreeMap<&str, String>) -> anyhow::Result<Value> {
    let text = fs::read_to_string(repository().join("functions/api/openapi.json"))?;
    let mut document: Value = serde_json::from_str(&text).context("reading openapi.json")?;
    document["components"]["parameters"]["TenantId"]["schema"] = json!({"const": tenant});
    document["components"]["parameters"]["TenantId"]["example"] = json!(tenant);
    let schemas = &mut document["components"]["schemas"];
    let customer = &mut schemas["ChangeContactRequest"]["properties"]["customerId"];
    *customer = json!({"anyOf": [{"const": ids["customers"]}, *customer]});
    let change = &mut schemas["ChangeConversationRequest"]["properties"];
    for (field, of) in [("customerId", "customers"), ("assignedToId", "agents")] {
        change[field] = json!({"anyOf": [{"const": ids[of]}, {"type": "null"}]});
    }
    // Of the times that fit the format, some are beyond the year 9999.
    change["snoozedUntil"] = json!({"anyOf": [{"const": "2027-01-01T12:00:00Z"}, {"type": "null"}]});
    let up_to = &mut schemas["ReadRequest"]["properties"]["upTo"];
    *up_to = json!({"anyOf": [{"const": ids["messages"]}, *up_to]});
    for name in ["AddCustomerRequest", "ChangeCustomerRequest"] {
        schemas[name]["properties"]["phones"]["items"] = json!({"type": "string", "pattern": PHONE});
    }
    for (path, methods) in document["paths"].as_object_mut().context("the document has no paths")? {
        let parts: Vec<_> = path.split('/').collect();
        for operation in methods.as_object_mut().into_iter().flat_map(|methods| methods.values_mut()) {
            for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
                let place = parts.iter().position(|part| parameter["name"] == part.trim_matches(['{', '}']));
                let Some(id) = place.and_then(|place| ids.get(parts[place - 1])) else { continue };
                parameter["schema"] = json!({"anyOf": [{"const": id}, parameter["schema"]]});
                parameter["example"] = json!(id);
            }
        }
    }
    Ok(document)
}
