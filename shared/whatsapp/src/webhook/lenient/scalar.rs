//! Strings, numbers, ids and times, each in whichever form it was sent.

use super::{Lenient, Read, Written};
use jiff::Timestamp;
use recado_domain::ids::{Bsuid, ParentBsuid, PhoneNumberId, WaId, WabaId, Wamid};
use recado_domain::personal::Personal;
use serde::{Deserialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Replaces every `\ud800`–`\udfff` that has lost its other half by `\ufffd`. Somebody's truncation
/// cuts an emoji in two now and then, and no JSON parser takes the halves.
pub fn mend_surrogates(json: &str) -> Cow<'_, str> {
    let escape = |at: usize| -> Option<u16> {
        let digits = json.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut mended = String::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = json.get(at..).and_then(|ahead| ahead.find('\\')) {
        at += found;
        match escape(at) {
            Some(0xd800..=0xdbff) if matches!(escape(at + 6), Some(0xdc00..=0xdfff)) => at += 12,
            Some(0xd800..=0xdfff) => {
                mended.push_str(&json[kept..at]);
                mended.push_str("\\ufffd");
                at += 6;
                kept = at;
            }
            // The escaped character may be a backslash itself.
            _ => at += 2,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    mended.push_str(&json[kept..]);
    Cow::Owned(mended)
}

/// The text of a string that is not empty, or of a number; and whether it is exactly what was sent.
pub(crate) fn scalar(raw: &RawValue) -> Option<(Cow<'_, str>, bool)> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    let json = raw.get();
    let (text, exact) = match json.as_bytes().first()? {
        b'"' => match serde_json::from_str(json) {
            Ok(Text(text)) => (text, true),
            Err(_) => (Cow::Owned(serde_json::from_str(&mend_surrogates(json)).ok()?), false),
        },
        b'-' | b'0'..=b'9' => (Cow::Borrowed(json), true),
        _ => return None,
    };
    (!text.is_empty()).then_some((text, exact))
}

macro_rules! texts {
    ($($type:ident: $parse:expr;)*) => {$(
        impl Lenient for $type {
            fn read(raw: &RawValue) -> Read<Self> {
                let Some((text, exact)) = scalar(raw) else { return Read::Not };
                $parse(text.into_owned()).map_or(Read::Not, |value| Read::of(value, exact))
            }

            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    )*};
}

texts! {
    Bsuid: |text| Bsuid::parse(text).ok();
    ParentBsuid: |text| ParentBsuid::parse(text).ok();
    PhoneNumberId: |text| PhoneNumberId::parse(text).ok();
    String: Some;
    WabaId: |text| WabaId::parse(text).ok();
    WaId: |text| WaId::parse(text).ok();
    Wamid: |text| Wamid::parse(text).ok();
}

/// A number is wholly understood if we would write it with the same characters.
macro_rules! numbers {
    ($($type:ident: $parse:expr, $write:expr;)*) => {$(
        impl Lenient for $type {
            fn read(raw: &RawValue) -> Read<Self> {
                let Some((text, _)) = scalar(raw) else { return Read::Not };
                let Some(value) = $parse(&*text) else { return Read::Not };
                let written = serde_json::to_string(&Written(&value)).unwrap_or_default();
                Read::of(value, written.trim_matches('"') == &*text)
            }

            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $write(*self, serializer)
            }
        }
    )*};
}

numbers! {
    f64: |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite()), write_f64;
    i64: whole_number, |number, serializer: S| serializer.serialize_i64(number);
    Timestamp: |text| Timestamp::from_second(whole_number(text)?).ok(),
        |time: Timestamp, serializer: S| serializer.collect_str(&time.as_second());
}

/// The largest number up to which every whole number has a float of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn whole_number(text: &str) -> Option<i64> {
    let rounded = || text.parse().ok().filter(|number: &f64| number.fract() == 0.0 && number.abs() < EXACT);
    text.parse().ok().or_else(|| rounded().map(|number| number as i64))
}

fn write_f64<S: Serializer>(number: f64, serializer: S) -> Result<S::Ok, S::Error> {
    match number.fract() == 0.0 && number.abs() < EXACT {
        true => serializer.serialize_i64(number as i64),
        false => serializer.serialize_f64(number),
    }
}

impl Lenient for bool {
    fn read(raw: &RawValue) -> Read<Self> {
        match raw.get() {
            "true" => Read::Whole(true),
            "false" => Read::Whole(false),
            r#""true""# => Read::Partly(true),
            r#""false""# => Read::Partly(false),
            _ => Read::Not,
        }
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*self)
    }
}

impl<T: Lenient> Lenient for Personal<T> {
    fn read(raw: &RawValue) -> Read<Self> {
        T::read(raw).map(Self::new)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.expose().write(serializer)
    }
}

impl<T: Lenient> Lenient for Box<T> {
    fn read(raw: &RawValue) -> Read<Self> {
        T::read(raw).map(Self::new)
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).write(serializer)
    }
}
