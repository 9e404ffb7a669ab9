//! Entries of archived months, beside those that a database has.
//!
//! A month that is archived is noted in its database; seconds later its rows leave. Who knows of the note reads both sides and takes an
//! entry that is on both once; who does not know yet finds all rows where they were. So a list of notes that is a second old is good enough,
//! and live months cost no question more.

mod balance;
mod convert;
mod entries;
mod months;

use std::fmt;
use std::sync::Arc;

use archive::{Archive, ArchiveError, MonthRows};
use chrono::NaiveDate;

pub(crate) use self::balance::Known;
pub(crate) use self::months::Archived;
use self::months::Months;
use crate::read_models::{ReadError, ReadModels, Statements};

/// But one, which reads all of a table that has a row for each month.
pub(crate) const STATEMENTS: Statements = &[("months of accounts with entries", entries::ACTIVE)];

/// How often a read begins anew because a month was restored meanwhile.
const READS_MAX: usize = 3;

/// The archived months of one database.
#[derive(Clone, Default)]
pub(crate) struct ArchivedMonths {
    archive: Option<Archive>,
    months: Arc<Months>,
}

impl fmt::Debug for ArchivedMonths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchivedMonths").finish_non_exhaustive()
    }
}

impl ArchivedMonths {
    /// Read from this archive.
    pub(crate) fn new(archive: Option<Archive>) -> Self {
        Self { archive, months: Arc::default() }
    }

    /// The archive, for who has found a month in the list.
    pub(crate) fn archive(&self) -> Result<&Archive, ReadError> {
        self.archive.as_ref().ok_or(ReadError::NoArchive)
    }

    /// All rows of an archived month.
    pub(crate) async fn rows(&self, archived: Archived) -> Result<MonthRows, ReadError> {
        let archive = self.archive()?;
        let manifest = archive.edition(archived.edition()?).await?;
        Ok(archive.rows(&manifest))
    }
}

impl ReadModels {
    /// Reads with the list of archived months that may be in a span; again if one of them was restored meanwhile.
    pub(crate) async fn with_archived<T, F>(
        &self,
        first: NaiveDate,
        last: NaiveDate,
        read: impl Fn(Vec<Archived>) -> F,
    ) -> Result<T, ReadError>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        let mut reads = 0;
        loop {
            let months = self.archived.months.within(&self.pool, first, last).await?;
            reads += 1;
            match read(months).await {
                Err(ReadError::Archive(error)) if reads < READS_MAX && is_gone(&error) => {
                    self.archived.months.forget();
                }
                answer => return answer,
            }
        }
    }
}

/// True when a month's archive is not there, or not any more.
fn is_gone(error: &ArchiveError) -> bool {
    matches!(error, ArchiveError::Missing(_) | ArchiveError::Differs { .. })
}
