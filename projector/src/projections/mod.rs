//! The projections: one file each, with its name, version, tables and `apply`.
//!
//! `apply` first folds the events into one change per row, which is pure, and then writes the changes with one statement per table and
//! kind of change. That no event is applied twice is the checkpoint's business, in the same transaction. That none is missing is
//! checked where a table knows: by the revisions of accounts and by how many rows there are to change.

mod accounts;
mod dead_letters;
mod entries;
mod monthly_totals;
#[cfg(test)]
mod tests;
mod transactions;
mod transfers;
mod trial_balance;
mod users;
mod webhooks;

use std::pin::Pin;

use chrono_tz::Tz;
use ledger_streams::Recorded;
use sqlx::PgConnection;
use sqlx::postgres::PgQueryResult;

use crate::ApplyError;

/// Every projection. It fills itself: without a checkpoint it begins at the log's beginning.
#[must_use]
pub fn all() -> [&'static Projection; 8] {
    [
        &accounts::PROJECTION,
        &transfers::PROJECTION,
        &transactions::PROJECTION,
        &monthly_totals::PROJECTION,
        &trial_balance::PROJECTION,
        &users::PROJECTION,
        &dead_letters::PROJECTION,
        &webhooks::PROJECTION,
    ]
}

/// How events become the rows of a read model.
#[derive(Debug)]
pub struct Projection {
    /// Its name, also in `checkpoints`.
    pub name: &'static str,
    /// Raised when the same events are to make other rows.
    pub version: i32,
    /// The tables it writes, alone.
    pub tables: &'static [&'static str],
    apply: Apply,
}

/// Writes the rows of some events within the connection's transaction.
type Apply = for<'a> fn(&'a Events<'a>, &'a mut PgConnection) -> Applying<'a>;
type Applying<'a> = Pin<Box<dyn Future<Output = Result<(), ApplyError>> + Send + 'a>>;

impl Projection {
    /// Writes the rows of some events within the connection's transaction.
    ///
    /// # Errors
    /// When an event does not fit what is there, or the database fails.
    pub(crate) async fn apply(&self, events: &Events<'_>, db: &mut PgConnection) -> Result<(), ApplyError> {
        (self.apply)(events, db).await
    }
}

/// Events in the order of the log, and what it takes to understand them.
#[derive(Clone, Copy, Debug)]
pub struct Events<'a> {
    /// The events.
    pub events: &'a [Recorded],
    /// The bank's time zone.
    pub time_zone: Tz,
}

impl Events<'_> {
    /// The first `count` of them.
    #[must_use]
    pub(crate) fn first(&self, count: usize) -> Self {
        Self { events: self.events.get(..count).unwrap_or(self.events), ..*self }
    }
}

/// As Postgres has whole numbers.
pub(crate) fn bigint(number: u64) -> Result<i64, ApplyError> {
    i64::try_from(number).map_err(|_| ApplyError::OutOfRange("a position or revision"))
}

/// A sum of minor units, which may leave 64 bits where no amount does: the events of a batch at most times 64 bits. Postgres gets it as text and
/// keeps it as `numeric`.
type Sum = i128;

/// The statement must have changed as many rows as there were changes.
fn expect_rows(table: &'static str, expected: usize, result: &PgQueryResult) -> Result<(), ApplyError> {
    let found = result.rows_affected();
    if usize::try_from(found) == Ok(expected) {
        Ok(())
    } else {
        Err(ApplyError::RowsDiffer { table, expected, found })
    }
}
