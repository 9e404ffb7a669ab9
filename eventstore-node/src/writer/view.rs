//! The streams as the next part of a batch finds them: as they are on disk, changed by the group, changed by the parts
//! of the batch before it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::group::Group;
use crate::error::{AppendError, ReadError};
use crate::event::{DELETED_REVISION, Position, ProposedEvent};
use crate::log::reader::read_one;
use crate::log::record::{Record, encoded_len};
use crate::metadata::{Metadata, metadata_event, metadata_stream, original, truncated_before};
use crate::shared::Shared;
use crate::streams::{Lookup, StreamHead};

/// A stream as the next part of the batch will find it.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) name: Arc<str>,
    pub(super) slot: u64,
    pub(super) last: Option<Last>,
    /// What the last event says, if the stream is metadata and the event is part of the batch.
    metadata: Option<Bytes>,
}

/// The last event of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub(super) revision: u64,
    pub(super) id: Uuid,
    /// 0 if it is part of the batch.
    position: Position,
}

impl From<StreamHead> for Last {
    fn from(head: StreamHead) -> Self {
        Self { revision: head.revision, id: head.id, position: head.position }
    }
}

/// Events to be written to one stream.
#[derive(Debug)]
pub(super) struct Write<'b> {
    pub(super) stream: Arc<str>,
    pub(super) slot: u64,
    /// Revision of the first event.
    pub(super) first: u64,
    pub(super) events: Cow<'b, [ProposedEvent]>,
    /// The caller asked for it, and is told of it.
    pub(super) asked: bool,
}

impl Write<'_> {
    /// Bytes it takes in the log.
    pub(super) fn len(&self) -> usize {
        let len = |event: &ProposedEvent| {
            encoded_len(self.stream.len(), event.event_type.len(), event.data.len(), event.metadata.len())
        };
        self.events.iter().map(len).sum()
    }
}

pub(super) struct View<'w> {
    pub(super) shared: &'w Shared,
    pub(super) group: &'w Group,
    staged: Vec<Staged>,
}

impl<'w> View<'w> {
    pub(super) fn new(shared: &'w Shared, group: &'w Group, streams: usize) -> Self {
        Self { shared, group, staged: Vec::with_capacity(streams) }
    }

    /// Looks a stream up. One that has no event is looked up each time: another may have taken its slot.
    pub(super) fn find(&mut self, name: &Arc<str>) -> Result<usize, AppendError> {
        let at = self.staged.iter().position(|stream| stream.name == *name);
        if let Some(at) = at.filter(|at| self.staged[*at].last.is_some()) {
            return Ok(at);
        }
        let (slot, last) = match self.group.heads.get(name) {
            Some(head) => (head.slot, Some((*head).into())),
            None => self.look_up(name)?,
        };
        match at {
            Some(at) => {
                self.staged[at].slot = slot;
                Ok(at)
            }
            None => {
                self.staged.push(Staged { name: name.clone(), slot, last, metadata: None });
                Ok(self.staged.len() - 1)
            }
        }
    }

    fn look_up(&self, name: &str) -> Result<(u64, Option<Last>), AppendError> {
        // Slots of streams that begin with this group or batch are not in the index yet.
        let taken = |slot: u64| {
            self.group.new_slots.contains(&slot)
                || self.staged.iter().any(|stream| stream.last.is_some() && stream.slot == slot)
        };
        let shared = self.shared;
        match shared.streams.find(&shared.log, &shared.index, name, taken).map_err(AppendError::Read)? {
            Lookup::Exists(head) => Ok((head.slot, Some(head.into()))),
            Lookup::Vacant(slot) => Ok((slot, None)),
            Lookup::Crowded => {
                Err(AppendError::Invalid { reason: "too many streams have the same hash as this name" })
            }
        }
    }

    /// A stream that was looked up.
    pub(super) fn stream(&self, at: usize) -> &Staged {
        &self.staged[at]
    }

    /// What is written to the stream, after what it holds.
    pub(super) fn append<'b>(
        &mut self,
        at: usize,
        events: Cow<'b, [ProposedEvent]>,
        asked: bool,
    ) -> Write<'b> {
        let stream = &mut self.staged[at];
        let first = stream.last.map_or(0, |last| last.revision + 1);
        if let Some(last) = events.last() {
            let revision = first + events.len() as u64 - 1;
            stream.last = Some(Last { revision, id: last.id, position: 0 });
            if original(&stream.name).is_some() {
                stream.metadata = Some(if last.is_json { last.data.clone() } else { Bytes::new() });
            }
        }
        Write { stream: stream.name.clone(), slot: stream.slot, first, events, asked }
    }

    /// What ends the stream.
    pub(super) fn end(&self, at: usize, tombstone: ProposedEvent) -> Write<'static> {
        let Staged { name, slot, .. } = &self.staged[at];
        let (stream, slot, events) = (name.clone(), *slot, Cow::Owned(vec![tombstone]));
        Write { stream, slot, first: DELETED_REVISION, events, asked: true }
    }

    /// What brings a deleted stream back: its metadata, as it is by now, with only the events before `revision` hidden.
    pub(super) fn restore(&mut self, name: &str, revision: u64) -> Result<Write<'static>, AppendError> {
        let at = self.find(&metadata_stream(name).into())?;
        let data = self.metadata_bytes(at).map_err(AppendError::Read)?;
        let event = metadata_event(truncated_before(&data, revision));
        Ok(self.append(at, Cow::Owned(vec![event]), false))
    }

    /// The metadata of a stream, if it has any.
    pub(super) fn metadata(&mut self, name: &str) -> Result<Option<Metadata>, AppendError> {
        if original(name).is_some() {
            return Ok(None);
        }
        let hash = self.shared.streams.hash(name);
        let may_have_metadata = self.shared.index.may_have_metadata(hash)
            || (!self.group.marks.is_empty() && self.group.heads.contains_key(&*metadata_stream(name)))
            || self.staged.iter().any(|stream| stream.metadata.is_some());
        if !may_have_metadata {
            return Ok(None);
        }
        let at = self.find(&metadata_stream(name).into())?;
        let Some(last) = self.staged[at].last else { return Ok(None) };
        let on_disk = self.staged[at].metadata.is_none() && last.position < self.group.start;
        let metadata = if on_disk {
            self.shared.metadata_at(last.position)
        } else {
            self.metadata_bytes(at).map(|data| Metadata::parse(&data))
        };
        metadata.map(Some).map_err(AppendError::Read)
    }

    /// The data of the last event of a stream of metadata; empty if there is none.
    fn metadata_bytes(&self, at: usize) -> Result<Bytes, ReadError> {
        let data = |record: &Record<'_>| match record.content.is_json {
            true => Bytes::copy_from_slice(record.content.data),
            false => Bytes::new(),
        };
        match &self.staged[at] {
            Staged { metadata: Some(data), .. } => Ok(data.clone()),
            Staged { last: None, .. } => Ok(Bytes::new()),
            Staged { last: Some(last), .. } => match self.group.record(last.position) {
                Some(record) => Ok(data(&record)),
                None => read_one(&self.shared.log, last.position, data),
            },
        }
    }
}
