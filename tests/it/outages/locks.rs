//! One daybook for each data directory, one log for each database.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Daybook, run, text, until};

/// How long the projector of another log may take to see that it is in the wrong place.
const NOTICE_TIME_MAX: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_second_daybook_on_the_same_data_directory_is_refused() {
    let mut daybook = Daybook::start().await;
    let dir = daybook.dir().to_str().unwrap().to_owned();
    let second = run(&["up", "--data-dir", &dir, "--http", "127.0.0.1:0", "--esdb", "off"]).await;
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(second.stdout.is_empty(), "{second:?}");
    let said = String::from_utf8(second.stderr).unwrap();
    let first = format!("another daybook (process {}) runs on ", daybook.pid());
    assert!(said.contains(&first) && said.contains("--data-dir"), "{said}");

    // The first one does not mind, and afterwards the place is free.
    let bank = daybook.operator("locks").await;
    let account = bank.open_with_euros("1.00").await;
    daybook.stop().await;
    daybook.restart().await;
    let bank = daybook.operator("locks").await;
    assert_eq!(bank.balance(&account).await, "1.00");
    daybook.stop().await;
}

/// Waits until a daybook says why its projector does not work.
async fn projector_failure(daybook: &Daybook) -> String {
    let anybody = daybook.anybody();
    until("the projector fails", NOTICE_TIME_MAX, async || {
        let health = anybody.request(Method::GET, "/health/ready").send().await.unwrap();
        let status = health.status();
        let health: Value = health.json().await.unwrap();
        let projector = &health["components"]["projector"];
        if projector["status"] != "failed" {
            return None;
        }
        assert_eq!(status, 503, "{health}");
        Some(text(&projector["reason"]))
    })
    .await
}

async fn open(bank: &Client, references: &[&str]) {
    for reference in references {
        bank.open_with(&json!({ "currency": "EUR", "reference": reference })).await;
    }
}

async fn references(bank: &Client) -> Vec<String> {
    let data = bank.graphql("{ accounts { edges { node { reference } } } }", Value::Null).await;
    data["accounts"]["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| text(&edge["node"]["reference"]))
        .collect()
}

#[tokio::test]
async fn two_logs_never_mix_in_one_database() {
    // Its Postgres is the database; it projects nothing.
    let mut database = Daybook::start_with(&["--roles", "query"]).await;
    let url = database.database_url();
    // With numbers given, neither log has anything in it at first.
    let mut first = Daybook::start_with(&["--database-url", &url, "--worker", "0"]).await;
    let mut second = Daybook::start_with(&["--database-url", &url, "--worker", "1"]).await;

    // The second one's log is longer, and its first events stand at the same positions: only what they are tells the logs apart.
    let (one, two) = (first.operator("logs").await, second.operator("logs").await);
    open(&one, &["a1", "a2"]).await;
    open(&two, &["b1", "b2", "b3", "b4"]).await;
    assert_eq!(references(&one).await, ["a1", "a2"]);
    let reason = projector_failure(&second).await;
    assert!(reason.contains("this database belongs to another log"), "{reason}");

    // Not even when the first one is gone, nor after a start.
    first.stop().await;
    second.stop().await;
    second.launch().await;
    let reason = projector_failure(&second).await;
    assert!(reason.contains("this database belongs to another log"), "{reason}");
    first.restart().await;
    let one = first.operator("logs").await;
    open(&one, &["a3"]).await;
    assert_eq!(references(&one).await, ["a1", "a2", "a3"]);

    second.stop().await;
    first.stop().await;
    database.stop().await;
}
