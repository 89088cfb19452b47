//! Phone numbers as people type them (WHATSAPP.md §2.12, REQUIREMENTS §13).
//!
//! Argentine numbers have more spellings than any library sorts out: with and without 9 and 15, with
//! the trunk prefix 0, without the area code. The rules for them are here, on the table of area codes of
//! libphonenumber. Foreign numbers are judged by that library's metadata ([`phonenumber`]), unpacked on
//! first use, which takes about a tenth of a second; an Argentine number never touches it.
//!
//! - [`Phone`] is what a typed number comes to: the address to try, and to show.
//! - [`MatchKey`] is what two spellings of one number have in common.
//! - [`alternate_form`] is the second address, for the one retry.
//!
//! **Invariant:** a [`WaId`] that Meta reported is never rewritten. Nothing here returns another spelling
//! of it except [`alternate_form`], which is for sending, not for keeping.

mod area;
mod spelling;

pub use area::AreaCode;

use crate::ids::WaId;
use phonenumber::metadata::DATABASE;
use serde::{Deserialize, Deserializer, Serialize};
use spelling::Typed;
use std::fmt;

/// A phone number in international form.
///
/// An Argentine number is always written as a mobile, `+549` and ten digits: nothing in the digits
/// tells landlines from mobiles, and it is mobiles that people write to. A landline that is on WhatsApp
/// is reached by its [`alternate_form`] and found by its [`MatchKey`], which is the same for both.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Phone(String);

/// What the spellings of one number have in common. Equal keys mean the same number **within one
/// tenant**; never compare those of two tenants.
///
/// Of an Argentine number, the area code and the subscriber: ten digits (REQUIREMENTS PH-03). Of any
/// other number, `+` and all its digits, so that no foreign number can match an Argentine one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MatchKey(String);

/// The rule that a typed phone number breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPhone {
    /// There is no digit in it.
    #[error("a phone number has digits")]
    Empty,
    /// There is something in it that no phone number contains.
    #[error(
        "a phone number is written with digits, spaces, dashes, dots, slashes and brackets, and a plus only in front"
    )]
    Character,
    /// An Argentine number of an impossible length.
    #[error("an Argentine number has ten digits, area code included, besides 54, 9, 0 and 15")]
    Length,
    /// An Argentine number that begins with no area code.
    #[error("an Argentine number begins with an area code: 11, or one that begins with 2 or 3")]
    AreaCode,
    /// A number that begins with 15 and does not go on as a number of the default area.
    #[error("after 15 and no area code comes a whole number of the default area")]
    AfterFifteen,
    /// A foreign number that begins with no calling code.
    #[error("no country has this calling code")]
    CallingCode,
    /// A foreign number of an impossible length.
    #[error("no number of that country has this many digits")]
    ForeignLength,
}

impl Phone {
    /// Reads a number as a person types it. One without area code is taken for a number of `default_area`.
    ///
    /// What begins with neither `+` nor `00` nor 54 is taken for an Argentine number; foreign numbers
    /// need their prefix.
    pub fn parse(text: &str, default_area: AreaCode) -> Result<Self, InvalidPhone> {
        match spelling::read(text)? {
            Typed::International(digits) => match digits.strip_prefix("54") {
                Some(national) => argentine(national),
                None => foreign(&digits),
            },
            Typed::National(digits) => local(&digits, default_area),
        }
    }

    /// The number with its plus, such as `+5491112345678`.
    pub fn as_e164(&self) -> &str {
        &self.0
    }

    /// The same digits as the address to try first. What Meta answers with is the address to keep.
    pub fn to_wa_id(&self) -> WaId {
        WaId::parse(self.digits()).expect("7 to 15 digits are a WhatsApp id")
    }

    /// What this number has in common with its other spellings.
    pub fn match_key(&self) -> MatchKey {
        MatchKey::of_digits(self.digits())
    }

    fn digits(&self) -> &str {
        &self.0[1..]
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden phone)")
    }
}

impl<'de> Deserialize<'de> for Phone {
    /// Reads what was written, without judging it again: rules and metadata may have changed since.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix('+') {
            Some(digits) if is_international(digits) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom("not a phone number of the form `+` and 7 to 15 digits")),
        }
    }
}

impl MatchKey {
    /// The key as text, for an index of one tenant.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of_digits(digits: &str) -> Self {
        Self(argentine_national(digits).map_or_else(|| format!("+{digits}"), str::to_owned))
    }
}

impl fmt::Debug for MatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden match key)")
    }
}

/// The key of a number as WhatsApp spells it; `None` for an id that is no number.
pub fn match_key_of(wa_id: &WaId) -> Option<MatchKey> {
    let digits = wa_id.as_str();
    is_international(digits).then(|| MatchKey::of_digits(digits))
}

/// Whether two texts, each of a number in international form, write the same number: whatever stands
/// between the digits, and whether an Argentine number has its 9.
pub fn is_same_number(one: &str, other: &str) -> bool {
    let key = |text: &str| {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        is_international(&digits).then(|| MatchKey::of_digits(&digits))
    };
    key(one).is_some_and(|one| Some(one) == key(other))
}

/// The other address under which WhatsApp may know an Argentine number: without the 9, or with it.
///
/// For the one retry after 131026 or 131030 (WHATSAPP.md §2.12); `None` for foreign numbers.
pub fn alternate_form(wa_id: &WaId) -> Option<WaId> {
    let national = argentine_national(wa_id.as_str())?;
    let has_nine = wa_id.as_str().len() == 13;
    WaId::parse(format!("{}{national}", if has_nine { "54" } else { "549" })).ok()
}

/// E.164 allows 15 digits; the shortest numbers in use have seven, calling code included.
fn is_international(digits: &str) -> bool {
    (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Area code and subscriber of an Argentine number in international form, with or without the 9.
fn argentine_national(digits: &str) -> Option<&str> {
    let rest = digits.strip_prefix("54")?;
    let national = rest.strip_prefix('9').unwrap_or(rest);
    (is_international(digits) && national.len() == 10 && national.starts_with(['1', '2', '3'])).then_some(national)
}

/// A number without international prefix.
fn local(digits: &str, default_area: AreaCode) -> Result<Phone, InvalidPhone> {
    let subscriber_len = default_area.subscriber_len();
    if digits.len() == subscriber_len && !digits.starts_with('0') {
        return Ok(mobile(&format!("{default_area}{digits}")));
    }
    if let Some(rest) = digits.strip_prefix("54").filter(|rest| rest.len() >= 10) {
        return argentine(rest);
    }
    // No area code begins with 15: what follows is a number of the default area.
    match digits.strip_prefix('0').unwrap_or(digits).strip_prefix("15") {
        Some(subscriber) if subscriber.len() == subscriber_len => Ok(mobile(&format!("{default_area}{subscriber}"))),
        Some(_) => Err(InvalidPhone::AfterFifteen),
        None => argentine(digits),
    }
}

/// An Argentine number without its 54, in any of its spellings.
fn argentine(digits: &str) -> Result<Phone, InvalidPhone> {
    // No area code begins with 0 or 9, so in front of one they are the trunk prefix and the mobile sign.
    let digits = ["0", "9", "0"].iter().fold(digits, |rest, sign| rest.strip_prefix(sign).unwrap_or(rest));
    let mut areas = AreaCode::at_start_of(digits).peekable();
    if areas.peek().is_none() {
        return Err(InvalidPhone::AreaCode);
    }
    match digits.len() {
        // Complete as it is: a 15 behind the area code belongs to the subscriber, as in `11 15xx-xxxx`.
        10 => Ok(mobile(digits)),
        12 => areas
            .map(|area| digits.split_at(10 - area.subscriber_len()))
            .find_map(|(area, rest)| Some(mobile(&format!("{area}{}", rest.strip_prefix("15")?))))
            .ok_or(InvalidPhone::Length),
        _ => Err(InvalidPhone::Length),
    }
}

fn mobile(national: &str) -> Phone {
    Phone(format!("+549{national}"))
}

/// A number of another country. It passes as it is, except for a trunk prefix that its country's rules
/// make out, as in `+44 (0)20`: the patterns of the library grow old, and Meta will tell. Only lengths
/// that are far from the country's are refused.
///
/// The library's own parser is not asked: it takes the 8 off Russian numbers that begin with one.
fn foreign(digits: &str) -> Result<Phone, InvalidPhone> {
    if !is_international(digits) {
        return Err(InvalidPhone::ForeignLength);
    }
    if digits.starts_with('0') {
        return Err(InvalidPhone::CallingCode);
    }
    let (code, countries) = (1..=3)
        .find_map(|len| Some((&digits[..len], DATABASE.by_code(&digits[..len].parse().ok()?)?)))
        .ok_or(InvalidPhone::CallingCode)?;
    let national = &digits[code.len()..];
    let whole = |national: &str| {
        countries.iter().any(|country| {
            let pattern = country.descriptors().general().national_number();
            pattern.find(national).is_some_and(|found| found.start() == 0 && found.end() == national.len())
        })
    };
    if !whole(national) {
        let prefixes = countries.iter().filter_map(|country| country.national_prefix());
        let rest = prefixes.filter_map(|prefix| national.strip_prefix(prefix)).find(|rest| whole(rest));
        if let Some(digits) = rest.map(|rest| format!("{code}{rest}")).filter(|digits| is_international(digits)) {
            return Ok(Phone(format!("+{digits}")));
        }
        let kinds = countries.iter().map(|country| country.descriptors());
        let kinds = kinds.flat_map(|kinds| [kinds.mobile(), kinds.fixed_line()]).flatten();
        let lengths = kinds.flat_map(|kind| kind.possible_length()).map(|len| usize::from(*len));
        let (shortest, longest) = lengths.fold((usize::MAX, 0), |(min, max), len| (min.min(len), max.max(len)));
        // One more than the longest: WhatsApp still writes Mexico's 1, which the country has given up.
        if longest > 0 && !(shortest..=longest + 1).contains(&national.len()) {
            return Err(InvalidPhone::ForeignLength);
        }
    }
    Ok(Phone(format!("+{digits}")))
}

#[cfg(test)]
mod tests;
