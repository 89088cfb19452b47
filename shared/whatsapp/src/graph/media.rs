//! Files: uploading, asking for one, downloading it.
//!
//! Nothing is held in memory as a whole. A download goes to Meta's hosts only, whatever the URL says, and
//! ends with an error if the bytes are not those that Meta promised.

use super::call::{CallError, NotSent};
use super::hosts::HostRefused;
use super::{Graph, MEDIA_TIMEOUT, MediaId};
use bytes::Bytes;
use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use recado_domain::ids::PhoneNumberId;
use recado_domain::personal::Personal;
use reqwest::multipart::{Form, Part};
use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use std::fmt;

/// The bytes of a file to upload: from memory by `From`, or as they come by `Body::wrap_stream`.
pub use reqwest::Body;

/// A file to upload.
#[derive(Debug)]
pub struct FileUpload {
    /// Its name. Meta judges a file by the name's extension as well (WHATSAPP.md §2.8).
    pub name: Personal<String>,
    /// Its type, such as `audio/ogg; codecs=opus`.
    pub mime_type: String,
    /// How many bytes there are; known beforehand, because Meta wants it.
    pub length: u64,
    /// The bytes.
    pub content: Body,
}

/// What Meta knows about a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MediaInfo {
    /// Its id.
    pub id: MediaId,
    /// Where it is, for five minutes. Carries a signature, and needs the token all the same.
    pub url: Personal<String>,
    /// Its type.
    #[serde(default)]
    pub mime_type: Option<String>,
    /// The hash of its bytes.
    #[serde(default, deserialize_with = "lenient_hash")]
    pub sha256: Option<MediaHash>,
    /// How many bytes there are.
    #[serde(default, deserialize_with = "number_or_text")]
    pub file_size: Option<u64>,
}

/// A SHA-256 as Meta writes it: hex in one place, base64 in another (WHATSAPP.md §2.8). Compared by its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MediaHash([u8; 32]);

/// A download under way. Read it with [`Download::chunk`] until there is nothing left.
pub struct Download {
    response: Response,
    hash: Sha256,
    received: u64,
    most: u64,
    expected_hash: Option<MediaHash>,
    expected_size: Option<u64>,
}

/// A file could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The URL is not one of Meta's. Nothing was connected to.
    #[error("the file may not be fetched from there")]
    Refused(#[source] HostRefused),
    /// The URL or the id has expired; ask for the file again, once.
    #[error("the file's URL has expired (HTTP {0})")]
    Expired(u16),
    /// The host answered something else, or pointed elsewhere.
    #[error("the file's host answered HTTP {0}")]
    Status(u16),
    /// The host could not be reached.
    #[error("the file's host could not be reached")]
    NotSent(#[source] NotSent),
    /// The download broke off.
    #[error("the download broke off")]
    BrokenOff(#[source] reqwest::Error),
    /// The file is longer than the caller allows.
    #[error("the file is longer than {0} bytes")]
    TooLong(u64),
    /// The file is shorter or longer than Meta said.
    #[error("the file has {received} bytes and not {expected}")]
    WrongSize {
        /// What Meta said.
        expected: u64,
        /// What came.
        received: u64,
    },
    /// The bytes are not those that Meta promised.
    #[error("the file's hash is wrong")]
    WrongHash,
}

impl MediaHash {
    /// Reads hex (64 digits, either case) or base64 (with or without padding).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = match text.len() {
            64 => HEXLOWER_PERMISSIVE.decode(text.as_bytes()),
            44 => BASE64.decode(text.as_bytes()),
            43 => BASE64_NOPAD.decode(text.as_bytes()),
            _ => return None,
        };
        Some(Self(bytes.ok()?.try_into().ok()?))
    }

    /// The 32 bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MediaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Download {
    /// Without the address, which carries a signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("received", &self.received).field("most", &self.most).finish_non_exhaustive()
    }
}

impl DownloadError {
    /// Whether asking Meta for the file again and downloading once more may help.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Expired(_) | Self::BrokenOff(_) | Self::WrongSize { .. } | Self::WrongHash => true,
            Self::NotSent(reason) => !matches!(reason, NotSent::AddressRefused),
            Self::Status(status) => *status >= 500 || *status == 429,
            Self::Refused(_) | Self::TooLong(_) => false,
        }
    }
}

impl Graph {
    /// Uploads a file for a number to send. The id lives 30 days.
    pub async fn upload(
        &self,
        token: &SecretString,
        number: &PhoneNumberId,
        file: FileUpload,
    ) -> Result<MediaId, CallError> {
        #[derive(Deserialize)]
        struct Uploaded {
            id: MediaId,
        }
        let FileUpload { name, mime_type, length, content } = file;
        let part = Part::stream_with_length(content, length).file_name(name.into_inner());
        let part = part.mime_str(&mime_type).map_err(|error| CallError::NotSent(NotSent::Request(error)))?;
        let form = Form::new().text("messaging_product", "whatsapp").text("type", mime_type).part("file", part);
        let request = self.http.post(self.url(&[number.as_str(), "media"])).timeout(MEDIA_TIMEOUT).multipart(form);
        let Uploaded { id } = self.call(token, request).await?;
        Ok(id)
    }

    /// Asks what Meta knows about a file, and where it is. With `number`, only if the file is that number's.
    pub async fn media(
        &self,
        token: &SecretString,
        id: &MediaId,
        number: Option<&PhoneNumberId>,
    ) -> Result<MediaInfo, CallError> {
        self.get(token, &[id.as_str()], &of_number(number)).await
    }

    /// Deletes an uploaded file. With `number`, only if the file is that number's.
    pub async fn delete_media(
        &self,
        token: &SecretString,
        id: &MediaId,
        number: Option<&PhoneNumberId>,
    ) -> Result<(), CallError> {
        self.done(token, self.http.delete(self.url_with(&[id.as_str()], &of_number(number)))).await
    }

    /// Starts to download a file of at most `most` bytes.
    pub async fn download(
        &self,
        token: &SecretString,
        media: &MediaInfo,
        most: u64,
    ) -> Result<Download, DownloadError> {
        let url = self.hosts.check(media.url.expose()).map_err(DownloadError::Refused)?;
        if media.file_size.is_some_and(|size| size > most) {
            return Err(DownloadError::TooLong(most));
        }
        let request = self.http.get(url).timeout(MEDIA_TIMEOUT).bearer_auth(token.expose_secret());
        let response = request.send().await.map_err(|error| match NotSent::of(error) {
            Ok(reason) => DownloadError::NotSent(reason),
            Err(error) => DownloadError::BrokenOff(error),
        })?;
        match response.status() {
            StatusCode::OK => {}
            // All of these are ways to say that a URL has expired (RELIABILITY.md row 13). Asking once more is harmless.
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE) => {
                return Err(DownloadError::Expired(status.as_u16()));
            }
            status => return Err(DownloadError::Status(status.as_u16())),
        }
        if response.content_length().is_some_and(|length| length > most) {
            return Err(DownloadError::TooLong(most));
        }
        Ok(Download {
            response,
            hash: Sha256::new(),
            received: 0,
            most,
            expected_hash: media.sha256,
            expected_size: media.file_size,
        })
    }
}

impl Download {
    /// The next bytes. `None` means that the whole file came and is the one that Meta promised; until then
    /// nothing should be made of it.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, DownloadError> {
        let next = self.response.chunk().await;
        let Some(bytes) = next.map_err(|error| DownloadError::BrokenOff(error.without_url()))? else {
            return self.finish().map(|()| None);
        };
        self.received += bytes.len() as u64;
        if self.received > self.most {
            return Err(DownloadError::TooLong(self.most));
        }
        self.hash.update(&bytes);
        Ok(Some(bytes))
    }

    /// How many bytes have come so far.
    pub const fn received(&self) -> u64 {
        self.received
    }

    fn finish(&mut self) -> Result<(), DownloadError> {
        let received = self.received;
        if let Some(expected) = self.expected_size.filter(|expected| *expected != received) {
            return Err(DownloadError::WrongSize { expected, received });
        }
        let hash = MediaHash(self.hash.finalize_reset().into());
        // Asked again after its end, a download stays at its end.
        match self.expected_hash.take() {
            Some(expected) if expected != hash => Err(DownloadError::WrongHash),
            _ => Ok(()),
        }
    }
}

fn of_number(number: Option<&PhoneNumberId>) -> Vec<(&str, &str)> {
    number.map(|number| ("phone_number_id", number.as_str())).into_iter().collect()
}

/// Reads a number that Meta writes as text, and takes it for missing if it is neither.
fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_u64().or_else(|| value.as_str()?.parse().ok()))
}

/// Reads a hash, and takes one that is none for missing: it must not cost us the file.
fn lenient_hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MediaHash>, D::Error> {
    Ok(serde_json::Value::deserialize(deserializer)?.as_str().and_then(MediaHash::parse))
}

#[cfg(test)]
mod tests;
