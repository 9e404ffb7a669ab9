//! `kill -9` of Postgres: the one that a daybook runs itself, and one that it was given. Commands do not notice, read models go on by
//! themselves.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};

use super::load::{Acknowledged, Load};
use super::rounds;
use crate::harness::{Daybook, Separate};

/// Kills Postgres under load, so often.
async fn die(database: &Daybook, acknowledged: &Acknowledged) {
    for _ in 0..rounds(2) {
        acknowledged.more(60).await;
        database.kill_postgres().await;
        acknowledged.more(60).await;
        database.postgres_runs().await;
    }
}

#[tokio::test]
async fn a_killed_private_postgres_comes_back_and_misses_nothing() {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("load").await;
    let mut load = Load::prepare(&bank).await;
    load.through(std::slice::from_ref(&bank), async |acknowledged| die(&daybook, acknowledged).await).await;
    daybook.ready().await;
    daybook.check().await;
    daybook.stop().await;
}

#[tokio::test]
async fn a_killed_postgres_of_others_comes_back_and_misses_nothing() {
    let mut daybook = Separate::start(1, 1).await;
    let bank = daybook.operator("load", 0, 0).await;
    let mut load = Load::prepare(&bank).await;
    load.through(std::slice::from_ref(&bank), async |acknowledged| {
        die(&daybook.database, acknowledged).await;
    })
    .await;
    daybook.ready().await;
    daybook.check().await;
    daybook.stop().await;
}

/// How long an account is looked at that may be shown as it was before.
const LOOK_FOR: Duration = Duration::from_secs(1);
/// Postgres does not always lose a commit that it was about to write: so often it is tried.
const LOSSES_TRIED_MAX: usize = 20;

#[tokio::test]
async fn what_was_read_at_a_position_stays_read_though_postgres_forgets_it() {
    let mut daybook = Separate::start(1, 1).await;
    let bank = daybook.operator("looks", 0, 0).await;
    let account = bank.open("EUR").await;
    let path = format!("/api/v1/accounts/{account}");
    let (mut losses, mut tries) = (0, 0);
    while losses < rounds(1) {
        tries += 1;
        assert!(tries <= LOSSES_TRIED_MAX * rounds(1), "Postgres never lost a commit");
        // Its answer names the position of the credit.
        bank.deposit(&account, "1.00").await;
        let seen = bank.get(&path).await.is(200);
        // Commits of the last moment are lost, and nobody is there to make them again.
        daybook.projector.kill();
        daybook.database.kill_postgres().await;
        daybook.database.postgres_runs().await;
        let until = Instant::now() + LOOK_FOR;
        while Instant::now() < until {
            let now = bank.get(&path).await;
            match now.status {
                200 => assert_eq!(now.body["balance"], seen["balance"], "read at a position it had reached"),
                _ => losses += usize::from(now.is(503)["code"] == "projection_behind"),
            }
        }
        daybook.projector.start().await;
    }
    daybook.ready().await;
    daybook.check().await;
    daybook.stop().await;
}

/// Reads that go on at the same time.
const READERS: usize = 8;

#[tokio::test]
async fn sessions_that_postgres_ended_are_not_noticed_by_who_reads() {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("reads").await;
    let account = bank.open_with_euros("10.00").await;
    assert_eq!(bank.balance(&account).await, "10.00");
    let path = format!("/api/v1/accounts/{account}");
    let body = json!({ "query": "query($id: ID!) { account(id: $id) { balance { amount } } }", "variables": { "id": account } });
    // None names a position: those are answered when the projector is there again.
    let read = async |number: usize| {
        if number.is_multiple_of(2) {
            let answer = bank.send(bank.request(Method::GET, &path)).await;
            return answer.is(200)["balance"].clone();
        }
        let answer = bank.send(bank.request(Method::POST, "/graphql").json(&body)).await;
        answer.is(200)["data"]["account"]["balance"]["amount"].clone()
    };
    let all_read = async || assert_eq!(join_all((0..READERS).map(&read)).await, ["10.00"; READERS]);
    let mut admin = PgConnection::connect(&daybook.database_url()).await.unwrap();
    for _ in 0..rounds(5) {
        all_read().await;
        // As a crash of one of them does, with the server there again at once.
        admin
            .execute("select pg_terminate_backend(pid) from pg_stat_activity where datname is not null and pid <> pg_backend_pid()")
            .await
            .unwrap();
        all_read().await;
    }
    daybook.ready().await;
    daybook.check().await;
    daybook.stop().await;
}
