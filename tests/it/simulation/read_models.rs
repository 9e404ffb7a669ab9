//! The read models as the auditor would write them, and as Postgres has them: lines of text, to be compared.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::auditor::{Books, Status};

/// A name for people, what the database is asked, and what the books say.
type Comparison = (&'static str, &'static str, fn(&Books) -> Vec<String>);

const COMPARISONS: &[Comparison] = &[
    (
        "accounts",
        "select concat_ws(' ', account_id, status, balance, in_transit, overdraft_limit, revision) from accounts",
        accounts,
    ),
    (
        "transactions",
        "select concat_ws(' ', account_id, revision, transfer_id, kind, amount, balance_after, month) from transactions",
        transactions,
    ),
    (
        "monthly_totals",
        "select concat_ws(' ', account_id, month, debits, credits, count) from monthly_totals",
        monthly_totals,
    ),
    (
        "trial_balance",
        "select concat_ws(' ', currency, customers, settlement, in_transit) from trial_balance",
        trial_balance,
    ),
    (
        "transfers",
        "select concat_ws(' ', transfer_id, from_account, to_account, amount, status, failure_reason) from transfers",
        transfers,
    ),
    (
        "dead_letters",
        "select concat_ws(' ', transfer_id, standing, times_parked, resolution) from dead_letters",
        dead_letters,
    ),
];

/// What differs between the tables and the books.
pub(super) async fn differences(db: &mut PgConnection, books: &Books) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, question, expected) in COMPARISONS {
        let mut there: Vec<String> = sqlx::query_scalar(*question).fetch_all(&mut *db).await.unwrap();
        let mut expected = expected(books);
        there.sort();
        expected.sort();
        if there != expected {
            let only = |these: &[String], those: &[String]| -> Vec<String> {
                these.iter().filter(|line| !those.contains(line)).cloned().collect()
            };
            let (more, less) = (only(&there, &expected), only(&expected, &there));
            differences.push(format!("{name}: has {more:?}, should have {less:?}"));
        }
    }
    differences
}

fn in_transit(books: &Books) -> BTreeMap<&str, i64> {
    let mut sums = BTreeMap::new();
    for transfer in books.transfers.values().filter(|transfer| transfer.is_under_way()) {
        *sums.entry(transfer.from.as_str()).or_default() += transfer.amount;
    }
    sums
}

fn accounts(books: &Books) -> Vec<String> {
    let in_transit = in_transit(books);
    let line = |(id, account): (&String, &super::auditor::Account)| {
        let status = match account.now.status {
            Status::Open => "open",
            Status::Frozen => "frozen",
            Status::Closed => "closed",
        };
        let (balance, limit) = (account.now.balance, account.now.limit);
        let under_way = in_transit.get(id.as_str()).copied().unwrap_or(0);
        format!("{id} {status} {balance} {under_way} {limit} {}", account.revision)
    };
    books.accounts.iter().map(line).collect()
}

/// The first day of the month, where the bank is: two hours ahead of UTC at that time of the year.
fn month(booked_at: &str) -> &'static str {
    assert!(booked_at.ends_with('Z') && booked_at.starts_with("2026-0"), "{booked_at}");
    if booked_at < "2026-03-31T22:00" { "2026-03-01" } else { "2026-04-01" }
}

fn transactions(books: &Books) -> Vec<String> {
    let line = |entry: &super::auditor::Entry| {
        let super::auditor::Entry { account, revision, transfer, kind, amount, balance_after, booked_at } =
            entry;
        format!("{account} {revision} {transfer} {kind} {amount} {balance_after} {}", month(booked_at))
    };
    books.entries.iter().map(line).collect()
}

fn monthly_totals(books: &Books) -> Vec<String> {
    let mut months: BTreeMap<_, (i64, i64, u64)> = BTreeMap::new();
    for entry in &books.entries {
        let (debits, credits, count) = months.entry((&entry.account, month(&entry.booked_at))).or_default();
        *if entry.kind == "debit" { debits } else { credits } += entry.amount;
        *count += 1;
    }
    let line = |((account, month), (debits, credits, count))| {
        format!("{account} {month} {debits} {credits} {count}")
    };
    months.into_iter().map(line).collect()
}

fn trial_balance(books: &Books) -> Vec<String> {
    if books.entries.is_empty() {
        return vec![];
    }
    let sum = |settlement: bool| -> i64 {
        let these = books.accounts.values().filter(|account| account.is_settlement == settlement);
        these.map(|account| account.now.balance).sum()
    };
    let under_way: i64 = in_transit(books).into_values().sum();
    vec![format!("EUR {} {} {under_way}", sum(false), sum(true))]
}

fn transfers(books: &Books) -> Vec<String> {
    let line = |(id, transfer): (&String, &super::auditor::Transfer)| {
        let (status, reason) = match &transfer.end {
            None => ("pending", ""),
            Some((how, reason, _)) => (*how, reason.as_str()),
        };
        let (from, to, amount) = (&transfer.from, &transfer.to, transfer.amount);
        format!("{id} {from} {to} {amount} {status} {reason}").trim_end().to_owned()
    };
    books.transfers.iter().map(line).collect()
}

fn dead_letters(books: &Books) -> Vec<String> {
    let parked = books.transfers.iter().filter(|(_, transfer)| transfer.times_parked > 0);
    let line = |(id, transfer): (&String, &super::auditor::Transfer)| {
        let resolution = transfer.resolution.as_deref().unwrap_or_default();
        format!("{id} {} {} {resolution}", transfer.last_word, transfer.times_parked).trim_end().to_owned()
    };
    parked.map(line).collect()
}
