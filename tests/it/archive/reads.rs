//! What a read of one account asks of the store: what was sent over the wire is counted.

use archive::{Archive, EntriesQuery, EntryKind, Filter, LogSpan, Manifest, Row, Status};
use chrono::{DateTime, TimeDelta, Utc};
use file_store::{FileStore, UrlSecret};
use ledger_core::{Currency, Month};

use crate::harness::{Read, S3};

/// Rows of a row group, as docs/archive.md says.
const GROUP_ROWS: usize = 131_072;
const ACCOUNTS: i64 = 8_000;
/// Of each account: together more than four row groups.
const EACH: usize = 70;
/// How many requests a page may take: the footer, and one for each column at worst.
const REQUESTS_MAX: usize = 16;

fn month() -> Month {
    "2025-03".parse().unwrap()
}

fn start() -> DateTime<Utc> {
    "2025-03-01T00:00:00Z".parse().unwrap()
}

fn row(account_id: i64, number: usize, random: &mut fastrand::Rng) -> Row {
    let seconds = i64::try_from(number).unwrap() * 36_000;
    Row {
        account_id,
        revision: i64::try_from(number).unwrap(),
        transfer_id: random.i64(1..=i64::MAX),
        kind: random.choice([EntryKind::Debit, EntryKind::Credit]).unwrap(),
        status: Status::Completed,
        amount: random.i64(1..1_000_000),
        balance_after: random.i64(1..100_000_000),
        currency: Currency::from_code("EUR").unwrap(),
        counterparty: random.i64(1..1_000_000),
        description: Some("Card payment".to_owned()),
        reference: Some(format!("{:016x}", random.u64(..))),
        booked_at: start() + TimeDelta::seconds(seconds),
        recorded_at: start()
            + TimeDelta::seconds(seconds)
            + TimeDelta::microseconds(random.i64(0..1_000_000)),
    }
}

/// A month in one file of some row groups.
async fn write(archive: &Archive) -> (Manifest, Vec<Row>) {
    let mut random = fastrand::Rng::with_seed(27);
    let mut all = Vec::new();
    let mut writer = archive.writer(month()).await.unwrap();
    for account in 1..=ACCOUNTS {
        all.extend((0..EACH).map(|number| row(account, number, &mut random)));
    }
    assert!(all.len() > 4 * GROUP_ROWS);
    for rows in all.chunks(8 * 1024) {
        writer.write(rows.to_vec()).await.unwrap();
    }
    (writer.finish(LogSpan { from: 0, to: 1 }, start()).await.unwrap(), all)
}

/// How many requests for parts of the file there were, and what they brought.
fn of_files(reads: &[Read]) -> (usize, u64) {
    let of_files = reads.iter().filter(|read| read.path.ends_with(".parquet"));
    (of_files.clone().count(), of_files.map(|read| read.bytes).sum())
}

#[tokio::test]
async fn a_page_of_one_account_takes_a_small_part_of_the_file() {
    let s3 = S3::start().await;
    let location = S3::url().parse().unwrap();
    let store = FileStore::open_with(&location, UrlSecret::new([0; 32]), s3.settings()).unwrap();
    let (manifest, rows) = write(&Archive::new(store.clone())).await;
    let [part] = &manifest.parts[..] else { panic!("one file") };
    s3.reads();

    for account_id in [1, ACCOUNTS / 2, ACCOUNTS] {
        let of_it: Vec<&Row> = rows.iter().filter(|row| row.account_id == account_id).collect();
        // Who has read nothing yet takes the footer first.
        let archive = Archive::new(store.clone());
        let newest = EntriesQuery { limit: 21, backward: true, ..EntriesQuery::all(account_id) };
        let page = archive.entries(month(), &newest).await.unwrap();
        assert!(page.iter().eq(of_it.iter().rev().copied().take(21)));
        let (requests, bytes) = of_files(&s3.reads());
        assert!(requests <= REQUESTS_MAX, "{requests} requests");
        assert!(bytes > 0 && bytes < part.bytes / 10, "{bytes} of {}", part.bytes);

        // And then no more than a page of each column, whatever is asked.
        let filter = Filter { to: Some(start() + TimeDelta::days(3)), ..Filter::default() };
        let few = EntriesQuery { filter, ..EntriesQuery::all(account_id) };
        let page = archive.entries(month(), &few).await.unwrap();
        let early = |row: &&&Row| row.booked_at < start() + TimeDelta::days(3);
        assert!(!page.is_empty() && page.iter().eq(of_it.iter().filter(early).copied()));
        let (requests, bytes) = of_files(&s3.reads());
        assert!(requests <= REQUESTS_MAX, "{requests} requests");
        assert!(bytes > 0 && bytes < part.bytes / 20, "{bytes} of {}", part.bytes);

        let known = archive.recorded_until(month(), account_id, start() + TimeDelta::days(3)).await.unwrap();
        assert_eq!(known.map(|row| row.revision), page.last().map(|row| row.revision));
        let (_, bytes) = of_files(&s3.reads());
        assert!(bytes > 0 && bytes < part.bytes / 20, "{bytes} of {}", part.bytes);
    }

    // Nothing of an account that is beyond the file.
    let archive = Archive::new(store);
    assert_eq!(archive.entries(month(), &EntriesQuery::all(ACCOUNTS + 1)).await.unwrap(), []);
    assert_eq!(of_files(&s3.reads()), (0, 0));
}
