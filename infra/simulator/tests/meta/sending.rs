//! Messages: every kind is taken, and every limit is kept.

use crate::sim::{LUCIA, NUMBER, Sim, WABA, text};
use recado_testkit::samples;
use serde_json::{Value, json};

fn sample(name: &str) -> Value {
    serde_json::from_slice(&samples::graph(name)).unwrap()
}

/// The names that an object has, also of the objects in it and of the first elements of its lists.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(list) => json!([list.first().map(shape)]),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn answers_have_the_form_of_the_samples() {
    let sim = Sim::new().await;
    let spaced = sim.send(json!({"to": "+54 9 11 5555-1234", "type": "text", "text": {"body": "hola"}})).await;
    assert_eq!(shape(&spaced.body), shape(&sample("graph_send_ok.json")));
    assert_eq!(spaced.body["contacts"][0], json!({"input": "+54 9 11 5555-1234", "wa_id": LUCIA}));
    let bsuid = sim.send(json!({"recipient": "AR.709", "type": "text", "text": {"body": "hola"}})).await;
    assert_eq!(shape(&bsuid.body), shape(&sample("graph_send_ok_bsuid.json")));
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"});
    let read = sim.graph("POST", &format!("{NUMBER}/messages"), read).await;
    assert_eq!(read.body, sample("graph_mark_read.json"));

    sim.number(json!({"statuses": [], "enforce_window": true})).await;
    let late = sim.send(text("tarde")).await;
    let expected = sample("graph_error_131047.json");
    assert_eq!(shape(&late.body), shape(&expected));
    assert_eq!(late.body["error"]["message"], expected["error"]["message"]);
    assert_eq!(late.body["error"]["error_data"], expected["error"]["error_data"]);
}

#[tokio::test]
async fn every_kind_of_message_is_taken() {
    let sim = Sim::new().await;
    let link = "https://a.example/x";
    let kinds = [
        text("hola"),
        json!({"text": {"body": "sin tipo"}}),
        json!({"type": "image", "image": {"link": link, "caption": "pie"}}),
        json!({"type": "video", "video": {"link": link}}),
        json!({"type": "audio", "audio": {"link": link, "voice": true}}),
        json!({"type": "document", "document": {"link": link, "filename": "a.pdf"}}),
        json!({"type": "sticker", "sticker": {"link": link}}),
        json!({"type": "location", "location": {"latitude": -34.6, "longitude": "-58.4", "name": "Obelisco"}}),
        json!({"type": "contacts", "contacts": [{"name": {"formatted_name": "Jorge", "first_name": "Jorge"}}]}),
        json!({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "👍🏽"}}),
        json!({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": ""}}),
        json!({"context": {"message_id": "wamid.x"}, "type": "text", "text": {"body": "respuesta"}}),
    ];
    for kind in &kinds {
        assert_eq!(sim.send(kind.clone()).await.status, 200, "{kind}");
    }
    assert_eq!(sim.get("sent").await["items"].as_array().unwrap().len(), kinds.len());
}

#[tokio::test]
async fn a_parameter_that_is_missing_or_wrong_is_named() {
    let sim = Sim::new().await;
    let long = |count: usize| "x".repeat(count);
    for (message, code, named) in [
        (json!({"type": "text"}), 100, "text"),
        (text(""), 100, "text['body']"),
        (text(&long(4097)), 100, "text['body']"),
        (json!({"type": "poll", "poll": {}}), 100, "Param type"),
        (json!({"type": "text", "text": {"body": 1}}), 100, "text['body']"),
        (
            json!({"type": "text", "text": {"body": "x"}, "biz_opaque_callback_data": long(513)}),
            100,
            "biz_opaque_callback_data",
        ),
        (json!({"type": "text", "text": {"body": "x"}, "context": {}}), 100, "context['message_id']"),
        (json!({"type": "text", "text": {"body": "x"}, "recipient_type": "crowd"}), 100, "recipient_type"),
        (json!({"type": "text", "text": {"body": "x"}, "to": ""}), 100, "to"),
        (json!({"type": "text", "text": {"body": "x"}, "to": "Lucía"}), 131_009, "to must be a phone number"),
        (json!({"type": "text", "text": {"body": "x"}, "recipient": "5491155551234"}), 131_009, "recipient"),
        (json!({"type": "image", "image": {}}), 100, "image['id']"),
        (json!({"type": "image", "image": {"id": "1", "link": "https://a.example"}}), 100, "image['link']"),
        (json!({"type": "image", "image": {"link": "not a link"}}), 100, "image['link']"),
        (
            json!({"type": "image", "image": {"link": "https://a.example", "caption": long(1025)}}),
            100,
            "image['caption']",
        ),
        (json!({"type": "audio", "audio": {"link": "https://a.example", "caption": "x"}}), 100, "caption"),
        (json!({"type": "video", "video": {"link": "https://a.example", "filename": "x"}}), 100, "filename"),
        (json!({"type": "location", "location": {"latitude": 91, "longitude": 0}}), 100, "location['latitude']"),
        (json!({"type": "location", "location": {"latitude": 1}}), 100, "location['longitude']"),
        (json!({"type": "contacts", "contacts": []}), 100, "contacts"),
        (json!({"type": "contacts", "contacts": [{"name": {}}]}), 100, "contacts[0]['name']['formatted_name']"),
        (json!({"type": "reaction", "reaction": {"emoji": "x"}}), 100, "reaction['message_id']"),
        (json!({"type": "reaction", "reaction": {"message_id": "wamid.x"}}), 100, "reaction['emoji']"),
        (json!({"type": "template", "template": {"language": {"code": "es"}}}), 100, "template['name']"),
        (json!({"type": "template", "template": {"name": "x"}}), 100, "template['language']['code']"),
    ] {
        let answer = sim.send(message.clone()).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{message}");
        assert!(answer.told().contains(named), "{message}: {} does not name {named}", answer.told());
    }
    assert_eq!(sim.send(text(&long(4096))).await.status, 200, "4,096 characters are allowed");
    for body in [json!({}), json!({"to": LUCIA}), json!([])] {
        let answer = sim.graph("POST", &format!("{NUMBER}/messages"), body.clone()).await;
        assert!(answer.told().contains("messaging_product is required"), "{body}: {answer:?}");
    }
}

fn interactive(kind: &str, action: Value) -> Value {
    json!({"type": "interactive", "interactive": {"type": kind, "body": {"text": "Elegí"}, "action": action}})
}

#[tokio::test]
async fn interactive_messages_of_every_kind_are_taken() {
    let sim = Sim::new().await;
    let row = |id: usize| json!({"id": id.to_string(), "title": "x".repeat(24), "description": "x".repeat(72)});
    let ten: Vec<_> = (0..10).map(row).collect();
    let mut with_all =
        interactive("button", json!({"buttons": [{"type": "reply", "reply": {"id": "1", "title": "Sí"}}]}));
    with_all["interactive"]["header"] = json!({"type": "image", "image": {"link": "https://a.example/x.jpg"}});
    with_all["interactive"]["footer"] = json!({"text": "x".repeat(60)});
    for message in [
        with_all,
        interactive("list", json!({"button": "Ver", "sections": [{"rows": ten}]})),
        interactive(
            "cta_url",
            json!({"name": "cta_url", "parameters": {"display_text": "Ver", "url": "https://a.example"}}),
        ),
        interactive("location_request_message", json!({"name": "send_location"})),
        interactive("request_contact_info", json!({"name": "request_contact_info"})),
        interactive(
            "flow",
            json!({"name": "flow", "parameters": {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Ir"}}),
        ),
        interactive("call_permission_request", json!({"name": "call_permission_request"})),
        interactive("catalog_message", json!({"name": "catalog_message"})),
        interactive("product", json!({"catalog_id": "1", "product_retailer_id": "2"})),
    ] {
        let answer = sim.send(message.clone()).await;
        assert_eq!(answer.status, 200, "{message}: {}", answer.body);
    }
}

#[tokio::test]
async fn interactive_messages_beyond_their_limits_are_refused() {
    let sim = Sim::new().await;
    let button = |id: &str, title: &str| json!({"type": "reply", "reply": {"id": id, "title": title}});
    let buttons = |all: Vec<Value>| interactive("button", json!({ "buttons": all }));
    let row = |id: usize| json!({"id": id.to_string(), "title": "x"});
    let list = |sections: Value| interactive("list", json!({"button": "Ver", "sections": sections}));
    let rows = |count: usize| (0..count).map(row).collect::<Vec<_>>();
    let long = |count: usize| "x".repeat(count);
    let mut no_body = buttons(vec![button("1", "a")]);
    no_body["interactive"].as_object_mut().unwrap().remove("body");
    let mut long_footer = buttons(vec![button("1", "a")]);
    long_footer["interactive"]["footer"] = json!({"text": long(61)});
    let mut image_on_list = list(json!([{"rows": rows(1)}]));
    image_on_list["interactive"]["header"] = json!({"type": "image", "image": {"link": "https://a.example"}});
    let mut long_body = buttons(vec![button("1", "a")]);
    long_body["interactive"]["body"]["text"] = json!(long(1025));
    for (message, code, what) in [
        (no_body, 100, "without a body"),
        (long_body, 100, "a body of 1,025 characters"),
        (long_footer, 100, "a footer of 61 characters"),
        (buttons(vec![]), 131_009, "no buttons"),
        (buttons((0..4).map(|id| button(&id.to_string(), &id.to_string())).collect()), 131_009, "four buttons"),
        (buttons(vec![button("1", &long(21))]), 131_009, "a title of 21 characters"),
        (buttons(vec![button(&long(257), "a")]), 131_009, "an id of 257 characters"),
        (buttons(vec![button("1", "a"), button("1", "b")]), 131_009, "two buttons of one id"),
        (buttons(vec![json!({"type": "reply", "reply": {"id": "1"}})]), 131_008, "a button without a title"),
        (list(json!([{"rows": rows(11)}])), 131_009, "eleven rows"),
        (
            list(json!([{"title": "a", "rows": rows(6)}, {"title": "b", "rows": rows(6)}])),
            131_009,
            "one id in two sections",
        ),
        (list(json!([{"rows": rows(1)}, {"rows": rows(1)}])), 131_008, "two sections without titles"),
        (list(json!([{"title": long(25), "rows": rows(1)}])), 131_009, "a section's title of 25 characters"),
        (list(json!([{"rows": [{"id": "1", "title": long(25)}]}])), 131_009, "a row's title of 25 characters"),
        (list(json!([{"rows": [{"id": "1", "title": "a", "description": long(73)}]}])), 131_009, "a description of 73"),
        (list(json!([{"rows": [{"id": long(201), "title": "a"}]}])), 131_009, "a row's id of 201 characters"),
        (list(json!([])), 131_009, "no sections"),
        (
            interactive("list", json!({"button": long(21), "sections": [{"rows": rows(1)}]})),
            131_009,
            "a list button of 21",
        ),
        (image_on_list, 131_009, "an image on a list"),
        (
            interactive("cta_url", json!({"name": "cta_url", "parameters": {"display_text": "Ver", "url": "x"}})),
            100,
            "a bad url",
        ),
        (
            interactive("flow", json!({"name": "flow", "parameters": {"flow_message_version": "3", "flow_cta": "Ir"}})),
            100,
            "no flow",
        ),
        (interactive("unknown", json!({})), 131_009, "an unknown type"),
        (json!({"type": "interactive", "interactive": {"type": "button", "body": {"text": "x"}}}), 100, "no action"),
    ] {
        assert_eq!(sim.code(message).await, code, "{what}");
    }
}

#[tokio::test]
async fn the_window_opens_with_a_customers_message_and_closes_a_day_after_it() {
    let sim = Sim::with_number(json!({"statuses": [], "enforce_window": true})).await;
    assert_eq!(sim.code(text("antes")).await, 131_047, "before the customer wrote");
    sim.inbound(json!({"text": "hola", "user_id": "AR.709"})).await;
    assert_eq!(sim.code(text("ya")).await, 0);
    assert_eq!(
        sim.code(json!({"recipient": "AR.709", "type": "text", "text": {"body": "ya"}})).await,
        0,
        "by their other id"
    );
    sim.pass(24 * 3600 - 60).await;
    assert_eq!(sim.code(text("a tiempo")).await, 0);
    sim.pass(120).await;
    assert_eq!(sim.code(text("tarde")).await, 131_047);
    sim.put(
        "templates",
        json!({"waba_id": WABA, "name": "hola", "language": "es_AR", "components": [{"type": "BODY", "text": "Hola"}]}),
    )
    .await;
    let template = json!({"type": "template", "template": {"name": "hola", "language": {"code": "es_AR"}}});
    assert_eq!(sim.code(template).await, 0, "a template goes at any time");
    let old = sim.get("clock").await["unix"].as_i64().unwrap() - 25 * 3600;
    sim.inbound(json!({"text": "viejo", "timestamp": old})).await;
    assert_eq!(sim.code(text("tarde")).await, 131_047, "the window counts from the message's own time");
}

#[tokio::test]
async fn a_test_number_reaches_whom_it_lists_in_the_form_in_which_it_lists_them() {
    let sim = Sim::with_number(json!({"statuses": [], "allow_list": ["541155551234"]})).await;
    let to = |to: &str| json!({"to": to, "type": "text", "text": {"body": "hola"}});
    let refused = sim.send(to("5491155551234")).await;
    assert_eq!((refused.status, refused.code()), (400, 131_030));
    let taken = sim.send(to("541155551234")).await;
    assert_eq!(taken.status, 200);
    assert_eq!(
        taken.body["contacts"][0],
        json!({"input": "541155551234", "wa_id": "5491155551234"}),
        "with the 9 that she has"
    );
    assert_eq!(sim.code(to("5493515550000")).await, 131_030);
}

#[tokio::test]
async fn one_customer_gets_45_messages_at_once_and_one_in_six_seconds_after_that() {
    let sim = Sim::with_number(json!({"statuses": [], "pair_limit": true})).await;
    sim.post("clock", json!({"stopped": true})).await;
    for place in 0..45 {
        assert_eq!(sim.code(text("x")).await, 0, "message {place}");
    }
    assert_eq!(sim.code(text("x")).await, 131_056);
    assert_eq!(
        sim.code(json!({"to": "5493515550000", "type": "text", "text": {"body": "x"}})).await,
        0,
        "somebody else"
    );
    sim.pass(6).await;
    assert_eq!((sim.code(text("x")).await, sim.code(text("x")).await), (0, 131_056));
}

#[tokio::test]
async fn a_number_sends_so_many_messages_a_second() {
    let sim = Sim::with_number(json!({"statuses": [], "throughput": 3})).await;
    sim.post("clock", json!({"stopped": true})).await;
    let mut codes = Vec::new();
    for place in 0..4 {
        codes
            .push(sim.code(json!({"to": format!("549351555000{place}"), "type": "text", "text": {"body": "x"}})).await);
    }
    assert_eq!(codes, [0, 0, 0, 130_429]);
    sim.pass(1).await;
    assert_eq!(sim.code(text("x")).await, 0);
}

#[tokio::test]
async fn somebody_who_cannot_be_reached_fails_by_status_or_at_once() {
    let sim = Sim::with_number(json!({"statuses": ["sent"]})).await;
    let recipient = |more: Value| {
        let mut recipient = json!({"phone_number_id": NUMBER, "recipient": LUCIA});
        recipient.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        recipient
    };
    sim.put("recipients", recipient(json!({"code": 131_026}))).await;
    assert_eq!(sim.send(text("x")).await.status, 200, "Meta takes it");
    let status = sim.hub.statuses(1).await.remove(0);
    assert_eq!((&status["status"], &status["errors"][0]["code"]), (&json!("failed"), &json!(131_026)));

    sim.put("recipients", recipient(json!({"code": 131_026, "by": "answer"}))).await;
    assert_eq!(sim.code(text("x")).await, 131_026);

    sim.put("recipients", recipient(json!({"code": 131_050, "by": "answer"}))).await;
    assert_eq!(sim.code(text("x")).await, 0, "who stopped marketing still gets answers");
    sim.put("templates", json!({"waba_id": WABA, "name": "oferta", "language": "es", "category": "MARKETING", "components": [{"type": "BODY", "text": "Ya"}]})).await;
    let offer = json!({"type": "template", "template": {"name": "oferta", "language": {"code": "es"}}});
    assert_eq!(sim.code(offer.clone()).await, 131_050);
    sim.put("recipients", recipient(json!({}))).await;
    assert_eq!(sim.code(offer).await, 0, "reachable again");
    assert_eq!(
        sim.code(json!({"to": "5491150001234", "type": "text", "text": {"body": "x"}})).await,
        131_021,
        "to itself"
    );
}

#[tokio::test]
async fn a_business_scoped_id_in_the_phones_place_is_taken_and_lost() {
    let sim = Sim::with_number(json!({"statuses": ["sent"]})).await;
    assert_eq!(sim.send(json!({"to": "AR.709", "type": "text", "text": {"body": "perdido"}})).await.status, 200);
    let kept = sim.send(json!({"recipient": "AR.709", "type": "text", "text": {"body": "llega"}})).await;
    let statuses = sim.hub.statuses(1).await;
    assert_eq!(statuses[0]["id"], kept.body["messages"][0]["id"], "the only status is of the one that was not lost");
    assert_eq!(statuses[0]["recipient_user_id"], "AR.709");
}

#[tokio::test]
async fn statuses_carry_the_callback_data_and_the_price() {
    let sim = Sim::with_number(json!({"statuses": ["sent", "delivered", "read"]})).await;
    sim.send(json!({"type": "text", "text": {"body": "x"}, "biz_opaque_callback_data": "clave"})).await;
    let mut statuses = sim.hub.statuses(3).await;
    statuses.sort_by_key(|status| status["timestamp"].to_string());
    let named: Vec<_> = statuses.iter().map(|status| status["status"].as_str().unwrap()).collect();
    assert_eq!(named, ["sent", "delivered", "read"]);
    for status in &statuses {
        assert_eq!((&status["biz_opaque_callback_data"], &status["recipient_id"]), (&json!("clave"), &json!(LUCIA)));
    }
    assert_eq!(statuses[0]["pricing"]["category"], "service");
    assert_eq!(statuses[2].get("pricing"), None);
}

#[tokio::test]
async fn read_receipts_are_kept_and_typing_is_told() {
    let sim = Sim::new().await;
    let receipt = |more: Value| {
        let mut receipt = json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x"});
        receipt.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        receipt
    };
    let path = format!("{NUMBER}/messages");
    for (more, code) in [
        (json!({}), 0),
        (json!({"typing_indicator": {"type": "text"}}), 0),
        (json!({"typing_indicator": {"type": "audio"}}), 100),
        (json!({"status": "delivered"}), 100),
        (json!({"message_id": ""}), 100),
        (json!({"message_id": "x"}), 131_009),
    ] {
        assert_eq!(sim.graph("POST", &path, receipt(more.clone())).await.code(), code, "{more}");
    }
    let receipts = sim.get("receipts").await;
    let typing: Vec<_> = receipts["items"].as_array().unwrap().iter().map(|it| it["typing"].clone()).collect();
    assert_eq!(typing, [json!(false), json!(true)]);
    assert_eq!(sim.get("sent").await["items"], json!([]), "a receipt is no message");
}
