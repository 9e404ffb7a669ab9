//! One archived entry.

use chrono::{DateTime, Utc};
use ledger_core::Currency;

use crate::Place;

/// Which leg of a transfer an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Money left the account.
    Debit,
    /// Money came to the account.
    Credit,
    /// The debit back on its account.
    Reversal,
}

impl EntryKind {
    /// As the read model and the files write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debit => "debit",
            Self::Credit => "credit",
            Self::Reversal => "reversal",
        }
    }

    /// The kind of this text.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        [Self::Debit, Self::Credit, Self::Reversal].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How an entry ended. There is no third: a month with a pending debit cannot be archived, because what is archived does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Final.
    Completed,
    /// A debit whose money came back by another entry.
    Reversed,
}

impl Status {
    /// As the API and the files write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Reversed => "reversed",
        }
    }

    /// The status of this text.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        [Self::Completed, Self::Reversed].into_iter().find(|status| status.as_str() == text)
    }
}

/// An entry as the read model `transactions` has it, with the status that is joined when it is read from there. Its month is not in it: that
/// is the folder's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The account.
    pub account_id: i64,
    /// Of the event in the account's stream.
    pub revision: i64,
    /// The transfer that the entry is a leg of.
    pub transfer_id: i64,
    /// Which leg.
    pub kind: EntryKind,
    /// How it ended.
    pub status: Status,
    /// Minor units, positive.
    pub amount: i64,
    /// Minor units.
    pub balance_after: i64,
    /// Of both.
    pub currency: Currency,
    /// The account on the other side.
    pub counterparty: i64,
    /// Free text.
    pub description: Option<String>,
    /// The transfer's reference.
    pub reference: Option<String>,
    /// Business time; microseconds, as Postgres has it.
    pub booked_at: DateTime<Utc>,
    /// The log's time; microseconds.
    pub recorded_at: DateTime<Utc>,
}

impl Row {
    /// Its place in the month's order, which no other row has.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place { account_id: self.account_id, revision: self.revision }
    }
}
