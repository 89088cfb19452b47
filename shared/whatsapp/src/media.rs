//! What Meta takes as media (WHATSAPP.md §2.8; [supported media types]).
//!
//! Checked before uploading: Meta accepts the message first and reports 131053 later, or never plays it.
//!
//! [supported media types]: https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media#supported-media-types

use crate::invalid::Invalid;

/// What kind of message a medium makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are Meta's own words")]
pub enum MediaKind {
    Image,
    Video,
    Audio,
    Document,
    Sticker,
}

/// A type of file that Meta takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaType {
    /// What kind of message it makes by itself. Anything may also be sent as a document.
    pub kind: MediaKind,
    /// Its MIME type as Meta wants it.
    pub mime: &'static str,
    /// Its file name extensions; the first is the usual one.
    pub extensions: &'static [&'static str],
}

/// The MIME type of a voice note: Ogg with one channel of Opus. Nothing else shows as one (WHATSAPP.md §2.8).
pub const VOICE_MIME: &str = "audio/ogg; codecs=opus";

/// Every type that Meta takes.
pub const TYPES: [MediaType; 18] = {
    use MediaKind::{Audio, Document, Image, Sticker, Video};
    const fn of(kind: MediaKind, mime: &'static str, extensions: &'static [&'static str]) -> MediaType {
        MediaType { kind, mime, extensions }
    }
    [
        of(Image, "image/jpeg", &["jpg", "jpeg"]),
        of(Image, "image/png", &["png"]),
        of(Sticker, "image/webp", &["webp"]),
        of(Video, "video/mp4", &["mp4"]),
        of(Video, "video/3gpp", &["3gp", "3gpp"]),
        of(Audio, "audio/aac", &["aac"]),
        of(Audio, "audio/amr", &["amr"]),
        of(Audio, "audio/mpeg", &["mp3"]),
        of(Audio, "audio/mp4", &["m4a"]),
        of(Audio, VOICE_MIME, &["ogg", "oga", "opus"]),
        of(Document, "application/pdf", &["pdf"]),
        of(Document, "text/plain", &["txt"]),
        of(Document, "application/msword", &["doc"]),
        of(Document, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", &["docx"]),
        of(Document, "application/vnd.ms-excel", &["xls"]),
        of(Document, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", &["xlsx"]),
        of(Document, "application/vnd.ms-powerpoint", &["ppt"]),
        of(Document, "application/vnd.openxmlformats-officedocument.presentationml.presentation", &["pptx"]),
    ]
};

/// Largest animated sticker, in bytes. (Meta says KB and MB; the larger reading is taken, for Meta to judge.)
pub const ANIMATED_STICKER_MAX: u64 = 500 * KB;

/// Largest sticker that does not move, in bytes.
pub const STATIC_STICKER_MAX: u64 = 100 * KB;

/// Width and height of a sticker, in pixels.
pub const STICKER_SIDE: u32 = 512;

const KB: u64 = 1_024;
const MB: u64 = 1_024 * KB;

impl MediaKind {
    /// The kind of message that a file of this MIME type makes; a document, if it makes nothing else.
    pub fn of_mime(mime: &str) -> Self {
        let essence = essence(mime);
        let known = TYPES.iter().find(|media| self::essence(media.mime) == essence);
        match known {
            Some(media) => media.kind,
            // Spellings that Meta does not take, but that say what the file is.
            None if essence == "image/jpg" => Self::Image,
            None if essence == "video/3gp" => Self::Video,
            None if essence.starts_with("audio/") => Self::Audio,
            None => Self::Document,
        }
    }

    /// Most bytes of a medium of this kind (of a sticker, if it moves).
    pub const fn max_bytes(self) -> u64 {
        match self {
            Self::Image => 5 * MB,
            Self::Video | Self::Audio => 16 * MB,
            Self::Document => 100 * MB,
            Self::Sticker => ANIMATED_STICKER_MAX,
        }
    }

    const fn size_rule(self) -> &'static str {
        match self {
            Self::Image => "must have at most 5 MB for an image",
            Self::Video => "must have at most 16 MB for a video",
            Self::Audio => "must have at most 16 MB for audio",
            Self::Document => "must have at most 100 MB for a document",
            Self::Sticker => "must have at most 500 KB for a sticker",
        }
    }

    const fn type_rule(self) -> &'static str {
        match self {
            Self::Image => "must be image/jpeg or image/png for an image",
            Self::Video => "must be video/mp4 or video/3gpp for a video",
            Self::Audio => "must be audio/aac, audio/amr, audio/mpeg, audio/mp4 or audio/ogg; codecs=opus for audio",
            Self::Document => "must be a MIME type that Meta takes for a document",
            Self::Sticker => "must be image/webp for a sticker",
        }
    }
}

/// Judges a medium by what is known without looking into it: whether Meta takes this type as this kind,
/// and this many bytes of it.
pub fn check(kind: MediaKind, mime: &str, bytes: u64) -> Result<(), Invalid> {
    let is_taken = TYPES.iter().any(|media| {
        let as_this = media.kind == kind || (kind == MediaKind::Document && media.kind != MediaKind::Sticker);
        as_this && if media.mime == VOICE_MIME { is_voice(mime) } else { essence(mime) == media.mime }
    });
    if !is_taken {
        return Err(Invalid::new("mime_type", kind.type_rule()));
    }
    match bytes {
        0 => Err(Invalid::new("file_size", "must not be zero")),
        bytes if bytes > kind.max_bytes() => Err(Invalid::new("file_size", kind.size_rule())),
        _ => Ok(()),
    }
}

/// Whether audio of this type can be sent as a voice note: Ogg, and said to be Opus.
pub fn is_voice(mime: &str) -> bool {
    let parameter = mime.split(';').skip(1).find_map(|parameter| parameter.split_once('='));
    let is_opus = parameter.is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("codecs") && value.trim().trim_matches('"').eq_ignore_ascii_case("opus")
    });
    essence(mime) == "audio/ogg" && is_opus
}

/// The type that a file of this name has for Meta, by its extension: Meta itself goes by the extension.
pub fn type_of_file_name(name: &str) -> Option<&'static MediaType> {
    let (_, extension) = name.rsplit_once('.')?;
    TYPES.iter().find(|media| media.extensions.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

/// The usual extension of a MIME type, without its dot.
pub fn extension_of(mime: &str) -> Option<&'static str> {
    TYPES.iter().find(|media| essence(media.mime) == essence(mime)).map(|media| media.extensions[0])
}

/// Judges a sticker by its contents: WebP, 512 × 512 pixels, and the size limit that depends on whether
/// it moves.
pub fn check_sticker(contents: &[u8]) -> Result<(), Invalid> {
    let Some(WebP { width, height, is_animated }) = WebP::read(contents) else {
        return Err(Invalid::new("file", "must be a WebP picture"));
    };
    if (width, height) != (STICKER_SIDE, STICKER_SIDE) {
        return Err(Invalid::new("file", "must be 512 pixels wide and high"));
    }
    let (max, rule) = if is_animated {
        (ANIMATED_STICKER_MAX, "must have at most 500 KB for an animated sticker")
    } else {
        (STATIC_STICKER_MAX, "must have at most 100 KB for a sticker that does not move")
    };
    if contents.len() as u64 > max { Err(Invalid::new("file_size", rule)) } else { Ok(()) }
}

/// What the first chunk of a WebP file says.
struct WebP {
    width: u32,
    height: u32,
    is_animated: bool,
}

impl WebP {
    /// Reads the first chunk ([container], [lossless], RFC 6386 §9.1 for lossy).
    ///
    /// [container]: https://developers.google.com/speed/webp/docs/riff_container
    /// [lossless]: https://developers.google.com/speed/webp/docs/webp_lossless_bitstream_specification
    fn read(file: &[u8]) -> Option<Self> {
        let chunk = file.get(20..30)?;
        if &file[..4] != b"RIFF" || &file[8..12] != b"WEBP" {
            return None;
        }
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
        Some(match &file[12..16] {
            b"VP8X" => Self {
                width: number(&chunk[4..7]) + 1,
                height: number(&chunk[7..10]) + 1,
                is_animated: chunk[0] & 0b10 != 0,
            },
            b"VP8L" if chunk[0] == 0x2F => {
                let bits = number(&chunk[1..5]);
                Self { width: (bits & 0x3FFF) + 1, height: ((bits >> 14) & 0x3FFF) + 1, is_animated: false }
            }
            b"VP8 " if chunk[3..6] == [0x9D, 0x01, 0x2A] => Self {
                width: number(&chunk[6..8]) & 0x3FFF,
                height: number(&chunk[8..10]) & 0x3FFF,
                is_animated: false,
            },
            _ => return None,
        })
    }
}

/// Most bytes of a file name: what file systems take, with room for a prefix.
const FILE_NAME_MAX: usize = 240;

/// A file name that is safe to show, to store and to send: what a path ends in, without characters that
/// no system allows, that nobody sees, or that turn the direction of writing; at most 240 bytes, with its
/// extension and its accents. Never empty.
pub fn safe_file_name(name: &str) -> String {
    let safe = made_safe(name);
    // What cutting left over may end otherwise than the whole did.
    if safe == name { safe } else { safe_file_name(&safe) }
}

fn made_safe(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let visible: String = last
        .chars()
        .filter(|char| !char.is_control() && !is_invisible(*char))
        .map(|char| if matches!(char, '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { char })
        .collect();
    let trimmed = visible.trim_matches(|char: char| char == '.' || char.is_whitespace());
    let (stem, extension) = match trimmed.rsplit_once('.') {
        Some((stem, extension)) if (1..=16).contains(&extension.len()) => (stem, Some(extension)),
        _ => (trimmed, None),
    };
    let room = FILE_NAME_MAX - extension.map_or(0, |extension| extension.len() + 1);
    let mut end = stem.len().min(room);
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let stem = stem[..end].trim_end_matches(|char: char| char == '.' || char.is_whitespace());
    match (stem, extension) {
        ("", None) => "documento".to_owned(),
        (stem, None) => stem.to_owned(),
        (stem, Some(extension)) => format!("{stem}.{}", extension.trim_start()),
    }
}

/// Marks of direction, joiners, and other characters without a shape.
const fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}'
    )
}

/// A MIME type without parameters, in small letters.
fn essence(mime: &str) -> String {
    mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_type_is_taken_as_its_kind_and_up_to_its_size() {
        for MediaType { kind, mime, extensions } in TYPES {
            assert_eq!(MediaKind::of_mime(mime), kind, "{mime}");
            assert_eq!(check(kind, mime, kind.max_bytes()), Ok(()), "{mime}");
            assert_eq!(check(kind, &mime.to_ascii_uppercase(), 1), Ok(()), "{mime}");
            assert_eq!(check(kind, mime, kind.max_bytes() + 1).unwrap_err().field, "file_size", "{mime}");
            assert_eq!(check(kind, mime, 0).unwrap_err().field, "file_size", "{mime}");
            assert_eq!(extension_of(mime), Some(extensions[0]));
            for extension in extensions {
                let name = format!("Informe.final.{}", extension.to_ascii_uppercase());
                assert_eq!(type_of_file_name(&name).map(|media| media.mime), Some(mime), "{name}");
            }
        }
    }

    #[test]
    fn what_meta_does_not_take_is_refused_by_its_type() {
        for (kind, mime) in [
            (MediaKind::Image, "image/webp"),
            (MediaKind::Image, "image/jpg"),
            (MediaKind::Image, "image/svg+xml"),
            (MediaKind::Sticker, "image/png"),
            (MediaKind::Video, "video/quicktime"),
            (MediaKind::Audio, "audio/wav"),
            (MediaKind::Audio, "audio/ogg"),
            (MediaKind::Audio, "audio/ogg; codecs=vorbis"),
            (MediaKind::Document, "application/x-msdownload"),
            (MediaKind::Document, ""),
        ] {
            assert_eq!(check(kind, mime, 1).unwrap_err().field, "mime_type", "{mime:?} as {kind:?}");
        }
        assert_eq!(check(MediaKind::Document, "image/png", 6 * MB), Ok(()), "a picture may be sent as a document");
        assert_eq!(MediaKind::of_mime("application/zip"), MediaKind::Document);
    }

    #[test]
    fn only_opus_in_ogg_is_a_voice_note() {
        for good in [VOICE_MIME, "audio/ogg;codecs=\"opus\"", "AUDIO/OGG ; Codecs=OPUS"] {
            assert!(is_voice(good), "{good}");
        }
        for bad in ["audio/ogg", "audio/ogg; codecs=vorbis", "audio/mpeg; codecs=opus", "audio/opus", ""] {
            assert!(!is_voice(bad), "{bad}");
        }
    }

    /// A WebP file of this many bytes whose first chunk is this.
    fn webp(chunk: &[u8; 4], payload: [u8; 10], len: usize) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        file.extend(chunk);
        file.extend([0; 4]);
        file.extend(payload);
        file.resize(len, 0);
        file
    }

    #[test]
    fn a_sticker_is_judged_by_what_is_in_it() {
        let extended = |flags| [flags, 0, 0, 0, 0xFF, 0x01, 0, 0xFF, 0x01, 0];
        let lossless = [0x2F, 0xFF, 0xC1, 0x7F, 0, 0, 0, 0, 0, 0];
        let lossy = [0, 0, 0, 0x9D, 0x01, 0x2A, 0x00, 0x02, 0x00, 0x02];
        let small = 100 * 1_024;
        for (chunk, payload) in [(b"VP8X", extended(0)), (b"VP8L", lossless), (b"VP8 ", lossy)] {
            assert_eq!(check_sticker(&webp(chunk, payload, small)), Ok(()));
            assert_eq!(check_sticker(&webp(chunk, payload, small + 1)).unwrap_err().field, "file_size");
        }
        assert_eq!(check_sticker(&webp(b"VP8X", extended(0b10), 500 * 1_024)), Ok(()));
        assert_eq!(check_sticker(&webp(b"VP8X", extended(0b10), 500 * 1_024 + 1)).unwrap_err().field, "file_size");
        let wide = webp(b"VP8X", [0, 0, 0, 0, 0, 0x02, 0, 0xFF, 0x01, 0], small);
        assert_eq!(check_sticker(&wide).unwrap_err().rule, "must be 512 pixels wide and high");
        for bad in [&b""[..], b"RIFF", b"\x89PNG\r\n\x1a\n and so on and so on and so on"] {
            assert_eq!(check_sticker(bad).unwrap_err().rule, "must be a WebP picture");
        }
    }

    #[test]
    fn a_file_name_keeps_its_accents_and_loses_what_could_harm() {
        for (name, safe) in [
            ("Presupuesto ñandú.pdf", "Presupuesto ñandú.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\Ana\\factura 1.PDF", "factura 1.PDF"),
            ("factura\u{202E}fdp.exe", "facturafdp.exe"),
            ("a\r\nb\0.txt", "ab.txt"),
            ("¿cuánto?*.doc", "¿cuánto__.doc"),
            (".htaccess", "htaccess"),
            ("...", "documento"),
            ("", "documento"),
            ("carpeta/", "carpeta"),
            ("x. ", "x"),
            (&format!("{}..{}", "a".repeat(222), "b".repeat(17)), &format!("{}.{}", "a".repeat(222), "b".repeat(16))),
        ] {
            assert_eq!(safe_file_name(name), safe, "{name:?}");
        }
        let long = format!("{}.pdf", "ñ".repeat(300));
        let safe = safe_file_name(&long);
        assert!(safe.len() <= 240 && safe.ends_with("ñ.pdf"), "{} bytes: {safe}", safe.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn every_file_name_becomes_a_safe_one_and_a_safe_one_stays(name in "(\\PC|[./\\\\: ñ\u{202E}\u{200B}\n]|[a-z]{1,40}){0,24}") {
            let safe = safe_file_name(&name);
            prop_assert!(!safe.is_empty() && safe.len() <= 240);
            prop_assert!(!safe.starts_with(['.', ' ']) && !safe.ends_with(['.', ' ']), "{:?}", safe);
            prop_assert!(!safe.chars().any(|char| char.is_control() || is_invisible(char) || "/\\:*?\"<>|".contains(char)));
            prop_assert_eq!(safe_file_name(&safe), safe);
        }
    }
}
