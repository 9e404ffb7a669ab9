//! Statements: PDF, CSV and camt.053 of each, on all cores.

use std::num::NonZeroU32;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use chrono::{Duration, TimeZone, Utc};
use ledger_core::{AccountId, Currency, TransferId};
use serde_json::Value;
use statements::{
    BankProfile, Booking, Documents, EntryKind, FontSources, Issue, Statement, StatementAccount,
};
use tempfile::TempDir;

use crate::archive_months::with_a_month;
use crate::machine;
use crate::server;

/// Bookings of each statement.
const BOOKINGS: i64 = 50;
/// Statements made, the first tenth before the clock starts.
const STATEMENTS: u64 = 4_000;

pub fn run() {
    println!("\n## {STATEMENTS} statements of {BOOKINGS} bookings, each as PDF, CSV and camt.053");
    let documents = Documents::new(BankProfile::named("Bank of Bohemia"), &FontSources::default()).unwrap();
    let warm = STATEMENTS / 10;
    make(&documents, 0, warm);
    let memory = || machine::memory(std::process::id());
    let ((before, _), cpu, start) = (memory(), machine::own_cpu(), Instant::now());
    let bytes = make(&documents, warm, STATEMENTS);
    let (seconds, cores) = (start.elapsed().as_secs_f64(), machine::own_cpu() - cpu);
    let (after, most) = memory();
    let made = (STATEMENTS - warm) as f64;
    println!(
        "  {:.0}/s on {:.2} cores; {:.1} kB a statement; memory {before} MiB before, {after} MiB after, at most {most} MiB",
        made / seconds,
        cores / seconds,
        bytes as f64 / made / 1e3,
    );
}

/// `daybook month close` of as many accounts: read from Postgres, made, kept in a folder, and named in the log.
pub async fn close() {
    let dir = TempDir::new().unwrap();
    let accounts = i64::try_from(STATEMENTS).unwrap();
    let bank = with_a_month(dir.path(), accounts * BOOKINGS).await;
    let event_store = format!("esdb://{}?tls=false", bank.esdb);
    let close = || {
        let output = Command::new(server::binary())
            .args(["month", "close", "2025-03", "--json", "--event-store", &event_store, "--data-dir"])
            .arg(dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        summary
    };
    for (name, outcome) in [("daybook month close", "issued"), ("again, nothing to do", "unchanged")] {
        let before = machine::total_cpu(bank.pid());
        let summary = close();
        let after = machine::total_cpu(bank.pid());
        assert_eq!(summary[outcome].as_i64(), Some(accounts), "{summary}");
        let seconds = summary["seconds"].as_f64().unwrap();
        println!(
            "  {name}: {:.0} accounts/s; beside it the bank's process took {:.2} cores, Postgres {:.2}",
            accounts as f64 / seconds,
            (after.0 - before.0) / seconds,
            (after.1 - before.1) / seconds,
        );
    }
    bank.stop();
}

/// How many bytes the files of these have.
fn make(documents: &Documents, from: u64, to: u64) -> u64 {
    let (next, bytes) = (AtomicU64::new(from), AtomicU64::new(0));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= to {
                break;
            }
            let (statement, issue) = (statement(number.cast_signed()), first_issue());
            let pdf = documents.pdf(&statement, &issue).unwrap().bytes;
            let rest = [documents.csv(&statement).unwrap(), documents.camt053(&statement, &issue).unwrap()];
            let sum = pdf.len() + rest.iter().map(Vec::len).sum::<usize>();
            bytes.fetch_add(sum as u64, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    bytes.into_inner()
}

fn first_issue() -> Issue {
    let issued_at = Utc.with_ymd_and_hms(2026, 4, 1, 0, 5, 0).unwrap();
    Issue { number: NonZeroU32::MIN, replaces: None, issued_at }
}

fn statement(number: i64) -> Statement {
    let account = StatementAccount {
        id: AccountId::from_i64(7_123_456_789_012_345_000 + number).unwrap(),
        reference: Some(format!("{number}")),
        currency: Currency::from_code("CZK").unwrap(),
        holder: format!("Jana Nováková {number}"),
    };
    let begin = Utc.with_ymd_and_hms(2026, 3, 1, 7, 0, 0).unwrap();
    let purposes =
        ["Rent", "Groceries", "Salary", "Electricity", "Insurance", "Card payment", "Standing order"];
    let bookings = (0..BOOKINGS).map(|place| {
        let drawn = (number * BOOKINGS + place).wrapping_mul(7_919_133) % 10_000_000;
        Booking {
            revision: place.cast_unsigned() + 1,
            transfer_id: TransferId::from_i64(7_200_000_000_000_000_000 + number * BOOKINGS + place).unwrap(),
            kind: if place % 3 == 0 { EntryKind::Credit } else { EntryKind::Debit },
            amount: drawn + 1,
            counterparty: AccountId::from_i64(7_111_111_111_000_000_000 + drawn).unwrap(),
            description: Some(format!("{} {drawn}", purposes[(place % 7) as usize])),
            // As in the real data, where each has one.
            reference: Some(format!("{}", 171_812 + number * BOOKINGS + place)),
            booked_at: begin + Duration::minutes(place * 30 * 24 * 60 / BOOKINGS),
        }
    });
    let month = "2026-03".parse().unwrap();
    Statement::new(account, month, chrono_tz::Europe::Prague, 123_456, bookings.collect()).unwrap()
}
