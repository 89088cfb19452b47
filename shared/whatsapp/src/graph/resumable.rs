//! Resumable upload, the way in which the sample of a template's header reaches Meta (WHATSAPP.md §2.8).

use super::call::CallError;
use super::media::Body;
use super::{AppId, Graph, MEDIA_TIMEOUT};
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An upload that was begun. Carries a signature, so its `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UploadSession(String);

/// Meta's handle of an uploaded sample, for `header_handle` in a template's definition.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SampleHandle(String);

impl SampleHandle {
    /// The handle as Meta wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UploadSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadSession (hidden)")
    }
}

impl fmt::Debug for SampleHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SampleHandle (hidden)")
    }
}

impl Graph {
    /// Begins an upload of `length` bytes.
    pub async fn begin_upload(
        &self,
        token: &SecretString,
        app: &AppId,
        file_name: &str,
        mime_type: &str,
        length: u64,
    ) -> Result<UploadSession, CallError> {
        #[derive(Deserialize)]
        struct Begun {
            id: UploadSession,
        }
        let length = length.to_string();
        let query = [("file_name", file_name), ("file_length", &length), ("file_type", mime_type)];
        let url = self.url_with(&[app.as_str(), "uploads"], &query);
        let Begun { id } = self.call(token, self.http.post(url)).await?;
        Ok(id)
    }

    /// How many bytes of an upload Meta has. An upload that broke off goes on from there.
    pub async fn upload_offset(&self, token: &SecretString, session: &UploadSession) -> Result<u64, CallError> {
        #[derive(Deserialize)]
        struct State {
            file_offset: u64,
        }
        let request = with_oauth(self.http.get(self.session_url(session)), token);
        let State { file_offset } = self.call_bare(request).await?;
        Ok(file_offset)
    }

    /// Uploads the bytes from `offset` on, `length` of them, to the file's end.
    pub async fn upload_rest(
        &self,
        token: &SecretString,
        session: &UploadSession,
        offset: u64,
        length: u64,
        content: Body,
    ) -> Result<SampleHandle, CallError> {
        #[derive(Deserialize)]
        struct Ended {
            h: SampleHandle,
        }
        let request = with_oauth(self.http.post(self.session_url(session)), token)
            .timeout(MEDIA_TIMEOUT)
            .header("file_offset", offset)
            .header(CONTENT_LENGTH, length)
            .body(content);
        let Ended { h } = self.call_bare(request).await?;
        Ok(h)
    }

    /// An upload's id is a path segment and a query, such as `upload:MTph…?sig=ARZq…`.
    fn session_url(&self, UploadSession(id): &UploadSession) -> reqwest::Url {
        let (segment, query) = id.split_once('?').map_or((id.as_str(), None), |(id, query)| (id, Some(query)));
        let mut url = self.url(&[segment]);
        url.set_query(query);
        url
    }
}

/// This part of Graph wants the token under another word.
fn with_oauth(request: RequestBuilder, token: &SecretString) -> RequestBuilder {
    match HeaderValue::try_from(format!("OAuth {}", token.expose_secret())) {
        Ok(mut value) => {
            value.set_sensitive(true);
            request.header(AUTHORIZATION, value)
        }
        // The builder fails the same way, so the call ends as not sent.
        Err(_) => request.header(AUTHORIZATION, "\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::NotSent;
    use super::*;
    use serde_json::json;
    use wiremock::matchers::{body_bytes, header, method, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    #[tokio::test]
    async fn an_upload_that_broke_off_goes_on_where_it_was() {
        let server = MockServer::start().await;
        let answer = |body| ResponseTemplate::new(200).set_body_json(body);
        Mock::given(method("POST"))
            .and(path("/v26.0/670123456789/uploads"))
            .and(header("authorization", "Bearer the-token"))
            .and(query_param("file_name", "factura nº 1.pdf"))
            .and(query_param("file_length", "10"))
            .and(query_param("file_type", "application/pdf"))
            .respond_with(answer(json!({"id": "upload:MTph+c2Vz=?sig=ARZq_x"})))
            .mount(&server)
            .await;
        let session = || {
            Mock::given(path("/v26.0/upload:MTph+c2Vz="))
                .and(query_param("sig", "ARZq_x"))
                .and(header("authorization", "OAuth the-token"))
        };
        session()
            .and(method("GET"))
            .respond_with(answer(json!({"id": "upload:MTph", "file_offset": 4})))
            .mount(&server)
            .await;
        session()
            .and(method("POST"))
            .and(header("file_offset", "4"))
            .and(header("content-length", "6"))
            .and(body_bytes(b"456789"))
            .respond_with(answer(json!({"h": "4::aW1h"})))
            .mount(&server)
            .await;

        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let token = "the-token".into();
        let app = AppId::parse("670123456789").unwrap();
        let session = graph.begin_upload(&token, &app, "factura nº 1.pdf", "application/pdf", 10).await.unwrap();
        assert!(!format!("{session:?}").contains("ARZq"), "{session:?}");
        let offset = graph.upload_offset(&token, &session).await.unwrap();
        assert_eq!(offset, 4);
        let rest = Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("456"), Ok("789")]));
        let handle = graph.upload_rest(&token, &session, offset, 6, rest).await.unwrap();
        assert_eq!(handle.as_str(), "4::aW1h");
    }

    #[tokio::test]
    async fn a_token_that_cannot_stand_in_a_header_is_never_sent() {
        let server = MockServer::start().await;
        let graph = Graph::new(&server.uri(), "v26.0").unwrap();
        let session = UploadSession("upload:MTph".to_owned());
        let error = graph.upload_offset(&"two\nlines".into(), &session).await.unwrap_err();
        assert!(matches!(error, CallError::NotSent(NotSent::Request(_))), "{error:?}");
    }

    #[test]
    fn a_session_cannot_leave_the_endpoint() {
        let graph = Graph::new("https://graph.facebook.com", "v26.0").unwrap();
        for odd in ["https://evil.example/x", "//evil.example", "../../x", "@evil.example", "x#y"] {
            let url = graph.session_url(&UploadSession(odd.to_owned()));
            assert_eq!(url.host_str(), Some("graph.facebook.com"), "{odd} leads to {url}");
            assert!(url.path().starts_with("/v26.0/"), "{odd} leads to {url}");
        }
    }
}
