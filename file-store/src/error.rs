//! What can go wrong with files.

use crate::Key;

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("there is no file {0}")]
    Missing(Key),
    /// The file is another one than the caller means.
    #[error("the file {0} has changed")]
    Changed(Key),
    /// The file ends before what was asked for.
    #[error("the file {key} ends before byte {end}")]
    Short {
        /// The file.
        key: Key,
        /// The end of what was asked for.
        end: u64,
    },
    /// The store does not answer, or refuses.
    #[error("cannot {action} the file {key}: {source}")]
    Failed {
        /// What was tried: read, write, …
        action: &'static str,
        /// The file.
        key: Key,
        /// Why.
        source: object_store::Error,
    },
}

impl FileError {
    pub(crate) fn new(action: &'static str, key: &Key, source: object_store::Error) -> Self {
        match source {
            object_store::Error::NotFound { .. } => Self::Missing(key.clone()),
            object_store::Error::Precondition { .. } => Self::Changed(key.clone()),
            source => Self::Failed { action, key: key.clone(), source },
        }
    }

    /// True when nothing is wrong with the file: asking again later may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Failed { source: object_store::Error::Generic { .. }, .. })
    }
}
