//! JSON that nobody thought of, made of the names and words that the models look for.

use super::*;
use proptest::prelude::*;
use std::sync::LazyLock;

/// Every name and every short text that occurs in the samples, and the fields.
static VOCABULARY: LazyLock<(Vec<String>, Vec<String>, Vec<String>)> = LazyLock::new(|| {
    let (mut names, mut words, mut fields) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (field, value) in distinct_changes() {
        for path in paths(&value) {
            names.insert(path.rsplit('/').next().unwrap().to_owned());
            words.extend(value.pointer(&path).unwrap().as_str().filter(|text| text.len() < 24).map(str::to_owned));
        }
        fields.insert(field);
    }
    (names.into_iter().collect(), words.into_iter().collect(), fields.into_iter().collect())
});

fn text() -> impl Strategy<Value = String> {
    let quoted = |text: String| serde_json::to_string(&text).unwrap();
    prop_oneof![
        4 => prop::sample::select(&VOCABULARY.1[..]).prop_map(quoted),
        1 => any::<String>().prop_map(quoted),
        1 => any::<u16>().prop_map(|unit| format!("\"\\u{unit:04x}\"")),
    ]
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => text(),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| json!(number).to_string()),
        1 => prop::sample::select(&["null", "true", "false", "1e999", "-0", "0.10", "1E2", "\"007\""][..]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(7, 96, 8, |inner| {
        let name = prop_oneof![
            19 => prop::sample::select(&VOCABULARY.0[..]).prop_map(|name| format!("\"{name}\"")),
            1 => text(),
        ];
        let member = (name, inner.clone()).prop_map(|(name, value)| format!("{name}:{value}"));
        prop_oneof![
            3 => prop::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(","))),
            1 => prop::collection::vec(inner, 0..5).prop_map(|list| format!("[{}]", list.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_json_is_read_and_written_as_it_was_sent(json in json(), field in prop::sample::select(&VOCABULARY.2[..])) {
        check(&field, &json);
        check("messages", &format!(r#"{{"messages":[{json}],"statuses":[{json}]}}"#));
        let whole = format!(r#"{{"messages":[{{"id":"w","timestamp":"1","type":"text","text":{json},"context":{json}}}]}}"#);
        prop_assert_eq!(count(&check("messages", &whole)), 1, "an item was lost: {}", whole);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let json = String::from_utf8_lossy(&bytes);
        mend_surrogates(&json);
        if let Ok(raw) = serde_json::from_str::<&RawValue>(&json) {
            check("messages", raw.get());
        }
        prop_assert!(serde_json::from_slice::<crate::webhook::message::Message>(&bytes).is_err());
    }

    #[test]
    fn halves_of_surrogates_are_mended_and_nothing_else_changes(
        units in prop::collection::vec(prop_oneof![any::<u16>(), 0xd800..0xe000_u16], 0..12),
        plain in "[a-z\\\\\"é😊]{0,4}",
    ) {
        let escaped: String = units.iter().map(|unit| format!("\\u{unit:04X}")).collect();
        let quoted = serde_json::to_string(&plain).unwrap();
        let json = format!("{}{escaped}\"", &quoted[..quoted.len() - 1]);
        let read: String = serde_json::from_str(&mend_surrogates(&json)).unwrap();
        prop_assert_eq!(read, format!("{plain}{}", String::from_utf16_lossy(&units)));
    }
}
