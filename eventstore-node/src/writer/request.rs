//! What the writer is asked to do.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::append::check_name;
use crate::error::AppendError;
use crate::event::{Appended, ExpectedRevision, ProposedEvent, StreamAppend};
use crate::log::record::encoded_len;
use crate::metadata::{METADATA_TYPE, SOFT_DELETED, metadata_event, metadata_stream, original};

/// Type of the event that ends a stream for good.
const TOMBSTONE_TYPE: &str = "$streamDeleted";

/// Who waits for a change.
pub(crate) type Answer = oneshot::Sender<Result<Appended, AppendError>>;

/// A change on its way to the log. Its lengths are within limits.
pub(crate) struct Request {
    pub(crate) change: Change,
    /// Bytes it takes in the log.
    pub(crate) bytes: usize,
    pub(crate) answer: Answer,
}

/// What is to be written, if the streams are as expected.
pub(crate) enum Change {
    Append(Vec<StreamAppend>),
    Delete(Deletion),
}

/// What is in the writer's queue.
pub(crate) enum Message {
    Change(Request),
    /// Finish what is queued before this and end.
    Stop,
}

/// A stream to be deleted.
pub(crate) struct Deletion {
    pub(crate) stream: Arc<str>,
    pub(crate) expected: ExpectedRevision,
    pub(crate) kind: DeletionKind,
}

/// For how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeletionKind {
    /// Until something is appended.
    Soft,
    /// For ever.
    Tombstone,
}

impl Deletion {
    /// Bytes it takes in the log, if the name keeps to the limits.
    pub(crate) fn checked_len(&self) -> Result<usize, AppendError> {
        check_name(&self.stream)?;
        if original(&self.stream).is_some() {
            return Err(AppendError::Invalid { reason: "metadata is deleted with its stream, not alone" });
        }
        let name = self.stream.len();
        Ok(match self.kind {
            DeletionKind::Soft => {
                encoded_len(metadata_stream("").len() + name, METADATA_TYPE.len(), SOFT_DELETED.len(), 0)
            }
            DeletionKind::Tombstone => encoded_len(name, TOMBSTONE_TYPE.len(), 0, 0),
        })
    }

    /// The event that says so.
    pub(crate) fn event(&self) -> ProposedEvent {
        match self.kind {
            DeletionKind::Soft => metadata_event(SOFT_DELETED),
            DeletionKind::Tombstone => ProposedEvent {
                id: Uuid::new_v4(),
                event_type: TOMBSTONE_TYPE.into(),
                is_json: false,
                data: Bytes::new(),
                metadata: Bytes::new(),
            },
        }
    }
}
