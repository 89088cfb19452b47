//! Templates: drafted, reviewed, listed, sent.

use crate::sim::{Answer, LUCIA, NUMBER, Sim, WABA};
use recado_testkit::samples;
use serde_json::{Value, json};

fn draft(more: Value) -> Value {
    let mut draft = json!({
        "name": "visita", "language": "es_AR", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Hola {{1}}, vamos hoy.", "example": {"body_text": [["Ana"]]}}],
    });
    draft.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    draft
}

async fn create(sim: &Sim, more: Value) -> Answer {
    sim.graph("POST", &format!("{WABA}/message_templates"), draft(more)).await
}

async fn exists(sim: &Sim, more: Value) -> String {
    let mut template = draft(json!({"waba_id": WABA}));
    template.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    sim.put("templates", template).await["id"].as_str().unwrap().to_owned()
}

fn send(name: &str, language: &str, components: Value) -> Value {
    json!({"type": "template", "template": {"name": name, "language": {"code": language}, "components": components}})
}

fn body(text: &str) -> Value {
    json!([{"type": "body", "parameters": [{"type": "text", "text": text}]}])
}

/// Leaves reviews to commands.
async fn by_command(sim: &Sim) {
    sim.put("accounts", json!({"waba_id": WABA, "review_ms": null})).await;
}

#[tokio::test]
async fn a_draft_is_pending_until_it_is_approved_and_the_hub_is_told() {
    let sim = Sim::new().await;
    by_command(&sim).await;
    let created = create(&sim, json!({})).await;
    assert_eq!(
        (created.status, &created.body["status"], &created.body["category"]),
        (200, &json!("PENDING"), &json!("UTILITY"))
    );
    let id = created.body["id"].as_str().unwrap();
    assert_eq!(sim.code(send("visita", "es_AR", body("Ana"))).await, 132_001, "before its approval");
    sim.post("templates", json!({"id": id, "event": "APPROVED"})).await;
    let told = sim.hub.receives(1).await.remove(0);
    let sample: Value = serde_json::from_slice(&samples::webhook("template_status_approved.json")).unwrap();
    let value = |body: &Value| body["entry"][0]["changes"][0]["value"].clone();
    let names = |value: Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(value(&told)), names(value(&sample)));
    assert_eq!(told["entry"][0]["changes"][0]["field"], "message_template_status_update");
    assert!(told["entry"][0]["time"].is_i64(), "{told}");
    assert_eq!(value(&told)["message_template_id"].to_string(), id, "a number here, a text in Graph");
    let sent = sim.send(send("visita", "es_AR", body("Ana"))).await;
    assert_eq!(sent.body["messages"][0]["message_status"], "accepted");
}

#[tokio::test]
async fn a_review_ends_by_itself_as_the_account_says() {
    let sim = Sim::new().await;
    sim.put("accounts", json!({"waba_id": WABA, "review_ms": 1, "verdict": "REJECTED"})).await;
    let id = create(&sim, json!({})).await.body["id"].as_str().unwrap().to_owned();
    let value = sim.hub.value(0).await;
    assert_eq!((&value["event"], &value["reason"]), (&json!("REJECTED"), &json!("INVALID_FORMAT")));
    assert!(value["rejection_info"].is_object(), "{value}");
    assert_eq!(
        sim.graph("GET", &format!("{id}?fields=status,rejected_reason"), Value::Null).await.body,
        json!({"id": id, "status": "REJECTED", "rejected_reason": "INVALID_FORMAT"})
    );
}

#[tokio::test]
async fn a_template_is_sent_in_its_language_while_it_is_neither_paused_nor_disabled() {
    let sim = Sim::new().await;
    let id = exists(&sim, json!({})).await;
    for (message, code, what) in [
        (send("visita", "es_AR", body("Ana")), 0, "as it is"),
        (send("otra", "es_AR", body("Ana")), 132_001, "another name"),
        (send("visita", "es", body("Ana")), 132_001, "another language"),
        (send("visita", "es_AR", json!([])), 132_000, "without its parameter"),
        (
            send(
                "visita",
                "es_AR",
                json!([{"type": "body", "parameters": [{"type": "text", "text": "Ana", "parameter_name": "x"}]}]),
            ),
            132_012,
            "with a name",
        ),
    ] {
        assert_eq!(sim.code(message).await, code, "{what}");
    }
    let missing = sim.send(send("otra", "es_AR", body("Ana"))).await;
    assert_eq!((missing.status, missing.told().contains("template name (otra) does not exist in es_AR")), (404, true));
    let count = sim.send(send("visita", "es_AR", json!([]))).await;
    assert!(
        count
            .told()
            .contains("body: number of localizable_params (0) does not match the expected number of params (1)"),
        "{count:?}"
    );
    for (event, code) in [("PAUSED", 132_015), ("REINSTATED", 0), ("DISABLED", 132_016)] {
        sim.post("templates", json!({"id": id, "event": event})).await;
        assert_eq!(sim.code(send("visita", "es_AR", body("Ana"))).await, code, "{event}");
    }
}

#[tokio::test]
async fn quality_and_category_changes_are_told() {
    let sim = Sim::new().await;
    let id = exists(&sim, json!({"quality": "GREEN"})).await;
    sim.post("templates", json!({"id": id, "quality": "YELLOW"})).await;
    let value = sim.hub.value(0).await;
    assert_eq!((&value["previous_quality_score"], &value["new_quality_score"]), (&json!("GREEN"), &json!("YELLOW")));
    sim.post("templates", json!({"id": id, "category": "MARKETING"})).await;
    let value = sim.hub.value(1).await;
    assert_eq!((&value["previous_category"], &value["new_category"]), (&json!("UTILITY"), &json!("MARKETING")));
}

#[tokio::test]
async fn a_message_that_is_held_says_so_and_gets_no_statuses() {
    let sim = Sim::with_number(json!({"statuses": ["sent"]})).await;
    exists(&sim, json!({"message_status": "held_for_quality_assessment"})).await;
    exists(&sim, json!({"name": "otra"})).await;
    let held = sim.send(send("visita", "es_AR", body("Ana"))).await;
    assert_eq!(held.body["messages"][0]["message_status"], "held_for_quality_assessment");
    let sent = sim.send(send("otra", "es_AR", body("Ana"))).await;
    assert_eq!(sim.hub.statuses(1).await[0]["id"], sent.body["messages"][0]["id"], "the first status is of the other");
}

#[tokio::test]
async fn codes_go_to_phones_only_and_marketing_has_an_edge_of_its_own() {
    let sim = Sim::new().await;
    exists(&sim, json!({"name": "codigo", "category": "AUTHENTICATION"})).await;
    exists(&sim, json!({"name": "oferta", "category": "MARKETING"})).await;
    let mut to_bsuid = send("codigo", "es_AR", body("123456"));
    assert_eq!(sim.code(to_bsuid.clone()).await, 0);
    to_bsuid["recipient"] = json!("AR.709");
    assert_eq!(sim.code(to_bsuid).await, 131_062);

    let marketing = async |more: Value| {
        let mut message = send("oferta", "es_AR", body("Ana"));
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message["messaging_product"] = json!("whatsapp");
        message["to"] = json!(LUCIA);
        sim.graph("POST", &format!("{NUMBER}/marketing_messages"), message).await.code()
    };
    assert_eq!(marketing(json!({"product_policy": "STRICT", "message_activity_sharing": true})).await, 0);
    assert_eq!(marketing(json!({"product_policy": "LAX"})).await, 100);
    assert_eq!(marketing(json!({"type": "text", "text": {"body": "x"}})).await, 100);
    let sent = sim.get("sent").await;
    assert_eq!(sent["items"].as_array().unwrap().last().unwrap()["edge"], "marketing_messages");
}

#[tokio::test]
async fn templates_are_listed_page_by_page() {
    let sim = Sim::new().await;
    for place in 0..5 {
        exists(&sim, json!({"name": format!("t{place}"), "status": if place == 0 { "PAUSED" } else { "APPROVED" }}))
            .await;
    }
    let mut path = format!("{WABA}/message_templates?limit=2&fields=name,status");
    let mut pages = Vec::new();
    loop {
        let page = sim.graph("GET", &path, Value::Null).await.body;
        pages.push(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
        );
        assert_eq!(page["data"][0].get("components"), None, "only what was asked for");
        let Some(next) = page["paging"]["next"].as_str() else {
            assert!(page["paging"]["cursors"]["after"].is_string(), "the last page has cursors too");
            break;
        };
        path = next.strip_prefix("http://meta.example/v26.0/").unwrap().to_owned();
        // The token of the address is enough.
        let by_query = sim.router.clone();
        let request = axum::http::Request::get(format!("/v26.0/{path}")).body(axum::body::Body::empty()).unwrap();
        let answer = tower::ServiceExt::oneshot(by_query, request).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(pages, [vec!["t0", "t1"], vec!["t2", "t3"], vec!["t4"]]);

    let sample: Value = serde_json::from_slice(&samples::graph("graph_templates_page.json")).unwrap();
    let whole = sim.graph("GET", &format!("{WABA}/message_templates"), Value::Null).await.body;
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&whole["data"][0]), names(&sample["data"][0]));
    let paused = sim.graph("GET", &format!("{WABA}/message_templates?status=PAUSED"), Value::Null).await.body;
    assert_eq!(paused["data"].as_array().unwrap().len(), 1);
    assert_eq!(sim.graph("GET", &format!("{WABA}/message_templates?after=x"), Value::Null).await.code(), 100);
    assert_eq!(sim.graph("GET", "1/message_templates", Value::Null).await.code(), 100, "somebody else's account");
}

#[tokio::test]
async fn drafts_with_the_usual_errors_are_refused() {
    let sim = Sim::new().await;
    by_command(&sim).await;
    let component = |component: Value| json!({"components": [{"type": "BODY", "text": "Hola"}, component]});
    let text = |text: &str, examples: usize| json!({"components": [{"type": "BODY", "text": text, "example": {"body_text": [vec!["x"; examples]]}}]});
    let buttons = |buttons: Value| component(json!({"type": "BUTTONS", "buttons": buttons}));
    let reply = |text: &str| json!({"type": "QUICK_REPLY", "text": text});
    let url = |url: &str| json!({"type": "URL", "text": "Ver", "url": url, "example": ["x"]});
    for (more, subcode, what) in [
        (json!({"name": "Visita"}), Some(2_388_042), "a capital letter"),
        (json!({"name": "visita-2"}), Some(2_388_042), "a hyphen"),
        (json!({"name": "x".repeat(513)}), Some(2_388_042), "513 characters"),
        (json!({"category": "TRANSACTIONAL"}), None, "an old category"),
        (json!({"language": "español"}), None, "no language"),
        (json!({"parameter_format": "MIXED"}), None, "no format"),
        (json!({"message_send_ttl_seconds": 29}), None, "too short a life"),
        (json!({"components": [{"type": "FOOTER", "text": "x"}]}), Some(2_388_043), "no body"),
        (text("{{1}} llegó a casa", 1), Some(2_388_299), "a variable at the start"),
        (text("Llegó a casa {{1}}", 1), Some(2_388_299), "a variable at the end"),
        (text("a {{1}} {{2}} {{3}} b", 3), Some(2_388_293), "more variables than words"),
        (text("Hola {{1}}, el {{3}} vamos", 2), Some(2_388_072), "a gap in the numbers"),
        (text("Hola {{nombre}}, vamos hoy", 1), Some(2_388_072), "a name among positions"),
        (text("Hola {{1}}, vamos hoy", 0), Some(2_388_043), "no example"),
        (text(&"x".repeat(1025), 0), Some(2_388_040), "1,025 characters"),
        (
            component(json!({"type": "HEADER", "format": "TEXT", "text": "x".repeat(61)})),
            Some(2_388_040),
            "a long header",
        ),
        (
            component(json!({"type": "HEADER", "format": "TEXT", "text": "{{1}} {{2}}"})),
            Some(2_388_047),
            "two in the header",
        ),
        (component(json!({"type": "HEADER", "format": "IMAGE"})), Some(2_388_043), "an image without a sample"),
        (
            component(json!({"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4::x"]}})),
            Some(2_494_102),
            "a handle of nothing",
        ),
        (component(json!({"type": "FOOTER", "text": "chau {{1}}"})), Some(2_388_073), "a variable in the footer"),
        (component(json!({"type": "FOOTER", "text": "x".repeat(61)})), Some(2_388_040), "a long footer"),
        (component(json!({"type": "SIDEBAR"})), None, "an unknown component"),
        (
            buttons(json!((0..11).map(|it| reply(&it.to_string())).collect::<Vec<_>>())),
            Some(2_388_044),
            "eleven buttons",
        ),
        (buttons(json!([url("https://a"), url("https://b"), url("https://c")])), Some(2_388_044), "three addresses"),
        (buttons(json!([reply("a"), url("https://a"), reply("b")])), Some(2_388_044), "interleaved buttons"),
        (buttons(json!([reply(&"x".repeat(26))])), Some(2_388_040), "a long button"),
        (buttons(json!([url("https://a/{{1}}/b")])), Some(2_388_044), "a variable within an address"),
    ] {
        let answer = create(&sim, more).await;
        assert_eq!((answer.status, answer.code()), (400, 100), "{what}: {}", answer.body);
        let error = &answer.body["error"];
        assert_eq!(error["error_subcode"].as_i64(), subcode, "{what}: {error}");
        if subcode.is_some() {
            assert!(error["error_user_msg"].is_string() && error["error_user_title"].is_string(), "{what}: {error}");
        }
    }
    let named = json!({"parameter_format": "NAMED", "components": [{"type": "body", "text": "Hola {{nombre}}, vamos hoy.",
        "example": {"body_text_named_params": [{"param_name": "nombre", "example": "Ana"}]}}]});
    assert_eq!(create(&sim, named).await.status, 200);
    let message =
        json!([{"type": "body", "parameters": [{"type": "text", "text": "Ana", "parameter_name": "nombre"}]}]);
    let id = sim.graph("GET", &format!("{WABA}/message_templates"), Value::Null).await.body["data"][0]["id"].clone();
    sim.post("templates", json!({"id": id, "event": "APPROVED"})).await;
    assert_eq!(sim.code(send("visita", "es_AR", message)).await, 0);
}

#[tokio::test]
async fn a_name_and_language_exist_once_and_stay_blocked_after_deletion() {
    let sim = Sim::new().await;
    by_command(&sim).await;
    let subcode = |answer: &Answer| answer.body["error"]["error_subcode"].as_i64();
    let id = create(&sim, json!({})).await.body["id"].as_str().unwrap().to_owned();
    assert_eq!(subcode(&create(&sim, json!({})).await), Some(2_388_024));
    assert_eq!(create(&sim, json!({"language": "es"})).await.status, 200, "another language");
    sim.post("templates", json!({"id": id, "event": "APPROVED"})).await;
    let path = format!("{WABA}/message_templates");
    assert_eq!(
        sim.graph("DELETE", &format!("{path}?name=visita&hsm_id={id}"), Value::Null).await.body,
        json!({"success": true})
    );
    assert_eq!(sim.graph("GET", &id, Value::Null).await.code(), 100);
    assert_eq!(subcode(&create(&sim, json!({})).await), Some(2_388_023));
    assert_eq!(
        sim.graph("DELETE", &format!("{path}?name=visita"), Value::Null).await.status,
        200,
        "the other language"
    );
    assert_eq!(subcode(&sim.graph("DELETE", &format!("{path}?name=visita"), Value::Null).await), Some(2_593_002));
    sim.pass(31 * 86_400).await;
    assert_eq!(create(&sim, json!({})).await.status, 200);
}

#[tokio::test]
async fn an_unverified_account_has_250_templates_at_most() {
    let sim = Sim::new().await;
    by_command(&sim).await;
    for place in 0..250 {
        exists(&sim, json!({"name": format!("t{place}")})).await;
    }
    assert_eq!(create(&sim, json!({})).await.body["error"]["error_subcode"], 2_388_019);
    sim.put("accounts", json!({"waba_id": WABA, "review_ms": null, "verified": true})).await;
    assert_eq!(create(&sim, json!({})).await.status, 200);
}

#[tokio::test]
async fn an_edited_template_is_reviewed_again() {
    let sim = Sim::new().await;
    by_command(&sim).await;
    let id = exists(&sim, json!({})).await;
    let body = |text: &str| json!({"components": [{"type": "BODY", "text": text}]});
    assert_eq!(sim.graph("POST", &id, body("{{1}} mal")).await.body["error"]["error_subcode"], 2_388_299);
    assert_eq!(sim.graph("POST", &id, json!({"category": "MARKETING"})).await.code(), 100, "of an approved one");
    assert_eq!(sim.graph("POST", &id, body("Vamos hoy")).await.body, json!({"success": true}));
    let shown = sim.graph("GET", &id, Value::Null).await.body;
    assert_eq!((&shown["status"], &shown["components"][0]["text"]), (&json!("PENDING"), &json!("Vamos hoy")));
    assert_eq!(sim.graph("POST", &id, body("Otra vez")).await.code(), 100, "while it is reviewed");
}
