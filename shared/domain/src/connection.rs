//! Whether a number is connected as it should be: what is looked at, and what was found (REQUIREMENTS SET-05).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that has to be right for a number to send and receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Check {
    /// Meta takes the token, and it does not end within a week.
    Token,
    /// The token may send, and manage the account.
    Permissions,
    /// Graph lists the number under its account.
    Number,
    /// The token's app gets the account's webhooks, and they come here.
    Subscription,
    /// The app's secret that webhooks are verified with is the one of the token's app.
    AppSecret,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Found {
    /// It is right.
    Passed,
    /// It is wrong.
    Failed,
    /// Nobody can tell, because something else is wrong or Meta does not answer.
    Unknown,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// What was found.
    pub found: Found,
    /// What is wrong and what helps, for people. Neither secret nor personal.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(example = "Meta refuses the token (code 190): create a new one"))]
    pub message: Option<String>,
}

/// What was found when a number's connection was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// When the token ends; `None` if it does not, or nobody could tell.
    #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub token_expires_at: Option<Timestamp>,
    /// What was found, in the order in which it has to be put right.
    pub findings: Vec<Finding>,
}

impl Finding {
    /// It is right.
    pub const fn passed(check: Check) -> Self {
        Self { check, found: Found::Passed, message: None }
    }

    /// It is wrong.
    pub fn failed(check: Check, message: impl Into<String>) -> Self {
        Self { check, found: Found::Failed, message: Some(message.into()) }
    }

    /// Nobody can tell.
    pub fn unknown(check: Check, message: impl Into<String>) -> Self {
        Self { check, found: Found::Unknown, message: Some(message.into()) }
    }
}

impl Trial {
    /// What has to be put right first; `None` if everything is right.
    pub fn trouble(&self) -> Option<&Finding> {
        let wrong = |found: Found| self.findings.iter().find(move |finding| finding.found == found);
        wrong(Found::Failed).or_else(|| wrong(Found::Unknown))
    }

    /// What was found of this; `None` if it was not looked at.
    pub fn found(&self, check: Check) -> Option<Found> {
        self.findings.iter().find(|finding| finding.check == check).map(|finding| finding.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_surely_wrong_is_told_before_what_nobody_knows() {
        let trial = |findings| Trial { at: Timestamp::UNIX_EPOCH, token_expires_at: None, findings };
        let all_right = trial(vec![Finding::passed(Check::Token), Finding::passed(Check::Number)]);
        assert_eq!(all_right.trouble(), None);
        let (unknown, failed) = (Finding::unknown(Check::Token, "?"), Finding::failed(Check::Number, "no"));
        assert_eq!(trial(vec![unknown.clone(), failed.clone()]).trouble(), Some(&failed));
        assert_eq!(trial(vec![Finding::passed(Check::Number), unknown.clone()]).trouble(), Some(&unknown));
        assert_eq!(trial(vec![failed]).found(Check::Number), Some(Found::Failed));
    }
}
