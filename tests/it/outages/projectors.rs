//! Two projectors share the partitions of a database. Either dies under load, or stops without dying; the other has all of them, and gives half
//! back.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};

use super::load::Load;
use super::rounds;
use crate::harness::{Client, Program, Separate, until};

/// How long a division of the partitions may take.
const DIVISION_TIME_MAX: Duration = Duration::from_secs(30);
/// Who holds how many partitions.
const HELD: &str = "select count(*) from pg_locks where locktype = 'advisory' and granted and mode = 'ExclusiveLock'
    and classid = (x'64617962')::int and objid between (x'6f6f6b10')::int and (x'6f6f6b1f')::int group by pid order by 1";

async fn are_held(daybook: &Separate, wanted: &[i64]) {
    let mut database = PgConnection::connect(&daybook.database.database_url()).await.unwrap();
    until("partitions are divided", DIVISION_TIME_MAX, async || {
        let held: Vec<i64> = sqlx::query_scalar(HELD).fetch_all(&mut database).await.unwrap();
        (held == wanted).then_some(())
    })
    .await;
}

/// Two projectors that have divided the partitions, and the load that they are to be under.
async fn two() -> (Separate, Program, [Client; 1], Load) {
    let daybook = Separate::start(1, 1).await;
    let mut second = daybook.another_projector();
    second.start().await;
    are_held(&daybook, &[2, 2]).await;
    let banks = [daybook.operator("load", 0, 0).await];
    let load = Load::prepare(&banks[0]).await;
    (daybook, second, banks, load)
}

#[tokio::test]
async fn whichever_projector_is_killed_under_load_the_other_takes_its_partitions() {
    let (mut daybook, mut second, banks, mut load) = two().await;
    for round in 0..rounds(1) {
        load.through(&banks, async |acknowledged| {
            acknowledged.more(60).await;
            // Months that both need at once.
            banks[0].import(&format!("months-{round}"), 8, &["1993-01-01", "1993-02-01", "1993-03-01"]).await;
            daybook.projector.kill();
            acknowledged.more(60).await;
            are_held(&daybook, &[4]).await;
            // As of what was acknowledged just now.
            banks[0].trial_balance().await;
            daybook.projector.start().await;
            are_held(&daybook, &[2, 2]).await;
            acknowledged.more(60).await;
            second.kill();
            are_held(&daybook, &[4]).await;
            banks[0].trial_balance().await;
            second.start().await;
            are_held(&daybook, &[2, 2]).await;
            acknowledged.more(60).await;
        })
        .await;
        daybook.check().await;
    }
    second.stop().await;
    are_held(&daybook, &[4]).await;
    daybook.check().await;
    daybook.stop().await;
}

#[tokio::test]
async fn whichever_projector_is_stopped_without_dying_the_other_takes_its_partitions_until_it_wakes_up() {
    let (mut daybook, mut second, banks, mut load) = two().await;
    load.through(&banks, async |acknowledged| {
        acknowledged.more(60).await;
        for sleeper in [&daybook.projector, &second] {
            // Perhaps in the middle of a transaction.
            sleeper.pause();
            are_held(&daybook, &[4]).await;
            // As of what was acknowledged just now.
            banks[0].trial_balance().await;
            sleeper.wake();
            are_held(&daybook, &[2, 2]).await;
            acknowledged.more(60).await;
        }
    })
    .await;
    daybook.check().await;
    // Who sleeps while nothing happens is not missed either, and loses its place all the same.
    daybook.projector.pause();
    are_held(&daybook, &[4]).await;
    banks[0].trial_balance().await;
    daybook.projector.wake();
    are_held(&daybook, &[2, 2]).await;
    second.stop().await;
    daybook.check().await;
    daybook.stop().await;
}

#[tokio::test]
async fn whichever_projector_makes_rows_of_a_newer_version_the_other_goes_on_with_them() {
    let mut daybook = Separate::start(1, 1).await;
    let bank = daybook.operator("version", 0, 0).await;
    let mut accounts = Vec::new();
    // Enough that every partition has one.
    for _ in 0..24 {
        accounts.push(bank.open_with_euros("5.00").await);
    }
    daybook.check().await;
    daybook.projector.stop().await;
    let mut database = PgConnection::connect(&daybook.database.database_url()).await.unwrap();
    // Both find a rebuild under way, of a version that neither has: so both wait for it.
    let older = "update checkpoints set version = version - 1 where projection = 'accounts';
        insert into rebuilds (kind, projections, versions, requested_by) values ('rebuild', '{accounts}', '{99}', 'start-up')";
    database.execute(older).await.unwrap();
    let mut second = daybook.another_projector();
    daybook.projector.start().await;
    second.start().await;
    are_held(&daybook, &[2, 2]).await;
    database.execute("update rebuilds set versions = null").await.unwrap();
    until("the rows are made anew", DIVISION_TIME_MAX, async || {
        let done = "select state = 'done' from rebuilds";
        sqlx::query_scalar::<_, bool>(done).fetch_one(&mut database).await.unwrap().then_some(())
    })
    .await;
    for account in &accounts {
        bank.deposit(account, "1.00").await;
        assert_eq!(bank.balance(account).await, "6.00");
    }
    second.stop().await;
    daybook.check().await;
    daybook.stop().await;
}
