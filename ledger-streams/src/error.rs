//! What can be broken, as opposed to what the domain refuses.

use std::sync::Arc;

use eventstore_node::{AppendError, ReadError};
use ledger_core::{DecodeError, Position};

/// The store could not do what it was asked. Nothing that it acknowledged before is affected.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Not now; the same call may work later.
    #[error("the event store is not available: {0}")]
    Unavailable(Arc<str>),
    /// The store has no space to write; reads go on.
    #[error("the event store is full: {0}")]
    Full(Arc<str>),
    /// So many writers want one stream that this one kept losing.
    #[error("stream {0} is contended")]
    Contended(Arc<str>),
    /// Something that was in the log before is not seen in it; a server that lags behind may show it later.
    #[error("not in the event store: {0}")]
    Missing(Arc<str>),
    /// What was to be written is more than the store takes at once.
    #[error("too large for the event store: {0}")]
    TooLarge(Arc<str>),
    /// An event of the ledger that this program cannot read.
    #[error("event {revision} of stream {stream} at position {position} cannot be read: {source}")]
    Undecodable {
        /// Its stream.
        stream: Arc<str>,
        /// Its revision.
        revision: u64,
        /// Its position.
        position: Position,
        /// Why.
        source: Arc<DecodeError>,
    },
    /// The store's own files are damaged, or this program misused it: a person must look.
    #[error("the event store is broken: {0}")]
    Broken(Arc<str>),
}

impl StoreError {
    /// True when trying again later can help without anybody doing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_) | Self::Contended(_) | Self::Missing(_))
    }
}

impl StoreError {
    /// True when it says something about the store and nothing about what was asked for: everything else would fail as well.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }
}

impl From<ReadError> for StoreError {
    fn from(error: ReadError) -> Self {
        let text = error.to_string().into();
        match error {
            ReadError::ShuttingDown => Self::Unavailable(text),
            _ => Self::Broken(text),
        }
    }
}

/// Everything but a lost race, which is [`crate::store::AppendFailure::Conflict`].
impl From<AppendError> for StoreError {
    fn from(error: AppendError) -> Self {
        let text = error.to_string().into();
        match error {
            AppendError::StorageFull { .. } => Self::Full(text),
            AppendError::TooLarge { .. } => Self::TooLarge(text),
            AppendError::Busy { .. } | AppendError::ShuttingDown | AppendError::Poisoned { .. } => {
                Self::Unavailable(text)
            }
            AppendError::Read(error) => error.into(),
            _ => Self::Broken(text),
        }
    }
}
