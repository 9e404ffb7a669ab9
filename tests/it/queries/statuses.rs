//! How final a debit is, told by its transfer as far as that is known.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Postgres, Row};

use crate::harness::shared;

/// Debits, recorded a second apart from 00:00:01 on, each of the transfer with its revision's number; and the transfers that are known, all but
/// the first.
const ROWS: &str = "
    select transactions_month(date '2026-03-01');
    insert into transactions (account_id, month, revision, transfer_id, kind, amount, balance_after, currency, counterparty, booked_at,
                              recorded_at)
    select 1, date '2026-03-01', n, n, 'debit', 100, 100, 'EUR', 2, now(), timestamptz '2026-03-01T00:00Z' + make_interval(secs => n)
    from generate_series(1, 5) n;
    insert into transfers (transfer_id, from_account, to_account, amount, currency, status, booked_at, requested_at, reversed_at)
    values (2, 1, 2, 100, 'EUR', 'completed', now(), now(), null), (3, 1, 2, 100, 'EUR', 'pending', now(), now(), null),
           (4, 1, 2, 100, 'EUR', 'failed', now(), now(), null), (5, 1, 2, 100, 'EUR', 'pending', now(), now(), now());
    insert into checkpoints (projection, partition, version, position) select 'transfers', n, 1, 0 from generate_series(0, 3) n;";

#[tokio::test]
async fn a_debit_is_completed_only_where_its_transfer_is_known_to_be() {
    let daybook = shared().await;
    let mut admin = PgConnection::connect(&daybook.database_url()).await.unwrap();
    admin.execute("create database statuses").await.unwrap();
    let url = daybook.database_url().replacen("/daybook?", "/statuses?", 1);
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    projector::migrate(&pool).await.unwrap();
    pool.execute(ROWS).await.unwrap();
    let known = ["pending", "completed", "pending", "failed", "failed"];
    // Whether no transfer, some, or all are known that far: what the transfers say counts.
    assert_eq!(statuses(&pool).await, known);
    let three = "update checkpoints set recorded_at = timestamptz '2026-03-01T01:00Z' where partition < 3";
    pool.execute(three).await.unwrap();
    assert_eq!(statuses(&pool).await, known);
    pool.execute("update checkpoints set recorded_at = timestamptz '2026-03-01T00:00:01Z'").await.unwrap();
    assert_eq!(statuses(&pool).await, known);
    // A transfer that is no exception, and older than what is known, has completed: it is not looked for.
    pool.execute("update checkpoints set recorded_at = timestamptz '2026-03-01T00:00:02Z'").await.unwrap();
    let mut completed = known;
    completed[0] = "completed";
    assert_eq!(statuses(&pool).await, completed);
    pool.execute("update checkpoints set recorded_at = timestamptz '2026-03-01T01:00Z'").await.unwrap();
    assert_eq!(statuses(&pool).await, completed);
    pool.close().await;
    admin.execute("drop database statuses").await.unwrap();
}

/// What the transfers of the page's debits are said to be; by the filter of lists, too, which finds just those that the page shows so.
async fn statuses(pool: &sqlx::PgPool) -> [String; 5] {
    let rows = march("page").fetch_all(pool).await.unwrap();
    let shown: Vec<String> = rows.iter().map(|row| row.get("transfer_status")).collect();
    for wanted in [&["pending"][..], &["completed"], &["failed", "rejected"]] {
        let fits = |status: &&String| wanted.contains(&status.as_str());
        let expected: Vec<&String> = shown.iter().filter(fits).collect();
        let rows = fitting("page that fits", wanted).fetch_all(pool).await.unwrap();
        let found: Vec<String> = rows.iter().map(|row| row.get("transfer_status")).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{wanted:?}");
        let count = fitting("count of what fits", wanted).fetch_one(pool).await.unwrap();
        assert_eq!(usize::try_from(count.get::<i64, _>("fitting")).unwrap(), expected.len(), "{wanted:?}");
    }
    shown.try_into().unwrap()
}

/// A statement with a filter of lists, for entries of such transfers.
fn fitting(name: &str, transfers: &[&str]) -> Query<'static, Postgres, PgArguments> {
    let transfers: Vec<String> = transfers.iter().map(|status| (*status).to_owned()).collect();
    march(name)
        .bind(None::<DateTime<Utc>>)
        .bind(None::<DateTime<Utc>>)
        .bind(None::<&[&str]>)
        .bind(None::<i64>)
        .bind(None::<i64>)
        .bind(None::<i64>)
        .bind(None::<&str>)
        .bind(Some(transfers))
}

/// A statement of query-api by its name, about all that the account has in March.
fn march(name: &str) -> Query<'static, Postgres, PgArguments> {
    let statements = query_api::statements();
    let (_, text) = statements.into_iter().find(|(other, _)| *other == name).unwrap();
    let month = |month| NaiveDate::from_ymd_opt(2026, month, 1).unwrap();
    let query = sqlx::query(AssertSqlSafe(text)).bind([1_i64]);
    query.bind(month(3)).bind(-1_i64).bind(month(4)).bind(-1_i64).bind(50_i64)
}
