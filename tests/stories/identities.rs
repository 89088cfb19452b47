//! People change their number; contacts turn out to be one person; numbers pass to others.

use futures_util::future::join_all;
use jiff::SignedDuration;
use recado_domain::contact::Identities;
use recado_domain::ids::{MessageId, Wamid};
use recado_domain::message::Origin;
use recado_store::Conversation;
use recado_whatsapp::envelope::Kind;
use serde_json::{Value, json};
use stories::lab::{Lab, phone, phone_and_bsuid, sqs_event};
use stories::proxy::{Fault, Proxy};

pub(crate) const OLD: &str = "5491155551234";
pub(crate) const NEW: &str = "5491166667777";

/// The customer's number changes, so many seconds after the lab's time.
pub(crate) fn moves(lab: &Lab, after: i64) -> String {
    let time = (lab.now().as_second() + after).to_string();
    lab.envelope(&json!({"id": "wamid.move", "from": OLD, "timestamp": time, "type": "system", "system": {
        "type": "user_changed_number", "body": "cambió de número", "wa_id": NEW, "user_id": "AR.2", "previous_user_id": "AR.1"}}))
}

pub(crate) fn written(lab: &Lab, who: &Identities, wamid: &str, after: i64) -> String {
    lab.text(who, wamid, -after, wamid)
}

pub(crate) fn old() -> Identities {
    phone_and_bsuid(OLD, "AR.1")
}

pub(crate) fn new() -> Identities {
    phone_and_bsuid(NEW, "AR.2")
}

pub(crate) fn known_by(conversation: &Conversation) -> (Option<&str>, Option<&str>) {
    let Identities { wa_id, bsuid, .. } = &conversation.contact;
    (wa_id.as_ref().map(|id| id.as_str()), bsuid.as_ref().map(|id| id.as_str()))
}

pub(crate) async fn texts(lab: &Lab, conversation: &Conversation) -> Vec<String> {
    let page = lab.tenant().await.messages(conversation.id, 100, None).await.unwrap();
    page.items.iter().map(|message| message.wamid.as_ref().unwrap().as_str().to_owned()).collect()
}

#[tokio::test]
async fn whoever_changes_their_number_keeps_contact_and_conversation() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &old(), "wamid.a", 0)]).await;
    let before = lab.inbox().await.remove(0);
    lab.deliver(&[moves(&lab, 10)]).await;
    lab.deliver(&[moves(&lab, 10)]).await;
    lab.deliver(&[written(&lab, &new(), "wamid.b", 20)]).await;
    let inbox = lab.inbox().await;
    assert_eq!((inbox.len(), inbox[0].id, inbox[0].contact_id), (1, before.id, before.contact_id));
    assert_eq!(known_by(&inbox[0]), (Some(NEW), Some("AR.2")));
    assert_eq!(inbox[0].unread_count, 2, "the line that tells of it is not unread");
    assert_eq!(texts(&lab, &inbox[0]).await, ["wamid.b", "wamid.move", "wamid.a"]);
    let line = lab.message(MessageId::of_wamid(&lab.number, &Wamid::parse("wamid.move").unwrap())).await;
    assert_eq!(line.origin, Some(Origin::System));

    // The old number belongs to somebody else one day.
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.stranger", 4000)]).await;
    assert_eq!(lab.inbox().await.len(), 2, "whoever has the old number now is somebody else");
}

#[tokio::test]
async fn a_change_of_number_ends_alike_whenever_it_comes() {
    // Without the ids, as older webhooks are.
    let bodies = |lab: &Lab, has_ids: bool| {
        let (old, moved, new) = match has_ids {
            true => (old(), moves(lab, 10), new()),
            false => (phone(OLD), moves_from(lab, OLD, NEW, 10), phone(NEW)),
        };
        [
            written(lab, &old, "wamid.a", 0),
            moved,
            written(lab, &new, "wamid.b", 20),
            written(lab, &phone(OLD), "wamid.c", 5),
        ]
    };
    let orders = (0..24).map(|number| {
        let (mut left, mut rest, mut order) = (vec![0, 1, 2, 3], number, Vec::new());
        for choices in (1..=4).rev() {
            order.push(left.remove(rest % choices));
            rest /= choices;
        }
        order
    });
    let cases = orders.flat_map(|order| [(order.clone(), true), (order, false)]);
    let ends = cases.map(async |(order, has_ids)| {
        let lab = Lab::new().await;
        let bodies = bodies(&lab, has_ids);
        for place in order.iter().chain(&order) {
            lab.deliver(&[bodies[*place].clone()]).await;
        }
        let inbox = lab.inbox().await;
        assert_eq!(inbox.len(), 1, "twins in the order {order:?}: {inbox:#?}");
        let only = &inbox[0];
        assert_eq!(known_by(only), (Some(NEW), has_ids.then_some("AR.2")), "in the order {order:?}");
        assert_eq!((only.unread_count, only.last_preview.expose().as_str()), (3, "wamid.b"), "in the order {order:?}");
        assert_eq!(texts(&lab, only).await, ["wamid.b", "wamid.move", "wamid.c", "wamid.a"], "in the order {order:?}");
    });
    join_all(ends).await;
}

#[tokio::test]
async fn a_message_redelivered_after_its_contact_was_merged_is_not_stored_again_and_new_ones_go_to_the_survivor() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &old(), "wamid.a", 0)]).await;
    let survivor = lab.inbox().await.remove(0);
    lab.deliver(&[written(&lab, &new(), "wamid.b", 20)]).await;
    let loser = lab.inbox().await.into_iter().find(|one| one.id != survivor.id).unwrap();
    lab.deliver(&[moves(&lab, 10)]).await;
    lab.deliver(&[written(&lab, &new(), "wamid.b", 20), written(&lab, &new(), "wamid.d", 30)]).await;
    let inbox = lab.inbox().await;
    assert_eq!((inbox.len(), inbox[0].id, inbox[0].unread_count), (1, survivor.id, 3));
    assert_eq!(texts(&lab, &inbox[0]).await, ["wamid.d", "wamid.b", "wamid.move", "wamid.a"]);
    let followed = lab.tenant().await.conversation(loser.id).await.unwrap().unwrap();
    assert_eq!(followed.id, survivor.id, "whoever asks for the other one gets the survivor");
    // An agent who had the other one open writes to the survivor.
    let reply = lab.compose_on(loser, "respuesta").await;
    assert_eq!(lab.message(reply).await.conversation_id, survivor.id);
    let page = lab.tenant().await.messages(survivor.id, 2, None).await.unwrap();
    let rest = lab.tenant().await.messages(survivor.id, 100, page.next.as_deref()).await.unwrap();
    assert_eq!((page.items.len(), rest.items.len(), rest.next), (2, 3, None), "pages go on over both");
}

#[tokio::test]
async fn messages_that_race_with_a_merge_all_end_in_the_survivor() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &old(), "wamid.a", 0), written(&lab, &new(), "wamid.b", 20)]).await;
    let bodies: Vec<String> = (0..8)
        .map(|number| written(&lab, &new(), &format!("wamid.n{number}"), 30 + number))
        .chain([moves(&lab, 10)])
        .collect();
    join_all(bodies.iter().map(|body| lab.deliver(std::slice::from_ref(body)))).await;
    let inbox = lab.inbox().await;
    assert_eq!((inbox.len(), inbox[0].unread_count), (1, 10), "{inbox:#?}");
    assert_eq!(texts(&lab, &inbox[0]).await.len(), 11);
}

#[tokio::test]
async fn a_fault_at_any_write_of_a_change_of_number_changes_nothing_about_the_end() {
    for fault in [Fault::ErrorBefore, Fault::ErrorAfter, Fault::DroppedAfter, Fault::Conflict] {
        for skipped in 0..4 {
            let (lab, proxy) = Lab::behind_proxy().await;
            lab.deliver(&[written(&lab, &old(), "wamid.a", 0), written(&lab, &new(), "wamid.b", 20)]).await;
            for _ in 0..skipped {
                proxy.next("TransactWriteItems", Fault::Slow);
            }
            for _ in 0..4 {
                proxy.next("TransactWriteItems", fault);
            }
            while !lab.try_to_deliver(&[moves(&lab, 10)]).await {}
            proxy.calm();
            let inbox = lab.inbox().await;
            assert_eq!((inbox.len(), inbox[0].unread_count), (1, 2), "{fault:?} after {skipped} transactions");
            assert_eq!(known_by(&inbox[0]), (Some(NEW), Some("AR.2")));
            assert_eq!(texts(&lab, &inbox[0]).await, ["wamid.b", "wamid.move", "wamid.a"]);
        }
    }
}

#[tokio::test]
async fn two_contacts_that_turn_out_to_be_one_person_become_one() {
    let lab = Lab::new().await;
    let hidden = Identities { wa_id: None, ..old() };
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.a", 0)]).await;
    lab.pass(SignedDuration::from_secs(1));
    lab.deliver(&[written(&lab, &hidden, "wamid.b", 0)]).await;
    assert_eq!(lab.inbox().await.len(), 2, "nobody can know yet");
    lab.deliver(&[written(&lab, &old(), "wamid.c", 1)]).await;
    let inbox = lab.inbox().await;
    assert_eq!((inbox.len(), inbox[0].unread_count, known_by(&inbox[0])), (1, 3, (Some(OLD), Some("AR.1"))));
    assert_eq!(texts(&lab, &inbox[0]).await, ["wamid.c", "wamid.b", "wamid.a"]);
}

#[tokio::test]
async fn a_number_that_passed_to_somebody_else_is_neither_shown_nor_written_to_in_the_old_conversation() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &phone_and_bsuid(OLD, "AR.1"), "wamid.a", 0)]).await;
    let before = lab.inbox().await.remove(0);
    lab.deliver(&[written(&lab, &phone_and_bsuid(OLD, "AR.9"), "wamid.b", 100)]).await;
    let old = lab.tenant().await.conversation(before.id).await.unwrap().unwrap();
    assert_eq!(known_by(&old), (None, Some("AR.1")), "the number is somebody else's now");
    // A late message of the former holder does not take it back.
    lab.deliver(&[written(&lab, &phone_and_bsuid(OLD, "AR.1"), "wamid.late", 50)]).await;
    let items: Vec<Value> = lab.everything().await;
    let holder = items.iter().find(|item| item["pk"].as_str().unwrap().ends_with(&format!("WA#{OLD}"))).unwrap();
    assert_ne!(holder["contact"], json!(before.contact_id));
}

/// Does something through the proxy of which one transaction waits, once it is planned, until the rest is done
/// past the proxy. So many transactions before it do not wait.
pub(crate) async fn late<T>(
    proxy: &Proxy,
    before: u64,
    late: impl Future<Output = T>,
    meanwhile: impl Future<Output = ()>,
) -> T {
    let made = || proxy.calls().get("TransactWriteItems").map_or(0, |calls| calls.made);
    let waiting = made() + before + 1;
    let faults = (0..before).map(|_| Fault::Nothing).chain([Fault::ErrorBefore; 2]);
    faults.for_each(|fault| proxy.next("TransactWriteItems", fault));
    let meanwhile = async {
        while made() < waiting {
            tokio::task::yield_now().await;
        }
        meanwhile.await;
    };
    tokio::join!(late, meanwhile).0
}

/// Delivers something whose write waits, once it is planned, until another worker has taken the rest.
pub(crate) async fn deliver_late(lab: &Lab, proxy: &Proxy, body: String, meanwhile: &[String]) {
    late(proxy, 0, lab.deliver(&[body]), take_past_proxy(lab, meanwhile)).await;
}

/// Another worker takes these, one after the other.
pub(crate) async fn take_past_proxy(lab: &Lab, bodies: &[String]) {
    let worker = lab.inbound_past_proxy();
    for body in bodies {
        let response = worker.handle(sqs_event(std::slice::from_ref(body))).await;
        assert!(response.batch_item_failures.is_empty(), "not taken meanwhile: {response:?}");
    }
}

/// Somebody who wrote without a phone, and later from one: two contacts, of which the one with the phone ends as soon
/// as what is returned is delivered.
pub(crate) async fn about_to_be_one(lab: &Lab) -> String {
    let only_id = Identities { bsuid: old().bsuid, ..Identities::default() };
    lab.deliver(&[written(lab, &only_id, "wamid.id", 0)]).await;
    lab.pass(SignedDuration::from_secs(1));
    lab.deliver(&[written(lab, &phone(OLD), "wamid.phone", 20)]).await;
    written(lab, &old(), "wamid.both", 5)
}

#[tokio::test]
async fn a_write_that_was_planned_before_a_merge_and_lands_after_it_goes_to_the_survivor() {
    let (lab, proxy) = Lab::behind_proxy().await;
    lab.deliver(&[written(&lab, &old(), "wamid.a", 0), written(&lab, &new(), "wamid.b", 20)]).await;
    deliver_late(&lab, &proxy, written(&lab, &new(), "wamid.late", 30), &[moves(&lab, 10)]).await;
    let inbox = lab.inbox().await;
    assert_eq!((inbox.len(), inbox[0].unread_count), (1, 3), "{inbox:#?}");
    assert_eq!(inbox[0].last_preview.expose(), "wamid.late");
}

#[tokio::test]
async fn a_change_that_was_planned_before_a_merge_and_lands_after_it_leads_to_the_survivor() {
    let (lab, proxy) = Lab::behind_proxy().await;
    let (before_all, third) = ("5491144443333", "5491177778888");
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.a", 20), written(&lab, &phone(third), "wamid.b", 0)]).await;
    lab.deliver(&[moves_from(&lab, OLD, NEW, 50)]).await;
    // That they had another number before is told late, while they turn out to be who wrote from the third.
    let merged = change_of(&lab, "wamid.merged", third, NEW, 40);
    deliver_late(&lab, &proxy, moves_from(&lab, before_all, OLD, 10), &[merged]).await;
    assert_eq!(with(&lab, "wamid.a").await.id, with(&lab, "wamid.b").await.id, "they are one");
    lab.deliver(&[written(&lab, &phone(before_all), "wamid.first", 5)]).await;
    assert_eq!(with(&lab, "wamid.first").await.id, with(&lab, "wamid.b").await.id, "it is the same person's");
}

#[tokio::test]
async fn what_two_contacts_are_known_by_is_shown_in_all_their_conversations_once_they_are_one() {
    let lab = Lab::new().await;
    let branch = lab.another_number().await;
    let text = json!({"id": "wamid.branch", "from": OLD, "timestamp": lab.now().as_second().to_string(), "type": "text",
        "text": {"body": "wamid.branch"}});
    let at_branch = lab.item_at(&branch, Kind::Message, "messages", &text);
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.a", 0), at_branch]).await;
    let only_id = Identities { bsuid: old().bsuid, ..Identities::default() };
    lab.deliver(&[written(&lab, &only_id, "wamid.b", 10)]).await;
    lab.deliver(&[written(&lab, &old(), "wamid.both", 20)]).await;
    let inbox = lab.inbox().await;
    let known: Vec<_> = inbox.iter().map(known_by).collect();
    assert_eq!(known, [(Some(OLD), Some("AR.1")); 2], "one conversation at each number, which shows both");
}

/// A customer's number changes, as webhooks told before there were ids.
pub(crate) fn moves_from(lab: &Lab, from: &str, to: &str, after: i64) -> String {
    change_of(lab, if after == 10 { "wamid.move" } else { "wamid.later" }, from, to, after)
}

fn change_of(lab: &Lab, wamid: &str, from: &str, to: &str, after: i64) -> String {
    let time = (lab.now().as_second() + after).to_string();
    lab.envelope(&json!({"id": wamid, "from": from, "timestamp": time, "type": "system",
        "system": {"type": "user_changed_number", "body": "cambió de número", "wa_id": to}}))
}

/// The conversation that has a message.
pub(crate) async fn with(lab: &Lab, wamid: &str) -> Conversation {
    let message = lab.message(MessageId::of_wamid(&lab.number, &Wamid::parse(wamid).unwrap())).await;
    lab.tenant().await.conversation(message.conversation_id).await.unwrap().unwrap()
}

#[tokio::test]
async fn whoever_comes_back_to_a_number_keeps_it_whichever_of_the_two_changes_is_told_first() {
    for order in [[0, 1], [1, 0]] {
        let lab = Lab::new().await;
        lab.deliver(&[written(&lab, &phone(OLD), "wamid.a", 0)]).await;
        let changes = [moves_from(&lab, OLD, NEW, 10), moves_from(&lab, NEW, OLD, 20)];
        for place in order {
            lab.deliver(&[changes[place].clone()]).await;
        }
        lab.deliver(&[written(&lab, &phone(OLD), "wamid.b", 30)]).await;
        let inbox = lab.inbox().await;
        assert_eq!(inbox.len(), 1, "twins in the order {order:?}: {inbox:#?}");
        assert_eq!(known_by(&inbox[0]).0, Some(OLD), "in the order {order:?}");
    }
}

#[tokio::test]
async fn a_change_of_number_belongs_to_whoever_had_the_number_then_however_late_it_is_told() {
    for order in [[0, 1, 2], [0, 2, 1]] {
        let lab = Lab::new().await;
        let bodies = [
            written(&lab, &phone_and_bsuid(OLD, "AR.1"), "wamid.a", 0),
            moves_from(&lab, OLD, NEW, 50),
            written(&lab, &phone_and_bsuid(OLD, "AR.9"), "wamid.z", 100),
        ];
        for place in order {
            lab.deliver(&[bodies[place].clone()]).await;
        }
        assert_eq!(known_by(&with(&lab, "wamid.a").await).0, Some(NEW), "who moved, in the order {order:?}");
        assert_eq!(known_by(&with(&lab, "wamid.z").await).0, Some(OLD), "who has the number, in the order {order:?}");
    }
}

#[tokio::test]
async fn messages_from_a_number_before_and_after_it_passed_on_are_told_apart_even_if_they_come_together() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.a", 0), moves_from(&lab, OLD, NEW, 10)]).await;
    let together = [
        written(&lab, &phone(OLD), "wamid.before", 5),
        written(&lab, &phone(OLD), "wamid.after", 4000),
        written(&lab, &phone(OLD), "wamid.then", 9),
    ];
    lab.deliver(&together).await;
    lab.deliver(&together).await;
    let mover = with(&lab, "wamid.a").await;
    assert_eq!(texts(&lab, &mover).await, ["wamid.move", "wamid.then", "wamid.before", "wamid.a"]);
    let other = with(&lab, "wamid.after").await;
    assert_eq!((texts(&lab, &other).await.len(), other.unread_count, mover.unread_count), (1, 1, 3));
}

#[tokio::test]
async fn a_change_that_tells_of_the_same_number_before_and_after_is_understood() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.a", 0), moves_from(&lab, OLD, OLD, 10)]).await;
    assert!(lab.parked().await.is_empty(), "it was parked");
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.b", 20)]).await;
    let inbox = lab.inbox().await;
    assert_eq!((inbox.len(), known_by(&inbox[0]).0), (1, Some(OLD)), "{inbox:#?}");
}

#[tokio::test]
async fn what_the_business_writes_to_a_number_does_not_say_whose_it_is() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &phone_and_bsuid(OLD, "AR.1"), "wamid.a", 0)]).await;
    let time = (lab.now().as_second() + 100).to_string();
    let echo = json!({"id": "wamid.echo", "from": "5491150001234", "to": OLD, "to_user_id": "AR.1", "timestamp": time,
        "type": "text", "text": {"body": "desde el celular"}});
    lab.deliver(&[lab.item(Kind::Echo, "smb_message_echoes", &echo)]).await;
    lab.deliver(&[written(&lab, &phone_and_bsuid(OLD, "AR.9"), "wamid.b", 50)]).await;
    assert_eq!(known_by(&with(&lab, "wamid.b").await), (Some(OLD), Some("AR.9")), "the last who wrote from it has it");
    assert_eq!(known_by(&with(&lab, "wamid.a").await), (None, Some("AR.1")));
}

#[tokio::test]
async fn a_reply_that_waits_in_a_conversation_that_was_merged_goes_to_whom_the_survivor_knows() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &old(), "wamid.a", 0), written(&lab, &new(), "wamid.b", 20)]).await;
    let ends = with(&lab, "wamid.b").await;
    lab.compose(ends.id, "respuesta").await;
    lab.deliver(&[moves(&lab, 10)]).await;
    // The new number is somebody else's meanwhile.
    lab.deliver(&[written(&lab, &phone_and_bsuid(NEW, "AR.9"), "wamid.c", 100)]).await;
    assert_eq!(known_by(&with(&lab, "wamid.a").await), (None, Some("AR.2")), "what the survivor knows");
    lab.wake(ends.id).await;
    let sent = lab.stack.control(&format!("/sent?phone_number_id={}", lab.number.as_str())).await;
    let to: Vec<_> = sent["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["request"]["to"], &one["request"]["recipient"]))
        .collect();
    assert_eq!(to, [(&Value::Null, &json!("AR.2"))], "not to the stranger");
}
