//! A wrapper that keeps personal data out of logs.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Personal data: a name, a phone number, a message's text.
///
/// Its `Debug` never shows the value, so deriving `Debug` on anything that holds one is safe.
/// Reading the value is explicit: [`Personal::expose`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for storing or sending; never for logging.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Unwraps the value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
