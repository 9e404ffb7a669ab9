//! From bookings to statements, by hand.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::closed::metrics;
use super::{
    CLOSE_LOCK, book, closed, file, follow, holder, link, month_close, refused, row, sha256, with_place,
};
use crate::archive::damage;
use crate::harness::{Daybook, Program, begin, run, text, until};

const FORMATS: [(&str, &str); 3] = [("pdf", "pdf"), ("csv", "csv"), ("camt053", "xml")];

/// Where a user's key lies.
fn key_of(daybook: &Daybook, user: &str) -> PathBuf {
    let shards = fs::read_dir(daybook.dir().join("keys")).unwrap();
    let files = shards.map(|shard| shard.unwrap().path().join(format!("{user}.key")));
    files.into_iter().find(|file| file.exists()).unwrap()
}

#[tokio::test]
async fn months_are_closed_in_order_and_an_account_that_fails_holds_up_no_other() {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("in order").await;
    let (zoe, of_zoe) = holder(&bank, "Zoë", "or-1").await;
    let (yves, of_yves) = holder(&bank, "Yves", "or-2").await;
    let (erased, of_erased) = holder(&bank, "Karel", "or-3").await;
    let rows = [
        row("r1", "or-1", "1993-01-04", "credit", "10.00"),
        row("r2", "or-2", "1993-01-05", "credit", "20.00"),
        row("r3", "or-3", "1993-01-06", "credit", "30.00"),
        row("r4", "or-4", "1993-02-03", "credit", "7.00"),
    ];
    book(&bank, &rows).await;
    let erase = async |user: &str| {
        bank.send(bank.request(Method::DELETE, &format!("/api/v1/users/{user}"))).await.is(200);
    };
    erase(&erased).await;

    assert!(
        refused(&daybook, "1993-02")
            .await
            .contains("1993-01 has to be closed first: it has activity without a statement on 4 ")
    );
    assert!(refused(&daybook, "2999-01").await.contains("2999-01 is not over in UTC"));
    let elsewhere = with_place(&daybook, "1993-01", &["--time-zone", "Europe/Prague"]).await;
    assert_eq!(elsewhere.status.code(), Some(1), "{elsewhere:?}");
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("give --time-zone UTC"), "{elsewhere:?}");

    let key = key_of(&daybook, &yves);
    let kept = fs::read(&key).unwrap();
    fs::write(&key, "no key").unwrap();
    let output = month_close(&daybook, "1993-01").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Three with a holder, and the bank's own for cash.
    assert_eq!((&told["accounts"], &told["issued"], &told["failed"]), (&json!(4), &json!(3), &json!(1)));
    assert_eq!(told["failures"][0]["account_id"], of_yves);
    assert!(told["failures"][0]["reason"].as_str().unwrap().contains("name could not be opened"), "{told}");
    assert!(!file(&daybook, &of_yves, "1993-01", "statement.pdf").exists());
    assert!(refused(&daybook, "1993-02").await.contains("on 1 account"));

    // Whose statement was issued before is not changed by it.
    erase(&zoe).await;
    daybook.stop().await;
    daybook.with("--close-months-at", "00:00");
    daybook.restart().await;
    let counted = async |outcome: &str, least: u64| {
        let counter = format!("daybook_month_closes_total{{outcome=\"{outcome}\"}} ");
        until(&counter, Duration::from_secs(60), async || {
            let metrics = metrics(&daybook).await;
            let count: u64 = metrics.lines().find_map(|line| line.strip_prefix(&counter))?.parse().ok()?;
            (count >= least).then_some(())
        })
        .await;
    };
    counted("failed", 1).await;
    fs::write(&key, kept).unwrap();
    // It is tried again; then come February and, as there are balances, last month.
    counted("closed", 3).await;
    let said = daybook.said();
    for line in [
        "closing months until",
        "1993-01 is not closed: 1 account(s) have no statement",
        "1993-01 closed: 4 accounts; statements: 1 issued, 0 corrected, 3 unchanged, 0 failed",
        "1993-02 closed: 5 accounts; statements: 5 issued, 0 corrected, 0 unchanged, 0 failed",
    ] {
        assert!(said.contains(line), "'{line}' is not in it: {said}");
    }
    assert_eq!(closed(&daybook, "1993-01").await["unchanged"], 4);
    let shown_on = |account: &str, month: &str| {
        super::said(
            "pdftotext",
            &["-layout", file(&daybook, account, month, "statement.pdf").to_str().unwrap(), "-"],
        )
    };
    for (account, month, owner) in [
        (&of_zoe, "1993-01", "Zoë"),
        (&of_zoe, "1993-02", "(erased)"),
        (&of_yves, "1993-02", "Yves"),
        (&of_erased, "1993-01", "(erased)"),
    ] {
        let shown = shown_on(account, month);
        assert!(shown.contains(owner), "'{owner}' is not on it: {shown}");
    }
    assert!(!shown_on(&of_erased, "1993-01").contains("Karel"));
    daybook.check().await;
}

#[tokio::test]
async fn closing_again_changes_nothing_and_a_late_booking_makes_another_issue() {
    let daybook = Daybook::start().await;
    let bank = daybook.operator("corrections").await;
    let (_, account) = holder(&bank, "Jan Novák", "late").await;
    book(&bank, &[row("l1", "late", "1993-01-04", "credit", "10.00")]).await;
    closed(&daybook, "1993-01").await;
    closed(&daybook, "1993-02").await;
    let files = |issue: &str| {
        FORMATS.map(|(_, extension)| {
            fs::read(file(&daybook, &account, "1993-01", &format!("statement{issue}.{extension}"))).unwrap()
        })
    };
    let first = files("");
    let same = async |month: &str| {
        let again = closed(&daybook, month).await;
        assert_eq!(
            (&again["unchanged"], &again["issued"], &again["files"]),
            (&json!(2), &json!(0), &json!(0)),
            "{again}"
        );
    };
    same("1993-01").await;
    assert_eq!(link(&daybook, &bank, &account, "1993-01", "pdf").await["issue"], 1);

    let corrected = async |month: &str| {
        let corrected = closed(&daybook, month).await;
        assert_eq!(
            (&corrected["corrected"], &corrected["issued"], &corrected["failed"]),
            (&json!(2), &json!(0), &json!(0))
        );
    };
    book(&bank, &[row("l2", "late", "1993-01-30", "debit", "2.50")]).await;
    assert!(refused(&daybook, "1993-02").await.contains("1993-01 has to be closed first"));
    corrected("1993-01").await;
    // What it begins with is something else now.
    corrected("1993-02").await;
    let second = files("-2");
    assert!(first == files("") && String::from_utf8_lossy(&second[1]).contains("-2.50"));
    assert_eq!(link(&daybook, &bank, &account, "1993-01", "pdf").await["issue"], 2);

    // In the archive it is the same month, and a late booking is one, too.
    let dir = daybook.dir().to_str().unwrap();
    let archived = run(&["archive", "run", "--older-than", "13M", "--data-dir", dir]).await;
    assert!(archived.status.success(), "{archived:?}");
    let mut db = PgConnection::connect(&daybook.database_url()).await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from transactions").fetch_one(&mut db).await.unwrap();
    assert_eq!(left, 0);
    same("1993-01").await;
    book(&bank, &[row("l3", "late", "1993-01-31", "credit", "0.25")]).await;
    corrected("1993-01").await;
    let third = String::from_utf8(files("-3")[1].clone()).unwrap();
    for amount in ["10.00,10.00", "-2.50,7.50", "0.25,7.75"] {
        assert!(third.contains(amount), "{third}");
    }
    assert!(first == files("") && second == files("-2"));

    // Rows that cannot be read are their accounts' failures.
    let month = daybook.dir().join("files/transactions/month=1993-01");
    let parts = fs::read_dir(month).unwrap().map(|file| file.unwrap().path());
    let part = parts.into_iter().find(|path| path.extension().is_some_and(|end| end == "parquet")).unwrap();
    let good = damage(&part);
    let output = month_close(&daybook, "1993-01").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["accounts"], &told["failed"]), (&json!(2), &json!(2)), "{told}");
    assert!(told["failures"][0]["reason"].as_str().unwrap().contains("archived bookings"), "{told}");
    fs::write(&part, good).unwrap();
    same("1993-01").await;
}

#[tokio::test]
async fn a_close_that_was_killed_goes_on_and_issues_nothing_twice() {
    const ACCOUNTS: usize = 24;
    let daybook = Daybook::start().await;
    let bank = daybook.operator("killed").await;
    bank.import("killed", ACCOUNTS, &["1993-01-05"]).await;
    let dir = daybook.dir().to_str().unwrap();
    let mut close = begin(&["month", "close", "1993-01", "--data-dir", dir, "--event-store", daybook.log()]);
    let statements = daybook.dir().join("files/statements");
    until("the first files are there", Duration::from_secs(60), async || {
        fs::read_dir(&statements).ok()?.next().map(|_| ())
    })
    .await;
    close.kill().await.unwrap();

    let rest = closed(&daybook, "1993-01").await;
    // Each account, and the bank's own.
    assert_eq!((&rest["accounts"], &rest["failed"]), (&json!(ACCOUNTS + 1), &json!(0)));
    assert!(rest["issued"].as_u64().unwrap() > 0, "it was not killed in the middle: {rest}");
    assert_eq!(closed(&daybook, "1993-01").await["unchanged"], ACCOUNTS + 1);
    let mut db = PgConnection::connect(&daybook.database_url()).await.unwrap();
    let rows: Vec<(i64, i32, String)> =
        sqlx::query_as("select account_id, issue, files::text from statements")
            .fetch_all(&mut db)
            .await
            .unwrap();
    assert_eq!(rows.len(), ACCOUNTS + 1);
    for (account, issue, files) in rows {
        assert_eq!(issue, 1);
        let files: Value = serde_json::from_str(&files).unwrap();
        for (place, (format, extension)) in FORMATS.iter().enumerate() {
            let path = file(&daybook, &account.to_string(), "1993-01", &format!("statement.{extension}"));
            assert_eq!(files[place]["format"], *format);
            assert_eq!(files[place]["sha256"], sha256(&fs::read(path).unwrap()));
        }
    }
}

/// Text of a PDF in the folder.
fn shown(daybook: &Daybook, account: &str, name: &str) -> String {
    let pdf = file(daybook, account, "1993-01", name);
    super::said("pdftotext", &["-layout", pdf.to_str().unwrap(), "-"])
}

#[tokio::test]
async fn a_file_that_no_event_names_is_in_nobodys_way_and_stays() {
    let daybook = Daybook::start().await;
    let bank = daybook.operator("left").await;
    let (_, account) = holder(&bank, "Zoë", "le-1").await;
    let (_, other) = holder(&bank, "Yves", "le-2").await;
    let rows = [
        row("e1", "le-1", "1993-01-04", "credit", "10.00"),
        row("e2", "le-2", "1993-01-04", "credit", "20.00"),
    ];
    book(&bank, &rows).await;
    let path = file(&daybook, &account, "1993-01", "statement.pdf");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "other bytes").unwrap();
    fs::write(path.with_extension("pdf#1"), "%PDF-").unwrap();

    let told = closed(&daybook, "1993-01").await;
    assert_eq!(
        (&told["issued"], &told["corrected"], &told["failed"]),
        (&json!(3), &json!(0), &json!(0)),
        "{told}"
    );
    // What the event names is what is served.
    let serves = async |account: &str, issue: u32| {
        for (format, _) in FORMATS {
            let told = link(&daybook, &bank, account, "1993-01", format).await;
            assert_eq!(told["issue"], issue);
            let bytes = follow(&daybook, &text(&told["url"]), &[]).await.bytes().await.unwrap();
            assert_eq!(told["sha256"], sha256(&bytes));
        }
    };
    serves(&account, 2).await;
    serves(&other, 1).await;
    assert_eq!(fs::read(&path).unwrap(), b"other bytes");
    assert_eq!(fs::read(path.with_extension("pdf#1")).unwrap(), b"%PDF-");
    assert!(!shown(&daybook, &account, "statement-2.pdf").contains("replaces"));
    assert_eq!(closed(&daybook, "1993-01").await["unchanged"], 3);

    // The next issue replaces the one that was issued, and not what lies about.
    book(&bank, &[row("e3", "le-1", "1993-01-05", "credit", "1.00")]).await;
    assert_eq!(closed(&daybook, "1993-01").await["corrected"], 2);
    serves(&account, 3).await;
    assert!(shown(&daybook, &account, "statement-3.pdf").contains("(replaces issue 2)"));

    // An account that the read models have lost is named, and so is one of whose statement they do not know; nothing of it is touched.
    let mut db = PgConnection::connect(&daybook.database_url()).await.unwrap();
    for (lost, at) in [("accounts", &account), ("statements", &other)] {
        let lose = format!("delete from {lost} where account_id = {at}");
        assert_eq!(db.execute(AssertSqlSafe(lose)).await.unwrap().rows_affected(), 1);
    }
    let before = FORMATS.map(|(_, extension)| {
        fs::read(file(&daybook, &other, "1993-01", &format!("statement.{extension}"))).unwrap()
    });
    let output = month_close(&daybook, "1993-01").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["accounts"], &told["unchanged"], &told["failed"]),
        (&json!(3), &json!(1), &json!(2)),
        "{told}"
    );
    for (account, reason) in [(&account, "and not the account"), (&other, "the log has a statement")] {
        let failures = told["failures"].as_array().unwrap();
        let failure = failures.iter().find(|failure| failure["account_id"] == **account).unwrap();
        assert!(failure["reason"].as_str().unwrap().contains(reason), "{failure}");
    }
    let after = FORMATS.map(|(_, extension)| {
        fs::read(file(&daybook, &other, "1993-01", &format!("statement.{extension}"))).unwrap()
    });
    assert!(before == after);
}

#[tokio::test]
async fn who_waits_for_another_close_has_not_failed() {
    let daybook = Daybook::start().await;
    let bank = daybook.operator("busy").await;
    book(&bank, &[row("b1", "bu-1", "1993-01-04", "credit", "10.00")]).await;
    let mut db = PgConnection::connect(&daybook.database_url()).await.unwrap();
    let lock = async |db: &mut PgConnection, name: &str| {
        let done: bool = sqlx::query_scalar(AssertSqlSafe(format!("select {name}($1)")))
            .bind(CLOSE_LOCK)
            .fetch_one(db)
            .await
            .unwrap();
        assert!(done);
    };
    lock(&mut db, "pg_try_advisory_lock").await;
    assert!(refused(&daybook, "1993-01").await.contains("another close is under way"));

    let (url, dir) = (daybook.database_url(), daybook.dir().to_str().unwrap());
    let place = ["--event-store", daybook.log(), "--database-url", &url, "--data-dir", dir];
    let month_end = ["serve", "month-end", "--http", "127.0.0.1:0"];
    let mut month_end = Program::new(&[&month_end[..], &place].concat(), daybook.dir().join("month-end.log"));
    month_end.start().await;
    until("it waits", Duration::from_secs(30), async || {
        month_end.said().contains("another process closes months").then_some(())
    })
    .await;
    lock(&mut db, "pg_advisory_unlock").await;
    // January, and last month: there are balances.
    until("both months are closed", Duration::from_secs(60), async || {
        metrics(&month_end).await.contains(r#"month_closes_total{outcome="closed"} 2"#).then_some(())
    })
    .await;
    assert!(metrics(&month_end).await.contains(r#"month_closes_total{outcome="failed"} 0"#));
    assert!(!month_end.said().contains("ERROR"), "{}", month_end.said());
    month_end.stop().await;
    assert_eq!(closed(&daybook, "1993-01").await["unchanged"], 2);
}
