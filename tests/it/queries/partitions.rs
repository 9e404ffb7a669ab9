//! Entries are in partitions by month, also those of before there were any.

use std::fs;
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::harness::shared;

const ENTRY: &str = "insert into transactions (account_id, month, revision, transfer_id, kind, amount, balance_after, currency,
    counterparty, booked_at, recorded_at)
    select 7, $1::text::date, n, n, 'credit', 1, 1, 'EUR', 8, now(), now() from generate_series(1, 3) n";

#[tokio::test]
async fn entries_of_before_stay_and_new_months_get_partitions() {
    let daybook = shared().await;
    let mut admin = PgConnection::connect(&daybook.database_url()).await.unwrap();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../projector/migrations");
    let mut files: Vec<_> = fs::read_dir(migrations).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let number = |path: &Path| path.file_name().unwrap().to_str().unwrap()[..4].parse::<u32>().unwrap();
    for old in [&[][..], &["2025-12-01", "2026-02-01"][..]] {
        admin.execute("create database months").await.unwrap();
        let url = daybook.database_url().replacen("/daybook?", "/months?", 1);
        let mut db = PgConnection::connect(&url).await.unwrap();
        for file in &files {
            if number(file) == 21 {
                for month in old {
                    sqlx::query(ENTRY).bind(*month).execute(&mut db).await.unwrap();
                }
            }
            let mut transaction = db.begin().await.unwrap();
            transaction.execute(AssertSqlSafe(fs::read_to_string(file).unwrap())).await.unwrap();
            transaction.commit().await.unwrap();
        }
        for month in ["2024-05-01", "2026-01-01", "2026-03-01", "2026-05-01", "2026-03-01"] {
            db.execute(AssertSqlSafe(format!("select transactions_month('{month}')"))).await.unwrap();
            db.execute(AssertSqlSafe(format!("delete from transactions where month = '{month}'")))
                .await
                .unwrap();
            sqlx::query(ENTRY).bind(month).execute(&mut db).await.unwrap();
        }
        let partitions: Vec<String> = sqlx::query_scalar(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'transactions'::regclass order by 1",
        )
        .fetch_all(&mut db)
        .await
        .unwrap();
        let expected = if old.is_empty() {
            vec![
                "transactions_2024_05",
                "transactions_2026_01",
                "transactions_2026_03",
                "transactions_2026_05",
            ]
        } else {
            vec!["transactions_2026_03", "transactions_2026_05", "transactions_old"]
        };
        assert_eq!(partitions, expected);
        let rows: i64 =
            sqlx::query_scalar("select count(*) from transactions").fetch_one(&mut db).await.unwrap();
        assert_eq!(rows, 3 * (4 + i64::try_from(old.len()).unwrap()));
        db.close().await.unwrap();
        admin.execute("drop database months").await.unwrap();
    }
}
