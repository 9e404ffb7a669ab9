//! The projections: one file each, with its name, version, tables and `apply`.
//!
//! `apply` first folds the events into one change per row, which is pure, and then writes the changes with one statement per table and
//! kind of change. That no event is applied twice is the checkpoint's business, in the same transaction. That none is missing is
//! checked where a table knows: by the revisions of accounts and by how many rows there are to change.

mod accounts;
mod dead_letters;
mod entries;
mod monthly_totals;
#[cfg(feature = "example")]
mod openings;
mod statements;
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
use crate::partition::{Partitions, Placement, Spread};

/// Every projection. It fills itself: without a checkpoint it begins at the log's beginning.
#[must_use]
pub fn all() -> [&'static Projection; 9] {
    [
        &accounts::PROJECTION,
        &transfers::PROJECTION,
        &transactions::PROJECTION,
        &monthly_totals::PROJECTION,
        &trial_balance::PROJECTION,
        &users::PROJECTION,
        &dead_letters::PROJECTION,
        &webhooks::PROJECTION,
        &statements::PROJECTION,
    ]
}

/// The one that docs/projections.md makes, for the test that runs it. It is not among [`all`].
#[cfg(feature = "example")]
pub static EXAMPLE: &Projection = &openings::PROJECTION;

/// Every projection in all its partitions.
#[must_use]
pub fn all_parts() -> Vec<Part> {
    all().into_iter().map(Part::whole).collect()
}

/// What of every projection lives in a database.
#[must_use]
pub fn parts_in(placement: Placement) -> Vec<Part> {
    let partitions = Partitions::living_in(placement);
    all_parts().into_iter().filter_map(|part| part.within(partitions)).collect()
}

/// A projection in some of its partitions.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The projection.
    pub projection: &'static Projection,
    /// The partitions; never others than it has.
    pub partitions: Partitions,
}

impl Part {
    /// The projection in all its partitions.
    #[must_use]
    pub const fn whole(projection: &'static Projection) -> Self {
        Self { projection, partitions: projection.spread.partitions() }
    }

    /// What of it is in these partitions, if anything.
    #[must_use]
    pub fn within(self, partitions: Partitions) -> Option<Self> {
        let partitions = self.partitions.and(partitions);
        (!partitions.is_empty()).then_some(Self { partitions, ..self })
    }

    /// True when some of it lives in a database.
    #[must_use]
    pub fn is_in(self, placement: Placement) -> bool {
        self.within(Partitions::living_in(placement)).is_some()
    }

    /// Adds it to others, as one with its projection's if that is among them.
    pub(crate) fn join(self, parts: &mut Vec<Self>) {
        match parts.iter_mut().find(|part| part.projection.name == self.projection.name) {
            Some(part) => part.partitions = part.partitions.with(self.partitions),
            None => parts.push(self),
        }
    }

    /// Each of its partitions.
    pub(crate) fn shares(parts: &[Self]) -> impl Iterator<Item = (&'static Projection, u8)> + Clone {
        let shares: Vec<_> = parts
            .iter()
            .flat_map(|part| part.partitions.iter().map(|partition| (part.projection, partition)))
            .collect();
        shares.into_iter()
    }

    /// Writes the rows of some events within the connection's transaction.
    ///
    /// # Errors
    /// When an event does not fit what is there, or the database fails.
    pub(crate) async fn apply(&self, events: &Events<'_>, db: &mut PgConnection) -> Result<(), ApplyError> {
        let events = Events { partitions: self.partitions, ..*events };
        (self.projection.apply)(&events, db).await
    }
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
    /// Which partitions its rows are in.
    pub spread: Spread,
    /// True when rows are only ever added, so that a rebuild can make the primary key after them.
    pub insert_only: bool,
    apply: Apply,
}

/// Writes the rows of some events within the connection's transaction.
type Apply = for<'a> fn(&'a Events<'a>, &'a mut PgConnection) -> Applying<'a>;
type Applying<'a> = Pin<Box<dyn Future<Output = Result<(), ApplyError>> + Send + 'a>>;

/// Events in the order of the log, and what it takes to understand them.
#[derive(Clone, Copy, Debug)]
pub struct Events<'a> {
    /// The events.
    pub events: &'a [Recorded],
    /// The bank's time zone.
    pub time_zone: Tz,
    /// The partitions whose rows are to be written. A projection without accounts or transfers need not ask.
    pub partitions: Partitions,
}

impl<'a> Events<'a> {
    /// For all partitions.
    #[must_use]
    pub const fn new(events: &'a [Recorded], time_zone: Tz) -> Self {
        Self { events, time_zone, partitions: Partitions::ALL }
    }

    /// The first `count` of them.
    #[must_use]
    pub(crate) fn first(&self, count: usize) -> Self {
        Self { events: self.events.get(..count).unwrap_or(self.events), ..*self }
    }

    /// The one with this index alone, if there is one.
    #[must_use]
    pub(crate) fn only(&self, index: usize) -> Self {
        Self { events: self.events.get(index..=index).unwrap_or_default(), ..*self }
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
