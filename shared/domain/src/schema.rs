//! The schemas of identifiers, for the API's document.

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

/// An id of ours: the prefix and the 26 characters of a ULID.
pub(crate) fn our_id(prefix: &str, kind: &str) -> RefOr<Schema> {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(format!("A {kind}")))
        .pattern(Some(format!("^{prefix}[0-7][0-9A-HJKMNP-TV-Z]{{25}}$")))
        .examples([format!("{prefix}01KA6Y3JWQ8Z5T7N4X2M9B1C0D")]);
    text.into()
}

/// An id that somebody else chose.
pub(crate) fn opaque_id(kind: &str, examples: &[&str], longest: usize) -> RefOr<Schema> {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(format!("A {kind}")))
        .min_length(Some(1))
        .max_length(Some(longest))
        .examples(examples.iter().copied());
    text.into()
}
