//! What happens to templates (WHATSAPP.md §2.4).

use super::object::{object, words};
use jiff::Timestamp;
use serde_json::{Value, json};

object! {
    /// `message_template_status_update`: a template was approved, refused, paused, …
    pub struct TemplateStatus {
        /// What happened.
        pub event: Option<TemplateEvent>,
        /// Meta's id of the template: a number here, a string in the Graph API.
        pub message_template_id: Option<String>,
        /// Its name.
        pub message_template_name: Option<String>,
        /// Its language, such as `es_AR`.
        pub message_template_language: Option<String>,
        /// Why it was refused; `NONE` or null otherwise.
        pub reason: Option<TemplateReason>,
        /// Its category.
        pub message_template_category: Option<TemplateCategory>,
        /// Why it was refused, in words.
        pub rejection_info: Option<RejectionInfo>,
        /// When it was disabled.
        pub disable_info: Option<DisableInfo>,
        /// Why it was paused or locked, in words.
        pub other_info: Option<OtherInfo>,
    }

    /// Why a template was refused, in words.
    pub struct RejectionInfo {
        /// What is wrong with it.
        pub reason: Option<String>,
        /// What to do.
        pub recommendation: Option<String>,
    }

    /// When a template was disabled.
    pub struct DisableInfo {
        /// The day, as `November 20, 2026`, or unix seconds.
        pub disable_date: Option<String>,
    }

    /// Why a template was paused or locked.
    pub struct OtherInfo {
        /// Which time it is: `FIRST_PAUSE`, `SECOND_PAUSE`, `RATE_LIMITING_PAUSE`, `UNPAUSE`, `DISABLED`.
        pub title: Option<String>,
        /// The same in words.
        pub description: Option<String>,
    }

    /// `message_template_quality_update`: what customers think of a template.
    pub struct TemplateQuality {
        /// Meta's id of the template.
        pub message_template_id: Option<String>,
        /// Its name.
        pub message_template_name: Option<String>,
        /// Its language.
        pub message_template_language: Option<String>,
        /// What they thought.
        pub previous_quality_score: Option<QualityScore>,
        /// What they think now.
        pub new_quality_score: Option<QualityScore>,
    }

    /// `message_template_components_update`: a template was edited.
    pub struct TemplateComponents {
        /// Meta's id of the template.
        pub message_template_id: Option<String>,
        /// Its name.
        pub message_template_name: Option<String>,
        /// Its language.
        pub message_template_language: Option<String>,
        /// The header's text.
        pub message_template_title: Option<String>,
        /// The body.
        pub message_template_element: Option<String>,
        /// The footer.
        pub message_template_footer: Option<String>,
        /// The buttons.
        pub message_template_buttons: Vec<TemplateButton>,
    }

    /// A button of a template.
    pub struct TemplateButton {
        /// What it does, such as `URL`.
        pub message_template_button_type: Option<String>,
        /// What is written on it.
        pub message_template_button_text: Option<String>,
        /// The page it opens.
        pub message_template_button_url: Option<String>,
        /// The number it calls.
        pub message_template_button_phone_number: Option<String>,
    }

    /// `template_category_update`: Meta moved, or will move, a template to another category. Read
    /// [`TemplateCategoryUpdate::change`]: in an announcement, `new_category` is the present one.
    pub struct TemplateCategoryUpdate {
        /// Meta's id of the template.
        pub message_template_id: Option<String>,
        /// Its name.
        pub message_template_name: Option<String>,
        /// Its language.
        pub message_template_language: Option<String>,
        /// The category it was in.
        pub previous_category: Option<TemplateCategory>,
        /// The category it is in now.
        pub new_category: Option<TemplateCategory>,
        /// The category it will be in.
        pub correct_category: Option<TemplateCategory>,
        /// When it will be.
        pub category_update_timestamp: Option<Timestamp>,
    }
}

words! {
    /// What happened to a template.
    pub enum TemplateEvent {
        Approved = "APPROVED",
        Archived = "ARCHIVED",
        Deleted = "DELETED",
        Disabled = "DISABLED",
        Flagged = "FLAGGED",
        InAppeal = "IN_APPEAL",
        LimitExceeded = "LIMIT_EXCEEDED",
        Locked = "LOCKED",
        Paused = "PAUSED",
        Pending = "PENDING",
        PendingDeletion = "PENDING_DELETION",
        Reinstated = "REINSTATED",
        Rejected = "REJECTED",
        Unarchived = "UNARCHIVED",
        Unlocked = "UNLOCKED",
    }

    /// Why a template was refused.
    pub enum TemplateReason {
        AbusiveContent = "ABUSIVE_CONTENT",
        IncorrectCategory = "INCORRECT_CATEGORY",
        InvalidFormat = "INVALID_FORMAT",
        None = "NONE",
        Promotional = "PROMOTIONAL",
        Scam = "SCAM",
        TagContentMismatch = "TAG_CONTENT_MISMATCH",
    }

    /// What a template is for.
    pub enum TemplateCategory {
        Authentication = "AUTHENTICATION",
        Marketing = "MARKETING",
        Utility = "UTILITY",
    }

    /// What customers think.
    pub enum QualityScore {
        Green = "GREEN",
        Yellow = "YELLOW",
        Red = "RED",
        Unknown = "UNKNOWN",
    }
}

impl TemplateComponents {
    /// The parts in the form in which Graph takes and lists them. Samples and files are not told here.
    pub fn parts(&self) -> Value {
        let mut parts = Vec::new();
        if let Some(text) = &self.message_template_title {
            parts.push(json!({"type": "HEADER", "format": "TEXT", "text": text}));
        }
        for (kind, text) in [("BODY", &self.message_template_element), ("FOOTER", &self.message_template_footer)] {
            parts.extend(text.as_ref().map(|text| json!({"type": kind, "text": text})));
        }
        if !self.message_template_buttons.is_empty() {
            let buttons: Vec<_> = self.message_template_buttons.iter().map(TemplateButton::part).collect();
            parts.push(json!({"type": "BUTTONS", "buttons": buttons}));
        }
        parts.into()
    }
}

impl TemplateButton {
    fn part(&self) -> Value {
        let members = [
            ("type", &self.message_template_button_type),
            ("text", &self.message_template_button_text),
            ("url", &self.message_template_button_url),
            ("phone_number", &self.message_template_button_phone_number),
        ];
        let told = members.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text.as_ref()?))));
        Value::Object(told.collect())
    }
}

/// What a [`TemplateCategoryUpdate`] means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CategoryChange<'a> {
    /// It will be in another category, unless the business objects.
    Announced {
        /// The category it will be in.
        to: &'a TemplateCategory,
        /// When it will be, if that was said.
        at: Option<Timestamp>,
    },
    /// It is in another category.
    Done {
        /// The category it is in.
        to: &'a TemplateCategory,
    },
}

impl TemplateCategoryUpdate {
    /// What it means; `None` if it names no category.
    pub fn change(&self) -> Option<CategoryChange<'_>> {
        match (&self.correct_category, &self.new_category) {
            (Some(to), _) => Some(CategoryChange::Announced { to, at: self.category_update_timestamp }),
            (None, Some(to)) => Some(CategoryChange::Done { to }),
            (None, None) => None,
        }
    }
}
