//! Months written, read, broken and raced.

mod damage;
mod engines;
mod races;
mod reads;
mod round_trip;

use chrono::{DateTime, TimeDelta, Utc};
use file_store::{FileStore, UrlSecret};
use ledger_core::Currency;
use tempfile::TempDir;

use crate::{Archive, EntryKind, LogSpan, Manifest, Month, Row, Status};

pub(super) struct Fixture {
    pub(super) dir: TempDir,
    pub(super) files: FileStore,
    pub(super) archive: Archive,
}

pub(super) fn fixture() -> Fixture {
    let dir = TempDir::new().unwrap();
    let location = dir.path().to_str().unwrap().parse().unwrap();
    let files = FileStore::open_with(&location, UrlSecret::new([0; 32]), []).unwrap();
    Fixture { archive: Archive::new(files.clone()), files, dir }
}

pub(super) fn month() -> Month {
    "2025-03".parse().unwrap()
}

fn start() -> DateTime<Utc> {
    "2025-03-01T00:00:00Z".parse().unwrap()
}

pub(super) async fn write(archive: &Archive, rows: &[Row]) -> Manifest {
    let mut writer = archive.writer(month()).await.unwrap();
    for rows in rows.chunks(10_000) {
        writer.write(rows.to_vec()).await.unwrap();
    }
    writer.finish(LogSpan { from: 0, to: 4_096 }, start()).await.unwrap()
}

/// A month as a bank has it: accounts with a few entries, some with many, none in between, in a seed's order.
pub(super) fn rows(accounts: i64, each_max: usize, seed: u64) -> Vec<Row> {
    let mut random = fastrand::Rng::with_seed(seed);
    let currencies = ["CZK", "JPY", "KWD", "CLF"].map(|code| Currency::from_code(code).unwrap());
    let texts = [None, Some("Rent for March"), Some("ŽLUŤOUČKÝ kůň"), Some("coffee"), Some("")];
    let mut rows = Vec::new();
    for account in 0..accounts {
        // Odd numbers only: those between are accounts without entries.
        let account_id = account * 2 + 1;
        let currency = currencies[usize::try_from(account).unwrap() % currencies.len()];
        let count = random.usize(1..=each_max);
        let mut revision = random.i64(1..1_000);
        let mut recorded_at = start();
        let mut balance_after: i64 = 0;
        for _ in 0..count {
            revision += random.i64(1..4);
            recorded_at += TimeDelta::microseconds(random.i64(0..1_000_000));
            let kind = random.choice([EntryKind::Debit, EntryKind::Credit, EntryKind::Reversal]).unwrap();
            let amount = random.i64(1..1_000_000);
            balance_after += if kind == EntryKind::Debit { -amount } else { amount };
            rows.push(Row {
                account_id,
                revision,
                transfer_id: random.i64(1..=i64::MAX),
                kind,
                status: if kind == EntryKind::Debit && random.u8(..5) == 0 {
                    Status::Reversed
                } else {
                    Status::Completed
                },
                amount,
                balance_after,
                currency,
                counterparty: random.i64(1..50),
                description: random.choice(texts).unwrap().map(str::to_owned),
                reference: random.bool().then(|| format!("invoice {}", random.u16(..))),
                booked_at: start() + TimeDelta::seconds(random.i64(0..31 * 86_400)),
                recorded_at,
            });
        }
    }
    rows
}
