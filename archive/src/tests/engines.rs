//! Programs that nobody here wrote read archived months, by the statements of docs/archive.md. They are installed below the build directory at
//! their first use.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Fixture, fixture, rows};
use crate::{EntryKind, LogSpan, Month, Row};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn must(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(std::process::Stdio::null()).output().unwrap_or_else(|error| {
        panic!("{}: {error}. scripts/prerequisites installs it.", command.get_program().display())
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{said}");
    output.stdout
}

/// Python with the engines; installed once for each version of them.
fn python() -> PathBuf {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let requirements = repository().join("tests/clients/parquet/requirements.txt");
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let dir = target.join("clients/parquet");
    let (python, installed) = (dir.join("bin/python"), dir.join("installed"));
    let wanted = std::fs::read(&requirements).unwrap();
    if std::fs::read(&installed).is_ok_and(|found| found == wanted) {
        return python;
    }
    let _ = std::fs::remove_dir_all(&dir);
    must(Command::new("python3").args(["-m", "venv"]).arg(&dir));
    must(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements));
    std::fs::write(installed, wanted).unwrap();
    python
}

/// Two months, and their rows as they were given.
async fn months() -> (Fixture, Vec<(Month, Vec<Row>)>) {
    let fixture = fixture();
    let mut months = Vec::new();
    for (number, month) in ["2025-02", "2025-03"].into_iter().enumerate() {
        let month: Month = month.parse().unwrap();
        let mut rows = rows(30, 100, number as u64);
        for row in &mut rows {
            row.revision += i64::try_from(number).unwrap() * 100_000;
            row.booked_at -= TimeDelta::days(if number == 0 { 28 } else { 0 });
        }
        let mut writer = fixture.archive.writer(month).await.unwrap();
        writer.write(rows.clone()).await.unwrap();
        writer.finish(LogSpan { from: 0, to: 1 }, Utc::now()).await.unwrap();
        months.push((month, rows));
    }
    (fixture, months)
}

fn answers(fixture: &Fixture, engine: &str) -> Vec<Value> {
    let repository = repository();
    let said = must(
        Command::new(python())
            .arg(repository.join("tests/clients/parquet/engines.py"))
            .arg(engine)
            .arg(repository.join("docs/archive.md"))
            .arg(fixture.dir.path()),
    );
    serde_json::from_slice(&said).unwrap()
}

/// With four digits, as the files have it.
fn decimal(row: &Row, minor: i128) -> String {
    let units = 10_i128.pow(4 - row.currency.digits());
    let text = format!("{:05}", (minor * units).abs());
    let (whole, fraction) = text.split_at(text.len() - 4);
    format!("{}{whole}.{fraction}", if minor < 0 { "-" } else { "" })
}

/// What the document's queries find.
fn expected(months: &[(Month, Vec<Row>)]) -> [Value; 2] {
    let march = &months[1].1;
    let sums: Vec<Value> = ["CLF", "CZK", "JPY", "KWD"]
        .into_iter()
        .map(|code| {
            let of_it: Vec<_> = march.iter().filter(|row| row.currency.code() == code).collect();
            let sum = |debits: bool| {
                let side = of_it.iter().filter(|row| (row.kind == EntryKind::Debit) == debits);
                decimal(of_it[0], side.map(|row| i128::from(row.amount)).sum())
            };
            json!([code, of_it.len(), sum(true), sum(false)])
        })
        .collect();
    let of_one = months.iter().flat_map(|(month, rows)| {
        rows.iter().filter(|row| row.account_id == 1).map(move |row| {
            json!([
                month.to_string(),
                row.revision,
                row.kind.as_str(),
                row.status.as_str(),
                decimal(row, row.amount.into()),
                decimal(row, row.balance_after.into()),
                row.booked_at.timestamp_micros(),
                row.description,
            ])
        })
    });
    let of_one: Vec<Value> = of_one.collect();
    assert!(of_one.len() > 10, "too few to say anything");
    [sums.into(), of_one.into()]
}

#[tokio::test]
async fn duckdb_reads_months_by_the_documents_statements() {
    let (fixture, months) = months().await;
    assert_eq!(answers(&fixture, "duckdb"), expected(&months));
}

#[tokio::test]
async fn spark_reads_months_by_the_documents_statements() {
    let (fixture, months) = months().await;
    assert_eq!(answers(&fixture, "spark"), expected(&months));
}

#[tokio::test]
async fn pyarrow_reads_every_row_and_the_documented_columns() {
    let (fixture, months) = months().await;
    let found = answers(&fixture, "pyarrow");
    let (number, text, time) = ("int64", "string", "timestamp[us, tz=UTC]");
    let amount = "decimal128(23, 4)";
    let columns = [
        ("account_id", number, false),
        ("revision", number, false),
        ("transfer_id", number, false),
        ("kind", text, false),
        ("status", text, false),
        ("amount", amount, false),
        ("balance_after", amount, false),
        ("currency", text, false),
        ("counterparty", number, false),
        ("description", text, true),
        ("reference", text, true),
        ("booked_at", time, false),
        ("recorded_at", time, false),
        ("month", text, true),
    ];
    assert_eq!(found[0], json!(columns));
    let document = std::fs::read_to_string(repository().join("docs/archive.md")).unwrap();
    for (column, ..) in columns {
        assert!(document.contains(&format!("`{column}`")), "{column} is not documented");
    }
    let all: Vec<Value> = months
        .iter()
        .flat_map(|(month, rows)| {
            rows.iter().map(move |row| {
                json!([
                    row.account_id,
                    row.revision,
                    row.transfer_id,
                    row.kind.as_str(),
                    row.status.as_str(),
                    decimal(row, row.amount.into()),
                    decimal(row, row.balance_after.into()),
                    row.currency.code(),
                    row.counterparty,
                    row.description,
                    row.reference,
                    row.booked_at.timestamp_micros(),
                    row.recorded_at.timestamp_micros(),
                    month.to_string(),
                ])
            })
        })
        .collect();
    assert_eq!(found[1], json!(all));
}
