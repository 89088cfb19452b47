use super::super::hosts::TRICKY;
use super::*;
use recado_testkit::samples;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const FILE: &[u8] = b"the bytes of a picture";

fn token() -> SecretString {
    "the-token".into()
}

fn number() -> PhoneNumberId {
    PhoneNumberId::parse("109876543210987").unwrap()
}

fn graph(server: &MockServer) -> Graph {
    Graph::new(&server.uri(), "v26.0").unwrap()
}

fn info(url: &str) -> MediaInfo {
    let hash = MediaHash(Sha256::digest(FILE).into());
    MediaInfo {
        id: MediaId::parse("1").unwrap(),
        url: Personal::new(url.to_owned()),
        mime_type: None,
        sha256: Some(hash),
        file_size: Some(FILE.len() as u64),
    }
}

async fn whole(graph: &Graph, media: &MediaInfo, most: u64) -> Result<Vec<u8>, DownloadError> {
    let mut download = graph.download(&token(), media, most).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = download.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(download.received(), bytes.len() as u64);
    Ok(bytes)
}

async fn serving(answer: ResponseTemplate) -> (MockServer, MediaInfo) {
    let server = MockServer::start().await;
    Mock::given(path("/file"))
        .and(header("authorization", "Bearer the-token"))
        .respond_with(answer)
        .mount(&server)
        .await;
    let media = info(&format!("{}/file", server.uri()));
    (server, media)
}

#[test]
fn a_hash_is_the_same_in_hex_and_in_base64() {
    let hex = MediaHash::parse("8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4");
    assert!(hex.is_some());
    assert_eq!(hex, MediaHash::parse("8F434346648F6B96DF89DDA901C5176B10A6D83961DD3C1AC88B59B2DC327AA4"));
    let base64 = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, hex.unwrap().bytes());
    assert_eq!(hex, MediaHash::parse(&base64));
    assert_eq!(hex, MediaHash::parse(base64.trim_end_matches('=')));
    for bad in ["", "8f43", &"g".repeat(64), &"=".repeat(44), &"!".repeat(43)] {
        assert_eq!(MediaHash::parse(bad), None, "{bad:?} was accepted");
    }
}

#[tokio::test]
async fn what_meta_knows_about_a_file_is_read() {
    let server = MockServer::start().await;
    Mock::given(path("/v26.0/1234567890123456"))
        .and(query_param("phone_number_id", "109876543210987"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(samples::graph("graph_media_get.json")))
        .mount(&server)
        .await;
    let id = MediaId::parse("1234567890123456").unwrap();
    let media = graph(&server).media(&token(), &id, Some(&number())).await.unwrap();
    assert_eq!((media.file_size, media.mime_type.as_deref()), (Some(303_833), Some("image/jpeg")));
    assert!(media.sha256.is_some());
    assert!(media.url.expose().starts_with("https://lookaside.fbsbx.com/"));
    assert!(!format!("{media:?}").contains("hash=AR"), "the URL's signature shows in {media:?}");
}

#[test]
fn an_odd_size_or_hash_does_not_cost_us_the_file() {
    for (size, hash, expected) in [
        (json!(7), json!("x"), Some(7)),
        (json!("7"), json!(null), Some(7)),
        (json!(null), json!(7), None),
        (json!("many"), json!(""), None),
    ] {
        let body = json!({"id": "1", "url": "https://x", "file_size": size, "sha256": hash});
        let media: MediaInfo = serde_json::from_value(body).unwrap();
        assert_eq!((media.file_size, media.sha256), (expected, None));
    }
}

#[tokio::test]
async fn a_file_is_uploaded_as_it_comes() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/v26.0/109876543210987/media"))
        .and(header("authorization", "Bearer the-token"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(samples::graph("graph_media_upload.json")))
        .mount(&server)
        .await;
    // A stream that answers in three pieces, as a file on S3 would.
    let (near, mut far) = tokio::io::duplex(8);
    let writer = tokio::spawn(async move { far.write_all(FILE).await.unwrap() });
    let pieces = futures_util::stream::unfold(near, |mut near| async move {
        let mut piece = vec![0; 8];
        let read = near.read(&mut piece).await;
        match read {
            Ok(0) => None,
            Ok(read) => Some((Ok::<_, std::io::Error>(Bytes::from(piece[..read].to_vec())), near)),
            Err(error) => Some((Err(error), near)),
        }
    });
    let file = FileUpload {
        name: Personal::new("nota.ogg".to_owned()),
        mime_type: "audio/ogg; codecs=opus".to_owned(),
        length: FILE.len() as u64,
        content: Body::wrap_stream(pieces),
    };
    let id = graph(&server).upload(&token(), &number(), file).await.unwrap();
    writer.await.unwrap();
    assert_eq!(id.as_str(), "4490709327384033");

    let request = &server.received_requests().await.unwrap()[0];
    let length = request.headers["content-length"].to_str().unwrap();
    assert_eq!(length, request.body.len().to_string(), "the length is told beforehand");
    let body = String::from_utf8_lossy(&request.body);
    for part in [
        "name=\"messaging_product\"\r\n\r\nwhatsapp\r\n",
        "name=\"type\"\r\n\r\naudio/ogg; codecs=opus\r\n",
        "name=\"file\"; filename=\"nota.ogg\"\r\nContent-Type: audio/ogg; codecs=opus\r\n\r\nthe bytes of a picture\r\n",
    ] {
        assert!(body.contains(part), "{part:?} is missing in {body}");
    }
}

#[tokio::test]
async fn a_type_that_is_none_is_not_uploaded() {
    let server = MockServer::start().await;
    let file =
        FileUpload { name: Personal::new("a".to_owned()), mime_type: "\n".into(), length: 1, content: Body::from("a") };
    let error = graph(&server).upload(&token(), &number(), file).await.unwrap_err();
    assert!(matches!(error, CallError::NotSent(NotSent::Request(_))), "{error:?}");
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_is_deleted() {
    let server = MockServer::start().await;
    Mock::given(method("DELETE"))
        .and(path("/v26.0/1"))
        .and(query_param("phone_number_id", "109876543210987"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"success": true})))
        .expect(1)
        .mount(&server)
        .await;
    graph(&server).delete_media(&token(), &MediaId::parse("1").unwrap(), Some(&number())).await.unwrap();
}

#[tokio::test]
async fn a_file_is_downloaded_and_its_bytes_are_those_that_meta_promised() {
    let (server, media) = serving(ResponseTemplate::new(200).set_body_bytes(FILE)).await;
    assert_eq!(whole(&graph(&server), &media, FILE.len() as u64).await.unwrap(), FILE);
    let unknown = MediaInfo { sha256: None, file_size: None, ..media };
    assert_eq!(whole(&graph(&server), &unknown, FILE.len() as u64).await.unwrap(), FILE);
}

#[tokio::test]
async fn other_bytes_than_promised_are_an_error() {
    let mut other = FILE.to_vec();
    other[0] ^= 1;
    let (server, media) = serving(ResponseTemplate::new(200).set_body_bytes(other)).await;
    let error = whole(&graph(&server), &media, 1000).await.unwrap_err();
    assert!(matches!(error, DownloadError::WrongHash), "{error:?}");

    let (server, media) = serving(ResponseTemplate::new(200).set_body_bytes(&FILE[..5])).await;
    let error = whole(&graph(&server), &media, 1000).await.unwrap_err();
    assert!(matches!(error, DownloadError::WrongSize { expected: 22, received: 5 }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_is_too_long_is_not_read_to_its_end() {
    let (server, media) = serving(ResponseTemplate::new(200).set_body_bytes(FILE)).await;
    let least = FILE.len() as u64 - 1;
    // Told by Meta, told by the host.
    let error = whole(&graph(&server), &media, least).await.unwrap_err();
    assert!(matches!(error, DownloadError::TooLong(_)), "{error:?}");
    assert!(server.received_requests().await.unwrap().is_empty(), "Meta said that it is too long");
    let unknown = MediaInfo { file_size: None, ..media };
    let error = graph(&server).download(&token(), &unknown, least).await.unwrap_err();
    assert!(matches!(error, DownloadError::TooLong(_)), "{error:?}");

    // Told by nobody.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let host = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut start = [0_u8; 16];
        socket.read_exact(&mut start).await.unwrap();
        let piece = [b"400\r\n".as_slice(), &[b'x'; 1024], b"\r\n"].concat();
        socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        let mut written = 0;
        while socket.write_all(&piece).await.is_ok() {
            written += 1;
        }
        written
    });
    let endless = MediaInfo { file_size: None, ..info(&format!("{base}/file")) };
    let graph = Graph::new(&base, "v26.0").unwrap();
    let error = whole(&graph, &endless, 100_000).await.unwrap_err();
    assert!(matches!(error, DownloadError::TooLong(100_000)), "{error:?}");
    drop(graph);
    assert!(host.await.unwrap() < 100_000, "the host was cut off");
}

#[tokio::test]
async fn an_expired_url_is_told_from_other_answers() {
    for (status, expired, passing) in [
        (401, true, true),
        (403, true, true),
        (404, true, true),
        (410, true, true),
        (400, false, false),
        (503, false, true),
    ] {
        let (server, media) = serving(ResponseTemplate::new(status)).await;
        let error = whole(&graph(&server), &media, 1000).await.unwrap_err();
        assert_eq!(matches!(error, DownloadError::Expired(_)), expired, "HTTP {status}: {error:?}");
        assert_eq!(error.is_passing(), passing, "HTTP {status}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_wherever_it_points() {
    let elsewhere = MockServer::start().await;
    for status in [301, 302, 303, 307, 308] {
        for target in [format!("{}/file", elsewhere.uri()), "https://169.254.169.254/".to_owned()] {
            let (server, media) =
                serving(ResponseTemplate::new(status).insert_header("location", target.as_str())).await;
            let error = whole(&graph(&server), &media, 1000).await.unwrap_err();
            assert!(matches!(error, DownloadError::Status(answered) if answered == status), "{error:?}");
        }
    }
    assert!(elsewhere.received_requests().await.unwrap().is_empty(), "the token was carried to another host");
}

#[tokio::test]
async fn a_tricky_url_is_never_connected_to() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let port = address.port();
    let server = MockServer::start().await;
    // The listener stands for whatever listens inside; each spelling below leads to it.
    let inside = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://0:{port}/"),
        format!("http://lookaside.fbsbx.com@127.0.0.1:{port}/"),
        format!("{}@127.0.0.1:{port}/", server.uri()),
        format!("{}#@127.0.0.1:{port}/", server.uri().replace("127.0.0.1", "127.0.0.2")),
        format!("https://127.0.0.1:{port}/"),
    ];
    for url in TRICKY.iter().copied().chain(inside.iter().map(String::as_str)) {
        let error = whole(&graph(&server), &info(url), 1000).await.unwrap_err();
        assert!(matches!(error, DownloadError::Refused(_)), "{url:?}: {error:?}");
        assert!(!error.is_passing(), "{url:?} would be tried again");
    }
    let waiting = tokio::time::timeout(std::time::Duration::ZERO, listener.accept()).await;
    assert!(waiting.is_err(), "a connection was made");
    assert!(server.received_requests().await.unwrap().is_empty());
}
