//! `ETag` and `If-Match`: two people who change the same thing do not undo each other's change unseen.
//!
//! A view that can be changed answers as [`Tagged`]. Its change takes [`IfMatch`] and hands the version to
//! the store, as a condition of the write; if it does not hold, the answer is [`ApiError::changed`].

use crate::error::ApiError;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Type};

/// A view with the version of what it shows.
pub(crate) struct Tagged<T>(pub(crate) u64, pub(crate) T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        ([(ETAG, format!("\"{}\"", self.0))], Json(self.1)).into_response()
    }
}

/// The version that a change is meant for; any, if the caller did not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IfMatch(pub(crate) Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(header) = parts.headers.get(IF_MATCH) else { return Ok(Self(None)) };
        let text = header.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let version = quoted.filter(|text| (1..=19).contains(&text.len())).and_then(|text| text.parse().ok());
        version.map(Some).map(Self).ok_or_else(|| ApiError::invalid("If-Match", "must be one `ETag` as it was given"))
    }
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let tag = text().pattern(Some(r#"^"[0-9]{1,19}"$"#)).examples(["\"7\""]);
        let any = text().enum_values(Some(["*"]));
        let header = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .description(Some("The `ETag` of what is to be changed; if it has changed since, nothing happens"))
            .schema(Some(AnyOfBuilder::new().item(tag).item(any)));
        vec![header.build()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    #[tokio::test]
    async fn an_etag_comes_back_as_the_version_it_was_made_of_and_nothing_else_does() {
        let read = async |header: Option<&str>| {
            let mut request = Request::builder();
            if let Some(header) = header {
                request = request.header(IF_MATCH, header);
            }
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            IfMatch::from_request_parts(&mut parts, &()).await
        };
        let given = Tagged(7, "view").into_response();
        let tag = given.headers()[ETAG].to_str().unwrap();
        assert_eq!(read(Some(tag)).await.unwrap(), IfMatch(Some(7)));
        for any in [None, Some("*")] {
            assert_eq!(read(any).await.unwrap(), IfMatch(None), "{any:?}");
        }
        for odd in ["7", "W/\"7\"", "\"7\", \"8\"", "\"\"", "\"-1\""] {
            assert!(read(Some(odd)).await.is_err(), "{odd} passed for a version");
        }
    }
}
