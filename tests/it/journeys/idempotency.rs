//! Asking twice is asking once.

use reqwest::Method;
use serde_json::json;

use crate::harness::{euros, shared, text};

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let daybook = shared().await;
    let bank = daybook.operator("repeats").await;
    let (from, to) = (bank.open_with_euros("100.00").await, bank.open("EUR").await);
    let path = format!("/api/v1/transactions/{from}/account");
    let body = euros("k", &from, &to, "10.00");

    let first = bank.post(&path, &body).await;
    assert!(!first.is_replayed());
    let first = first.is(202);
    bank.ended(&text(&first["transfer_id"])).await;
    // Also after it has ended: the very same answer, which said "pending".
    for _ in 0..3 {
        let again = bank.post(&path, &body).await;
        assert!(again.is_replayed());
        assert_eq!(again.is(202), first);
    }

    // The key may stand in the header, or in both places.
    let mut bare = body.clone();
    bare.as_object_mut().unwrap().remove("idempotency_key");
    for body in [&bare, &body] {
        let again = bank.request(Method::POST, &path).header("idempotency-key", "k").json(body);
        let again = bank.send(again).await;
        assert!(again.is_replayed());
        assert_eq!(again.is(202), first);
    }
    let differing = bank.request(Method::POST, &path).header("idempotency-key", "other").json(&body);
    bank.send(differing).await.refuses(400, "invalid_idempotency_key");

    // Another wish under the same key.
    for (member, value) in [
        ("amount", json!("10.01")),
        ("to_account", json!(bank.open("EUR").await)),
        ("description", json!("not there before")),
    ] {
        let mut other = body.clone();
        other[member] = value;
        bank.post(&path, &other).await.refuses(409, "idempotency_key_reused");
    }
    assert_eq!(bank.balance(&from).await, "90.00");
    assert_eq!(bank.balance(&to).await, "10.00");

    // Keys are counted per client.
    let other = daybook.operator("repeats, another client").await;
    let others = other.post(&path, &body).await;
    assert!(!others.is_replayed());
    assert_ne!(others.transfer_id(), text(&first["transfer_id"]));
}

#[tokio::test]
async fn a_refusal_is_repeated_too_even_when_the_reason_is_gone() {
    let daybook = shared().await;
    let bank = daybook.operator("repeated refusals").await;
    let (from, to) = (bank.open_with_euros("1.00").await, bank.open("EUR").await);

    let refused = bank.transfer("k", &from, &to, "5.00").await;
    assert!(!refused.is_replayed());
    let refused = refused.refuses(400, "insufficient_funds");
    let transfer = text(&refused["transfer_id"]);
    bank.deposit(&from, "10.00").await;
    let again = bank.transfer("k", &from, &to, "5.00").await;
    assert!(again.is_replayed());
    assert_eq!(again.refuses(400, "insufficient_funds"), refused);
    bank.transfer("k", &from, &to, "6.00").await.refuses(409, "idempotency_key_reused");

    let status = bank.ended(&transfer).await;
    assert_eq!(
        (&status["status"], &status["failure_reason"]),
        (&json!("rejected"), &json!("insufficient_funds"))
    );
    assert_eq!(bank.balance(&from).await, "11.00");
    bank.transfer("a new key", &from, &to, "5.00").await.is(202);
}

#[tokio::test]
async fn deposits_and_withdrawals_are_booked_once_as_well() {
    let daybook = shared().await;
    let bank = daybook.operator("repeated cash").await;
    let account = bank.open("EUR").await;
    for (way, amount, balance) in [("deposits", "9.00", "9.00"), ("withdrawals", "2.00", "7.00")] {
        let path = format!("/api/v1/accounts/{account}/{way}");
        let body = json!({ "idempotency_key": way, "amount": amount, "currency": "EUR" });
        let first = bank.post(&path, &body).await;
        let again = bank.post(&path, &body).await;
        assert!(!first.is_replayed() && again.is_replayed());
        assert_eq!(first.transfer_id(), again.transfer_id());
        assert_eq!(
            (first.is(202)["status"].clone(), again.is(202)["status"].clone()),
            (json!("completed"), json!("completed"))
        );
        assert_eq!(bank.balance(&account).await, balance);
    }
    assert_eq!(bank.entries(&account).await.len(), 2);
}
