//! Templates: listed, created, edited, deleted, and reviewed by Meta.

use super::{Asked, Call, page};
use crate::Meta;
use crate::judge;
use crate::refusal::Refusal;
use crate::webhooks::compose;
use crate::world::World;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How long the name of a deleted template cannot be used again, in seconds.
const NAME_BLOCKED: i64 = 30 * 24 * 60 * 60;

/// What a list shows unless told otherwise.
const SHOWN: [&str; 6] = ["name", "parameter_format", "components", "language", "status", "category"];

/// A template in one language.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Template {
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) waba_id: String,
    pub(crate) name: String,
    pub(crate) language: String,
    #[serde(default = "Template::approved")]
    pub(crate) status: String,
    #[serde(default = "Template::utility")]
    pub(crate) category: String,
    /// `POSITIONAL` or `NAMED`.
    #[serde(default = "Template::positional")]
    pub(crate) parameter_format: String,
    pub(crate) components: Vec<Value>,
    #[serde(default = "Template::no_reason")]
    pub(crate) rejected_reason: String,
    /// GREEN, YELLOW, RED or UNKNOWN.
    #[serde(default = "Template::unknown")]
    pub(crate) quality: String,
    /// What sends are answered: `accepted`, `held_for_quality_assessment` or `paused`.
    #[serde(default = "Template::accepted")]
    pub(crate) message_status: String,
    #[serde(default)]
    pub(crate) message_send_ttl_seconds: Option<i64>,
}

impl Template {
    fn approved() -> String {
        "APPROVED".to_owned()
    }

    fn utility() -> String {
        "UTILITY".to_owned()
    }

    fn positional() -> String {
        "POSITIONAL".to_owned()
    }

    fn no_reason() -> String {
        "NONE".to_owned()
    }

    fn unknown() -> String {
        "UNKNOWN".to_owned()
    }

    fn accepted() -> String {
        "accepted".to_owned()
    }

    fn view(&self) -> Value {
        let mut view = json!({
            "id": self.id,
            "name": self.name,
            "language": self.language,
            "status": self.status,
            "category": self.category,
            "parameter_format": self.parameter_format,
            "components": self.components,
            "rejected_reason": self.rejected_reason,
            "quality_score": {"score": self.quality},
        });
        if let Some(seconds) = self.message_send_ttl_seconds {
            view["message_send_ttl_seconds"] = json!(seconds);
        }
        view
    }
}

/// `GET /{version}/{account}/message_templates`
pub(crate) async fn list(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, waba)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    call.account(&meta, &waba, "get")?;
    let all: Vec<_> = {
        let world = meta.world();
        let is_asked = |view: &Value| {
            let exact = ["status", "category", "language"].iter();
            exact.clone().all(|field| asked.other(field).is_none_or(|asked| view[*field] == asked))
                // The list is searched by name, not filtered.
                && asked.other("name").is_none_or(|asked| view["name"].as_str().is_some_and(|name| name.contains(asked)))
        };
        let of_account = world.templates.values().filter(|template| template.waba_id == waba);
        of_account.map(Template::view).filter(is_asked).map(|view| asked.select(&view, &SHOWN)).collect()
    };
    page(&call, &asked, &format!("{waba}/message_templates"), all)
}

/// `GET /{version}/{template}`
pub(crate) fn show(meta: &Meta, call: &Call, id: &str, asked: &Asked) -> Result<Json<Value>, Refusal> {
    let template = owned(meta, call, id, "get")?;
    Ok(Json(asked.select(&template.view(), &SHOWN)))
}

fn owned(meta: &Meta, call: &Call, id: &str, verb: &str) -> Result<Template, Refusal> {
    call.any(meta)?;
    let template = meta.world().templates.get(id).cloned().ok_or_else(|| Refusal::no_object(verb, id))?;
    call.account(meta, &template.waba_id, verb).map_err(|_| Refusal::no_object(verb, id))?;
    Ok(template)
}

/// `POST /{version}/{account}/message_templates`
pub(crate) async fn create(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, waba)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    call.account(&meta, &waba, "post")?;
    let draft: Value = serde_json::from_slice(&body).unwrap_or_default();
    let now = meta.now().as_second();
    let template = {
        let mut world = meta.world();
        judge::draft::judge(&draft, |handle| world.uploads.values().any(|upload| upload.handle() == Some(handle)))?;
        let template = new(&mut world, waba, draft, now)?;
        world.templates.insert(template.id.clone(), template.clone());
        template
    };
    review_later(&meta, &template);
    Ok(Json(json!({"id": template.id, "status": template.status, "category": template.category})))
}

/// The template that a well-formed draft becomes, if the account can have it.
fn new(world: &mut World, waba_id: String, draft: Value, now: i64) -> Result<Template, Refusal> {
    let word = |name: &str| draft[name].as_str().unwrap_or_default().to_owned();
    let (name, language) = (word("name"), word("language"));
    let mine = || world.templates.values().filter(|template| template.waba_id == waba_id);
    if mine().any(|template| template.name == name && template.language == language) {
        let message = format!(
            "There is already {language} content for this template. You can create a new template and try again."
        );
        return Err(Refusal::draft(2_388_024, "Content in this language already exists", message));
    }
    if world.deleted_templates.get(&(waba_id.clone(), name.clone())).is_some_and(|until| now < *until) {
        let message = "New content can't be added while the existing content is being deleted. Try again in 4 weeks or consider creating a new message template.";
        return Err(Refusal::draft(2_388_023, "Message template language is being deleted", message));
    }
    let most = if world.accounts.get(&waba_id).is_some_and(|account| account.verified) { 6000 } else { 250 };
    if mine().count() >= most {
        let message = format!("An account can have at most {most} templates.");
        return Err(Refusal::draft(2_388_019, "Message template limit exceeded", message));
    }
    let is_named = word("parameter_format").eq_ignore_ascii_case("named");
    Ok(Template {
        id: world.issue(),
        waba_id,
        name,
        language,
        status: "PENDING".to_owned(),
        category: word("category"),
        parameter_format: if is_named { "NAMED" } else { "POSITIONAL" }.to_owned(),
        components: draft["components"].as_array().cloned().unwrap_or_default().into_iter().map(in_capitals).collect(),
        rejected_reason: Template::no_reason(),
        quality: Template::unknown(),
        message_status: Template::accepted(),
        message_send_ttl_seconds: draft["message_send_ttl_seconds"].as_i64(),
    })
}

/// Types and formats as Meta stores them.
pub(crate) fn in_capitals(mut component: Value) -> Value {
    for name in ["type", "format"] {
        if let Some(text) = component[name].as_str() {
            component[name] = json!(text.to_uppercase());
        }
    }
    for button in component["buttons"].as_array_mut().into_iter().flatten() {
        if let Some(text) = button["type"].as_str() {
            button["type"] = json!(text.to_uppercase());
        }
    }
    for card in component["cards"].as_array_mut().into_iter().flatten() {
        for inner in card["components"].as_array_mut().into_iter().flatten() {
            *inner = in_capitals(inner.take());
        }
    }
    // Reading a field of an object by index leaves a null behind.
    if let Some(object) = component.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    component
}

/// `POST /{version}/{template}`
pub(crate) fn edit(meta: &Meta, call: &Call, id: &str, body: &Bytes) -> Result<Json<Value>, Refusal> {
    let mut template = owned(meta, call, id, "post")?;
    let change: Value = serde_json::from_slice(body).unwrap_or_default();
    if !matches!(&*template.status, "APPROVED" | "REJECTED" | "PAUSED") {
        let message = "Only templates that are approved, rejected or paused can be edited.";
        return Err(Refusal::draft(2_388_025, "Message template can't be edited", message));
    }
    if let Some(category) = change["category"].as_str() {
        if category != template.category && template.status == "APPROVED" {
            let message = "The category of an approved template can't be changed.";
            return Err(Refusal::draft(2_388_025, "Message template can't be edited", message));
        }
        category.clone_into(&mut template.category);
    }
    if let Some(components) = change["components"].as_array() {
        template.components = components.iter().cloned().map(in_capitals).collect();
    }
    if let Some(seconds) = change["message_send_ttl_seconds"].as_i64() {
        template.message_send_ttl_seconds = Some(seconds);
    }
    {
        let mut world = meta.world();
        let whole = json!({
            "name": template.name, "language": template.language, "category": template.category,
            "parameter_format": template.parameter_format, "components": template.components,
            "message_send_ttl_seconds": template.message_send_ttl_seconds,
        });
        judge::draft::judge(&whole, |handle| world.uploads.values().any(|upload| upload.handle() == Some(handle)))?;
        template.status = "PENDING".to_owned();
        world.templates.insert(template.id.clone(), template.clone());
    }
    review_later(meta, &template);
    Ok(Json(json!({"success": true})))
}

/// `DELETE /{version}/{account}/message_templates?name=…[&hsm_id=…]`: all languages, or the one of this id.
pub(crate) async fn delete(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, waba)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    call.account(&meta, &waba, "delete")?;
    let name = asked.other("name").ok_or_else(|| Refusal::required("name"))?;
    let now = meta.now().as_second();
    let mut world = meta.world();
    let is_meant = |template: &Template| {
        template.waba_id == waba && template.name == name && asked.other("hsm_id").is_none_or(|id| template.id == id)
    };
    let meant: Vec<_> = world.templates.values().filter(|template| is_meant(template)).cloned().collect();
    if meant.is_empty() {
        let message = "The message template was not found.";
        return Err(Refusal::draft(2_593_002, "Message template not found", message));
    }
    if meant.iter().any(|template| template.status == "DISABLED") {
        let message = "A disabled template can't be deleted.";
        return Err(Refusal::draft(2_388_026, "Message template can't be deleted", message));
    }
    for template in meant {
        world.templates.remove(&template.id);
        if template.status == "APPROVED" {
            world.deleted_templates.insert((waba.clone(), template.name), now + NAME_BLOCKED);
        }
    }
    Ok(Json(json!({"success": true})))
}

/// Lets Meta review a template, if the account does not leave that to a command.
fn review_later(meta: &Meta, template: &Template) {
    let account = meta.world().accounts.get(&template.waba_id).cloned().unwrap_or_default();
    let Some(millis) = account.review_ms else { return };
    let (meta, id) = (meta.clone(), template.id.clone());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let is_pending = meta.world().templates.get(&id).is_some_and(|template| template.status == "PENDING");
        if is_pending {
            change_status(&meta, &id, &account.verdict, None);
        }
    });
}

/// Something happens to a template, and the app is told. False if there is no such template.
pub(crate) fn change_status(meta: &Meta, id: &str, event: &str, reason: Option<&str>) -> bool {
    let template = {
        let mut world = meta.world();
        let Some(template) = world.templates.get_mut(id) else { return false };
        // The events that are not statuses of their own (WHATSAPP.md §2.4).
        match event {
            "REINSTATED" | "UNARCHIVED" => "APPROVED".clone_into(&mut template.status),
            "FLAGGED" => {}
            status => status.clone_into(&mut template.status),
        }
        let reason = reason.unwrap_or(if event == "REJECTED" { "INVALID_FORMAT" } else { "NONE" });
        reason.clone_into(&mut template.rejected_reason);
        let template = template.clone();
        if event == "DELETED" {
            world.templates.remove(id);
        }
        template
    };
    let mut value = json!({
        "event": event,
        "message_template_id": template.id.parse::<u64>().unwrap_or_default(),
        "message_template_name": template.name,
        "message_template_language": template.language,
        "reason": template.rejected_reason,
        "message_template_category": template.category,
    });
    match event {
        "PAUSED" => {
            let description = "Your template has been paused for 3 hours due to low quality.";
            value["other_info"] = json!({"title": "FIRST_PAUSE", "description": description});
        }
        "REJECTED" => {
            let recommendation = "Review the template against the guidelines and submit it again.";
            value["rejection_info"] = json!({"reason": template.rejected_reason, "recommendation": recommendation});
        }
        "DISABLED" => value["disable_info"] = json!({"disable_date": meta.now().as_second()}),
        _ => {}
    }
    meta.post(vec![compose::event(meta, &template.waba_id, "message_template_status_update", value)]);
    true
}
