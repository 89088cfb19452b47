//! What is stored without anybody being called: echoes, history, groups, standby.

use futures_util::future::join_all;
use recado_domain::ids::{MessageId, Wamid};
use recado_domain::message::{Direction, Origin};
use recado_domain::status::MessageStatus;
use recado_store::{Answer, Claimed, Conversation, Message};
use recado_whatsapp::envelope::Kind;
use serde_json::{Value, json};
use stories::lab::{Lab, phone};

const CUSTOMER: &str = "5491155551234";
const BUSINESS: &str = "5491150001234";

fn echo(lab: &Lab, wamid: &str, after: i64, words: &str) -> String {
    let time = (lab.now().as_second() + after).to_string();
    let message = json!({"id": wamid, "from": BUSINESS, "to": CUSTOMER, "timestamp": time, "type": "text", "text": {"body": words}});
    lab.item(Kind::Echo, "smb_message_echoes", &message)
}

fn standby(lab: &Lab, wamid: &str, after: i64, words: &str) -> String {
    let time = (lab.now().as_second() + after).to_string();
    let message = json!({"id": wamid, "from": CUSTOMER, "timestamp": time, "type": "text", "text": {"body": words}});
    lab.item(Kind::Message, "standby", &message)
}

/// A piece of the past: a thread of so many messages, in turns, the last one an hour ago.
fn history(lab: &Lab, count: i64) -> String {
    let message = |place: i64| {
        let time = (lab.now().as_second() - 3600 - 60 * (count - 1 - place)).to_string();
        let mut message = json!({"id": format!("wamid.h{place}"), "timestamp": time, "type": "text", "text": {"body": format!("h{place}")},
            "from": CUSTOMER, "history_context": {"status": "READ"}});
        if place % 2 == 1 {
            message["from"] = BUSINESS.into();
            message["to"] = CUSTOMER.into();
        }
        message
    };
    let messages: Vec<Value> = (0..count).map(message).collect();
    lab.item(
        Kind::History,
        "history",
        &json!({"metadata": {"phase": 0}, "threads": [{"id": CUSTOMER, "messages": messages}]}),
    )
}

async fn by_wamid(lab: &Lab, wamid: &str) -> Message {
    lab.message(MessageId::of_wamid(&lab.number, &Wamid::parse(wamid).unwrap())).await
}

async fn messages(lab: &Lab, conversation: &Conversation) -> Vec<Message> {
    lab.tenant().await.messages(conversation.id, 100, None).await.unwrap().items
}

fn current(message: &Message) -> MessageStatus {
    message.states.current().unwrap().0
}

#[tokio::test]
async fn what_the_business_writes_on_its_phone_is_shown_as_sent_and_calls_nobody() {
    let lab = Lab::new().await;
    lab.deliver(&[echo(&lab, "wamid.e", 0, "desde el celular")]).await;
    lab.deliver(&[echo(&lab, "wamid.e", 0, "desde el celular")]).await;
    let begun = lab.inbox().await.remove(0);
    assert_eq!((begun.unread_count, begun.window_expires_at), (0, None), "an echo opens no window");
    assert_eq!((begun.last_preview.expose().as_str(), begun.last_direction), ("desde el celular", Direction::Outbound));
    let message = by_wamid(&lab, "wamid.e").await;
    assert_eq!(
        (message.direction, message.origin, current(&message)),
        (Direction::Outbound, Some(Origin::PhoneApp), MessageStatus::Sent)
    );
    lab.deliver(&[lab.text(&phone(CUSTOMER), "wamid.answer", 60, "gracias")]).await;
    let inbox = lab.inbox().await;
    assert_eq!(inbox.len(), 1, "the answer belongs to the same conversation: {inbox:?}");
    assert_eq!((inbox[0].unread_count, inbox[0].last_preview.expose().as_str()), (1, "desde el celular"));
    assert!(inbox[0].window_expires_at.is_some(), "the customer's answer opens it");
}

#[tokio::test]
async fn an_echo_of_what_we_sent_ourselves_changes_nothing_whichever_comes_first() {
    let mut ends = Vec::new();
    for echo_first in [false, true] {
        let lab = Lab::new().await;
        let conversation = lab.conversation().await;
        let id = lab.compose(conversation.id, "respuesta").await;
        let tenant = lab.tenant().await;
        let (_, entries) = tenant.open_outbox(conversation.id).await.unwrap().unwrap();
        let Claimed::Ours(claim) = tenant.claim(&entries[0], 1, lab.now()).await.unwrap() else { panic!("taken") };
        let echoed = echo(&lab, "wamid.out", 0, "respuesta");
        if echo_first {
            lab.deliver(std::slice::from_ref(&echoed)).await;
        }
        tenant.settle(&claim, &Answer::Accepted(Wamid::parse("wamid.out").unwrap()), lab.now()).await.unwrap();
        lab.deliver(&[echoed]).await;
        let shown = messages(&lab, &conversation).await;
        assert_eq!(shown.len(), 2, "echo first: {echo_first}: {shown:?}");
        let message = by_wamid(&lab, "wamid.out").await;
        assert_eq!((message.id, current(&message), message.origin), (id, MessageStatus::Sent, None));
        assert!(tenant.open_outbox(conversation.id).await.unwrap().unwrap().1.is_empty(), "it is still open");
        ends.push((shown.len(), lab.inbox().await[0].last_preview.clone()));
    }
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn history_is_imported_quietly_in_metas_order_and_from_both_sides() {
    let lab = Lab::new().await;
    lab.deliver(&[history(&lab, 4)]).await;
    let imported = lab.inbox().await.remove(0);
    assert_eq!((imported.unread_count, imported.window_expires_at), (0, None));
    assert_eq!(imported.last_preview.expose(), "h3");
    let shown = messages(&lab, &imported).await;
    let told: Vec<_> = shown.iter().map(|m| (m.content.expose()["text"].as_str().unwrap(), current(m))).collect();
    let (read, received) = (MessageStatus::Read, MessageStatus::Received);
    assert_eq!(told, [("h3", read), ("h2", received), ("h1", read), ("h0", received)]);
    assert!(shown.iter().all(|message| message.origin == Some(Origin::History)));
}

#[tokio::test]
async fn a_large_piece_of_history_that_breaks_off_is_taken_up_again_and_stored_once() {
    let (lab, proxy) = Lab::behind_proxy().await;
    // A live message is there already; the past neither replaces it nor goes before it.
    lab.deliver(&[lab.text(&phone(CUSTOMER), "wamid.live", 0, "ahora")]).await;
    let piece = history(&lab, 130);
    proxy.storm(0.03);
    let mut tries = 0;
    while !lab.try_to_deliver(std::slice::from_ref(&piece)).await {
        tries += 1;
        assert!(tries < 100, "it never gets through");
    }
    proxy.calm();
    join_all((0..3).map(|_| lab.deliver(std::slice::from_ref(&piece)))).await;
    assert_eq!(lab.count("message").await, 131);
    let conversation = lab.inbox().await.remove(0);
    assert_eq!((conversation.unread_count, conversation.last_preview.expose().as_str()), (1, "ahora"));
}

#[tokio::test]
async fn a_live_message_that_history_brought_first_still_counts_as_one() {
    let lab = Lab::new().await;
    lab.deliver(&[history(&lab, 1)]).await;
    let live = lab.text(&phone(CUSTOMER), "wamid.h0", 3600, "h0");
    lab.deliver(&[live.clone(), live.clone()]).await;
    lab.deliver(&[live]).await;
    let conversation = lab.inbox().await.remove(0);
    assert_eq!(conversation.unread_count, 1);
    assert!(conversation.window_expires_at.is_some(), "the customer did write");
    assert_eq!((lab.count("message").await, by_wamid(&lab, "wamid.h0").await.origin), (1, None));
}

#[tokio::test]
async fn a_group_is_kept_apart_from_everybodys_conversations() {
    let lab = Lab::new().await;
    let time = lab.now().as_second().to_string();
    let message = json!({"id": "wamid.g", "from": CUSTOMER, "group_id": "group-1", "timestamp": time, "type": "text", "text": {"body": "a todos"}});
    let told = lab.envelope(&message);
    lab.deliver(&[told.clone(), told]).await;
    assert!(lab.inbox().await.is_empty(), "a group has no window and no inbox");
    assert_eq!((lab.count("contact").await, lab.count("conversation").await, lab.count("message").await), (0, 0, 1));
    let kept = by_wamid(&lab, "wamid.g").await;
    assert_eq!(
        (kept.origin, kept.author.and_then(|author| author.wa_id)),
        (Some(Origin::Group), phone(CUSTOMER).wa_id)
    );
}

#[tokio::test]
async fn what_metas_own_agent_answers_is_marked_and_not_unread_but_opens_the_window() {
    let lab = Lab::new().await;
    lab.deliver(&[standby(&lab, "wamid.s", 0, "hola agente")]).await;
    lab.deliver(&[standby(&lab, "wamid.s", 0, "hola agente")]).await;
    let conversation = lab.inbox().await.remove(0);
    assert_eq!((conversation.unread_count, conversation.window_expires_at.is_some()), (0, true));
    assert_eq!(by_wamid(&lab, "wamid.s").await.origin, Some(Origin::Standby));
}

#[tokio::test]
async fn every_item_of_the_samples_is_applied_and_none_is_parked_for_its_kind() {
    for sample in recado_testkit::samples::manifest() {
        let body: Value = serde_json::from_slice(&recado_testkit::samples::webhook(&sample.file)).unwrap();
        let lab = Lab::new().await;
        for change in body["entry"].as_array().unwrap().iter().flat_map(|entry| entry["changes"].as_array().unwrap()) {
            let field = change["field"].as_str().unwrap();
            let lists = [("messages", Kind::Message), ("message_echoes", Kind::Echo), ("history", Kind::History)];
            for (list, kind) in lists {
                for item in change["value"][list].as_array().into_iter().flatten() {
                    let item = lab.item(kind, field, item);
                    lab.deliver(std::slice::from_ref(&item)).await;
                    let once = lab.everything().await;
                    lab.deliver(&[item]).await;
                    assert_eq!(lab.everything().await, once, "{} a second time", sample.file);
                }
            }
        }
        assert_eq!(lab.parked().await, Vec::<String>::new(), "parked of {}", sample.file);
    }
}
