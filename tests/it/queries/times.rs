//! Balances as of an instant.

use serde_json::{Value, json};

use crate::harness::{Client, shared, text};

const BALANCE_AT: &str = "query($id: ID!, $time: DateTime!, $by: TimeBasis!) {
    account(id: $id) { balanceAt(time: $time, by: $by) { amount currency } } }";

async fn balance_at(bank: &Client, account: &str, time: &Value, by: &str) -> String {
    let data = bank.graphql(BALANCE_AT, json!({ "id": account, "time": time, "by": by })).await;
    text(&data["account"]["balanceAt"]["amount"])
}

#[tokio::test]
async fn a_balance_was_what_it_was_and_is_what_was_known() {
    const TIMES: &str = "query($id: ID!) { account(id: $id) {
        transactions { edges { node { bookedAt recordedAt balanceAfter } } } } }";
    let daybook = shared().await;
    let bank = daybook.operator("balances in time").await;
    let account = bank.open("EUR").await;
    for amount in ["5.00", "2.00", "1.00"] {
        bank.deposit(&account, amount).await;
    }
    let entries = bank.graphql(TIMES, json!({ "id": account })).await;
    let entries: Vec<Value> = entries["account"]["transactions"]["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| edge["node"].clone())
        .collect();
    assert_eq!(entries.len(), 3);
    let mut before = "0.00".to_owned();
    for entry in &entries {
        let after = text(&entry["balanceAfter"]);
        assert_eq!(balance_at(&bank, &account, &entry["recordedAt"], "RECORDED").await, after, "{entry}");
        // A deposit belongs to the instant it was asked for, when nobody knew of it yet.
        assert_eq!(balance_at(&bank, &account, &entry["bookedAt"], "BOOKED").await, after, "{entry}");
        assert_eq!(balance_at(&bank, &account, &entry["bookedAt"], "RECORDED").await, before, "{entry}");
        before = after;
    }
    let long_ago = json!("2020-01-01T00:00:00Z");
    for by in ["BOOKED", "RECORDED"] {
        assert_eq!(balance_at(&bank, &account, &long_ago, by).await, "0.00");
        assert_eq!(balance_at(&bank, &account, &json!("9000-01-01T00:00:00Z"), by).await, "8.00");
    }
}
