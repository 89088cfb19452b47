//! What is unread, and what reading makes of it.

use crate::inbox::{LUCIA, changed, message};
use crate::world::eventually;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::{join, join_all};
use jiff::SignedDuration;
use recado_store::{Conversation, ConversationChange, ConversationStatus, MOST_COUNTED, TenantStore};
use std::collections::{BTreeSet, HashMap};
use stories::lab::{Lab, phone, phone_and_bsuid};
use stories::proxy::{Fault, Proxy};

#[tokio::test]
async fn a_message_that_arrives_while_somebody_reads_stays_unread() {
    for round in 0..6 {
        let lab = Lab::new().await;
        let texts: Vec<_> = (0..3).map(|n| lab.text(&phone(LUCIA), &format!("wamid.old{n}"), 9 - n, "hola")).collect();
        lab.deliver(&texts).await;
        let tenant = lab.tenant().await;
        let seen = message(&lab, "wamid.old2");
        lab.pass(SignedDuration::from_secs(1));
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
    lab.pass(SignedDuration::from_secs(1));
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
async fn what_was_read_is_read_however_much_arrives_while_that_is_counted() {
    let lab = Lab::new().await;
    let texts: Vec<_> = (0..3).map(|n| lab.text(&phone(LUCIA), &format!("wamid.old{n}"), 9 - n, "hola")).collect();
    lab.deliver(&texts).await;
    let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
    let reader = lab.tenant_through(&proxy).await;
    lab.pass(SignedDuration::from_secs(1));
    let new: Vec<_> = (0..4).map(|n| lab.text(&phone(LUCIA), &format!("wamid.new{n}"), 0, "¿y?")).collect();
    // They arrive when the conversation is known, and what is left of it is not yet.
    proxy.next("Query", Fault::Held);
    let held = || proxy.calls().get("Query").is_some_and(|calls| calls.faults.contains_key(&Fault::Held));
    let arriving = async {
        let is_held = async || if held() { Ok(()) } else { Err(format!("{:?}", proxy.calls())) };
        eventually("somebody who reads", is_held).await;
        lab.deliver(&new).await;
    };
    let (read, ()) = join(reader.read_up_to(message(&lab, "wamid.old1"), None, lab.now()), arriving).await;
    let first = lab.message(message(&lab, "wamid.old2")).await.order;
    let read = read.unwrap().unwrap();
    assert_eq!((read.unread_count, read.first_unread), (5, Some(first)), "the two that were read still count");
    assert_eq!(lab.inbox().await[0].unread_count, 5);
}

#[tokio::test]
async fn a_conversation_that_nobody_read_for_long_is_read_with_everything_else() {
    let lab = Lab::new().await;
    let day = 24 * 3600;
    lab.deliver(&[lab.text(&phone(LUCIA), "wamid.first", 20 * day, "hola")]).await;
    lab.deliver(&[lab.text(&phone(LUCIA), "wamid.last", 1, "¿hay alguien?")]).await;
    // In between, more than is looked at to find out what is unread.
    let first = message(&lab, "wamid.first").to_string();
    let is_first = |item: &HashMap<String, AttributeValue>| {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str);
        text("entity") == Some("message") && text("id") == Some(&first)
    };
    let template = lab.raw_items().await.into_iter().find(is_first).unwrap();
    let order = template["order"].as_s().unwrap().clone();
    let begin = lab.now().as_second() - 19 * day;
    let others = (0..2_100).map(|place| {
        let order =
            order.replacen(&format!("{:010}", lab.now().as_second() - 20 * day), &format!("{:010}", begin + place), 1);
        let sort = AttributeValue::S(format!("MESSAGE#{order}"));
        let mut item = template.clone();
        item.extend([("sk".to_owned(), sort), ("order".to_owned(), AttributeValue::S(order))]);
        item
    });
    let others: Vec<_> = others.collect();
    for some in others.chunks(100) {
        join_all(some.iter().map(|item| lab.put_raw(item.clone()))).await;
    }
    let tenant = lab.tenant().await;
    lab.pass(SignedDuration::from_secs(1));
    let until = lab.now();
    lab.pass(SignedDuration::from_secs(1));
    lab.deliver(&[lab.text(&phone(LUCIA), "wamid.new", 0, "¿y?")]).await;
    assert_eq!(tenant.read_all(until, None, lab.now()).await.unwrap().read, 1, "it was read");
    let after = tenant.conversation(lab.inbox().await[0].id).await.unwrap().unwrap();
    assert_eq!(after.unread_count, 1, "and what came later was not");
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
