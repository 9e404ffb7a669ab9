//! How far below zero.

use serde_json::json;

use crate::harness::shared;

#[tokio::test]
async fn an_overdraft_limit_allows_and_bounds() {
    let daybook = shared().await;
    let bank = daybook.operator("overdraft").await;
    let limited = json!({ "currency": "EUR", "overdraft_limit": "50.00" });
    let (account, other) = (bank.open_with(&limited).await, bank.open("EUR").await);
    let funds = async || bank.funds(&account).await;
    let both = |balance: &str, available: &str| (balance.to_owned(), available.to_owned());
    let limit = async |amount: &str| {
        let body = json!({ "amount": amount, "currency": "EUR" });
        bank.post(&format!("/api/v1/accounts/{account}/overdraft-limit"), &body).await
    };

    bank.deposit(&account, "10.00").await;
    assert_eq!(funds().await, both("10.00", "60.00"));
    bank.transfer("a", &account, &other, "60.01").await.refuses(400, "insufficient_funds");
    let transfer = bank.transfer("b", &account, &other, "60.00").await.transfer_id();
    assert_eq!(bank.ended(&transfer).await["status"], "completed");
    assert_eq!(funds().await, both("-50.00", "0.00"));
    bank.transfer("c", &account, &other, "0.01").await.refuses(400, "insufficient_funds");

    limit("49.99").await.refuses(400, "overdraft_in_use");
    limit("-1.00").await.refuses(400, "invalid_amount");
    limit("80.00").await.is(200);
    assert_eq!(funds().await, both("-50.00", "30.00"));
    bank.transfer("d", &account, &other, "30.00").await.is(202);
    bank.transfer("e", &account, &other, "0.01").await.refuses(400, "insufficient_funds");

    bank.deposit(&account, "80.00").await;
    limit("0.00").await.is(200);
    assert_eq!(funds().await, both("0.00", "0.00"));
    bank.transfer("f", &account, &other, "0.01").await.refuses(400, "insufficient_funds");
}
