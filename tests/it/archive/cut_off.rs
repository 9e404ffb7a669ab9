//! `kill -9` at each step, and a file that is damaged between two of them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{Datelike, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tokio::process::Child;

use super::bank::{Answers, Bank};
use super::{RUN, archive, archived_files, connect, count, failed, noted, old_rows, outcomes, same};
use crate::harness::{Daybook, begin, until};

/// No step takes longer.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);

/// A command of the archive that has begun.
fn begun(daybook: &Daybook, arguments: &[&str]) -> Child {
    let dir = daybook.dir().to_str().unwrap();
    begin(&[&["archive"], arguments, &["--data-dir", dir]].concat())
}

/// Lets a command run until something is seen, and kills it there.
pub(super) async fn killed(mut running: Child, what: &str, seen: impl AsyncFnMut() -> Option<()>) {
    until(what, STEP_TIME_MAX, seen).await;
    assert_eq!(running.try_wait().unwrap(), None, "it ended before it was killed: {what}");
    running.kill().await.unwrap();
}

/// True when somebody waits for a table of this database.
pub(super) async fn somebody_waits(db: &mut PgConnection, table: &str) -> Option<()> {
    let waits = "select exists (select from pg_locks where not granted and relation = to_regclass($1)
                                and database = (select oid from pg_database where datname = current_database()))";
    let waits: bool = sqlx::query_scalar(waits).bind(table).fetch_one(db).await.unwrap();
    waits.then_some(())
}

/// Archives January and February; March has something that has not ended.
pub(super) async fn archiving(daybook: &Daybook, bank: &Bank, before: &Answers) {
    let store = daybook.dir().join("files");
    let url = daybook.database_url();
    let (mut db, mut holder) = (connect(&url).await, connect(&url).await);
    let rows = old_rows(&mut db).await;
    let answers = async || same(before, &bank.answers(&bank.client).await);

    // The files are there with their manifest, and no database knows.
    holder.execute("begin; lock table archived_months in share mode").await.unwrap();
    killed(begun(daybook, &RUN), "the first month's manifest", async || {
        (!archived_files(&store).1.is_empty()).then_some(())
    })
    .await;
    holder.execute("rollback").await.unwrap();
    assert_eq!((old_rows(&mut db).await, noted(&mut db).await), (rows, 0));
    let [first] = &archived_files(&store).0[..] else { panic!("one part") };
    answers().await;

    // Files of other rows may be another set of read models': they stay, and nothing is noted.
    let change = "update transactions set reference = reference || '!' where month = '2024-01-01' and reference = '2024-01-0-0'";
    db.execute(change).await.unwrap();
    let differs = failed(&archive(daybook, &["run", "--older-than", &until_january()]).await);
    assert_eq!(outcomes(&differs), [("2024-01", "failed")]);
    assert!(differs["months"][0]["reason"].as_str().unwrap().contains("of other rows"), "{differs}");
    assert_eq!((archived_files(&store).0, noted(&mut db).await), (vec![first.clone()], 0));
    db.execute("update transactions set reference = rtrim(reference, '!') where reference like '%!'")
        .await
        .unwrap();

    // The databases know, and all rows are still there.
    killed(begun(daybook, &RUN), "two months are noted", async || (noted(&mut db).await == 2).then_some(()))
        .await;
    assert_eq!(old_rows(&mut db).await, rows);
    assert!(archived_files(&store).0.contains(first), "what was right is not written again");
    answers().await;

    // Nothing is dropped for a file that is not what was written, nor read from it.
    let good = damage(first);
    let damaged = failed(&archive(daybook, &RUN).await);
    assert_eq!(outcomes(&damaged), [("2024-01", "failed"), ("2024-02", "archived"), ("2024-03", "refused")]);
    let reason = |month: usize| damaged["months"][month]["reason"].as_str().unwrap();
    assert!(reason(0).contains("are not those that were written"), "{damaged}");
    assert!(reason(2).contains("has not ended"), "{damaged}");
    let january = "select count(*) from transactions where month = '2024-01-01'";
    assert_eq!(count(&mut db, january).await, damaged["months"][0]["rows"].as_i64().unwrap());
    let path = format!("/api/v1/transactions/{}/month/2024-01", bank.accounts[0]);
    bank.client.get(&path).await.refuses(503, "archive_damaged");
    let query = format!(
        "{{ account(id: \"{}\") {{ transactions(month: \"2024-01\") {{ edges {{ cursor }} }} }} }}",
        bank.accounts[0]
    );
    assert_eq!(bank.client.graphql_error(&query, Value::Null).await, "archive_damaged");
    bank.client.get(&path.replace("2024-01", "2024-02")).await.is(200);
    fs::write(first, good).unwrap();
    answers().await;

    // Nor when Postgres has not as many of the rows as the archive.
    let later = "update transactions set recorded_at = recorded_at + interval '1 year' where month = '2024-01-01' and reference = '2024-01-0-0'";
    assert_eq!(db.execute(later).await.unwrap().rows_affected(), 2);
    let fewer = failed(&archive(daybook, &RUN).await);
    assert_eq!(outcomes(&fewer), [("2024-01", "failed"), ("2024-03", "refused")]);
    let expected = damaged["months"][0]["rows"].as_i64().unwrap();
    let said = format!("public has {} entries of 2024-01, and the archive has {expected}", expected - 2);
    assert!(fewer["months"][0]["reason"].as_str().unwrap().contains(&said), "{fewer}");
    assert_eq!(count(&mut db, january).await, expected);
    db.execute(AssertSqlSafe(later.replace('+', "-"))).await.unwrap();

    // The rows are about to go.
    holder.execute("begin; lock table transactions_2024_01 in access share mode").await.unwrap();
    let waits = async || somebody_waits(&mut db, "transactions_2024_01").await;
    killed(begun(daybook, &RUN), "it waits for its turn", waits).await;
    holder.execute("rollback").await.unwrap();
    answers().await;
    let ended = failed(&archive(daybook, &RUN).await);
    assert_eq!(outcomes(&ended), [("2024-01", "archived"), ("2024-03", "refused")]);
}

/// As old as January 2024.
fn until_january() -> String {
    let today = Utc::now();
    format!("{}M", (today.year() - 2024) * 12 + today.month0().cast_signed() - 1)
}

/// Turns bits over in the middle of the file; what it was.
pub(crate) fn damage(path: &PathBuf) -> Vec<u8> {
    let good = fs::read(path).unwrap();
    let mut bad = good.clone();
    // Each block of it, so that nobody reads past.
    bad.iter_mut().step_by(1_000).for_each(|byte| *byte ^= 0b100);
    fs::write(path, bad).unwrap();
    good
}

/// Is killed when the rows are written and nobody may see them yet.
pub(super) async fn restoring(daybook: &Daybook, month: &str) {
    let url = daybook.database_url();
    let (mut db, mut holder) = (connect(&url).await, connect(&url).await);
    let (rows, months) = (old_rows(&mut db).await, noted(&mut db).await);
    holder.execute("begin; lock table archived_months in share mode").await.unwrap();
    let waits = async || somebody_waits(&mut db, "archived_months").await;
    killed(begun(daybook, &["restore", month]), "it is about to forget the month", waits).await;
    holder.execute("rollback").await.unwrap();
    let mut db = connect(&url).await;
    assert_eq!((old_rows(&mut db).await, noted(&mut db).await), (rows, months));
}
