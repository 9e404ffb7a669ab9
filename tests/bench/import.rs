//! Importing a file like the real one: the same format, as many rows and accounts.

use std::fmt::Write;
use std::process::Command;

use tempfile::TempDir;

use crate::server::{Server, binary};

const ROWS: usize = 8_139;
const ACCOUNTS: usize = 329;

pub async fn run() {
    println!("\n## Importing {ROWS} transactions of {ACCOUNTS} accounts, everything running");
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path(), &[]).await;
    let file = dir.path().join("made-up.csv");
    std::fs::write(&file, made_up()).unwrap();
    let output = Command::new(binary())
        .args(["import", file.to_str().unwrap(), "--url", &format!("http://{}", server.address)])
        .args(["--data-dir", dir.path().to_str().unwrap(), "--verify"])
        .output()
        .unwrap();
    for line in
        String::from_utf8_lossy(&output.stdout).lines().chain(String::from_utf8_lossy(&output.stderr).lines())
    {
        println!("  {line}");
    }
    server.stop();
}

fn made_up() -> String {
    let mut csv = String::from(
        "transaction_id,account_id,booked_on,direction,amount,currency,operation,purpose,counterparty_bank,counterparty_account,balance_after\n",
    );
    let mut balances = [0_i64; ACCOUNTS];
    let mut day = chrono::NaiveDate::from_ymd_opt(2025, 1, 1).unwrap();
    for row in 0..ROWS {
        let account = row.wrapping_mul(7_919) % ACCOUNTS;
        let credit = row % 5 < 3;
        let amount = i64::try_from(row.wrapping_mul(104_729) % 900_000).unwrap() + 100;
        balances[account] += if credit { amount } else { -amount };
        if row % 18 == 17 {
            day = day.succ_opt().unwrap();
        }
        let direction = if credit { "credit" } else { "debit" };
        let operation = if credit { "cash_deposit" } else { "cash_withdrawal" };
        let balance = decimal(balances[account]);
        writeln!(csv, "{row},{account},{day},{direction},{},CZK,{operation},,,,{balance}", decimal(amount))
            .unwrap();
    }
    csv
}

fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", minor.abs() / 100, minor.abs() % 100)
}
