//! Who wants the same money at once.

use serde_json::json;

use super::{CLIENTS, at_once, transfer};
use crate::harness::Client;

/// Euros that the account may go below zero, and that are on it.
const LIMITS: [(&str, usize); 2] = [("0.00", 20), ("10.00", 20)];

pub(super) async fn many_who_drain_one_account_never_overdraw_it(banks: &[Client]) {
    let bank = &banks[0];
    for (number, (limit, euros)) in LIMITS.into_iter().enumerate() {
        let from = bank.open_with(&json!({ "currency": "EUR", "overdraft_limit": limit })).await;
        bank.deposit(&from, &format!("{euros}.00")).await;
        let to = bank.open("EUR").await;
        let key = |client| format!("drain-{number}-{client}");
        let answers =
            at_once(banks, (0..CLIENTS).map(|client| transfer(&key(client), &from, &to, "1.00"))).await;
        let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 202);
        for answer in refused {
            answer.refuses(400, "insufficient_funds");
        }
        for answer in &taken {
            assert_eq!(bank.ended(&answer.transfer_id()).await["status"], "completed");
        }
        // All that is there and not a cent more.
        let overdraft = limit.split('.').next().unwrap();
        assert_eq!(taken.len(), euros + overdraft.parse::<usize>().unwrap());
        assert_eq!(bank.funds(&from).await.1, "0.00");
        assert_eq!(bank.balance(&to).await, format!("{}.00", taken.len()));
    }
}

pub(super) async fn what_one_process_was_paid_the_other_knows(banks: &[Client]) {
    let (from, to) = (banks[0].open("EUR").await, banks[0].open("EUR").await);
    for round in 0..8 {
        for (number, bank) in banks.iter().enumerate() {
            let other = &banks[(number + 1) % banks.len()];
            let key = |what: &str| format!("{what}-{round}-{number}");
            let refused = other.transfer(&key("too early"), &from, &to, "1.00").await;
            refused.refuses(400, "insufficient_funds");
            bank.deposit(&from, "1.00").await;
            let (path, body) = transfer(&key("in time"), &from, &to, "1.00");
            other.post(&path, &body).await.is(202);
        }
    }
}

pub(super) async fn money_that_crosses_never_waits_for_itself(banks: &[Client]) {
    let bank = &banks[0];
    let (left, right) = (bank.open_with_euros("500.00").await, bank.open_with_euros("500.00").await);
    for round in 0..4 {
        let asked = (0..CLIENTS).map(|client| {
            let key = format!("cross-{round}-{client}");
            // In each round the right one gets 32 euros more than it gives.
            match client % 2 {
                0 => transfer(&key, &left, &right, "2.00"),
                _ => transfer(&key, &right, &left, "1.00"),
            }
        });
        for answer in at_once(banks, asked).await {
            assert_eq!(bank.ended(&answer.transfer_id()).await["status"], "completed");
        }
    }
    assert_eq!((bank.balance(&left).await, bank.balance(&right).await), ("372.00".into(), "628.00".into()));
}
