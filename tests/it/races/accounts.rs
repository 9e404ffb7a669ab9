//! Accounts that are frozen, thawed and closed while money is on its way to and from them.

use serde_json::Value;

use super::{CLIENTS, at_once, transfer};
use crate::harness::Client;

fn command(account: &str, command: &str) -> (String, Value) {
    (format!("/api/v1/accounts/{account}/{command}"), Value::Null)
}

/// What was on its way has ended one way or the other, and this much money is still there.
async fn all_is_there(banks: &[Client], accounts: &[String], cents: i64) {
    let mut sum = 0;
    for account in accounts {
        sum += crate::harness::cents(&banks[0].balance(account).await);
    }
    assert_eq!(sum, cents);
}

pub(super) async fn freezing_in_the_middle_of_transfers_loses_nothing(banks: &[Client]) {
    let bank = &banks[0];
    let (calm, troubled) = (bank.open_with_euros("500.00").await, bank.open_with_euros("500.00").await);
    let (mut taken, mut failed, mut refused) = (0, 0, 0);
    for round in 0..6 {
        let asked = (0..CLIENTS).flat_map(|client| {
            let key = format!("frost-{round}-{client}");
            let moved = match client % 2 {
                0 => transfer(&key, &calm, &troubled, "1.00"),
                _ => transfer(&key, &troubled, &calm, "1.00"),
            };
            let meanwhile = match client % 8 {
                3 => Some(command(&troubled, "freeze")),
                7 => Some(command(&troubled, "unfreeze")),
                _ => None,
            };
            [Some(moved), meanwhile].into_iter().flatten()
        });
        for answer in at_once(banks, asked).await {
            let code = answer.body["code"].as_str().unwrap_or_default();
            match (answer.status, code) {
                (202, _) if bank.ended(&answer.transfer_id()).await["status"] == "completed" => taken += 1,
                (202, _) => failed += 1,
                (400, "account_frozen") => refused += 1,
                (200, _) | (400, "account_not_frozen") => {}
                _ => panic!("{answer:?}"),
            }
        }
        all_is_there(banks, &[calm.clone(), troubled.clone()], 100_000).await;
    }
    assert!(
        taken > 0 && failed + refused > 0,
        "{taken} went through, {failed} came back, {refused} were refused"
    );
}

pub(super) async fn closing_in_the_middle_of_transfers_loses_nothing(banks: &[Client]) {
    let bank = &banks[0];
    let payer = bank.open_with_euros("100.00").await;
    let frozen = bank.open("EUR").await;
    bank.command(&frozen, "freeze").await.is(200);
    let mut accounts = vec![payer.clone(), frozen.clone()];
    let mut asked = Vec::new();
    for number in 0..CLIENTS / 4 {
        // Money comes to one that is being closed.
        let empty = bank.open("EUR").await;
        asked.push(transfer(&format!("closing-to-{number}"), &payer, &empty, "1.00"));
        asked.push(command(&empty, "close"));
        // Another can only be closed while its money is away, and the money comes back.
        let single = bank.open_with_euros("1.00").await;
        asked.push(transfer(&format!("closing-from-{number}"), &single, &frozen, "1.00"));
        asked.push(command(&single, "close"));
        accounts.extend([empty, single]);
    }
    // The same again: who was refused for money that was there may be luckier.
    let again: Vec<_> = asked.iter().filter(|(path, _)| path.ends_with("close")).cloned().collect();
    for answer in at_once(banks, asked.into_iter().chain(again)).await {
        let code = answer.body["code"].as_str().unwrap_or_default();
        match (answer.status, code) {
            (202, _) => drop(bank.ended(&answer.transfer_id()).await),
            (200, _) | (400, "balance_not_zero" | "account_closed") => {}
            _ => panic!("{answer:?}"),
        }
    }
    all_is_there(banks, &accounts, 10_000 + 100 * i64::try_from(CLIENTS / 4).unwrap()).await;
}
