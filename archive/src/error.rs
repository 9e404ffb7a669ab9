//! What can go wrong with archived months.

use file_store::{FileError, Key, KeyError};
use parquet::errors::ParquetError;

use crate::{Month, Place};

/// Why a month could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The store does not do it.
    #[error(transparent)]
    File(#[from] FileError),
    /// Nobody has archived this month, or it was restored.
    #[error("{0} is not archived")]
    Missing(Month),
    /// It has been archived already.
    #[error("{0} is archived already")]
    Exists(Month),
    /// Rows were given out of order, or twice.
    #[error("the entry {place} of {month} came after {last}: rows go by account and revision")]
    Order {
        /// The month being written.
        month: Month,
        /// The row that came.
        place: Place,
        /// The row before it.
        last: Place,
    },
    /// A currency has more digits than the files have room for.
    #[error("amounts in {0} have more than four decimal digits, for which archived months have no room")]
    Digits(ledger_core::Currency),
    /// A file is not what was written.
    #[error("the archived file {key} is damaged: {reason}")]
    Damaged {
        /// The file.
        key: Key,
        /// What was found.
        reason: String,
    },
    /// What was read back is not what the manifest says.
    #[error("the archive of {month} is not what its manifest says: {reason}")]
    Differs {
        /// The month.
        month: Month,
        /// What differs.
        reason: String,
    },
    /// Encoding failed; nothing was written.
    #[error("cannot encode rows as Parquet: {0}")]
    Encode(#[from] ParquetError),
    /// The program is being stopped, or has a bug.
    #[error("the work on archived rows was broken off: {0}")]
    Interrupted(String),
    /// Cannot happen: keys are made here.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl ArchiveError {
    #[expect(clippy::needless_pass_by_value, reason = "what is found wrong is given away")]
    pub(crate) fn damaged(key: &Key, reason: impl ToString) -> Self {
        Self::Damaged { key: key.clone(), reason: reason.to_string() }
    }

    pub(crate) fn gone(month: Month) -> Self {
        Self::Differs { month, reason: "files that its manifest names are gone or change".to_owned() }
    }

    /// True when asking again later may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::File(error) if error.is_transient())
    }

    /// True when what was remembered of a month may be out of date.
    pub(crate) const fn is_stale(&self) -> bool {
        matches!(self, Self::File(FileError::Missing(_) | FileError::Changed(_)))
    }
}
