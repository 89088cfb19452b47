//! What people change about a conversation, alone and at the same time.

use crate::inbox::{LUCIA, changed, message, path, told, written};
use crate::world::{Tenant, now};
use futures_util::future::join;
use jiff::SignedDuration;
use recado_domain::ids::MessageId;
use recado_domain::label::Label;
use recado_store::{ChangedConversation, ConversationChange, ConversationStatus};
use recado_testkit::stack::{Answer, http, send};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use stories::lab::{Lab, phone};

/// A conversation with its `ETag`.
async fn with_tag(tenant: &Tenant, conversation: &Value) -> (Value, String) {
    let request = http().get(tenant.stack.api(&path(conversation))).bearer_auth(&tenant.agent);
    let answer = request.send().await.unwrap();
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    (answer.json().await.unwrap(), tag)
}

async fn change_at(tenant: &Tenant, conversation: &Value, tag: &str, change: Value) -> Answer {
    let request = http().patch(tenant.stack.api(&path(conversation))).bearer_auth(&tenant.agent);
    send(request.header("if-match", tag).json(&change)).await
}

fn first_message(lab: &Lab) -> MessageId {
    message(lab, "wamid.first")
}

#[tokio::test]
async fn people_change_what_they_name_and_only_that_and_each_change_has_a_version() {
    let tenant = Tenant::with_statuses(json!([])).await;
    let conversation = written(&tenant, LUCIA, "hola", now() - 10).await;
    let agent = tenant.stack.get(&tenant.agent, "/me").await.body["id"].clone();
    let customer = tenant.stack.post(&tenant.agent, "/customers", &json!({"name": "Lucía"})).await.body["id"].clone();
    let (_, first) = with_tag(&tenant, &conversation).await;

    let all = json!({"assignedToId": agent, "labels": ["urgente", "Año 2026"], "customerId": customer,
        "activeJobId": "job-7", "snoozedUntil": "2027-01-01T12:00:00Z"});
    let changed = change_at(&tenant, &conversation, &first, all.clone()).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    for (field, value) in all.as_object().unwrap() {
        assert_eq!(changed.body[field], *value, "{field} of {}", changed.body);
    }
    assert_eq!((&changed.body["status"], &changed.body["unreadCount"]), (&json!("OPEN"), &json!(1)), "not named");
    let (read, second) = with_tag(&tenant, &conversation).await;
    assert_eq!(read, changed.body);
    assert_ne!(first, second, "a change gives another version");

    // The same again changes nothing, and so gives no other version.
    assert_eq!(change_at(&tenant, &conversation, &second, all).await.status, 200);
    assert_eq!(with_tag(&tenant, &conversation).await.1, second, "nothing was different");
    // Who looked before that change is told so, and nothing happens.
    let outdated = change_at(&tenant, &conversation, &first, json!({"status": "CLOSED"})).await;
    assert_eq!((outdated.status, outdated.body["error"]["code"].as_str()), (412, Some("PRECONDITION_FAILED")));
    assert_eq!(with_tag(&tenant, &conversation).await.0["status"], "OPEN", "a refused change was made");
    // A message is nobody's change: who looked before it arrived may go on.
    written(&tenant, LUCIA, "sigo acá", now()).await;
    let nothing = json!({"assignedToId": null, "labels": [], "customerId": null, "activeJobId": null,
        "snoozedUntil": null});
    let removed = change_at(&tenant, &conversation, &second, nothing.clone()).await;
    assert_eq!(removed.status, 200, "a message that arrived got in the way: {}", removed.body);
    for (field, value) in nothing.as_object().unwrap() {
        assert_eq!(removed.body[field], *value, "{field} of {}", removed.body);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_named_and_nothing_comes_of_it() {
    let (tenant, other) = (Tenant::with_statuses(json!([])).await, Tenant::with_statuses(json!([])).await);
    let conversation = written(&tenant, LUCIA, "hola", now()).await;
    let foreign = written(&other, LUCIA, "ajena", now()).await;
    let [stranger, viewer] = [(&other, &other.agent), (&tenant, &tenant.viewer)]
        .map(async |(of, token)| of.stack.get(token, "/me").await.body["id"].clone());
    let (stranger, viewer) = (stranger.await, viewer.await);
    let message = other.messages(&foreign).await[0]["id"].clone();
    let customer = other.stack.post(&other.agent, "/customers", &json!({"name": "Ajena"})).await.body["id"].clone();
    let (before, _) = with_tag(&tenant, &conversation).await;
    for (change, status, said) in [
        (json!({"estado": "CLOSED"}), 400, "unknown field `estado`"),
        (json!({"status": "DONE"}), 400, "status: unknown variant `DONE`"),
        (json!({"labels": ["x", "x"]}), 400, "labels[1]: is named twice"),
        (json!({"labels": (0..11).map(|n| n.to_string()).collect::<Vec<_>>()}), 400, "labels: must name at most 10"),
        (json!({"labels": ["y".repeat(31)]}), 400, "labels[0]: a label has 1 to 30 characters"),
        (json!({"labels": [" y"]}), 400, "labels[0]: a label has 1 to 30 characters"),
        (json!({"activeJobId": ""}), 400, "activeJobId: not a valid job id"),
        (json!({"snoozedUntil": "mañana"}), 400, "snoozedUntil:"),
        (json!({"status": "CLOSED", "assignedToId": stranger}), 404, "There is no such agent"),
        (json!({"status": "CLOSED", "assignedToId": viewer}), 404, "There is no such agent"),
        (json!({"status": "CLOSED", "customerId": customer}), 404, "There is no such customer"),
        (json!({"status": "CLOSED", "read": {"upTo": message}}), 404, "There is no such message in this conversation"),
    ] {
        let answer = tenant.stack.patch(&tenant.agent, &path(&conversation), &change).await;
        let (was, message) = told(&answer);
        assert!(was == status && message.contains(said), "{change}: expected {status} {said}: {}", answer.body);
    }
    for (token, id, status) in [(&tenant.viewer, &conversation, 403), (&tenant.agent, &foreign, 404)] {
        assert_eq!(tenant.stack.patch(token, &path(id), &json!({"status": "SPAM"})).await.status, status);
    }
    assert_eq!(with_tag(&tenant, &conversation).await.0, before, "something came of a refused change");
}

#[tokio::test]
async fn each_thing_that_a_person_changes_is_an_activity_and_reading_is_none() {
    let lab = Lab::new().await;
    let conversation = lab.conversation().await;
    let tenant = lab.tenant().await;
    let mut change = ConversationChange {
        status: Some(ConversationStatus::Closed),
        assigned_to_id: Some(Some(lab.occupant().user.clone())),
        labels: Some(vec![Label::parse("vip").unwrap()]),
        read_up_to: Some(Some(first_message(&lab))),
        ..ConversationChange::default()
    };
    changed(&lab, &tenant, conversation.id, &change, None).await;
    // At the very same time, the other way round.
    change = ConversationChange {
        status: Some(ConversationStatus::Open),
        read_up_to: Some(None),
        ..ConversationChange::default()
    };
    let after = changed(&lab, &tenant, conversation.id, &change, Some(1)).await;
    assert_eq!((after.edits, after.unread_count), (2, 1));
    let activities: Vec<Value> =
        lab.everything().await.into_iter().filter(|item| item["entity"] == "activity").collect();
    let summaries: BTreeSet<&str> = activities.iter().map(|item| item["summary"].as_str().unwrap()).collect();
    let expected =
        ["started", "closed", "assigned", "labelled", "opened"].map(|what| format!("WhatsApp conversation {what}"));
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    assert_eq!(summaries, expected, "{activities:#?}");
    let by_person = activities.iter().filter(|item| item["byId"] == lab.occupant().user.as_str()).count();
    assert_eq!((activities.len(), by_person), (5, 4), "each once, and by whom: {activities:#?}");
}

#[tokio::test]
async fn of_two_people_who_change_the_same_version_one_does_and_the_other_is_told() {
    let lab = Lab::new().await;
    let conversation = lab.conversation().await;
    let tenant = lab.tenant().await;
    let user = &lab.occupant().user;
    for round in 0..6 {
        let version = tenant.conversation(conversation.id).await.unwrap().unwrap().edits;
        let label = |name: &str| ConversationChange {
            labels: Some(vec![Label::parse(format!("{name}-{round}")).unwrap()]),
            ..ConversationChange::default()
        };
        let (ana, beto) = (label("ana"), label("beto"));
        let change = async |change| {
            tenant.change_conversation(conversation.id, change, Some(version), user, lab.now()).await.unwrap()
        };
        let ends = join(change(&ana), change(&beto)).await;
        let done = |end: &ChangedConversation| matches!(end, ChangedConversation::Done(_));
        let is_one = done(&ends.0) != done(&ends.1);
        let is_told = [&ends.0, &ends.1].iter().any(|end| matches!(end, ChangedConversation::Stale));
        assert!(is_one && is_told, "one of the two was to be made, the other one refused: {ends:?}");
    }
    // Of those who name no version, both are made if they are about different things.
    let close = ConversationChange { status: Some(ConversationStatus::Closed), ..ConversationChange::default() };
    let assign = ConversationChange { assigned_to_id: Some(Some(user.clone())), ..ConversationChange::default() };
    join(changed(&lab, &tenant, conversation.id, &close, None), changed(&lab, &tenant, conversation.id, &assign, None))
        .await;
    let after = tenant.conversation(conversation.id).await.unwrap().unwrap();
    assert_eq!((after.status, after.assigned_to_id.as_ref()), (ConversationStatus::Closed, Some(user)));
}

#[tokio::test]
async fn a_message_that_arrives_while_somebody_changes_its_conversation_hinders_neither() {
    let lab = Lab::new().await;
    let conversation = lab.conversation().await;
    let tenant = lab.tenant().await;
    for round in 1..=8 {
        let known = tenant.conversation(conversation.id).await.unwrap().unwrap();
        let close = ConversationChange {
            status: Some(if known.status == ConversationStatus::Closed {
                ConversationStatus::Archived
            } else {
                ConversationStatus::Closed
            }),
            labels: Some(vec![Label::parse(format!("ronda {round}")).unwrap()]),
            ..ConversationChange::default()
        };
        lab.pass(SignedDuration::from_secs(1));
        let texts = [lab.text(&phone(LUCIA), &format!("wamid.{round}"), 0, "¿hola?")];
        let version = Some(known.edits);
        join(lab.deliver(&texts), changed(&lab, &tenant, conversation.id, &close, version)).await;
        let after = tenant.conversation(conversation.id).await.unwrap().unwrap();
        assert_eq!((after.edits, after.unread_count), (known.edits + 1, round + 1), "round {round}");
        assert_eq!(after.labels, close.labels.unwrap(), "round {round}: the change was made");
        // Whichever came last; and either way it is found among what is unread.
        assert!(after.status == close.status.unwrap() || after.status == ConversationStatus::Open, "{after:?}");
        let unread = tenant.unread(|_| true, 10, None).await.unwrap().items;
        assert_eq!(unread.len(), 1, "round {round}: what nobody has read is found");
    }
}
