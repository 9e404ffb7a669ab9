//! SIGTERM.

use reqwest::Method;
use serde_json::json;

use super::load::Load;
use crate::harness::{Client, Daybook, Separate};

#[tokio::test]
async fn stopped_under_load_it_ends_in_good_order_and_loses_nothing() {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("load").await;
    let mut load = Load::prepare(&bank).await;
    load.through(std::slice::from_ref(&bank), async |acknowledged| {
        acknowledged.more(200).await;
        daybook.terminate();
        daybook.stopped().await;
        daybook.restart().await;
        acknowledged.more(20).await;
    })
    .await;
    load.ask_again(&bank).await;
    daybook.check().await;
    daybook.stop().await;
}

/// Has everything at work that may have something to say when it is stopped: kept entries, and a stream of events that stays open.
async fn keep_busy(bank: &Client) -> reqwest::Response {
    const LATEST: &str = "query($id: ID!) { account(id: $id) { latestTransactions { amount } } }";
    let account = bank.open_with_euros("1.00").await;
    for _ in 0..2 {
        let data = bank.graphql(LATEST, json!({ "id": account })).await;
        assert_eq!(data["account"]["latestTransactions"][0]["amount"], "1.00", "{data}");
    }
    bank.trial_balance().await;
    bank.stream(Method::GET, &format!("/api/v1/accounts/{account}/activity")).await
}

/// What was said since it was asked to stop.
fn nothing_is_the_matter(said: &str) {
    let (_, stopping) = said.split_once("stopping; once more ends at once").expect("it was asked to stop");
    assert!(stopping.contains("stopped after"), "{said}");
    assert!(!stopping.contains("WARN") && !stopping.contains("ERROR"), "{said}");
}

#[tokio::test]
async fn a_clean_stop_is_nothing_to_warn_of() {
    let mut daybook = Daybook::start().await;
    let stream = keep_busy(&daybook.operator("stop").await).await;
    daybook.stop().await;
    nothing_is_the_matter(&daybook.said());
    drop(stream);
}

#[tokio::test]
async fn a_clean_stop_of_separate_processes_is_nothing_to_warn_of() {
    let mut daybook = Separate::start(1, 1).await;
    let stream = keep_busy(&daybook.operator("stop", 0, 0).await).await;
    daybook.stop().await;
    let programs = daybook.commands.iter().chain(&daybook.queries).chain([&daybook.projector, &daybook.node]);
    for program in programs {
        nothing_is_the_matter(&program.said());
    }
    drop(stream);
}
