//! The three forms that everything of Meta's has, each written down once.
//!
//! [`object!`] declares structs, [`words!`] enums of words, and [`tagged!`] enums whose kind is said by
//! a sibling field `type` and whose body lies under that kind's name. All of them read leniently and
//! write again whatever they read (see [`lenient`](super::lenient)).

/// Declares structs whose fields read and write themselves:
///
/// ```text
/// object! {
///     /// A sticker.
///     pub struct Sticker {
///         /// Must be there: without it there is no sticker.
///         pub id: String,
///         /// Need not be there, nor be readable.
///         pub animated: Option<bool>,
///         /// `type` in JSON; as many of the elements as can be read.
///         pub kind = "type": Vec<Word>,
///     }
/// }
/// ```
///
/// Each gets a field `rest` for what was not understood, a `parse`, `Serialize`, `Deserialize` (from
/// `serde_json` only), and a `Debug` that shows what is there.
macro_rules! object {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* pub $field:ident $(= $wire:literal)?: $type:ty, )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, PartialEq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
            /// What Meta sent beyond that, or in a form that is not (wholly) understood.
            pub rest: $crate::webhook::lenient::Fields,
        }

        impl $name {
            /// Reads the JSON that Meta sent. Fails only if it is no object, or lacks what makes it one
            /// of its kind.
            pub fn parse(raw: &serde_json::value::RawValue) -> Result<Self, $crate::webhook::Unreadable> {
                $crate::webhook::lenient::Members::of(raw, |members| Ok(Self {
                    $( $field: $crate::webhook::lenient::Field::take(members, object!(@wire $field $($wire)?))?, )*
                    rest: members.rest(),
                }))
            }
        }

        impl $crate::webhook::lenient::Lenient for $name {
            fn read(raw: &serde_json::value::RawValue) -> $crate::webhook::lenient::Read<Self> {
                Self::parse(raw).map_or($crate::webhook::lenient::Read::Not, $crate::webhook::lenient::Read::Whole)
            }

            fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                $( $crate::webhook::lenient::Field::write(
                    &self.$field, object!(@wire $field $($wire)?), &self.rest, &mut map,
                )?; )*
                for (name, raw) in self.rest.iter() {
                    serde::ser::SerializeMap::serialize_entry(&mut map, name, raw)?;
                }
                serde::ser::SerializeMap::end(map)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::webhook::lenient::Lenient::write(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw: Box<serde_json::value::RawValue> = serde::Deserialize::deserialize(deserializer)?;
                Self::parse(&raw).map_err(serde::de::Error::custom)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut shown = f.debug_struct(stringify!($name));
                $( if let Some(value) = $crate::webhook::lenient::Field::shown(&self.$field) {
                    shown.field(stringify!($field), value);
                } )*
                if !self.rest.is_empty() {
                    shown.field("rest", &self.rest);
                }
                shown.finish()
            }
        }
    )*};
    (@wire $field:ident) => { stringify!($field) };
    (@wire $field:ident $wire:literal) => { $wire };
}

/// Declares enums of the words that Meta uses in one place. A word that we do not know is kept, and the
/// case of a word that we know does not matter.
macro_rules! words {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $word:literal, )* }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names are Meta's own words")]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )*
            /// A word that we do not know.
            Other(Box<str>),
        }

        impl $name {
            /// What a word means here.
            pub fn of(word: &str) -> Self {
                $( if word.eq_ignore_ascii_case($word) {
                    return Self::$variant;
                } )*
                Self::Other(word.into())
            }

            /// The word.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $word, )*
                    Self::Other(word) => word,
                }
            }
        }

        impl $crate::webhook::lenient::Lenient for $name {
            fn read(raw: &serde_json::value::RawValue) -> $crate::webhook::lenient::Read<Self> {
                use $crate::webhook::lenient::Read;
                match $crate::webhook::lenient::scalar(raw) {
                    None => Read::Not,
                    Some((text, exact)) => {
                        let word = Self::of(&text);
                        if exact && word.as_str() == text { Read::Whole(word) } else { Read::Partly(word) }
                    }
                }
            }

            fn write<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $( Self::$variant => f.write_str(stringify!($variant)), )*
                    Self::Other(word) => write!(f, "Other({})", $crate::webhook::word(word)),
                }
            }
        }
    )*};
}

/// Declares an enum that an object says in two members: `type` names the kind, and the body, if it has
/// one, lies under that name. `Unknown` takes neither, so both stay in the object's `rest`.
macro_rules! tagged {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident $(($body:ty))? = $kind:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant $(($body))?, )*
            /// A kind that we do not know, or whose body cannot be read: its name, empty if it has none.
            Unknown(Box<str>),
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $( tagged!(@pattern $variant body $($body)?) => tagged!(@debug $variant body f $($body)?), )*
                    Self::Unknown(kind) => f.debug_tuple("Unknown").field(&$crate::webhook::word(kind)).finish(),
                }
            }
        }

        impl $name {
            /// Meta's name of the kind.
            pub fn kind(&self) -> &str {
                match self {
                    $( Self::$variant { .. } => $kind, )*
                    Self::Unknown(kind) => kind,
                }
            }
        }

        impl $crate::webhook::lenient::Field for $name {
            fn take(
                members: &mut $crate::webhook::lenient::Members<'_>,
                _name: &'static str,
            ) -> Result<Self, $crate::webhook::Unreadable> {
                use $crate::webhook::lenient::{Field, Lenient};
                let kind = members.get("type").and_then($crate::webhook::lenient::scalar);
                let kind = kind.map(|(kind, _)| Box::from(&*kind)).unwrap_or_default();
                let known = match &*kind {
                    $( $kind => tagged!(@take members $variant $kind $($body)?), )*
                    _ => None,
                };
                if known.is_some() {
                    members.take("type", String::read);
                }
                Ok(known.unwrap_or(Self::Unknown(kind)))
            }

            fn write<M: serde::ser::SerializeMap>(
                &self,
                _name: &'static str,
                rest: &$crate::webhook::lenient::Fields,
                map: &mut M,
            ) -> Result<(), M::Error> {
                use $crate::webhook::lenient::Field;
                if !matches!(self, Self::Unknown(_)) {
                    Field::write(&self.kind().to_owned(), "type", rest, map)?;
                }
                match self {
                    $( tagged!(@pattern $variant body $($body)?) => tagged!(@write $kind body rest map $($body)?), )*
                    Self::Unknown(_) => Ok(()),
                }
            }

            fn shown(&self) -> Option<&dyn std::fmt::Debug> {
                Some(self)
            }
        }
    };
    (@debug $variant:ident $bound:ident $f:ident) => { $f.write_str(stringify!($variant)) };
    (@debug $variant:ident $bound:ident $f:ident $body:ty) => {
        $f.debug_tuple(stringify!($variant)).field($bound).finish()
    };
    (@take $members:ident $variant:ident $kind:literal) => { Some(Self::$variant) };
    (@take $members:ident $variant:ident $kind:literal $body:ty) => {
        <$body as Field>::take($members, $kind).ok().map(Self::$variant)
    };
    (@pattern $variant:ident $bound:ident) => { Self::$variant };
    (@pattern $variant:ident $bound:ident $body:ty) => { Self::$variant($bound) };
    (@write $kind:literal $bound:ident $rest:ident $map:ident) => { Ok(()) };
    (@write $kind:literal $bound:ident $rest:ident $map:ident $body:ty) => {
        Field::write($bound, $kind, $rest, $map)
    };
}

pub(crate) use {object, tagged, words};
