use serde_json::json;

use super::*;
use crate::newest::server::RedisServer;

/// As it stands in Redis. Whoever has to change this needs another number in `FORMAT`: other programs read it, too.
fn rows() -> Vec<TransactionRow> {
    let row = |revision: i64, kind: &str, balance: i64, status: Option<&str>| {
        json!({
            "account_id": 7, "month": "2026-11-01", "revision": revision, "transfer_id": 11, "kind": kind, "amount": 250,
            "balance_after": balance, "currency": "EUR", "counterparty": 9, "description": "rent", "reference": null,
            "booked_at": "2026-11-22T19:30:52.785819Z", "recorded_at": "2026-11-22T19:30:52.786039Z", "transfer_status": status,
        })
    };
    let text = json!([row(3, "credit", 750, None), row(4, "debit", 500, Some("completed"))]);
    let rows: Vec<TransactionRow> = serde_json::from_value(text.clone()).unwrap();
    assert_eq!(serde_json::to_value(&rows).unwrap(), text);
    rows
}

#[test]
fn a_list_is_good_for_the_row_that_ends_with_its_last_entry_and_no_other() {
    let (rows, row) = (rows(), NewestOf { account_id: 7, revision: 4, balance: 500 });
    assert!(row.is_told_by(&rows));
    for other in [
        NewestOf { revision: 3, ..row },
        NewestOf { revision: 5, ..row },
        NewestOf { balance: 501, ..row },
        NewestOf { account_id: 8, ..row },
    ] {
        assert!(!other.is_told_by(&rows), "{other:?}");
    }
    assert!(!row.is_told_by(&[]));
    // Entries of other months stand before and after; the last of the account's events is what counts.
    assert!(row.is_told_by(&[rows[1].clone(), rows[0].clone()]));
}

#[test]
fn a_list_that_may_change_is_none() {
    let mut text = serde_json::to_value(rows()).unwrap();
    text[1]["transfer_status"] = json!("pending");
    let rows: Vec<TransactionRow> = serde_json::from_value(text).unwrap();
    assert!(!NewestOf { account_id: 7, revision: 4, balance: 500 }.is_told_by(&rows));
}

#[test]
fn a_url_that_is_none_is_not_repeated() {
    for url in ["redis://bank:SECRET@localhost:port", "http://bank:SECRET@localhost", "", "SECRET"] {
        let refused = RedisServer::new(url).unwrap_err().to_string();
        assert!(!refused.contains("SECRET"), "{refused}");
    }
    let server = RedisServer::new("rediss://bank:SECRET@localhost:6380/1").unwrap();
    assert!(!format!("{server:?}").contains("SECRET"));
}
