//! From bookings to files.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::{book, closed, file, holder, link, refused, row, said, sha256};
use crate::harness::{Daybook, begin, text, until};

const FORMATS: [(&str, &str); 3] = [("pdf", "pdf"), ("csv", "csv"), ("camt053", "xml")];

#[tokio::test]
async fn months_are_closed_in_order_and_say_what_the_api_says() {
    let daybook = Daybook::start().await;
    let bank = daybook.operator("month end").await;
    let (_, account) = holder(&bank, "Zoë Nováková", "st-1").await;
    let rows = [
        row("r1", "st-1", "1993-01-04", "credit", "1234.50"),
        row("r2", "st-1", "1993-01-20", "debit", "30.25"),
        row("r3", "st-2", "1993-02-03", "credit", "7.00"),
        row("r4", "st-1", "1993-02-28", "debit", "4.25"),
    ];
    book(&bank, &rows).await;

    assert!(refused(&daybook, "1993-02").await.contains("1993-01 has to be closed first"));
    assert!(refused(&daybook, "2999-01").await.contains("not over"));
    // The account, and the bank's own for cash.
    let january = closed(&daybook, "1993-01").await;
    assert_eq!(
        (&january["accounts"], &january["issued"], &january["failed"]),
        (&json!(2), &json!(2), &json!(0))
    );
    assert_eq!(january["files"], 6);
    let february = closed(&daybook, "1993-02").await;
    assert_eq!((&february["accounts"], &february["issued"]), (&json!(3), &json!(3)));

    for month in ["1993-01", "1993-02"] {
        let books = bank.get(&format!("/api/v1/transactions/{account}/month/{month}")).await.is(200);
        let pdf = file(&daybook, &account, month, "statement.pdf");
        let shown =
            said("pdftotext", &["-layout", pdf.to_str().unwrap(), "-"]).replace([',', '\u{2212}'], "");
        let amounts = books["transactions"].as_array().unwrap().iter().map(|entry| &entry["amount"]);
        let totals = ["opening", "closing", "total_debits", "total_credits"].map(|name| &books[name]);
        for amount in amounts.chain(totals) {
            assert!(shown.contains(&text(amount)), "{amount} is not on it: {shown}");
        }
        for words in ["Zoë Nováková", "Bank of Bohemia", "st-1"] {
            assert!(shown.contains(words), "'{words}' is not on it: {shown}");
        }
        assert!(said("pdfinfo", &[pdf.to_str().unwrap()]).contains("A4"));
        for (format, extension) in FORMATS {
            let bytes = fs::read(file(&daybook, &account, month, &format!("statement.{extension}"))).unwrap();
            let told = link(&daybook, &bank, &account, month, format).await;
            assert_eq!((&told["sha256"], &told["bytes"]), (&json!(sha256(&bytes)), &json!(bytes.len())));
        }
    }
    daybook.check().await;
}

#[tokio::test]
async fn closing_again_changes_nothing_and_a_late_booking_makes_another_issue() {
    let daybook = Daybook::start().await;
    let bank = daybook.operator("corrections").await;
    let (_, account) = holder(&bank, "Jan Novák", "late").await;
    book(&bank, &[row("l1", "late", "1993-01-04", "credit", "10.00")]).await;
    closed(&daybook, "1993-01").await;
    let position = async || bank.graphql("{ position }", Value::Null).await["position"].clone();
    let (before, first) =
        (position().await, fs::read(file(&daybook, &account, "1993-01", "statement.pdf")).unwrap());
    let again = closed(&daybook, "1993-01").await;
    assert_eq!((&again["unchanged"], &again["issued"], &again["files"]), (&json!(2), &json!(0), &json!(0)));
    assert_eq!(position().await, before);

    book(&bank, &[row("l2", "late", "1993-01-30", "debit", "2.50")]).await;
    let corrected = closed(&daybook, "1993-01").await;
    assert_eq!((&corrected["corrected"], &corrected["issued"]), (&json!(2), &json!(0)));
    assert_eq!(fs::read(file(&daybook, &account, "1993-01", "statement.pdf")).unwrap(), first);
    let second = file(&daybook, &account, "1993-01", "statement-2.csv");
    assert!(fs::read_to_string(second).unwrap().contains("-2.50"));
    assert_eq!(link(&daybook, &bank, &account, "1993-01", "pdf").await["issue"], 2);
}

#[tokio::test]
async fn a_close_that_was_killed_goes_on_and_issues_nothing_twice() {
    const ACCOUNTS: usize = 60;
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
