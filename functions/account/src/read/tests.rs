use super::*;
use recado_domain::template::TemplateStatus;
use recado_testkit::samples;
use recado_whatsapp::envelope::Kind;
use serde_json::value::RawValue;
use serde_json::{Value, json};

const TIME: i64 = 1_795_171_200;

fn read_value(field: &str, value: &Value) -> Reading {
    read_at(field, value, Some(TIME))
}

fn read_at(field: &str, value: &Value, time: Option<i64>) -> Reading {
    let raw = RawValue::from_string(value.to_string()).unwrap();
    let item = Item { waba_id: Some("1029".into()), field: Some(field.into()), time, ..Item::new(Kind::Other, &raw) };
    read(&item)
}

fn read_sample(file: &str) -> Reading {
    let body: Value = serde_json::from_slice(&samples::webhook(file)).unwrap();
    let change = &body["entry"][0]["changes"][0];
    read_value(change["field"].as_str().unwrap(), &change["value"])
}

fn news(reading: Reading) -> News {
    match reading {
        Reading::News(news) => news,
        other => panic!("expected news, got {other:?}"),
    }
}

/// What a fact is, in a word or two.
fn told(fact: &Fact) -> String {
    match fact {
        Fact::Template(key, fact) => {
            let told = match fact {
                TemplateFact::Standing(told) => format!("{} {:?}", told.value.status.as_str(), told.value.reason),
                TemplateFact::Quality(told) => told.value.score.clone(),
                TemplateFact::Category(told) => format!("is {}", told.value.category),
                TemplateFact::ComingCategory(told) => format!("will be {}", told.value.category),
                TemplateFact::Components(told) => told.value.parts.to_string(),
            };
            format!("{}/{} {told}", key.name(), key.language())
        }
        Fact::Account(fact) => match fact {
            AccountFact::Ban(told) => format!("{:?} {}", told.value.state, told.value.date.as_deref().unwrap_or("-")),
            AccountFact::Link(told) => {
                format!("{:?} {}", told.value.state, told.value.reason.as_deref().unwrap_or("-"))
            }
            AccountFact::Review(told) => told.value.decision.clone(),
            AccountFact::Capability(told) => format!("{:?}", told.value.max_daily_conversations),
            AccountFact::Restriction(told) => format!("{} until {:?}", told.value.kind, told.value.until),
        },
        Fact::Number(fact) => match fact {
            NumberFact::Limit(told) => format!("{:?} {:?}", told.value.tier, told.value.max_daily_conversations),
            NumberFact::Flag(told) => format!("flagged: {}", told.value.is_flagged),
            NumberFact::Quality(told) => told.value.score.clone(),
            NumberFact::Throughput(told) => told.value.level.clone(),
            NumberFact::NameReview(told) => format!("{} {:?}", told.value.decision, told.value.reason),
            NumberFact::VerifiedName(told) => format!("is called {}", told.value.name),
        },
        Fact::Notice(about, notice) => format!("{about:?}: {}", notice.value.event),
    }
}

fn facts(reading: Reading) -> Vec<String> {
    news(reading).facts.iter().map(told).collect()
}

#[test]
fn every_account_sample_says_what_it_should() {
    let parts = r#"job_scheduled/es_AR [{"format":"TEXT","text":"Visita agendada","type":"HEADER"},{"text":"Hola {{1}}, tu visita es el {{2}}.","type":"BODY"},{"text":"CampoTech","type":"FOOTER"},{"buttons":[{"text":"Ver","type":"URL","url":"https://example.invalid/{{1}}"}],"type":"BUTTONS"}]"#;
    let expected: [(&str, &[&str]); 21] = [
        ("account_alerts.json", &[r#"Entity("232941788745725"): OBA_APPROVED"#]),
        ("account_review_update.json", &["APPROVED"]),
        ("account_update_deleted.json", &["Deleted -", "Account: ACCOUNT_DELETED"]),
        ("account_update_disabled.json", &["Disabled November 20, 2026", "Account: DISABLED_UPDATE"]),
        ("account_update_offboarded.json", &["Offboarded -", "Account: ACCOUNT_OFFBOARDED"]),
        ("account_update_partner_added.json", &["Connected -", "Account: PARTNER_ADDED"]),
        ("account_update_partner_removed.json", &["Removed PRIMARY_INACTIVITY", "Account: PARTNER_REMOVED"]),
        ("account_update_reinstated.json", &["Reinstated November 21, 2026", "Account: DISABLED_UPDATE"]),
        ("account_update_scheduled_disable.json", &["Scheduled November 27, 2026", "Account: DISABLED_UPDATE"]),
        ("account_update_violation.json", &["Account: ACCOUNT_VIOLATION"]),
        ("account_update_volume_tier.json", &["Account: VOLUME_BASED_PRICING_TIER_UPDATE"]),
        ("business_capability_update.json", &["Some(2000)"]),
        ("phone_number_name_update.json", &[r#"REJECTED Some("NAME_NOT_CONSISTENT")"#]),
        ("phone_number_quality_update.json", &[r#"Some("TIER_10K") Some(10000)"#]),
        ("security_pin.json", &["Number: PIN_RESET_REQUEST"]),
        ("template_category_completed.json", &["job_scheduled/es_AR is MARKETING"]),
        ("template_components.json", &[parts]),
        ("template_quality.json", &["job_scheduled/es_AR YELLOW"]),
        ("template_status_approved.json", &["job_scheduled/es_AR APPROVED None", "job_scheduled/es_AR is UTILITY"]),
        ("template_status_disabled.json", &["job_scheduled/es_AR DISABLED None"]),
        (
            "template_status_rejected.json",
            &[r#"job_scheduled/es_AR REJECTED Some("INVALID_FORMAT")"#, "job_scheduled/es_AR is UTILITY"],
        ),
    ];
    for (file, expected) in expected {
        assert_eq!(facts(read_sample(file)), expected, "{file}");
    }
}

#[test]
fn a_refused_or_paused_template_says_why_in_metas_words() {
    let standing = |file| match news(read_sample(file)).facts.remove(0) {
        Fact::Template(_, TemplateFact::Standing(told)) => told.value,
        other => panic!("expected where the template stands, got {other:?}"),
    };
    let rejected = standing("template_status_rejected.json");
    assert_eq!(rejected.details.as_deref(), Some("Los parámetros están pegados entre sí."));
    assert_eq!(rejected.recommendation.as_deref(), Some("Separá los parámetros con texto."));
    assert_eq!(rejected.wa_template_id.unwrap().as_str(), "1689556900000001");
    let paused = standing("template_status_paused.json");
    assert_eq!(paused.status, TemplateStatus::Paused);
    assert_eq!(paused.details.unwrap(), "Your template has been paused for 3 hours due to low quality.");
    assert_eq!(standing("template_status_disabled.json").details.as_deref(), Some("November 20, 2026"));
}

#[test]
fn an_announced_category_is_not_the_present_one() {
    let value = json!({"message_template_name": "a", "message_template_language": "es", "new_category": "UTILITY",
        "correct_category": "MARKETING", "category_update_timestamp": TIME + 60});
    let reading = read_value("template_category_update", &value);
    assert_eq!(facts(reading), ["a/es will be MARKETING", "a/es is UTILITY"]);
}

#[test]
fn a_words_meaning_may_be_unknown_but_it_is_kept() {
    let status = json!({"message_template_name": "a", "message_template_language": "es", "event": "SOMETHING_NEW"});
    assert_eq!(facts(read_value("message_template_status_update", &status)), ["a/es SOMETHING_NEW None"]);
    let restriction = json!({"event": "ACCOUNT_RESTRICTION", "restriction_info": [
        {"restriction_type": "RESTRICTED_SOMETHING_NEW", "expiration": TIME}, {"restriction_type": "Señora Pérez"}]});
    let expected = ["RESTRICTED_SOMETHING_NEW until Some(2026-11-20T10:40:00Z)", "Account: ACCOUNT_RESTRICTION"];
    assert_eq!(facts(read_value("account_update", &restriction)), expected);
}

#[test]
fn an_account_that_the_value_names_goes_before_the_entrys() {
    let value = json!({"event": "PARTNER_REMOVED", "waba_info": {"waba_id": "777"}});
    assert_eq!(news(read_value("account_update", &value)).waba.unwrap().as_str(), "777");
    let value = json!({"event": "ACCOUNT_DELETED"});
    assert_eq!(news(read_value("account_update", &value)).waba.unwrap().as_str(), "1029");
}

#[test]
fn an_alert_about_a_number_is_for_that_numbers_owner() {
    let value = json!({"entity_type": "PHONE_NUMBER", "entity_id": 109, "alert_info": {"alert_type": "SOME_ALERT"}});
    let news = news(read_value("account_alerts", &value));
    assert_eq!(news.number, Some(NamedNumber::Id(PhoneNumberId::parse("109").unwrap())));
    assert_eq!(told(&news.facts[0]), "Number: SOME_ALERT");
}

#[test]
fn a_number_can_be_flagged_and_upgraded() {
    let value = |event: &str| json!({"display_phone_number": "5491150001234", "event": event});
    assert_eq!(facts(read_value("phone_number_quality_update", &value("FLAGGED"))), ["flagged: true"]);
    assert_eq!(facts(read_value("phone_number_quality_update", &value("UNFLAGGED"))), ["flagged: false"]);
    assert_eq!(facts(read_value("phone_number_quality_update", &value("THROUGHPUT_UPGRADE"))), ["HIGH"]);
    let approved = json!({"display_phone_number": "5491150001234", "decision": "APPROVED",
        "requested_verified_name": "Plomería", "rejection_reason": "NONE"});
    assert_eq!(facts(read_value("phone_number_name_update", &approved)), ["is called Plomería", "APPROVED None"]);
}

#[test]
fn what_cannot_be_placed_in_time_or_says_too_little_is_unreadable() {
    let named = |mut value: Value| {
        value["message_template_name"] = json!("a");
        value["message_template_language"] = json!("es");
        value
    };
    let approved = named(json!({"event": "APPROVED"}));
    let unreadable = |reading: Reading, what: &str| {
        assert!(matches!(reading, Reading::Unreadable(_)), "{what} was read as {reading:?}");
    };
    unreadable(read_at("message_template_status_update", &approved, None), "an event without a time");
    for (field, value) in [
        ("message_template_status_update", json!({"event": "APPROVED", "message_template_language": "es"})),
        ("message_template_status_update", json!({"event": "APPROVED", "message_template_name": "a"})),
        ("message_template_status_update", named(json!({}))),
        ("message_template_status_update", named(json!({"event": "Señora Pérez"}))),
        ("message_template_quality_update", named(json!({"previous_quality_score": "GREEN"}))),
        ("template_category_update", named(json!({"previous_category": "UTILITY"}))),
        ("message_template_components_update", named(json!({}))),
        ("message_template_components_update", named(json!({"message_template_element": "x".repeat(VALUE_MAX)}))),
        ("phone_number_quality_update", json!({"event": "FLAGGED"})),
        ("phone_number_quality_update", json!({"display_phone_number": "5491150001234", "event": "DOWNGRADE"})),
        ("phone_number_name_update", json!({"display_phone_number": "5491150001234"})),
        ("account_update", json!({})),
        ("account_update", json!({"event": "SOMETHING_NEW"})),
        ("account_update", json!({"event": "DISABLED_UPDATE"})),
        ("account_update", json!({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "SOMETHING_NEW"}})),
        ("account_update", json!({"event": "ACCOUNT_RESTRICTION"})),
        ("account_alerts", json!({"entity_id": "1", "alert_info": {}})),
        ("account_alerts", json!({"entity_id": "1#2", "alert_info": {"alert_type": "OBA_APPROVED"}})),
        ("account_review_update", json!({})),
        ("business_capability_update", json!({})),
        ("security", json!({"event": "PIN_CHANGED"})),
        ("security", json!({"display_phone_number": "5491150001234"})),
    ] {
        unreadable(
            read_value(field, &value),
            &format!("{field} {}", &value.to_string()[..value.to_string().len().min(80)]),
        );
    }
}

#[test]
fn other_fields_are_left_to_others() {
    for (field, value) in [
        ("user_preferences", json!({"user_preferences": []})),
        ("calls", json!({"calls": []})),
        ("brand_new", json!({"a": 1})),
        ("account_update", json!([1])),
        ("", json!({})),
    ] {
        assert_eq!(read_value(field, &value), Reading::Elsewhere, "{field}");
    }
}

#[test]
fn what_is_read_shows_neither_numbers_nor_names() {
    let value = json!({"display_phone_number": "5491150001234", "event": "PIN_CHANGED", "requester": "Señora Pérez"});
    let shown = format!("{:?}", read_value("security", &value));
    assert!(!shown.contains("5491150001234") && !shown.contains("Pérez"), "personal data shows in {shown}");
}
