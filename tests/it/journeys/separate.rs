//! The same journeys with every role in a process of its own: over gRPC, by connection strings alone.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Client, Daybook, Program, Separate, node, run, scratch, text, until};

/// How long a role may take to see that the event store went away.
const NOTICE_TIME_MAX: Duration = Duration::from_secs(30);

/// Money goes from one account to another, and comes back from one that takes none.
async fn money_moves(bank: &Client, round: &str) {
    let (from, to) = (bank.open_with_euros("10.00").await, bank.open("EUR").await);
    let transfer = bank.transfer(&format!("{round}-good"), &from, &to, "4.00").await.transfer_id();
    assert_eq!(bank.ended(&transfer).await["status"], "completed");
    assert_eq!((bank.balance(&from).await, bank.balance(&to).await), ("6.00".to_owned(), "4.00".to_owned()));

    let (frozen, closed) = (bank.open("EUR").await, bank.open("EUR").await);
    bank.command(&frozen, "freeze").await.is(200);
    bank.command(&closed, "close").await.is(200);
    for (to, reason) in [(&frozen, "account_frozen"), (&closed, "account_closed")] {
        let key = format!("{round}-{reason}");
        let transfer = bank.transfer(&key, &from, to, "5.00").await.transfer_id();
        let ended = bank.ended(&transfer).await;
        assert_eq!((&ended["status"], &ended["failure_reason"]), (&json!("failed"), &json!(reason)));
        assert_eq!(bank.transfer(&key, &from, to, "5.00").await.transfer_id(), transfer);
    }
    assert_eq!(bank.funds(&from).await, ("6.00".to_owned(), "6.00".to_owned()));
    assert_eq!(bank.balance(&frozen).await, "0.00");
    bank.trial_balance().await;
}

#[tokio::test]
async fn every_process_may_be_stopped_or_killed_in_turn() {
    let mut daybook = Separate::start(1, 1).await;
    money_moves(&daybook.operator("first", 0, 0).await, "first").await;

    daybook.commands[0].stop().await;
    daybook.commands[0].start().await;
    money_moves(&daybook.operator("command", 0, 0).await, "command").await;
    daybook.projector.kill();
    daybook.projector.start().await;
    money_moves(&daybook.operator("projector", 0, 0).await, "projector").await;
    daybook.queries[0].kill();
    daybook.queries[0].start().await;
    money_moves(&daybook.operator("query", 0, 0).await, "query").await;
    daybook.node.stop().await;
    daybook.node.start().await;
    daybook.ready().await;
    money_moves(&daybook.operator("node", 0, 0).await, "node").await;
    daybook.node.kill();
    daybook.commands[0].kill();
    daybook.node.start().await;
    daybook.commands[0].start().await;
    daybook.ready().await;
    money_moves(&daybook.operator("both", 0, 0).await, "both").await;
    daybook.stop().await;
}

#[tokio::test]
async fn commands_and_queries_run_side_by_side() {
    let mut daybook = Separate::start(2, 2).await;
    let (left, right) = (daybook.operator("side", 0, 1).await, daybook.operator("side", 1, 0).await);
    money_moves(&left, "left").await;
    money_moves(&right, "right").await;

    // What one process wrote, the others know: the account, the key, and the answer.
    let (from, to) = (left.open_with_euros("20.00").await, right.open("EUR").await);
    let first = left.transfer("once", &from, &to, "1.00").await;
    let again = right.transfer("once", &from, &to, "1.00").await;
    assert!(again.is_replayed());
    assert_eq!(first.transfer_id(), again.transfer_id());
    right.transfer("once", &from, &to, "2.00").await.refuses(409, "idempotency_key_reused");

    // Either is enough.
    daybook.commands[0].stop().await;
    daybook.queries[0].stop().await;
    let bank = daybook.operator("alone", 1, 1).await;
    money_moves(&bank, "alone").await;
    daybook.commands[0].start().await;
    daybook.queries[0].start().await;
    daybook.stop().await;
}

#[tokio::test]
async fn up_runs_every_role_on_an_event_store_elsewhere() {
    let dir = scratch();
    let (mut node, event_store) = node(&dir);
    node.start().await;
    let mut daybook = Daybook::start_with(&["--event-store", &event_store]).await;
    assert!(!daybook.dir().join("log").exists(), "it keeps a log of its own");
    money_moves(&daybook.operator("up").await, "before").await;
    daybook.kill();
    daybook.restart().await;
    money_moves(&daybook.operator("up").await, "after").await;
    daybook.stop().await;
    node.stop().await;
}

#[tokio::test]
async fn a_mistyped_data_directory_gets_no_keys() {
    let dir = scratch();
    let mistyped = dir.path().join("daat");
    let place = mistyped.to_str().unwrap();
    let event_store = "esdb://127.0.0.1:1?tls=false";
    let postgres = "postgres://daybook@localhost/daybook";
    for command in [
        &["token", "--role", "operator"][..],
        &["serve", "command", "--http", "127.0.0.1:0", "--event-store", event_store],
        &[
            "serve",
            "query",
            "--http",
            "127.0.0.1:0",
            "--event-store",
            event_store,
            "--database-url",
            postgres,
        ],
    ] {
        let refused = run(&[command, &["--data-dir", place]].concat()).await;
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains(place) && said.contains("--data-dir"), "{said}");
        assert!(refused.stdout.is_empty() && !mistyped.exists());
    }
}

/// What `daybook health` says, and whether it is content.
async fn check(program: &Program) -> (Option<i32>, String) {
    let output = run(&["health", "--url", &program.url()]).await;
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

async fn health(program: &Program) -> (u16, Value) {
    let answer = program.anybody().request(Method::GET, "/health/ready").send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn while_the_event_store_is_away_everybody_says_so_and_waits() {
    let mut daybook = Separate::start(1, 1).await;
    let bank = daybook.operator("patient", 0, 0).await;
    let (from, to) = (bank.open_with_euros("10.00").await, bank.open("EUR").await);

    daybook.node.kill();
    for program in [&daybook.commands[0], &daybook.queries[0], &daybook.projector] {
        let reason = until("it notices", NOTICE_TIME_MAX, async || {
            let (status, report) = health(program).await;
            let event_store = &report["components"]["event_store"];
            (status == 503 && event_store["status"] == "failed").then(|| text(&event_store["reason"]))
        })
        .await;
        assert!(!reason.is_empty());
        let (code, said) = check(program).await;
        assert!(code == Some(1) && said.contains("event_store: failed: "), "{said}");
    }
    let refused = bank.transfer("later", &from, &to, "1.00").await;
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    refused.refuses(503, "event_store_unavailable");
    // What was projected can be read all the while.
    assert_eq!(bank.balance(&from).await, "10.00");

    // One that starts now waits with the others.
    daybook.commands[0].kill();
    daybook.commands[0].launch().await;
    let waiting = daybook.operator("patient", 0, 0).await;
    let refused = waiting.transfer("later", &from, &to, "1.00").await;
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    refused.refuses(503, "starting");

    daybook.node.start().await;
    daybook.ready().await;
    assert_eq!(check(&daybook.commands[0]).await, (Some(0), "ready\n".to_owned()));
    let transfer = waiting.transfer("later", &from, &to, "1.00").await.transfer_id();
    assert_eq!(waiting.ended(&transfer).await["status"], "completed");
    assert_eq!(waiting.transfer("later", &from, &to, "1.00").await.transfer_id(), transfer);
    assert_eq!(waiting.balance(&from).await, "9.00");
    daybook.stop().await;
}
