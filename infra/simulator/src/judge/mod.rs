//! What Meta takes, and what it does not: each judge a pure function of what it is given.

pub(crate) mod draft;
pub(crate) mod fields;
pub(crate) mod interactive;
pub(crate) mod limits;
pub(crate) mod media;
pub(crate) mod template;
