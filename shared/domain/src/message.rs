//! What a message is, apart from its delivery.

use serde::{Deserialize, Serialize};

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Direction {
    /// The customer wrote to the business.
    Inbound,
    /// The business wrote to the customer.
    Outbound,
}

/// What kind of message it is (REQUIREMENTS §4). Kinds without a name of their own, such as orders
/// and template buttons, are `Unknown` with their content kept as Meta sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the names are Meta's own words")]
pub enum MessageType {
    Text,
    Image,
    Video,
    Audio,
    Document,
    Sticker,
    Location,
    Contacts,
    Template,
    Interactive,
    Reaction,
    Unknown,
}

/// How many characters of a text a preview shows (REQUIREMENTS IN-08).
pub const PREVIEW_CHARS: usize = 100;

/// The one line that the inbox shows for a message (REQUIREMENTS IN-08).
///
/// `words` is the message's text, or a document's file name.
pub fn preview(kind: MessageType, words: Option<&str>) -> String {
    match kind {
        MessageType::Text => words.unwrap_or_default().chars().take(PREVIEW_CHARS).collect(),
        MessageType::Document => format!("📄 {}", words.filter(|name| !name.is_empty()).unwrap_or("Documento")),
        MessageType::Image => "📷 Imagen".to_owned(),
        MessageType::Video => "🎥 Video".to_owned(),
        MessageType::Audio => "🎵 Audio".to_owned(),
        MessageType::Sticker => "🎨 Sticker".to_owned(),
        MessageType::Location => "📍 Ubicación".to_owned(),
        MessageType::Contacts => "👤 Contacto".to_owned(),
        MessageType::Template | MessageType::Interactive => "💬 Mensaje interactivo".to_owned(),
        MessageType::Reaction => "Reacción".to_owned(),
        MessageType::Unknown => "Mensaje no compatible".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_preview_is_its_first_hundred_characters_not_bytes() {
        let long = "ñ".repeat(150);
        assert_eq!(preview(MessageType::Text, Some(&long)), "ñ".repeat(100));
    }

    #[test]
    fn a_document_without_a_name_is_still_called_something() {
        assert_eq!(preview(MessageType::Document, Some("presupuesto.pdf")), "📄 presupuesto.pdf");
        assert_eq!(preview(MessageType::Document, Some("")), "📄 Documento");
        assert_eq!(preview(MessageType::Document, None), "📄 Documento");
    }
}
