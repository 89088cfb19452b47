//! Which versions of the Graph API there are, and which of them still live (WHATSAPP.md §2.0).

use crate::refusal::Refusal;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

/// The versions that are told apart here, with the day from which each is answered by the next one.
const LIVES: [(u16, Option<Date>); 6] = [
    (21, Some(date(2027, 1, 21))),
    (22, Some(date(2027, 5, 20))),
    (23, Some(date(2027, 10, 8))),
    (24, Some(date(2028, 2, 18))),
    (25, Some(date(2028, 7, 29))),
    (26, None),
];

/// The version that answers a call which asks for this one: the same, or the oldest live one if it
/// has expired. A version that never was is an unknown path.
pub(crate) fn resolve(asked: &str, now: Timestamp) -> Result<String, Refusal> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| number.to_string() == text);
    let parts = asked.strip_prefix('v').and_then(|digits| digits.split_once('.'));
    let parts = parts.and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    let existed = |major: u16, minor: u16| match major {
        1 | 4..=26 => minor == 0,
        2 => minor <= 12,
        3 => minor <= 3,
        _ => false,
    };
    let major = match parts {
        Some((major, minor)) if existed(major, minor) => major,
        _ => return Err(Refusal::path(&format!("/{asked}"))),
    };
    let today = now.to_zoned(TimeZone::UTC).date();
    let live = LIVES.iter().find(|(version, until)| *version >= major && until.is_none_or(|until| today < until));
    let (answering, _) = live.expect("the newest version has no end");
    Ok(format!("v{answering}.0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_version_answers_itself_an_expired_one_is_upgraded_and_others_do_not_exist() {
        let november: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let february: Timestamp = "2027-02-01T10:00:00Z".parse().unwrap();
        for (asked, now, answering) in [
            ("v26.0", november, Some("v26.0")),
            ("v21.0", november, Some("v21.0")),
            ("v21.0", february, Some("v22.0")),
            ("v18.0", november, Some("v21.0")),
            ("v2.12", november, Some("v21.0")),
            ("v27.0", november, None),
            ("v26.1", november, None),
            ("v026.0", november, None),
            ("26.0", november, None),
            ("v26", november, None),
            ("latest", november, None),
        ] {
            assert_eq!(resolve(asked, now).ok().as_deref(), answering, "{asked} at {now}");
        }
        assert_eq!(resolve("v99.0", november).unwrap_err().code, 2500);
    }
}
