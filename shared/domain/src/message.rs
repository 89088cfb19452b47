//! What a message is, apart from its delivery.

use serde::{Deserialize, Serialize};

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

impl MessageType {
    /// Whether such a message carries a file.
    pub const fn has_file(self) -> bool {
        matches!(self, Self::Image | Self::Video | Self::Audio | Self::Document | Self::Sticker)
    }
}

/// How a message came to us, other than by being sent through the API or by a customer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Origin {
    /// The business wrote it on its phone.
    PhoneApp,
    /// It was written before the number came to the API, and imported.
    History,
    /// A customer wrote it while Meta's own agent had the conversation.
    Standby,
    /// It was written to a group.
    Group,
    /// Nobody wrote it: it tells what happened to a contact.
    System,
}

impl Origin {
    /// Whether a message of this origin is something the customer did, so that it opens the window
    /// (WHATSAPP.md §2.2).
    pub const fn is_customer_act(origin: Option<Self>) -> bool {
        matches!(origin, None | Some(Self::Standby))
    }
}

/// How many characters of a message's words a preview shows (REQUIREMENTS IN-08).
pub const PREVIEW_CHARS: usize = 100;

/// The words of an order, whose kind has no name of its own.
pub const ORDERED: &str = "🛒 Pedido";

/// The words of a customer's opening the chat, whose kind has no name of its own.
pub const CHAT_OPENED: &str = "👋 Abrió el chat";

/// The line of a message that its author deleted.
pub const REVOKED: &str = "🚫 Mensaje eliminado";

/// The one line that the inbox shows for a message (REQUIREMENTS IN-08), in Argentine Spanish.
///
/// `words` is what there is to show of it: the text, a caption, a document's or a place's or a
/// contact's name, the title of the chosen reply, a template's text, a reaction's emoji. Its first
/// [`PREVIEW_CHARS`] characters are shown, every run of white space as one space.
pub fn preview(kind: MessageType, words: Option<&str>) -> String {
    let words = words.map(one_line).filter(|words| !words.is_empty());
    let named = |icon: &str, otherwise: &str| format!("{icon} {}", words.as_deref().unwrap_or(otherwise));
    match kind {
        MessageType::Text => words.unwrap_or_default(),
        MessageType::Image => named("📷", "Imagen"),
        MessageType::Video => named("🎥", "Video"),
        MessageType::Audio => "🎵 Audio".to_owned(),
        MessageType::Document => named("📄", "Documento"),
        MessageType::Sticker => "🎨 Sticker".to_owned(),
        MessageType::Location => named("📍", "Ubicación"),
        MessageType::Contacts => named("👤", "Contacto"),
        MessageType::Template => named("📋", "Plantilla"),
        MessageType::Interactive => words.unwrap_or_else(|| "💬 Mensaje interactivo".to_owned()),
        MessageType::Reaction => match words {
            Some(emoji) => format!("Reacción {emoji}"),
            None => "Reacción quitada".to_owned(),
        },
        MessageType::Unknown => words.unwrap_or_else(|| "Mensaje no compatible".to_owned()),
    }
}

fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().take(PREVIEW_CHARS + 1));
        if line.chars().nth(PREVIEW_CHARS).is_some() {
            break;
        }
    }
    let end = end_of_preview(&line);
    line.truncate(end);
    line.truncate(line.trim_end().len());
    line
}

/// What people see as one character is often several (👍🏽, 👩‍🔧, 🇦🇷, é): the line ends before one that
/// does not fit, unless it is longer than any that makes sense.
fn end_of_preview(line: &str) -> usize {
    const LONGEST: usize = 12;
    let Some((end, mut next)) = line.char_indices().nth(PREVIEW_CHARS) else { return line.len() };
    for (start, before) in line[..end].char_indices().rev().take(LONGEST) {
        let flags = line[..start].chars().rev().take_while(|c| is_flag_half(*c)).count();
        let joined =
            before == JOINER || is_attached(next) || is_flag_half(before) && is_flag_half(next) && flags % 2 == 0;
        if !joined {
            return start + before.len_utf8();
        }
        next = before;
    }
    end
}

const JOINER: char = '\u{200d}';

const fn is_flag_half(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Accents, variation selectors, the keycap's frame, skin tones, the tags of some flags.
const fn is_attached(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | JOINER | '\u{fe00}'..='\u{fe0f}' | '\u{20e3}' | '\u{1f3fb}'..='\u{1f3ff}'
        | '\u{e0020}'..='\u{e007f}')
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

    #[test]
    fn captions_names_and_titles_are_shown() {
        for (kind, words, expected) in [
            (MessageType::Image, Some("El tablero"), "📷 El tablero"),
            (MessageType::Image, None, "📷 Imagen"),
            (MessageType::Video, Some("Ruido"), "🎥 Ruido"),
            (MessageType::Video, Some(" \n "), "🎥 Video"),
            (MessageType::Audio, None, "🎵 Audio"),
            (MessageType::Sticker, None, "🎨 Sticker"),
            (MessageType::Location, Some("Patio Olmos"), "📍 Patio Olmos"),
            (MessageType::Location, None, "📍 Ubicación"),
            (MessageType::Contacts, Some("Jorge Pérez"), "👤 Jorge Pérez"),
            (MessageType::Contacts, None, "👤 Contacto"),
            (MessageType::Template, None, "📋 Plantilla"),
            (MessageType::Interactive, Some("Reprogramar"), "Reprogramar"),
            (MessageType::Interactive, None, "💬 Mensaje interactivo"),
            (MessageType::Reaction, Some("👍🏽"), "Reacción 👍🏽"),
            (MessageType::Reaction, None, "Reacción quitada"),
            (MessageType::Unknown, Some(ORDERED), "🛒 Pedido"),
            (MessageType::Unknown, None, "Mensaje no compatible"),
        ] {
            assert_eq!(preview(kind, words), expected, "{kind:?} {words:?}");
        }
    }

    #[test]
    fn a_preview_is_one_line() {
        assert_eq!(preview(MessageType::Text, Some("\r\nHola\n\n¿qué  tal?\u{2028}\0Chau ")), "Hola ¿qué tal? Chau");
    }

    #[test]
    fn what_people_see_as_one_character_is_not_cut_in_two() {
        for whole in ["👍🏽", "👩🏽‍🔧", "🇦🇷", "e\u{301}", "1️⃣"] {
            let chars = whole.chars().count();
            for before in (PREVIEW_CHARS + 1 - chars)..PREVIEW_CHARS {
                let text = format!("{}{whole}", "x".repeat(before));
                assert_eq!(preview(MessageType::Text, Some(&text)), "x".repeat(before), "{whole} after {before}");
            }
            let fits = format!("{}{whole}", "x".repeat(PREVIEW_CHARS - chars));
            assert_eq!(preview(MessageType::Text, Some(&format!("{fits}x"))), fits);
        }
        let flags = "🇦🇷".repeat(80);
        assert_eq!(preview(MessageType::Text, Some(&flags)), "🇦🇷".repeat(50));
        let endless = format!("x{}", "\u{301}".repeat(500));
        assert_eq!(preview(MessageType::Text, Some(&endless)).chars().count(), PREVIEW_CHARS);
    }
}
