//! What the webhook does with a body before it touches the network (PERFORMANCE.md P1): verify the
//! signature, take the body apart, write an envelope for each item.
//!
//! Beside it, for comparison, what the obvious way costs: the same job with a `serde_json::Value`, and
//! that way's first half, reading the body, alone.

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher, black_box};
use recado_whatsapp::envelope::Envelope;
use recado_whatsapp::signature::{AppSecrets, sign, verify};
use recado_whatsapp::webhook::split::{Split, split};
use serde_json::{Value, json};
use std::collections::HashMap;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// How many events a body holds. Meta puts up to 1,000 into one.
const EVENTS: [usize; 5] = [1, 3, 10, 100, 1000];

/// A body as Meta writes it, one value with a message and two statuses in turn, each of some 720 bytes
/// with its share of what surrounds it.
fn body(events: usize) -> Vec<u8> {
    let (mut contacts, mut messages, mut statuses) = (Vec::new(), Vec::new(), Vec::new());
    for event in 0..events {
        let phone = format!("54911{:08}", 55_550_000 + event);
        let user = format!("AR.{:020}", 70_921_846_350_912_u64 + event as u64);
        let wamid = format!("wamid.HBgNNTQ5MTE1NTU1MTIzNBUCABIYFEFGRUZDOENCMEUxOTM2{event:08}NTI0QTlBAA==");
        if event % 3 == 0 {
            contacts.push(json!({"profile": {"name": "Lucía Fernández"}, "wa_id": phone, "user_id": user}));
            messages.push(json!({
                "from": phone, "from_user_id": user, "id": wamid, "timestamp": "1795171200", "type": "text",
                "text": {"body": "¡Hola! Se rompió el termotanque y pierde agua por abajo. ¿Pueden venir hoy a la \
                    tarde, después de las cinco? La dirección es la misma de la otra vez, el timbre no anda. Gracias."},
            }));
        } else {
            statuses.push(json!({
                "id": wamid, "status": "delivered", "timestamp": "1795171205", "recipient_id": phone,
                "recipient_user_id": user,
                "biz_opaque_callback_data": "v1.tnt_0000000000000000000000001A.msg_0000000000000000000000001A.1",
                "conversation": {"id": "f1f2b3c4d5e6f708192a3b4c5d6e7f80", "origin": {"type": "service"}},
                "pricing": {"billable": true, "pricing_model": "PMP", "type": "regular", "category": "service"},
            }));
        }
    }
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "5491150001234", "phone_number_id": "109876543210987"},
    });
    for (name, list) in [("contacts", contacts), ("messages", messages), ("statuses", statuses)] {
        if !list.is_empty() {
            value[name] = list.into();
        }
    }
    let whole = json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": "102938475610293", "changes": [{"value": value, "field": "messages"}]}],
    });
    let escaped = whole.to_string().chars().fold(String::new(), |mut text, character| {
        match character {
            '/' => text.push_str("\\/"),
            ascii if ascii.is_ascii() => text.push(ascii),
            other => text.push_str(&format!("\\u{:04x}", u32::from(other))),
        }
        text
    });
    escaped.into_bytes()
}

/// A body with its secret and header.
fn signed(events: usize) -> (Vec<u8>, AppSecrets, String) {
    let secrets = AppSecrets { current: "an-app-secret-as-long-as-meta-s-".into(), previous: None };
    let body = body(events);
    let header = sign(&body, &secrets.current);
    (body, secrets, header)
}

#[divan::bench(args = EVENTS)]
fn verify_split_envelope(bencher: Bencher<'_, '_>, events: usize) {
    let (body, secrets, header) = signed(events);
    bencher.counter(BytesCount::of_slice(&body)).counter(ItemsCount::new(events)).bench_local(|| {
        let verified = verify(black_box(&body), Some(header.as_bytes()), &secrets).expect("it was signed so");
        let Split::Items(items) = split(verified) else { unreachable!("it is a webhook") };
        assert_eq!(items.len(), events);
        for item in items {
            black_box(Envelope::new("default".into(), 1_795_171_200_000, item).to_message());
        }
    });
}

#[divan::bench(args = EVENTS)]
fn verify_alone(bencher: Bencher<'_, '_>, events: usize) {
    let (body, secrets, header) = signed(events);
    bencher
        .counter(BytesCount::of_slice(&body))
        .counter(ItemsCount::new(events))
        .bench_local(|| verify(black_box(&body), Some(header.as_bytes()), &secrets).is_ok());
}

#[divan::bench(args = EVENTS)]
fn the_same_with_serde_json_value(bencher: Bencher<'_, '_>, events: usize) {
    let (body, secrets, header) = signed(events);
    bencher.counter(BytesCount::of_slice(&body)).counter(ItemsCount::new(events)).bench_local(|| {
        let verified = verify(black_box(&body), Some(header.as_bytes()), &secrets).expect("it was signed so");
        let whole: Value = serde_json::from_slice(verified.as_bytes()).expect("it is JSON");
        let mut count = 0;
        for entry in whole["entry"].as_array().into_iter().flatten() {
            for change in entry["changes"].as_array().into_iter().flatten() {
                let value = &change["value"];
                let contacts: HashMap<_, _> = value["contacts"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|contact| Some((contact["wa_id"].as_str()?, contact)))
                    .collect();
                for (list, kind) in [("messages", "message"), ("statuses", "status")] {
                    for item in value[list].as_array().into_iter().flatten() {
                        let contact = item["from"].as_str().and_then(|from| contacts.get(from));
                        let envelope = json!({
                            "v": 1, "app": "default", "received": 1_795_171_200_000_i64,
                            "item": {
                                "kind": kind, "position": count, "waba_id": entry["id"], "field": change["field"],
                                "phone_number_id": value["metadata"]["phone_number_id"],
                                "display_phone_number": value["metadata"]["display_phone_number"],
                                "contact": contact, "raw": item,
                            },
                        });
                        black_box(envelope.to_string());
                        count += 1;
                    }
                }
            }
        }
        assert_eq!(count, events);
    });
}

#[divan::bench(args = EVENTS)]
fn reading_a_serde_json_value_alone(bencher: Bencher<'_, '_>, events: usize) {
    let body = body(events);
    bencher
        .counter(BytesCount::of_slice(&body))
        .counter(ItemsCount::new(events))
        .bench_local(|| serde_json::from_slice::<Value>(black_box(&body)).expect("it is JSON"));
}
