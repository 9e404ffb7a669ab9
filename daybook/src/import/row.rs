//! One row of a file, and what its words mean.

use chrono::NaiveDate;
use ledger_core::settlement::Settlement;
use ledger_core::{Currency, Money};
use serde::Serialize;

/// Words that may stand in the column `operation`.
pub const OPERATIONS: [&str; 6] =
    ["cash_deposit", "cash_withdrawal", "card_withdrawal", "transfer_in", "transfer_out", "interest"];
/// Words that may stand in the column `purpose`, besides nothing.
pub const PURPOSES: [&str; 7] = [
    "interest_credited",
    "penalty_interest",
    "statement_fee",
    "pension",
    "household",
    "insurance",
    "loan_payment",
];

/// Which side of the account a row stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Money comes to the account.
    Credit,
    /// Money leaves the account.
    Debit,
}

/// A valid row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it stands in the file; the header is line 1.
    pub line: u64,
    /// The transaction's number, unique in the file.
    pub reference: String,
    /// The account's number.
    pub account: String,
    /// The day it was booked.
    pub booked_on: NaiveDate,
    /// Which side of the account.
    pub direction: Direction,
    /// How much, above zero.
    pub amount: Money,
    /// The bank's own side.
    pub settlement: Settlement,
    /// For people.
    pub description: String,
    /// The account's balance with this row in it.
    pub balance_after: Money,
}

impl Row {
    /// The currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.amount.currency
    }
}

/// The bank's own side of a transaction: the purpose decides, then the operation.
#[must_use]
pub fn settlement(operation: &str, purpose: &str) -> Settlement {
    match (purpose, operation) {
        ("interest_credited" | "penalty_interest", _) | (_, "interest") => Settlement::Interest,
        ("statement_fee", _) => Settlement::Fees,
        (_, "transfer_in" | "transfer_out") => Settlement::Clearing,
        (_, _) => Settlement::Cash,
    }
}

/// The side that an operation is always on.
#[must_use]
pub fn direction_of(operation: &str) -> Direction {
    match operation {
        "cash_deposit" | "transfer_in" | "interest" => Direction::Credit,
        _ => Direction::Debit,
    }
}

/// "transfer out: household, YZ 87144583".
#[must_use]
pub fn description(operation: &str, purpose: &str, bank: &str, account: &str) -> String {
    let counterparty =
        [bank, account].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let details = [purpose.replace('_', " "), counterparty]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ");
    let operation = operation.replace('_', " ");
    if details.is_empty() { operation } else { format!("{operation}: {details}") }
}
