//! What reading the wildest values costs in memory. A test of its own, because it looks at its process.
#![cfg(target_os = "linux")]

use recado_whatsapp::webhook::change::Change;
use serde_json::value::RawValue;

/// As much as a queue message can carry.
const SIZE: usize = 1 << 20;
/// The most that a byte of JSON may cost.
const BYTES_PER_BYTE: usize = 110;

/// The most memory that this process has ever used, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells about the process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak among other things");
    let kilobytes = line.trim().trim_end_matches("kB").trim();
    kilobytes.parse::<usize>().expect("as a number of kilobytes") * 1024
}

/// The field's value with a list of as many of these elements as fit.
fn filled(before: &str, element: &str, after: &str) -> String {
    let list = vec![element; SIZE / (element.len() + 1)].join(",");
    format!("{before}{list}{after}")
}

#[test]
fn a_value_never_costs_more_than_a_multiple_of_its_size() {
    let numbered = (0..SIZE / 12).map(|i| format!(r#""{i:06}":[]"#)).collect::<Vec<_>>().join(",");
    let values = [
        ("messages", filled(r#"{"messages":["#, r#"{"id":1,"timestamp":1}"#, "]}")),
        ("messages", filled(r#"{"statuses":["#, r#"{"id":1,"timestamp":1}"#, "]}")),
        ("messages", filled(r#"{"contacts":["#, "{}", "]}")),
        ("messages", filled(r#"{"errors":["#, "{}", "]}")),
        ("messages", filled(r#"{"messages":[{"id":1,"timestamp":1,"type":"contacts","contacts":["#, "{}", "]}]}")),
        ("messages", filled(r#"{"messages":[{"id":1,"timestamp":1,"errors":["#, r#"{"a":1}"#, "]}]}")),
        (
            "messages",
            filled(r#"{"messages":[{"id":1,"timestamp":1,"type":"contacts","contacts":["#, r#"{"a":1}"#, "]}]}"),
        ),
        ("account_update", filled(r#"{"restriction_info":["#, r#"{"a":1}"#, "]}")),
        ("history", filled(r#"{"history":[{"threads":["#, "{}", "]}]}")),
        ("calls", filled(r#"{"calls":["#, r#"{"id":1}"#, "]}")),
        ("account_update", filled(r#"{"restriction_info":["#, "{}", "]}")),
        ("messages", format!("{{{numbered}}}")),
        ("brand_new", "[".repeat(SIZE / 2) + &"]".repeat(SIZE / 2)),
        ("messages", format!(r#"{{"metadata":{}{}}}"#, "[".repeat(SIZE / 2), "]".repeat(SIZE / 2))),
    ];
    let before = peak();
    for (field, json) in values {
        let value: &RawValue = serde_json::from_str(&json).expect("it is JSON");
        drop(Change::parse(field, value));
        let (grown, start) = (peak() - before, &json[..60]);
        assert!(grown <= BYTES_PER_BYTE * SIZE, "{grown} bytes for {} bytes of {start}", json.len());
    }
}
