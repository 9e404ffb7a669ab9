//! An embedded event store for one node: an append-only log of events in streams.
//!
//! - `log/` is the truth: records with checksums in segment files, written and synced in groups by one thread
//!   (`writer/`), never changed afterwards. `recovery` decides at start where it ends.
//! - `index/` finds events of a stream. It is derived from the log, checkpointed, and caught up at start; it may be
//!   deleted.
//! - `subscription` follows the log from any place. A position in the log is all the state there is.
//! - [`persistent`] has groups of consumers that share events; what they know lies in streams of the log.
//!
//! What it promises: an acknowledged append is on disk, survives `kill -9`, and is seen by every reader; a batch is in
//! the log whole or not at all; events of a stream have the revisions 0, 1, 2, … without gaps, and every reader sees
//! them in that order; damage is reported with file and offset and never passed over.
//!
//! Streams can be deleted, for good or until the next append, and metadata (`$$name`) may truncate what can be read of one.
//! Both only hide events from the readers of the stream; the log, and who reads all of it, keeps them.
//!
//! What it is not: replicated, or able to give back the space of deleted events.

mod append;
mod clock;
mod deletion;
mod error;
mod event;
mod faults;
mod followers;
pub mod grpc;
mod index;
pub mod limits;
mod lock;
mod log;
mod metadata;
mod node;
mod options;
mod pattern;
pub mod persistent;
mod readable;
mod reads;
mod shared;
mod stats;
mod streams;
mod subscription;
mod threads;
mod type_names;
mod writer;

pub use append::{Pending, Slot};
pub use error::{AppendError, Corruption, FileError, OpenError, ReadError};
pub use event::{
    AllFrom, AllRead, Appended, DELETED_REVISION, Deleted, Direction, ExpectedRevision, Position,
    ProposedEvent, ReadLimit, RecordedEvent, StreamAppend, StreamAppended, StreamFrom, StreamRead,
};
pub use node::Node;
pub use options::NodeOptions;
pub use stats::NodeStats;
pub use subscription::{AllSubscription, StreamSubscription};
pub use uuid::Uuid;

#[cfg(test)]
mod tests;
