//! A disk that is really full. Commands are told to come again, reads go on, nothing acknowledged is lost, and when there is room again
//! all goes on by itself.
#![cfg(target_os = "linux")]

use std::time::Duration;

use eventstore::{AppendToStreamOptions, EventData};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::load::Load;
use crate::harness::{Client, Daybook, Separate, SmallDisk, euros, log_client, node, scratch, until};

/// Room for one segment of the log and what else a node needs; then the first ballast leaves too little for the next.
const DISK_BYTES: u64 = 160 * 1024 * 1024;
const BALLAST_BYTES: usize = 80 * 1024 * 1024;
/// Sizes of events that fill a segment: as large as may be, and the smaller ones that fit behind them.
const EVENT_BYTES: [usize; 4] = [900_000, 50_000, 2_000, 200];
/// How long it may take until clients notice.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

/// Appends until there is no room for the smallest event.
async fn fill_log(log: &str) {
    let client = log_client(log);
    for bytes in EVENT_BYTES {
        let event = || EventData::binary("ballast", vec![7; bytes].into()).id(Uuid::new_v4());
        while client.append_to_stream("ballast", &AppendToStreamOptions::default(), event()).await.is_ok() {}
    }
}

/// Takes no command, answers every question.
async fn says_no_and_answers(bank: &Client, from: &str, to: &str, key: &str) {
    let path = format!("/api/v1/transactions/{from}/account");
    let refused = bank.post(&path, &euros(key, from, to, "1.00")).await;
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    refused.refuses(503, "event_store_unavailable");
    assert_eq!(bank.balance(from).await, "10.00");
}

/// Fills the log and the disk under load, and restarts what writes there while it is full. Then there is room again.
async fn is_full_for_a_while(banks: &[Client], log: &str, disk: &SmallDisk, restart: impl AsyncFnOnce()) {
    let (first, last) = (&banks[0], &banks[banks.len() - 1]);
    let (from, to) = (first.open_with_euros("10.00").await, first.open("EUR").await);
    let mut load = Load::prepare(first).await;
    load.through(banks, async |acknowledged| {
        acknowledged.more(50).await;
        fill_log(log).await;
        disk.fill("more ballast", usize::MAX);
        until("clients are told to wait", NOTICED_WITHIN, async || {
            (acknowledged.unanswered() > 0).then_some(())
        })
        .await;
        says_no_and_answers(first, &from, &to, "full").await;
        restart().await;
        says_no_and_answers(last, &from, &to, "still full").await;
        disk.remove("ballast");
        disk.remove("more ballast");
        acknowledged.more(50).await;
    })
    .await;
    load.ask_again(last).await;
}

#[tokio::test]
async fn on_a_full_disk_of_a_node_commands_wait_reads_go_on_and_nothing_is_lost() {
    let dir = scratch();
    let disk = SmallDisk::over(dir.path(), DISK_BYTES);
    disk.fill("ballast", BALLAST_BYTES);
    let (node, log) = node(&dir);
    let mut daybook = Separate::start_on(node.within(disk.entrance()), log.clone(), dir, 2, 1).await;
    let banks = [daybook.operator("load", 0, 0).await, daybook.operator("load", 1, 0).await];
    is_full_for_a_while(&banks, &log, &disk, async || {
        daybook.node.kill();
        daybook.node.start().await;
        daybook.ready().await;
    })
    .await;
    daybook.check().await;
    daybook.stop().await;
}

#[tokio::test]
async fn on_a_full_disk_of_the_whole_commands_wait_reads_go_on_and_nothing_is_lost() {
    // The read models are elsewhere: a Postgres without a byte of room answers nobody.
    let mut database = Daybook::start_with(&["--roles", "query"]).await;
    let dir = scratch();
    let disk = SmallDisk::over(dir.path(), DISK_BYTES);
    disk.fill("ballast", BALLAST_BYTES);
    let arguments = ["--database-url", &database.database_url()];
    let mut daybook = Daybook::start_within(disk.entrance(), dir, &arguments).await;
    let banks = [daybook.operator("load").await];
    let log = daybook.log().to_owned();
    is_full_for_a_while(&banks, &log, &disk, async || {
        daybook.kill();
        daybook.restart().await;
    })
    .await;
    daybook.check().await;
    daybook.stop().await;
    database.stop().await;
}

/// Room for the log as above, and for the read models beside it.
const DISK_OF_BOTH_BYTES: u64 = 320 * 1024 * 1024;
/// What Postgres says when it cannot start.
const CANNOT_START: &str = "shutting down due to startup process failure";

/// How often a private Postgres on this disk has tried to start and could not.
fn starts_in_vain(disk: &SmallDisk) -> usize {
    std::fs::read_to_string(disk.path("postgres.log")).unwrap().matches(CANNOT_START).count()
}

/// Has Postgres write to its own log of changes until there is no room for the next part of it, of which it dies.
async fn fill_postgres(disk: &SmallDisk) {
    let url = format!("postgres://daybook@localhost/daybook?host={}", disk.path("postgres").display());
    let mut database = PgConnection::connect(&url).await.unwrap();
    let more = "select pg_logical_emit_message(false, 'ballast', repeat('x', 4000000))";
    until("Postgres dies", NOTICED_WITHIN, async || sqlx::query(more).execute(&mut database).await.err())
        .await;
}

/// Whatever a read says, it is the truth, or that there is none now.
async fn answers_or_says_not_now(bank: &Client, account: &str) {
    let answer = bank.get(&format!("/api/v1/accounts/{account}")).await;
    match answer.status {
        200 => assert_eq!(answer.body["balance"], "10.00"),
        _ => {
            let code = answer.is(503)["code"].clone();
            assert!(code == "database_unavailable" || code == "projection_behind", "{code}");
        }
    }
}

#[tokio::test]
async fn on_a_full_disk_of_log_and_read_models_postgres_comes_back_by_itself_and_all_agree() {
    let dir = scratch();
    let disk = SmallDisk::over(dir.path(), DISK_OF_BOTH_BYTES);
    let mut daybook = Daybook::start_within(disk.entrance(), dir, &[]).await;
    let bank = daybook.operator("load").await;
    let (from, to) = (bank.open_with_euros("10.00").await, bank.open("EUR").await);
    let mut load = Load::prepare(&bank).await;
    load.through(std::slice::from_ref(&bank), async |acknowledged| {
        acknowledged.more(50).await;
        disk.fill("ballast", usize::MAX);
        // The log has room left in what was written before need: commands do not notice that Postgres is gone.
        fill_postgres(&disk).await;
        acknowledged.more(20).await;
        answers_or_says_not_now(&bank, &from).await;
        fill_log(daybook.log()).await;
        let before = acknowledged.unanswered();
        until("clients are told to wait", NOTICED_WITHIN, async || {
            (acknowledged.unanswered() > before).then_some(())
        })
        .await;
        let path = format!("/api/v1/transactions/{from}/account");
        bank.post(&path, &euros("full", &from, &to, "1.00")).await.refuses(503, "event_store_unavailable");
        answers_or_says_not_now(&bank, &from).await;
        until("Postgres has tried to start again", NOTICED_WITHIN, async || {
            (starts_in_vain(&disk) > 1).then_some(())
        })
        .await;
        disk.remove("ballast");
        acknowledged.more(50).await;
    })
    .await;
    daybook.ready().await;
    load.ask_again(&bank).await;
    daybook.check().await;
    daybook.stop().await;
}
