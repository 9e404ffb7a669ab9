//! One of two databases goes away.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ledger_core::partition::partition_of;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Daybook, text, until};

/// For so long a query process tries to connect.
const FOUND_AWAY: Duration = Duration::from_secs(3);
/// No step takes longer.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);

/// A socket in the place of Postgres's, which takes connections.
struct Silent {
    path: PathBuf,
    _listener: UnixListener,
}

impl Silent {
    fn at(stopped: &Daybook) -> Self {
        let url = stopped.database_url();
        let path = Path::new(url.split_once("?host=").unwrap().1).join(".s.PGSQL.5432");
        Self { _listener: UnixListener::bind(&path).unwrap(), path }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}

async fn health(bank: &Client) -> Value {
    bank.request(Method::GET, "/health/ready").send().await.unwrap().json().await.unwrap()
}

/// An account in the database of this index, with something on it.
async fn account_in(bank: &Client, index: u8) -> String {
    loop {
        let account = bank.open_with_euros("10.00").await;
        if partition_of(account.parse().unwrap()) % 2 == index {
            return account;
        }
    }
}

#[tokio::test]
async fn what_the_other_database_has_is_still_written_and_read() {
    let first = Daybook::start_with(&["--roles", "query"]).await;
    let mut second = Daybook::start_with(&["--roles", "query"]).await;
    let urls = format!("{},{}", first.database_url(), second.database_url());
    let mut daybook = Daybook::start_with(&["--database-url", &urls]).await;
    let bank = daybook.operator("away").await;
    let (here, away) = (account_in(&bank, 0).await, account_in(&bank, 1).await);
    assert_eq!(bank.balance(&here).await, "10.00");
    assert_eq!(bank.balance(&away).await, "10.00");
    bank.trial_balance().await;

    second.stop().await;
    bank.deposit(&here, "1.00").await;
    // Also as of what was acknowledged just now.
    assert_eq!(bank.balance(&here).await, "11.00");
    let path = format!("/api/v1/accounts/{away}");
    let plain = bank.request(Method::GET, &path).timeout(STEP_TIME_MAX);
    let refused = bank.send(plain).await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    refused.refuses(503, "database_unavailable");
    // At a position that it cannot be known to have reached.
    bank.get(&path).await.refuses(503, "projection_behind");
    let query =
        "query($id: ID!) { account(id: $id) { balance { amount } latestTransactions { type amount } } }";
    let ask = async |account: &str| {
        let body = json!({ "query": query, "variables": { "id": account } });
        bank.send(bank.request(Method::POST, "/graphql").json(&body)).await.is(200)
    };
    // Whoever wants to connect there finds somebody who never answers.
    let silent = Silent::at(&second);
    let asked = Instant::now();
    // The client names a position only where it asks by itself.
    let account = ask(&here).await["data"]["account"].clone();
    assert!(asked.elapsed() < FOUND_AWAY, "it waited for the other database");
    drop(silent);
    assert_eq!(account["balance"]["amount"], "11.00");
    assert_eq!(account["latestTransactions"][0], json!({ "type": "CREDIT", "amount": "1.00" }));
    assert_eq!(ask(&away).await["errors"][0]["extensions"]["code"], "database_unavailable");
    until("health says which", STEP_TIME_MAX, async || {
        let components = health(&bank).await["components"].clone();
        let state = |part: &str| text(&components[part]["status"]);
        let there = ["postgres_1", "projector_1"].map(state) == ["ready", "ready"];
        (there && state("postgres_2") == "failed" && state("projector_2") == "starting").then_some(())
    })
    .await;

    // It is caught up with when it is back.
    bank.deposit(&away, "2.00").await;
    second.restart().await;
    until("it is there again", STEP_TIME_MAX, async || {
        (health(&bank).await["status"] == "ready").then_some(())
    })
    .await;
    assert_eq!(bank.balance(&away).await, "12.00");
    bank.trial_balance().await;
    daybook.check().await;
    daybook.stop().await;
    second.stop().await;
    drop(first);
}
