//! Messages that carry a file.

use super::{Checked, Field, hide, is_false};
use crate::graph::ids::MediaId;
use reqwest::Url;
use serde::{Deserialize, Serialize};

/// The longest caption, in characters (WHATSAPP.md §2.5).
const CAPTION_MAX: usize = 1024;

/// The longest file name, in characters: what file systems take.
const FILE_NAME_MAX: usize = 240;

/// A file: one that was uploaded, by id, or one that Meta is to fetch, by link. Exactly one of the two.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// The uploaded file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MediaId>,
    /// Where Meta fetches it: an https link. We never do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What stands below it: images, videos and documents only, at most 1,024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// What the file is called: documents only. Its extension decides how phones show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// Whether it is a voice message: audio only, and only OGG with Opus (WHATSAPP.md §2.8).
    #[serde(default, skip_serializing_if = "is_false")]
    pub voice: bool,
    /// What is known of its type, such as `audio/ogg; codecs=opus`. Checked, but not sent.
    #[serde(default, skip_serializing)]
    pub mime_type: Option<String>,
}

hide!(Media);

impl Media {
    /// An uploaded file.
    pub fn id(id: MediaId) -> Self {
        Self { id: Some(id), ..Self::default() }
    }

    /// A file that Meta fetches from an https link.
    pub fn link(link: impl Into<String>) -> Self {
        Self { link: Some(link.into()), ..Self::default() }
    }

    /// The same with a caption.
    #[must_use]
    pub fn with_caption(self, caption: impl Into<String>) -> Self {
        Self { caption: Some(caption.into()), ..self }
    }

    /// The same with a file name.
    #[must_use]
    pub fn with_filename(self, filename: impl Into<String>) -> Self {
        Self { filename: Some(filename.into()), ..self }
    }

    /// The same as a voice message.
    #[must_use]
    pub fn as_voice(self) -> Self {
        Self { voice: true, ..self }
    }

    /// The file itself, whatever else it may carry.
    fn check_source(&self, at: &Field<'_>) -> Checked {
        at.must(self.id.is_some() != self.link.is_some(), "exactly one of `id` and `link`")?;
        self.link.as_deref().map_or(Ok(()), |link| at.at("link").link(link))
    }

    fn check_no_caption(&self, at: &Field<'_>) -> Checked {
        at.at("caption").must(self.caption.is_none(), "only images, videos and documents have a caption")
    }

    fn check_no_filename(&self, at: &Field<'_>) -> Checked {
        at.at("filename").must(self.filename.is_none(), "only documents have a file name")
    }

    fn check_no_voice(&self, at: &Field<'_>) -> Checked {
        at.at("voice").must(!self.voice, "only audio can be a voice message")
    }

    /// A file and nothing else: stickers, and the headers of templates and interactive messages.
    pub(super) fn check_bare(&self, at: &Field<'_>) -> Checked {
        self.check_no_caption(at)?;
        self.check_no_filename(at)?;
        self.check_no_voice(at)?;
        self.check_source(at)
    }

    /// A file with or without a caption: images and videos.
    pub(super) fn check_with_caption(&self, at: &Field<'_>) -> Checked {
        at.at("caption").optional_text(self.caption.as_deref(), CAPTION_MAX)?;
        self.check_no_filename(at)?;
        self.check_no_voice(at)?;
        self.check_source(at)
    }

    pub(super) fn check_audio(&self, at: &Field<'_>) -> Checked {
        self.check_no_caption(at)?;
        self.check_no_filename(at)?;
        self.check_source(at)?;
        at.at("voice").must(!self.voice || self.may_be_ogg(), "a voice message must be OGG with Opus")
    }

    pub(super) fn check_document(&self, at: &Field<'_>) -> Checked {
        at.at("caption").optional_text(self.caption.as_deref(), CAPTION_MAX)?;
        self.check_no_voice(at)?;
        self.check_file(at)
    }

    /// A document without a caption: the headers of templates and interactive messages.
    pub(super) fn check_document_header(&self, at: &Field<'_>) -> Checked {
        self.check_no_caption(at)?;
        self.check_no_voice(at)?;
        self.check_file(at)
    }

    fn check_file(&self, at: &Field<'_>) -> Checked {
        at.at("filename").optional_text(self.filename.as_deref(), FILE_NAME_MAX)?;
        let is_plain = |name: &str| !name.contains(['/', '\\']) && !name.chars().any(char::is_control);
        at.at("filename").must(self.filename.as_deref().is_none_or(is_plain), "a name, without a path")?;
        self.check_source(at)
    }

    /// Whether nothing that we know speaks against OGG: the type if it is known, else the extension, by which
    /// Meta judges a link.
    fn may_be_ogg(&self) -> bool {
        if let Some(mime_type) = &self.mime_type {
            return crate::media::is_voice(mime_type);
        }
        let path = self.link.as_deref().and_then(|link| Url::parse(link).ok());
        let name = path.as_ref().and_then(|url| url.path_segments()?.next_back()).unwrap_or_default();
        name.rsplit_once('.').is_none_or(|(_, extension)| {
            extension.eq_ignore_ascii_case("ogg") || extension.eq_ignore_ascii_case("opus")
        })
    }
}
