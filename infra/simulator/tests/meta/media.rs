//! Files, in both directions.

use crate::sim::{Answer, NUMBER, Sim};
use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use recado_testkit::samples;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const JPEG: &[u8] = b"\xff\xd8\xff\xe0 una foto";

async fn upload(sim: &Sim, mime: &str, bytes: &[u8]) -> Answer {
    upload_parts(sim, mime, bytes, "whatsapp").await
}

async fn upload_parts(sim: &Sim, mime: &str, bytes: &[u8], product: &str) -> Answer {
    let mut body = Vec::new();
    let head = format!(
        "--frontera\r\ncontent-disposition: form-data; name=\"messaging_product\"\r\n\r\n{product}\r\n\
         --frontera\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\ncontent-type: {mime}\r\n\r\n"
    );
    body.extend(head.as_bytes());
    body.extend(bytes);
    body.extend(b"\r\n--frontera--\r\n");
    let request = Request::post(format!("/v26.0/{NUMBER}/media"))
        .header("authorization", "Bearer token")
        .header("content-type", "multipart/form-data; boundary=frontera");
    sim.call(request.body(Body::from(body)).unwrap()).await
}

async fn fetch(sim: &Sim, url: &Value, token: Option<&str>) -> Answer {
    let path = url.as_str().unwrap().strip_prefix("http://meta.example").unwrap();
    let mut request = Request::get(path).header("user-agent", "test");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    sim.call(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_file_is_uploaded_shown_fetched_and_deleted() {
    let sim = Sim::new().await;
    let id = upload(&sim, "image/jpeg", JPEG).await.body["id"].as_str().unwrap().to_owned();
    let shown = sim.graph("GET", &id, Value::Null).await.body;
    let sample: Value = serde_json::from_slice(&samples::graph("graph_media_get.json")).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&shown), names(&sample));
    assert_eq!(shown["file_size"], JPEG.len().to_string());
    assert_eq!(shown["sha256"], data_encoding::HEXLOWER.encode(&Sha256::digest(JPEG)));
    assert_eq!(shown["mime_type"], "image/jpeg");

    let fetched = fetch(&sim, &shown["url"], Some("token")).await;
    assert_eq!((fetched.status, &*fetched.bytes), (200, JPEG));
    assert_eq!(sim.code(json!({"type": "image", "image": {"id": id}})).await, 0);
    assert_eq!(sim.graph("GET", &format!("{id}?phone_number_id={NUMBER}"), Value::Null).await.status, 200);
    assert_eq!(
        sim.graph("GET", &format!("{id}?phone_number_id=1"), Value::Null).await.code(),
        100,
        "of another number"
    );

    assert_eq!(sim.graph("DELETE", &id, Value::Null).await.body, json!({"success": true}));
    assert_eq!(sim.graph("GET", &id, Value::Null).await.body["error"]["error_subcode"], 33);
    assert_eq!(fetch(&sim, &shown["url"], Some("token")).await.status, 404);
}

#[tokio::test]
async fn an_upload_that_meta_does_not_take_is_refused() {
    let sim = Sim::new().await;
    let gif = upload(&sim, "image/gif", b"GIF89a").await;
    assert!(gif.code() == 100 && gif.told().contains("Param file must be a file with one of"), "{gif:?}");
    assert_eq!(upload(&sim, "image/jpeg", &vec![0; (5 << 20) + 1]).await.code(), 131_053, "a byte too many");
    assert_eq!(upload(&sim, "image/jpeg", b"").await.code(), 131_053, "empty");
    assert_eq!(upload(&sim, "image/png", JPEG).await.code(), 131_053, "a JPEG that says it is a PNG");
    assert!(upload_parts(&sim, "image/jpeg", JPEG, "telegram").await.told().contains("messaging_product"));
    let no_form = sim.graph("POST", &format!("{NUMBER}/media"), json!({})).await;
    assert_eq!(no_form.code(), 100);
}

#[tokio::test]
async fn an_address_is_good_for_five_minutes_and_with_the_token_only() {
    let sim = Sim::new().await;
    let id = upload(&sim, "image/jpeg", JPEG).await.body["id"].as_str().unwrap().to_owned();
    let url = sim.graph("GET", &id, Value::Null).await.body["url"].clone();
    assert_eq!(fetch(&sim, &url, None).await.status, 401);
    assert_eq!(fetch(&sim, &url, Some("wrong")).await.status, 401);
    let forged = json!(url.as_str().unwrap().replace("ext=", "ext=9"));
    assert_eq!(fetch(&sim, &forged, Some("token")).await.status, 404, "a longer life that nobody gave");
    let path = url.as_str().unwrap().strip_prefix("http://meta.example").unwrap().to_owned();
    let nameless = Request::get(path).header("authorization", "Bearer token").body(Body::empty()).unwrap();
    assert_eq!(sim.call(nameless).await.status, 403, "without a user agent");
    sim.pass(299).await;
    assert_eq!(fetch(&sim, &url, Some("token")).await.status, 200);
    sim.pass(2).await;
    assert_eq!(fetch(&sim, &url, Some("token")).await.status, 404);
    let again = sim.graph("GET", &id, Value::Null).await.body["url"].clone();
    assert_eq!(fetch(&sim, &again, Some("token")).await.status, 200, "a new address of the same file");
}

#[tokio::test]
async fn ids_expire_after_thirty_days_or_after_seven() {
    let sim = Sim::new().await;
    let mine = upload(&sim, "image/jpeg", JPEG).await.body["id"].as_str().unwrap().to_owned();
    let theirs =
        sim.inbound(json!({"media": {"type": "image", "size": 100}})).await["media_id"].as_str().unwrap().to_owned();
    let statuses = async || {
        let ask = async |id: &String| sim.graph("GET", id, Value::Null).await.status;
        (ask(&mine).await, ask(&theirs).await)
    };
    sim.pass(7 * 86_400 - 60).await;
    assert_eq!(statuses().await, (200, 200));
    sim.pass(120).await;
    assert_eq!(statuses().await, (200, 400), "after seven days");
    sim.pass(23 * 86_400).await;
    assert_eq!(statuses().await, (400, 400), "after thirty days");
    assert_eq!(sim.code(json!({"type": "image", "image": {"id": mine}})).await, 131_009);
}

#[tokio::test]
async fn a_message_names_a_file_that_exists_and_is_of_its_kind() {
    let sim = Sim::new().await;
    let id = upload(&sim, "image/jpeg", JPEG).await.body["id"].as_str().unwrap().to_owned();
    let unknown = sim.send(json!({"type": "image", "image": {"id": "1"}})).await;
    assert_eq!(unknown.code(), 100);
    assert!(
        unknown.told().contains("Param image['id'] is not a valid whatsapp business account media attachment ID"),
        "{unknown:?}"
    );
    assert_eq!(sim.code(json!({"type": "video", "video": {"id": id}})).await, 131_053);
    assert_eq!(sim.code(json!({"type": "document", "document": {"id": id, "filename": "a.jpg"}})).await, 0);
    let header = json!([{"type": "header", "parameters": [{"type": "image", "image": {"id": "1"}}]}]);
    let card = json!([{"type": "carousel", "cards": [{"card_index": 0, "components": header}]}]);
    for (components, named) in [(&header, "template['components'][0]"), (&card, "['cards'][0]['components'][0]")] {
        let template = json!({"name": "x", "language": {"code": "es"}, "components": components});
        let answer = sim.send(json!({"type": "template", "template": template})).await;
        assert!(answer.code() == 100 && answer.told().contains(named), "{named}: {answer:?}");
    }
    sim.put("numbers", json!({"phone_number_id": "2", "waba_id": "3", "token": "theirs"})).await;
    let body = json!({"messaging_product": "whatsapp", "to": "5491155551234", "type": "image", "image": {"id": id}});
    assert_eq!(sim.graph_as("theirs", "POST", "/v26.0/2/messages", body).await.code(), 100, "another number's file");
    assert_eq!(sim.graph_as("theirs", "GET", &format!("/v26.0/{id}"), Value::Null).await.code(), 100);
}

#[tokio::test]
async fn a_link_that_cannot_be_fetched_fails_by_status() {
    let sim = Sim::new().await;
    assert_eq!(sim.code(json!({"type": "image", "image": {"link": "https://nowhere.invalid/a.jpg"}})).await, 0);
    assert_eq!(sim.hub.statuses(1).await[0]["errors"][0]["code"], 131_053);
}

#[tokio::test]
async fn a_customers_file_is_described_in_the_webhook_and_can_be_fetched() {
    let sim = Sim::new().await;
    let file = json!({"type": "document", "base64": STANDARD.encode(b"%PDF-1.7 x"), "filename": "Factura.pdf", "caption": "Va"});
    let told = sim.inbound(json!({ "media": file })).await;
    let message = sim.hub.value(0).await["messages"][0].clone();
    assert_eq!(message["type"], "document");
    let document = &message["document"];
    assert_eq!(document["sha256"], STANDARD.encode(Sha256::digest(b"%PDF-1.7 x")));
    assert_eq!(
        (&document["filename"], &document["mime_type"], &document["id"]),
        (&json!("Factura.pdf"), &json!("application/pdf"), &told["media_id"])
    );
    let shown = sim.graph("GET", document["id"].as_str().unwrap(), Value::Null).await.body;
    assert_eq!(&*fetch(&sim, &shown["url"], Some("token")).await.bytes, b"%PDF-1.7 x");

    let voice = sim.inbound(json!({"media": {"type": "audio", "size": 5000, "voice": true}})).await;
    let shown = sim.graph("GET", voice["media_id"].as_str().unwrap(), Value::Null).await.body;
    let bytes = fetch(&sim, &shown["url"], Some("token")).await.bytes;
    assert_eq!((bytes.len(), &bytes[..4]), (5000, &b"OggS"[..]));
}

#[tokio::test]
async fn downloads_go_wrong_as_asked() {
    let sim = Sim::new().await;
    let id = upload(&sim, "image/jpeg", JPEG).await.body["id"].as_str().unwrap().to_owned();
    let url = sim.graph("GET", &id, Value::Null).await.body["url"].clone();
    let next = async |fault: Value| {
        sim.post("faults", fault).await;
        fetch(&sim, &url, Some("token")).await
    };
    sim.post("faults", json!({"id": id, "kind": "not_found_first", "count": 2})).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(fetch(&sim, &url, Some("token")).await.status);
    }
    assert_eq!(statuses, [404, 404, 200]);
    let truncated = next(json!({"phone_number_id": NUMBER, "kind": "truncated"})).await;
    assert_eq!(
        (truncated.status, &*truncated.bytes),
        (200, &JPEG[..JPEG.len() / 2]),
        "by number, with an honest length"
    );
    let other = next(json!({"id": id, "kind": "wrong_hash"})).await;
    assert!(other.bytes.len() == JPEG.len() && other.bytes != JPEG, "{other:?}");
    let slow = next(json!({"id": id, "kind": "slow", "millis": 20})).await;
    assert_eq!(&*slow.bytes, JPEG);
    let broken = next(json!({"id": id, "on": "attachments", "kind": "drop_after_accept"})).await;
    assert_eq!(broken.status, 0);
    let gateway = next(json!({"id": id, "on": "attachments", "kind": "bad_gateway"})).await;
    assert_eq!(gateway.status, 502);
}

#[tokio::test]
async fn an_upload_can_be_resumed_where_it_broke_off() {
    let sim = Sim::new().await;
    let post = async |path: String, offset: Option<usize>, bytes: &[u8]| {
        let mut request = Request::post(path).header("authorization", "OAuth token");
        if let Some(offset) = offset {
            request = request.header("file_offset", offset.to_string());
        }
        sim.call(request.body(Body::from(bytes.to_vec())).unwrap()).await
    };
    let begin =
        |kind: &str| format!("/v26.0/670123456789/uploads?file_name=a.jpg&file_length={}&file_type={kind}", JPEG.len());
    assert_eq!(post(begin("image/gif"), None, b"").await.code(), 100);
    let begun = post(begin("image/jpeg"), None, b"").await;
    let id = begun.body["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("upload:") && id.contains("?sig="), "{id}");
    let path = format!("/v26.0/{id}");
    let broken = futures_util::stream::iter([Ok(&JPEG[..3]), Err(std::io::Error::other("the line broke"))]);
    let request = Request::post(&path).header("authorization", "OAuth token").header("file_offset", "0");
    assert_eq!(sim.call(request.body(Body::from_stream(broken)).unwrap()).await.status, 400);
    assert_eq!(sim.graph("GET", &id, Value::Null).await.body["file_offset"], 3, "what came is kept");
    let half = post(path.clone(), Some(3), &JPEG[3..5]).await;
    assert_eq!(half.body["file_offset"], 5);
    assert_eq!(post(path.clone(), Some(0), JPEG).await.code(), 100, "from the beginning again");
    assert_eq!(sim.graph("GET", &id, Value::Null).await.body["file_offset"], 5);
    let encoded = path.replace('?', "%3F").replace('=', "%3D");
    let whole = post(encoded, Some(5), &JPEG[5..]).await;
    assert!(whole.body["h"].as_str().unwrap().starts_with("4::"), "{whole:?}");
}
