//! Reads everything back through GraphQL and compares it with the file.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use ledger_core::Money;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::row::{Direction, Row};
use super::send::Difference;
use crate::client::{ClientError, Server};

/// Accounts of one query, entries of one page, and queries under way: well within the server's limits.
const ACCOUNTS: usize = 8;
const PAGE: usize = 100;
const QUERIES: usize = 4;
/// How long the read side may take to come to the position.
const PATIENCE: Duration = Duration::from_secs(60);

const FRAGMENTS: &str = "
fragment Entries on TransactionConnection {
  edges { node { reference type amount balanceAfter } } pageInfo { hasNextPage endCursor }
}
fragment Totals on MonthlyTotals { opening closing totalDebits totalCredits count }";

/// What was compared, and what differs.
#[derive(Debug, Default, Serialize)]
pub struct Verified {
    /// Accounts read back.
    pub accounts: usize,
    /// Entries read back.
    pub transactions: usize,
    /// Months of accounts whose sums were compared.
    pub months: usize,
    /// Accounts that ended below zero, in the file.
    pub overdrawn: usize,
    /// Everything that is not as in the file.
    pub differences: Vec<Difference>,
}

/// Reads back every account of the file, at `position` or later, and compares.
///
/// # Errors
/// When the server cannot be asked.
pub async fn verify(
    server: &Server,
    rows: &[Row],
    position: u64,
    bar: &ProgressBar,
) -> Result<Verified, ClientError> {
    let accounts = Expected::of(rows);
    let server = &Asker { server, position };
    let read: Vec<Vec<Actual>> = stream::iter(accounts.chunks(ACCOUNTS))
        .map(|chunk| async move {
            let actual = server.accounts(chunk).await?;
            bar.inc(chunk.iter().map(|account| account.rows.len() as u64).sum());
            Ok::<_, ClientError>(actual)
        })
        .buffered(QUERIES)
        .try_collect()
        .await?;
    let mut verified = Verified { accounts: accounts.len(), ..Verified::default() };
    for (expected, actual) in accounts.iter().zip(read.into_iter().flatten()) {
        expected.compare(&actual, &mut verified);
    }
    verified.differences.extend(server.trial_balance().await?);
    verified.differences.sort_by_key(|difference| difference.line.unwrap_or(u64::MAX));
    Ok(verified)
}

/// One account as the file has it.
struct Expected<'a> {
    reference: &'a str,
    rows: Vec<&'a Row>,
    months: BTreeMap<String, MonthSums>,
}

/// One month of one account, in minor units.
struct MonthSums {
    /// The month's first row.
    line: u64,
    opening: Money,
    closing: Money,
    debits: Money,
    credits: Money,
    count: i64,
}

impl<'a> Expected<'a> {
    fn of(rows: &'a [Row]) -> Vec<Self> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut accounts: Vec<Self> = Vec::new();
        for row in rows {
            let place = *places.entry(&row.account).or_insert_with(|| {
                accounts.push(Self { reference: &row.account, rows: Vec::new(), months: BTreeMap::new() });
                accounts.len().saturating_sub(1)
            });
            if let Some(account) = accounts.get_mut(place) {
                account.add(row);
            }
        }
        accounts
    }

    fn add(&mut self, row: &'a Row) {
        self.rows.push(row);
        let month = row.booked_on.format("%Y-%m").to_string();
        let sums = self.months.entry(month).or_insert_with(|| MonthSums {
            line: row.line,
            opening: sum(row.balance_after, row, -1),
            closing: row.balance_after,
            debits: Money::zero(row.currency()),
            credits: Money::zero(row.currency()),
            count: 0,
        });
        let side = match row.direction {
            Direction::Credit => &mut sums.credits,
            Direction::Debit => &mut sums.debits,
        };
        // The file's balances were checked to add up, so a sum beyond 64 bits cannot stay unseen.
        *side = side.plus(row.amount).unwrap_or(*side);
        sums.closing = row.balance_after;
        sums.count = sums.count.saturating_add(1);
    }

    fn compare(&self, actual: &Actual, verified: &mut Verified) {
        verified.transactions = verified.transactions.saturating_add(actual.entries.len());
        verified.months = verified.months.saturating_add(self.months.len());
        let mut differs = |line: Option<u64>, what: String, file: String, server: &str| {
            if file != server {
                verified.differences.push(Difference { line, what, file, server: server.to_owned() });
            }
        };
        let account = self.reference;
        let entries: HashMap<&str, &Entry> =
            actual.entries.iter().filter_map(|entry| Some((entry.reference.as_deref()?, entry))).collect();
        for row in &self.rows {
            let what = format!("transaction {} of account {account}", row.reference);
            let side = match row.direction {
                Direction::Credit => "CREDIT",
                Direction::Debit => "DEBIT",
            };
            let file = format!("{side} {}, balance {}", row.amount.amount(), row.balance_after.amount());
            let server = entries.get(row.reference.as_str()).map_or_else(
                || "not there".to_owned(),
                |entry| format!("{} {}, balance {}", entry.side, entry.amount, entry.balance_after),
            );
            differs(Some(row.line), what, file, &server);
        }
        for (month, sums) in &self.months {
            let what = format!("{month} of account {account}");
            let file = format!(
                "opening {}, credits {}, debits {}, closing {}, {} transactions",
                sums.opening.amount(),
                sums.credits.amount(),
                sums.debits.amount(),
                sums.closing.amount(),
                sums.count
            );
            let server = actual.months.get(month).map_or_else(
                || "not there".to_owned(),
                |totals| {
                    format!(
                        "opening {}, credits {}, debits {}, closing {}, {} transactions",
                        totals.opening,
                        totals.total_credits,
                        totals.total_debits,
                        totals.closing,
                        totals.count
                    )
                },
            );
            differs(Some(sums.line), what, file, &server);
        }
        let Some(last) = self.rows.last() else { return };
        // Later entries, such as those of the next year's file, move the balance on.
        let moved_on =
            actual.entries.last().is_some_and(|entry| entry.reference.as_deref() != Some(&last.reference));
        if !moved_on {
            let what = format!("final balance of account {account}");
            let server = actual.balance.as_deref().unwrap_or("no such account");
            differs(Some(last.line), what, last.balance_after.amount(), server);
        }
        if last.balance_after.minor < 0 {
            verified.overdrawn = verified.overdrawn.saturating_add(1);
        }
    }
}

/// The balance with a row's amount added once more (`sign` 1) or taken back (-1).
fn sum(balance: Money, row: &Row, sign: i64) -> Money {
    let credit = row.direction == Direction::Credit;
    let result = if credit == (sign > 0) { balance.plus(row.amount) } else { balance.minus(row.amount) };
    result.unwrap_or(balance)
}

/// One account as the server has it.
#[derive(Default)]
struct Actual {
    /// `None` when there is no such account.
    balance: Option<String>,
    entries: Vec<Entry>,
    months: HashMap<String, Totals>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    reference: Option<String>,
    #[serde(rename = "type")]
    side: String,
    amount: String,
    balance_after: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Totals {
    opening: String,
    closing: String,
    total_debits: String,
    total_credits: String,
    count: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entries {
    edges: Vec<Edge>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
struct Edge {
    node: Entry,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

/// Asks questions at a position.
struct Asker<'a> {
    server: &'a Server,
    position: u64,
}

impl Asker<'_> {
    /// The accounts, in the order asked; several in one query, under aliases.
    async fn accounts(&self, accounts: &[Expected<'_>]) -> Result<Vec<Actual>, ClientError> {
        let mut query = String::from("{");
        for (place, account) in accounts.iter().enumerate() {
            // Writing to a string cannot fail. A JSON string is a GraphQL string.
            let _ = write!(
                query,
                " a{place}: account(reference: {}) {{ balance {{ amount }} transactions(first: {PAGE}) {{ ...Entries }}",
                json!(account.reference)
            );
            for month in account.months.keys() {
                let _ = write!(
                    query,
                    " m{}: monthlyTotals(month: \"{month}\") {{ ...Totals }}",
                    month.replace('-', "_")
                );
            }
            query.push_str(" }");
        }
        query.push_str(" }");
        query.push_str(FRAGMENTS);
        let mut data = self.ask(&query).await?;
        let mut actual = Vec::new();
        for (place, account) in accounts.iter().enumerate() {
            let node = data.get_mut(format!("a{place}")).map(Value::take).unwrap_or_default();
            actual.push(self.account(account, node).await?);
        }
        Ok(actual)
    }

    async fn account(&self, account: &Expected<'_>, mut node: Value) -> Result<Actual, ClientError> {
        if node.is_null() {
            return Ok(Actual::default());
        }
        let mut months = HashMap::new();
        for month in account.months.keys() {
            let totals = node.get_mut(format!("m{}", month.replace('-', "_"))).map(Value::take);
            months.insert(month.clone(), read(totals.unwrap_or_default())?);
        }
        let mut page: Entries = read(node.get_mut("transactions").map(Value::take).unwrap_or_default())?;
        let mut entries = Vec::new();
        loop {
            entries.extend(page.edges.into_iter().map(|edge| edge.node));
            let Some(cursor) = page.page_info.end_cursor.filter(|_| page.page_info.has_next_page) else {
                break;
            };
            let query = format!(
                "{{ account(reference: {}) {{ transactions(first: {PAGE}, after: {}) {{ ...Entries }} }} }}{}",
                json!(account.reference),
                json!(cursor),
                FRAGMENTS.split("fragment Totals").next().unwrap_or_default()
            );
            let mut data = self.ask(&query).await?;
            page = read(data.pointer_mut("/account/transactions").map(Value::take).unwrap_or_default())?;
        }
        Ok(Actual {
            balance: node.pointer("/balance/amount").and_then(Value::as_str).map(str::to_owned),
            entries,
            months,
        })
    }

    async fn trial_balance(&self) -> Result<Vec<Difference>, ClientError> {
        #[derive(Deserialize)]
        struct Line {
            currency: String,
            total: String,
        }
        let mut data = self.ask("{ trialBalance { currency total } }").await?;
        let lines: Vec<Line> = read(data.get_mut("trialBalance").map(Value::take).unwrap_or_default())?;
        let wrong =
            lines.into_iter().filter(|line| line.total.bytes().any(|byte| matches!(byte, b'1'..=b'9')));
        Ok(wrong
            .map(|line| Difference {
                line: None,
                what: format!("trial balance of {}", line.currency),
                file: "zero".to_owned(),
                server: line.total,
            })
            .collect())
    }

    async fn ask(&self, query: &str) -> Result<Value, ClientError> {
        #[derive(Deserialize)]
        struct Response {
            #[serde(default)]
            data: Value,
            #[serde(default)]
            errors: Vec<GraphqlError>,
        }
        #[derive(Deserialize)]
        struct GraphqlError {
            message: String,
        }
        let body = json!({ "query": query });
        let response: Response = self.server.post("/graphql", Some(self.position), &body, PATIENCE).await?;
        match response.errors.first() {
            Some(error) => Err(ClientError::Unreadable(format!("GraphQL says: {}", error.message))),
            None => Ok(response.data),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ClientError> {
    serde_json::from_value(value).map_err(|error| ClientError::Unreadable(error.to_string()))
}
