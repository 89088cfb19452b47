//! What the deployment decides, read from the environment once, at start-up.
#![allow(clippy::disallowed_methods, reason = "this is the one module that reads the environment")]

/// A setting is missing or unusable. The process must not start: guessing would fail open.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// It is not set, or empty.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// It has a value that cannot be used.
    #[error("the environment variable {name} {rule}")]
    Unusable {
        /// The variable.
        name: &'static str,
        /// What its value must be.
        rule: &'static str,
    },
}

/// A setting that must be there.
pub fn required(name: &'static str) -> Result<String, SettingError> {
    optional(name).ok_or(SettingError::Missing(name))
}

/// A setting that may be absent; an empty one counts as absent.
pub fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The first of some settings that is there: one thing under several names (REQUIREMENTS C-27).
pub fn first_of(names: &[&'static str]) -> Option<String> {
    names.iter().find_map(|name| optional(name))
}

/// The version of the Graph API to call, under any of its names, or else this one.
pub fn graph_version_or(default: &str) -> String {
    first_of(&["GRAPH_VERSION", "WHATSAPP_API_VERSION", "META_API_VERSION"]).unwrap_or_else(|| default.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_setting_is_named() {
        let error = required("RECADO_THAT_NOBODY_SETS").unwrap_err();
        assert_eq!(error.to_string(), "the environment variable RECADO_THAT_NOBODY_SETS is not set");
    }
}
