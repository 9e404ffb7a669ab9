//! A bank whose months were closed by themselves, for all who only read.

use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono_tz::Tz;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{book, holder, row};
use crate::harness::{Client, Daybook, Program, text, until};

static CLOSED: Mutex<Weak<Closed>> = Mutex::const_new(Weak::new());

pub(super) const MONTHS: [&str; 3] = ["1993-01", "1993-02", "1993-03"];
/// So many on one account in the last of these months: more than a page of a statement has.
const MANY: usize = 60;

/// The bank for one test.
pub(super) struct ClosedBank {
    closed: Arc<Closed>,
    /// An operator of this test's own: a client's connections end with the runtime of the test that made them.
    pub(super) bank: Client,
}

impl Deref for ClosedBank {
    type Target = Closed;

    fn deref(&self) -> &Closed {
        &self.closed
    }
}

pub(super) struct Closed {
    pub(super) daybook: Daybook,
    /// Zoë, and her account.
    pub(super) holder: String,
    pub(super) account: String,
    /// Yves.
    pub(super) stranger: String,
    /// The bank's own.
    pub(super) cash: String,
    /// All that have statements, in each of the months, with whose they are: these two, and some in currencies of other digits.
    pub(super) accounts: Vec<(String, &'static str)>,
}

/// The bank's. Its days begin at 23:00 UTC, or earlier.
pub(super) const ZONE: Tz = chrono_tz::Europe::Prague;

/// It is closed once, at the first who asks. With the last holder it stops.
pub(super) async fn closed_bank() -> ClosedBank {
    let mut shared = CLOSED.lock().await;
    let closed = match shared.upgrade() {
        Some(closed) => closed,
        None => Arc::new(close().await),
    };
    *shared = Arc::downgrade(&closed);
    drop(shared);
    let bank = closed.daybook.operator("month end").await;
    ClosedBank { closed, bank }
}

async fn close() -> Closed {
    let mut daybook = Daybook::start_with(&["--time-zone", ZONE.name()]).await;
    let bank = daybook.operator("month end").await;
    let (holder_id, account) = holder(&bank, "Zoë Nováková", "st-1").await;
    let (stranger, _) = holder(&bank, "Yves", "st-2").await;
    let mut rows = vec![
        row("r1", "st-1", "1993-01-04", "credit", "1234.50"),
        row("r2", "st-1", "1993-01-20", "debit", "1300.25"),
        // In UTC it is January.
        row("r3", "st-1", "1993-02-01", "credit", "5.00"),
        row("r4", "st-1", "1993-02-28", "credit", "1000000.00"),
        in_currency("JPY", row("j1", "st-jpy", "1993-01-31", "credit", "1234567")),
        in_currency("JPY", row("j2", "st-jpy", "1993-02-01", "debit", "2345000")),
        in_currency("KWD", row("k1", "st-kwd", "1993-01-31", "credit", "1000.125")),
        in_currency("KWD", row("k2", "st-kwd", "1993-02-01", "debit", "0.005")),
    ];
    rows.extend((0..MANY).map(|number| {
        let (day, cents) = (format!("1993-03-{:02}", number / 2 + 1), format!("{}.{number:02}", number + 1));
        let direction = if number % 3 == 0 { "credit" } else { "debit" };
        row(&format!("m{number}"), "st-1", &day, direction, &cents)
    }));
    book(&bank, &rows).await;
    // Late: the log has it after those of March.
    book(&bank, &[row("late", "st-1", "1993-02-10", "debit", "12.34")]).await;
    let other_side = async |account: &str| text(&bank.entries(account).await[0]["counterparty"]);
    let cash = other_side(&account).await;
    let mut accounts = vec![(account.clone(), "Zoë Nováková"), (cash.clone(), "Settlement account")];
    for reference in ["st-jpy", "st-kwd"] {
        let query = "query($reference: String!) { account(reference: $reference) { id } }";
        let found = bank.graphql(query, json!({ "reference": reference })).await;
        let account = text(&found["account"]["id"]);
        accounts.push((other_side(&account).await, "Settlement account"));
        accounts.push((account, reference));
    }
    daybook.stop().await;
    daybook.with("--close-months-at", "00:00");
    daybook.with("--bank-name", "Bank of Bohemia");
    daybook.restart().await;
    // These, and last month: there are balances.
    let ended = format!("daybook_month_closes_total{{outcome=\"closed\"}} {}", MONTHS.len() + 1);
    until("all months are closed", Duration::from_secs(60), async || {
        metrics(&daybook).await.contains(&ended).then_some(())
    })
    .await;
    Closed { daybook, holder: holder_id, account, stranger, cash, accounts }
}

fn in_currency(currency: &str, mut row: Value) -> Value {
    row["currency"] = json!(currency);
    row
}

impl Closed {
    /// Each statement there is: account, whose it is, month.
    pub(super) fn statements(&self) -> impl Iterator<Item = (&str, &str, &'static str)> {
        self.accounts
            .iter()
            .flat_map(|(account, owner)| MONTHS.map(|month| (account.as_str(), *owner, month)))
    }
}

impl ClosedBank {
    /// A month of an account, as the API has it, with all of its entries.
    pub(super) async fn books(&self, account: &str, month: &str) -> Value {
        let path = format!("/api/v1/transactions/{account}/month/{month}?first=200");
        let books = self.bank.get(&path).await.is(200);
        assert_eq!(books["count"], books["transactions"].as_array().unwrap().len());
        books
    }
}

pub(super) async fn metrics(program: &Program) -> String {
    let request = program.anybody().request(reqwest::Method::GET, "/metrics");
    request.send().await.unwrap().text().await.unwrap()
}
