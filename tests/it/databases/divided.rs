//! The same log in one database and in two: the same answers to everything.

use std::time::Duration;

use ledger_core::partition::{Placement, partition_of};
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::bank::{Bank, park};
use super::questions::Both;
use crate::harness::{Client, Daybook, Divided, run, until};

/// The roles without the one that drives transfers on.
const NOBODY_DRIVES: &str = "command,projector,query";
/// No step takes longer.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);
/// Tables, and what their rows are divided by.
const DIVIDED: [(&str, &str); 4] = [
    ("accounts", "account_id"),
    ("transactions", "account_id"),
    ("monthly_totals", "account_id"),
    ("transfers", "transfer_id"),
];
/// Tables whose rows belong to no account and no transfer.
const FIRST_ALONE: [&str; 3] = ["trial_balance", "users", "dead_letters"];

async fn ids(url: &str, table: &str, column: &str) -> Vec<i64> {
    let mut db = PgConnection::connect(url).await.unwrap();
    let select = format!("select {column} from {table} order by 1");
    sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(&mut db).await.unwrap()
}

async fn count(url: &str, table: &str) -> usize {
    ids(url, table, "1::bigint").await.len()
}

/// Each row is in the database where it belongs, and in no other.
async fn rows_lie_where_they_belong(alone: &str, urls: &[String]) {
    for (table, column) in DIVIDED {
        let mut together = Vec::new();
        for (place, url) in Placement::among(urls.len()).zip(urls) {
            let here = ids(url, table, column).await;
            assert!(!here.is_empty(), "{table} in {place}");
            assert!(here.iter().all(|id| place.holds(partition_of(*id))), "{table} in {place}");
            together.extend(here);
        }
        together.sort_unstable();
        assert_eq!(together, ids(alone, table, column).await, "{table}");
    }
    for table in FIRST_ALONE {
        assert_eq!(count(&urls[0], table).await, count(alone, table).await, "{table}");
        assert_eq!(count(&urls[1], table).await, 0, "{table}");
    }
}

/// Everything that `accountActivity` tells from the log's beginning on, as text, until there are so many entries.
async fn activity(client: &Client, reads: &str, account: &str, entries: usize) -> Vec<Value> {
    let url = format!("{reads}/api/v1/accounts/{account}/activity");
    let request = reqwest::Client::new().request(Method::GET, url).bearer_auth(client.token());
    let request = request.header(ACCEPT, "text/event-stream").header("last-event-id", "0");
    let mut response = request.timeout(STEP_TIME_MAX).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let (mut said, mut told) = (String::new(), Vec::new());
    while told.len() < entries {
        said.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
        let whole = said.rfind("\n\n").map_or("", |end| &said[..end]);
        let events = whole
            .split("\n\n")
            .filter(|event| event.contains("event: entry") || event.contains("event:entry"));
        told = events
            .map(|event| {
                let data = event.lines().find_map(|line| line.strip_prefix("data:")).unwrap();
                serde_json::from_str(data).unwrap()
            })
            .collect();
    }
    told
}

async fn rebuild(urls: &[String], arguments: &[&str]) -> std::process::Output {
    run(&[&["rebuild", "--database-url", &urls.join(",")], arguments].concat()).await
}

#[tokio::test]
async fn nobody_can_tell_one_database_from_two() {
    let mut daybook = Daybook::start_with(&["--roles", NOBODY_DRIVES]).await;
    let urls = [daybook.another_database("one").await, daybook.another_database("two").await];
    let mut divided = Divided::of(&daybook, "two", &urls);
    divided.start().await;
    let one = daybook.operator("divided").await;
    let several = divided.operator(&daybook).await;
    let both = Both { one: &one, several: &several };

    // Transfers under way; then some are parked.
    let mut bank = Bank::found(&one).await;
    both.catch_up(&daybook).await;
    both.agree(&bank).await;
    park(&daybook, &one, &bank.transfers[..6]).await;
    both.catch_up(&daybook).await;
    both.agree(&bank).await;

    // Transfers that have ended, some of them badly: nobody told the parked ones.
    one.command(bank.frozen(), "freeze").await.is(200);
    daybook.stop().await;
    daybook.without("--roles");
    daybook.restart().await;
    let one = daybook.operator("divided").await;
    let several = divided.operator(&daybook).await;
    let both = Both { one: &one, several: &several };
    for transfer in &bank.transfers[6..] {
        one.ended(transfer).await;
    }
    park(&daybook, &one, &bank.transfers[6..12]).await;
    both.catch_up(&daybook).await;
    both.agree(&bank).await;
    let data = both
        .answer("{ deadLetters(standing: ENDED, first: 100) { edges { node { transferId } } } }", json!({}))
        .await;
    assert_eq!(data["deadLetters"]["edges"].as_array().unwrap().len(), 6);
    rows_lie_where_they_belong(&daybook.database_url(), &urls).await;

    // What is told live.
    for account in &bank.accounts[..4] {
        let entries = one.entries(account).await.len();
        let told = activity(&one, &daybook.url(), account, entries).await;
        assert_eq!(told, activity(&several, &divided.query.url(), account, entries).await);
    }

    // Made anew, in both.
    let output = rebuild(&urls, &["--all", "--json"]).await;
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (number, projections) in [(1, 9), (2, 5)] {
        let done = lines.iter().rfind(|line| line["database"] == number).unwrap();
        assert_eq!(done["state"], "done", "{done}");
        assert_eq!(done["projections"].as_array().unwrap().len(), projections);
        for table in done["report"]["tables"].as_array().unwrap() {
            assert_eq!(table["live"], table["rebuilt"], "{table}");
        }
    }
    let nothing = rebuild(&urls[1..], &["users"]).await;
    assert!(
        !nothing.status.success() && String::from_utf8_lossy(&nothing.stderr).contains("no database here")
    );
    asked_together_or_not_at_all(&urls).await;
    bank.moves(&one, "second").await;
    for transfer in &bank.transfers[6..] {
        one.ended(transfer).await;
    }
    both.catch_up(&daybook).await;
    both.agree(&bank).await;
    rows_lie_where_they_belong(&daybook.database_url(), &urls).await;
    divided.stop().await;

    // Neither in another order nor alone.
    let [first, second] = urls;
    refuses(&daybook, "reversed", &[second, first.clone()]).await;
    refuses(&daybook, "alone", &[first]).await;
    daybook.stop().await;
}

/// None is asked while one is busy; and that one fails does not hide what became of the other.
async fn asked_together_or_not_at_all(urls: &[String]) {
    let asked = count(&urls[0], "rebuilds").await;
    let mut second = PgConnection::connect(&urls[1]).await.unwrap();
    // Of a version that nobody here has, so that it stays as it is.
    let busy = "insert into rebuilds (kind, projections, versions, requested_by) values ('rebuild', '{accounts}', '{99}', 'test')";
    second.execute(busy).await.unwrap();
    let refused = rebuild(urls, &["transactions"]).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("database 2: another rebuild is under way, of accounts"), "{said}");
    assert_eq!(count(&urls[0], "rebuilds").await, asked);
    second.execute("delete from rebuilds where requested_by = 'test'").await.unwrap();

    assert!(rebuild(&urls[..1], &["--drop-previous"]).await.status.success());
    let back = rebuild(urls, &["--switch-back", "accounts"]).await;
    assert_eq!(back.status.code(), Some(1), "{back:?}");
    let (said, failed) = (String::from_utf8_lossy(&back.stdout), String::from_utf8_lossy(&back.stderr));
    assert!(
        failed.contains("database 1: the rebuild failed: there is nothing to switch back to"),
        "{failed}"
    );
    assert!(said.contains("Database 2:\nSwitched back"), "{said}");
}

/// Neither the projector nor queries take databases for what they are not.
async fn refuses(daybook: &Daybook, name: &str, urls: &[String]) {
    let mut wrong = Divided::of(daybook, name, urls);
    wrong.projector.launch().await;
    wrong.query.launch().await;
    for program in [&wrong.projector, &wrong.query] {
        let client = program.anybody();
        until("it says what is wrong", STEP_TIME_MAX, async || {
            let answer = client.request(Method::GET, "/health/ready").send().await.ok()?;
            let health = answer.text().await.unwrap();
            (health.contains("this is database 1 of 2") && health.contains("in the order")).then_some(())
        })
        .await;
    }
    let client = wrong.operator(daybook).await;
    client.get("/api/v1/accounts/1978").await.refuses(503, "database_unavailable");
    assert_eq!(
        client.graphql_error("{ accounts(first: 1) { edges { node { id } } } }", json!({})).await,
        "database_unavailable"
    );
    wrong.stop().await;
}
