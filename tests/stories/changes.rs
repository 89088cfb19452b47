//! Reactions, edits and deletions reach the message they are about, in whatever order they come.

use futures_util::future::join_all;
use jiff::SignedDuration;
use recado_domain::ids::{MessageId, Wamid};
use recado_domain::window;
use recado_store::{Answer, Claimed, Message};
use recado_whatsapp::envelope::Kind;
use serde_json::{Value, json};
use stories::lab::{Lab, phone};
use stories::proxy::Fault;

const CUSTOMER: &str = "5491155551234";
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// What a customer does to a message, so many seconds after the lab's time.
fn customer(lab: &Lab, wamid: &str, after: i64, what: &Value) -> String {
    let mut message = json!({"id": wamid, "from": CUSTOMER, "timestamp": (lab.now().as_second() + after).to_string()});
    message.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    lab.envelope(&message)
}

/// What the business does on its phone.
fn business(lab: &Lab, wamid: &str, after: i64, what: &Value) -> String {
    let time = (lab.now().as_second() + after).to_string();
    let mut message = json!({"id": wamid, "from": "5491150001234", "to": CUSTOMER, "timestamp": time});
    message.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    lab.item(Kind::Echo, "smb_message_echoes", &message)
}

fn reaction(target: &str, emoji: &str) -> Value {
    json!({"type": "reaction", "reaction": {"message_id": target, "emoji": emoji}})
}

fn edit(target: &str, words: &str) -> Value {
    json!({"type": "edit", "edit": {"original_message_id": target, "message": {"type": "text", "text": {"body": words}}}})
}

fn revoke(target: &str) -> Value {
    json!({"type": "revoke", "revoke": {"original_message_id": target}})
}

fn text(words: &str) -> Value {
    json!({"type": "text", "text": {"body": words}})
}

async fn by_wamid(lab: &Lab, wamid: &str) -> Message {
    lab.message(MessageId::of_wamid(&lab.number, &Wamid::parse(wamid).unwrap())).await
}

fn emoji(message: &Message) -> Option<String> {
    message.customer_reaction.as_ref()?.emoji.as_ref().map(|emoji| emoji.expose().clone())
}

/// All orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let put = |order: Vec<usize>| {
        (0..count).map(move |place| {
            let mut order = order.clone();
            order.insert(place, count - 1);
            order
        })
    };
    orders(count - 1).into_iter().flat_map(put).collect()
}

/// What is left after these came in this order, all of them a second time, whatever waited being looked at.
async fn left_by(order: &[usize], of: impl Fn(&Lab) -> Vec<String>) -> Vec<Value> {
    let lab = Lab::new().await;
    // The customer is known, so that it does not matter which of these is their first.
    lab.deliver(&[lab.text(&phone(CUSTOMER), "wamid.first", 60, "antes")]).await;
    let bodies = of(&lab);
    for place in order.iter().chain(order) {
        lab.deliver(&[bodies[*place].clone()]).await;
    }
    let mut items = lab.everything().await;
    items.retain(|item| ["message", "conversation", "early-change"].contains(&item["entity"].as_str().unwrap()));
    for item in &mut items {
        let item = item.as_object_mut().unwrap();
        // Keys and ids hold the lab's own number and tenant.
        item.retain(|name, _| {
            ![
                "pk",
                "sk",
                "id",
                "conversationId",
                "contactId",
                "phoneNumberId",
                "inboxPk",
                "inboxSk",
                "unreadPk",
                "states",
            ]
            .contains(&name.as_str())
        });
        let of_order = |order: &Value| order.as_str().unwrap()[..31].to_owned();
        for name in ["order", "lastOrder", "unreadSk", "lastEdit"] {
            if let Some(order) = item.get(name).map(of_order) {
                item.insert(name.to_owned(), order.into());
            }
        }
        if let Some(reaction) = item.get_mut("customerReaction") {
            reaction["order"] = of_order(&reaction["order"]).into();
        }
    }
    items.sort_by_key(Value::to_string);
    items
}

#[tokio::test]
async fn a_message_its_reactions_edits_and_deletion_end_alike_in_every_order_and_twice() {
    let of = |lab: &Lab| {
        vec![
            customer(lab, "wamid.m", 0, &text("a las nueve")),
            customer(lab, "wamid.r", 3, &reaction("wamid.m", "👍")),
            customer(lab, "wamid.e1", 1, &edit("wamid.m", "a las diez")),
            customer(lab, "wamid.e2", 2, &edit("wamid.m", "a las once")),
        ]
    };
    let expected = left_by(&[0, 1, 2, 3], of).await;
    let message = expected.iter().find(|item| item["wamid"] == "wamid.m").unwrap();
    assert_eq!(
        (&message["content"]["text"], &message["customerReaction"]["emoji"]),
        (&json!("a las once"), &json!("👍"))
    );
    let ends = join_all(orders(4).into_iter().map(async |order| (left_by(&order, of).await, order))).await;
    for (end, order) in ends {
        assert_eq!(end, expected, "in the order {order:?}");
    }

    let of = |lab: &Lab| {
        vec![
            customer(lab, "wamid.m", 0, &text("un secreto")),
            customer(lab, "wamid.e", 1, &edit("wamid.m", "otro secreto")),
            customer(lab, "wamid.d", 2, &revoke("wamid.m")),
        ]
    };
    let expected = left_by(&[0, 1, 2], of).await;
    assert!(!format!("{expected:?}").contains("secreto"), "something is left: {expected:?}");
    assert!(format!("{expected:?}").contains("Mensaje eliminado"), "{expected:?}");
    let ends = join_all(orders(3).into_iter().map(async |order| (left_by(&order, of).await, order))).await;
    for (end, order) in ends {
        assert_eq!(end, expected, "in the order {order:?}");
    }
}

#[tokio::test]
async fn of_several_reactions_the_last_counts_and_either_form_takes_it_off() {
    let lab = Lab::new().await;
    lab.conversation().await;
    lab.deliver(&[customer(&lab, "wamid.r2", 2, &reaction("wamid.first", "❤️"))]).await;
    lab.deliver(&[customer(&lab, "wamid.r1", 1, &reaction("wamid.first", "👍"))]).await;
    assert_eq!(emoji(&by_wamid(&lab, "wamid.first").await).as_deref(), Some("❤️"), "the later one, which came first");
    let silent = json!({"type": "reaction", "reaction": {"message_id": "wamid.first"}});
    for (place, removal) in [reaction("wamid.first", ""), silent].iter().enumerate() {
        let after = 10 * (i64::try_from(place).unwrap() + 1);
        lab.deliver(&[customer(&lab, &format!("wamid.off{place}"), after, removal)]).await;
        assert_eq!(emoji(&by_wamid(&lab, "wamid.first").await), None, "taken off by {removal}");
        assert_eq!(lab.inbox().await[0].last_preview.expose(), "Reacción quitada");
        lab.deliver(&[customer(&lab, &format!("wamid.on{place}"), after + 5, &reaction("wamid.first", "😊"))]).await;
        assert_eq!(emoji(&by_wamid(&lab, "wamid.first").await).as_deref(), Some("😊"));
    }
}

#[tokio::test]
async fn a_reaction_delivered_again_does_not_overtake_another_of_the_same_second() {
    let lab = Lab::new().await;
    lab.conversation().await;
    let first = |lab: &Lab, after| customer(lab, "wamid.r1", after, &reaction("wamid.first", "👍"));
    lab.deliver(&[first(&lab, 5)]).await;
    lab.pass(SECOND);
    lab.deliver(&[customer(&lab, "wamid.r2", 4, &reaction("wamid.first", "❤️"))]).await;
    lab.pass(SECOND);
    lab.deliver(&[first(&lab, 3)]).await;
    assert_eq!(emoji(&by_wamid(&lab, "wamid.first").await).as_deref(), Some("❤️"));
    assert_eq!(lab.inbox().await[0].last_preview.expose(), "Reacción ❤️");
}

#[tokio::test]
async fn a_reaction_opens_the_window_and_shows_in_the_inbox_but_is_not_unread_and_reopens_nothing() {
    let lab = Lab::new().await;
    let before = lab.conversation().await;
    lab.deliver(&[customer(&lab, "wamid.r", 3600, &reaction("wamid.first", "👍"))]).await;
    let after = lab.inbox().await.remove(0);
    let hour = SignedDuration::from_hours(1);
    assert_eq!((after.unread_count, after.last_preview.expose().as_str()), (1, "Reacción 👍"));
    assert_eq!(after.window_expires_at, Some(lab.now() + hour + window::LENGTH));
    assert!(after.last_order > before.last_order);
    // An older message comes later and changes neither.
    lab.deliver(&[lab.text(&phone(CUSTOMER), "wamid.second", 0, "y otra cosa")]).await;
    let last = lab.inbox().await.remove(0);
    assert_eq!((last.unread_count, last.last_preview.expose().as_str()), (2, "Reacción 👍"));
    assert_eq!(last.window_expires_at, after.window_expires_at);
}

#[tokio::test]
async fn nobody_edits_or_deletes_what_the_other_side_wrote() {
    let lab = Lab::new().await;
    lab.conversation().await;
    lab.deliver(&[business(&lab, "wamid.e", 1, &edit("wamid.first", "falso"))]).await;
    lab.deliver(&[business(&lab, "wamid.d", 2, &revoke("wamid.first"))]).await;
    let message = by_wamid(&lab, "wamid.first").await;
    assert_eq!((message.content.expose(), message.revoked_at), (&json!({"text": "hola"}), None));
    assert_eq!(lab.count("early-change").await, 0, "nothing waits for ever");
}

#[tokio::test]
async fn a_reaction_may_come_before_or_after_the_answer_to_the_send_it_is_about() {
    for early in [true, false] {
        let lab = Lab::new().await;
        let conversation = lab.conversation().await;
        let id = lab.compose(conversation.id, "¿mañana?").await;
        let tenant = lab.tenant().await;
        let (_, entries) = tenant.open_outbox(conversation.id).await.unwrap().unwrap();
        let Claimed::Ours(claim) = tenant.claim(&entries[0], 1, lab.now()).await.unwrap() else { panic!("taken") };
        let reacts = customer(&lab, "wamid.r", 5, &reaction("wamid.out", "👍"));
        if early {
            lab.deliver(std::slice::from_ref(&reacts)).await;
            assert_eq!(lab.count("early-change").await, 1);
        }
        let accepted = Answer::Accepted(Wamid::parse("wamid.out").unwrap());
        tenant.settle(&claim, &accepted, lab.now()).await.unwrap();
        if !early {
            lab.deliver(&[reacts]).await;
        }
        assert_eq!(emoji(&lab.message(id).await).as_deref(), Some("👍"), "early: {early}");
        assert_eq!(lab.count("early-change").await, 0);
    }
}

#[tokio::test]
async fn a_change_whose_worker_vanished_is_found_by_the_sweep() {
    let (lab, proxy) = Lab::behind_proxy().await;
    lab.conversation().await;
    // Taken, but then the worker gets no further, and the queue has lost it too.
    proxy.next("TransactWriteItems", Fault::Slow);
    for _ in 0..8 {
        proxy.next("BatchGetItem", Fault::ErrorBefore);
    }
    let taken = lab.try_to_deliver(&[customer(&lab, "wamid.r", 5, &reaction("wamid.first", "👍"))]).await;
    proxy.calm();
    assert!(!taken, "the worker should have failed half-way");
    assert_eq!((emoji(&by_wamid(&lab, "wamid.first").await), lab.count("early-change").await), (None, 1));
    lab.pass(SignedDuration::from_mins(1));
    for wait in lab.store.due_early(lab.now()).await.unwrap() {
        lab.store.of_early(&wait).revisit_early(wait.message, lab.now()).await.unwrap();
    }
    assert_eq!(emoji(&by_wamid(&lab, "wamid.first").await).as_deref(), Some("👍"));
    assert_eq!(lab.inbox().await[0].last_preview.expose(), "Reacción 👍");
    assert_eq!(lab.count("early-change").await, 0);
}

#[tokio::test]
async fn a_fault_at_any_write_of_a_change_changes_nothing_about_the_end() {
    let faults = [Fault::ErrorBefore, Fault::ErrorAfter, Fault::DroppedBefore, Fault::DroppedAfter, Fault::Throttled];
    for operation in ["TransactWriteItems", "UpdateItem", "DeleteItem", "Query", "GetItem", "BatchGetItem"] {
        let (lab, proxy) = Lab::behind_proxy().await;
        lab.conversation().await;
        for (place, fault) in faults.into_iter().enumerate() {
            let at = i64::try_from(place).unwrap() * 10;
            let wamid = format!("wamid.m{place}");
            let all = [
                customer(&lab, &format!("wamid.r{place}"), at + 2, &reaction(&wamid, "👍")),
                customer(&lab, &wamid, at, &text("uno")),
                customer(&lab, &format!("wamid.e{place}"), at + 1, &edit(&wamid, "dos")),
            ];
            for body in all {
                proxy.next(operation, fault);
                while !lab.try_to_deliver(std::slice::from_ref(&body)).await {}
            }
            proxy.calm();
            let message = by_wamid(&lab, &wamid).await;
            let found = (message.content.expose()["text"].as_str().unwrap(), emoji(&message));
            assert_eq!(found, ("dos", Some("👍".to_owned())), "{operation} {fault:?}");
            assert_eq!(lab.count("early-change").await, 0, "{operation} {fault:?}");
            assert_eq!(lab.inbox().await[0].unread_count, 2 + place as u64, "{operation} {fault:?}");
        }
    }
}

#[tokio::test]
async fn whoever_stores_a_message_applies_what_came_before_it() {
    let lab = Lab::new().await;
    lab.deliver(&[customer(&lab, "wamid.r", 2, &reaction("wamid.m", "👍"))]).await;
    lab.deliver(&[customer(&lab, "wamid.e", 1, &edit("wamid.m", "dos"))]).await;
    assert_eq!(lab.count("early-change").await, 2);
    lab.deliver(&[customer(&lab, "wamid.m", 0, &text("uno"))]).await;
    let message = by_wamid(&lab, "wamid.m").await;
    assert_eq!((emoji(&message).as_deref(), &message.content.expose()["text"]), (Some("👍"), &json!("dos")));
    assert_eq!(lab.count("early-change").await, 0);
}
