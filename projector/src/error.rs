//! What can go wrong, and which of it passes by itself.

use ledger_core::Position;
use ledger_streams::StoreError;
use sqlx::migrate::MigrateError;

use crate::partition::Placement;

/// Why a batch was not applied. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// An event cannot have happened there and then.
    #[error("it does not fit: {0}")]
    Unfit(&'static str),
    /// The table does not hold the rows that the events change: an event is missing or came twice.
    #[error("only {found} of {expected} rows of {table} are as the events expect them")]
    RowsDiffer {
        /// The table.
        table: &'static str,
        /// How many rows were to change.
        expected: usize,
        /// How many of them were as expected.
        found: u64,
    },
    /// A number beyond 64 bits.
    #[error("{0} leaves the range of 64 bits")]
    OutOfRange(&'static str),
    /// A checkpoint is not where this projector left it.
    #[error("another writer moved a checkpoint")]
    CheckpointMoved,
    /// The transaction took so long that the connection must be dead.
    #[error("the database did not answer in time")]
    TimedOut,
    /// The database refused, or is not there.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl ApplyError {
    /// True when a new session may do better: it is not the events' fault.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::CheckpointMoved | Self::TimedOut => true,
            Self::Unfit(_) | Self::RowsDiffer { .. } | Self::OutOfRange(_) => false,
            Self::Database(error) => is_outage(error),
        }
    }
}

/// Why a projector gives up: what waiting cannot mend.
#[derive(Debug, thiserror::Error)]
pub enum ProjectorError {
    /// The log is shorter than what was projected from it.
    #[error(
        "checkpoint {position} of projection {projection} is past the end of the log ({head}): \
         this database belongs to another log, or the log was restored from an older copy; rebuild the read models"
    )]
    PastTheEnd {
        /// The projection.
        projection: &'static str,
        /// Its checkpoint.
        position: Position,
        /// The log's last position.
        head: Position,
    },
    /// The log has another event where the projection's last one was.
    #[error(
        "checkpoint {position} of projection {projection} is not a place of this log: this database belongs to another log, or \
         the log was restored from an older copy; choose another database, or rebuild the read models"
    )]
    AnotherLog {
        /// The projection.
        projection: &'static str,
        /// Its checkpoint.
        position: Position,
    },
    /// The database has rows of other partitions than it is to have.
    #[error(
        "this is database {found} by what it holds, and was given as database {given}: \
         give the databases in the order and number in which they were filled, or empty ones, which fill themselves from the log"
    )]
    Misplaced {
        /// What it says of itself, such as `1 of 2`.
        found: String,
        /// Where it was given.
        given: Placement,
    },
    /// The store handed out an event for the second time, or events in disorder.
    #[error("the event store went back from position {after} to position {position}")]
    OutOfOrder {
        /// What had been read.
        after: Position,
        /// What came next.
        position: Position,
    },
    /// The tables could not be brought up to date.
    #[error("cannot migrate the read models: {0}")]
    Migrate(#[from] MigrateError),
    /// The event store failed outside of a subscription.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A batch could not be written, and no projection alone is to blame.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The database refused, or is not there.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

impl ProjectorError {
    /// True when a new session may do better.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::PastTheEnd { .. }
            | Self::AnotherLog { .. }
            | Self::Misplaced { .. }
            | Self::OutOfOrder { .. } => false,
            Self::Migrate(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                is_outage(error)
            }
            Self::Migrate(_) => false,
            Self::Store(error) => error.is_transient(),
            Self::Apply(_) => true,
            Self::Database(error) => is_outage(error),
        }
    }
}

/// Classes of SQLSTATE that speak of the server's condition and not of the statement: connection, resources, operator
/// intervention (a time-out too), rollback (deadlock), lock not available, system; a standby that takes no writes; and a session that said
/// nothing for too long within a transaction.
const OUTAGES: [&str; 8] = ["08", "53", "57", "40", "55P03", "58", "25006", "25P03"];

pub(crate) fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            true
        }
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| OUTAGES.iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}
