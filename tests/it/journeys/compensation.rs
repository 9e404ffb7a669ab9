//! When the money cannot arrive, it comes back.

use serde_json::{Value, json};

use crate::harness::{Client, shared};

/// Sends 4.00 of 10.00 to an account that takes nothing, and sees them come back.
async fn comes_back(bank: &Client, from: &str, to: &str, reason: &str) {
    let transfer = bank.transfer(reason, from, to, "4.00").await;
    let repeated = bank.transfer(reason, from, to, "4.00").await;
    assert_eq!(transfer.transfer_id(), repeated.transfer_id());
    let transfer = {
        let id = transfer.transfer_id();
        transfer.is(202);
        id
    };

    let ended = bank.ended(&transfer).await;
    assert_eq!((&ended["status"], &ended["failure_reason"]), (&json!("failed"), &json!(reason)));
    assert!(ended.get("completed_at").is_none(), "{ended}");
    let steps: Vec<&Value> = ended["timeline"].as_array().unwrap().iter().map(|step| &step["step"]).collect();
    assert_eq!(steps, ["requested", "debited", "credit_refused", "reversed", "failed"]);

    assert_eq!(bank.funds(from).await, ("10.00".to_owned(), "10.00".to_owned()));
    let entries = bank.entries(from).await;
    let legs: Vec<_> = entries.iter().filter(|entry| entry["transferId"] == *transfer).cloned().collect();
    assert_eq!(
        legs,
        [
            json!({ "transferId": transfer, "type": "DEBIT", "status": "REVERSED", "amount": "4.00", "balanceAfter": "6.00",
                    "counterparty": to, "reference": null }),
            json!({ "transferId": transfer, "type": "CREDIT", "status": "COMPLETED", "amount": "4.00",
                    "balanceAfter": "10.00", "counterparty": to, "reference": null }),
        ]
    );
    assert_eq!(bank.balance(to).await, "0.00");
    assert!(bank.entries(to).await.is_empty());
    bank.trial_balance().await;
}

#[tokio::test]
async fn a_transfer_to_a_frozen_account_fails_and_the_money_comes_back() {
    let daybook = shared().await;
    let bank = daybook.operator("frozen").await;
    let (from, to) = (bank.open_with_euros("10.00").await, bank.open("EUR").await);
    let reason = json!({ "reason": "court order" });
    bank.post(&format!("/api/v1/accounts/{to}/freeze"), &reason).await.is(200);
    comes_back(&bank, &from, &to, "account_frozen").await;

    bank.command(&to, "unfreeze").await.is(200);
    let transfer = bank.transfer("thawed", &from, &to, "4.00").await.transfer_id();
    assert_eq!(bank.ended(&transfer).await["status"], "completed");
    assert_eq!((bank.balance(&from).await, bank.balance(&to).await), ("6.00".to_owned(), "4.00".to_owned()));
}

#[tokio::test]
async fn a_transfer_to_a_closed_account_fails_and_the_money_comes_back() {
    let daybook = shared().await;
    let bank = daybook.operator("closed").await;
    let (from, to) = (bank.open_with_euros("10.00").await, bank.open("EUR").await);
    bank.command(&to, "close").await.is(200);
    comes_back(&bank, &from, &to, "account_closed").await;
}

#[tokio::test]
async fn a_deposit_to_a_frozen_account_is_refused_and_leaves_no_trace_on_it() {
    let daybook = shared().await;
    let bank = daybook.operator("frozen deposit").await;
    let account = bank.open("EUR").await;
    bank.command(&account, "freeze").await.is(200);
    let cash = json!({ "idempotency_key": "c", "amount": "1.00", "currency": "EUR" });
    let path = format!("/api/v1/accounts/{account}/deposits");
    let refused = bank.post(&path, &cash).await.refuses(400, "account_frozen");
    assert_eq!(bank.ended(refused["transfer_id"].as_str().unwrap()).await["status"], "failed");
    assert!(bank.entries(&account).await.is_empty());
    let again = bank.post(&path, &cash).await;
    assert!(again.is_replayed());
    again.refuses(400, "account_frozen");
}
