use super::*;
use recado_testkit::samples;

/// What of a value must survive: missing and null are the same, and so are an id and its digits.
fn essentials(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name.clone(), essentials(value))).collect())
        }
        Value::Array(values) => values.iter().map(essentials).collect(),
        Value::Number(number) => number.to_string().into(),
        other => other.clone(),
    }
}

#[test]
fn the_sample_page_is_read_and_written_without_losing_a_field() {
    let page: Value = serde_json::from_slice(&samples::graph("graph_templates_page.json")).unwrap();
    for listed in page["data"].as_array().unwrap() {
        let template = read(listed.clone());
        assert_eq!(serde_json::to_value(&template).unwrap(), *listed);
        assert!(template.is_sendable());
        assert_eq!(template.validate(), Ok(()));
    }
}

#[test]
fn every_part_is_read_as_what_it_is_and_written_as_it_came() {
    for json in [listed(), carousel(), offer(), one_time_code()] {
        let template = read(json.clone());
        assert_eq!(serde_json::to_value(&template).unwrap(), json);
        let shown = format!("{:?}", template.components);
        assert!(!shown.contains("Other(Map"), "not understood: {shown}");
    }
    let template = read(listed());
    assert_eq!(
        template.quality_score.as_ref().and_then(Lenient::read).map(|score| &score.score),
        Some(&Quality::Green)
    );
    assert_eq!(template.other["sub_category"], "ORDER_STATUS");
}

#[test]
fn what_is_new_is_kept() {
    let json = json!({
        "name": "n", "language": "es", "status": "SLEEPING", "category": "SERVICE", "parameter_format": "BOTH",
        "rejected_reason": "BORING", "quality_score": "GREEN",
        "components": [
            {"type": "HOLOGRAM", "depth": 3},
            {"type": "HEADER", "format": "SMELL", "intensity": 2},
            {"type": "BODY", "text": 5, "example": {"body_text": "no list"}},
            {"type": "BODY", "text": "Hola", "example": {"body_text": "no list"}, "tone": "warm"},
            {"type": "BUTTONS", "buttons": [{"type": "TELEPORT", "to": "Marte"}, {"type": "URL", "text": "no url"}]},
            {"no": "type"}
        ]
    });
    let template = read(json.clone());
    assert_eq!(template.status, Some(Status::Other("SLEEPING".into())));
    assert!(matches!(template.components[3], Component::Body(_)), "an odd example makes a body no less a body");
    assert_eq!(serde_json::to_value(&template).unwrap(), json);
}

#[test]
fn ids_are_read_from_numbers_and_words_in_any_case() {
    let template = read(json!({"id": 1_689_556_900_000_001_i64, "name": "n", "category": "utility",
        "components": [{"type": "body", "text": "Hola"}]}));
    assert_eq!(template.id.as_deref(), Some("1689556900000001"));
    assert_eq!(template.category, Some(Category::Utility));
    assert!(matches!(template.components[0], Component::Body(_)));
}

/// Puts each of some strange values in the place of each part of the components, one at a time.
#[test]
fn nothing_strange_inside_a_template_loses_the_rest_of_it() {
    fn places(value: &Value, path: &str, found: &mut Vec<String>) {
        let parts: Vec<(String, &Value)> = match value {
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
            Value::Array(values) => {
                values.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
            }
            _ => return,
        };
        for (name, value) in parts {
            let path = format!("{path}/{name}");
            places(value, &path, found);
            found.push(path);
        }
    }
    let mut tried = 0;
    for json in [listed(), carousel(), offer(), one_time_code()] {
        let mut found = Vec::new();
        places(&json["components"], "/components", &mut found);
        for place in found {
            for strange in [
                json!(null),
                json!(7),
                json!(-1.5),
                json!("{{1"),
                json!([]),
                json!([[1]]),
                json!({"a": []}),
                json!(true),
            ] {
                // A component is an object; a list of anything else is no list of components.
                let is_component = place
                    .rsplit_once('/')
                    .is_some_and(|(list, index)| list.ends_with("components") && index.parse::<usize>().is_ok());
                if is_component && !strange.is_object() {
                    continue;
                }
                let mut json = json.clone();
                *json.pointer_mut(&place).unwrap() = strange;
                let template = read(json.clone());
                let written = serde_json::to_value(&template).unwrap();
                assert_eq!(essentials(&written), essentials(&json), "at {place}");
                // Neither of these panics, whatever they find.
                _ = template.validate();
                _ = template.check_parameters(&Parameters::default());
                _ = template.render(&Parameters::default());
                tried += 1;
            }
        }
    }
    assert!(tried > 1_000, "only {tried} cases");
}

#[test]
fn creating_and_editing_send_the_definition_and_nothing_that_is_only_listed() {
    let template = read(listed());
    let creation = serde_json::to_value(template.creation()).unwrap();
    let fields: Vec<_> = creation.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["category", "components", "language", "message_send_ttl_seconds", "name", "parameter_format"]);
    assert_eq!(creation["components"], listed()["components"]);
    let edit = serde_json::to_value(template.edit()).unwrap();
    let fields: Vec<_> = edit.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["category", "components", "message_send_ttl_seconds", "parameter_format"]);
}

/// Each level is looked at a bounded number of times: thirty doublings would never end.
#[test]
fn carousels_within_carousels_are_read_and_refused() {
    let mut part = json!({"type": "BODY", "text": 5});
    for _ in 0..30 {
        part = json!({"type": "CAROUSEL", "cards": [{"components": [part]}], "title": 5});
    }
    let json = json!({"name": "n", "language": "es", "category": "MARKETING", "components": [part]});
    let template: Template = serde_json::from_str(&json.to_string()).unwrap();
    assert_eq!(essentials(&serde_json::to_value(&template).unwrap()), essentials(&json));
    assert!(template.validate().is_err(), "a card holds no carousel");
    _ = template.parameters();
}
