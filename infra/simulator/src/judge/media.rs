//! Files: which kinds and sizes Meta takes, and which ids a message may name (WHATSAPP.md §2.8).

use super::fields;
use crate::graph::media::Media;
use crate::refusal::Refusal;
use crate::world::{Number, World};
use jiff::Timestamp;
use serde_json::Value;

const MIB: usize = 1 << 20;

/// What Meta takes: mime type, the kind of message it is for, the most bytes.
const TYPES: [(&str, &str, usize); 22] = [
    ("audio/aac", "audio", 16 * MIB),
    ("audio/amr", "audio", 16 * MIB),
    ("audio/mp4", "audio", 16 * MIB),
    ("audio/mpeg", "audio", 16 * MIB),
    ("audio/ogg", "audio", 16 * MIB),
    ("audio/opus", "audio", 16 * MIB),
    ("image/jpeg", "image", 5 * MIB),
    ("image/png", "image", 5 * MIB),
    ("image/webp", "sticker", 500 << 10),
    ("video/mp4", "video", 16 * MIB),
    ("video/3gpp", "video", 16 * MIB),
    ("text/plain", "document", 100 * MIB),
    ("text/csv", "document", 100 * MIB),
    ("application/pdf", "document", 100 * MIB),
    ("application/msword", "document", 100 * MIB),
    ("application/vnd.ms-excel", "document", 100 * MIB),
    ("application/vnd.ms-powerpoint", "document", 100 * MIB),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "document", 100 * MIB),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "document", 100 * MIB),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "document", 100 * MIB),
    ("application/rtf", "document", 100 * MIB),
    ("application/zip", "document", 100 * MIB),
];

/// The most bytes of a sticker that does not move.
const STILL_STICKER: usize = 100 << 10;

/// What files begin with, by mime type. A file of none of these is believed to be what it says.
const BEGINNINGS: [(&str, usize, &[u8]); 8] = [
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/gif", 0, b"GIF8"),
    ("image/webp", 8, b"WEBP"),
    ("application/pdf", 0, b"%PDF-"),
    ("audio/ogg", 0, b"OggS"),
    ("audio/amr", 0, b"#!AMR"),
    ("video/mp4", 4, b"ftyp"),
];

/// The mime type without its parameters, in lower case.
pub(crate) fn bare(mime: &str) -> String {
    mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The kind of message that a mime type is for.
pub(crate) fn kind_of(mime: &str) -> Option<&'static str> {
    let mime = bare(mime);
    TYPES.iter().find(|(known, ..)| *known == mime).map(|(_, kind, _)| *kind)
}

/// Whether a file may be uploaded.
pub(crate) fn upload(mime: &str, bytes: &[u8]) -> Result<(), Refusal> {
    let mime = bare(mime);
    let Some((_, kind, most)) = TYPES.iter().find(|(known, ..)| *known == mime) else {
        let all = TYPES.map(|(known, ..)| known).join(", ");
        return Err(Refusal::parameter("file", &format!("must be a file with one of the following types: {all}")));
    };
    if bytes.is_empty() {
        return Err(Refusal::media("The file is empty"));
    }
    // Half a megabyte is for stickers that move; those that do not have a fifth of it.
    let moves = bytes.get(..64).is_some_and(|start| start.windows(4).any(|chunk| chunk == b"ANIM"));
    let most = if *kind == "sticker" && !moves { STILL_STICKER } else { *most };
    if bytes.len() > most {
        return Err(Refusal::media(format!("{kind} file size {} exceeds the limit of {most} bytes", bytes.len())));
    }
    let begins =
        |(_, place, start): &&(&str, usize, &[u8])| bytes.get(*place..).is_some_and(|it| it.starts_with(start));
    match BEGINNINGS.iter().find(begins) {
        Some((real, ..))
            if *real != mime && !(*real == "video/mp4" && mime.ends_with("/mp4") || mime == "video/3gpp") =>
        {
            Err(Refusal::media(format!("The file is of type {real}, not {mime}")))
        }
        _ => Ok(()),
    }
}

/// Whether a file may still be used by whoever owns this number.
pub(crate) fn is_alive(media: &Media, now: Timestamp) -> bool {
    now.as_second() < media.expires_at
}

/// Whether every id that a message names is of a file that the number may send as that kind.
pub(crate) fn of_message(world: &World, number: &Number, request: &Value, now: Timestamp) -> Result<(), Refusal> {
    let check = |content: &Value, kind: &str, parameter: &str| match content.get("id").and_then(Value::as_str) {
        Some(id) => usable(world, number, id, kind, parameter, now),
        None => Ok(()),
    };
    let kind = fields::kind(request);
    match kind {
        "image" | "video" | "audio" | "document" | "sticker" => check(&request[kind], kind, &format!("{kind}['id']")),
        "interactive" => {
            let header = &request["interactive"]["header"];
            let of = header["type"].as_str().unwrap_or_default();
            check(&header[of], of, &format!("interactive['header']['{of}']['id']"))
        }
        "template" => of_components(&request["template"]["components"], "template['components']", &check),
        _ => Ok(()),
    }
}

/// As [`of_message`], for the components of a template's message and for those of its cards.
fn of_components(
    components: &Value,
    path: &str,
    check: &dyn Fn(&Value, &str, &str) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    for (component, value) in components.as_array().into_iter().flatten().enumerate() {
        for (place, parameter) in value["parameters"].as_array().into_iter().flatten().enumerate() {
            let of = parameter["type"].as_str().unwrap_or_default();
            check(&parameter[of], of, &format!("{path}[{component}]['parameters'][{place}]['{of}']['id']"))?;
        }
        for (place, card) in value["cards"].as_array().into_iter().flatten().enumerate() {
            of_components(&card["components"], &format!("{path}[{component}]['cards'][{place}]['components']"), check)?;
        }
    }
    Ok(())
}

fn usable(
    world: &World,
    number: &Number,
    id: &str,
    kind: &str,
    parameter: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let media = world.media.get(id).filter(|media| media.phone_number_id == number.phone_number_id);
    let media = media.ok_or_else(|| {
        Refusal::new(100, &format!("Param {parameter} is not a valid whatsapp business account media attachment ID"))
    })?;
    if !is_alive(media, now) {
        return Err(Refusal::not_valid(format!("{parameter}: media {id} does not exist or has expired")));
    }
    // Any file can go as a document.
    if kind == "document" || kind_of(&media.mime_type) == Some(kind) {
        return Ok(());
    }
    Err(Refusal::media(format!("{parameter}: a file of type {} cannot be sent as {kind}", media.mime_type)))
}

/// Whether a message's link names a host that can never be reached (RFC 2606): the message is taken and fails later.
pub(crate) fn is_out_of_reach(request: &Value) -> bool {
    let link = request[fields::kind(request)]["link"].as_str();
    let host = link.and_then(|link| reqwest::Url::parse(link).ok()).and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| host.ends_with(".invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_judged_by_type_size_and_beginning() {
        let code = |mime: &str, bytes: &[u8]| upload(mime, bytes).err().map(|refusal| refusal.code);
        assert_eq!(code("image/jpeg", b"\xff\xd8\xff\xe0"), None);
        assert_eq!(code("audio/ogg; codecs=opus", b"OggS..."), None);
        assert_eq!(code("text/plain", b"hola"), None);
        assert_eq!(code("audio/mp4", b"\0\0\0\x20ftypM4A "), None);
        assert_eq!(code("video/3gpp", b"\0\0\0\x20ftyp3gp4"), None);
        assert_eq!(code("image/gif", b"GIF89a"), Some(100), "a type that Meta does not take");
        assert_eq!(code("image/jpeg", b""), Some(131_053), "an empty file");
        assert_eq!(code("image/jpeg", b"\x89PNG\r\n\x1a\n"), Some(131_053), "a PNG that says it is a JPEG");
        for (mime, most) in [("image/png", 5 * MIB), ("video/mp4", 16 * MIB), ("image/webp", STILL_STICKER)] {
            assert_eq!(code(mime, &vec![0; most]), None, "{mime} of exactly {most} bytes");
            assert_eq!(code(mime, &vec![0; most + 1]), Some(131_053), "{mime} of a byte more than {most}");
        }
        let moving = [&b"RIFF0000WEBPVP8X0000ANIM"[..], &vec![0; 400 << 10]].concat();
        assert_eq!(code("image/webp", &moving), None, "a sticker that moves");
    }
}
