//! Old months: written, verified, and read by account from local disk.

use std::time::{Duration, Instant};

use archive::{Archive, EntriesQuery, EntryKind, LogSpan, Row, Status};
use chrono::{DateTime, TimeDelta, Utc};
use file_store::{FileStore, UrlSecret};
use hdrhistogram::Histogram;
use ledger_core::{Currency, Month};
use tempfile::TempDir;

const ROWS: i64 = 1_000_000;
const ACCOUNTS: i64 = 20_000;
const BATCH: i64 = 10_000;
const PAGE: usize = 50;
const READS: usize = 500;

/// Rows as a bank has them: half of them with a text, ids that repeat nowhere.
fn batch(first: i64, one_account: bool, random: &mut fastrand::Rng) -> Vec<Row> {
    let start: DateTime<Utc> = "2025-03-01T00:00:00Z".parse().unwrap();
    let currency = Currency::from_code("CZK").unwrap();
    (first..first + BATCH)
        .map(|number| Row {
            account_id: if one_account { 1 } else { 1 + number / (ROWS / ACCOUNTS) },
            revision: number,
            transfer_id: random.i64(1..=i64::MAX),
            kind: if random.bool() { EntryKind::Debit } else { EntryKind::Credit },
            status: Status::Completed,
            amount: random.i64(1..10_000_000),
            balance_after: random.i64(1..1_000_000_000),
            currency,
            counterparty: random.i64(1..=ACCOUNTS),
            description: random.bool().then(|| format!("Payment of invoice {}", random.u32(..))),
            reference: random.bool().then(|| format!("VS{:010}", random.u32(..))),
            booked_at: start + TimeDelta::seconds(random.i64(0..31 * 86_400)),
            recorded_at: start + TimeDelta::milliseconds(number),
        })
        .collect()
}

fn open(dir: &TempDir) -> Archive {
    let location = dir.path().to_str().unwrap().parse().unwrap();
    Archive::new(FileStore::open_with(&location, UrlSecret::new([0; 32]), []).unwrap())
}

/// A month of a million rows, over many accounts and on one.
pub async fn run() {
    println!("\n## Archived months of {ROWS} rows, on local disk");
    for (name, one_account) in [("20,000 accounts", false), ("one account", true)] {
        let dir = TempDir::new().unwrap();
        let month: Month = "2025-03".parse().unwrap();
        let archive = open(&dir);
        let mut random = fastrand::Rng::with_seed(1);
        // Making the rows is not what is measured.
        let mut writing = Duration::ZERO;
        let mut writer = archive.writer(month).await.unwrap();
        for first in (0..ROWS).step_by(usize::try_from(BATCH).unwrap()) {
            let rows = batch(first, one_account, &mut random);
            let start = Instant::now();
            writer.write(rows).await.unwrap();
            writing += start.elapsed();
        }
        let start = Instant::now();
        let manifest = writer.finish(LogSpan { from: 0, to: 1 }, Utc::now()).await.unwrap();
        writing += start.elapsed();
        let start = Instant::now();
        archive.verify(month).await.unwrap();
        let verifying = start.elapsed();
        let bytes: u64 = manifest.parts.iter().map(|part| part.bytes).sum();
        let rate = |time: Duration| ROWS as f64 / time.as_secs_f64();
        println!("  {name}: {:.1} MB, {:.1} bytes a row", bytes as f64 / 1e6, bytes as f64 / ROWS as f64);
        println!(
            "    written {:.0} rows/s, verified {:.0} rows/s, both {:.0} rows/s",
            rate(writing),
            rate(verifying),
            rate(writing + verifying)
        );
        for (kind, is_cold) in [("footers read each time", true), ("footers kept", false)] {
            let mut archive = open(&dir);
            let mut times: Histogram<u64> = Histogram::new(3).unwrap();
            for read in 0..READS {
                if is_cold {
                    archive = open(&dir);
                }
                let account_id = if one_account { 1 } else { random.i64(1..=ACCOUNTS) };
                let backward = read % 2 == 0;
                let query = EntriesQuery { limit: PAGE + 1, backward, ..EntriesQuery::all(account_id) };
                let start = Instant::now();
                let found = archive.entries(month, &query).await.unwrap();
                times.record(u64::try_from(start.elapsed().as_micros()).unwrap()).unwrap();
                assert!(found.len() >= PAGE, "a page is full");
            }
            let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
            println!(
                "    first page, {kind}: p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms",
                ms(0.5),
                ms(0.99),
                ms(1.0)
            );
        }
    }
}
