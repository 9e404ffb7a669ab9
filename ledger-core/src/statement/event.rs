//! What happened to an account's statements.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Money, Position};

/// A file of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatementFile {
    /// `pdf`, `csv` or `camt053`.
    pub format: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// How many bytes it has.
    pub bytes: u64,
}

/// An account's statement of a month was made, for the first time or anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatementIssued {
    /// The account.
    pub account_id: AccountId,
    /// The month, `YYYY-MM`, in the bank's time zone.
    pub month: String,
    /// 1 for the first statement of the month, a greater one whenever it is made anew.
    pub issue: u32,
    /// The balance at the month's beginning.
    pub opening: Money,
    /// The balance at its end.
    pub closing: Money,
    /// Sum of the debits.
    pub total_debits: Money,
    /// Sum of the credits.
    pub total_credits: Money,
    /// How many entries.
    pub count: u64,
    /// It says what the log said up to here.
    pub position: Position,
    /// The files.
    pub files: Vec<StatementFile>,
}

/// Everything that can happen to an account's statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementEvent {
    /// See [`StatementIssued`].
    Issued(StatementIssued),
}
