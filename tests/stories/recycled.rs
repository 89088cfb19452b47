//! A phone passes from one person to another, whoever says so, and whenever it is told.

use crate::identities::{NEW, OLD, deliver_late, known_by, moves, moves_from, new, old, texts, with, written};
use jiff::SignedDuration;
use recado_whatsapp::envelope::Kind;
use serde_json::json;
use stories::lab::{Lab, phone, phone_and_bsuid};

fn echo(lab: &Lab, wamid: &str, to: &str, after: i64) -> String {
    let time = (lab.now().as_second() + after).to_string();
    let message = json!({"id": wamid, "from": "5491150001234", "to": to, "timestamp": time, "type": "text",
        "text": {"body": "desde el celular"}});
    lab.item(Kind::Echo, "smb_message_echoes", &message)
}

#[tokio::test]
async fn whoever_moves_to_a_number_that_was_somebody_elses_gets_nothing_of_theirs() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &phone(NEW), "wamid.before", 0), written(&lab, &phone(OLD), "wamid.mover", 100)]).await;
    lab.deliver(&[moves_from(&lab, OLD, NEW, 6000)]).await;
    let (before, mover) = (with(&lab, "wamid.before").await, with(&lab, "wamid.mover").await);
    assert_ne!(before.id, mover.id, "two strangers became one");
    assert_eq!((known_by(&before).0, known_by(&mover).0), (None, Some(NEW)));
}

#[tokio::test]
async fn a_write_that_was_planned_before_a_number_passed_on_and_lands_after_it_is_whose_it_is_by_then() {
    let (lab, proxy) = Lab::behind_proxy().await;
    lab.deliver(&[written(&lab, &old(), "wamid.a", 0)]).await;
    let taken = written(&lab, &phone_and_bsuid(OLD, "AR.9"), "wamid.other", 100);
    deliver_late(&lab, &proxy, written(&lab, &phone(OLD), "wamid.late", 130), &[taken]).await;
    let (before, other) = (with(&lab, "wamid.a").await, with(&lab, "wamid.other").await);
    assert_eq!((known_by(&before), known_by(&other)), ((None, Some("AR.1")), (Some(OLD), Some("AR.9"))));
    assert_eq!(with(&lab, "wamid.late").await.id, other.id, "they had the number when it was written");
}

#[tokio::test]
async fn an_old_message_that_comes_again_makes_nobody_one_with_who_has_the_number_since() {
    let lab = Lab::new().await;
    let first = written(&lab, &old(), "wamid.a", 0);
    lab.deliver(std::slice::from_ref(&first)).await;
    lab.deliver(&[moves(&lab, 10)]).await;
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.stranger", 4000)]).await;
    lab.deliver(&[first]).await;
    assert_ne!(with(&lab, "wamid.a").await.id, with(&lab, "wamid.stranger").await.id, "two strangers became one");

    // Nor does one that tells an id which nobody knew.
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.a", 0)]).await;
    lab.deliver(&[moves_from(&lab, OLD, NEW, 10)]).await;
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.stranger", 4000)]).await;
    lab.deliver(&[written(&lab, &old(), "wamid.late", 5)]).await;
    assert_eq!(with(&lab, "wamid.late").await.id, with(&lab, "wamid.a").await.id, "it was theirs then");
    assert_eq!(known_by(&with(&lab, "wamid.stranger").await), (Some(OLD), None));
}

#[tokio::test]
async fn a_conversation_shows_the_number_from_which_its_customer_writes_however_their_changes_were_told() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &old(), "wamid.a", 0)]).await;
    let time = |after: i64| (lab.now().as_second() + after).to_string();
    let renamed = json!({"id": "wamid.renamed", "from_user_id": "AR.3", "timestamp": time(50), "type": "system", "system": {
        "type": "user_changed_user_id", "body": "cambió", "user_id": "AR.3", "previous_user_id": "AR.2"}});
    let moved = json!({"id": "wamid.moved", "from": OLD, "timestamp": time(40), "type": "system", "system": {
        "type": "user_changed_number", "body": "cambió", "wa_id": NEW, "user_id": "AR.2", "previous_user_id": "AR.1"}});
    lab.deliver(&[lab.envelope(&renamed)]).await;
    lab.deliver(&[lab.envelope(&moved)]).await;
    lab.deliver(&[written(&lab, &phone_and_bsuid(NEW, "AR.3"), "wamid.b", 60)]).await;
    let inbox = lab.inbox().await;
    assert_eq!((inbox.len(), known_by(&inbox[0])), (1, (Some(NEW), Some("AR.3"))), "{inbox:#?}");
}

#[tokio::test]
async fn a_change_that_is_told_late_is_not_taken_for_one_of_whoever_has_the_number_since() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.stranger", 4000)]).await;
    lab.deliver(&[moves(&lab, 10)]).await;
    assert_eq!(known_by(&with(&lab, "wamid.stranger").await).0, Some(OLD), "the stranger has not moved");
    assert_eq!(known_by(&with(&lab, "wamid.move").await), (Some(NEW), Some("AR.2")));

    // Nor for one of whoever had left it long before.
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.a", 0)]).await;
    lab.deliver(&[moves_from(&lab, OLD, NEW, 10)]).await;
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.stranger", 4000)]).await;
    lab.deliver(&[moves_from(&lab, OLD, "5491177778888", 2000)]).await;
    assert_eq!(known_by(&with(&lab, "wamid.a").await).0, Some(NEW), "they had moved elsewhere");
}

#[tokio::test]
async fn when_a_number_was_seen_last_never_goes_back() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.a", 40)]).await;
    let time = (lab.now().as_second() + 5).to_string();
    let past = json!({"metadata": {"phase": 0}, "threads": [{"id": OLD, "messages": [
        {"id": "wamid.past", "from": OLD, "timestamp": time, "type": "text", "text": {"body": "h"}}]}]});
    lab.deliver(&[lab.item(Kind::History, "history", &past), echo(&lab, "wamid.echo", OLD, 100)]).await;
    let seen = lab.inbox().await.remove(0).phone_seen_at;
    assert_eq!(seen, Some(lab.now() + SignedDuration::from_secs(40)), "an old message does not make it earlier");
}

#[tokio::test]
async fn what_was_written_before_a_change_that_is_told_late_is_its_authors() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &old(), "wamid.a", 0)]).await;
    lab.deliver(&[written(&lab, &phone_and_bsuid(OLD, "AR.9"), "wamid.other", 100)]).await;
    lab.deliver(&[moves_from(&lab, OLD, NEW, 10)]).await;
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.late", 5)]).await;
    assert_eq!(with(&lab, "wamid.late").await.id, with(&lab, "wamid.a").await.id);
}

#[tokio::test]
async fn messages_from_a_number_that_had_three_holders_go_to_each_of_them() {
    let lab = Lab::new().await;
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.a", 0)]).await;
    lab.deliver(&[moves_from(&lab, OLD, NEW, 10)]).await;
    lab.deliver(&[written(&lab, &phone(OLD), "wamid.b", 4000)]).await;
    lab.deliver(&[moves_from(&lab, OLD, "5491177778888", 5000)]).await;
    let together = [("wamid.a2", 5), ("wamid.b2", 4500), ("wamid.c", 9000)];
    lab.deliver(&together.map(|(wamid, after)| written(&lab, &phone(OLD), wamid, after))).await;
    for (one, other) in [("wamid.a2", "wamid.a"), ("wamid.b2", "wamid.b")] {
        assert_eq!(with(&lab, one).await.id, with(&lab, other).await.id, "{one} is of who wrote {other}");
    }
    let last = with(&lab, "wamid.c").await;
    assert_eq!((texts(&lab, &last).await, known_by(&last).0), (vec!["wamid.c".to_owned()], Some(OLD)));
}

#[tokio::test]
async fn a_customer_who_unsubscribes_is_heard_beside_a_message_that_the_table_never_takes() {
    let lab = Lab::new().await;
    let huge = lab.text(&new(), "wamid.huge", 0, &"ñ".repeat(210_000));
    lab.deliver(&[lab.text(&new(), "wamid.stop", 0, "BAJA"), huge]).await;
    assert_eq!(lab.parked().await.len(), 1, "what the table does not take is parked");
    let contact = with(&lab, "wamid.stop").await.contact_id;
    let preference = lab.tenant().await.preference(contact).await.unwrap();
    assert!(preference.is_some_and(|preference| !preference.wanted), "they asked not to be written to");
}
