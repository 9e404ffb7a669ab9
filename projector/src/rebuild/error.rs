//! Why a rebuild does not come to its end.

use ledger_streams::StoreError;

use crate::{ApplyError, ProjectorError};

/// Why a rebuild does not come to its end. The live tables are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Somebody wanted it.
    #[error("stopped")]
    Stopped,
    /// It cannot be done.
    #[error("{0}")]
    Refused(String),
    /// Readers or writers held the tables all the time.
    #[error("the tables were in use whenever they were to be exchanged; ask again")]
    InUse,
    /// Nothing comes any more, and nobody is at work.
    #[error("nothing comes any more from the database, or from the log")]
    Silent,
    /// Events could not be applied.
    #[error("events cannot be applied: {0}")]
    Apply(#[from] ApplyError),
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log is not in order.
    #[error(transparent)]
    Log(#[from] ProjectorError),
    /// The database refused, or is not there.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

impl RebuildError {
    /// True when it may be taken up again where it was.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Stopped | Self::Refused(_) | Self::InUse => false,
            Self::Silent => true,
            Self::Apply(error) => error.is_outage(),
            Self::Store(error) => error.is_transient(),
            Self::Log(error) => error.is_outage(),
            Self::Database(error) => crate::error::is_outage(error),
        }
    }

    /// True when a lock was not to be had in time.
    pub(super) fn is_lock_timeout(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        // Lock not available, and a deadlock with a reader that Postgres saw first.
        error.code().is_some_and(|code| code == "55P03" || code == "40P01")
    }
}
