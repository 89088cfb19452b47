//! `template.yaml` as data.

use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;
use std::path::PathBuf;

/// Where the repository is.
pub fn repository() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lies two folders below the repository").to_owned()
}

/// Reads the template, with the short forms of functions (`!Ref x`) in their long form (`{"Ref": "x"}`).
pub fn load() -> Value {
    let path = repository().join("template.yaml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("no {}: {error}", path.display()));
    let yaml = serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{} is not YAML: {error}", path.display()));
    long_form(yaml)
}

fn long_form(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => json!(value),
        Yaml::Number(value) => serde_json::to_value(value).unwrap(),
        Yaml::String(value) => json!(value),
        Yaml::Sequence(values) => values.into_iter().map(long_form).collect(),
        Yaml::Mapping(entries) => {
            let entries =
                entries.into_iter().map(|(name, value)| (name.as_str().unwrap().to_owned(), long_form(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let value = long_form(tagged.value);
            match tag.trim_start_matches('!') {
                "Ref" => json!({ "Ref": value }),
                "GetAtt" => {
                    let (resource, attribute) = value.as_str().unwrap().split_once('.').unwrap();
                    json!({ "Fn::GetAtt": [resource, attribute] })
                }
                function => json!({ format!("Fn::{function}"): value }),
            }
        }
    }
}
