//! What of a stream can be read: all that its metadata does not truncate, and nothing once it is deleted.

use crate::clock::now;
use crate::error::ReadError;
use crate::event::{DELETED_REVISION, Direction, Position};
use crate::log::reader::read_one;
use crate::metadata::{Metadata, metadata_stream, original};
use crate::shared::Shared;
use crate::streams::{Lookup, StreamHead};

/// What of a stream can be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readable {
    /// Its last event.
    pub(crate) head: StreamHead,
    /// Revision of the first event that can be read; none can if that is beyond the last one.
    pub(crate) first: u64,
    /// It is deleted until something is appended to it.
    pub(crate) soft_deleted: bool,
}

impl Shared {
    /// The stream's last event, whatever it is.
    pub(crate) fn find_stream(&self, stream: &str) -> Result<Option<StreamHead>, ReadError> {
        match self.streams.find(&self.log, &self.index, stream, |_| false)? {
            Lookup::Exists(head) => Ok(Some(head)),
            Lookup::Vacant(_) | Lookup::Crowded => Ok(None),
        }
    }

    /// The stream's last event; an error if it is deleted for good.
    pub(crate) fn find_live(&self, stream: &str) -> Result<Option<StreamHead>, ReadError> {
        self.check_original(stream)?;
        match self.find_stream(stream)? {
            Some(head) if head.is_tombstone() => Err(ReadError::StreamDeleted { stream: stream.into() }),
            head => Ok(head),
        }
    }

    /// The metadata of a stream that is deleted for good is deleted with it.
    pub(crate) fn check_original(&self, stream: &str) -> Result<(), ReadError> {
        let deleted = match original(stream) {
            Some(original) => self.find_stream(original)?.is_some_and(|head| head.is_tombstone()),
            None => false,
        };
        if deleted { Err(ReadError::StreamDeleted { stream: stream.into() }) } else { Ok(()) }
    }

    pub(crate) fn readable(&self, stream: &str) -> Result<Option<Readable>, ReadError> {
        // Before the stream itself: metadata written together with events hides what is older than they are.
        let metadata = self.metadata_of(stream)?;
        self.find_live(stream)?.map(|head| self.truncate(head, metadata)).transpose()
    }

    /// As the metadata of a stream leaves it.
    pub(crate) fn truncate(&self, head: StreamHead, metadata: Metadata) -> Result<Readable, ReadError> {
        let mut first = metadata.first_revision(head.revision);
        if let Some(oldest) = metadata.oldest(now()) {
            first = self.first_created_since(head, first, oldest)?;
        }
        Ok(Readable { head, first, soft_deleted: metadata.is_soft_deleted() })
    }

    pub(crate) fn metadata_of(&self, stream: &str) -> Result<Metadata, ReadError> {
        if original(stream).is_some() {
            return Ok(Metadata::OF_METADATA);
        }
        if !self.index.may_have_metadata(self.streams.hash(stream)) {
            return Ok(Metadata::default());
        }
        match self.find_stream(&metadata_stream(stream))? {
            Some(head) => self.metadata_at(head.position),
            None => Ok(Metadata::default()),
        }
    }

    /// The metadata that a durable event holds.
    pub(crate) fn metadata_at(&self, position: Position) -> Result<Metadata, ReadError> {
        self.metadata.get_or_insert_with(&position, || {
            read_one(&self.log, position, |record| match record.content.is_json {
                true => Metadata::parse(record.content.data),
                false => Metadata::default(),
            })
        })
    }

    /// The last event before the tombstone of a stream.
    pub(crate) fn before_tombstone(&self, tombstone: StreamHead) -> Result<Option<StreamHead>, ReadError> {
        let found = self.index.range(tombstone.slot, DELETED_REVISION - 1, Direction::Backward, 1)?;
        Ok(found.first().map(|&(revision, position)| StreamHead { revision, position, ..tombstone }))
    }

    /// The first event from a revision on that was not created before `oldest`. Time does not go back within the log.
    fn first_created_since(&self, head: StreamHead, first: u64, oldest: i64) -> Result<u64, ReadError> {
        let (mut low, mut high) = (first, head.revision + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let position = self.positions(head, middle, Direction::Forward, 1)?;
            let created = match position.first() {
                Some(position) => read_one(&self.log, *position, |record| record.place.created)?,
                None => oldest,
            };
            if created < oldest {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}
