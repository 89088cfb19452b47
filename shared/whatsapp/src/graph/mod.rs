//! The Graph API client.
//!
//! A send has four possible ends, and the type says which: [`SendOutcome`]. `/messages` takes no
//! idempotency key, so the difference between "surely not sent" and "may have been sent" is all
//! that stands between us and a customer who gets the same message twice.
//!
//! - [`message`] is what may be sent: a draft, checked, becomes a [`Sendable`](message::Sendable).
//! - [`codes`] says what each of Meta's errors means and what to do about it.
//! - [`media`] uploads and downloads files, streamed, from Meta's hosts only.
//! - [`manage`] reads numbers, their health and subscriptions; [`templates`] lists and changes templates.
//! - [`version`] says how long a Graph version lasts.
//!
//! **Invariants:** a token is an argument of every call, never kept, and never sent to a host that is not on
//! the allow-list; redirects are not followed; every connection is to a public address, or to this machine if
//! the base is there; no answer is read without a limit.

mod call;
pub mod codes;
pub mod error;
mod hosts;
mod ids;
mod limits;
pub mod manage;
pub mod media;
pub mod message;
mod resumable;
mod send;
pub mod templates;
pub mod version;

pub use call::{CallError, NotSent};
pub use codes::{Advice, Explanation, Retry, Trips};
pub use error::{ErrorClass, GraphError};
pub use hosts::HostRefused;
pub use ids::{AppId, MediaId, TemplateId};
pub use send::{Accepted, AcceptedState, SendOutcome};
pub use version::DEFAULT_VERSION;

use std::sync::Arc;
use std::time::Duration;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an idle connection may be used again. Short, because Lambda freezes processes between
/// runs: the other side may have hung up meanwhile, and a send that is lost that way has an unknown fate.
const IDLE: Duration = Duration::from_secs(5);

/// How long a whole call may take. The outbound function's timeout and lease are set around it.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a file may take, in either direction: 100 MB at 1 MB/s, and some.
pub const MEDIA_TIMEOUT: Duration = Duration::from_secs(120);

/// A client for one Graph endpoint. Cheap to clone. Holds no token: that is an argument of every call.
#[derive(Debug, Clone)]
pub struct Graph {
    http: reqwest::Client,
    hosts: Arc<hosts::AllowList>,
    base: String,
    version: String,
}

/// A Graph client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum GraphSetupError {
    /// The base URL is not one that tokens may be sent to.
    #[error("the Graph base URL must be https with a host name, or http on a loopback address, without a query")]
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
    /// Redirects are not followed: a bearer token must not travel to where a response points. Proxies named
    /// by the environment are not used.
    pub fn new(base_url: &str, version: &str) -> Result<Self, GraphSetupError> {
        Self::with_timeout(base_url, version, CALL_TIMEOUT)
    }

    /// As [`Graph::new`], with another limit for a whole call.
    pub fn with_timeout(base_url: &str, version: &str, timeout: Duration) -> Result<Self, GraphSetupError> {
        let url = reqwest::Url::parse(base_url).ok().filter(hosts::is_base).ok_or(GraphSetupError::BaseUrl)?;
        let resolver = hosts::PublicOnly { localhost: hosts::is_loopback(&url) };
        Self::with_resolver(url, version, timeout, resolver)
    }

    fn with_resolver(
        base: reqwest::Url,
        version: &str,
        timeout: Duration,
        resolver: impl reqwest::dns::Resolve + 'static,
    ) -> Result<Self, GraphSetupError> {
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
            .no_proxy()
            .dns_resolver(Arc::new(resolver))
            .user_agent(concat!("recado/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(GraphSetupError::Http)?;
        let version = version.to_owned();
        let base_text = format!("{}/{version}", base.as_str().trim_end_matches('/'));
        Ok(Self { http, hosts: Arc::new(hosts::AllowList::new(base)), base: base_text, version })
    }

    /// The version that it calls.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The URL of a path below the version. The parts are single path segments.
    fn url(&self, segments: &[&str]) -> reqwest::Url {
        let mut url = reqwest::Url::parse(&self.base).expect("the base was parsed in `new`");
        url.path_segments_mut().expect("an http URL has path segments").extend(segments);
        url
    }

    /// As [`Graph::url`], with query parameters.
    fn url_with(&self, segments: &[&str], query: &[(&str, &str)]) -> reqwest::Url {
        let mut url = self.url(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_only_ever_sent_to_https_or_to_this_machine() {
        for good in ["https://graph.facebook.com", "http://127.0.0.1:4568", "http://localhost:1/", "https://a.b/c"] {
            assert!(Graph::new(good, "v26.0").is_ok(), "{good} was refused");
        }
        for bad in [
            "http://graph.facebook.com",
            "ftp://127.0.0.1",
            "graph.facebook.com",
            "https://a@b.c",
            "https://:a@b.c",
            "https://b.c?x=1",
            "https://b.c#x",
            "https://169.254.169.254",
            "https://[fd00::1]",
            "http://127.0.0.2",
        ] {
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
        assert_eq!(graph.version(), "v26.0");
    }

    /// A resolver that knows no names.
    struct Nowhere;

    impl reqwest::dns::Resolve for Nowhere {
        fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
            Box::pin(async { Err(std::io::Error::other("no such name").into()) })
        }
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_resolved_means_that_nothing_was_sent() {
        let base = reqwest::Url::parse("https://graph.facebook.com").unwrap();
        let graph = Graph::with_resolver(base, "v26.0", CALL_TIMEOUT, Nowhere).unwrap();
        let number = recado_domain::ids::PhoneNumberId::parse("1").unwrap();
        let error = graph.phone_number(&"the-token".into(), &number).await.unwrap_err();
        assert!(matches!(error, CallError::NotSent(NotSent::Name(_))), "{error:?}");
    }

    #[tokio::test]
    async fn a_name_that_turns_out_to_be_private_is_never_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let strict = hosts::PublicOnly { localhost: false };
        let graph = Graph::with_resolver(reqwest::Url::parse(&base).unwrap(), "v26.0", CALL_TIMEOUT, strict).unwrap();
        let number = recado_domain::ids::PhoneNumberId::parse("1").unwrap();
        let error = graph.phone_number(&"the-token".into(), &number).await.unwrap_err();
        assert!(matches!(error, CallError::NotSent(NotSent::AddressRefused)), "{error:?}");
        let waiting = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(waiting.is_err(), "a connection was made");
    }
}
