//! What a month's archive holds.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use file_store::{Key, Sha256};
use ledger_core::{Currency, Position};
use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::{ArchiveError, Blocks, EntryKind, Month, Row, layout};

/// What is said of an archived month, beside its files. Written after them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the files' columns: [`SCHEMA_VERSION`](crate::SCHEMA_VERSION) when they were written.
    pub schema_version: u32,
    /// The month.
    pub month: Month,
    /// How many rows there are.
    pub rows: u64,
    /// How many accounts have rows.
    pub accounts: u64,
    /// Of all rows in their order: [`RowDigest`](crate::RowDigest).
    pub digest: Sha256,
    /// What was moved, by currency.
    pub sums: Vec<CurrencySums>,
    /// When the log recorded the first of them and the last; none without rows. An entry may be recorded long after its month.
    pub recorded: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Which part of the log the rows were made of.
    pub positions: LogSpan,
    /// When the manifest was written.
    pub made_at: DateTime<Utc>,
    /// The files, in the order of their rows.
    pub parts: Vec<Part>,
    /// SHA-256 of all this, so that nobody is misled by a bit that turned over.
    pub sum: Sha256,
}

impl Manifest {
    /// With the right sum.
    pub(crate) fn sealed(self) -> Result<Self, ArchiveError> {
        Ok(Self { sum: self.sum_of_rest()?, ..self })
    }

    /// Of everything but the sum, as JSON without spaces.
    pub(crate) fn sum_of_rest(&self) -> Result<Sha256, ArchiveError> {
        let rest = Self { sum: Sha256([0; 32]), ..self.clone() };
        let key = layout::manifest(self.month)?;
        let text = serde_json::to_vec(&rest).map_err(|error| ArchiveError::damaged(&key, error))?;
        Ok(Sha256::from(sha2::Sha256::new_with_prefix(text)))
    }
}

/// What was moved in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrencySums {
    /// The currency.
    pub currency: Currency,
    /// Entries in it.
    pub rows: u64,
    /// The sum of all debits: a decimal number with the currency's digits.
    pub debits: String,
    /// The sum of all credits and reversals, likewise.
    pub credits: String,
}

/// A span of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSpan {
    /// Where it begins.
    pub from: Position,
    /// Where it ends: the projection had come so far when the rows were read.
    pub to: Position,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its key in the store.
    pub key: Key,
    /// How many rows it has.
    pub rows: u64,
    /// How long it is.
    pub bytes: u64,
    /// Of its bytes.
    pub sha256: Sha256,
    /// Of its blocks.
    pub blocks: Blocks,
    /// Its first row.
    pub first: Place,
    /// Its last row.
    pub last: Place,
}

/// The place of a row in its month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The account; as text, which no reader rounds.
    #[serde(with = "as_text")]
    pub account_id: i64,
    /// Of the event in the account's stream.
    pub revision: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.account_id, self.revision)
    }
}

/// What is counted of rows that go by in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rows: u64,
    pub(crate) accounts: u64,
    pub(crate) last: Option<Place>,
    pub(crate) recorded: Option<(DateTime<Utc>, DateTime<Utc>)>,
    by_currency: BTreeMap<&'static str, (Currency, Moved)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    rows: u64,
    debits: i128,
    credits: i128,
}

impl Tally {
    /// The next row; the one before it if it is out of order.
    pub(crate) fn add(&mut self, row: &Row) -> Result<(), Place> {
        let place = row.place();
        if let Some(last) = self.last.filter(|last| *last >= place) {
            return Err(last);
        }
        if self.last.is_none_or(|last| last.account_id != place.account_id) {
            self.accounts = self.accounts.saturating_add(1);
        }
        self.last = Some(place);
        self.rows = self.rows.saturating_add(1);
        let (first, last) = self.recorded.unwrap_or((row.recorded_at, row.recorded_at));
        self.recorded = Some((first.min(row.recorded_at), last.max(row.recorded_at)));
        let (_, moved) =
            self.by_currency.entry(row.currency.code()).or_insert((row.currency, Moved::default()));
        moved.rows = moved.rows.saturating_add(1);
        let side = match row.kind {
            EntryKind::Debit => &mut moved.debits,
            EntryKind::Credit | EntryKind::Reversal => &mut moved.credits,
        };
        // 2⁶⁴ rows of 2⁶³ units fit.
        *side = side.saturating_add(i128::from(row.amount));
        Ok(())
    }

    pub(crate) fn sums(&self) -> Vec<CurrencySums> {
        let sums = |(currency, moved): &(Currency, Moved)| CurrencySums {
            currency: *currency,
            rows: moved.rows,
            debits: currency.amount(moved.debits),
            credits: currency.amount(moved.credits),
        };
        self.by_currency.values().map(sums).collect()
    }
}

/// Ids in JSON: 63 bits do not survive a JavaScript number.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(id: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
