//! How fast statements are made, and in how much memory: `speed [THREADS] [STATEMENTS] [BOOKINGS] [FOLDER]`.
//!
//! Each is of 50 bookings, or as many as you say, with the texts of a real bank's, as PDF, CSV and camt.053. With a folder, the first ten PDFs are written to it.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a tool"
)]

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use std::{env, fs, thread};

use chrono::{Duration, TimeZone, Utc};
use ledger_core::{AccountId, Currency, TransferId};
use statements::{
    BankProfile, Booking, Documents, EntryKind, FontSources, Issue, Statement, StatementAccount,
};

/// As in the daybook binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HOLDERS: [&str; 5] =
    ["Jana Nováková", "Zdeněk Šťastný", "Ελένη Παπαδοπούλου", "Олександр Жуков", "Marie-Thérèse Müller"];
const BANKS: [&str; 6] = ["YZ", "OP", "GH", "UV", "QR", "ST"];

fn main() {
    let mut arguments = env::args().skip(1);
    let mut number = |usual: u64| arguments.next().map_or(usual, |text| text.parse().unwrap());
    let (threads, statements, bookings) = (number(2), number(1_000), number(50));
    let folder = arguments.next().map(PathBuf::from);
    let bank = BankProfile {
        address: vec!["Na Příkopě 864/28".to_owned(), "115 03 Praha 1".to_owned()],
        ..BankProfile::named("Bank of Bohemia")
    };
    let documents = Documents::new(bank, &FontSources::default()).unwrap();
    let warm = statements.min(20);
    make(&documents, 0..warm, bookings, 1, folder.as_deref());
    let mut from = warm;
    for to in (1..=5).map(|fifth| warm + (statements * fifth).div_ceil(5)) {
        if to == from {
            continue;
        }
        let (cpu, start) = (cpu_seconds(), Instant::now());
        let Made { bytes, nanos } = make(&documents, from..to, bookings, threads, None);
        let (seconds, cpu, made) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu, (to - from) as f64);
        println!(
            "{:.1}/s on {:.2} cores, {:.2} ms of a core each, {:.1} kB each; {} MiB after {to}, {} at most",
            made / seconds,
            cpu / seconds,
            cpu / made * 1e3,
            bytes.iter().sum::<u64>() as f64 / made / 1e3,
            kib("VmRSS:") / 1024,
            kib("VmHWM:") / 1024,
        );
        let names = ["PDF", "CSV", "camt.053"].iter();
        let of_each = names.zip(nanos.iter().zip(bytes)).map(|(name, (nanos, bytes))| {
            format!("{name} {:.2} ms, {:.1} kB", *nanos as f64 / made / 1e6, bytes as f64 / made / 1e3)
        });
        println!("  {}", of_each.collect::<Vec<_>>().join("; "));
        from = to;
    }
}

/// PDF, CSV, camt.053: how long the files are together, and how long they took.
struct Made {
    bytes: [u64; 3],
    nanos: [u64; 3],
}

fn make(
    documents: &Documents,
    numbers: std::ops::Range<u64>,
    bookings: u64,
    threads: u64,
    folder: Option<&Path>,
) -> Made {
    let next = AtomicU64::new(numbers.start);
    let [bytes, nanos] = [(); 2].map(|()| [(); 3].map(|()| AtomicU64::new(0)));
    let issued_at = Utc.with_ymd_and_hms(2026, 4, 1, 0, 5, 0).unwrap();
    let issue = Issue { number: NonZeroU32::MIN, replaces: None, issued_at };
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                break;
            }
            let statement = statement(number, bookings);
            let begun = Instant::now();
            let pdf = documents.pdf(&statement, &issue).unwrap();
            let pdf_at = begun.elapsed();
            assert_eq!(pdf.warnings, []);
            if let Some(folder) = folder.filter(|_| number < 10) {
                fs::write(folder.join(format!("{number}.pdf")), &pdf.bytes).unwrap();
            }
            let csv_from = begun.elapsed();
            let csv = documents.csv(&statement).unwrap();
            let csv_at = begun.elapsed();
            let camt053 = documents.camt053(&statement, &issue).unwrap();
            let lengths = [&pdf.bytes, &csv, &camt053].map(Vec::len);
            let times = [pdf_at, csv_at - csv_from, begun.elapsed() - csv_at];
            for place in 0..3 {
                bytes[place].fetch_add(lengths[place] as u64, Ordering::Relaxed);
                nanos[place].fetch_add(times[place].as_nanos() as u64, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    Made { bytes: bytes.map(AtomicU64::into_inner), nanos: nanos.map(AtomicU64::into_inner) }
}

fn statement(number: u64, bookings: u64) -> Statement {
    let mut draw = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1);
    let mut drawn = move |below: u64| {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        draw % below
    };
    let account = StatementAccount {
        id: AccountId::from_i64(7_123_456_789_012_345_000 + number.cast_signed()).unwrap(),
        reference: Some(format!("{}", 1_000 + number)),
        currency: Currency::from_code("CZK").unwrap(),
        holder: HOLDERS[(number % 5) as usize].to_owned(),
    };
    let begin = Utc.with_ymd_and_hms(2026, 3, 1, 7, 0, 0).unwrap();
    let all = (0..bookings).map(|place| {
        let (bank, other) = (BANKS[drawn(6) as usize], 10_000_000 + drawn(90_000_000));
        let (kind, description) = match drawn(9) {
            0..3 => (EntryKind::Debit, "cash withdrawal".to_owned()),
            3 => (EntryKind::Debit, "cash withdrawal: statement fee".to_owned()),
            4 => (EntryKind::Debit, format!("transfer out: household, {bank} {other}")),
            5 => (EntryKind::Credit, "cash deposit".to_owned()),
            6 => (EntryKind::Credit, "interest: interest credited".to_owned()),
            7 => (EntryKind::Credit, format!("transfer in: pension, {bank} {other}")),
            _ => (EntryKind::Credit, format!("transfer in: {bank} {other}")),
        };
        let transfer_id = 7_200_000_000_000_000_000 + (number * bookings + place) * 4_194_304 + drawn(4_096);
        Booking {
            revision: place + 1,
            transfer_id: TransferId::from_i64(transfer_id.cast_signed()).unwrap(),
            kind,
            amount: 1 + drawn(5_000_000).cast_signed(),
            counterparty: AccountId::from_i64(7_111_111_111_000_000_000 + drawn(1_000_000_000).cast_signed())
                .unwrap(),
            description: Some(description),
            reference: Some(format!("{}", 600_000 + number * bookings + place)),
            booked_at: begin + Duration::minutes((place * 30 * 24 * 60 / bookings).cast_signed()),
        }
    });
    let month = "2026-03".parse().unwrap();
    Statement::new(account, month, chrono_tz::Europe::Prague, 123_456, all.collect()).unwrap()
}

fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: f64 =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

fn kib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
