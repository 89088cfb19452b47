//! The Graph API, as far as the hub uses it.

pub(crate) mod account;
pub(crate) mod media;
pub(crate) mod messages;
pub(crate) mod templates;
pub(crate) mod uploads;
mod version;

use crate::Meta;
use crate::fault::Fault;
use crate::refusal::Refusal;
use crate::world::{Kind, Number};
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, MatchedPath, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The most bytes of a request that is no file.
const SMALL: usize = 1 << 20;

/// What every call has.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The version that was asked for.
    pub(crate) version: String,
    /// The version that answers.
    pub(crate) answered_as: String,
    /// Where this Meta was reached, such as `http://127.0.0.1:4568`.
    pub(crate) base: String,
    pub(crate) token: Option<String>,
}

impl Call {
    /// The number of this id, if the caller's token is its own.
    pub(crate) fn number(&self, meta: &Meta, id: &str, verb: &str) -> Result<Number, Refusal> {
        let world = meta.world();
        world.check_token(self.token.as_deref(), meta.now())?;
        let number = world.numbers.get(id).filter(|number| Some(&number.token) == self.token.as_ref());
        number.cloned().ok_or_else(|| Refusal::no_object(verb, id))
    }

    /// Whether the caller may see and change this account.
    pub(crate) fn account(&self, meta: &Meta, waba: &str, verb: &str) -> Result<(), Refusal> {
        let world = meta.world();
        world.check_token(self.token.as_deref(), meta.now())?;
        let token = self.token.as_deref().unwrap_or_default();
        if !world.owns_account(token, waba) {
            return Err(Refusal::no_object(verb, waba));
        }
        if world.tokens.get(token).is_some_and(|token| token.cannot_manage) {
            let message = "You do not have the necessary permissions required to send messages on behalf of this WhatsApp Business Account";
            return Err(Refusal::new(200, message).with_status(axum::http::StatusCode::FORBIDDEN));
        }
        Ok(())
    }

    /// Whether the caller's token is good, for what belongs to no account.
    pub(crate) fn any(&self, meta: &Meta) -> Result<(), Refusal> {
        meta.world().check_token(self.token.as_deref(), meta.now())
    }
}

/// The parameters of a query that lists or shows something.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    pub(crate) fields: Option<String>,
    pub(crate) limit: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) access_token: Option<String>,
    #[serde(flatten)]
    pub(crate) others: Map<String, Value>,
}

impl Asked {
    pub(crate) fn other(&self, name: &str) -> Option<&str> {
        self.others.get(name).and_then(Value::as_str)
    }

    /// The object with its id and the fields that were asked for; these here, if none were.
    pub(crate) fn select(&self, whole: &Value, usual: &[&str]) -> Value {
        let asked = self.fields.as_deref().map(top_level);
        let mut shown = Map::new();
        for (name, value) in whole.as_object().into_iter().flatten() {
            let wanted = match &asked {
                Some(asked) => asked.iter().any(|asked| asked == name),
                None => usual.contains(&name.as_str()),
            };
            if wanted || name == "id" {
                shown.insert(name.clone(), value.clone());
            }
        }
        Value::Object(shown)
    }
}

/// The names in `a,b{c,d},e`: `a`, `b` and `e`.
fn top_level(fields: &str) -> Vec<String> {
    let (mut names, mut depth) = (vec![String::new()], 0_u32);
    for character in fields.chars() {
        match character {
            '{' | '(' => depth += 1,
            '}' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => names.push(String::new()),
            '.' if depth == 0 => depth += 1,
            other if depth == 0 && !other.is_whitespace() => names.last_mut().expect("there is one").push(other),
            _ => {}
        }
    }
    names
}

/// One page of a list, with the way to the next as Meta gives it: the token stands in it.
pub(crate) fn page(call: &Call, asked: &Asked, path: &str, all: Vec<Value>) -> Result<Json<Value>, Refusal> {
    /// What a page holds if nobody says otherwise.
    const USUAL: usize = 25;
    let wrong = |name| Refusal::parameter(name, "is not valid");
    let limit = asked.limit.as_deref().map_or(Ok(USUAL), str::parse).map_err(|_| wrong("limit"))?;
    let limit = limit.clamp(1, 1000);
    let start = asked.after.as_deref().map_or(Some(0), place).ok_or_else(|| wrong("after"))?;
    let more = all.len() > start.saturating_add(limit);
    let shown: Vec<_> = all.into_iter().skip(start).take(limit).collect();
    let mut answer = json!({});
    if !shown.is_empty() {
        let after = cursor(start + shown.len());
        answer["paging"] = json!({"cursors": {"before": cursor(start), "after": after}});
        if more {
            let mut next = reqwest::Url::parse(&format!("{}/{}/{path}", call.base, call.answered_as))
                .map_err(|_| Refusal::new(100, "Invalid parameter"))?;
            let mut query = next.query_pairs_mut();
            query.append_pair("access_token", call.token.as_deref().unwrap_or_default());
            query.append_pair("limit", &limit.to_string());
            if let Some(fields) = &asked.fields {
                query.append_pair("fields", fields);
            }
            for (name, value) in &asked.others {
                query.append_pair(name, value.as_str().unwrap_or_default());
            }
            query.append_pair("after", &after);
            drop(query);
            answer["paging"]["next"] = json!(next.as_str());
        }
    }
    answer["data"] = json!(shown);
    Ok(Json(answer))
}

fn cursor(place: usize) -> String {
    data_encoding::BASE64URL_NOPAD.encode(format!("recado:{place}").as_bytes())
}

fn place(cursor: &str) -> Option<usize> {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("recado:")?.parse().ok()
}

/// What happens to every Graph call: it is counted, its version is judged, and what is to go wrong does.
pub(crate) async fn enter(State(meta): State<Meta>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let matched = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let mut segments = path.trim_start_matches('/').split('/');
    let is_versioned = matched.starts_with("/{version}");
    let version = if is_versioned { segments.next().unwrap_or_default() } else { "v26.0" }.to_owned();
    let edge = match matched.rsplit('/').next().unwrap_or_default() {
        "{id}" => "node",
        other => other,
    }
    .to_owned();
    let id = if matched.contains("{id}") { segments.next().unwrap_or_default() } else { "" }.to_owned();
    let fault = {
        let mut world = meta.world();
        let key = (request.method().to_string(), edge.clone(), id.clone());
        *world.calls.entry(key).or_default() += 1;
        // Those of messages are for sends only, so the handler takes them.
        if matches!(&*edge, "messages" | "marketing_messages") { None } else { world.faults.take(&id, &edge) }
    };
    let answered_as = match version::resolve(&version, meta.now()) {
        Ok(answered_as) => answered_as,
        Err(_) => return Refusal::path(&path).into_response(),
    };
    let header = HeaderValue::from_str(&answered_as).expect("a version is ASCII");
    let call = Call { version, answered_as, base: base(request.headers()), token: token(&request) };
    request.extensions_mut().insert(call);
    let mut answer = Fault::around(fault, next.run(request)).await;
    answer.headers_mut().insert("facebook-api-version", header);
    answer
}

/// Where the caller found this Meta.
pub(crate) fn base(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    format!("http://{host}")
}

/// The token: `Bearer` or `OAuth` in the header, or in the query.
fn token(request: &Request) -> Option<String> {
    if let Some(header) = request.headers().get(header::AUTHORIZATION) {
        let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
        let is_known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
        return is_known.then(|| token.trim().to_owned());
    }
    Query::<Asked>::try_from_uri(request.uri()).ok()?.0.access_token
}

/// What lies under no known path.
pub(crate) async fn nowhere(request: Request) -> Refusal {
    Refusal::path(request.uri().path())
}

/// `GET /{version}/{id}`: a number, account, template, file or upload.
pub(crate) async fn get_node(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    let id = uploads::without_signature(&id);
    let kind = meta.world().kind(id);
    match kind {
        Kind::Number => account::number(&meta, &call, id, &asked),
        Kind::Account => account::account(&meta, &call, id, &asked),
        Kind::Template => templates::show(&meta, &call, id, &asked),
        Kind::Media => media::show(&meta, &call, id, &asked),
        Kind::Upload => uploads::show(&meta, &call, id),
        Kind::App | Kind::Unknown => {
            call.any(&meta)?;
            Err(Refusal::no_object("get", id))
        }
    }
}

/// `POST /{version}/{id}`: a template is edited, or an upload goes on.
pub(crate) async fn post_node(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Refusal> {
    let id = uploads::without_signature(&id);
    let kind = meta.world().kind(id);
    match kind {
        Kind::Template => {
            let body = to_bytes(body, SMALL).await.map_err(|_| Refusal::new(100, "Invalid parameter"))?;
            templates::edit(&meta, &call, id, &body)
        }
        Kind::Upload => uploads::go_on(&meta, &call, id, &headers, body).await,
        _ => {
            call.any(&meta)?;
            Err(Refusal::no_object("post", id))
        }
    }
}

/// `DELETE /{version}/{id}`: a file is deleted.
pub(crate) async fn delete_node(
    State(meta): State<Meta>,
    Extension(call): Extension<Call>,
    Path((_, id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    let kind = meta.world().kind(&id);
    match kind {
        Kind::Media => media::delete(&meta, &call, &id, &asked),
        _ => {
            call.any(&meta)?;
            Err(Refusal::no_object("delete", &id))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_fields_name_what_they_belong_to() {
        assert_eq!(top_level("id, health_status{a,b},name.limit(3)"), ["id", "health_status", "name"]);
    }
}
