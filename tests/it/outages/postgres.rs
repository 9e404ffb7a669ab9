//! `kill -9` of Postgres: the one that a daybook runs itself, and one that it was given. Commands do not notice, read models go on by
//! themselves.

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
