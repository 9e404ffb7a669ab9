//! Old months leave the database and not the API.

mod bank;
mod cut_off;

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use self::bank::Bank;
use crate::harness::{Daybook, months, run};

async fn archive(daybook: &Daybook, arguments: &[&str]) -> Output {
    let dir = daybook.dir().to_str().unwrap();
    run(&[&["archive"], arguments, &["--json", "--data-dir", dir]].concat()).await
}

#[track_caller]
fn report(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What became of each month.
fn outcomes(report: &Value) -> Vec<(String, String)> {
    let months = report["months"].as_array().unwrap().iter();
    months
        .map(|month| {
            (month["month"].as_str().unwrap().to_owned(), month["outcome"].as_str().unwrap().to_owned())
        })
        .collect()
}

fn all(outcome: &str) -> Vec<(String, String)> {
    ["2024-01", "2024-02", "2024-03"].map(|month| (month.to_owned(), outcome.to_owned())).into()
}

async fn connect(daybook: &Daybook) -> PgConnection {
    PgConnection::connect(&daybook.database_url()).await.unwrap()
}

async fn old_rows(db: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select count(*) from transactions where month < '2025-01-01'")
        .fetch_one(db)
        .await
        .unwrap()
}

async fn old_partitions(db: &mut PgConnection) -> Vec<String> {
    months(db, "public").await.into_iter().filter(|name| name.starts_with("transactions_2024")).collect()
}

#[track_caller]
fn same(before: &[(String, String)], after: &[(String, String)]) {
    assert_eq!(before.len(), after.len());
    for ((asked, before), (asked_then, after)) in before.iter().zip(after) {
        assert_eq!((asked, before), (asked_then, after));
    }
}

fn files(dir: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let count = |entry: std::fs::DirEntry| {
        if entry.path().is_dir() { files(&entry.path()) } else { 1 }
    };
    entries.map(|entry| count(entry.unwrap())).sum()
}

#[tokio::test]
async fn old_months_answer_from_files_as_before() {
    let mut daybook = Daybook::start().await;
    let bank = Bank::found(&daybook).await;
    let mut db = connect(&daybook).await;
    // A debit that came back, as the read models have it.
    db.execute(
        "update transfers set status = 'failed', reversed_at = now()
         where transfer_id = (select transfer_id from transactions where kind = 'debit' and month = '2024-02-01' order by 1 limit 1)",
    )
    .await
    .unwrap();
    let before = bank.answers().await;
    let rows = old_rows(&mut db).await;

    // What has not ended stays; others do not wait for it.
    let change = |to: &str| {
        AssertSqlSafe(format!(
            "update transfers set status = '{to}'
             where transfer_id = (select max(transfer_id) from transactions where kind = 'debit' and month = '2024-03-01')"
        ))
    };
    db.execute(change("pending")).await.unwrap();
    let planned = report(&archive(&daybook, &["run", "--older-than", "13M", "--dry-run"]).await);
    assert_eq!(outcomes(&planned), all("would_archive"));
    assert_eq!((old_rows(&mut db).await, files(&daybook.dir().join("files"))), (rows, 0));
    let refused = archive(&daybook, &["run", "--older-than", "13M"]).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let refused: Value = serde_json::from_slice(&refused.stdout).unwrap();
    let [january, february, march] = &refused["months"].as_array().unwrap()[..] else { panic!("{refused}") };
    assert_eq!((&january["outcome"], &february["outcome"]), (&json!("archived"), &json!("archived")));
    assert_eq!(march["outcome"], "refused");
    assert!(march["reason"].as_str().unwrap().contains("has not ended"), "{march}");
    assert_eq!(old_partitions(&mut db).await, ["transactions_2024_03"]);
    db.execute(change("completed")).await.unwrap();
    same(&before, &bank.answers().await);
    let march = report(&archive(&daybook, &["run", "--older-than", "13M"]).await);
    assert_eq!(outcomes(&march), [("2024-03".to_owned(), "archived".to_owned())]);
    let dropped = [january, february, &march["months"][0]].map(|month| month["dropped"].as_i64().unwrap());
    assert_eq!((dropped.iter().sum::<i64>(), old_rows(&mut db).await), (rows, 0));
    assert_eq!(old_partitions(&mut db).await, Vec::<String>::new());
    same(&before, &bank.answers().await);
    assert_eq!(report(&archive(&daybook, &["run", "--older-than", "13M"]).await)["months"], json!([]));

    // A late entry is beside the archive, and counts.
    bank.comes_late("late-1").await;
    let with_late = bank.answers().await;
    assert_eq!(old_rows(&mut db).await, 2);
    let listed = report(&archive(&daybook, &["list"]).await);
    let later: Vec<_> = listed.as_array().unwrap().iter().map(|month| &month["later"]).collect();
    assert_eq!(later, [0, 2, 0]);

    // Made anew from the log, the table does not get archived months back.
    let dir = daybook.dir().to_str().unwrap().to_owned();
    let rebuilt = run(&["rebuild", "transactions", "--data-dir", &dir]).await;
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert_eq!(old_rows(&mut db).await, 2);
    same(&with_late, &bank.answers().await);

    // Back again; and the log makes the same rows.
    for month in listed.as_array().unwrap() {
        let restored = report(&archive(&daybook, &["restore", month["month"].as_str().unwrap()]).await);
        assert_eq!((&restored["digest"], &restored["written"]), (&month["digest"], &month["rows"]));
        same(&with_late, &bank.answers().await);
    }
    assert_eq!((old_rows(&mut db).await, files(&daybook.dir().join("files"))), (rows + 2, 0));
    let again = archive(&daybook, &["restore", "2024-01"]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("2024-01: it is not archived"), "{again:?}");
    let rebuilt = run(&["rebuild", "transactions", "--no-switch", "--data-dir", &dir]).await;
    assert!(rebuilt.status.success(), "{rebuilt:?}");

    // With the late entry in it this time.
    let archived = report(&archive(&daybook, &["run", "--older-than", "13M"]).await);
    assert_eq!((outcomes(&archived), old_rows(&mut db).await), (all("archived"), 0));
    same(&with_late, &bank.answers().await);
    daybook.stop().await;
}
