//! Many clients at once on the same keys and the same accounts, through one process and through two on one log. Afterwards the checker
//! holds every answer to the log.

mod accounts;
mod keys;
mod money;

use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::harness::{Answer, Client, Daybook, Separate};

/// How many ask at once.
const CLIENTS: usize = 64;

/// Every race, by way of these. Each has accounts and keys of its own.
async fn all(banks: &[Client]) {
    keys::one_key_with_equal_bodies_makes_one_transfer(banks).await;
    keys::of_different_bodies_under_one_key_exactly_one_wins(banks).await;
    keys::one_key_makes_one_deposit(banks).await;
    money::many_who_drain_one_account_never_overdraw_it(banks).await;
    money::what_one_process_was_paid_the_other_knows(banks).await;
    money::money_that_crosses_never_waits_for_itself(banks).await;
    accounts::freezing_in_the_middle_of_transfers_loses_nothing(banks).await;
    accounts::closing_in_the_middle_of_transfers_loses_nothing(banks).await;
}

#[tokio::test]
async fn through_one_process() {
    let mut daybook = Daybook::start().await;
    all(&[daybook.operator("races").await]).await;
    daybook.check().await;
    daybook.stop().await;
}

#[tokio::test]
async fn through_two_command_processes() {
    let mut daybook = Separate::start(2, 1).await;
    all(&[daybook.operator("races", 0, 0).await, daybook.operator("races", 1, 0).await]).await;
    daybook.check().await;
    daybook.stop().await;
}

/// Sends all of these at once, spread over the banks. The answers are in no order.
async fn at_once(banks: &[Client], requests: impl IntoIterator<Item = (String, Value)>) -> Vec<Answer> {
    let mut asking = JoinSet::new();
    for (number, (path, body)) in requests.into_iter().enumerate() {
        let bank = banks[number % banks.len()].clone();
        asking.spawn(async move {
            let mut request = bank.request(Method::POST, &path);
            if !body.is_null() {
                request = request.json(&body);
            }
            bank.send(request).await
        });
    }
    asking.join_all().await
}

/// A transfer of euros that the checker finds in the log.
fn transfer(key: &str, from: &str, to: &str, amount: &str) -> (String, Value) {
    let mut body = crate::harness::euros(key, from, to, amount);
    body["reference"] = key.into();
    (format!("/api/v1/transactions/{from}/account"), body)
}
