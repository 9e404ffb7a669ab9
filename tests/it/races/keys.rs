//! Who asks twice at once.

use serde_json::{Value, json};

use super::{CLIENTS, at_once, transfer};
use crate::harness::{Answer, Client};

/// The one transfer of all these answers, of which one is the first.
fn one_transfer(answers: &[&Answer]) -> String {
    let id = answers[0].transfer_id();
    assert!(answers.iter().all(|answer| answer.status == 202 && answer.transfer_id() == id), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| !answer.is_replayed()).count(), 1, "{answers:?}");
    id
}

pub(super) async fn one_key_with_equal_bodies_makes_one_transfer(banks: &[Client]) {
    let bank = &banks[0];
    let (from, to) = (bank.open_with_euros("100.00").await, bank.open("EUR").await);
    let answers = at_once(banks, (0..CLIENTS).map(|_| transfer("same", &from, &to, "1.00"))).await;
    let id = one_transfer(&answers.iter().collect::<Vec<_>>());
    assert_eq!(bank.ended(&id).await["status"], "completed");
    assert_eq!((bank.balance(&from).await, bank.balance(&to).await), ("99.00".into(), "1.00".into()));

    // All are told of one refusal, too.
    let answers = at_once(banks, (0..CLIENTS).map(|_| transfer("too much", &from, &to, "1000.00"))).await;
    let first = answers[0].transfer_id();
    for answer in answers {
        assert_eq!(answer.refuses(400, "insufficient_funds")["transfer_id"], first);
    }
}

pub(super) async fn of_different_bodies_under_one_key_exactly_one_wins(banks: &[Client]) {
    let bank = &banks[0];
    let (from, to) = (bank.open_with_euros("100.00").await, bank.open("EUR").await);
    let amount = |number: usize| format!("{}.00", 1 + number % 4);
    let asked = (0..CLIENTS).map(|number| transfer("different", &from, &to, &amount(number)));
    let (heard, refused): (Vec<_>, Vec<_>) =
        at_once(banks, asked).await.into_iter().partition(|answer| answer.status == 202);
    assert_eq!((heard.len(), refused.len()), (CLIENTS / 4, CLIENTS - CLIENTS / 4));
    for answer in refused {
        answer.refuses(409, "idempotency_key_reused");
    }
    let moved = bank.ended(&one_transfer(&heard.iter().collect::<Vec<_>>())).await;
    assert!((0..4).any(|number| moved["amount"] == amount(number)), "{moved}");
    assert_eq!(bank.balance(&to).await, moved["amount"]);
    assert_eq!(bank.entries(&from).await.len(), 2);
}

pub(super) async fn one_key_makes_one_deposit(banks: &[Client]) {
    let bank = &banks[0];
    let account = bank.open("EUR").await;
    let cash = json!({ "idempotency_key": "cash", "amount": "5.00", "currency": "EUR", "reference": "cash" });
    let path = format!("/api/v1/accounts/{account}/deposits");
    let answers = at_once(banks, (0..CLIENTS).map(|_| (path.clone(), Value::clone(&cash)))).await;
    let id = one_transfer(&answers.iter().collect::<Vec<_>>());
    assert_eq!(bank.ended(&id).await["status"], "completed");
    assert_eq!(bank.balance(&account).await, "5.00");
}
