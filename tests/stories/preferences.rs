//! What is kept of a customer beside their messages: what they want, how they came, that it began.

use account::Account;
use futures_util::future::join_all;
use recado_domain::contact::Identities;
use recado_domain::preference::{Preference, PreferenceSource};
use recado_whatsapp::envelope::Kind;
use serde_json::{Value, json};
use stories::lab::{Lab, phone, phone_and_bsuid, sqs_event};

const CUSTOMER: &str = "5491155551234";

/// What the lab's only contact wants.
async fn wanted(lab: &Lab) -> Option<Preference> {
    let items = lab.everything().await;
    let contact = items.iter().find(|item| item["entity"] == "contact" && item.get("mergedInto").is_none()).unwrap();
    let id = serde_json::from_value(contact["id"].clone()).ok()?;
    lab.tenant().await.preference(id).await.unwrap()
}

fn in_settings(lab: &Lab, after: i64, value: &str) -> String {
    let said = json!({"wa_id": CUSTOMER, "category": "marketing_messages", "value": value, "timestamp": lab.now().as_second() + after});
    lab.item(Kind::Other, "user_preferences", &json!({"user_preferences": [said]}))
}

async fn tell(lab: &Lab, account: &Account, body: &str) {
    if body.contains("user_preferences") {
        let response = account.handle(sqs_event(&[body.to_owned()])).await;
        assert!(response.batch_item_failures.is_empty(), "{response:?}");
    } else {
        lab.deliver(&[body.to_owned()]).await;
    }
}

#[tokio::test]
async fn the_latest_word_about_being_written_to_counts_whatever_the_order_and_the_way_it_came() {
    for (expected, last) in [(false, "BAJA"), (true, "ALTA")] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let lab = Lab::new().await;
            let account = Account::new(lab.store.clone(), stories::lab::archive_of(&lab.stack), lab.clock());
            let bodies = [
                lab.text(&phone(CUSTOMER), "wamid.1", 20, "alta"),
                in_settings(&lab, -10, "stop"),
                lab.text(&phone(CUSTOMER), "wamid.2", 0, last),
            ];
            for place in order.iter().chain(&order) {
                tell(&lab, &account, &bodies[*place]).await;
            }
            let kept = wanted(&lab).await;
            let latest = Preference { wanted: expected, at: lab.now(), source: PreferenceSource::Keyword };
            assert_eq!(kept, Some(latest), "in the order {order:?}");
            assert_eq!((lab.count("contact").await, lab.inbox().await.len()), (1, 1), "in the order {order:?}");
            assert!(lab.parked().await.is_empty());
        }
    }
}

#[tokio::test]
async fn at_the_same_second_no_means_no() {
    for order in [[0, 1], [1, 0]] {
        let lab = Lab::new().await;
        let bodies = [in_settings(&lab, 0, "resume"), in_settings(&lab, 0, "stop")];
        let account = Account::new(lab.store.clone(), stories::lab::archive_of(&lab.stack), lab.clock());
        for place in order {
            tell(&lab, &account, &bodies[place]).await;
        }
        assert_eq!(wanted(&lab).await.map(|kept| kept.wanted), Some(false), "in the order {order:?}");
    }
}

#[tokio::test]
async fn a_merged_contact_wants_what_the_person_said_last() {
    let lab = Lab::new().await;
    let hidden = Identities { wa_id: None, ..phone_and_bsuid(CUSTOMER, "AR.1") };
    lab.deliver(&[lab.text(&phone(CUSTOMER), "wamid.a", 20, "ALTA")]).await;
    lab.deliver(&[lab.text(&hidden, "wamid.b", 10, "BAJA")]).await;
    lab.deliver(&[lab.text(&phone_and_bsuid(CUSTOMER, "AR.1"), "wamid.c", 0, "hola")]).await;
    assert_eq!(wanted(&lab).await.map(|kept| kept.wanted), Some(false));
}

#[tokio::test]
async fn a_conversation_begins_once_however_many_workers_meet_it() {
    let lab = Lab::new().await;
    let texts: Vec<_> =
        (0..6).map(|number| lab.text(&phone(CUSTOMER), &format!("wamid.{number}"), 0, "hola")).collect();
    join_all(texts.iter().map(|text| lab.deliver(std::slice::from_ref(text)))).await;
    let begun: Vec<Value> = lab.everything().await.into_iter().filter(|item| item["entity"] == "activity").collect();
    assert_eq!(begun.len(), 1, "{begun:?}");
    assert_eq!(begun[0]["summary"], "WhatsApp conversation started");
}

#[tokio::test]
async fn the_last_advertisement_is_kept_with_its_message_and_with_the_conversation() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let lab = Lab::new().await;
        let ad = |wamid: &str, after: i64, source: &str| {
            let time = (lab.now().as_second() + after).to_string();
            lab.envelope(
                &json!({"id": wamid, "from": CUSTOMER, "timestamp": time, "type": "text", "text": {"body": "info"},
                "referral": {"source_id": source, "source_type": "ad"}}),
            )
        };
        let bodies =
            [ad("wamid.1", 0, "first"), ad("wamid.2", 5, "second"), lab.text(&phone(CUSTOMER), "wamid.3", -9, "?")];
        for place in order {
            lab.deliver(&[bodies[place].clone()]).await;
        }
        let conversation = lab.inbox().await.remove(0);
        assert_eq!(conversation.referral.unwrap().ad.expose()["source_id"], "second", "in the order {order:?}");
        let items = lab.everything().await;
        let first = items.iter().find(|item| item["wamid"] == "wamid.1" && item["entity"] == "message").unwrap();
        assert_eq!(first["referral"]["source_id"], "first");
    }
}
