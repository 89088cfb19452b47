//! What people do with the inbox: reading, answering for, putting away, and finding again.

use crate::identities;
use crate::world::{Tenant, eventually, now};
use futures_util::future::{join, join_all};
use jiff::SignedDuration;
use recado_domain::ids::{ConversationId, MessageId, Wamid};
use recado_domain::label::Label;
use recado_domain::search::Term;
use recado_store::{
    ChangedConversation, Conversation, ConversationChange, ConversationStatus, Listing, MOST_COUNTED, TenantStore,
};
use recado_testkit::stack::{Answer, http, send};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use stories::lab::{Lab, phone, phone_and_bsuid};

const LUCIA: &str = "5491155551234";
const SECOND: SignedDuration = SignedDuration::from_secs(1);

fn path(conversation: &Value) -> String {
    format!("/conversations/{}", conversation["id"].as_str().unwrap())
}

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["error"]["message"].as_str().unwrap_or_default())
}

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

/// The ids of a list, in its order.
async fn listed(tenant: &Tenant, query: &str) -> Vec<Value> {
    let answer = tenant.stack.get(&tenant.agent, &format!("/conversations{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    answer.body["items"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect()
}

/// A customer's webhook, and their conversation once it shows that.
async fn written(tenant: &Tenant, from: &str, wamid: &str, time: i64) -> Value {
    let body = tenant.text_webhook(from, wamid, time, wamid);
    assert_eq!(tenant.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
    eventually(&format!("a conversation that shows {wamid}"), async || {
        let inbox = tenant.conversations().await;
        inbox.iter().find(|one| one["lastMessagePreview"] == wamid).cloned().ok_or(format!("{} others", inbox.len()))
    })
    .await
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
        lab.pass(SECOND);
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

#[tokio::test]
async fn a_message_that_arrives_while_somebody_reads_stays_unread() {
    for round in 0..6 {
        let lab = Lab::new().await;
        let texts: Vec<_> = (0..3).map(|n| lab.text(&phone(LUCIA), &format!("wamid.old{n}"), 9 - n, "hola")).collect();
        lab.deliver(&texts).await;
        let tenant = lab.tenant().await;
        let seen = message(&lab, "wamid.old2");
        lab.pass(SECOND);
        let new: Vec<_> = (0..4).map(|n| lab.text(&phone(LUCIA), &format!("wamid.new{n}"), 0, "¿y?")).collect();
        let arriving = join_all(new.iter().map(|text| lab.deliver(std::slice::from_ref(text))));
        let reading = async {
            // Somewhere among them.
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            tenant.read_up_to(seen, None, lab.now()).await.unwrap().unwrap();
        };
        join(arriving, reading).await;
        let after = lab.inbox().await.remove(0);
        assert_eq!(after.unread_count, 4, "round {round}: what arrived is unread, and nothing else");
        // Up to the second of them, as somebody does who has the older page.
        let page = tenant.messages(after.id, 10, None).await.unwrap().items;
        let upto = tenant.read_up_to(page[2].id, None, lab.now()).await.unwrap().unwrap();
        assert_eq!((upto.unread_count, upto.first_unread), (2, Some(page[1].order)), "round {round}");
        let older = tenant.read_up_to(page[5].id, None, lab.now()).await.unwrap().unwrap();
        assert_eq!(older.unread_count, 2, "round {round}: reading makes nothing unread");
        let all = tenant.read_up_to(page[0].id, None, lab.now()).await.unwrap().unwrap();
        assert_eq!((all.unread_count, all.first_unread), (0, None), "round {round}");
        assert_eq!(tenant.unread_count().await.unwrap(), (0, false), "round {round}: it left the index");
    }
}

#[tokio::test]
async fn what_arrives_while_everything_is_marked_as_read_stays_unread_however_long_that_takes() {
    let lab = Lab::new().await;
    let who = |number: usize| phone(&format!("549115555{number:04}"));
    let first: Vec<_> = (0..60).map(|n| lab.text(&who(n), &format!("wamid.a{n}"), 0, "hola")).collect();
    for texts in first.chunks(10) {
        lab.deliver(texts).await;
    }
    let tenant = lab.tenant().await;
    assert_eq!(tenant.unread_count().await.unwrap(), (60, false));
    let until = lab.now();
    lab.pass(SECOND);
    // Written before that, and received after it.
    let late = lab.text(&who(3), "wamid.late", 1, "tarde");
    let new: Vec<_> = [7, 55].map(|n| lab.text(&who(n), &format!("wamid.b{n}"), 0, "¿y?")).into();
    let arriving = async {
        for text in new.iter().chain([&late]) {
            lab.deliver(std::slice::from_ref(text)).await;
        }
    };
    let reading = async {
        let (mut read, mut after) = (0, None);
        loop {
            let page = tenant.read_all(until, after.as_deref(), lab.now()).await.unwrap();
            read += page.read;
            after = page.next;
            if after.is_none() {
                break read;
            }
        }
    };
    let (_, read) = join(arriving, reading).await;
    assert_eq!(read, 60, "each conversation once");
    let left = unread(&tenant).await;
    let who_waits: BTreeSet<_> = left
        .iter()
        .map(|one| (one.contact.wa_id.as_ref().unwrap().as_str()[9..].to_owned(), one.unread_count))
        .collect();
    let expected = ["0003", "0007", "0055"].map(|number| (number.to_owned(), 1));
    assert_eq!(who_waits, BTreeSet::from(expected), "what was received later is unread, and nothing else");
    // Again, for the same time: nothing.
    assert_eq!(tenant.read_all(until, None, lab.now()).await.unwrap().read, 0);
    assert_eq!(tenant.unread_count().await.unwrap(), (3, false));
}

#[tokio::test]
async fn what_is_unread_is_listed_by_who_has_waited_longest_counted_up_to_a_limit_and_spam_is_not() {
    let lab = Lab::new().await;
    let who = |number: usize| phone(&format!("549115555{number:04}"));
    let texts: Vec<_> = (0..=MOST_COUNTED)
        .map(|n| lab.text(&who(n), &format!("wamid.{n}"), 500 - i64::try_from(n).unwrap(), "hola"))
        .collect();
    for texts in texts.chunks(10) {
        lab.deliver(texts).await;
    }
    let tenant = lab.tenant().await;
    assert_eq!(tenant.unread_count().await.unwrap(), (MOST_COUNTED, true), "as many as are counted, and more");
    // Another message does not change whose turn it is.
    lab.deliver(&[lab.text(&who(0), "wamid.again", 0, "¿hola?")]).await;
    let all = unread(&tenant).await;
    let waits: Vec<_> =
        all.iter().map(|one| one.contact.wa_id.as_ref().unwrap().as_str()[9..].parse::<usize>().unwrap()).collect();
    assert_eq!(waits, (0..=MOST_COUNTED).collect::<Vec<_>>(), "whoever has waited longest first, each once");

    let spam = ConversationChange { status: Some(ConversationStatus::Spam), ..ConversationChange::default() };
    changed(&lab, &tenant, all[0].id, &spam, None).await;
    assert_eq!(tenant.unread_count().await.unwrap(), (MOST_COUNTED, false), "spam is not counted");
    lab.deliver(&[lab.text(&who(0), "wamid.spam", -1, "¡gane!")]).await;
    assert_eq!(tenant.unread_count().await.unwrap(), (MOST_COUNTED, false), "nor what else they write");
    let back = ConversationChange { status: Some(ConversationStatus::Open), ..ConversationChange::default() };
    let back = changed(&lab, &tenant, all[0].id, &back, None).await;
    assert_eq!((back.unread_count, back.first_unread), (3, all[0].first_unread), "what was unread still is");
    assert_eq!(unread(&tenant).await[0].id, all[0].id, "and waits where it did");
}

#[tokio::test]
async fn two_conversations_that_turn_out_to_be_one_are_unread_together_and_read_together() {
    let lab = Lab::new().await;
    let id = phone_and_bsuid(LUCIA, "AR.1");
    let bsuid = recado_domain::contact::Identities { wa_id: None, ..id.clone() };
    lab.deliver(&[lab.text(&phone(LUCIA), "wamid.phone", 20, "hola")]).await;
    lab.deliver(&[lab.text(&bsuid, "wamid.bsuid", 10, "soy yo")]).await;
    lab.deliver(&[lab.text(&id, "wamid.both", 0, "la misma")]).await;
    let tenant = lab.tenant().await;
    let all = unread(&tenant).await;
    let first = lab.message(message(&lab, "wamid.phone")).await;
    assert_eq!((all.len(), all[0].unread_count, all[0].first_unread), (1, 3, Some(first.order)), "one, with all three");
    // Up to a message that lies where the other one was.
    let read = tenant.read_up_to(message(&lab, "wamid.bsuid"), None, lab.now()).await.unwrap().unwrap();
    let last = lab.message(message(&lab, "wamid.both")).await;
    assert_eq!((read.id, read.unread_count, read.first_unread), (all[0].id, 1, Some(last.order)));
}

#[tokio::test]
async fn the_inbox_is_filtered_by_what_people_look_for() {
    let tenant = Tenant::with_statuses(json!([])).await;
    let agent = tenant.stack.get(&tenant.agent, "/me").await.body["id"].clone();
    let mut all = Vec::new();
    for (number, age) in [(0, 60), (1, 50), (2, 40), (3, 30), (4, 20), (5, 25 * 3600)] {
        all.push(written(&tenant, &format!("549115555000{number}"), &format!("hola {number}"), now() - age).await);
    }
    let id = |place: usize| all[place]["id"].clone();
    for (place, change) in [
        (1, json!({"status": "CLOSED"})),
        (2, json!({"status": "ARCHIVED"})),
        (3, json!({"status": "SPAM"})),
        (4, json!({"assignedToId": agent})),
    ] {
        let answer = tenant.stack.patch(&tenant.agent, &path(&all[place]), &change).await;
        assert_eq!(answer.status, 200, "{change}: {}", answer.body);
    }
    let last = tenant.messages(&all[4]).await[0]["id"].as_str().unwrap().to_owned();
    let read = tenant.stack.post(&tenant.agent, &format!("/messages/{last}/read"), &json!({})).await;
    assert_eq!((read.status, &read.body["id"], &read.body["isUnread"]), (200, &id(4), &json!(false)), "{}", read.body);
    let agent = agent.as_str().unwrap();
    for (query, expected) in [
        ("".to_owned(), vec![4, 0, 5]),
        ("?filter=open".to_owned(), vec![4, 0, 5]),
        ("?filter=all".to_owned(), vec![4, 1, 0, 5]),
        ("?filter=closed".to_owned(), vec![1]),
        ("?filter=archived".to_owned(), vec![2]),
        ("?status=SPAM".to_owned(), vec![3]),
        ("?filter=window".to_owned(), vec![4, 1, 0]),
        ("?filter=window&status=CLOSED".to_owned(), vec![1]),
        ("?filter=mine".to_owned(), vec![4]),
        ("?filter=mine&status=CLOSED".to_owned(), vec![]),
        (format!("?assignedTo={agent}"), vec![4]),
        ("?filter=unread".to_owned(), vec![5, 0, 1, 2]),
        ("?filter=unread&status=OPEN".to_owned(), vec![5, 0]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(id).collect();
        assert_eq!(listed(&tenant, &query).await, expected, "GET /conversations{query}");
        // The same, page by page.
        let (mut found, mut pages) = (Vec::new(), 0);
        let mut page = format!("/conversations{query}{}limit=1", if query.is_empty() { '?' } else { '&' });
        let begin = page.clone();
        loop {
            let answer = tenant.stack.get(&tenant.agent, &page).await;
            found.extend(answer.body["items"].as_array().unwrap().iter().map(|one| one["id"].clone()));
            pages += 1;
            let Some(next) = answer.body["nextCursor"].as_str() else { break };
            page = format!("{begin}&cursor={next}");
            assert!(pages < 20, "{query} does not end");
            let elsewhere =
                tenant.stack.get(&tenant.agent, &format!("/conversations?filter=closed&cursor={next}")).await;
            let is_own = query == "?filter=closed";
            assert!(is_own || elsewhere.status == 400, "a cursor of {query} is good for another list");
        }
        assert_eq!(found, expected, "GET /conversations{query}, one at a time");
    }
    for (query, said) in [
        ("?filter=all&status=OPEN", "status: cannot be combined with this filter"),
        ("?filter=mine&assignedTo=x", "assignedTo: cannot be combined with this filter"),
        ("?filter=todas", "filter: unknown variant `todas`"),
    ] {
        let answer = tenant.stack.get(&tenant.agent, &format!("/conversations{query}")).await;
        let (status, message) = told(&answer);
        assert!(status == 400 && message.starts_with(said), "{query}: expected {said}: {}", answer.body);
    }

    // The bell, and that everything was read.
    let bell = async || tenant.stack.get(&tenant.viewer, "/unread-count").await.body;
    assert_eq!(bell().await, json!({"count": 4, "isCapped": false}));
    assert_eq!(
        tenant.stack.post(&tenant.viewer, "/read-all", &json!({})).await.status,
        403,
        "a viewer reads nothing off"
    );
    let read = tenant.stack.post(&tenant.agent, "/read-all", &json!({})).await;
    assert_eq!((read.status, &read.body["read"], &read.body["nextCursor"]), (200, &json!(4), &json!(null)));
    assert_eq!(bell().await, json!({"count": 0, "isCapped": false}));
    // Somebody wants to come back to it.
    let again = tenant.stack.patch(&tenant.agent, &path(&all[0]), &json!({"read": null})).await;
    assert_eq!((again.status, &again.body["unreadCount"]), (200, &json!(1)), "{}", again.body);
    assert_eq!(listed(&tenant, "?filter=unread").await, [id(0)]);
}

#[tokio::test]
async fn a_page_takes_as_many_calls_and_a_cursor_goes_as_far_with_ten_conversations_as_with_a_hundred() {
    let mut counted = Vec::new();
    for many in [10, 100] {
        let (lab, proxy) = Lab::behind_proxy().await;
        let texts: Vec<_> = (0..many)
            .map(|n| lab.text(&phone(&format!("549115555{n:04}")), &format!("wamid.{n}"), many - n, "hola"))
            .collect();
        for texts in texts.chunks(10) {
            lab.deliver(texts).await;
        }
        let tenant = lab.tenant().await;
        let calls = || {
            let calls = proxy.calls();
            calls.iter().map(|(call, calls)| (call.clone(), calls.made)).collect::<Vec<_>>()
        };
        let mut made = Vec::new();
        let listing = Listing {
            statuses: vec![ConversationStatus::Open, ConversationStatus::Closed],
            window_open_at: Some(lab.now()),
            assigned_to: None,
        };
        for what in ["a page", "a filtered page", "unread ones", "found ones", "their number"] {
            let before: u64 = calls().iter().map(|(_, made)| made).sum();
            match what {
                "a page" => assert_eq!(tenant.inbox(ConversationStatus::Open, 5, None).await.unwrap().items.len(), 5),
                "a filtered page" => assert_eq!(tenant.conversations(&listing, 5, None).await.unwrap().items.len(), 5),
                "unread ones" => assert_eq!(tenant.unread(|_| true, 5, None).await.unwrap().items.len(), 5),
                "found ones" => {
                    let term = Term::parse("5550").unwrap();
                    assert_eq!(tenant.search(&term, |_| true, 5, None).await.unwrap().items.len(), 5);
                }
                _ => drop(tenant.unread_count().await.unwrap()),
            }
            made.push((what, calls().iter().map(|(_, made)| made).sum::<u64>() - before));
        }
        counted.push(made);
    }
    assert_eq!(counted[0], counted[1], "calls with 10 conversations, and with 100");
    assert_eq!(
        counted[0],
        [("a page", 1), ("a filtered page", 2), ("unread ones", 2), ("found ones", 4), ("their number", 1)]
    );
}

#[tokio::test]
async fn somebody_is_found_by_any_word_of_their_name_and_any_part_of_their_phone() {
    let tenant = Tenant::with_statuses(json!([])).await;
    let other = Tenant::with_statuses(json!([])).await;
    let named = async |tenant: &Tenant, from: &str, wamid: &str, name: &str| {
        let mut body = tenant.text_webhook(from, wamid, now(), wamid);
        body["entry"][0]["changes"][0]["value"]["contacts"][0]["profile"]["name"] = json!(name);
        assert_eq!(tenant.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
        eventually(&format!("a conversation that shows {wamid}"), async || {
            let inbox = tenant.conversations().await;
            inbox.iter().find(|one| one["lastMessagePreview"] == wamid).cloned().ok_or(format!("{}", inbox.len()))
        })
        .await
    };
    let lucia = named(&tenant, "5491155551234", "l1", "Lucía Núñez").await["id"].clone();
    let mario = named(&tenant, "5493514445555", "m1", "Mario Lucero").await["id"].clone();
    named(&other, "5491155551234", "o1", "Lucía Ajena").await;
    let found = async |search: &str| {
        let mut found = listed(&tenant, &format!("?search={search}")).await;
        found.sort_by_key(|id| usize::from(*id != lucia));
        found
    };
    let (both, nobody) = (vec![lucia.clone(), mario.clone()], Vec::<Value>::new());
    let (her, him) = (vec![lucia.clone()], vec![mario.clone()]);
    for (search, expected) in [
        ("luc", &both),
        ("LUCI", &her),
        ("luc%C3%ADa%20nu", &her),
        ("nunez", &her),
        ("N%C3%BA%C3%B1", &her),
        ("lucero", &him),
        ("mario%20l", &him),
        ("ucia", &nobody),
        ("marta", &nobody),
        ("1155", &her),
        ("555", &both),
        ("%2B54%209%2011%205555", &her),
        ("011%205555-1234", &her),
        ("445", &him),
        ("0351", &him),
        ("549", &nobody),
        ("12345", &nobody),
    ] {
        assert_eq!(&found(search).await, expected, "?search={search}");
    }
    // One by one, each once, although both have several fives.
    let (mut pages, mut path) = (Vec::new(), "/conversations?search=555&limit=1".to_owned());
    for _ in 0..20 {
        let page = tenant.stack.get(&tenant.viewer, &path).await.body;
        pages.extend(page["items"].as_array().unwrap().iter().map(|one| one["id"].clone()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        path = format!("/conversations?search=555&limit=1&cursor={next}");
        let elsewhere = tenant.stack.get(&tenant.viewer, &format!("/conversations?search=445&cursor={next}")).await;
        assert_eq!(elsewhere.status, 400, "a cursor is good for its own search only");
    }
    pages.sort_by_key(|id| usize::from(*id != lucia));
    assert_eq!(pages, both, "page by page");

    // She marries, and is put away.
    named(&tenant, "5491155551234", "l2", "Lucía Paz").await;
    assert_eq!((found("paz").await, found("nunez").await), (her.clone(), nobody.clone()), "as she is called now");
    let path = format!("/conversations/{}", lucia.as_str().unwrap());
    for (status, expected) in [("CLOSED", &her), ("ARCHIVED", &her), ("SPAM", &nobody)] {
        assert_eq!(tenant.stack.patch(&tenant.agent, &path, &json!({"status": status})).await.status, 200);
        assert_eq!(&found("paz").await, expected, "{status}");
        assert_eq!(found(&format!("paz&status={status}")).await, her, "{status}, when asked for it");
        assert_eq!(found("paz&filter=open").await, nobody, "{status}");
    }
    for search in ["l", "12", "%20", "1-2"] {
        let answer = tenant.stack.get(&tenant.agent, &format!("/conversations?search={search}")).await;
        assert_eq!(told(&answer), (400, "search: must have at least 2 letters of a name, or 3 digits of a phone"));
    }
}

#[tokio::test]
async fn whoever_changes_their_number_or_turns_out_to_be_one_is_found_by_what_is_shown_now() {
    let lab = Lab::new().await;
    lab.deliver(&[identities::written(&lab, &identities::old(), "wamid.a", 0)]).await;
    let tenant = lab.tenant().await;
    let old = identities::old().wa_id.unwrap().as_str()[3..].to_owned();
    let new = identities::new().wa_id.unwrap().as_str()[3..].to_owned();
    let found = async |typed: &str| -> Vec<ConversationId> {
        let page = tenant.search(&Term::parse(typed).unwrap(), |_| true, 100, None).await.unwrap();
        page.items.into_iter().map(|one| one.id).collect()
    };
    let conversation = lab.inbox().await.remove(0).id;
    assert_eq!((found(&old).await, found(&new).await), (vec![conversation], vec![]));
    lab.deliver(&[identities::moves(&lab, 10)]).await;
    assert_eq!(
        (found(&old).await, found(&new).await),
        (vec![], vec![conversation]),
        "by the number that they have now"
    );
    assert_eq!(found(&new[4..]).await, [conversation], "and by a part of it");

    let lab = Lab::new().await;
    let tenant = lab.tenant().await;
    let id = phone_and_bsuid(LUCIA, "AR.1");
    let bsuid = recado_domain::contact::Identities { wa_id: None, ..id.clone() };
    lab.deliver(&[lab.text(&bsuid, "wamid.bsuid", 20, "hola")]).await;
    lab.deliver(&[lab.text(&phone(LUCIA), "wamid.phone", 10, "soy yo")]).await;
    lab.deliver(&[lab.text(&id, "wamid.both", 0, "la misma")]).await;
    let one = lab.inbox().await;
    let page = tenant.search(&Term::parse("5555-1234").unwrap(), |_| true, 100, None).await.unwrap();
    let found: Vec<_> = page.items.into_iter().map(|found| found.id).collect();
    assert_eq!((one.len(), found), (1, vec![one[0].id]), "what was found before is found where it goes on");
}

#[tokio::test]
async fn what_was_written_with_somebody_is_found_by_contact_and_by_phone_in_any_spelling() {
    let tenant = Tenant::with_statuses(json!([])).await;
    for number in 0..5 {
        written(&tenant, LUCIA, &format!("hola {number}"), now() - 50 + number).await;
    }
    let conversation = tenant.conversation().await;
    let reply = tenant.reply(&conversation, "r", "a las 18").await;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let contact = conversation["contact"]["id"].as_str().unwrap();
    let texts = async |query: &str| {
        let answer = tenant.stack.get(&tenant.viewer, &format!("/messages?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        let items = answer.body["items"].as_array().unwrap();
        let texts: Vec<_> = items.iter().map(|one| one["content"]["text"].as_str().unwrap().to_owned()).collect();
        (texts, answer.body["nextCursor"].as_str().map(str::to_owned))
    };
    let all = ["a las 18", "hola 4", "hola 3", "hola 2", "hola 1", "hola 0"];
    for who in [
        format!("contactId={contact}"),
        format!("phoneNumber={LUCIA}"),
        "phoneNumber=%2B54%209%2011%205555-1234".to_owned(),
        "phoneNumber=011%2015%205555-1234".to_owned(),
        "phoneNumber=5555-1234".to_owned(),
    ] {
        assert_eq!(texts(&who).await.0, all, "{who}");
        assert_eq!(texts(&format!("{who}&limit=2&offset=3")).await.0, ["hola 2", "hola 1"], "{who}");
    }
    let who = format!("contactId={contact}");
    let (first, next) = texts(&format!("{who}&limit=4")).await;
    let (rest, _) = texts(&format!("{who}&limit=4&cursor={}", next.unwrap())).await;
    assert_eq!([first, rest].concat(), all, "page by page");
    assert_eq!(texts(&format!("{who}&offset=6")).await.0, [""; 0], "nothing is left");
    assert_eq!(texts("phoneNumber=11%204444-0000").await.0, [""; 0], "nobody ever wrote from there");
    let stranger = Tenant::with_statuses(json!([])).await;
    for (token, query, status) in [
        (&tenant.agent, "".to_owned(), 400),
        (&tenant.agent, format!("?{who}&phoneNumber={LUCIA}"), 400),
        (&tenant.agent, format!("?{who}&offset=501"), 400),
        (&tenant.agent, "?phoneNumber=12".to_owned(), 400),
        (&stranger.agent, format!("?{who}"), 404),
    ] {
        assert_eq!(tenant.stack.get(token, &format!("/messages{query}")).await.status, status, "{query}");
    }

    let id = reply.body["id"].as_str().unwrap();
    let status = tenant.message_with_status(&conversation, &reply.body["id"], "SENT").await;
    let told = tenant.stack.get(&tenant.viewer, &format!("/messages/{id}/status")).await;
    assert_eq!((told.status, &told.body["id"], &told.body["status"]), (200, &status["id"], &json!("SENT")));
    assert_eq!(told.body["statusHistory"][0]["status"], "PENDING", "{}", told.body);
    assert_eq!(stranger.stack.get(&stranger.agent, &format!("/messages/{id}/status")).await.status, 404);
}

#[tokio::test]
async fn a_conversations_files_are_shown_together_newest_first() {
    let tenant = Tenant::with_statuses(json!([])).await;
    for (place, name) in ["uno", "dos", "tres"].into_iter().enumerate() {
        let mut body = tenant.text_webhook(LUCIA, &format!("wamid.{name}"), now() - 30 + place as i64, "");
        let document =
            json!({"id": format!("90{place}"), "mime_type": "application/pdf", "filename": format!("{name}.pdf")});
        body["entry"][0]["changes"][0]["value"]["messages"][0] = json!({"from": LUCIA, "id": format!("wamid.{name}"),
            "timestamp": (now() - 30 + place as i64).to_string(), "type": "document", "document": document});
        assert_eq!(tenant.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
    }
    let conversation = tenant.conversation().await;
    written(&tenant, LUCIA, "y un texto", now()).await;
    let gallery = format!("{}/media", path(&conversation));
    let names = async |query: &str| {
        let answer = tenant.stack.get(&tenant.viewer, &format!("{gallery}{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let items = answer.body["items"].as_array().unwrap();
        let names: Vec<_> = items.iter().map(|one| one["media"]["filename"].as_str().unwrap().to_owned()).collect();
        (names, answer.body["nextCursor"].as_str().map(str::to_owned))
    };
    eventually("three files", async || {
        let (names, _) = names("").await;
        if names == ["tres.pdf", "dos.pdf", "uno.pdf"] { Ok(()) } else { Err(format!("{names:?}")) }
    })
    .await;
    let (first, next) = names("?limit=2").await;
    assert_eq!([first, names(&format!("?limit=2&cursor={}", next.unwrap())).await.0].concat().len(), 3);
    let other = Tenant::with_statuses(json!([])).await;
    assert_eq!(other.stack.get(&other.agent, &gallery).await.status, 404);
}

fn message(lab: &Lab, wamid: &str) -> MessageId {
    MessageId::of_wamid(&lab.number, &Wamid::parse(wamid).unwrap())
}

fn first_message(lab: &Lab) -> MessageId {
    message(lab, "wamid.first")
}

/// The conversation after a change that must be made.
async fn changed(
    lab: &Lab,
    tenant: &TenantStore,
    id: ConversationId,
    change: &ConversationChange,
    version: Option<u64>,
) -> Conversation {
    let user = &lab.occupant().user;
    match tenant.change_conversation(id, change, version, user, lab.now()).await.unwrap() {
        ChangedConversation::Done(conversation) => *conversation,
        other => panic!("expected the change to be made: {other:?}"),
    }
}

/// Everything that is unread, page by page.
async fn unread(tenant: &TenantStore) -> Vec<Conversation> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = tenant.unread(|_| true, 7, after.as_deref()).await.unwrap();
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break all;
        }
    }
}
