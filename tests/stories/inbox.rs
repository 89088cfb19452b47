//! The lists that people look at: conversations, what was written with somebody, files.

use crate::world::{Tenant, eventually, now};
use recado_domain::ids::{ConversationId, MessageId, Wamid};
use recado_domain::search::Term;
use recado_store::{ChangedConversation, Conversation, ConversationChange, ConversationStatus, Listing, TenantStore};
use recado_testkit::stack::Answer;
use serde_json::{Value, json};
use stories::lab::{Lab, phone};

pub(crate) const LUCIA: &str = "5491155551234";

pub(crate) fn path(conversation: &Value) -> String {
    format!("/conversations/{}", conversation["id"].as_str().unwrap())
}

pub(crate) fn told(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["error"]["message"].as_str().unwrap_or_default())
}

/// The ids of a list, in its order.
pub(crate) async fn listed(tenant: &Tenant, query: &str) -> Vec<Value> {
    let answer = tenant.stack.get(&tenant.agent, &format!("/conversations{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    answer.body["items"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect()
}

/// A customer's webhook, and their conversation once it shows that.
pub(crate) async fn written(tenant: &Tenant, from: &str, wamid: &str, time: i64) -> Value {
    let body = tenant.text_webhook(from, wamid, time, wamid);
    assert_eq!(tenant.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
    eventually(&format!("a conversation that shows {wamid}"), async || {
        let inbox = tenant.conversations().await;
        inbox.iter().find(|one| one["lastMessagePreview"] == wamid).cloned().ok_or(format!("{} others", inbox.len()))
    })
    .await
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

pub(crate) fn message(lab: &Lab, wamid: &str) -> MessageId {
    MessageId::of_wamid(&lab.number, &Wamid::parse(wamid).unwrap())
}

/// The conversation after a change that must be made.
pub(crate) async fn changed(
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
