//! Two things at once, or in the other order.

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use recado_domain::ids::{MessageId, Wamid};
use recado_domain::outbox::{LEASE, UNKNOWN_WAIT};
use recado_domain::status::{DeliveryError, Fact, MessageStatus};
use recado_domain::window;
use recado_store::{Answer, Claim, Claimed, Heard, Park, Parked, ParkedScope, Settled, StatusReport};
use stories::lab::{Lab, phone, phone_and_bsuid};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

fn report(lab: &Lab, message: Option<MessageId>, wamid: &str, status: MessageStatus, at: Timestamp) -> StatusReport {
    let wamid = Wamid::parse(wamid).unwrap();
    StatusReport { number: lab.number.clone(), wamid, message, status, fact: Fact::at(at) }
}

fn current(message: &recado_store::Message) -> MessageStatus {
    message.states.current().unwrap().0
}

/// A message that a worker has claimed.
async fn claimed(lab: &Lab) -> (MessageId, Claim) {
    let conversation = lab.conversation().await;
    let id = lab.compose(conversation.id, "respuesta").await;
    let tenant = lab.tenant().await;
    let (_, entries) = tenant.open_outbox(conversation.id).await.unwrap().unwrap();
    let Claimed::Ours(claim) = tenant.claim(&entries[0], 1, lab.now()).await.unwrap() else {
        panic!("somebody else has it")
    };
    (id, claim)
}

#[tokio::test]
async fn a_status_without_our_key_may_come_before_or_after_the_answer_to_the_send() {
    let mut ends = Vec::new();
    for early in [true, false] {
        let lab = Lab::new().await;
        let (id, claim) = claimed(&lab).await;
        let tenant = lab.tenant().await;
        let delivered = report(&lab, None, "wamid.out", MessageStatus::Delivered, lab.now() + SECOND);
        let accepted = Answer::Accepted(Wamid::parse("wamid.out").unwrap());
        if early {
            assert_eq!(tenant.hear_status(&delivered, lab.now()).await.unwrap(), Heard::Waiting);
            assert_eq!(tenant.hear_status(&delivered, lab.now()).await.unwrap(), Heard::Waiting, "it may wait twice");
        }
        assert_eq!(tenant.settle(&claim, &accepted, lab.now()).await.unwrap(), Settled::Recorded);
        if !early {
            assert_eq!(tenant.hear_status(&delivered, lab.now()).await.unwrap(), Heard::News);
        }
        let message = lab.message(id).await;
        assert_eq!(current(&message), MessageStatus::Delivered);
        ends.push(message.states);
        let waiting = lab.everything().await.into_iter().filter(|item| item["entity"] == "early-status").count();
        assert_eq!(waiting, 0, "statuses still waiting for a message that is known");
    }
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn a_status_with_our_key_may_overtake_the_answer_to_the_send() {
    let mut ends = Vec::new();
    for overtakes in [true, false] {
        let lab = Lab::new().await;
        let (id, claim) = claimed(&lab).await;
        let tenant = lab.tenant().await;
        let sent_at = lab.now() + SECOND;
        let sent = report(&lab, Some(id), "wamid.out", MessageStatus::Sent, sent_at);
        let read = report(&lab, Some(id), "wamid.out", MessageStatus::Read, sent_at);
        let accepted = Answer::Accepted(Wamid::parse("wamid.out").unwrap());
        if overtakes {
            assert_eq!(tenant.hear_status(&read, lab.now()).await.unwrap(), Heard::News);
            assert_eq!(tenant.hear_status(&sent, lab.now()).await.unwrap(), Heard::News);
            assert_eq!(tenant.settle(&claim, &accepted, lab.now()).await.unwrap(), Settled::Overtaken);
        } else {
            assert_eq!(tenant.settle(&claim, &accepted, lab.now()).await.unwrap(), Settled::Recorded);
            assert_eq!(tenant.hear_status(&sent, lab.now()).await.unwrap(), Heard::Known, "our own time is earlier");
            assert_eq!(tenant.hear_status(&read, lab.now()).await.unwrap(), Heard::News);
        }
        assert_eq!(tenant.hear_status(&read, lab.now()).await.unwrap(), Heard::Known);
        let message = lab.message(id).await;
        assert_eq!((current(&message), message.wamid.is_some()), (MessageStatus::Read, true));
        let by_wamid =
            tenant.message(MessageId::of_wamid(&lab.number, &Wamid::parse("wamid.out").unwrap())).await.unwrap();
        assert_eq!(by_wamid.map(|message| message.id), Some(id), "the wamid leads to the message");
        assert!(tenant.open_outbox(message.conversation_id).await.unwrap().unwrap().1.is_empty(), "it is still open");
        ends.push(message.states);
    }
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn every_order_of_statuses_ends_in_the_same_item() {
    let statuses = [MessageStatus::Sent, MessageStatus::Delivered, MessageStatus::Read, MessageStatus::Failed];
    let lab = Lab::new().await;
    let conversation = lab.conversation().await;
    let tenant = lab.tenant().await;
    let mut ends = Vec::new();
    for number in 0..24 {
        // The number-th permutation, first as it is and then backwards, so that each status comes twice.
        let (mut left, mut rest, mut order) = (statuses.to_vec(), number, Vec::new());
        for choices in (1..=4).rev() {
            order.push(left.remove(rest % choices));
            rest /= choices;
        }
        let id = lab.compose(conversation.id, &format!("m{number}")).await;
        let wamid = format!("wamid.{number}");
        for (place, status) in order.iter().chain(order.iter().rev()).enumerate() {
            let at = Timestamp::from_second(1_795_171_210 + *status as i64).unwrap();
            // Some carry our key and some do not.
            let key = (place == 0 || place % 3 == 1).then_some(id);
            tenant.hear_status(&report(&lab, key, &wamid, *status, at), lab.now()).await.unwrap();
        }
        ends.push((lab.message(id).await.states, order));
    }
    for (states, order) in &ends {
        assert_eq!(states, &ends[0].0, "{order:?} ended differently from {:?}", ends[0].1);
    }
    assert_eq!(ends[0].0.current().unwrap().0, MessageStatus::Read);
}

#[tokio::test]
async fn of_failures_at_the_same_time_the_same_one_stands_whichever_came_first() {
    let lab = Lab::new().await;
    let conversation = lab.conversation().await;
    let tenant = lab.tenant().await;
    let error = |code| Some(DeliveryError { code: Some(code), ..DeliveryError::default() });
    let facts = [None, error(131_049), error(131_026)].map(|error| Fact { at: lab.now(), error });
    for (number, order) in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].into_iter().enumerate() {
        let id = lab.compose(conversation.id, &format!("m{number}")).await;
        for place in order {
            let mut report = report(&lab, Some(id), &format!("wamid.{number}"), MessageStatus::Failed, lab.now());
            report.fact = facts[place].clone();
            tenant.hear_status(&report, lab.now()).await.unwrap();
        }
        let states = lab.message(id).await.states;
        assert_eq!(states.error().and_then(|error| error.code), Some(131_026), "order {order:?}");
    }
}

#[tokio::test]
async fn a_contact_that_two_workers_meet_at_once_is_created_once() {
    let lab = Lab::new().await;
    let texts: Vec<_> =
        (0..8).map(|number| lab.text(&phone("5491155551234"), &format!("wamid.{number}"), 0, "hola")).collect();
    join_all(texts.iter().map(|text| lab.deliver(std::slice::from_ref(text)))).await;
    let inbox = lab.inbox().await;
    assert_eq!(inbox.len(), 1, "conversations: {inbox:?}");
    assert_eq!(inbox[0].unread_count, 8);
    let items = lab.everything().await;
    let count = |entity: &str| items.iter().filter(|item| item["entity"] == entity).count();
    assert_eq!((count("contact"), count("identity"), count("message")), (1, 1, 8));
}

#[tokio::test]
async fn the_same_messages_delivered_by_many_workers_at_once_are_stored_once() {
    let lab = Lab::new().await;
    let texts: Vec<_> = (0..5)
        .map(|number| lab.text(&phone("5491155551234"), &format!("wamid.{number}"), 10 - number, &format!("{number}")))
        .collect();
    let batches: Vec<Vec<String>> =
        (0..6).map(|start| (0..5).map(|place| texts[(start + place) % 5].clone()).collect()).collect();
    join_all(batches.iter().map(|batch| lab.deliver(batch))).await;
    let inbox = lab.inbox().await;
    assert_eq!((inbox.len(), inbox[0].unread_count), (1, 5));
    assert_eq!(inbox[0].last_preview.expose(), "4", "the newest by Meta's time");
}

#[tokio::test]
async fn an_older_message_after_a_newer_one_changes_neither_preview_nor_inbox_order() {
    let mut ends = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let lab = Lab::new().await;
        for number in order {
            let text =
                lab.text(&phone("5491155551234"), &format!("wamid.{number}"), 100 - number * 10, &format!("{number}"));
            lab.deliver(std::slice::from_ref(&text)).await;
            lab.deliver(&[text]).await;
        }
        let conversation = lab.inbox().await.remove(0);
        assert_eq!((conversation.last_preview.expose().as_str(), conversation.unread_count), ("2", 3), "{order:?}");
        let place = (conversation.last_order.timestamp, conversation.last_order.received);
        ends.push((place, conversation.last_message_at, conversation.window_expires_at));
    }
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:#?}");
}

#[tokio::test]
async fn whatever_order_many_workers_write_in_at_once_the_newest_message_and_its_window_stand() {
    for round in 0..8 {
        let lab = Lab::new().await;
        lab.deliver(&[lab.text(&phone("5491155551234"), "wamid.middle", 50, "middle")]).await;
        // Half of them older than what is there, half of them newer; who gets through first differs.
        let texts: Vec<_> = (0..12)
            .map(|number| {
                lab.text(&phone("5491155551234"), &format!("wamid.{number}"), 95 - number * 8, &format!("{number}"))
            })
            .collect();
        join_all((0..12).map(|place| lab.deliver(std::slice::from_ref(&texts[(place * 5 + round) % 12])))).await;
        let conversation = lab.inbox().await.remove(0);
        let newest = lab.now() - SECOND * 7;
        assert_eq!(
            (conversation.last_preview.expose().as_str(), conversation.unread_count, conversation.window_expires_at),
            ("11", 13, Some(window::expiry(window::CustomerAct::at(newest)))),
            "round {round}"
        );
    }
}

#[tokio::test]
async fn a_reply_to_a_conversation_that_has_changed_meanwhile_is_placed_anew() {
    let lab = Lab::new().await;
    let outdated = lab.conversation().await;
    let tenant = lab.tenant().await;
    lab.deliver(&[lab.text(&phone("5491155551234"), "wamid.next", -30, "y otra cosa")]).await;
    let id = lab.compose_on(outdated, "respuesta").await;
    let newest = tenant.messages(lab.inbox().await[0].id, 1, None).await.unwrap().items.remove(0);
    assert_eq!((newest.id, lab.inbox().await[0].last_preview.expose().as_str()), (id, "respuesta"));
}

#[tokio::test]
async fn of_messages_equal_in_every_time_the_same_one_is_the_newest_whichever_came_first() {
    let mut ends = Vec::new();
    for order in [["wamid.a", "wamid.b"], ["wamid.b", "wamid.a"]] {
        let lab = Lab::new().await;
        for wamid in order {
            lab.deliver(&[lab.text(&phone("5491155551234"), wamid, 0, wamid)]).await;
        }
        let tenant = lab.tenant().await;
        let conversation = lab.inbox().await.remove(0);
        let newest = tenant.messages(conversation.id, 1, None).await.unwrap().items.remove(0);
        assert_eq!(newest.content.expose()["text"], *conversation.last_preview.expose(), "list and inbox agree");
        // Ids differ from lab to lab, because the numbers do; so only agreement can be asked for.
        ends.push((newest.order == conversation.last_order, conversation.unread_count));
    }
    assert_eq!(ends, [(true, 2), (true, 2)]);
}

#[tokio::test]
async fn a_number_that_changed_hands_is_another_person_and_one_that_shows_its_id_is_the_same() {
    let lab = Lab::new().await;
    let write = async |sender, wamid: &str| {
        lab.pass(SECOND);
        lab.deliver(&[lab.text(&sender, wamid, 0, wamid)]).await;
    };
    write(phone("5491155551234"), "wamid.1").await;
    write(phone_and_bsuid("5491155551234", "AR.1"), "wamid.2").await;
    let inbox = lab.inbox().await;
    assert_eq!((inbox.len(), inbox[0].unread_count), (1, 2), "the id became known; the person is the same");
    assert_eq!(inbox[0].contact.bsuid.as_ref().map(|id| id.as_str()), Some("AR.1"));

    write(phone_and_bsuid("5491155551234", "AR.2"), "wamid.3").await;
    let inbox = lab.inbox().await;
    assert_eq!(inbox.len(), 2, "another id behind the same number is another person");

    write(phone("5491155551234"), "wamid.4").await;
    let newest = lab.inbox().await.into_iter().find(|item| item.last_preview.expose() == "wamid.4").unwrap();
    assert_eq!(
        newest.contact.bsuid.as_ref().map(|id| id.as_str()),
        Some("AR.2"),
        "the number belongs to whoever wrote last"
    );
}

#[tokio::test]
async fn a_number_claimed_while_its_messages_are_being_parked_gets_them() {
    let lab = Lab::new().await;
    let unowned = recado_domain::ids::PhoneNumberId::parse("1").unwrap();
    let park = |number| Park {
        scope: ParkedScope::UnroutedNumber(number),
        event: recado_store::EventId::of(1, "b"),
        reason: "r".to_owned(),
        queue: "messages",
        body: "b",
    };
    assert_eq!(lab.store.park(&park(&unowned), lab.now()).await.unwrap(), Parked::Kept);
    assert_eq!(lab.store.park(&park(&unowned), lab.now()).await.unwrap(), Parked::Kept, "once is enough");
    assert_eq!(lab.store.parked(&ParkedScope::UnroutedNumber(&unowned)).await.unwrap().len(), 1);
    assert_eq!(lab.store.park(&park(&lab.number), lab.now()).await.unwrap(), Parked::Routed, "somebody owns it by now");
    assert!(lab.store.parked(&ParkedScope::UnroutedNumber(&lab.number)).await.unwrap().is_empty());
}

#[tokio::test]
async fn many_wake_ups_at_once_send_each_message_once_and_in_order() {
    let lab = Lab::new().await;
    let conversation = lab.conversation().await;
    let mut texts = Vec::new();
    for number in 0..4 {
        lab.pass(SECOND);
        texts.push(format!("m{number}"));
        lab.compose(conversation.id, &texts[number]).await;
    }
    join_all((0..5).map(|_| lab.wake(conversation.id))).await;
    // Whoever found another one at work has gone home; the last one at work finishes.
    assert_eq!(lab.sent().await, texts);
}

#[tokio::test]
async fn a_wake_up_while_a_send_is_in_flight_leaves_it_and_the_younger_ones_alone() {
    let lab = Lab::new().await;
    let (id, _claim) = claimed(&lab).await;
    let conversation = lab.message(id).await.conversation_id;
    lab.compose(conversation, "otra").await;
    lab.pass(LEASE - SECOND);
    lab.wake(conversation).await;
    assert!(lab.sent().await.is_empty(), "sent: {:?}", lab.sent().await);
    assert_eq!(current(&lab.message(id).await), MessageStatus::Pending);
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_recognises_itself_and_nobody_else_does() {
    let lab = Lab::new().await;
    let conversation = lab.conversation().await;
    lab.compose(conversation.id, "respuesta").await;
    let tenant = lab.tenant().await;
    let (_, entries) = tenant.open_outbox(conversation.id).await.unwrap().unwrap();
    let mut claims = Vec::new();
    for token in [7, 7, 8] {
        claims.push(matches!(tenant.claim(&entries[0], token, lab.now()).await.unwrap(), Claimed::Ours(_)));
    }
    assert_eq!(claims, [true, true, false], "the second is the first one tried again; the third is somebody else");
}

#[tokio::test]
async fn a_sender_that_vanishes_after_its_claim_leaves_the_message_unknown_and_never_sent_again() {
    let lab = Lab::new().await;
    let (id, _claim) = claimed(&lab).await;
    let conversation = lab.message(id).await.conversation_id;
    let due = async |at| lab.store.due_outboxes(at).await.unwrap().len();
    assert_eq!(due(lab.now() + LEASE - SECOND).await, 0);
    lab.pass(LEASE);
    assert_eq!(due(lab.now()).await, 1, "the sweep finds it when the lease has run out");
    lab.wake(conversation).await;
    assert_eq!(current(&lab.message(id).await), MessageStatus::Unknown);

    lab.pass(UNKNOWN_WAIT);
    assert_eq!(due(lab.now()).await, 1, "and again when the wait for a status is over");
    lab.wake(conversation).await;
    assert_eq!(due(lab.now() + UNKNOWN_WAIT).await, 0, "then nothing is open any more");
    assert!(lab.sent().await.is_empty());

    let late = report(&lab, Some(id), "wamid.late", MessageStatus::Delivered, lab.now());
    assert_eq!(lab.tenant().await.hear_status(&late, lab.now()).await.unwrap(), Heard::News);
    assert_eq!(current(&lab.message(id).await), MessageStatus::Delivered, "a status still tells, however late");
}

#[tokio::test]
async fn an_answer_that_comes_after_its_lease_ran_out_still_counts() {
    let lab = Lab::new().await;
    let (id, claim) = claimed(&lab).await;
    let conversation = lab.message(id).await.conversation_id;
    lab.pass(LEASE);
    lab.wake(conversation).await;
    assert_eq!(current(&lab.message(id).await), MessageStatus::Unknown);
    let accepted = Answer::Accepted(Wamid::parse("wamid.slow").unwrap());
    assert_eq!(lab.tenant().await.settle(&claim, &accepted, lab.now()).await.unwrap(), Settled::Recorded);
    assert_eq!(current(&lab.message(id).await), MessageStatus::Sent);
    assert!(lab.tenant().await.open_outbox(conversation).await.unwrap().unwrap().1.is_empty());
}

#[tokio::test]
async fn with_too_little_time_left_nothing_is_claimed_and_a_wake_up_is_left() {
    let lab = Lab::new().await;
    let conversation = lab.conversation().await;
    let id = lab.compose(conversation.id, "hola").await;
    lab.wake_with(conversation.id, SignedDuration::from_secs(15)).await;
    assert!(lab.sent().await.is_empty());
    assert_eq!((current(&lab.message(id).await), lab.wake_ups().await), (MessageStatus::Pending, 1));
    lab.wake(conversation.id).await;
    assert_eq!(lab.sent().await, ["hola"]);
}

#[tokio::test]
async fn a_window_that_closes_between_request_and_sending_fails_the_message() {
    let lab = Lab::new().await;
    let conversation = lab.conversation().await;
    let id = lab.compose(conversation.id, "tarde").await;
    lab.pass(SignedDuration::from_hours(24));
    lab.wake(conversation.id).await;
    let message = lab.message(id).await;
    assert_eq!(
        (current(&message), message.states.error().and_then(|error| error.code)),
        (MessageStatus::Failed, Some(131_047))
    );
    assert!(lab.sent().await.is_empty());
}

#[tokio::test]
async fn a_reply_stands_after_what_it_answers_even_if_metas_clock_is_ahead() {
    let lab = Lab::new().await;
    lab.deliver(&[lab.text(&phone("5491155551234"), "wamid.ahead", -90, "desde el futuro")]).await;
    let conversation = lab.inbox().await.remove(0);
    lab.compose(conversation.id, "respuesta").await;
    let newest = lab.tenant().await.messages(conversation.id, 1, None).await.unwrap().items.remove(0);
    assert_eq!(newest.content.expose()["text"], "respuesta");
    assert_eq!(lab.inbox().await[0].last_preview.expose(), "respuesta");
}

#[tokio::test]
async fn early_statuses_are_looked_at_again_ever_more_rarely_and_merged_if_whoever_should_have_done_it_vanished() {
    let lab = Lab::new().await;
    let tenant = lab.tenant().await;
    let (id, _claim) = claimed(&lab).await;
    let delivered = report(&lab, None, "wamid.out", MessageStatus::Delivered, lab.now());
    assert_eq!(tenant.hear_status(&delivered, lab.now()).await.unwrap(), Heard::Waiting);

    let early = async || Vec::from_iter(lab.store.due_early(lab.now()).await.unwrap());
    assert!(early().await.is_empty());
    lab.pass(SignedDuration::from_mins(1));
    let wait = early().await.remove(0);
    lab.store.of_early(&wait).revisit_early(wait.message, lab.now()).await.unwrap();
    assert!(early().await.is_empty(), "not again at once");
    lab.pass(SignedDuration::from_mins(1));
    assert_eq!(early().await, [wait], "but after as long as it has been waiting");

    // The pointer of the wamid is written, and whoever wrote it is gone.
    let items = lab.raw_items().await;
    let text = |item: &std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>, name: &str| {
        item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
    };
    let waiting = items.iter().find(|item| text(item, "entity") == "early-status").unwrap();
    let mut pointer = items
        .iter()
        .find(|item| text(item, "pk").ends_with(&id.to_string()) && text(item, "sk") == "POINTER")
        .unwrap()
        .clone();
    pointer.insert("pk".to_owned(), waiting["pk"].clone());
    lab.put_raw(pointer).await;
    lab.store.of_early(&wait).revisit_early(wait.message, lab.now()).await.unwrap();
    assert_eq!(current(&lab.message(id).await), MessageStatus::Delivered);
    lab.pass(SignedDuration::from_hours(8 * 24));
    assert!(early().await.is_empty(), "nothing waits any more");
}
