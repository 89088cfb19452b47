//! Calls that read or manage an account; none of them sends anything.

use super::{Graph, GraphError};
use recado_domain::ids::{PhoneNumberId, WabaId};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A number of a WhatsApp Business account, as Graph lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BusinessNumber {
    /// Its id.
    pub id: PhoneNumberId,
    /// The number as people write it.
    #[serde(default)]
    pub display_phone_number: Option<String>,
    /// The name that customers see.
    #[serde(default)]
    pub verified_name: Option<String>,
}

/// A management call failed.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// Graph answered with an error.
    #[error("Graph refused: code {} (HTTP {})", .0.code, .0.http_status)]
    Refused(GraphError),
    /// Graph could not be reached, or did not answer in time.
    #[error("Graph could not be reached")]
    Unreachable(#[source] reqwest::Error),
    /// Graph answered something that we cannot read.
    #[error("Graph's answer could not be read")]
    Unreadable(#[source] serde_json::Error),
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

impl Graph {
    /// The details of one number.
    pub async fn phone_number(&self, token: &SecretString, id: &PhoneNumberId) -> Result<BusinessNumber, ManageError> {
        self.get(token, self.url(&[id.as_str()])).await
    }

    /// All numbers of an account, every page of them.
    pub async fn phone_numbers(&self, token: &SecretString, waba: &WabaId) -> Result<Vec<BusinessNumber>, ManageError> {
        let first = self.url(&[waba.as_str(), "phone_numbers"]);
        let mut numbers = Vec::new();
        let mut url = first.clone();
        loop {
            let page: Page<BusinessNumber> = self.get(token, url).await?;
            numbers.extend(page.data);
            // The next page is asked for by cursor: the `next` URL carries the token and may name any host.
            match (page.paging.next, page.paging.cursors.after) {
                (Some(_), Some(after)) => {
                    url = first.clone();
                    url.query_pairs_mut().append_pair("after", &after);
                }
                _ => return Ok(numbers),
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, token: &SecretString, url: reqwest::Url) -> Result<T, ManageError> {
        let unreachable = |error: reqwest::Error| ManageError::Unreachable(error.without_url());
        let response = self.http.get(url).bearer_auth(token.expose_secret()).send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            serde_json::from_slice(&body).map_err(ManageError::Unreadable)
        } else {
            Err(ManageError::Refused(GraphError::parse(status.as_u16(), &body)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_testkit::samples;
    use serde_json::json;
    use wiremock::matchers::{path, query_param, query_param_is_missing};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    fn token() -> SecretString {
        "the-token".into()
    }

    #[tokio::test]
    async fn all_pages_of_numbers_are_read() {
        let server = MockServer::start().await;
        let page = |id: &str, paging| {
            ResponseTemplate::new(200).set_body_json(json!({"data": [{"id": id}], "paging": paging}))
        };
        Mock::given(path("/v26.0/55/phone_numbers"))
            .and(query_param_is_missing("after"))
            .respond_with(page("1", json!({"cursors": {"after": "A"}, "next": "https://evil.example/"})))
            .mount(&server)
            .await;
        Mock::given(path("/v26.0/55/phone_numbers"))
            .and(query_param("after", "A"))
            .respond_with(page("2", json!({"cursors": {"after": "B"}})))
            .mount(&server)
            .await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let numbers = graph.phone_numbers(&token(), &WabaId::parse("55").unwrap()).await.unwrap();
        let ids: Vec<_> = numbers.iter().map(|number| number.id.as_str()).collect();
        assert_eq!(ids, ["1", "2"]);
    }

    #[tokio::test]
    async fn a_number_is_described_and_a_bad_token_is_refused() {
        let server = MockServer::start().await;
        Mock::given(path("/v26.0/1"))
            .respond_with(ResponseTemplate::new(200).set_body_bytes(samples::graph("graph_phone_number.json")))
            .mount(&server)
            .await;
        Mock::given(path("/v26.0/2"))
            .respond_with(ResponseTemplate::new(401).set_body_bytes(samples::graph("graph_error_190_expired.json")))
            .mount(&server)
            .await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let number = graph.phone_number(&token(), &PhoneNumberId::parse("1").unwrap()).await.unwrap();
        assert_eq!(number.verified_name.as_deref(), Some("CampoTech"));
        let error = graph.phone_number(&token(), &PhoneNumberId::parse("2").unwrap()).await.unwrap_err();
        assert!(matches!(error, ManageError::Refused(ref error) if error.code == 190), "{error:?}");
    }
}
