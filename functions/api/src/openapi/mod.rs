//! The API's own description, an OpenAPI document.
//!
//! It is built from the code by a test, committed, and embedded here as it is. `cargo xtask openapi`
//! writes it anew.

#[cfg(test)]
mod document;
#[cfg(test)]
mod example;
#[cfg(test)]
mod tests;

use axum::http::{HeaderName, header};

/// The committed document.
const DOCUMENT: &str = include_str!("../../openapi.json");

/// What this API can do: this document
///
/// It holds nothing of any tenant, so that anybody may have it.
#[utoipa::path(
    get, path = "/openapi.json", security(()),
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object, example = json!({"openapi": "3.1.0"})))
)]
pub(crate) async fn show() -> ([(HeaderName, &'static str); 2], &'static str) {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")], DOCUMENT)
}
