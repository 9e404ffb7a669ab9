//! Old months: out of Postgres into files, and read by account from local disk.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use archive::{Archive, EntriesQuery, EntryKind, LogSpan, Row, Status};
use chrono::{DateTime, TimeDelta, Utc};
use file_store::{FileStore, UrlSecret};
use hdrhistogram::Histogram;
use ledger_core::{Currency, Month};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;

use crate::Plan;
use crate::server::{self, Server};
use crate::yardstick::socket;

/// Entries of an account, where there are many accounts.
const EACH: i64 = 50;
const BATCH: i64 = 10_000;
const PAGE: usize = 50;
const READS: usize = 500;

/// March 2025 in the read models, of {rows} rows. The log is empty; what is known of it is as if all of this had been in it.
const FILL: &str = "
    select transactions_month('2025-03-01');
    insert into transactions (account_id, month, revision, transfer_id, kind, amount, balance_after, currency, counterparty, description,
                              reference, booked_at, recorded_at)
    select 250000000000000000 + (number / 50) * 4096, '2025-03-01', number, 250000000000000000 + number * 7919,
           case number % 2 when 0 then 'debit' else 'credit' end, 1 + number * 7919 % 9999999, number * 104729 % 999999999, 'CZK',
           250000000000000000 + (number * 37 % {rows} / 50) * 4096, case number % 2 when 0 then 'Payment of invoice ' || number * 7919 end,
           case number % 3 when 0 then 'VS' || number * 104729 end,
           timestamptz '2025-03-01T00:00Z' + make_interval(secs => number * 7919 % 2678400),
           timestamptz '2025-03-01T00:00Z' + make_interval(secs => number * 0.001)
    from generate_series(0, {rows} - 1::bigint) number;
    insert into monthly_totals (account_id, month, debits, credits, count)
    select account_id, month, coalesce(sum(amount) filter (where kind = 'debit'), 0), coalesce(sum(amount) filter (where kind <> 'debit'), 0), count(*)
    from transactions group by account_id, month;
    insert into accounts (account_id, kind, currency, status, balance, in_transit, overdraft_limit, revision, opened_at)
    select account_id, 'checking', 'CZK', 'open', 0, 0, 0, 1000, timestamptz '2025-02-01T00:00Z' from monthly_totals;
    update checkpoints set recorded_at = timestamptz '2026-11-01T00:00Z';
    vacuum (analyze) transactions; vacuum (analyze) monthly_totals; vacuum (analyze) accounts; checkpoint;";

/// Rows as a bank has them: half of them with a text, ids that repeat nowhere.
fn batch(first: i64, of: i64, one_account: bool, random: &mut fastrand::Rng) -> Vec<Row> {
    let start: DateTime<Utc> = "2025-03-01T00:00:00Z".parse().unwrap();
    let currency = Currency::from_code("CZK").unwrap();
    (first..(first + BATCH).min(of))
        .map(|number| Row {
            account_id: if one_account { 1 } else { 1 + number / EACH },
            revision: number,
            transfer_id: random.i64(1..=i64::MAX),
            kind: if random.bool() { EntryKind::Debit } else { EntryKind::Credit },
            status: Status::Completed,
            amount: random.i64(1..10_000_000),
            balance_after: random.i64(1..1_000_000_000),
            currency,
            counterparty: random.i64(1..=of / EACH),
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

/// A month of a million rows, over many accounts and on one: by the program, and by its archive alone.
pub async fn run(plan: &Plan) {
    let rows = i64::try_from(plan.archive_rows).unwrap();
    println!("\n## Archived months of {rows} rows, on local disk");
    by_the_program(rows).await;
    for (name, one_account) in [("of 50 rows each", false), ("one account", true)] {
        let dir = TempDir::new().unwrap();
        let month: Month = "2025-03".parse().unwrap();
        let archive = open(&dir);
        let mut random = fastrand::Rng::with_seed(1);
        // Making the rows is not what is measured.
        let mut writing = Duration::ZERO;
        let mut writer = archive.writer(month).await.unwrap();
        for first in (0..rows).step_by(usize::try_from(BATCH).unwrap()) {
            let batch = batch(first, rows, one_account, &mut random);
            let start = Instant::now();
            writer.write(batch).await.unwrap();
            writing += start.elapsed();
        }
        let start = Instant::now();
        let manifest = writer.finish(LogSpan { from: 0, to: 1 }, Utc::now()).await.unwrap();
        writing += start.elapsed();
        let start = Instant::now();
        archive.verify(month).await.unwrap();
        let verifying = start.elapsed();
        let bytes: u64 = manifest.parts.iter().map(|part| part.bytes).sum();
        let rate = |time: Duration| rows as f64 / time.as_secs_f64();
        println!(
            "  the archive alone, accounts {name}: {:.1} MB, {:.1} bytes a row",
            bytes as f64 / 1e6,
            bytes as f64 / rows as f64
        );
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
                let account_id = if one_account { 1 } else { random.i64(1..=rows / EACH) };
                let backward = read % 2 == 0;
                let query = EntriesQuery { limit: PAGE + 1, backward, ..EntriesQuery::all(account_id) };
                let start = Instant::now();
                let found = archive.entries(month, &query).await.unwrap();
                times.record(u64::try_from(start.elapsed().as_micros()).unwrap()).unwrap();
                assert!(found.len() >= PAGE, "a page is full");
            }
            print_times(kind, &times);
        }
    }
}

fn print_times(kind: &str, times: &Histogram<u64>) {
    let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
    println!("    first page, {kind}: p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms", ms(0.5), ms(0.99), ms(1.0));
}

/// A bank with March 2025 of that many rows, 50 on each account.
pub async fn with_a_month(dir: &Path, rows: i64) -> Server {
    let server = Server::start(dir, &["--roles", "projector,query"]).await;
    let (host, _) = socket(dir).expect("the private Postgres");
    let mut db =
        PgConnection::connect(&format!("postgres://daybook@localhost/daybook?host={host}")).await.unwrap();
    for statement in FILL.replace("{rows}", &rows.to_string()).split_terminator(';') {
        db.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    db.close().await.unwrap();
    server
}

/// `daybook archive run` of what Postgres has, and first pages by HTTP before and afterwards.
async fn by_the_program(rows: i64) {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let server = with_a_month(dir, rows).await;
    println!("  daybook archive run");
    first_pages(&server, "from Postgres", rows).await;
    let run = Command::new(server::binary())
        .args(["archive", "run", "--older-than", "1M", "--even-if-not-closed", "--json", "--data-dir"])
        .arg(dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stdout));
    let told: Value = serde_json::from_slice(&run.stdout).unwrap();
    let month = &told["months"][0];
    assert_eq!((month["rows"].as_i64(), month["dropped"].as_i64()), (Some(rows), Some(rows)));
    let seconds = month["seconds"].as_f64().unwrap();
    println!("    written, read back and compared with Postgres: {:.0} rows/s", rows as f64 / seconds);
    first_pages(&server, "from the archive", rows).await;
    server.stop();
}

async fn first_pages(server: &Server, kind: &str, rows: i64) {
    let mut random = fastrand::Rng::with_seed(2);
    let mut times: Histogram<u64> = Histogram::new(3).unwrap();
    for _ in 0..READS {
        let account = 250_000_000_000_000_000 + random.i64(0..rows / EACH) * 4_096;
        let url =
            format!("http://{}/api/v1/transactions/{account}/month/2025-03?first={PAGE}", server.address);
        let start = Instant::now();
        let answer = server.client.get(url).bearer_auth(&server.token).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let page: Value = answer.json().await.unwrap();
        times.record(u64::try_from(start.elapsed().as_micros()).unwrap()).unwrap();
        assert_eq!(page["transactions"].as_array().unwrap().len(), PAGE);
    }
    print_times(kind, &times);
}
