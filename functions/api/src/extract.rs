//! What handlers take, checked on the way in.

use crate::error::ApiError;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use recado_domain::ids::{ApiKeyId, ContactId, ConversationId, CustomerId, MessageId, PhoneNumberId, UserId};
use recado_domain::personal::Personal;
use recado_store::EventId;
use secrecy::SecretString;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::{IntoParams, PartialSchema};

/// A JSON body of a change; a POST takes `OnceBody`. Anything else is a 400 that says where and why; more than 1 MiB is a 413.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        parse(&read_body(request).await?).map(Self)
    }
}

/// The whole body, up to the limit.
pub(crate) async fn read_body(request: Request) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(),
        _ => ApiError::invalid("body", "could not be read"),
    })
}

/// What a body says.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let Object(parsed) = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        // `?` stands for a place that the parser did not reach.
        let field = if path == "." || path.contains('?') { "body" } else { &path };
        ApiError::invalid(field, error.into_inner())
    })?;
    json.end().map_err(|error| ApiError::invalid("body", error))?;
    Ok(parsed)
}

/// A JSON object. Derived code would also take an array of the fields in their order, which nobody meant.
#[derive(Debug, Clone)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields))
            }
        }

        from.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

macro_rules! path_ids {
    ($($(#[$doc:meta])* $name:ident, $id:ty, $what:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name(pub(crate) $id);

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
                let none = || ApiError::not_found($what);
                let Path(text): Path<String> = Path::from_request_parts(parts, state).await.map_err(|_| none())?;
                <$id>::parse(&text).map(Self).map_err(|_| none())
            }
        }

        impl IntoParams for $name {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                vec![ParameterBuilder::new()
                    .name("id")
                    .parameter_in(ParameterIn::Path)
                    .required(Required::True)
                    .schema(Some(<$id>::schema()))
                    .build()]
            }
        }
    )*};
}

// The id in a path. One that cannot be an id is the id of nothing.
path_ids! {
    /// Of an API key.
    ApiKeyPath, ApiKeyId, "API key";
    /// Of a contact.
    ContactPath, ContactId, "contact";
    /// Of a conversation.
    ConversationPath, ConversationId, "conversation";
    /// Of a customer.
    CustomerPath, CustomerId, "customer";
    /// Of a webhook event.
    EventPath, EventId, "event";
    /// Of a message.
    MessagePath, MessageId, "message";
    /// Of a person of the tenant.
    UserPath, UserId, "user";
}

/// The field `name` as people type it, without what surrounds it.
pub(crate) fn checked_name(name: Personal<String>, most: usize) -> Result<Personal<String>, ApiError> {
    let name = name.into_inner().trim().to_owned();
    if name.is_empty() || name.chars().count() > most || name.chars().any(char::is_control) {
        let rule = format!("must have 1 to {most} characters, none of them a control character");
        return Err(ApiError::invalid("name", rule));
    }
    Ok(Personal::new(name))
}

/// A token that may be left out. KMS encrypts at most so many bytes directly, and a token has to fit into a header.
pub(crate) fn maybe_token<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    maybe(from, 4096)
}

/// A secret of an app. All tenants' stand in one document, so none may take much of it; Meta's have 32 characters.
pub(crate) fn app_secret<'de, D: Deserializer<'de>>(from: D) -> Result<SecretString, D::Error> {
    secret(Value::deserialize(from)?, APP_SECRET)
}

/// The same, of one that may be left out.
pub(crate) fn maybe_app_secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    maybe(from, APP_SECRET)
}

/// How long a secret of an app may be.
const APP_SECRET: usize = 128;

fn maybe<'de, D: Deserializer<'de>>(from: D, most: usize) -> Result<Option<SecretString>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        given => secret(given, most).map(Some),
    }
}

/// What is wrong with a secret is told without quoting it.
fn secret<E: serde::de::Error>(given: Value, most: usize) -> Result<SecretString, E> {
    match given {
        Value::String(text) if (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(text.into())
        }
        _ => Err(E::custom(format!("must have 1 to {most} visible ASCII characters, and no spaces"))),
    }
}

/// Meta's id of one of the tenant's own apps, in the path. One that cannot be an id is the id of nothing.
pub(crate) struct AppPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for AppPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| ApiError::not_found("app"))
    }
}

impl IntoParams for AppPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text =
            ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,32}$")).examples(["670123456789"]);
        let id = ParameterBuilder::new().name("id").parameter_in(ParameterIn::Path).required(Required::True);
        vec![id.description(Some("Meta's id of the app")).schema(Some(text)).build()]
    }
}

/// Which of the tenant's numbers is meant.
pub(crate) struct NumberQuery(pub(crate) PhoneNumberId);

impl<S: Send + Sync> FromRequestParts<S> for NumberQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        const NAME: &str = "phoneNumberId";
        let given = parameter(parts, NAME)?.ok_or_else(|| ApiError::invalid(NAME, "is required"))?;
        check_digits(NAME, &given)?;
        PhoneNumberId::parse(given).map(Self).map_err(|error| ApiError::invalid(NAME, error))
    }
}

impl IntoParams for NumberQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        // An example that is nobody's: whoever tries the examples must not lose a number.
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,32}$")).examples(["5"]);
        let id =
            ParameterBuilder::new().name("phoneNumberId").parameter_in(ParameterIn::Query).required(Required::True);
        vec![id.description(Some("Meta's id of the number")).schema(Some(text)).build()]
    }
}

/// Meta's ids of numbers and accounts have digits only.
pub(crate) fn check_digits(field: &str, id: &str) -> Result<(), ApiError> {
    let is_digits = (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits { Ok(()) } else { Err(ApiError::invalid(field, "must be Meta's id, 1 to 32 digits")) }
}

/// What a field of a change says: `null` removes, a value sets. With `#[serde(default)]`, a field that is
/// not there leaves things as they are.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Which page of a list is asked for, and of which items. A parameter that the list does not have is refused:
/// a misspelt filter would show more than was asked for.
#[derive(Debug)]
pub(crate) struct Paging<F = Everything> {
    pub(crate) limit: i32,
    pub(crate) cursor: Option<String>,
    pub(crate) filter: F,
}

/// The filter of a list that has none.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Everything {}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it describes what is read by hand, so that each parameter has its own rule")]
struct PageQuery {
    /// How many items the page has at most.
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: Option<i32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

impl<F: IntoParams> IntoParams for Paging<F> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let filter = F::into_params(|| Some(ParameterIn::Query));
        filter.into_iter().chain(PageQuery::into_params(|| None)).collect()
    }
}

/// How many items a page has unless the caller asks for another number.
const DEFAULT_LIMIT: i32 = 25;

impl<S: Send + Sync, F: DeserializeOwned> FromRequestParts<S> for Paging<F> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let limit = match parameter(parts, "limit")? {
            None => DEFAULT_LIMIT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=100).contains(limit))
                .ok_or_else(|| ApiError::invalid("limit", "must be a whole number from 1 to 100"))?,
        };
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let rest: Vec<_> = query.filter(|(name, _)| name != "limit" && name != "cursor").collect();
        Ok(Self { limit, cursor: parameter(parts, "cursor")?, filter: filter(&rest)? })
    }
}

/// A query parameter that may be given once.
pub(crate) fn parameter(parts: &Parts, name: &str) -> Result<Option<String>, ApiError> {
    let query = parts.uri.query().unwrap_or_default();
    let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(given, _)| given == name);
    let first = found.next().map(|(_, value)| value.into_owned());
    if found.next().is_some() { Err(ApiError::invalid(name, "must be given once")) } else { Ok(first) }
}

/// Reads the parameters of a list's own.
fn filter<F: DeserializeOwned>(pairs: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<F, ApiError> {
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let uri = format!("/?{text}").parse().map_err(|_| ApiError::invalid("query", "could not be read"))?;
    Query::try_from_uri(&uri).map(|Query(filter)| filter).map_err(|rejection| {
        let told = rejection.source().map(ToString::to_string).unwrap_or_default();
        match told.split_once(": ").filter(|(field, _)| pairs.iter().any(|(name, _)| name == field)) {
            Some((field, rule)) if rule.starts_with("unknown field") => {
                ApiError::invalid(field, "is not a parameter of this list")
            }
            Some((field, rule)) => ApiError::invalid(field, rule),
            None => ApiError::invalid("query", told),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        name: String,
        inner: Option<Object<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        count: u32,
    }

    #[test]
    fn a_body_is_an_object_and_so_is_what_it_holds_and_what_is_wrong_has_its_place() {
        let request: Request = parse(br#"{"name": "L", "inner": {"count": 7}}"#).unwrap();
        assert_eq!((request.name.as_str(), request.inner.unwrap().0.count), ("L", 7));
        for (body, place) in [
            (r#"["L", null]"#, "body: "),
            (r#"{"name": "L", "inner": [7]}"#, "inner: "),
            (r#"{"name": "L", "inner": {"count": "7"}}"#, "inner.count: "),
            (r#"{"nombre": "L"}"#, "nombre: "),
            (r#"{"name": "L"} {}"#, "body: "),
        ] {
            let error = format!("{:?}", parse::<Request>(body.as_bytes()).unwrap_err());
            assert!(error.contains(&format!("\"{place}")), "{body} was refused with {error}");
        }
    }
}
