//! What is known of a message template (REQUIREMENTS §3.5, ST-04).
//!
//! Meta reviews, rates, moves and edits templates, and tells of each in an event of its own, in any
//! order. So a template is a set of aspects, each as it was last told ([`Told`]): where it stands
//! ([`Standing`]), what customers think of it, its category, its parts. Learning of one never hides
//! another. Listing templates at Meta tells the same aspects, and is learned in the same way.

use crate::as_of::Told;
use crate::ids::{InvalidId, WaTemplateId};
use crate::status::Learned;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a template is called: by its name and its language, which together are unique in an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct TemplateKey {
    name: String,
    language: String,
}

#[derive(Deserialize)]
struct Unchecked {
    name: String,
    language: String,
}

impl TryFrom<Unchecked> for TemplateKey {
    type Error = InvalidId;

    fn try_from(Unchecked { name, language }: Unchecked) -> Result<Self, InvalidId> {
        Self::parse(name, language)
    }
}

/// The longest name, by Meta's rules.
const NAME_MAX_BYTES: usize = 512;

/// Longer than every language code of Meta's, such as `zh_CN`.
const LANGUAGE_MAX_BYTES: usize = 16;

impl TemplateKey {
    /// Takes a name of 1 to 512 small letters, digits and underscores, and a language code such as `es_AR`.
    pub fn parse(name: impl Into<String>, language: impl Into<String>) -> Result<Self, InvalidId> {
        let (name, language) = (name.into(), language.into());
        let in_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=NAME_MAX_BYTES).contains(&name.len()) || !name.bytes().all(in_name) {
            let rule = "expected 1 to 512 small letters, digits and underscores";
            return Err(InvalidId { kind: "template name", rule });
        }
        let in_language = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !(2..=LANGUAGE_MAX_BYTES).contains(&language.len()) || !language.bytes().all(in_language) {
            return Err(InvalidId { kind: "template language", rule: "expected a code such as `es_AR`" });
        }
        Ok(Self { name, language })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The language.
    pub fn language(&self) -> &str {
        &self.language
    }
}

/// Where a template stands (REQUIREMENTS §4). What Meta says beyond our own words stays as Meta says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TemplateStatus {
    /// Ours alone so far.
    Draft,
    /// Meta reviews it.
    Pending,
    /// It may be sent.
    Approved,
    /// Meta refused it.
    Rejected,
    /// It may not be sent for a while, because customers do not want it.
    Paused,
    /// It may not be sent any more.
    Disabled,
    /// Another word of Meta's, such as `FLAGGED` or `PENDING_DELETION`.
    Other(String),
}

impl TemplateStatus {
    /// The status that a word stands for.
    pub fn of(word: &str) -> Self {
        match word {
            "DRAFT" => Self::Draft,
            "PENDING" => Self::Pending,
            "APPROVED" => Self::Approved,
            "REJECTED" => Self::Rejected,
            "PAUSED" => Self::Paused,
            "DISABLED" => Self::Disabled,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The word, in the API and in the table.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Draft => "DRAFT",
            Self::Pending => "PENDING",
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
            Self::Paused => "PAUSED",
            Self::Disabled => "DISABLED",
            Self::Other(word) => word,
        }
    }

    /// Whether somebody should be told: Meta has refused, paused or disabled the template, or is about to.
    pub fn is_alarming(&self) -> bool {
        match self {
            Self::Rejected | Self::Paused | Self::Disabled => true,
            Self::Other(word) => word == "FLAGGED",
            Self::Draft | Self::Pending | Self::Approved => false,
        }
    }

    /// Of two told in the same second, the heavier is believed: an answer rather than the wait for it, and
    /// of two answers the one that lets less be sent.
    pub fn weight(&self) -> u8 {
        match self {
            Self::Draft => 0,
            Self::Pending => 1,
            Self::Approved => 2,
            Self::Other(word) if word == "DELETED" => 7,
            Self::Other(_) => 3,
            Self::Paused => 4,
            Self::Rejected => 5,
            Self::Disabled => 6,
        }
    }
}

impl Serialize for TemplateStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TemplateStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(&String::deserialize(deserializer)?))
    }
}

/// Where a template stands, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Meta's id of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wa_template_id: Option<WaTemplateId>,
    /// Where it stands.
    pub status: TemplateStatus,
    /// Why it was refused, in a word such as `INVALID_FORMAT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it was refused, paused or disabled, in Meta's sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// What Meta advises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<String>,
}

/// What customers think of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateQuality {
    /// Meta's id of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wa_template_id: Option<WaTemplateId>,
    /// `GREEN`, `YELLOW`, `RED`, `UNKNOWN`, or what Meta says some day.
    pub score: String,
}

/// Of two scores told in the same second, the heavier is believed: the worse.
pub fn weight_of_score(score: &str) -> u8 {
    match score {
        "UNKNOWN" => 1,
        "GREEN" => 2,
        "YELLOW" => 3,
        "RED" => 4,
        _ => 0,
    }
}

/// What a template is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateCategory {
    /// Meta's id of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wa_template_id: Option<WaTemplateId>,
    /// `UTILITY`, `MARKETING`, `AUTHENTICATION`, or what Meta says some day.
    pub category: String,
}

/// Weighs a category that was told in passing.
pub const CATEGORY_MENTIONED: u8 = 0;

/// Weighs a category that was the news itself.
pub const CATEGORY_CHANGED: u8 = 1;

/// The category into which Meta will put a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComingCategory {
    /// Meta's id of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wa_template_id: Option<WaTemplateId>,
    /// The category.
    pub category: String,
    /// From when on, if that was said.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub from: Option<Timestamp>,
}

/// The parts of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateComponents {
    /// Meta's id of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wa_template_id: Option<WaTemplateId>,
    /// The parts in the form in which Meta takes and lists them.
    pub parts: serde_json::Value,
}

/// Something that was told of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateFact {
    /// Where it stands.
    Standing(Told<Standing>),
    /// What customers think of it.
    Quality(Told<TemplateQuality>),
    /// What it is for.
    Category(Told<TemplateCategory>),
    /// What it will be for.
    ComingCategory(Told<ComingCategory>),
    /// What it consists of.
    Components(Told<TemplateComponents>),
}

/// Everything that was told of a template, the newest of each aspect.
///
/// A template that was deleted may come back under the same name, with another id of Meta's. What was told
/// of the former one is not true of it, so the accessors leave it out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateState {
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<Told<Standing>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<Told<TemplateQuality>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<Told<TemplateCategory>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coming_category: Option<Told<ComingCategory>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Told<TemplateComponents>>,
}

impl TemplateState {
    /// Adds what was told, unless something newer is known of the same aspect.
    pub fn learn(&mut self, fact: TemplateFact) -> Learned {
        match fact {
            TemplateFact::Standing(told) => told.settle(&mut self.standing),
            TemplateFact::Quality(told) => told.settle(&mut self.quality),
            TemplateFact::Category(told) => told.settle(&mut self.category),
            TemplateFact::ComingCategory(told) => told.settle(&mut self.coming_category),
            TemplateFact::Components(told) => told.settle(&mut self.components),
        }
    }

    /// Meta's id of the template: the one that was told last.
    pub fn wa_template_id(&self) -> Option<&WaTemplateId> {
        let told = [
            self.standing.as_ref().map(|told| (told.as_of, &told.value.wa_template_id)),
            self.quality.as_ref().map(|told| (told.as_of, &told.value.wa_template_id)),
            self.category.as_ref().map(|told| (told.as_of, &told.value.wa_template_id)),
            self.coming_category.as_ref().map(|told| (told.as_of, &told.value.wa_template_id)),
            self.components.as_ref().map(|told| (told.as_of, &told.value.wa_template_id)),
        ];
        let with_id = told.into_iter().flatten().filter_map(|(as_of, id)| Some((as_of, id.as_ref()?)));
        with_id.max().map(|(_, id)| id)
    }

    /// Where it stands, and why.
    pub fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref().map(|told| &told.value).filter(|value| self.is_of_this(&value.wa_template_id))
    }

    /// What customers think of it.
    pub fn quality(&self) -> Option<&str> {
        let told = self.quality.as_ref().map(|told| &told.value);
        told.filter(|value| self.is_of_this(&value.wa_template_id)).map(|value| value.score.as_str())
    }

    /// What it is for.
    pub fn category(&self) -> Option<&str> {
        let told = self.category.as_ref().map(|told| &told.value);
        told.filter(|value| self.is_of_this(&value.wa_template_id)).map(|value| value.category.as_str())
    }

    /// What it will be for, unless it is that by now.
    pub fn coming_category(&self) -> Option<&ComingCategory> {
        let told = self.coming_category.as_ref().map(|told| &told.value);
        told.filter(|value| self.is_of_this(&value.wa_template_id))
            .filter(|coming| self.category() != Some(coming.category.as_str()))
    }

    /// What it consists of, in the form in which Meta takes and lists it.
    pub fn components(&self) -> Option<&serde_json::Value> {
        let told = self.components.as_ref().map(|told| &told.value);
        told.filter(|value| self.is_of_this(&value.wa_template_id)).map(|value| &value.parts)
    }

    /// Whether something was told of this template, and not of a former one of the same name.
    fn is_of_this(&self, id: &Option<WaTemplateId>) -> bool {
        id.is_none() || id.as_ref() == self.wa_template_id()
    }
}

#[cfg(test)]
mod tests;
