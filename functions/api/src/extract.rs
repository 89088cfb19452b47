//! What handlers take, checked on the way in.

use crate::error::ApiError;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use recado_domain::ids::{ContactId, ConversationId, CustomerId, MessageId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// A JSON body. Anything else is a 400 that says where and why; more than 1 MiB is a 413.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(),
            _ => ApiError::invalid("body", "could not be read"),
        })?;
        parse(&bytes).map(Self)
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        // `?` stands for a place that the parser did not reach.
        let field = if path == "." || path.contains('?') { "body" } else { &path };
        ApiError::invalid(field, error.into_inner())
    })?;
    json.end().map_err(|error| ApiError::invalid("body", error))?;
    Ok(parsed)
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
    /// Of a message.
    MessagePath, MessageId, "message";
}

/// What a field of a change says: `null` removes, a value sets. With `#[serde(default)]`, a field that is
/// not there leaves things as they are.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Which page of a list is asked for.
#[derive(Debug)]
pub(crate) struct Paging {
    pub(crate) limit: i32,
    pub(crate) cursor: Option<String>,
}

#[derive(Deserialize)]
struct RawPaging {
    limit: Option<String>,
    cursor: Option<String>,
}

/// How many items a page has unless the caller asks for another number.
const DEFAULT_LIMIT: i32 = 25;

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(raw): Query<RawPaging> = Query::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::invalid("query", "could not be read"))?;
        let limit = match raw.limit {
            None => DEFAULT_LIMIT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=100).contains(limit))
                .ok_or_else(|| ApiError::invalid("limit", "must be a whole number from 1 to 100"))?,
        };
        Ok(Self { limit, cursor: raw.cursor })
    }
}
