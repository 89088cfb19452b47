//! One call: how it is made, how much of its answer is read, and what became of it.

use super::hosts::AddressRefused;
use super::{Graph, GraphError};
use crate::webhook::Unreadable;
use reqwest::{RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::error::Error;

/// The longest answer that is read, in bytes. A page of a hundred templates is far below it.
const ANSWER_MAX: usize = 4 << 20;

/// The most pages of a list that are read.
const PAGES_MAX: usize = 1000;

/// Why a call surely did not reach Meta. Trying again is safe.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// The host's name could not be resolved.
    #[error("the host's name could not be resolved")]
    Name(#[source] reqwest::Error),
    /// The host's name resolved to an address that must not be connected to.
    #[error("the host's address is not a public one")]
    AddressRefused,
    /// No connection came about: refused, too slow, or without a trustworthy certificate.
    #[error("no connection could be made")]
    Connection(#[source] reqwest::Error),
    /// The request could not be put together, for example because the token cannot stand in a header.
    #[error("the request could not be put together")]
    Request(#[source] reqwest::Error),
}

/// A call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Graph answered with an error.
    #[error("Graph refused: code {} (HTTP {})", .0.code, .0.http_status)]
    Refused(GraphError),
    /// Graph answered that it did not do it, without saying why.
    #[error("Graph did not do what was asked")]
    NotDone,
    /// It surely never reached Graph.
    #[error("Graph could not be reached")]
    NotSent(#[source] NotSent),
    /// No whole answer came; what was asked for may have been done.
    #[error("Graph did not answer")]
    Unanswered(#[source] reqwest::Error),
    /// The answer is not of the form that we know; what was asked for was probably done.
    #[error("Graph's answer could not be read")]
    Unreadable(#[source] Unreadable),
    /// The answer is longer than 4 MiB.
    #[error("Graph's answer is too long")]
    TooLong,
    /// The pages of a list do not end: a cursor came twice, or there were more than a thousand.
    #[error("Graph's list does not end")]
    Endless,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: reqwest::StatusCode,
    pub(super) body: Vec<u8>,
}

/// No whole answer.
pub(super) enum Unanswered {
    NotSent(NotSent),
    Lost(reqwest::Error),
    TooLong,
}

impl NotSent {
    /// Tells an error that came before the request from one that came after it. Resolving the name, connecting
    /// and TLS come before: nothing of the request has left this machine.
    pub(super) fn of(error: reqwest::Error) -> Result<Self, reqwest::Error> {
        // The URL names the tenant's number, or carries a signature.
        let error = error.without_url();
        if causes(&error).any(|cause| cause.is::<AddressRefused>()) {
            Ok(Self::AddressRefused)
        } else if error.is_dns() {
            Ok(Self::Name(error))
        } else if error.is_connect() {
            Ok(Self::Connection(error))
        } else if error.is_builder() {
            Ok(Self::Request(error))
        } else {
            Err(error)
        }
    }
}

/// An error and what caused it, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| Error::source(*error))
}

impl Graph {
    /// Makes a call and reads its answer.
    pub(super) async fn answer(&self, request: RequestBuilder) -> Result<Answer, Unanswered> {
        let sent = request.send().await;
        let mut response =
            sent.map_err(|error| NotSent::of(error).map_or_else(Unanswered::Lost, Unanswered::NotSent))?;
        let body = read(&mut response, ANSWER_MAX).await?;
        Ok(Answer { status: response.status(), body })
    }

    /// Makes a call with a token and reads what it answers.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        token: &SecretString,
        request: RequestBuilder,
    ) -> Result<T, CallError> {
        self.call_bare(request.bearer_auth(token.expose_secret())).await
    }

    /// As [`Graph::call`], for a request that has its authorisation already.
    pub(super) async fn call_bare<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CallError> {
        let Answer { status, body } = self.answer(request).await.map_err(|unanswered| match unanswered {
            Unanswered::NotSent(reason) => CallError::NotSent(reason),
            Unanswered::Lost(error) => CallError::Unanswered(error),
            Unanswered::TooLong => CallError::TooLong,
        })?;
        if status.is_success() {
            serde_json::from_slice(&body).map_err(|error| CallError::Unreadable(error.into()))
        } else {
            Err(CallError::Refused(GraphError::parse(status.as_u16(), &body)))
        }
    }

    /// Reads something.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        token: &SecretString,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, CallError> {
        self.call(token, self.http.get(self.url_with(segments, query))).await
    }

    /// Reads a list, every page of it, or nothing.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        token: &SecretString,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, CallError> {
        let (mut items, mut seen) = (Vec::new(), BTreeSet::new());
        let mut url = self.url_with(segments, query);
        loop {
            let page: Page<T> = self.call(token, self.http.get(url)).await?;
            items.extend(page.data);
            // The next page is asked for by cursor: the `next` URL carries the token and may name any host.
            let after = match (page.paging.next, page.paging.cursors.after) {
                (None, _) => return Ok(items),
                (Some(_), Some(after)) => after,
                // There is more, and no way to ask for it: half a list would look like the whole.
                (Some(_), None) => return Err(CallError::Endless),
            };
            url = self.url_with(segments, query);
            url.query_pairs_mut().append_pair("after", &after);
            if !seen.insert(after) || seen.len() >= PAGES_MAX {
                return Err(CallError::Endless);
            }
        }
    }

    /// Makes a call that answers `{"success": true}`.
    pub(super) async fn done(&self, token: &SecretString, request: RequestBuilder) -> Result<(), CallError> {
        let Done { success } = self.call(token, request).await?;
        if success { Ok(()) } else { Err(CallError::NotDone) }
    }
}

/// Reads a body, if it is not too long.
async fn read(response: &mut Response, most: usize) -> Result<Vec<u8>, Unanswered> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Unanswered::Lost(error.without_url()))? {
        if body.len() + chunk.len() > most {
            return Err(Unanswered::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[derive(Deserialize)]
struct Done {
    success: bool,
}

#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    #[serde(default)]
    paging: Paging,
}

#[derive(Default, Deserialize)]
struct Paging {
    #[serde(default)]
    cursors: Cursors,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Default, Deserialize)]
struct Cursors {
    #[serde(default)]
    after: Option<String>,
}

/// What happened, for a log line; without the URL, which names the tenant's number.
pub(super) fn describe(error: &reqwest::Error) -> String {
    let cause = Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use wiremock::matchers::{path, query_param, query_param_is_missing};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    fn page(item: u8, after: Option<&str>) -> ResponseTemplate {
        let paging = after.map(|after| json!({"cursors": {"after": after}, "next": "https://evil.example/"}));
        ResponseTemplate::new(200)
            .set_body_json(json!({"data": [item], "paging": paging.unwrap_or(json!({"cursors": {"after": "Z"}}))}))
    }

    async fn list(server: &MockServer) -> Result<Vec<u8>, CallError> {
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        graph.list(&"the-token".into(), &["55", "things"], &[("limit", "100")]).await
    }

    #[tokio::test]
    async fn a_list_is_read_by_its_cursors_to_the_end() {
        let server = MockServer::start().await;
        let things = || Mock::given(path("/v26.0/55/things")).and(query_param("limit", "100"));
        things().and(query_param_is_missing("after")).respond_with(page(1, Some("A"))).mount(&server).await;
        things().and(query_param("after", "A")).respond_with(page(2, Some("B="))).mount(&server).await;
        things().and(query_param("after", "B=")).respond_with(page(3, None)).mount(&server).await;
        assert_eq!(list(&server).await.unwrap(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_cursor_that_comes_twice_ends_the_list_with_an_error() {
        let server = MockServer::start().await;
        let same = Mock::given(path("/v26.0/55/things")).respond_with(page(1, Some("A")));
        same.up_to_n_times(2).mount(&server).await;
        assert!(matches!(list(&server).await, Err(CallError::Endless)));
    }

    #[tokio::test]
    async fn a_list_that_never_ends_ends_with_an_error() {
        let server = MockServer::start().await;
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let ever_on = move |_: &wiremock::Request| {
            page(1, Some(&asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string()))
        };
        Mock::given(path("/v26.0/55/things"))
            .respond_with(ever_on)
            .up_to_n_times(PAGES_MAX as u64)
            .mount(&server)
            .await;
        assert!(matches!(list(&server).await, Err(CallError::Endless)));
    }

    #[tokio::test]
    async fn a_page_that_fails_fails_the_list() {
        let server = MockServer::start().await;
        let things = || Mock::given(path("/v26.0/55/things"));
        things().and(query_param_is_missing("after")).respond_with(page(1, Some("A"))).mount(&server).await;
        things().and(query_param("after", "A")).respond_with(ResponseTemplate::new(500)).mount(&server).await;
        assert!(matches!(list(&server).await, Err(CallError::Refused(error)) if error.http_status == 500));
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read_to_its_end() {
        let server = MockServer::start().await;
        let long = vec![b' '; ANSWER_MAX + 1];
        Mock::given(path("/v26.0/1"))
            .respond_with(ResponseTemplate::new(200).set_body_bytes(long))
            .mount(&server)
            .await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let answer = graph.get::<Value>(&"the-token".into(), &["1"], &[]).await;
        assert!(matches!(answer, Err(CallError::TooLong)), "{answer:?}");
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_is_not_quoted() {
        let server = MockServer::start().await;
        let body = ResponseTemplate::new(200).set_body_string(r#"{"success": "549115555"}"#);
        Mock::given(path("/v26.0/1")).respond_with(body).mount(&server).await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let error = graph.get::<Done>(&"the-token".into(), &["1"], &[]).await.err().unwrap();
        assert!(!format!("{error:?}").contains("549115555"), "{error:?}");
    }

    #[tokio::test]
    async fn a_token_that_cannot_stand_in_a_header_is_never_sent() {
        let server = MockServer::start().await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let error = graph.get::<Value>(&"two\nlines".into(), &["1"], &[]).await.unwrap_err();
        assert!(matches!(error, CallError::NotSent(NotSent::Request(_))), "{error:?}");
        assert!(server.received_requests().await.unwrap().is_empty());
    }
}
