//! Customers in the books and people who write: who is who, whoever comes first.

use crate::world::{Tenant, eventually, now};
use futures_util::future::join_all;
use inbound::Inbound;
use jiff::SignedDuration;
use recado_domain::contact::Identities;
use recado_domain::ids::CustomerId;
use recado_domain::personal::Personal;
use recado_domain::phone::{AreaCode, Phone};
use recado_domain::preference::{Preference, PreferenceSource};
use recado_store::{ChangedContact, ContactChange, Conversation, Customer, KeptCustomer, TenantStore};
use recado_testkit::stack::{http, send};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use stories::lab::{Lab, phone, phone_and_bsuid, sqs_event};
use stories::proxy::{Fault, Proxy};

const LUCIA: &str = "5491155551234";

async fn entered(tenant: &Tenant, customer: &Value) -> Value {
    let answer = tenant.stack.post(&tenant.agent, "/customers", customer).await;
    assert_eq!(answer.status, 201, "entering {customer}: {}", answer.body);
    answer.body
}

/// The conversation with this customer, once it is there.
async fn conversation_with(tenant: &Tenant, wa_id: &str) -> Value {
    eventually(&format!("a conversation with {wa_id}"), async || {
        let inbox = tenant.conversations().await;
        inbox.iter().find(|one| one["contact"]["waId"] == wa_id).cloned().ok_or(format!("{} others", inbox.len()))
    })
    .await
}

/// The same in full.
async fn in_full(tenant: &Tenant, conversation: &Value) -> Value {
    let answer =
        tenant.stack.get(&tenant.agent, &format!("/conversations/{}", conversation["id"].as_str().unwrap())).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

fn path(kind: &str, id: &Value) -> String {
    format!("/{kind}/{}", id.as_str().unwrap())
}

#[tokio::test]
async fn a_customer_is_known_by_their_phone_in_whatever_spelling_both_were_written() {
    let tenant = Tenant::with_statuses(json!([])).await;
    // As people type them (REQUIREMENTS PH-01, PH-02), and as WhatsApp spells them.
    let spellings = [
        ("+54 9 11 5555-0001", "5491155550001"),
        ("11 5555-0002", "5491155550002"),
        ("011 15 5555-0003", "5491155550003"),
        ("15 5555-0004", "5491155550004"),
        ("5491155550005", "541155550005"),
        ("+54 11 5555-0006", "5491155550006"),
        ("0351 15 555-0007", "5493515550007"),
        ("+260 97 1234567", "260971234567"),
    ];
    let mut expected = BTreeMap::new();
    for (typed, wa_id) in spellings {
        let customer = entered(&tenant, &json!({"name": typed, "phones": [typed]})).await;
        expected.insert(wa_id.to_owned(), customer["id"].clone());
        let body = tenant.text_webhook(wa_id, &format!("wamid.{wa_id}"), now(), "hola");
        assert_eq!(tenant.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
    }
    for (wa_id, customer) in expected {
        let conversation = conversation_with(&tenant, &wa_id).await;
        assert_eq!(conversation["customerId"], customer, "{wa_id} is in the books");
    }
}

#[tokio::test]
async fn of_several_customers_with_one_phone_nobody_is_linked_until_a_person_chooses_and_that_stays() {
    let tenant = Tenant::with_statuses(json!([])).await;
    let lucia = entered(&tenant, &json!({"name": "Lucía", "phones": ["11 5555-1234"]})).await;
    let mario = entered(&tenant, &json!({"name": "Mario", "phones": ["15 5555-1234", "11 4444-0000"]})).await;
    tenant.customer_writes(LUCIA, "hola").await;
    let conversation = in_full(&tenant, &tenant.conversation().await).await;
    assert_eq!(conversation["customerId"], json!(null), "nobody can know which of the two");
    let mut candidates: Vec<_> =
        conversation["customerCandidates"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    candidates.sort_by_key(Value::to_string);
    assert_eq!(candidates, ["Lucía", "Mario"]);

    let contact = path("contacts", &conversation["contact"]["id"]);
    let chosen = tenant.stack.patch(&tenant.agent, &contact, &json!({"customerId": mario["id"]})).await;
    assert_eq!((chosen.status, &chosen.body["customerId"]), (200, &mario["id"]), "{}", chosen.body);
    // Whatever the books say from now on.
    let lost = json!({"phones": ["11 4444-0000"]});
    assert_eq!(tenant.stack.patch(&tenant.agent, &path("customers", &mario["id"]), &lost).await.status, 200);
    entered(&tenant, &json!({"name": "Otra", "phones": ["11 5555-1234"]})).await;
    let after = in_full(&tenant, &conversation).await;
    assert_eq!((&after["customerId"], &after["customerCandidates"]), (&mario["id"], &json!([])), "a person said so");

    // Nor is somebody linked of whom a person said that they are no customer.
    let said = tenant.stack.patch(&tenant.agent, &contact, &json!({"customerId": null})).await;
    assert_eq!(said.body["customerId"], json!(null));
    let again = json!({"phones": ["11 5555-1234", "11 3333-0000"]});
    assert_eq!(tenant.stack.patch(&tenant.agent, &path("customers", &lucia["id"]), &again).await.status, 200);
    assert_eq!(in_full(&tenant, &conversation).await["customerId"], json!(null), "a person said so");
}

#[tokio::test]
async fn who_wrote_first_and_was_entered_later_is_linked_and_follows_what_the_books_say() {
    let tenant = Tenant::with_statuses(json!([])).await;
    tenant.customer_writes(LUCIA, "hola").await;
    let conversation = tenant.conversation().await;
    assert_eq!(conversation["customerId"], json!(null));
    let lucia = entered(&tenant, &json!({"name": "Lucía", "phones": ["11 5555-1234"]})).await;
    assert_eq!(tenant.conversation().await["customerId"], lucia["id"], "entered after the first message");
    // A second customer with the phone takes nobody's place.
    let mario = entered(&tenant, &json!({"name": "Mario", "phones": ["11 5555-1234"]})).await;
    assert_eq!(tenant.conversation().await["customerId"], lucia["id"]);
    // It was a mistake: it is Mario's phone alone.
    let customer = path("customers", &lucia["id"]);
    let change = async |version: &str, body: Value| {
        let call = http().patch(tenant.stack.api(&customer)).bearer_auth(&tenant.agent);
        send(call.header("if-match", version).json(&body)).await
    };
    let corrected = change("\"1\"", json!({"phones": []})).await;
    assert_eq!((corrected.status, &corrected.body["version"]), (200, &json!(2)), "{}", corrected.body);
    assert_eq!(tenant.conversation().await["customerId"], mario["id"]);
    let outdated = change("\"1\"", json!({"name": "Ana"})).await;
    assert_eq!((outdated.status, outdated.body["error"]["code"].as_str()), (412, Some("PRECONDITION_FAILED")));
    assert_eq!(tenant.stack.get(&tenant.viewer, &customer).await.body, corrected.body, "nothing came of it");
}

#[tokio::test]
async fn an_email_that_somebody_stored_is_matched_and_one_in_a_contact_card_is_not() {
    let tenant = Tenant::with_statuses(json!([])).await;
    let email = entered(&tenant, &json!({"name": "Lucía", "emails": ["Lucia@Correo.Example"]})).await;
    assert_eq!(email["emails"], json!(["lucia@correo.example"]));
    let mut body = tenant.text_webhook(LUCIA, "wamid.card", now(), "");
    body["entry"][0]["changes"][0]["value"]["messages"][0] = json!({"from": LUCIA, "id": "wamid.card",
        "timestamp": now().to_string(), "type": "contacts", "contacts": [{"name": {"formatted_name": "Mi vecina"},
            "emails": [{"email": "lucia@correo.example", "type": "HOME"}]}]});
    assert_eq!(tenant.stack.post_webhook(body.to_string().as_bytes()).await.status, 200);
    let conversation = tenant.conversation().await;
    assert_eq!(conversation["customerId"], json!(null), "the address is the neighbour's");

    let contact = path("contacts", &conversation["contact"]["id"]);
    let stored = tenant.stack.patch(&tenant.agent, &contact, &json!({"email": "LUCIA@correo.example"})).await;
    assert_eq!((&stored.body["email"], &stored.body["customerId"]), (&json!("lucia@correo.example"), &email["id"]));
    assert_eq!(in_full(&tenant, &conversation).await["contact"]["email"], "lucia@correo.example");
    assert_eq!(tenant.conversation().await["customerId"], email["id"]);
    let removed = tenant.stack.patch(&tenant.agent, &contact, &json!({"email": null})).await;
    assert_eq!(
        (&removed.body.get("email"), &removed.body["customerId"]),
        (&None, &json!(null)),
        "what it rested on is gone"
    );
}

#[tokio::test]
async fn another_tenants_customers_and_contacts_are_nobodys() {
    let (tenant, other) = (Tenant::with_statuses(json!([])).await, Tenant::with_statuses(json!([])).await);
    let foreign = entered(&other, &json!({"name": "Lucía", "phones": ["11 5555-1234"]})).await;
    tenant.customer_writes(LUCIA, "hola").await;
    let conversation = in_full(&tenant, &tenant.conversation().await).await;
    assert_eq!((&conversation["customerId"], &conversation["customerCandidates"]), (&json!(null), &json!([])));
    // Nor the other way round.
    entered(&other, &json!({"name": "Lucía otra vez", "phones": ["11 5555-1234"]})).await;
    assert_eq!(tenant.conversation().await["customerId"], json!(null));

    let (customer, contact) = (path("customers", &foreign["id"]), path("contacts", &conversation["contact"]["id"]));
    let stack = &tenant.stack;
    for (what, answer) in [
        ("reading", stack.get(&tenant.agent, &customer).await),
        ("changing", stack.patch(&tenant.agent, &customer, &json!({"name": "Mía"})).await),
        ("linking", stack.patch(&tenant.agent, &contact, &json!({"customerId": foreign["id"]})).await),
        ("reading a contact", stack.get(&other.agent, &contact).await),
        ("changing a contact", stack.patch(&other.agent, &contact, &json!({"email": "a@b.example"})).await),
        ("an impossible id", stack.get(&tenant.agent, "/customers/x").await),
    ] {
        assert_eq!((answer.status, answer.body["error"]["code"].as_str()), (404, Some("NOT_FOUND")), "{what}");
    }
    assert_eq!(other.stack.get(&other.agent, &customer).await.body, foreign, "nothing was changed");
}

#[tokio::test]
async fn what_is_wrong_with_a_customer_is_named_and_who_may_only_read_enters_none() {
    let tenant = Tenant::with_statuses(json!([])).await;
    let post = async |body: &Value| tenant.stack.post(&tenant.agent, "/customers", body).await;
    for (body, message) in [
        (json!({}), "body: missing field `name`"),
        (json!({"name": " "}), "name: must have 1 to 200 characters"),
        (json!({"name": "x".repeat(201)}), "name: must have 1 to 200 characters"),
        (
            json!({"name": "L", "phones": ["11 5555-1234", "12"]}),
            "phones[1]: an Argentine number begins with an area code",
        ),
        (json!({"name": "L", "phones": ["11 5555-1234", "+54 9 11 5555 1234"]}), "phones[1]: is named twice"),
        (json!({"name": "L", "phones": vec!["1"; 21]}), "phones: must name at most 20"),
        (
            json!({"name": "L", "emails": ["lucia"]}),
            "emails[0]: an e-mail address has something on both sides of one @",
        ),
        (json!({"name": "L", "emails": ["a@b.example", "A@B.example"]}), "emails[1]: is named twice"),
        (json!({"name": "L", "notes": "?"}), "notes: unknown field `notes`"),
        (json!({"name": "L", "id": "cus_00000000000000000000000001"}), "id: unknown field `id`"),
    ] {
        let answer = post(&body).await;
        let told = answer.body["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        assert!(told.starts_with(message), "{body}: expected {message:?}, got {told:?}");
    }
    let lucia = entered(&tenant, &json!({"name": " Lucía "})).await;
    assert_eq!((&lucia["name"], &lucia["version"]), (&json!("Lucía"), &json!(1)));
    let customer = path("customers", &lucia["id"]);
    for body in [json!({"name": ""}), json!({"phones": ["x"]}), json!({"colour": 1}), json!({"version": 1})] {
        assert_eq!(tenant.stack.patch(&tenant.agent, &customer, &body).await.status, 400, "{body}");
    }
    tenant.customer_writes(LUCIA, "hola").await;
    let contact = path("contacts", &tenant.conversation().await["contact"]["id"]);
    for body in [json!({"email": "lucia"}), json!({"customerId": "x"}), json!({"name": "Ana"})] {
        assert_eq!(tenant.stack.patch(&tenant.agent, &contact, &body).await.status, 400, "{body}");
    }
    for (what, answer) in [
        ("entering", tenant.stack.post(&tenant.viewer, "/customers", &json!({"name": "L"})).await),
        ("changing", tenant.stack.patch(&tenant.viewer, &customer, &json!({"name": "L"})).await),
        ("linking", tenant.stack.patch(&tenant.viewer, &contact, &json!({"customerId": lucia["id"]})).await),
    ] {
        assert_eq!((answer.status, answer.body["error"]["code"].as_str()), (403, Some("FORBIDDEN")), "{what}");
    }
}

#[tokio::test]
async fn a_customer_asked_for_twice_under_one_key_is_entered_once() {
    let tenant = Tenant::with_statuses(json!([])).await;
    let post = async |key: &str, name: &str| {
        let body = json!({"name": name, "phones": ["11 5555-1234"]});
        let call = http().post(tenant.stack.api("/customers")).bearer_auth(&tenant.agent);
        send(call.header("idempotency-key", key).json(&body)).await
    };
    let first = post("k1", "Lucía").await;
    let second = post("k1", "Lucía").await;
    assert_eq!((first.status, second.status, &second.body), (201, 201, &first.body));
    let other = post("k1", "Mario").await;
    assert_eq!((other.status, other.body["error"]["code"].as_str()), (422, Some("IDEMPOTENCY_KEY_REUSED")));
    tenant.customer_writes(LUCIA, "hola").await;
    assert_eq!(tenant.conversation().await["customerId"], first.body["id"], "one customer has the phone");
}

// From here on with the workers' own code, because a deployed stack cannot be stopped at a chosen moment.

fn customer(lab: &Lab, bits: u128, phones: &[&str]) -> Customer {
    let phones = phones.iter().map(|text| Phone::parse(text, AreaCode::BUENOS_AIRES).unwrap()).collect();
    let (id, name) = (CustomerId::from_bits(bits), Personal::new("Lucía".to_owned()));
    Customer { id, name, phones, emails: Vec::new(), created_at: lab.now(), updated_at: lab.now(), version: 1 }
}

async fn enter(store: &TenantStore, new: Customer) -> CustomerId {
    match store.add_customer(new).await.unwrap() {
        KeptCustomer::Done(customer) => customer.id,
        other => panic!("expected the customer to be kept, got {other:?}"),
    }
}

/// The customer in the inbox's only conversation, which must be its contact's too.
async fn linked(lab: &Lab) -> Option<CustomerId> {
    let inbox = lab.inbox().await;
    assert_eq!(inbox.len(), 1, "{inbox:#?}");
    assert_eq!(of_contact(lab, &inbox[0]).await, inbox[0].customer_id, "contact and conversation differ");
    inbox[0].customer_id
}

async fn of_contact(lab: &Lab, conversation: &Conversation) -> Option<CustomerId> {
    lab.tenant().await.contact(conversation.contact_id).await.unwrap().unwrap().link.id
}

/// Lets two things happen at once: the first is planned, then the second happens whole, then the first lands.
/// Of the first's transactions, the one of this number is held up in between.
async fn overtaken<A, B>(proxy: &Proxy, held_up: u64, first: impl Future<Output = A>, second: impl Future<Output = B>) {
    let made = || proxy.calls().get("TransactWriteItems").map_or(0, |calls| calls.made);
    let before = made();
    for _ in 1..held_up {
        proxy.next("TransactWriteItems", Fault::Nothing);
    }
    for _ in 0..2 {
        proxy.next("TransactWriteItems", Fault::ErrorBefore);
    }
    let second = async {
        while made() < before + held_up {
            tokio::task::yield_now().await;
        }
        second.await;
    };
    tokio::join!(first, second);
}

async fn take(worker: &Inbound, text: &str) {
    let response = worker.handle(sqs_event(&[text.to_owned()])).await;
    assert!(response.batch_item_failures.is_empty(), "not taken: {response:?}");
}

#[tokio::test]
async fn a_customer_entered_while_their_first_message_is_being_stored_is_linked_whichever_lands_first() {
    for message_is_planned_first in [true, false] {
        let lab = Lab::new().await;
        let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
        let (direct, delayed) = (lab.tenant().await, lab.tenant_through(&proxy).await);
        let new = customer(&lab, 1, &["11 5555-1234"]);
        let text = lab.text(&phone(LUCIA), "wamid.first", 0, "hola");
        if message_is_planned_first {
            let worker = lab.inbound_through(&proxy);
            Box::pin(overtaken(&proxy, 1, take(&worker, &text), enter(&direct, new))).await;
        } else {
            Box::pin(overtaken(&proxy, 1, enter(&delayed, new), take(&lab.inbound, &text))).await;
        }
        let expected = Some(CustomerId::from_bits(1));
        assert_eq!(linked(&lab).await, expected, "the message was planned first: {message_is_planned_first}");
        assert_eq!(lab.inbox().await[0].unread_count, 1);
    }
}

#[tokio::test]
async fn a_conversation_that_begins_with_a_known_contact_shows_their_customer_whichever_lands_first() {
    for planned_first in ["nothing", "the message", "the match"] {
        let lab = Lab::new().await;
        let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
        let (direct, delayed) = (lab.tenant().await, lab.tenant_through(&proxy).await);
        // Known by what they said in WhatsApp's settings; they never wrote.
        let said = Preference { wanted: true, at: lab.now(), source: PreferenceSource::WhatsApp };
        direct.record_preference(&lab.number, &phone(LUCIA), &said, lab.now()).await.unwrap();
        let new = customer(&lab, 1, &["11 5555-1234"]);
        let text = lab.text(&phone(LUCIA), "wamid.first", 0, "hola");
        match planned_first {
            // The first transaction only finds out that there is no conversation yet.
            "the message" => {
                let worker = lab.inbound_through(&proxy);
                Box::pin(overtaken(&proxy, 2, take(&worker, &text), enter(&direct, new))).await;
            }
            // The first transaction keeps the customer, the second one links.
            "the match" => overtaken(&proxy, 2, enter(&delayed, new), take(&lab.inbound, &text)).await,
            _ => {
                enter(&direct, new).await;
                take(&lab.inbound, &text).await;
            }
        }
        assert_eq!(linked(&lab).await, Some(CustomerId::from_bits(1)), "planned first: {planned_first}");
    }
}

#[tokio::test]
async fn a_match_that_is_planned_while_its_customer_loses_the_phone_links_nobody() {
    let lab = Lab::new().await;
    let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
    let (direct, delayed) = (lab.tenant().await, lab.tenant_through(&proxy).await);
    lab.deliver(&[lab.text(&phone(LUCIA), "wamid.first", 0, "hola")]).await;
    let new = customer(&lab, 1, &["11 5555-1234"]);
    let corrected = async {
        let after = Customer { phones: Vec::new(), ..new.clone() };
        direct.change_customer(&new, after, lab.now()).await.unwrap();
    };
    Box::pin(overtaken(&proxy, 2, enter(&delayed, new.clone()), corrected)).await;
    assert_eq!(linked(&lab).await, None, "they have nothing in common any more");
}

#[tokio::test]
async fn customers_and_first_messages_that_come_at_once_all_find_each_other() {
    let lab = Lab::new().await;
    let numbers: Vec<String> = (0..12).map(|number| format!("54911444400{number:02}")).collect();
    let tenant = lab.tenant().await;
    let met = (1..).zip(&numbers).map(async |(bits, number)| {
        let new = customer(&lab, bits, &[&format!("+{number}")]);
        let texts: Vec<_> =
            (0..2).map(|text| lab.text(&phone(number), &format!("wamid.{bits}.{text}"), 0, "hola")).collect();
        let deliveries = texts.iter().map(|text| lab.deliver(std::slice::from_ref(text)));
        tokio::join!(join_all(deliveries), enter(&tenant, new));
    });
    join_all(met).await;
    let inbox = lab.inbox().await;
    assert_eq!(inbox.len(), 12);
    for conversation in &inbox {
        let digits = conversation.contact.wa_id.as_ref().unwrap().as_str();
        let bits = 1 + numbers.iter().position(|number| number == digits).unwrap() as u128;
        assert_eq!(conversation.customer_id, Some(CustomerId::from_bits(bits)), "of {digits}");
        assert_eq!(of_contact(&lab, conversation).await, conversation.customer_id, "of {digits}");
    }
}

#[tokio::test]
async fn what_was_not_matched_because_somebody_vanished_is_matched_by_the_sweep() {
    let lab = Lab::new().await;
    let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
    lab.deliver(&[lab.text(&phone(LUCIA), "wamid.first", 0, "hola")]).await;
    let store = lab.tenant_through(&proxy).await;
    proxy.next("Query", Fault::Refused);
    enter(&store, customer(&lab, 1, &["11 5555-1234"])).await;
    assert_eq!(linked(&lab).await, None, "nobody has got to it");
    lab.pass(SignedDuration::from_mins(2));
    let due = lab.store.due_matches(lab.now()).await.unwrap();
    assert_eq!(due.len(), 1, "{due:?}");
    for wait in due {
        lab.store.revisit_match(&wait, lab.now()).await.unwrap();
    }
    assert_eq!(linked(&lab).await, Some(CustomerId::from_bits(1)));
    assert!(lab.store.due_matches(lab.now()).await.unwrap().is_empty(), "it is done with");
}

#[tokio::test]
async fn a_fault_at_any_call_of_entering_a_customer_leaves_nobody_unlinked() {
    for operation in ["TransactWriteItems", "GetItem", "Query", "UpdateItem"] {
        for fault in [Fault::ErrorBefore, Fault::ErrorAfter, Fault::DroppedAfter] {
            for skipped in 0..2 {
                let lab = Lab::new().await;
                let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
                lab.deliver(&[lab.text(&phone(LUCIA), "wamid.first", 0, "hola")]).await;
                let store = lab.tenant_through(&proxy).await;
                for _ in 0..skipped {
                    proxy.next(operation, Fault::Nothing);
                }
                for _ in 0..4 {
                    proxy.next(operation, fault);
                }
                let new = customer(&lab, 1, &["11 5555-1234"]);
                while store.add_customer(new.clone()).await.is_err() {}
                proxy.calm();
                lab.pass(SignedDuration::from_mins(2));
                for wait in lab.store.due_matches(lab.now()).await.unwrap() {
                    lab.store.revisit_match(&wait, lab.now()).await.unwrap();
                }
                let expected = Some(CustomerId::from_bits(1));
                assert_eq!(linked(&lab).await, expected, "{fault:?} after {skipped} {operation}");
            }
        }
    }
}

#[tokio::test]
async fn whoever_is_found_to_have_a_customers_phone_later_is_linked_then() {
    let hidden = Identities { wa_id: None, ..phone_and_bsuid(LUCIA, "AR.1") };
    let lab = Lab::new().await;
    enter(&lab.tenant().await, customer(&lab, 1, &["11 5555-1234"])).await;
    enter(&lab.tenant().await, customer(&lab, 2, &["11 6666-7777"])).await;
    lab.deliver(&[lab.text(&hidden, "wamid.a", 20, "hola")]).await;
    assert_eq!(linked(&lab).await, None, "nobody knows their phone");
    lab.deliver(&[lab.text(&phone_and_bsuid(LUCIA, "AR.1"), "wamid.b", 10, "soy yo")]).await;
    assert_eq!(linked(&lab).await, Some(CustomerId::from_bits(1)));

    // They change their number to one of another customer's: they stay who they are.
    let moved = |lab: &Lab| {
        let time = lab.now().as_second().to_string();
        lab.envelope(&json!({"id": "wamid.move", "from": LUCIA, "timestamp": time, "type": "system",
            "system": {"type": "user_changed_number", "body": "cambió", "wa_id": "5491166667777", "user_id": "AR.2",
                "previous_user_id": "AR.1"}}))
    };
    lab.deliver(&[moved(&lab)]).await;
    assert_eq!(linked(&lab).await, Some(CustomerId::from_bits(1)));

    // A stranger who moves to a customer's number is that customer.
    let lab = Lab::new().await;
    enter(&lab.tenant().await, customer(&lab, 2, &["11 6666-7777"])).await;
    lab.deliver(&[lab.text(&phone_and_bsuid(LUCIA, "AR.1"), "wamid.a", 20, "hola")]).await;
    lab.deliver(&[moved(&lab)]).await;
    assert_eq!(linked(&lab).await, Some(CustomerId::from_bits(2)));
}

#[tokio::test]
async fn two_contacts_that_turn_out_to_be_one_person_keep_the_customer_that_is_surer() {
    let hidden = Identities { wa_id: None, ..phone_and_bsuid(LUCIA, "AR.1") };
    let (matched, said) = (CustomerId::from_bits(1), CustomerId::from_bits(2));
    for (phone_comes_first, a_person_spoke, expected) in
        [(true, false, matched), (false, false, matched), (true, true, said), (false, true, said)]
    {
        let lab = Lab::new().await;
        let tenant = lab.tenant().await;
        enter(&tenant, customer(&lab, 1, &["11 5555-1234"])).await;
        enter(&tenant, customer(&lab, 2, &[])).await;
        let mut first = [phone(LUCIA), hidden.clone()];
        if !phone_comes_first {
            first.reverse();
        }
        for (place, who) in (0..).zip(&first) {
            lab.deliver(&[lab.text(who, &format!("wamid.{place}"), 30 - place, "hola")]).await;
            lab.pass(SignedDuration::from_secs(1));
        }
        if a_person_spoke {
            let inbox = lab.inbox().await;
            let anonymous = inbox.iter().find(|one| one.contact.wa_id.is_none()).unwrap();
            let change = ContactChange { customer: Some(Some(said)), ..ContactChange::default() };
            let changed = tenant.change_contact(anonymous.contact_id, &change, lab.now()).await.unwrap();
            assert!(matches!(changed, ChangedContact::Done(_)), "{changed:?}");
        }
        lab.deliver(&[lab.text(&phone_and_bsuid(LUCIA, "AR.1"), "wamid.c", 0, "soy yo")]).await;
        assert_eq!(linked(&lab).await, Some(expected), "phone first: {phone_comes_first}, said: {a_person_spoke}");
    }
}

#[tokio::test]
async fn nobody_who_is_known_costs_a_read_more_and_a_newcomer_costs_one() {
    let lab = Lab::new().await;
    let proxy = Proxy::start(&lab.stack.aws.endpoint).await;
    let worker = lab.inbound_through(&proxy);
    let made = async |number: &str, wamid: &str| {
        let calls = || proxy.calls().into_iter().map(|(name, calls)| (name, calls.made)).collect::<BTreeMap<_, _>>();
        let before = calls();
        let text = lab.text(&phone(number), wamid, 0, "hola");
        let response = worker.handle(sqs_event(&[text])).await;
        assert!(response.batch_item_failures.is_empty(), "not taken: {response:?}");
        let mut after = calls();
        for (name, count) in before {
            *after.get_mut(&name).unwrap() -= count;
        }
        after.retain(|_, count| *count > 0);
        after
    };
    // The first one also reads the number's route and the tenant's policy, for five minutes.
    made(LUCIA, "wamid.1").await;
    let counts = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    // The identities; the message; what waited for it; the log.
    let known = counts(&[("BatchGetItem", 1), ("TransactWriteItems", 1), ("Query", 1), ("BatchWriteItem", 1)]);
    lab.pass(SignedDuration::from_secs(1));
    assert_eq!(made(LUCIA, "wamid.2").await, known, "somebody who is known");
    let more = counts(&[("GetItem", 1), ("BatchWriteItem", 2)]);
    let newcomer = BTreeMap::from_iter(known.clone().into_iter().chain(more));
    assert_eq!(
        made("5491166667777", "wamid.3").await,
        newcomer,
        "a newcomer: whom their phone leads to, and what they are found by"
    );
}
