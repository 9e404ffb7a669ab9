//! Accounts with money on them, made the quick way: by import.

use serde_json::{Value, json};

use crate::server::Server;

/// Opens `count` accounts with 1,000,000.00 EUR on each; their ids.
pub async fn open(server: &Server, count: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(count);
    let numbers: Vec<usize> = (0..count).collect();
    for chunk in numbers.chunks(1_000) {
        let rows: Vec<Value> = chunk
            .iter()
            .map(|number| {
                json!({
                    "reference": format!("opening-{number}"),
                    "account_reference": format!("bench-{number}"),
                    "booked_on": "2026-01-01",
                    "direction": "credit",
                    "amount": "1000000.00",
                    "currency": "EUR",
                    "settlement": "clearing",
                    "description": null,
                })
            })
            .collect();
        let answer = server.post("/api/v1/import", &json!({ "rows": rows })).await;
        for row in answer["rows"].as_array().unwrap() {
            ids.push(row["account_id"].as_str().unwrap().to_owned());
        }
    }
    ids
}
