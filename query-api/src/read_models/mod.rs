//! The read models: for each one its rows, its SQL and what follows from a row alone.
//!
//! Whatever a list of things may be asked for is a [`Loader`](async_graphql::dataloader::Loader): many keys, one statement. All
//! statements are ranges of an index; none counts rows or scans a table that grows with the log, except where an operator asks for
//! the whole bank.

pub(crate) mod account;
mod column;
pub(crate) mod dead_letter;
mod elsewhere;
pub(crate) mod entry_filter;
mod gather;
pub(crate) mod monthly_totals;
mod place;
pub(crate) mod projection;
pub(crate) mod range;
pub(crate) mod statement;
pub(crate) mod stuck;
pub(crate) mod transaction;
pub(crate) mod transfer;
pub(crate) mod trial_balance;
pub(crate) mod user;
pub(crate) mod webhook;

use std::borrow::Cow;
use std::sync::Arc;

use archive::ArchiveError;
use async_graphql::dataloader::DataLoader;
pub(crate) use column::{CurrencyColumn, SumColumn};
use file_store::FileError;
pub(crate) use gather::Gathered;
use place::Divided;
pub(crate) use place::{Found, Key, Place};

use crate::archived::{self, ArchivedMonths};
use crate::database::ReadDatabases;
use crate::limits::{BATCH_DELAY, BATCH_KEYS_MAX};
use crate::newest::Newest;
use crate::read_pool::ReadPool;

/// The tables of one database, as something that loads many keys at once.
#[derive(Clone, Debug)]
pub(crate) struct ReadModels {
    pub(crate) pool: ReadPool,
    pub(crate) newest: Newest,
    pub(crate) archived: ArchivedMonths,
}

/// Collects the keys that sibling fields ask for. One per request: no request waits for another one's rows.
pub(crate) type Loaders = DataLoader<Divided>;

impl ReadDatabases {
    /// A loader for the updates of a subscription, each of which is told by itself.
    pub(crate) fn loaders(&self) -> Loaders {
        DataLoader::new(Divided(self.clone()), tokio::spawn).delay(BATCH_DELAY).max_batch_size(BATCH_KEYS_MAX)
    }
}

/// What several databases have, each in order, in order.
fn merged<T, O: Ord>(mut parts: Vec<Vec<T>>, order: impl Fn(&T) -> O) -> Vec<T> {
    if parts.len() == 1 {
        return parts.pop().unwrap_or_default();
    }
    let mut all: Vec<T> = parts.into_iter().flatten().collect();
    all.sort_by_key(order);
    all
}

/// The statements that read tables which grow with the log, by name: for whoever looks at their plans.
#[must_use]
pub fn statements() -> Vec<(&'static str, &'static str)> {
    [
        account::STATEMENTS,
        transaction::STATEMENTS,
        entry_filter::STATEMENTS,
        monthly_totals::STATEMENTS,
        statement::STATEMENTS,
        transfer::STATEMENTS,
        user::STATEMENTS,
        elsewhere::STATEMENTS,
        archived::STATEMENTS,
    ]
    .concat()
}

/// Names of statements and their texts.
pub(crate) type Statements = &'static [(&'static str, &'static str)];

/// Something could not be read. Never the caller's fault.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Postgres failed, or holds what no projection writes.
    #[error("{0}")]
    Database(Arc<sqlx::Error>),
    /// An archived month does not come.
    #[error("{0}")]
    Archive(Arc<ArchiveError>),
    /// A month is archived, and nobody said where.
    #[error("a month is archived, and this process was not told where")]
    NoArchive,
}

/// Classes of SQLSTATE that speak of the server's condition and not of the statement: connection, resources, operator intervention,
/// system; and a database, tables or columns that nobody has made yet, as when this program is newer than the projector.
const OUTAGES: [&str; 7] = ["08", "53", "57", "58", "3D000", "42P01", "42703"];
/// The server ended the session: an administrator's wish, or a crash of another one.
const ENDED: [&str; 2] = ["57P01", "57P02"];
/// A statement ran into its time-out.
const CANCELED: &str = "57014";

impl ReadError {
    /// A database is not the one whose rows are wanted.
    pub(crate) fn misplaced(why: &str) -> Self {
        sqlx::Error::Configuration(why.into()).into()
    }

    /// True when the statement took too long.
    pub(crate) fn is_timeout(&self) -> bool {
        self.code().is_some_and(|code| code == CANCELED)
    }

    /// True when the same question may be answered later: the database is away, or not set up yet.
    pub(crate) fn is_outage(&self) -> bool {
        let Self::Database(error) = self else { return false };
        match &**error {
            // Another database than was meant: somebody will put that right.
            sqlx::Error::Configuration(_)
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            _ => self.code().is_some_and(|code| OUTAGES.iter().any(|class| code.starts_with(class))),
        }
    }

    /// True when an archived month may be read later: its files are away, or not where this process looks.
    pub(crate) fn is_archive_outage(&self) -> bool {
        match self {
            Self::Database(_) => false,
            Self::Archive(error) => error.is_transient(),
            Self::NoArchive => true,
        }
    }

    /// True when what the archive has is not what was written, or is not there any more.
    pub(crate) fn is_archive_damage(&self) -> bool {
        let Self::Archive(error) = self else { return false };
        match &**error {
            ArchiveError::Damaged { .. } | ArchiveError::Differs { .. } | ArchiveError::Missing(_) => true,
            ArchiveError::File(error) => matches!(error, FileError::Missing(_) | FileError::Changed(_)),
            _ => false,
        }
    }

    /// True when the connection ended, whether or not the server is there: another connection may do.
    pub(crate) fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Database(error) if matches!(&**error, sqlx::Error::Io(_)))
            || self.code().is_some_and(|code| ENDED.iter().any(|ended| code == *ended))
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        let Self::Database(error) = self else { return None };
        error.as_database_error()?.code()
    }
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl From<ArchiveError> for ReadError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::{ArchiveError, FileError, ReadError};

    #[test]
    fn what_is_not_there_any_more_is_damaged() {
        let month = "2025-03".parse().unwrap();
        let key = "manifests/month=2025-03.json".parse().unwrap();
        for error in [ArchiveError::Missing(month), FileError::Missing(key).into()] {
            assert!(ReadError::from(error).is_archive_damage());
        }
    }

    #[test]
    fn who_is_away_may_come_back() {
        let refused = sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into());
        for error in [refused, sqlx::Error::PoolTimedOut, sqlx::Error::PoolClosed] {
            assert!(ReadError::from(error).is_outage());
        }
        let broken = ReadError::from(sqlx::Error::RowNotFound);
        assert!(!broken.is_outage() && !broken.is_timeout());
    }
}
