//! Somebody is found by a part of their name or phone.

use crate::identities;
use crate::inbox::{LUCIA, listed, told};
use crate::world::{Tenant, eventually, fresh_digits, now};
use recado_domain::ids::ConversationId;
use recado_domain::search::Term;
use serde_json::{Value, json};
use stories::lab::{Lab, phone, phone_and_bsuid};

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

    // A name may begin twice with the same words.
    let again = named(&tenant, "5492236667788", "j1", &"ja ja ".repeat(20)).await["id"].clone();
    assert_eq!(found("ja ja").await, [again], "a name that repeats itself kept a message out, or is not found");

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
async fn whoever_wrote_to_several_numbers_is_found_with_each_conversation_once_on_pages_of_any_size() {
    let mut tenant = Tenant::with_statuses(json!([])).await;
    let mut expected = Vec::new();
    for number in 0..3 {
        if number > 0 {
            let (id, token) = (fresh_digits(), &tenant.graph_token);
            let at_meta = json!({"phone_number_id": id, "waba_id": tenant.waba_id, "token": token, "statuses": []});
            tenant.stack.control_put("/numbers", &at_meta).await;
            let request = json!({"phoneNumberId": id, "wabaId": tenant.waba_id, "accessToken": token});
            let connected = tenant.stack.post(&tenant.admin, "/config", &request).await;
            assert_eq!(connected.status, 200, "{}", connected.body);
            tenant.phone_number_id = id;
        }
        for from in ["5491155550001", "5491155550002"] {
            let wamid = format!("{from}-{number}");
            let mut body = tenant.text_webhook(from, &wamid, now(), &wamid);
            body["entry"][0]["changes"][0]["value"]["contacts"][0]["profile"]["name"] = json!("Ana");
            assert_eq!(tenant.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
            let shown = eventually(&format!("a conversation that shows {wamid}"), async || {
                let inbox = tenant.conversations().await;
                inbox.iter().find(|one| one["lastMessagePreview"] == wamid).cloned().ok_or(inbox.len().to_string())
            })
            .await;
            expected.push(shown["id"].as_str().unwrap().to_owned());
        }
    }
    expected.sort();
    for limit in [1, 2, 4, 100] {
        let (mut found, mut path) = (Vec::new(), format!("/conversations?search=ana&limit={limit}"));
        for _ in 0..20 {
            let page = tenant.stack.get(&tenant.viewer, &path).await.body;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit, "a page of at most {limit} has {}", items.len());
            found.extend(items.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["nextCursor"].as_str() else { break };
            path = format!("/conversations?search=ana&limit={limit}&cursor={next}");
        }
        found.sort();
        assert_eq!(found, expected, "each conversation once, in pages of {limit}");
    }
}
