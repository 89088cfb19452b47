//! The bucket for files: what comes as a stream goes in part by part, what is in is shown by a signed link.

use crate::aws::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use std::error::Error;
use std::time::Duration;

/// How much of an object is held in memory: the least that S3 takes as a part that is not the last.
const PART: usize = 5 * 1024 * 1024;

/// The most that a chunk of a stream adds to a part; no limit, only what is asked of the allocator at once.
const CHUNK: usize = 64 * 1024;

/// A bucket.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: Client,
    name: String,
}

/// S3 refused, or did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct BucketError {
    operation: &'static str,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

fn failed<E: Error + Send + Sync + 'static>(operation: &'static str) -> impl FnOnce(E) -> BucketError {
    move |error| BucketError { operation, source: format!("{}", DisplayErrorContext(error)).into() }
}

/// How an object is to be shown to whoever follows a link.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Its type.
    pub mime_type: &'a str,
    /// Its name; a safe one.
    pub file_name: &'a str,
    /// Whether a browser may show it in its own window. Otherwise it is saved.
    pub inline: bool,
}

impl Bucket {
    /// The bucket of this name. On the local stack, which has one address for all buckets, it is part of the path.
    pub fn new(config: &SdkConfig, name: String) -> Self {
        // A part takes longer than other calls do.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(15))
            .operation_timeout(Duration::from_secs(40));
        let builder =
            Builder::from(config).timeout_config(timeouts.build()).force_path_style(config.endpoint_url().is_some());
        Self { client: Client::from_conf(builder.build()), name }
    }

    /// Begins to put an object. `hash` is the SHA-256 that it will have, in hex, and is kept beside it.
    pub fn upload(&self, key: String, mime_type: String, hash: Option<String>) -> Upload {
        let (bucket, buffer) = (self.clone(), BytesMut::new());
        Upload { bucket, key, mime_type, hash, buffer, size: 0, id: None, parts: Vec::new() }
    }

    /// A link by which anybody can get an object, from `now` on for `valid`.
    pub async fn link(
        &self,
        key: &str,
        shown: Shown<'_>,
        valid: Duration,
        now: Timestamp,
    ) -> Result<String, BucketError> {
        const OPERATION: &str = "signing a link";
        let config = PresigningConfig::builder().start_time(now.into()).expires_in(valid).build();
        let request = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(key)
            .response_content_type(shown.mime_type)
            .response_content_disposition(disposition(shown));
        let signed = request.presigned(config.map_err(failed(OPERATION))?).await.map_err(failed(OPERATION))?;
        Ok(signed.uri().to_owned())
    }
}

/// An object on its way into the bucket. Nothing can be seen of it before [`Upload::finish`].
///
/// Holds one part in memory, however long the object. One that is not finished must be aborted; should the
/// process vanish, the bucket's lifecycle does it.
#[derive(Debug)]
pub struct Upload {
    bucket: Bucket,
    key: String,
    mime_type: String,
    hash: Option<String>,
    buffer: BytesMut,
    size: u64,
    id: Option<String>,
    parts: Vec<CompletedPart>,
}

impl Upload {
    /// Takes the next bytes.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BucketError> {
        self.size += bytes.len() as u64;
        // Once it is clear that there will be many, room is made in one step instead of by doubling.
        if self.buffer.len() >= PART / 4 && self.buffer.capacity() < PART {
            self.buffer.reserve(PART + CHUNK - self.buffer.len());
        }
        self.buffer.extend_from_slice(&bytes);
        if self.buffer.len() >= PART { self.send_part().await } else { Ok(()) }
    }

    /// Makes the object appear, whole. Returns how many bytes it has.
    pub async fn finish(&mut self) -> Result<u64, BucketError> {
        if self.id.is_none() {
            self.put_at_once().await?;
            return Ok(self.size);
        }
        const OPERATION: &str = "completing an upload";
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.parts))).build();
        let Bucket { client, name } = &self.bucket;
        let complete = client.complete_multipart_upload().bucket(name).key(&self.key).set_upload_id(self.id.take());
        complete.multipart_upload(parts).send().await.map_err(failed(OPERATION))?;
        Ok(self.size)
    }

    /// Throws away what was put so far. What cannot be thrown away now, the bucket's lifecycle will.
    pub async fn abort(&mut self) {
        let Some(id) = self.id.take() else { return };
        let Bucket { client, name } = &self.bucket;
        let aborted = client.abort_multipart_upload().bucket(name).key(&self.key).upload_id(id).send().await;
        if let Err(error) = aborted {
            tracing::warn!(error = %DisplayErrorContext(error), "an upload could not be aborted");
        }
    }

    async fn put_at_once(&mut self) -> Result<(), BucketError> {
        let Bucket { client, name } = &self.bucket;
        let put = client
            .put_object()
            .bucket(name)
            .key(&self.key)
            .content_type(&self.mime_type)
            .set_metadata(self.metadata())
            .body(ByteStream::from(self.buffer.split().freeze()));
        put.send().await.map(drop).map_err(failed("putting an object"))
    }

    async fn send_part(&mut self) -> Result<(), BucketError> {
        const OPERATION: &str = "uploading a part";
        let Bucket { client, name } = self.bucket.clone();
        if self.id.is_none() {
            let create = client
                .create_multipart_upload()
                .bucket(&name)
                .key(&self.key)
                .content_type(&self.mime_type)
                .set_metadata(self.metadata())
                .checksum_algorithm(ChecksumAlgorithm::Crc32);
            self.id = create.send().await.map_err(failed("beginning an upload"))?.upload_id;
        }
        let number = i32::try_from(self.parts.len() + 1).expect("100 MB have few parts");
        // What a part was made of is given back before the next one is begun.
        let body = std::mem::take(&mut self.buffer).freeze();
        let upload = client
            .upload_part()
            .bucket(name)
            .key(&self.key)
            .set_upload_id(self.id.clone())
            .part_number(number)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::from(body));
        let done = upload.send().await.map_err(failed(OPERATION))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(done.e_tag);
        self.parts.push(part.set_checksum_crc32(done.checksum_crc32).build());
        Ok(())
    }

    fn metadata(&self) -> Option<std::collections::HashMap<String, String>> {
        self.hash.clone().map(|hash| [("sha256".to_owned(), hash)].into())
    }
}

/// The header that names a file (RFC 6266), for old and new browsers.
fn disposition(shown: Shown<'_>) -> String {
    let kind = if shown.inline { "inline" } else { "attachment" };
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, ' ' | '.' | '-' | '_' | '(' | ')');
    let ascii: String = shown.file_name.chars().map(|char| if plain(char) { char } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in shown.file_name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use recado_testkit::aws::client_config;
    use wiremock::matchers::{method, query_param, query_param_contains};
    use wiremock::{Mock, MockServer, Request, ResponseTemplate};

    fn xml(body: &str) -> ResponseTemplate {
        ResponseTemplate::new(200).set_body_raw(body.to_owned(), "application/xml")
    }

    async fn s3() -> (MockServer, Bucket) {
        let server = MockServer::start().await;
        let created = xml("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
        Mock::given(method("POST")).and(query_param("uploads", "")).respond_with(created).mount(&server).await;
        let completed = xml("<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>");
        Mock::given(method("POST")).and(query_param("uploadId", "u")).respond_with(completed).mount(&server).await;
        let part = ResponseTemplate::new(200).insert_header("etag", "e");
        Mock::given(method("PUT")).respond_with(part).mount(&server).await;
        Mock::given(method("DELETE")).respond_with(ResponseTemplate::new(204)).mount(&server).await;
        let bucket = Bucket::new(&client_config(&server.uri()), "files".to_owned());
        (server, bucket)
    }

    /// What was called, and with how long a body.
    async fn calls(server: &MockServer) -> Vec<(String, usize)> {
        let requests = server.received_requests().await.unwrap();
        let describe = |request: &Request| {
            let name =
                request.url.query_pairs().find(|(name, _)| matches!(&**name, "uploads" | "partNumber" | "uploadId"));
            let name = name.map(|(name, value)| format!(" {name}={value}")).unwrap_or_default();
            let is_put = request.method.as_str() == "PUT";
            (format!("{}{name}", request.method), if is_put { request.body.len() } else { 0 })
        };
        requests.iter().map(describe).collect()
    }

    #[tokio::test]
    async fn a_short_object_is_put_at_once_and_a_long_one_in_parts() {
        let (server, bucket) = s3().await;
        let mut upload = bucket.upload("k".to_owned(), "image/png".to_owned(), Some("ab".to_owned()));
        upload.write(Bytes::from(vec![1; 1000])).await.unwrap();
        assert!(calls(&server).await.is_empty(), "it may be the last");
        assert_eq!(upload.finish().await.unwrap(), 1000);
        assert_eq!(calls(&server).await, [("PUT".to_owned(), 1000)]);
        let put = &server.received_requests().await.unwrap()[0];
        assert_eq!((&put.headers["x-amz-meta-sha256"], put.url.path()), (&"ab".parse().unwrap(), "/files/k"));

        server.reset().await;
        let (server, bucket) = s3().await;
        let mut upload = bucket.upload("k".to_owned(), "image/png".to_owned(), None);
        for _ in 0..11 {
            upload.write(Bytes::from(vec![1; 1_000_000])).await.unwrap();
            assert!(upload.buffer.len() < PART, "{} bytes are held", upload.buffer.len());
        }
        assert_eq!(upload.finish().await.unwrap(), 11_000_000);
        let expected = [
            ("POST uploads=", 0),
            ("PUT partNumber=1", 6_000_000),
            ("PUT partNumber=2", 5_000_000),
            ("POST uploadId=u", 0),
        ];
        let calls: Vec<_> = calls(&server).await;
        let calls: Vec<_> = calls.iter().map(|(call, bytes)| (call.as_str(), *bytes)).collect();
        // S3 takes parts from 5 MiB on, which is more than 5,000,000 bytes: the second is the last one.
        assert_eq!(calls, expected);
    }

    #[tokio::test]
    async fn what_is_aborted_is_thrown_away() {
        let (server, bucket) = s3().await;
        let mut upload = bucket.upload("k".to_owned(), "image/png".to_owned(), None);
        upload.write(Bytes::from(vec![1; PART])).await.unwrap();
        upload.abort().await;
        upload.abort().await;
        let calls: Vec<_> = calls(&server).await.into_iter().map(|(call, _)| call).collect();
        assert_eq!(calls, ["POST uploads=", "PUT partNumber=1", "DELETE uploadId=u"]);
    }

    #[tokio::test]
    async fn a_refusal_of_s3_is_an_error_that_says_which_step_it_was() {
        let server = MockServer::start().await;
        let denied =
            ResponseTemplate::new(403).set_body_raw("<Error><Code>AccessDenied</Code></Error>", "application/xml");
        Mock::given(query_param_contains("x-id", "")).respond_with(denied).mount(&server).await;
        let bucket = Bucket::new(&client_config(&server.uri()), "files".to_owned());
        let error = bucket.upload("k".to_owned(), "image/png".to_owned(), None).finish().await.unwrap_err();
        assert_eq!(error.to_string(), "putting an object failed");
        assert!(error.source().unwrap().to_string().contains("AccessDenied"), "{error:?}");
    }

    #[tokio::test]
    async fn a_link_is_signed_for_as_long_as_it_says_and_names_the_file() {
        let bucket = Bucket::new(&client_config("http://127.0.0.1:1"), "files".to_owned());
        let shown = Shown { mime_type: "application/pdf", file_name: "Presupuesto ñ \"1\".pdf", inline: false };
        let now = Timestamp::from_second(1_795_171_200).unwrap();
        let link = bucket.link("media/t/m/1", shown, Duration::from_secs(900), now).await.unwrap();
        assert!(link.starts_with("http://127.0.0.1:1/files/media/t/m/1?"), "{link}");
        for part in
            ["X-Amz-Expires=900", "X-Amz-Date=20261120T", "X-Amz-Signature=", "response-content-type=application%2Fpdf"]
        {
            assert!(link.contains(part), "{part} is not in {link}");
        }
        assert_eq!(
            disposition(shown),
            "attachment; filename=\"Presupuesto _ _1_.pdf\"; filename*=UTF-8''Presupuesto%20%C3%B1%20%221%22.pdf"
        );
    }
}
