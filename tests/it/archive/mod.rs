//! Old months leave the database and not the API.

mod all_the_while;
mod bank;
mod cut_off;
mod on_s3;
mod reads;
mod statuses;

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use self::all_the_while::the_same_all_the_while;
use self::bank::{Answers, Bank};
pub(crate) use self::cut_off::damage;
use crate::harness::{Daybook, months, run};

async fn archive(daybook: &Daybook, arguments: &[&str]) -> Output {
    let dir = daybook.dir().to_str().unwrap();
    run(&[&["archive"], arguments, &["--json", "--data-dir", dir]].concat()).await
}

/// What it tells when all went well.
#[track_caller]
fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What it tells when something did not.
#[track_caller]
fn failed(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What became of each month.
fn outcomes(report: &Value) -> Vec<(&str, &str)> {
    let months = report["months"].as_array().unwrap().iter();
    months.map(|month| (month["month"].as_str().unwrap(), month["outcome"].as_str().unwrap())).collect()
}

fn all(outcome: &str) -> Vec<(&'static str, &str)> {
    bank::MONTHS.map(|month| (month, outcome)).into()
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn count(db: &mut PgConnection, select: &'static str) -> i64 {
    sqlx::query_scalar(select).fetch_one(db).await.unwrap()
}

async fn old_rows(db: &mut PgConnection) -> i64 {
    count(db, "select count(*) from transactions where month < '2025-01-01'").await
}

async fn noted(db: &mut PgConnection) -> i64 {
    count(db, "select count(*) from archived_months").await
}

async fn old_partitions(db: &mut PgConnection) -> Vec<String> {
    months(db, "public").await.into_iter().filter(|name| name.starts_with("transactions_2024")).collect()
}

#[track_caller]
fn same(before: &Answers, after: &Answers) {
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before, after);
    }
}

/// Files of this kind in a folder, and in those below. What is on its way has another name.
fn files(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { files(&path, kind) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|found| found == kind))
        .collect()
}

/// What the archive has in a folder store.
fn archived_files(store: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    (files(&store.join("transactions"), "parquet"), files(&store.join("manifests"), "json"))
}

const RUN: [&str; 3] = ["run", "--older-than", "13M"];

#[tokio::test]
async fn old_months_answer_from_files_as_before() {
    let mut daybook = Daybook::start().await;
    let mut db = connect(&daybook.database_url()).await;
    // As in a database with another locale, which knows small and capital letters beyond ASCII.
    let locale = "alter table transactions alter column description type text collate \"en-x-icu\"";
    db.execute(locale).await.unwrap();
    let bank = Bank::found(&daybook).await;
    let client = &bank.client;
    let store = daybook.dir().join("files");
    // A debit that has not ended, as the read models have it.
    let debit = |status: &str| {
        AssertSqlSafe(format!(
            "update transfers set status = '{status}'
             where transfer_id = (select min(transfer_id) from transactions where kind = 'debit' and month = '2024-03-01')"
        ))
    };
    db.execute(debit("pending")).await.unwrap();
    let before = bank.answers(client).await;
    let rows = old_rows(&mut db).await;

    // What is not closed stays; and who only asks changes nothing.
    let open = failed(&archive(&daybook, &[&RUN[..], &["--dry-run"]].concat()).await);
    assert_eq!(outcomes(&open), all("refused"));
    assert_eq!(open["months"][0]["reason"], "it is not closed: 4 of its accounts have no statement");
    for month in bank::MONTHS {
        close(&daybook, month).await;
    }
    let planned = report(&archive(&daybook, &[&RUN[..], &["--dry-run"]].concat()).await);
    assert_eq!((outcomes(&planned), &planned["rows"]), (all("would_archive"), &json!(rows)));
    assert_eq!((old_rows(&mut db).await, noted(&mut db).await), (rows, 0));
    assert_eq!(archived_files(&store), (vec![], vec![]));

    // Who is not told of what moved does not see archived months: they wait for that projection, and nothing is written.
    // A trigger, since the projector may still write where it is.
    let reaches = |time: &str| {
        AssertSqlSafe(format!(
            "create or replace function is_held() returns trigger language plpgsql as
                 $held$ begin new.recorded_at := {time}; return new; end $held$;
             create or replace trigger is_held before update on checkpoints for each row
                 when (new.projection = 'monthly_totals') execute function is_held();
             update checkpoints set recorded_at = null where projection = 'monthly_totals'"
        ))
    };
    let as_the_others = "drop function is_held cascade;
         update checkpoints set recorded_at =
             (select min(recorded_at) from checkpoints where projection = 'transactions')
         where projection = 'monthly_totals'";
    db.execute(reaches("null")).await.unwrap();
    let behind = failed(&archive(&daybook, &RUN).await);
    assert_eq!(outcomes(&behind), all("refused"), "{behind}");
    assert!(
        behind["months"][0]["reason"].as_str().unwrap().contains("its last entry is the newest"),
        "{behind}"
    );
    assert_eq!(archived_files(&store), (vec![], vec![]));
    db.execute(as_the_others).await.unwrap();

    // Cut off anywhere, it goes on. What has not ended stays as well; others do not wait for it.
    cut_off::archiving(&daybook, &bank, &before).await;
    assert_eq!(old_partitions(&mut db).await, ["transactions_2024_03"]);
    db.execute(debit("completed")).await.unwrap();
    let before = bank.answers(client).await;

    // Nor does a month go while something may still be recorded at the instant of its last entry.
    let marchs_last = "(select max(recorded_at) from transactions where month = '2024-03-01')";
    db.execute(reaches(marchs_last)).await.unwrap();
    let new = failed(&archive(&daybook, &RUN).await);
    assert_eq!(outcomes(&new), [("2024-03", "refused")]);
    assert!(new["months"][0]["reason"].as_str().unwrap().contains("its last entry is the newest"), "{new}");
    assert_eq!((archived_files(&store).1.len(), noted(&mut db).await), (2, 2));
    db.execute(reaches(&format!("{marchs_last} + interval '1 microsecond'"))).await.unwrap();

    // Whoever reads it meanwhile, with a list of archived months from before, does not notice.
    let march = the_same_all_the_while(&daybook, &bank, "2024-03", archive(&daybook, &RUN)).await;
    let march = report(&march);
    assert_eq!(outcomes(&march), [("2024-03", "archived")]);
    db.execute(as_the_others).await.unwrap();
    assert_eq!((old_rows(&mut db).await, old_partitions(&mut db).await), (0, vec![]));
    same(&before, &bank.answers(client).await);
    assert_eq!(report(&archive(&daybook, &RUN).await)["months"], json!([]));
    let listed = report(&archive(&daybook, &["list"]).await);
    let archived: Vec<i64> =
        listed.as_array().unwrap().iter().map(|month| month["rows"].as_i64().unwrap()).collect();
    assert_eq!((archived.len(), archived.iter().sum::<i64>()), (3, rows));
    statuses::are_those_of_the_log(&daybook).await;

    // A late entry is beside the archive, and counts.
    bank.comes_late("late-1").await;
    let with_late = bank.answers(client).await;
    assert_eq!(old_rows(&mut db).await, 2);
    let listed = report(&archive(&daybook, &["list"]).await);
    let later: Vec<_> = listed.as_array().unwrap().iter().map(|month| &month["later"]).collect();
    assert_eq!(later, [0, 2, 0]);

    // Made anew from the log, the table does not get archived months back, but one whose files are lost and that is wanted.
    let (parts, manifests) = archived_files(&store);
    let lost = |path: &&PathBuf| path.to_string_lossy().contains("2024-03");
    parts.iter().chain(&manifests).filter(lost).for_each(|path| std::fs::remove_file(path).unwrap());
    let path = format!("/api/v1/transactions/{}/month/2024-03", bank.accounts[0]);
    client.get(&path).await.refuses(503, "archive_damaged");
    db.execute("update archived_months set dropped_at = null where month = '2024-03-01'").await.unwrap();
    rebuild(&daybook, &["transactions"]).await;
    let months = listed.as_array().unwrap();
    let restored = report(&archive(&daybook, &["restore", "2024-03"]).await);
    assert_eq!((&restored["digest"], &restored["written"]), (&months[2]["digest"], &json!(0)));
    assert_eq!(old_rows(&mut db).await, 2 + months[2]["rows"].as_i64().unwrap());
    same(&with_late, &bank.answers(client).await);

    // Back again, also when that is cut off; and the log makes the same rows.
    cut_off::restoring(&daybook, "2024-02").await;
    for month in &months[..2] {
        let restored = report(&archive(&daybook, &["restore", month["month"].as_str().unwrap()]).await);
        assert_eq!((&restored["digest"], &restored["written"]), (&month["digest"], &month["rows"]));
    }
    same(&with_late, &bank.answers(client).await);
    assert_eq!((old_rows(&mut db).await, noted(&mut db).await), (rows + 2, 0));
    assert_eq!(archived_files(&store), (vec![], vec![]));
    let again = archive(&daybook, &["restore", "2024-01"]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("2024-01: it is not archived"), "{again:?}");
    let rebuilt = rebuild(&daybook, &["transactions", "transfers", "--no-switch"]).await;
    let tables = rebuilt["report"]["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 2);
    for table in tables {
        assert_eq!(table["live"], table["rebuilt"], "{table}");
    }
    assert!(tables.iter().any(|table| table["live"]["rows"].as_i64() >= Some(rows)), "{rebuilt}");
    daybook.stop().await;
}

async fn close(daybook: &Daybook, month: &str) {
    let dir = daybook.dir().to_str().unwrap();
    let closed = run(&["month", "close", month, "--data-dir", dir, "--event-store", daybook.log()]).await;
    assert!(closed.status.success(), "{closed:?}");
}

/// Makes tables anew; what the command tells at last.
async fn rebuild(daybook: &Daybook, arguments: &[&str]) -> Value {
    let dir = daybook.dir().to_str().unwrap();
    let rebuilt = run(&[&["rebuild", "--json", "--data-dir", dir], arguments].concat()).await;
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    let said = String::from_utf8(rebuilt.stdout).unwrap();
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}
