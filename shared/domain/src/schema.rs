//! The schemas of texts that have a type of their own, for the API's document.

use crate::email::Email;
use crate::label::{Label, MAX_LABEL_CHARS};
use crate::phone::Phone;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

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
pub(crate) fn opaque_id(kind: &str, pattern: &str, examples: &[&str], longest: usize) -> RefOr<Schema> {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(format!("A {kind}")))
        .pattern(Some(pattern))
        .min_length(Some(1))
        .max_length(Some(longest))
        .examples(examples.iter().copied());
    text.into()
}

impl PartialSchema for Email {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Email)))
            .description(Some("An e-mail address; answered in lower case"))
            .min_length(Some(3))
            .max_length(Some(254))
            .examples(["lucia@correo.example"]);
        text.into()
    }
}

impl ToSchema for Email {}

impl PartialSchema for Phone {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A phone number in international form"))
            .pattern(Some(r"^\+[0-9]{6,15}$"))
            .examples(["+5491155551234"]);
        text.into()
    }
}

impl ToSchema for Phone {}

impl PartialSchema for Label {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("What people call a conversation; without spaces around it"))
            .min_length(Some(1))
            .max_length(Some(MAX_LABEL_CHARS))
            .pattern(Some(r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"))
            .examples(["presupuesto"]);
        text.into()
    }
}

impl ToSchema for Label {}
