//! Deleting streams: until something is appended, by metadata that hides all events; or for good, by an event that nothing
//! can follow.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::append::check_name;
use crate::error::AppendError;
use crate::event::{Deleted, ExpectedRevision, ProposedEvent};
use crate::log::record::encoded_len;
use crate::metadata::{METADATA_TYPE, SOFT_DELETED, metadata_event, metadata_stream, original};
use crate::node::Node;

/// Type of the event that ends a stream for good.
const TOMBSTONE_TYPE: &str = "$streamDeleted";

impl Node {
    /// Deletes a stream until something is appended to it: its events can no longer be read, and later ones go on with
    /// the revisions after theirs. The log keeps them. Deleting it again is no error.
    ///
    /// # Errors
    /// `WrongExpectedRevision` if the stream is not in the expected state (or never existed), `StreamDeleted` if it is
    /// deleted for good, or deleted and expected to exist. See [`AppendError`].
    pub async fn delete_stream(
        &self,
        stream: &str,
        expected: ExpectedRevision,
    ) -> Result<Deleted, AppendError> {
        self.delete(stream, expected, DeletionKind::Soft).await
    }

    /// Deletes a stream for good, even one that never existed: nothing can be appended to it or read from it, nor from
    /// its metadata, ever again. The log keeps its events.
    ///
    /// # Errors
    /// As for [`Node::delete_stream`].
    pub async fn tombstone_stream(
        &self,
        stream: &str,
        expected: ExpectedRevision,
    ) -> Result<Deleted, AppendError> {
        self.delete(stream, expected, DeletionKind::Tombstone).await
    }

    async fn delete(
        &self,
        stream: &str,
        expected: ExpectedRevision,
        kind: DeletionKind,
    ) -> Result<Deleted, AppendError> {
        let deletion = Deletion { stream: stream.into(), expected, kind };
        let appended = self.reserve().await?.submit_deletion(deletion).await?;
        Ok(Deleted { position: appended.streams.first().map_or(0, |stream| stream.position) })
    }
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
