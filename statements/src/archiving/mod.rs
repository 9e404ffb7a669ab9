//! Old months on their way between the read models and the [`Archive`].
//!
//! [`Archiver::write`] makes a month's files, reads them back, compares, and notes the month in every database: from there on readers take it
//! from both sides. [`Archiver::drop_month`] takes its rows out of Postgres, once every reader knows ([`READERS_KNOW`]).
//! [`Archiver::restore`] brings them back. Cut off anywhere, each goes on when it is asked again; one process at a time does any of it.

mod error;
mod noted;
mod restore;
mod source;
mod write;

use std::collections::HashMap;
use std::time::Instant;

use archive::Archive;
use ledger_core::Month;
use ledger_core::partition::Placement;
use sqlx::{Executor, PgConnection};

pub use self::error::{ArchivingError, Refusal};
pub use self::noted::{Due, Listed};
pub use self::restore::{FilesThen, Restored};
pub use self::write::Written;
use crate::limits::ARCHIVE_LOCK_WAIT;
pub use crate::limits::READERS_KNOW;

/// Key of the advisory lock of whoever archives or restores: "daybook" and a 3.
const ARCHIVE_LOCK: i64 = 0x6461_7962_6f6f_6b03;

/// One of the read models' databases.
#[derive(Debug)]
pub struct Database {
    /// Which one it is.
    pub placement: Placement,
    /// A connection of our own.
    pub db: PgConnection,
}

/// Archives and restores, alone.
pub struct Archiver {
    databases: Vec<Database>,
    archive: Archive,
    /// When months were noted here.
    noted: HashMap<Month, Instant>,
}

/// What a month is asked to be before it is archived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Also a month in which an account has entries and no statement.
    pub even_if_not_closed: bool,
}

/// Hears how many rows are done, of how many.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

impl Archiver {
    /// Takes the right to archive, for as long as the first connection lives. All databases, in their order.
    ///
    /// # Errors
    /// When another process has it, when databases are missing or have no read models, or do not answer.
    pub async fn open(databases: Vec<Database>, archive: Archive) -> Result<Self, ArchivingError> {
        let mut archiver = Self { databases, archive, noted: HashMap::new() };
        let of = archiver.databases.len();
        let places: Vec<_> = archiver.databases.iter().map(|database| database.placement).collect();
        if places != Placement::among(of).collect::<Vec<_>>() {
            return Err(ArchivingError::Databases { given: of });
        }
        for database in &mut archiver.databases {
            let is_there: bool = sqlx::query_scalar("select to_regclass('archived_months') is not null")
                .fetch_one(&mut database.db)
                .await?;
            if !is_there {
                return Err(ArchivingError::NoTable);
            }
            // What is said to be there must be there after a crash: files are removed on the strength of it, and rows.
            database.db.execute("set synchronous_commit = on; set statement_timeout = 0").await?;
        }
        if let Some(database) = archiver.databases.first_mut() {
            lock(&mut database.db).await?;
        }
        Ok(archiver)
    }

    /// The archive.
    #[must_use]
    pub const fn archive(&self) -> &Archive {
        &self.archive
    }
}

/// Waits a moment for one that was cut off: its session ends when Postgres notices.
async fn lock(db: &mut PgConnection) -> Result<(), ArchivingError> {
    let began = Instant::now();
    loop {
        let is_ours: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
            .bind(ARCHIVE_LOCK)
            .fetch_one(&mut *db)
            .await?;
        if is_ours {
            return Ok(());
        }
        if began.elapsed() > ARCHIVE_LOCK_WAIT {
            return Err(ArchivingError::Busy);
        }
        tokio::time::sleep(ARCHIVE_LOCK_WAIT / 50).await;
    }
}

/// The newest month that ended so many months ago or longer.
#[must_use]
pub fn newest_older_than(today: chrono::NaiveDate, months: u32) -> Option<Month> {
    use chrono::{Datelike, Months};
    let this = today.with_day(1)?;
    Month::of_first_day(this.checked_sub_months(Months::new(months.checked_add(1)?))?)
}

#[cfg(test)]
mod tests {
    use super::newest_older_than;

    #[test]
    fn a_month_is_as_old_as_its_end() {
        let newest = |day: &str, months| newest_older_than(day.parse().unwrap(), months).unwrap().to_string();
        assert_eq!(newest("2026-11-26", 0), "2026-10");
        assert_eq!(newest("2026-11-01", 13), "2025-09");
        assert_eq!(newest("2026-11-30", 13), "2025-09");
        assert_eq!(newest("2026-12-01", 13), "2025-10");
    }
}
