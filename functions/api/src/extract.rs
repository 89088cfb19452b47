//! What handlers take, checked on the way in.

use crate::error::ApiError;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use recado_domain::ids::{ContactId, ConversationId, CustomerId, MessageId};
use recado_store::EventId;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
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
#[derive(Debug)]
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
