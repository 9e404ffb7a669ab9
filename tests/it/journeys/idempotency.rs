//! Asking twice is asking once.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

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

#[tokio::test]
async fn of_32_clients_with_one_key_one_makes_the_transfer() {
    const CLIENTS: usize = 32;
    let daybook = shared().await;
    let bank = daybook.operator("races").await;
    let (from, to) = (bank.open_with_euros("100.00").await, bank.open("EUR").await);
    let path = format!("/api/v1/transactions/{from}/account");
    let ask_all = async |key: &str, amounts: &[&str]| {
        let mut asking = JoinSet::new();
        for number in 0..CLIENTS {
            let (bank, path) = (bank.clone(), path.clone());
            let body = euros(key, &from, &to, amounts[number % amounts.len()]);
            asking.spawn(async move { bank.post(&path, &body).await });
        }
        asking.join_all().await
    };

    let answers = ask_all("same", &["1.00"]).await;
    assert_eq!(answers.iter().filter(|answer| !answer.is_replayed()).count(), 1);
    let bodies: Vec<Value> = answers.into_iter().map(|answer| answer.is(202)).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    bank.ended(&text(&bodies[0]["transfer_id"])).await;
    assert_eq!(bank.balance(&from).await, "99.00");

    // One key, two wishes: one of them is heard, and hears yes as often as it asks.
    let (heard, refused): (Vec<_>, Vec<_>) =
        ask_all("different", &["2.00", "3.00"]).await.into_iter().partition(|answer| answer.status == 202);
    assert_eq!((heard.len(), refused.len()), (CLIENTS / 2, CLIENTS / 2));
    assert_eq!(heard.iter().filter(|answer| !answer.is_replayed()).count(), 1);
    for answer in refused {
        answer.refuses(409, "idempotency_key_reused");
    }
    let transfer = heard[0].transfer_id();
    assert!(heard.iter().all(|answer| answer.transfer_id() == transfer));
    let amount = text(&bank.ended(&transfer).await["amount"]);
    assert!(["2.00", "3.00"].contains(&&*amount), "{amount}");

    let entries = bank.entries(&from).await;
    assert_eq!(entries.len(), 3, "{entries:?}");
    assert_eq!(bank.balance(&to).await, if amount == "2.00" { "3.00" } else { "4.00" });
}
