//! What can go wrong, and what an operator or a caller can do about it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::event::{ExpectedRevision, Position};

/// A place in the log that does not hold what was written there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log is corrupt: {} at byte {offset} (position {position}): {reason}", file.display())]
pub struct Corruption {
    /// The segment file.
    pub file: PathBuf,
    /// Byte offset within the file.
    pub offset: u64,
    /// The same place as a position of the log.
    pub position: Position,
    /// What was found there.
    pub reason: String,
}

/// An operation of the file system that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub struct FileError {
    /// What was tried: a verb.
    pub operation: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// What the operating system said.
    #[source]
    pub source: Arc<std::io::Error>,
}

impl FileError {
    /// For `map_err`: names the operation and the file.
    pub(crate) fn on(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self { operation, path: path.to_owned(), source: Arc::new(source) }
    }
}

/// Why the node could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// An option is out of its range.
    #[error("option {option}: {reason}")]
    InvalidOption {
        /// Name of the field of [`NodeOptions`](crate::NodeOptions).
        option: &'static str,
        /// What it may be.
        reason: String,
    },
    /// Another process has the data directory open.
    #[error("{} is in use by another process (its lock file is held)", dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// The log holds something else than was acknowledged. Nothing was changed.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// The log was written by another version of this program.
    #[error("{} has format version {found}, this program reads version {supported}", file.display())]
    Format {
        /// The segment file.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The version understood here.
        supported: u32,
    },
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The index could not be opened or rebuilt. It is derived: deleting the `index` directory rebuilds it.
    #[error("the index in {} cannot be used (it may be deleted, it is rebuilt from the log): {reason}", dir.display())]
    Index {
        /// The index directory.
        dir: PathBuf,
        /// What the index engine said.
        reason: String,
    },
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Corrupt(corruption) => Self::Corrupt(corruption),
            ReadError::File(error) => Self::File(error),
            ReadError::Index { reason } => Self::Index { dir: PathBuf::from("index"), reason },
            // No stream is read at start.
            ReadError::StreamDeleted { .. } | ReadError::ShuttingDown => {
                Self::Index { dir: PathBuf::from("index"), reason: "closed".into() }
            }
        }
    }
}

/// Why an append was not made. Unless said otherwise nothing was written and the node goes on.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A stream was not in the expected state.
    #[error(
        "stream {stream}: expected {expected:?}, but its last revision is {current:?} (part {append_index} of the batch)"
    )]
    WrongExpectedRevision {
        /// The first stream that was not.
        stream: Arc<str>,
        /// Its index in the batch.
        append_index: usize,
        /// What was expected.
        expected: ExpectedRevision,
        /// Its last revision, counting batches queued before this one; `None`: the stream has no event.
        current: Option<u64>,
    },
    /// A stream, or the one it is the metadata of, is deleted for good; or it was expected to exist and is deleted.
    #[error("stream {stream} is deleted")]
    StreamDeleted {
        /// The first one that is.
        stream: Arc<str>,
    },
    /// Something is larger than allowed.
    #[error("{what} is {size}, at most {limit} are allowed")]
    TooLarge {
        /// What, and in which unit.
        what: &'static str,
        /// How large it is.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The batch makes no sense: empty, an empty name, a nil id.
    #[error("invalid batch: {reason}")]
    Invalid {
        /// Why.
        reason: &'static str,
    },
    /// More bytes are queued than allowed; try again when earlier appends are answered.
    #[error("{queued} bytes are waiting to be written, at most {limit} may")]
    Busy {
        /// Bytes queued, with this batch.
        queued: usize,
        /// Most bytes queued.
        limit: usize,
    },
    /// No space for the log to grow. Reads go on; appends work again when there is space.
    #[error("no space for the log to grow: {reason}")]
    StorageFull {
        /// What failed.
        reason: Arc<str>,
    },
    /// A write or a sync of the log failed earlier: what is on disk is no longer known, so this node takes no more
    /// appends until it is restarted. Whether this batch is in the log is not known if it was the one that failed.
    #[error("the log cannot be written since an earlier failure; restart the node: {reason}")]
    Poisoned {
        /// The first failure.
        reason: Arc<str>,
    },
    /// The log is corrupt; appends stop so that nobody builds on it.
    #[error(transparent)]
    Corrupt(Corruption),
    /// The streams' state could not be read.
    #[error("cannot check the expected revisions: {0}")]
    Read(ReadError),
    /// The node is being shut down, or was.
    #[error("the node is shutting down")]
    ShuttingDown,
}

/// Why a read failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The log does not hold what was written.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The index could not be read.
    #[error("the index cannot be read: {reason}")]
    Index {
        /// What the index engine said.
        reason: String,
    },
    /// The stream, or the one it is the metadata of, is deleted for good.
    #[error("stream {stream} is deleted")]
    StreamDeleted {
        /// The stream that was to be read.
        stream: Arc<str>,
    },
    /// The node is being shut down, or was.
    #[error("the node is shutting down")]
    ShuttingDown,
}

impl From<fjall::Error> for ReadError {
    fn from(error: fjall::Error) -> Self {
        Self::Index { reason: error.to_string() }
    }
}
