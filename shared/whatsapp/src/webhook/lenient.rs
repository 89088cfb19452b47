//! Reading JSON without insisting on anything.
//!
//! An object is first taken apart into its members, each still text; then every field
//! that we know reads its own member. So one bad value can never hurt another, no depth of nesting and
//! no huge number matters where nobody looks, and **whatever was not understood stays in
//! [`Fields`]**, as Meta sent it: written again, an object has all that it came with.

mod scalar;

pub use scalar::mend_surrogates;
pub(crate) use scalar::scalar;

use super::Unreadable;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::{self, Debug};

/// A piece of JSON as Meta sent it. Its `Debug` hides it, because nobody knows what it holds.
#[derive(Clone)]
pub struct Raw(Box<RawValue>);

impl Raw {
    /// The JSON's text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl From<&RawValue> for Raw {
    fn from(raw: &RawValue) -> Self {
        Self(raw.to_owned())
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(hidden, {} bytes)", self.as_str().len())
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// What an object holds beyond the fields that were understood, by name and as Meta sent it: fields
/// that we do not know, values that cannot be read, and values read only in part, such as a list with
/// one bad element. When the object is written, these go before the fields of the same name.
///
/// Of a name that was sent twice, the last value counts.
#[derive(Clone, Default, PartialEq)]
pub struct Fields(Vec<(Box<str>, Raw)>);

impl Fields {
    /// The value of a field that was not, or not wholly, understood.
    pub fn get(&self, name: &str) -> Option<&Raw> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(&self.0[at].1)
    }

    /// The fields in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Raw)> {
        self.0.iter().map(|(name, raw)| (&**name, raw))
    }

    /// Whether everything was understood.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Shows the names alone, and only those that look like a field's.
impl Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| super::word(name))).finish()
    }
}

/// How well a value was understood.
pub(crate) enum Read<T> {
    /// Writing it gives what was sent, but for the quotes around a number.
    Whole(T),
    /// It means this, yet was written in a way, or held something, that this does not keep.
    Partly(T),
    /// Not at all.
    Not,
}

impl<T> Read<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Whole(value) => Read::Whole(f(value)),
            Self::Partly(value) => Read::Partly(f(value)),
            Self::Not => Read::Not,
        }
    }

    const fn of(value: T, whole: bool) -> Self {
        if whole { Self::Whole(value) } else { Self::Partly(value) }
    }
}

/// A value that reads itself from JSON, if it can, and writes itself as Meta does.
pub(crate) trait Lenient: Sized + Debug {
    fn read(raw: &RawValue) -> Read<Self>;
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

/// The type of an object's field, which says whether it must be there: `T` must, `Option<T>` and
/// `Vec<T>` need not.
pub(crate) trait Field: Sized {
    /// Takes the field out of the members, unless they know more than it does.
    fn take(members: &mut Members<'_>, name: &'static str) -> Result<Self, Unreadable>;
    /// Writes the field, unless `rest` has what was sent in its place.
    fn write<M: SerializeMap>(&self, name: &'static str, rest: &Fields, map: &mut M) -> Result<(), M::Error>;
    /// What `Debug` shows of it; nothing if it is absent.
    fn shown(&self) -> Option<&dyn Debug>;
}

/// The members of an object, each under its name, that nobody has taken yet.
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Takes an object apart and builds something of its members.
    pub(crate) fn of<T>(
        raw: &RawValue,
        build: impl FnOnce(&mut Members<'_>) -> Result<T, Unreadable>,
    ) -> Result<T, Unreadable> {
        let error = match serde_json::from_str::<Members<'_>>(raw.get()) {
            Ok(mut members) => return build(&mut members),
            Err(error) => error,
        };
        // Only a name can be at fault: the values are not looked into yet.
        match mend_surrogates(raw.get()) {
            Cow::Owned(mended) => build(&mut serde_json::from_str(&mended)?),
            Cow::Borrowed(_) => Err(error.into()),
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.find(name).map(|at| self.0[at].1)
    }

    /// Reads a member, and removes it if that keeps all of it.
    pub(crate) fn take<T>(&mut self, name: &str, read: impl FnOnce(&RawValue) -> Read<T>) -> Option<T> {
        let at = self.find(name)?;
        match read(self.0[at].1) {
            Read::Whole(value) => {
                self.0.remove(at);
                Some(value)
            }
            Read::Partly(value) => Some(value),
            Read::Not => None,
        }
    }

    /// Whatever nobody took.
    pub(crate) fn rest(&mut self) -> Fields {
        Fields(self.0.drain(..).map(|(name, raw)| (name.into(), raw.into())).collect())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), raw)) = map.next_entry()? {
                    members.push((name, raw));
                }
                Ok(members)
            }
        }
        let mut members = deserializer.deserialize_map(Collect)?;
        // Of equal names the last one sent comes first, and stays.
        members.reverse();
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        members.dedup_by(|(one, _), (other, _)| one == other);
        Ok(Self(members))
    }
}

impl<T: Lenient> Field for T {
    fn take(members: &mut Members<'_>, name: &'static str) -> Result<Self, Unreadable> {
        members.take(name, T::read).ok_or(Unreadable::missing(name))
    }

    fn write<M: SerializeMap>(&self, name: &'static str, rest: &Fields, map: &mut M) -> Result<(), M::Error> {
        match rest.get(name) {
            Some(_) => Ok(()),
            None => map.serialize_entry(name, &Written(self)),
        }
    }

    fn shown(&self) -> Option<&dyn Debug> {
        Some(self)
    }
}

impl<T: Lenient> Field for Option<T> {
    fn take(members: &mut Members<'_>, name: &'static str) -> Result<Self, Unreadable> {
        Ok(members.take(name, T::read))
    }

    fn write<M: SerializeMap>(&self, name: &'static str, rest: &Fields, map: &mut M) -> Result<(), M::Error> {
        self.as_ref().map_or(Ok(()), |value| Field::write(value, name, rest, map))
    }

    fn shown(&self) -> Option<&dyn Debug> {
        self.as_ref().map(|value| value as &dyn Debug)
    }
}

impl<T: Lenient> Field for Vec<T> {
    fn take(members: &mut Members<'_>, name: &'static str) -> Result<Self, Unreadable> {
        Ok(members.take(name, read_list).unwrap_or_default())
    }

    fn write<M: SerializeMap>(&self, name: &'static str, rest: &Fields, map: &mut M) -> Result<(), M::Error> {
        if self.is_empty() || rest.get(name).is_some() {
            return Ok(());
        }
        map.serialize_entry(name, &self.iter().map(Written).collect::<Vec<_>>())
    }

    fn shown(&self) -> Option<&dyn Debug> {
        (!self.is_empty()).then_some(self)
    }
}

/// The readable elements of a list; what is no list counts as its only element. An empty object says
/// nothing, and would cost a hundred times the memory that it was sent in.
fn read_list<T: Lenient>(raw: &RawValue) -> Read<Vec<T>> {
    let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
        return match T::read(raw) {
            Read::Whole(value) | Read::Partly(value) => Read::Partly(vec![value]),
            Read::Not => Read::Not,
        };
    };
    let mut whole = !elements.is_empty();
    let mut list = Vec::new();
    for element in elements {
        match if is_empty_object(element) { Read::Not } else { T::read(element) } {
            Read::Whole(value) => list.push(value),
            Read::Partly(value) => {
                whole = false;
                list.push(value);
            }
            Read::Not => whole = false,
        }
    }
    list.shrink_to_fit();
    Read::of(list, whole)
}

fn is_empty_object(raw: &RawValue) -> bool {
    let inner = raw.get().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| inner.trim_ascii().is_empty())
}

struct Written<'a, T>(&'a T);

impl<T: Lenient> Serialize for Written<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}
