//! Read models in two databases.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::{CLOSE_LOCK, book, closed, file, holder, read_close, row, sha256, with_place};
use crate::harness::{Daybook, Divided, until};

const ACCOUNTS: usize = 6;

/// Every issue of a month in these databases, by account: its number, and its files' digests.
async fn issued(urls: &[String], month: &str) -> BTreeMap<i64, Vec<(i32, Value)>> {
    let mut found: BTreeMap<i64, Vec<(i32, Value)>> = BTreeMap::new();
    for url in urls {
        let mut db = PgConnection::connect(url).await.unwrap();
        let rows: Vec<(i64, i32, String)> = sqlx::query_as(
            "select account_id, issue, files::text from statements where month = ($1 || '-01')::date",
        )
        .bind(month)
        .fetch_all(&mut db)
        .await
        .unwrap();
        for (account, issue, files) in rows {
            found.entry(account).or_default().push((issue, serde_json::from_str(&files).unwrap()));
        }
    }
    found
}

/// Each account has one issue, and its files are what it says.
fn files_are_as_told(daybook: &Daybook, month: &str, issued: &BTreeMap<i64, Vec<(i32, Value)>>) {
    for (account, issues) in issued {
        let [(issue, files)] = &issues[..] else { panic!("{account} has not one issue: {issues:?}") };
        let number = if *issue > 1 { format!("-{issue}") } else { String::new() };
        for (named, extension) in files.as_array().unwrap().iter().zip(["pdf", "csv", "xml"]) {
            let name = format!("statement{number}.{extension}");
            let bytes = std::fs::read(file(daybook, &account.to_string(), month, &name)).unwrap();
            assert_eq!(named["sha256"], sha256(&bytes), "{account} {name}");
        }
    }
}

#[tokio::test]
async fn a_month_is_closed_from_two_databases_as_from_one() {
    let daybook = Daybook::start().await;
    let bank = daybook.operator("two").await;
    holder(&bank, "Zoë", "two-0").await;
    bank.import("two", ACCOUNTS, &["1993-01-05", "1993-01-06", "1993-02-05", "1993-03-05"]).await;
    book(&bank, &[row("more", "two-3", "1993-01-07", "debit", "0.01")]).await;
    let urls = [daybook.another_database("first").await, daybook.another_database("second").await];
    let mut divided = Divided::of(&daybook, "two", &urls);
    divided.start().await;

    let places: Vec<&str> = urls.iter().flat_map(|url| ["--database-url", url]).collect();
    let first = read_close(&with_place(&daybook, "1993-01", &places).await);
    // Each account, and the bank's own.
    assert_eq!(
        (&first["accounts"], &first["issued"]),
        (&json!(ACCOUNTS + 1), &json!(ACCOUNTS + 1)),
        "{first}"
    );
    // The one that has all rows finds the same statements.
    let alone = closed(&daybook, "1993-01").await;
    assert_eq!(alone["unchanged"], ACCOUNTS + 1, "{alone}");
    let again = read_close(&with_place(&daybook, "1993-01", &places).await);
    assert_eq!(again["unchanged"], ACCOUNTS + 1, "{again}");

    two_at_once(&daybook, &places).await;
    one_after_another(&daybook, &divided, &urls, &places).await;
    divided.stop().await;
}

/// Each has a lock of its own: they do not see each other. What one is in the middle of fails for the other, and nothing is issued twice.
async fn two_at_once(daybook: &Daybook, places: &[&str]) {
    let (one, other) =
        tokio::join!(with_place(daybook, "1993-02", &[]), with_place(daybook, "1993-02", places));
    for output in [one, other] {
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        assert_eq!(output.status.success(), told["failed"] == 0, "{told}");
        assert_eq!(told["accounts"], ACCOUNTS + 1, "{told}");
    }
    closed(daybook, "1993-02").await;
    // Both find it as it is now.
    for places in [&[][..], places] {
        let told = read_close(&with_place(daybook, "1993-02", places).await);
        assert_eq!(told["unchanged"], ACCOUNTS + 1, "{told}");
    }
    let issued = issued(&[daybook.database_url()], "1993-02").await;
    assert_eq!(issued.len(), ACCOUNTS + 1);
    files_are_as_told(daybook, "1993-02", &issued);
}

/// The log has statements that the second one's projector has not seen: it waits for them, and meanwhile a third one is sent away.
async fn one_after_another(daybook: &Daybook, divided: &Divided, urls: &[String], places: &[&str]) {
    divided.projector.pause();
    let first = closed(daybook, "1993-03").await;
    assert_eq!(first["issued"], ACCOUNTS + 1, "{first}");
    assert_eq!(issued(urls, "1993-03").await.len(), 0, "the projector does not stand still");
    let mut db = PgConnection::connect(&urls[0]).await.unwrap();
    let (waited, ()) = tokio::join!(with_place(daybook, "1993-03", places), async {
        until("the second one has its turn", Duration::from_secs(30), async || {
            let held: bool = sqlx::query_scalar(
                "select exists (select from pg_locks where locktype = 'advisory' and (classid::bigint << 32) + objid::bigint = $1
                     and database = (select oid from pg_database where datname = current_database()))",
            )
            .bind(CLOSE_LOCK)
            .fetch_one(&mut db)
            .await
            .unwrap();
            held.then_some(())
        })
        .await;
        let third = with_place(daybook, "1993-03", places).await;
        assert_eq!(third.status.code(), Some(1), "{third:?}");
        assert!(String::from_utf8_lossy(&third.stderr).contains("another close is under way"), "{third:?}");
        divided.projector.wake();
    });
    let waited = read_close(&waited);
    assert_eq!((&waited["unchanged"], &waited["issued"]), (&json!(ACCOUNTS + 1), &json!(0)), "{waited}");
    let issued = issued(urls, "1993-03").await;
    assert_eq!(issued.len(), ACCOUNTS + 1);
    files_are_as_told(daybook, "1993-03", &issued);
}
