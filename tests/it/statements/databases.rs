//! Read models in two databases.

use serde_json::json;

use super::{book, closed, holder, read_close, row, with_place};
use crate::harness::{Daybook, Divided};

#[tokio::test]
async fn a_month_is_closed_from_two_databases_as_from_one() {
    const ACCOUNTS: usize = 6;
    let daybook = Daybook::start().await;
    let bank = daybook.operator("two").await;
    holder(&bank, "Zoë", "two-0").await;
    bank.import("two", ACCOUNTS, &["1993-01-05", "1993-01-06"]).await;
    book(&bank, &[row("more", "two-3", "1993-01-07", "debit", "0.01")]).await;
    let urls = [daybook.another_database("first").await, daybook.another_database("second").await];
    let mut divided = Divided::of(&daybook, "two", &urls);
    divided.start().await;

    let places: Vec<&str> = urls.iter().flat_map(|url| ["--database-url", url]).collect();
    let first = read_close(&with_place(&daybook, "1993-01", &places).await);
    // Each account, and the bank's own.
    assert_eq!(
        (&first["accounts"], &first["issued"]),
        (&json!(ACCOUNTS + 1), &json!(ACCOUNTS + 1)),
        "{first}"
    );
    // The one that has all rows finds the same statements.
    let alone = closed(&daybook, "1993-01").await;
    assert_eq!(alone["unchanged"], ACCOUNTS + 1, "{alone}");
    let again = read_close(&with_place(&daybook, "1993-01", &places).await);
    assert_eq!(again["unchanged"], ACCOUNTS + 1, "{again}");
    divided.stop().await;
}
