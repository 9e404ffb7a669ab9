//! What can go wrong with archiving, and what is refused.

use archive::ArchiveError;
use ledger_core::Month;
use ledger_core::partition::Placement;

/// Why a month could not be archived or restored. Nothing is lost: its rows are where they were, or in both places.
#[derive(Debug, thiserror::Error)]
pub enum ArchivingError {
    /// A database does not do it.
    #[error("a read models' database does not do it: {0}")]
    Database(#[from] sqlx::Error),
    /// The archive does not do it.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Somebody is at it already.
    #[error("another process archives or restores months at the moment; one does it at a time")]
    Busy,
    /// Some databases are missing.
    #[error(
        "the read models are in more databases than the {given} given, or in another order: give all of them with --database-url"
    )]
    Databases {
        /// How many there are.
        given: usize,
    },
    /// The read models are from before there was an archive.
    #[error("the read models know of no archive yet: start a projector of this program first")]
    NoTable,
    /// What was written is not what Postgres has.
    #[error("the archive of {month} is not what Postgres has: {reason}. Nothing was dropped")]
    Differs {
        /// The month.
        month: Month,
        /// What differs.
        reason: String,
    },
    /// A row is not what the projector writes.
    #[error("database {placement} has an entry of {month} that no projector writes: {reason}")]
    Row {
        /// The month.
        month: Month,
        /// Where.
        placement: Placement,
        /// What is wrong with it.
        reason: String,
    },
    /// Readers and writers left no gap.
    #[error("{0} is in use all the time; its rows are archived, and are dropped by the next run")]
    InUse(Month),
}

/// Why a month is not archived, or not restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What is archived must not change any more.
    #[error("transfer {transfer_id} has not ended, and its debit is in this month")]
    Pending {
        /// The transfer.
        transfer_id: i64,
    },
    /// Some statements are missing.
    #[error("it is not closed: {accounts} of its accounts have no statement")]
    NotClosed {
        /// How many.
        accounts: i64,
    },
    /// What comes next in the log could be of the same instant as what was archived.
    #[error(
        "its last entry is the newest that the read models have: try again when something else was recorded"
    )]
    TooNew,
    /// It is not in the archive.
    #[error("it is not archived")]
    NotArchived,
    /// No database has noted it, and it has files.
    #[error(
        "it is not archived, and there are files of it: an earlier restore has left them, or other read models need them. If no others do, --left-files \
         removes them"
    )]
    FilesLeft,
}
