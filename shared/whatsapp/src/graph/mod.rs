//! The Graph API client.
//!
//! A send has four possible ends, and the type says which: [`SendOutcome`]. `/messages` takes no
//! idempotency key, so the difference between "surely not sent" and "may have been sent" is all
//! that stands between us and a customer who gets the same message twice.

pub mod error;
mod manage;
mod send;

pub use error::{ErrorClass, GraphError};
pub use manage::{BusinessNumber, ManageError};
pub use send::{Accepted, OutgoingText, SendOutcome};

use std::time::Duration;

/// The version used unless the deployment chooses another (WHATSAPP.md §2.0: current since July 2026).
pub const DEFAULT_VERSION: &str = "v26.0";

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an idle connection may be used again. Short, because Lambda freezes processes between
/// runs: the other side may have hung up meanwhile, and a send that is lost that way has an unknown fate.
const IDLE: Duration = Duration::from_secs(5);

/// How long a whole call may take. The outbound function's timeout and lease are set around it.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A client for one Graph endpoint. Cheap to clone. Holds no token: that is an argument of every call.
#[derive(Debug, Clone)]
pub struct Graph {
    http: reqwest::Client,
    base: String,
}

/// A Graph client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum GraphSetupError {
    /// The base URL is not one that tokens may be sent to.
    #[error("the Graph base URL must be https, or http on a loopback address, without a query")]
    BaseUrl,
    /// The version is not of the form `v26.0`.
    #[error("the Graph version must look like `v26.0`")]
    Version,
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be built")]
    Http(#[source] reqwest::Error),
}

impl Graph {
    /// A client for `base_url` (normally `https://graph.facebook.com`) and a version such as `v26.0`.
    ///
    /// Redirects are not followed: a bearer token must not travel to where a response points.
    pub fn new(base_url: &str, version: &str) -> Result<Self, GraphSetupError> {
        Self::with_timeout(base_url, version, CALL_TIMEOUT)
    }

    /// As [`Graph::new`], with another limit for a whole call.
    pub fn with_timeout(base_url: &str, version: &str, timeout: Duration) -> Result<Self, GraphSetupError> {
        let url = reqwest::Url::parse(base_url).map_err(|_| GraphSetupError::BaseUrl)?;
        let loopback = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        let allowed = url.scheme() == "https" || (url.scheme() == "http" && loopback);
        if !allowed || url.query().is_some() || !url.username().is_empty() {
            return Err(GraphSetupError::BaseUrl);
        }
        let digits = version.strip_prefix('v').and_then(|digits| digits.split_once('.'));
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits.is_some_and(|(major, minor)| number(major) && number(minor)) {
            return Err(GraphSetupError::Version);
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE)
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("Recado/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(GraphSetupError::Http)?;
        Ok(Self { http, base: format!("{}/{version}", base_url.trim_end_matches('/')) })
    }

    /// The URL of a path below the version. The parts are single path segments.
    fn url(&self, segments: &[&str]) -> reqwest::Url {
        let mut url = reqwest::Url::parse(&self.base).expect("the base was parsed in `new`");
        url.path_segments_mut().expect("an http URL has path segments").extend(segments);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_only_ever_sent_to_https_or_to_this_machine() {
        for good in ["https://graph.facebook.com", "http://127.0.0.1:4568", "http://localhost:1/"] {
            assert!(Graph::new(good, "v26.0").is_ok(), "{good} was refused");
        }
        for bad in
            ["http://graph.facebook.com", "ftp://127.0.0.1", "graph.facebook.com", "https://a@b.c", "https://b.c?x=1"]
        {
            assert!(Graph::new(bad, "v26.0").is_err(), "{bad} was accepted");
        }
        for bad in ["26.0", "v26", "v26.0/../", "v.", "latest"] {
            assert!(Graph::new("https://graph.facebook.com", bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn a_segment_cannot_leave_its_place_in_the_path() {
        let graph = Graph::new("https://graph.facebook.com/", "v26.0").unwrap();
        assert_eq!(graph.url(&["1/../2", "messages"]).as_str(), "https://graph.facebook.com/v26.0/1%2F..%2F2/messages");
    }
}
