//! A bank whose months were closed by themselves, for all who only read.

use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;

use super::{book, holder, row};
use crate::harness::{Client, Daybook, text, until};

static CLOSED: Mutex<Weak<Closed>> = Mutex::const_new(Weak::new());

pub(super) const MONTHS: [&str; 3] = ["1993-01", "1993-02", "1993-03"];
/// So many on one account in the last of these months: more than a page of a statement has.
const MANY: usize = 60;

pub(super) struct Closed {
    pub(super) daybook: Daybook,
    pub(super) bank: Client,
    /// Zoë, and her account.
    pub(super) holder: String,
    pub(super) account: String,
    /// Yves.
    pub(super) stranger: String,
    /// The bank's own.
    pub(super) cash: String,
}

/// It is closed once, at the first who asks. With the last holder it stops.
pub(super) async fn closed_bank() -> Arc<Closed> {
    let mut shared = CLOSED.lock().await;
    if let Some(closed) = shared.upgrade() {
        return closed;
    }
    let closed = Arc::new(close().await);
    *shared = Arc::downgrade(&closed);
    closed
}

async fn close() -> Closed {
    let mut daybook = Daybook::start().await;
    let bank = daybook.operator("month end").await;
    let (holder_id, account) = holder(&bank, "Zoë Nováková", "st-1").await;
    let (stranger, _) = holder(&bank, "Yves", "st-2").await;
    let mut rows = vec![
        row("r1", "st-1", "1993-01-04", "credit", "1234.50"),
        row("r2", "st-1", "1993-01-20", "debit", "1300.25"),
        row("r3", "st-1", "1993-02-28", "credit", "1000000.00"),
    ];
    rows.extend((0..MANY).map(|number| {
        let (day, cents) = (format!("1993-03-{:02}", number / 2 + 1), format!("{}.{number:02}", number + 1));
        let direction = if number % 3 == 0 { "credit" } else { "debit" };
        row(&format!("m{number}"), "st-1", &day, direction, &cents)
    }));
    book(&bank, &rows).await;
    let cash = text(&bank.entries(&account).await[0]["counterparty"]);
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
    let bank = daybook.operator("month end").await;
    Closed { daybook, bank, holder: holder_id, account, stranger, cash }
}

impl Closed {
    /// A month of an account, as the API has it, with all of its entries.
    pub(super) async fn books(&self, account: &str, month: &str) -> Value {
        let path = format!("/api/v1/transactions/{account}/month/{month}?first=200");
        let books = self.bank.get(&path).await.is(200);
        assert_eq!(books["count"], books["transactions"].as_array().unwrap().len());
        books
    }
}

pub(super) async fn metrics(daybook: &Daybook) -> String {
    let request = daybook.anybody().request(reqwest::Method::GET, "/metrics");
    request.send().await.unwrap().text().await.unwrap()
}
