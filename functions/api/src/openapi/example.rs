//! Examples, read off schemas: every field says what it may look like, and the rest follows.

use serde_json::{Map, Value, json};

/// Something that fits a schema. What neither says nor implies an example is told by its path. The example of
/// a schema with fields needs to name only those that have none of their own.
pub(super) fn example_of(schema: &Value, named: &Map<String, Value>, path: &str) -> Result<Value, String> {
    if let Some(fields) = schema["properties"].as_object() {
        let examples = fields.iter().map(|(name, field)| {
            let given = schema["example"].get(name).cloned().map(Ok);
            let example = given.unwrap_or_else(|| example_of(field, named, &format!("{path}.{name}")));
            Ok((name.clone(), example?))
        });
        return Ok(Value::Object(examples.collect::<Result<_, String>>()?));
    }
    let told = schema.get("example").or_else(|| schema.pointer("/examples/0")).or_else(|| schema.get("default"));
    if let Some(example) = told.or_else(|| schema.pointer("/enum/0")) {
        return Ok(example.clone());
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return example_of(&named[name], named, &format!("{path} ({name})"));
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            let chosen = choices.iter().find(|one| one["type"] != "null").ok_or(path)?;
            return example_of(chosen, named, path);
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            if let Value::Object(fields) = example_of(part, named, path)? {
                whole.extend(fields);
            }
        }
        return Ok(Value::Object(whole));
    }
    let kinds = schema["type"].as_array().into_iter().flatten().chain([&schema["type"]]);
    let kind = kinds.filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default();
    Ok(match (kind, schema["format"].as_str()) {
        ("object", _) if schema["type"].is_array() => Value::Null,
        ("array", _) => json!([example_of(&schema["items"], named, &format!("{path}[]"))?]),
        ("string", Some("date-time")) => json!("2026-11-20T12:00:00Z"),
        ("string", Some("date")) => json!("2026-11-20"),
        ("integer", _) => schema.get("minimum").cloned().unwrap_or(json!(1)),
        ("boolean", _) => json!(true),
        _ => return Err(format!("{path} needs an example: #[schema(example = …)]")),
    })
}
