//! What messages cost, by the calls that they take.

use stories::cost::{Cost, measure};

#[tokio::test]
async fn a_message_takes_no_more_calls_than_its_price_allows() {
    let costs = measure().await;
    let of = |what: &str| -> &Cost {
        costs.iter().find(|cost| cost.what.starts_with(what)).unwrap_or_else(|| panic!("{what} was not measured"))
    };
    for (what, batch) in [("customer's message, alone", 1.0), ("customer's message, ten", 10.0)] {
        let cost = of(what);
        let calls = |call: &str| cost.calls(call);
        assert!((calls("SendMessageBatch") - 1.0 / batch).abs() < 1e-9, "one send for a webhook: {cost}");
        assert!((calls("TransactWriteItems") - 1.0).abs() < 1e-9, "one transaction for a message: {cost}");
        assert!(calls("GetItem") + calls("BatchGetItem") + calls("Query") <= 3.0, "few reads: {cost}");
        assert!(calls("Decrypt") < 1e-9, "no token is needed to receive: {cost}");
    }
    let (ten, outbound) = (of("customer's message, ten"), of("reply"));
    assert!(ten.per_million() <= 8.0, "P5, inbound: at most $8 per million: {ten}");
    assert!(outbound.per_million() <= 19.0, "P5, outbound with three statuses: at most $19 per million: {outbound}");
    assert!(outbound.write_units <= 18.0, "P4: at most 18 write units: {outbound}");
    assert!(outbound.calls("Decrypt") <= 0.02, "P4: the token is opened once, not for each reply: {outbound}");
}
