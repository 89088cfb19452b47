//! Interactive messages: buttons, lists, links, requests and forms.

use super::{Checked, Field, Media, hide};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

// WHATSAPP.md §2.5, in characters or in things.
const BODY_MAX: usize = 1024;
const LIST_BODY_MAX: usize = 4096;
const HEADER_MAX: usize = 60;
const FOOTER_MAX: usize = 60;
const BUTTONS_MAX: usize = 3;
const BUTTON_ID_MAX: usize = 256;
const BUTTON_TITLE_MAX: usize = 20;
const SECTIONS_MAX: usize = 10;
const SECTION_TITLE_MAX: usize = 24;
const ROWS_MAX: usize = 10;
const ROW_ID_MAX: usize = 200;
const ROW_TITLE_MAX: usize = 24;
const ROW_DESCRIPTION_MAX: usize = 72;

/// The longest label of a form's button, in characters (Meta, "Flows": 20 is shown whole, 30 is taken).
const FLOW_CTA_MAX: usize = 30;

/// A message that asks for more than words.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Interactive {
    /// What stands above it. A list takes a text only; requests take none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// What it says: 1 to 1,024 characters, in a list 4,096.
    pub body: Words,
    /// What stands below it, small: at most 60 characters. Requests take none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub footer: Option<Words>,
    /// What it offers.
    #[serde(flatten)]
    pub action: Action,
}

/// The same as it is read: a flattened field would swallow every misspelt one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    header: Option<Header>,
    body: Words,
    #[serde(default)]
    footer: Option<Words>,
    #[serde(rename = "type")]
    kind: String,
    action: Value,
}

/// Words in the form in which Meta wants them here: `{"text": "…"}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The words.
    pub text: String,
}

/// What stands above an interactive message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Header {
    /// A text of at most 60 characters.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    Image {
        /// The file.
        image: Media,
    },
    /// A video.
    Video {
        /// The file.
        video: Media,
    },
    /// A document.
    Document {
        /// The file.
        document: Media,
    },
}

/// What an interactive message offers.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "action")]
pub enum Action {
    /// Up to three buttons, each of which sends a reply.
    #[serde(rename = "button")]
    Buttons(Buttons),
    /// A list to choose one row from.
    #[serde(rename = "list")]
    List(List),
    /// A button that opens a link.
    #[serde(rename = "cta_url")]
    CtaUrl(CtaUrl),
    /// A button that sends the person's location.
    #[serde(rename = "location_request_message")]
    LocationRequest(SendLocation),
    /// A button that sends the person's phone number, for those we know by a business-scoped id only.
    #[serde(rename = "request_contact_info")]
    ContactInfoRequest(RequestContactInfo),
    /// A form.
    #[serde(rename = "flow")]
    Flow(Flow),
}

/// Up to three buttons.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Buttons {
    /// One to three.
    pub buttons: Vec<Button>,
}

/// A button that sends a reply.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "reply", rename_all = "snake_case", deny_unknown_fields)]
pub enum Button {
    /// Its reply names it by id and title.
    Reply {
        /// What comes back: 1 to 256 characters, unique in the message.
        id: String,
        /// What it says: 1 to 20 characters, unique in the message.
        title: String,
    },
}

/// A list to choose from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The label of the button that opens it: 1 to 20 characters.
    pub button: String,
    /// One to ten sections, with one to ten rows in all.
    pub sections: Vec<Section>,
}

/// A part of a list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Its title: at most 24 characters; needed if there is more than one section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// A row of a list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What comes back: 1 to 200 characters, unique in the list.
    pub id: String,
    /// What it says: 1 to 24 characters.
    pub title: String,
    /// What stands below it: at most 72 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The action of a link button.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", content = "parameters", rename_all = "snake_case", deny_unknown_fields)]
pub enum CtaUrl {
    /// The only one there is.
    CtaUrl {
        /// The label: 1 to 20 characters.
        display_text: String,
        /// The https link.
        url: String,
    },
}

/// The action of a location request.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum SendLocation {
    /// The only one there is.
    SendLocation,
}

/// The action of a request for the phone number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum RequestContactInfo {
    /// The only one there is.
    RequestContactInfo,
}

/// The action of a form.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", content = "parameters", rename_all = "snake_case", deny_unknown_fields)]
pub enum Flow {
    /// The only one there is.
    Flow {
        /// The version of the message; `3` is the only one Meta has.
        flow_message_version: String,
        /// What the form's reply will carry.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flow_token: Option<String>,
        /// The form by id; exactly one of id and name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flow_id: Option<String>,
        /// The form by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flow_name: Option<String>,
        /// The label of its button: 1 to 30 characters, no emoji.
        flow_cta: String,
        /// How it opens; Meta takes `navigate` if there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flow_action: Option<FlowAction>,
        /// Its first screen, if it opens by `navigate`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flow_action_payload: Option<FlowPayload>,
        /// `draft` to try an unpublished form.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<String>,
    },
}

/// How a form opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowAction {
    /// At the screen that the message names.
    Navigate,
    /// At the screen that the form's server names.
    DataExchange,
}

/// A form's first screen.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowPayload {
    /// The screen's id.
    pub screen: String,
    /// What it starts with; not empty if present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Map<String, Value>>,
}

hide!(
    Interactive,
    Words,
    Header,
    Action,
    Buttons,
    Button,
    List,
    Section,
    Row,
    CtaUrl,
    SendLocation,
    RequestContactInfo,
    Flow,
    FlowPayload
);

impl TryFrom<Raw> for Interactive {
    type Error = serde_json::Error;

    fn try_from(Raw { header, body, footer, kind, action }: Raw) -> Result<Self, Self::Error> {
        let action = serde_json::from_value(json!({"type": kind, "action": action}))?;
        Ok(Self { header, body, footer, action })
    }
}

impl From<&str> for Words {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned() }
    }
}

impl Interactive {
    /// A message with a body and an action, without header and footer.
    pub fn new(body: &str, action: Action) -> Self {
        Self { header: None, body: body.into(), footer: None, action }
    }

    /// Buttons, each with an id and a title.
    pub fn buttons<'t>(body: &str, buttons: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let buttons = buttons.into_iter().map(|(id, title)| Button::Reply { id: id.into(), title: title.into() });
        Self::new(body, Action::Buttons(Buttons { buttons: buttons.collect() }))
    }

    /// A list of sections behind a button.
    pub fn list(body: &str, button: &str, sections: Vec<Section>) -> Self {
        Self::new(body, Action::List(List { button: button.to_owned(), sections }))
    }

    /// A button that opens an https link.
    pub fn cta_url(body: &str, display_text: &str, url: &str) -> Self {
        Self::new(body, Action::CtaUrl(CtaUrl::CtaUrl { display_text: display_text.to_owned(), url: url.to_owned() }))
    }

    /// Asks where the person is.
    pub fn location_request(body: &str) -> Self {
        Self::new(body, Action::LocationRequest(SendLocation::SendLocation))
    }

    /// Asks for the person's phone number.
    pub fn contact_info_request(body: &str) -> Self {
        Self::new(body, Action::ContactInfoRequest(RequestContactInfo::RequestContactInfo))
    }

    pub(super) fn check(&self, at: &Field<'_>) -> Checked {
        let (takes_header, takes_footer, body_max) = match self.action {
            Action::List(_) => (true, true, LIST_BODY_MAX),
            Action::LocationRequest(_) | Action::ContactInfoRequest(_) => (false, false, BODY_MAX),
            _ => (true, true, BODY_MAX),
        };
        if let Some(header) = &self.header {
            at.at("header").must(takes_header, "a request has no header")?;
            let allowed = matches!(header, Header::Text { .. }) || !matches!(self.action, Action::List(_));
            at.at("header").must(allowed, "a list takes a text header only")?;
            header.check(&at.at("header"))?;
        }
        at.at("body").at("text").text(&self.body.text, body_max)?;
        if let Some(footer) = &self.footer {
            at.at("footer").must(takes_footer, "a request has no footer")?;
            at.at("footer").at("text").text(&footer.text, FOOTER_MAX)?;
        }
        self.action.check(&at.at("action"))
    }
}

impl Header {
    fn check(&self, at: &Field<'_>) -> Checked {
        match self {
            Self::Text { text } => at.at("text").text(text, HEADER_MAX),
            Self::Image { image } => image.check_bare(&at.at("image")),
            Self::Video { video } => video.check_bare(&at.at("video")),
            Self::Document { document } => document.check_document_header(&at.at("document")),
        }
    }
}

impl Action {
    fn check(&self, at: &Field<'_>) -> Checked {
        match self {
            Self::Buttons(buttons) => buttons.check(&at.at("buttons")),
            Self::List(list) => list.check(at),
            Self::CtaUrl(CtaUrl::CtaUrl { display_text, url }) => {
                let at = at.at("parameters");
                at.at("display_text").text(display_text, BUTTON_TITLE_MAX)?;
                at.at("url").link(url)
            }
            Self::LocationRequest(_) | Self::ContactInfoRequest(_) => Ok(()),
            Self::Flow(flow) => flow.check(&at.at("parameters")),
        }
    }
}

impl Buttons {
    fn check(&self, at: &Field<'_>) -> Checked {
        at.count(self.buttons.len(), 1, BUTTONS_MAX, "buttons")?;
        for (index, Button::Reply { id, title }) in self.buttons.iter().enumerate() {
            let at = at.nth(index);
            let at = at.at("reply");
            at.at("id").text(id, BUTTON_ID_MAX)?;
            at.at("title").text(title, BUTTON_TITLE_MAX)?;
        }
        at.unique("reply.id", self.buttons.iter().map(|Button::Reply { id, .. }| id.as_str()))?;
        at.unique("reply.title", self.buttons.iter().map(|Button::Reply { title, .. }| title.as_str()))
    }
}

impl List {
    fn check(&self, at: &Field<'_>) -> Checked {
        at.at("button").text(&self.button, BUTTON_TITLE_MAX)?;
        let at = at.at("sections");
        at.count(self.sections.len(), 1, SECTIONS_MAX, "sections")?;
        let (mut rows, mut ids) = (0, std::collections::BTreeSet::new());
        for (index, section) in self.sections.iter().enumerate() {
            let at = at.nth(index);
            at.at("title").optional_text(section.title.as_deref(), SECTION_TITLE_MAX)?;
            at.at("title").must(section.title.is_some() || self.sections.len() == 1, "needed with several sections")?;
            let at = at.at("rows");
            at.must(!section.rows.is_empty(), "at least 1 row")?;
            for (index, row) in section.rows.iter().enumerate() {
                rows += 1;
                let at = at.nth(index);
                at.must(rows <= ROWS_MAX, format_args!("at most {ROWS_MAX} rows in all sections together"))?;
                at.at("id").text(&row.id, ROW_ID_MAX)?;
                at.at("id").must(ids.insert(&row.id), "must be unique")?;
                at.at("title").text(&row.title, ROW_TITLE_MAX)?;
                at.at("description").optional_text(row.description.as_deref(), ROW_DESCRIPTION_MAX)?;
            }
        }
        Ok(())
    }
}

impl Flow {
    fn check(&self, at: &Field<'_>) -> Checked {
        let Self::Flow { flow_message_version, flow_id, flow_name, flow_cta, flow_action, flow_action_payload, .. } =
            self;
        at.at("flow_message_version").must(flow_message_version == "3", "must be 3")?;
        at.must(flow_id.is_some() != flow_name.is_some(), "exactly one of `flow_id` and `flow_name`")?;
        at.at("flow_cta").text(flow_cta, FLOW_CTA_MAX)?;
        let Some(payload) = flow_action_payload else { return Ok(()) };
        let at = at.at("flow_action_payload");
        at.must(*flow_action != Some(FlowAction::DataExchange), "only with `navigate`")?;
        at.at("screen").must(!payload.screen.is_empty(), "must not be empty")?;
        at.at("data").must(payload.data.as_ref().is_none_or(|data| !data.is_empty()), "must not be empty")
    }
}
