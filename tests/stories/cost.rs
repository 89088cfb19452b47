//! What messages cost, by the calls that they take (`cargo xtask bench --calls` prints them all).

use stories::cost::{Cost, measure};

#[tokio::test]
async fn a_customers_message_takes_no_more_calls_than_its_price_allows() {
    let costs = measure().await;
    let of = |what: &str| -> &Cost {
        costs.iter().find(|cost| cost.what.ends_with(what)).unwrap_or_else(|| panic!("{what}: was not measured"))
    };
    for (what, webhooks, runs) in [
        ("customer's message, alone", 1.0, 1.0),
        ("in its webhook, ten to a worker", 1.0, 0.1),
        ("and to a worker", 0.1, 0.1),
    ] {
        let cost = of(what);
        let expect = |call: &str, expected: f64| {
            let counted = cost.calls(call);
            assert!((counted - expected).abs() < 1e-9, "{expected} {call} a message were expected: {cost}");
        };
        expect("SendMessageBatch", webhooks);
        expect("ReceiveMessage", runs);
        expect("TransactWriteItems", 1.0);
        // Who it is, and what waited for the message; nothing else is read.
        expect("BatchGetItem", 1.0);
        expect("Query", 1.0);
        expect("GetItem", 0.0);
        expect("BatchWriteItem", runs);
        expect("Decrypt", 0.0);
        assert!(cost.write_units <= 9.0, "at most 9 write units a message: {cost}");
    }
    let usual = of("in its webhook, ten to a worker");
    assert!(usual.per_million() <= 8.0, "at most $8 for a million messages: {usual}");
}
