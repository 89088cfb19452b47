//! Customers' files come from Meta into our own bucket, whole and once.

use crate::world::{Tenant, eventually, eventually_within};
use data_encoding::BASE64;
use futures_util::future::join_all;
use jiff::SignedDuration;
use media::Media;
use recado_domain::ids::MessageId;
use recado_domain::media::{KEPT_BY_META, LEASE, MISSING_PATIENCE, MediaFailure};
use recado_platform::bucket::Bucket;
use recado_store::MediaState;
use recado_testkit::stack::{Stack, http};
use serde_json::{Value, json};
use std::time::Duration;
use stories::lab::Lab;
use stories::proxy::Proxy;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Something that looks like a picture, and like no other one.
fn picture(bytes: usize) -> Vec<u8> {
    let mut picture = b"\xff\xd8\xff\xe0".to_vec();
    picture.resize_with(bytes, rand::random);
    picture
}

/// A file as the simulated Meta takes it.
fn image(bytes: &[u8]) -> Value {
    json!({"type": "image", "base64": BASE64.encode(bytes)})
}

impl Tenant {
    /// A customer sends a file. Returns what Meta calls the message and the file.
    async fn customer_sends(&self, file: Value, times: usize) -> Value {
        let inbound = json!({"phone_number_id": self.phone_number_id, "from": "5491155551234", "name": "Lucía",
            "media": file, "times": times});
        self.stack.control_post("/inbound", &inbound).await
    }

    /// The next download for this tenant goes wrong.
    async fn next_download(&self, mut fault: Value) {
        fault["phone_number_id"] = json!(self.phone_number_id);
        self.stack.control_post("/faults", &fault).await;
    }

    /// The message of this wamid, once its file has this status.
    async fn file(&self, sent: &Value, status: &str) -> Value {
        eventually_within(Duration::from_secs(45), &format!("the file to be {status}"), &mut async || {
            let Some(conversation) = self.conversations().await.pop() else { return Err("no conversation".to_owned()) };
            let messages = self.messages(&conversation).await;
            let message = messages.into_iter().find(|message| message["wamid"] == sent["wamid"]).ok_or("no message")?;
            if message["media"]["status"] == status { Ok(message) } else { Err(message["media"].to_string()) }
        })
        .await
    }

    /// The keys of everything in the bucket that is this tenant's.
    async fn objects(&self) -> Vec<String> {
        objects(&self.stack, &self.tenant_id).await
    }
}

fn s3(stack: &Stack) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&stack.sdk_config()).force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

async fn objects(stack: &Stack, tenant: &str) -> Vec<String> {
    let list = s3(stack).list_objects_v2().bucket(stack.aws.media_bucket.as_deref().unwrap());
    let listed = list.prefix(format!("media/{tenant}/")).send().await.unwrap();
    listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
}

async fn get(url: &str) -> (u16, reqwest::header::HeaderMap, Vec<u8>) {
    let answer = http().get(url).send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    (status, headers, answer.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn a_picture_arrives_and_a_signed_link_leads_to_the_very_bytes_that_the_customer_sent() {
    let tenant = Tenant::new().await;
    let bytes = picture(300_000);
    let sent = tenant.customer_sends(image(&bytes), 1).await;
    let message = tenant.file(&sent, "STORED").await;
    let media = &message["media"];
    assert_eq!((&media["mimeType"], &media["size"]), (&json!("image/jpeg"), &json!(300_000)), "{media}");
    assert_eq!((&media["filename"], &media["failureReason"]), (&json!("imagen.jpg"), &Value::Null), "{media}");
    let url = media["url"].as_str().unwrap();
    let (status, headers, body) = get(url).await;
    assert_eq!((status, body == bytes), (200, true), "{}", String::from_utf8_lossy(&body[..body.len().min(500)]));
    assert_eq!(headers["content-type"], "image/jpeg");
    assert_eq!(headers["content-disposition"], "inline; filename=\"imagen.jpg\"; filename*=UTF-8''imagen.jpg");
    let until: jiff::Timestamp = media["urlExpiresAt"].as_str().unwrap().parse().unwrap();
    let life = until.as_second() - crate::world::now();
    assert!((1..=900).contains(&life), "the link is good for {life} s");

    // Without the signature, or with another object's, nobody gets it.
    let bare = url.split('?').next().unwrap();
    assert_eq!(get(bare).await.0, 403, "an anonymous request");
    let other = url.replace(message["id"].as_str().unwrap(), &MessageId::from_bits(1).to_string());
    assert_eq!(get(&other).await.0, 403, "a link for another object");

    // The lasting address leads there too, but nobody else.
    let path = format!("/messages/{}/media", message["id"].as_str().unwrap());
    let client =
        reqwest::Client::builder().timeout(Duration::from_secs(30)).redirect(reqwest::redirect::Policy::none());
    let answer = client.build().unwrap().get(tenant.stack.api(&path)).bearer_auth(&tenant.agent).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(get(answer.headers()["location"].to_str().unwrap()).await.2, bytes);
    let stranger = Tenant::new().await;
    assert_eq!(tenant.stack.get(&stranger.agent, &path).await.status, 404, "another tenant's message");
    assert_eq!(tenant.stack.get(&tenant.agent, "/messages/msg_00000000000000000000000000/media").await.status, 404);
    assert_eq!(http().get(tenant.stack.api(&path)).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_document_is_saved_under_a_safe_name_that_says_what_it_is() {
    let tenant = Tenant::new().await;
    let file =
        json!({"type": "document", "size": 5000, "filename": "../Presupuesto ñandú\u{202e}.exe", "caption": "Acá va"});
    let message = tenant.file(&tenant.customer_sends(file, 1).await, "STORED").await;
    assert_eq!(message["media"]["filename"], "Presupuesto ñandú.exe.pdf");
    assert_eq!(message["content"]["caption"], "Acá va");
    let (status, headers, body) = get(message["media"]["url"].as_str().unwrap()).await;
    assert_eq!((status, body.len()), (200, 5000));
    let expected =
        "attachment; filename=\"Presupuesto _and_.exe.pdf\"; filename*=UTF-8''Presupuesto%20%C3%B1and%C3%BA.exe.pdf";
    assert_eq!(headers["content-disposition"], expected);
}

#[tokio::test]
async fn every_kind_of_file_arrives() {
    let tenant = Tenant::new().await;
    let mut sent = Vec::new();
    for (kind, mime) in [
        ("image", "image/png"),
        ("video", "video/mp4"),
        ("audio", "audio/ogg; codecs=opus"),
        ("document", "application/pdf"),
        ("sticker", "image/webp"),
    ] {
        let answer = tenant.customer_sends(json!({"type": kind, "mime_type": mime, "size": 2000}), 1).await;
        sent.push((answer, mime));
    }
    for (sent, mime) in &sent {
        let media = tenant.file(sent, "STORED").await["media"].clone();
        assert_eq!(media["mimeType"], *mime);
        let (status, headers, _) = get(media["url"].as_str().unwrap()).await;
        assert_eq!((status, &headers["content-type"]), (200, &mime.parse().unwrap()));
    }
}

#[tokio::test]
async fn a_file_that_is_late_cut_off_spoiled_or_slow_arrives_whole_all_the_same() {
    for fault in [
        json!({"kind": "not_found_first"}),
        json!({"kind": "truncated"}),
        json!({"kind": "wrong_hash"}),
        json!({"kind": "slow", "millis": 2500}),
        json!({"kind": "drop_after_accept", "on": "attachments"}),
        json!({"kind": "bad_gateway", "on": "attachments"}),
    ] {
        let tenant = Tenant::new().await;
        let bytes = picture(50_000);
        tenant.next_download(fault.clone()).await;
        let sent = tenant.customer_sends(image(&bytes), 1).await;
        let message = tenant.file(&sent, "STORED").await;
        let (status, _, body) = get(message["media"]["url"].as_str().unwrap()).await;
        assert_eq!((status, body == bytes), (200, true), "after {fault}");
        assert_eq!(tenant.objects().await.len(), 1, "after {fault}");
    }
}

#[tokio::test]
async fn the_same_webhook_many_times_stores_one_object() {
    let tenant = Tenant::new().await;
    let sent = tenant.customer_sends(image(&picture(10_000)), 5).await;
    let message = tenant.file(&sent, "STORED").await;
    // A later file is there, so the earlier webhooks are through.
    tenant.file(&tenant.customer_sends(image(&picture(10_000)), 1).await, "STORED").await;
    let object = format!(
        "media/{}/{}/{}",
        tenant.tenant_id,
        message["id"].as_str().unwrap(),
        sent["media_id"].as_str().unwrap()
    );
    let objects = tenant.objects().await;
    assert_eq!((objects.len(), objects.contains(&object)), (2, true), "{objects:?}");
    let calls = tenant.stack.control(&format!("/calls?id={}", sent["media_id"].as_str().unwrap())).await;
    assert_eq!(calls["by_edge"]["GET attachments"], 1, "downloads of one file: {calls}");
}

#[tokio::test]
async fn what_is_too_large_or_of_a_forbidden_type_is_given_up_and_the_text_stays() {
    let tenant = Tenant::new().await;
    for (file, reason) in [
        (json!({"type": "image", "size": 6_000_000, "caption": "grande"}), "TOO_LARGE"),
        (
            json!({"type": "document", "mime_type": "application/x-msdownload", "size": 100, "caption": "raro"}),
            "TYPE_NOT_TAKEN",
        ),
    ] {
        let message = tenant.file(&tenant.customer_sends(file.clone(), 1).await, "FAILED").await;
        assert_eq!(message["media"]["failureReason"], reason, "{message}");
        assert_eq!((&message["media"]["url"], &message["content"]["caption"]), (&Value::Null, &file["caption"]));
        let path = format!("/messages/{}/media", message["id"].as_str().unwrap());
        let answer = tenant.stack.get(&tenant.agent, &path).await;
        assert_eq!((answer.status, &answer.body["error"]["code"]), (409, &json!("MEDIA_FAILED")));
    }
    assert_eq!(tenant.objects().await, [""; 0]);
}

/// The most memory that any of the processes of a function has ever held, in bytes.
fn peak_memory(function: &str) -> u64 {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let peak = |process: std::fs::DirEntry| {
        let program = std::fs::read_link(process.path().join("exe")).ok()?;
        let name = program.file_name()?.to_str()?.to_owned();
        if !name.starts_with(&format!("{function}-")) || program.parent()?.file_name()? != "functions" {
            return None;
        }
        let status = std::fs::read_to_string(process.path().join("status")).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
        peak.parse::<u64>().ok()
    };
    processes.filter_map(peak).max().unwrap_or_default() * 1024
}

#[tokio::test]
async fn a_long_document_flows_through_without_ever_being_in_memory() {
    const LENGTH: u64 = 60_000_000;
    let tenant = Tenant::new().await;
    // Two parts and a little: everything that a long file needs has been loaded once.
    let short = tenant.customer_sends(json!({"type": "document", "size": 11_000_000}), 1).await;
    tenant.file(&short, "STORED").await;
    let before = peak_memory("media");
    assert!(before > 1_000_000, "no process of the function was found");
    let long = tenant.customer_sends(json!({"type": "document", "size": LENGTH}), 1).await;
    let message = tenant.file(&long, "STORED").await;
    let after = peak_memory("media");
    println!(
        "the media function held at most {:.1} MB, and {:.1} MB after {LENGTH} bytes",
        before as f64 / 1e6,
        after as f64 / 1e6
    );
    assert_eq!(message["media"]["size"], LENGTH);
    assert!(after < before + 24_000_000, "{before} bytes before, {after} after a file of {LENGTH}");
    let (_, _, body) = get(message["media"]["url"].as_str().unwrap()).await;
    assert_eq!(body.len() as u64, LENGTH);
    assert!(body[9..].iter().zip((0_u8..=250).cycle()).all(|(byte, expected)| *byte == expected), "other bytes");
}

#[tokio::test]
async fn wake_ups_that_come_doubled_and_all_at_once_fetch_a_file_once() {
    let lab = Lab::new().await;
    let message = lab.file("wamid.1", image(&picture(20_000))).await;
    join_all((0..8).map(|_| lab.fetch(message))).await;
    let file = lab.file_of(message).await;
    assert_eq!(file.attempt, 1, "{file:?}");
    assert!(matches!(file.state, MediaState::Stored { size: 20_000, .. }), "{file:?}");
    assert_eq!(objects_of(&lab).await.len(), 1);
    assert!(lab.store.due_media(lab.now() + KEPT_BY_META).await.unwrap().is_empty(), "it is still due");
    let calls = lab.stack.control(&format!("/calls?id={}", file.media_id)).await;
    assert_eq!(calls["by_edge"]["GET attachments"], 1, "{calls}");
    lab.fetch(message).await;
    assert_eq!(lab.file_of(message).await, file, "a late wake-up changed something");
}

async fn objects_of(lab: &Lab) -> Vec<String> {
    objects(&lab.stack, &lab.tenant().await.tenant().to_string()).await
}

#[tokio::test]
async fn forty_files_that_come_together_and_again_are_asked_for_once_each() {
    let lab = Lab::new().await;
    let time = lab.now().as_second().to_string();
    let message = |number: u32| {
        json!({"id": format!("wamid.{number}"), "timestamp": time, "type": "image", "from": "5491155551234",
            "image": {"id": format!("{number}"), "mime_type": "image/jpeg"}})
    };
    let bodies: Vec<_> = (0..40).map(|number| lab.envelope(&message(number))).collect();
    lab.deliver(&bodies).await;
    lab.deliver(&bodies).await;
    assert_eq!((lab.count("message").await, lab.count("media").await), (40, 40));
    assert_eq!(lab.store.due_media(lab.now() + HOUR).await.unwrap().len(), 40);
}

#[tokio::test]
async fn a_worker_that_vanishes_leaves_a_file_that_is_due_and_fetched_by_another() {
    let lab = Lab::new().await;
    let message = lab.file("wamid.1", image(&picture(20_000))).await;
    let tenant = lab.tenant().await;
    tenant.take_up_media(message, 0, lab.now()).await.unwrap().unwrap();
    lab.fetch(message).await;
    assert_eq!(lab.file_of(message).await.attempt, 1, "somebody is at it");
    assert!(lab.store.due_media(lab.now()).await.unwrap().is_empty());
    lab.pass(LEASE);
    assert_eq!(lab.store.due_media(lab.now()).await.unwrap().len(), 1, "it is due when the attempt is surely over");
    lab.fetch(message).await;
    assert!(matches!(lab.file_of(message).await.state, MediaState::Stored { .. }));
}

/// Lets the sweep do its work until nothing is due any more, or a week and a day have passed. Returns after how
/// long the file stopped being pending.
async fn sweep_until_it_is_over(lab: &Lab, message: MessageId) -> SignedDuration {
    let begun = lab.now();
    while lab.now().duration_since(begun) < KEPT_BY_META + 24 * HOUR {
        for wake_up in lab.store.due_media(lab.now()).await.unwrap() {
            lab.fetch(wake_up.message).await;
        }
        if !matches!(lab.file_of(message).await.state, MediaState::Pending { .. }) {
            break;
        }
        lab.pass(SignedDuration::from_mins(30));
    }
    lab.now().duration_since(begun)
}

async fn failure(lab: &Lab, message: MessageId) -> Option<MediaFailure> {
    match lab.file_of(message).await.state {
        MediaState::Failed { reason } => Some(reason),
        _ => None,
    }
}

#[tokio::test]
async fn a_file_that_meta_does_not_have_is_given_up_after_a_day() {
    let lab = Lab::new().await;
    let message = lab.file_message("wamid.1", "image", json!({"id": "404404404", "mime_type": "image/jpeg"})).await;
    let took = sweep_until_it_is_over(&lab, message).await;
    assert_eq!(failure(&lab, message).await, Some(MediaFailure::Gone));
    assert!((MISSING_PATIENCE..MISSING_PATIENCE + 7 * HOUR).contains(&took), "after {took:#}");
    assert!(lab.store.due_media(lab.now() + KEPT_BY_META).await.unwrap().is_empty(), "it is still due");
}

#[tokio::test]
async fn a_token_that_meta_refuses_is_waited_out_and_the_file_is_fetched_when_it_is_good_again() {
    let lab = Lab::new().await;
    let message = lab.file("wamid.1", image(&picture(20_000))).await;
    let token = format!("token-{}", lab.number.as_str());
    lab.stack.control_put("/tokens", &json!({"token": token, "subcode": 463})).await;
    for _ in 0..24 {
        lab.pass(6 * HOUR);
        lab.fetch(message).await;
    }
    let file = lab.file_of(message).await;
    assert!(matches!(file.state, MediaState::Pending { .. }), "after six days: {file:?}");
    assert!(file.attempt >= 20, "{file:?}");
    lab.stack.control_put("/tokens", &json!({"token": token})).await;
    lab.pass(6 * HOUR);
    lab.fetch(message).await;
    assert!(matches!(lab.file_of(message).await.state, MediaState::Stored { .. }), "{:?}", lab.file_of(message).await);
}

#[tokio::test]
async fn a_file_that_cannot_be_fetched_for_seven_days_is_given_up_and_one_attempt_is_made_at_the_very_end() {
    let lab = Lab::new().await;
    let message = lab.file("wamid.1", image(&picture(20_000))).await;
    let fault =
        json!({"phone_number_id": lab.number.as_str(), "kind": "bad_gateway", "on": "attachments", "count": 1000});
    lab.stack.control_post("/faults", &fault).await;
    let took = sweep_until_it_is_over(&lab, message).await;
    assert_eq!(failure(&lab, message).await, Some(MediaFailure::Gone));
    assert!((KEPT_BY_META..KEPT_BY_META + HOUR).contains(&took), "after {took:#}");
    let attempts = lab.file_of(message).await.attempt;
    assert!((25..60).contains(&attempts), "{attempts} attempts in a week");
}

#[tokio::test]
async fn a_file_whose_hash_is_wrong_again_and_again_is_never_stored() {
    let lab = Lab::new().await;
    let lie = BASE64.encode(&[7; 32]);
    // The webhook and Graph promise different bytes; and Graph promises others than it gives.
    let disagree = lab.file("wamid.1", json!({"type": "image", "size": 5000, "sha256": lie})).await;
    let spoiled = lab.file("wamid.2", json!({"type": "video", "size": 7_000_000})).await;
    let fault = json!({"phone_number_id": lab.number.as_str(), "kind": "wrong_hash", "count": 1000});
    lab.stack.control_post("/faults", &fault).await;
    for message in [disagree, spoiled] {
        let took = sweep_until_it_is_over(&lab, message).await;
        assert_eq!(failure(&lab, message).await, Some(MediaFailure::WrongHash));
        assert!(took < 2 * HOUR, "after {took:#}");
        assert_eq!(lab.file_of(message).await.attempt, 2);
    }
    assert_eq!(objects_of(&lab).await, [""; 0], "objects with a wrong hash");
    let list = s3(&lab.stack).list_multipart_uploads().bucket(lab.stack.aws.media_bucket.as_deref().unwrap());
    let left = list.send().await.unwrap();
    let tenant = lab.tenant().await.tenant().to_string();
    let ours = left.uploads().iter().filter(|upload| upload.key().unwrap().contains(&tenant));
    assert_eq!(ours.count(), 0, "uploads that were begun and not aborted");
}

#[tokio::test]
async fn files_are_stored_however_often_the_bucket_fails() {
    let lab = Lab::new().await;
    let proxy = Proxy::everywhere(&lab.stack.aws.endpoint, 14, 0.2).await;
    let config = lab.stack.sdk_config_at(proxy.url());
    let Media { store, graph, clock, .. } = &lab.media;
    let worker = Media {
        store: store.clone(),
        graph: graph.clone(),
        vault: recado_platform::vault::Vault::new(
            aws_sdk_kms::Client::new(&lab.stack.sdk_config()),
            lab.key().to_owned(),
            clock.clone(),
        ),
        bucket: Bucket::new(&config, lab.stack.aws.media_bucket.clone().unwrap()),
        clock: clock.clone(),
    };
    let mut messages = Vec::new();
    for number in 0..12 {
        let size = if number % 3 == 0 { 14_000_000 } else { 50_000 };
        let kind = json!({"type": if number % 3 == 0 { "video" } else { "image" }, "size": size});
        messages.push(lab.file(&format!("wamid.{number}"), kind).await);
    }
    eventually("all files to be stored", async || {
        join_all(messages.iter().map(|message| lab.fetch_by(&worker, *message))).await;
        lab.pass(LEASE);
        let mut pending = 0;
        for message in &messages {
            pending += usize::from(!matches!(lab.file_of(*message).await.state, MediaState::Stored { .. }));
        }
        if pending == 0 { Ok(()) } else { Err(format!("{pending} are not")) }
    })
    .await;
    assert_eq!(objects_of(&lab).await.len(), 12);
    let faults: u64 = proxy.calls().values().flat_map(|calls| calls.faults.values()).sum();
    assert!(faults > 5, "only {faults} calls went wrong");
}
