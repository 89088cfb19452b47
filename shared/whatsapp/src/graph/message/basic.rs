//! Texts, places and reactions.

use super::{Checked, Field, hide};
use recado_domain::ids::Wamid;
use serde::{Deserialize, Serialize};

/// The longest text, in characters (WHATSAPP.md §2.5).
const TEXT_MAX: usize = 4096;

/// Room for an emoji with its modifiers and joiners.
const EMOJI_MAX: usize = 16;

/// The longest name or address of a place, in characters; Meta states none, this is what it is seen to take.
const PLACE_MAX: usize = 1000;

/// A text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// What it says: 1 to 4,096 characters.
    pub body: String,
    /// Whether the first link in it is shown with a preview.
    #[serde(default)]
    pub preview_url: bool,
}

/// A place.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
    /// What the place is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address. Phones show it only together with a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A reaction to a message. The empty emoji takes an earlier reaction back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reaction {
    /// The message.
    pub message_id: Wamid,
    /// One emoji, or nothing.
    #[serde(default)]
    pub emoji: String,
}

hide!(Text, Location, Reaction);

impl Text {
    pub(super) fn check(&self, at: &Field<'_>) -> Checked {
        at.at("body").text(&self.body, TEXT_MAX)
    }
}

impl Location {
    pub(super) fn check(&self, at: &Field<'_>) -> Checked {
        at.at("latitude").must((-90.0..=90.0).contains(&self.latitude), "between -90 and 90")?;
        at.at("longitude").must((-180.0..=180.0).contains(&self.longitude), "between -180 and 180")?;
        at.at("name").optional_text(self.name.as_deref(), PLACE_MAX)?;
        at.at("address").optional_text(self.address.as_deref(), PLACE_MAX)
    }
}

impl Reaction {
    pub(super) fn check(&self, at: &Field<'_>) -> Checked {
        let emoji = &self.emoji;
        // Meta knows what an emoji is; what no emoji contains is kept from it. Keycaps begin with ASCII.
        let may_occur = |c: char| !c.is_ascii_alphabetic() && !c.is_whitespace() && !c.is_control();
        let is_emoji = emoji.chars().count() <= EMOJI_MAX
            && emoji.chars().all(may_occur)
            && (emoji.is_empty() || !emoji.is_ascii());
        at.at("emoji").must(is_emoji, "one emoji, or empty to take a reaction back")
    }
}
