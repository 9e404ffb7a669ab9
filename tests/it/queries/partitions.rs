//! Entries are in partitions by month, also those of before there were any.

use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::harness::{Daybook, months, shared, until};

const WAIT_MAX: std::time::Duration = std::time::Duration::from_secs(30);

const ENTRY: &str = "insert into transactions (account_id, month, revision, transfer_id, kind, amount, balance_after, currency,
    counterparty, booked_at, recorded_at)
    select 7, $1::text::date, n, n, 'credit', 1, 1, 'EUR', 8, now(), now() from generate_series(1, 3) n";

/// A database of one's own beside the daybook's.
async fn database(daybook: &Daybook, name: &str) -> PgConnection {
    let mut admin = PgConnection::connect(&daybook.database_url()).await.unwrap();
    admin.execute(AssertSqlSafe(format!("create database {name}"))).await.unwrap();
    connect(daybook, name).await
}

async fn connect(daybook: &Daybook, name: &str) -> PgConnection {
    let url = daybook.database_url().replacen("/daybook?", &format!("/{name}?"), 1);
    PgConnection::connect(&url).await.unwrap()
}

async fn make(db: &mut PgConnection, month: &str) {
    sqlx::query("select public.transactions_month($1::text::date)").bind(month).execute(db).await.unwrap();
}

async fn write(db: &mut PgConnection, month: &str) {
    sqlx::query(ENTRY).bind(month).execute(db).await.unwrap();
}

async fn count(db: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select count(*) from transactions").fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn entries_of_before_stay_and_new_months_get_partitions() {
    let daybook = shared().await;
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../projector/migrations");
    let migrator = Migrator::new(migrations).await.unwrap();
    for (name, old) in [("months_new", &[][..]), ("months_old", &["2025-12-01", "2095-02-01"][..])] {
        let mut db = database(&daybook, name).await;
        migrator.run_direct(Some(20), &mut db, false).await.unwrap();
        for month in old {
            write(&mut db, month).await;
        }
        // What was live before, and what a rebuild has begun.
        db.execute(
            "create schema previous; create schema rebuild;
             create table previous.transactions (like transactions including all excluding indexes);
             alter table previous.transactions add constraint transactions_pkey primary key (account_id, month, revision);
             insert into previous.transactions select * from transactions;
             create table rebuild.transactions (like transactions);
             create table previous.transfers (like transfers including all)",
        )
        .await
        .unwrap();
        migrator.run_direct(None, &mut db, false).await.unwrap();

        let lump = (!old.is_empty()).then(|| "transactions_before_2095_03".to_owned());
        for schema in ["public", "previous"] {
            db.execute(AssertSqlSafe(format!("set search_path = {schema}"))).await.unwrap();
            assert_eq!(months(&mut db, schema).await, Vec::from_iter(lump.clone()));
            for month in ["2024-05-01", "2095-02-01", "2095-03-01", "2096-01-01", "2095-03-01"] {
                make(&mut db, month).await;
                db.execute(AssertSqlSafe(format!("delete from transactions where month = '{month}'")))
                    .await
                    .unwrap();
                write(&mut db, month).await;
            }
            let expected: Vec<String> = match &lump {
                None => ["2024_05", "2095_02", "2095_03", "2096_01"]
                    .map(|month| format!("transactions_{month}"))
                    .into(),
                Some(lump) => {
                    vec!["transactions_2095_03".to_owned(), "transactions_2096_01".to_owned(), lump.clone()]
                }
            };
            assert_eq!(months(&mut db, schema).await, expected);
            assert_eq!(count(&mut db).await, if old.is_empty() { 12 } else { 15 });
            let indexes: Vec<(String, i64)> = sqlx::query_as(
                "select tablename::text, count(*) from pg_indexes where schemaname = $1 and tablename like 'transactions%'
                 group by 1 order by 1",
            )
            .bind(schema)
            .fetch_all(&mut db)
            .await
            .unwrap();
            let with_two: Vec<String> =
                indexes.into_iter().filter(|(_, count)| *count == 2).map(|(table, _)| table).collect();
            assert_eq!(with_two, [vec!["transactions".to_owned()], expected].concat());
        }
        let unsettled: Vec<String> = sqlx::query_scalar(
            "select schemaname::text from pg_indexes where indexname = 'transfers_unsettled' order by 1",
        )
        .fetch_all(&mut db)
        .await
        .unwrap();
        assert_eq!(unsettled, ["previous", "public"]);
        // Nobody needs to say so: what is old is to be divided, and what was begun is begun anew.
        let asked: Vec<(String, Vec<String>, String)> =
            sqlx::query_as("select kind, projections, state from public.rebuilds")
                .fetch_all(&mut db)
                .await
                .unwrap();
        let wanted = ("divide".to_owned(), vec!["transactions".to_owned()], "requested".to_owned());
        assert_eq!(asked, Vec::from_iter((!old.is_empty()).then_some(wanted)));
        let begun: bool = sqlx::query_scalar("select to_regnamespace('rebuild') is not null")
            .fetch_one(&mut db)
            .await
            .unwrap();
        assert!(!begun);
    }
}

#[tokio::test]
async fn a_month_that_two_need_at_once_is_made_once_and_nobody_who_reads_waits() {
    let daybook = shared().await;
    let mut one = database(&daybook, "months_race").await;
    projector::migrate(&connect_pool(&daybook, "months_race").await).await.unwrap();
    let mut other = connect(&daybook, "months_race").await;
    let mut reader = connect(&daybook, "months_race").await;
    reader.execute("set statement_timeout = '5s'").await.unwrap();
    for (month, commits) in [("2026-01-01", true), ("2026-02-01", false)] {
        let mut first = one.begin().await.unwrap();
        make(&mut first, month).await;
        write(&mut first, month).await;
        let second = tokio::spawn(async move {
            let mut second = other.begin().await.unwrap();
            make(&mut second, month).await;
            sqlx::query("update transactions set revision = revision + 3 where month = $1::text::date")
                .bind(month)
                .execute(&mut *second)
                .await
                .unwrap();
            write(&mut second, month).await;
            second.commit().await.unwrap();
            other
        });
        until("the second waits for the first", WAIT_MAX, async || {
            let waits: bool = sqlx::query_scalar(
                "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%transactions_month%'
                                and datname = current_database())",
            )
            .fetch_one(&mut reader)
            .await
            .unwrap();
            waits.then_some(())
        })
        .await;
        count(&mut reader).await;
        if commits {
            first.commit().await.unwrap();
        } else {
            first.rollback().await.unwrap();
        }
        other = second.await.unwrap();
    }
    assert_eq!(months(&mut reader, "public").await, ["transactions_2026_01", "transactions_2026_02"]);
    assert_eq!(count(&mut reader).await, 9);
}

async fn connect_pool(daybook: &Daybook, name: &str) -> sqlx::PgPool {
    let url = daybook.database_url().replacen("/daybook?", &format!("/{name}?"), 1);
    sqlx::PgPool::connect(&url).await.unwrap()
}
