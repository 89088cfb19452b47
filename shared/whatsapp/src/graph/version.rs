//! Graph versions and the days they have left.
//!
//! Calls to an expired version are silently answered by the oldest live one, so behaviour changes without
//! notice (WHATSAPP.md §2.0): [`lifetime`] is for an alarm well before that.

use jiff::civil::{Date, date};

/// The version used unless the deployment chooses another (current since July 2026).
pub const DEFAULT_VERSION: &str = "v26.0";

/// When each version ends; `None` for the latest, which has no date yet (WHATSAPP.md §2.0, Meta's changelog).
const SUNSETS: &[(&str, Option<Date>)] = &[
    ("v26.0", None),
    ("v25.0", Some(date(2028, 7, 29))),
    ("v24.0", Some(date(2028, 2, 18))),
    ("v23.0", Some(date(2027, 10, 8))),
    ("v22.0", Some(date(2027, 5, 20))),
    ("v21.0", Some(date(2027, 1, 21))),
    ("v20.0", Some(date(2026, 9, 24))),
    ("v19.0", Some(date(2026, 5, 21))),
    ("v18.0", Some(date(2026, 1, 26))),
];

/// How long a version lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// It is the newest we know; Meta has not said when it ends.
    Latest,
    /// It ends in this many days, at least 1.
    DaysLeft(u32),
    /// It has ended.
    Expired,
    /// Not in our table: too new, too old, or no version at all.
    UnknownVersion,
}

/// How long `version`, such as `v25.0`, lasts after `today`. On the day of its end it counts as expired.
pub fn lifetime(version: &str, today: Date) -> Lifetime {
    match SUNSETS.iter().find(|(known, _)| *known == version) {
        None => Lifetime::UnknownVersion,
        Some((_, None)) => Lifetime::Latest,
        Some((_, Some(end))) => match u32::try_from(end.duration_since(today).as_hours() / 24) {
            Ok(0) | Err(_) => Lifetime::Expired,
            Ok(days) => Lifetime::DaysLeft(days),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_version_is_the_latest() {
        assert_eq!(DEFAULT_VERSION, "v26.0");
        assert_eq!(lifetime(DEFAULT_VERSION, date(2026, 11, 20)), Lifetime::Latest);
    }

    #[test]
    fn a_version_counts_down_to_its_end() {
        for (version, today, expected) in [
            ("v25.0", date(2026, 11, 20), Lifetime::DaysLeft(617)),
            ("v21.0", date(2026, 11, 20), Lifetime::DaysLeft(62)),
            ("v21.0", date(2027, 1, 20), Lifetime::DaysLeft(1)),
            ("v21.0", date(2027, 1, 21), Lifetime::Expired),
            ("v20.0", date(2026, 11, 20), Lifetime::Expired),
            ("v18.0", date(2026, 1, 25), Lifetime::DaysLeft(1)),
            ("v18.0", date(2026, 11, 20), Lifetime::Expired),
            ("v27.0", date(2026, 11, 20), Lifetime::UnknownVersion),
            ("26.0", date(2026, 11, 20), Lifetime::UnknownVersion),
        ] {
            assert_eq!(lifetime(version, today), expected, "{version} on {today}");
        }
    }
}
