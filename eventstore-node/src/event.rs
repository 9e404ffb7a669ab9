//! What goes into the store and what comes out of it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

/// An event's place in the log: the byte offset of its record in the log's address space.
///
/// Strictly increasing from event to event, with gaps; always greater than 0; opaque to clients.
pub type Position = u64;

/// Revision of the event that ends a stream for good.
pub const DELETED_REVISION: u64 = i64::MAX as u64;

/// The state a stream must be in for an append to it to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExpectedRevision {
    /// Any state.
    Any,
    /// The stream has no event, or is deleted (but not for good).
    NoStream,
    /// The stream has at least one event, or metadata; and is not deleted.
    StreamExists,
    /// The stream's last event has this revision (counted from 0).
    Exact(u64),
}

/// An event to be appended.
#[derive(Clone, Debug)]
pub struct ProposedEvent {
    /// Identity of the event; appending the same ids again is recognised as a repeat. Not nil.
    pub id: Uuid,
    /// Name of the kind of event; 1 to [`MAX_EVENT_TYPE_BYTES`](crate::limits::MAX_EVENT_TYPE_BYTES) bytes.
    pub event_type: Cow<'static, str>,
    /// Whether `data` is JSON. Only recorded, never checked.
    pub is_json: bool,
    /// The event itself.
    pub data: Bytes,
    /// What goes with the event.
    pub metadata: Bytes,
}

/// The events appended to one stream, as a part of a batch.
#[derive(Clone, Debug)]
pub struct StreamAppend {
    /// Name of the stream; 1 to [`MAX_STREAM_NAME_BYTES`](crate::limits::MAX_STREAM_NAME_BYTES) bytes.
    pub stream: Arc<str>,
    /// The state the stream must be in, counting earlier parts of the same batch.
    pub expected: ExpectedRevision,
    /// With [`ExpectedRevision::Exact`]: the id that the stream's last event must have, too; `None` asks for the revision alone.
    ///
    /// A caller that queues several appends to a stream ahead of the disk needs it. If an earlier one fails and somebody else's event takes
    /// its revision, the revision alone would let the next one follow an event that its maker never saw.
    pub follows: Option<Uuid>,
    /// At least one event, in order.
    pub events: Vec<ProposedEvent>,
}

/// An event of the log.
///
/// `data` and `metadata` are slices of the chunk of log they were read with (up to 256 KiB): fine to pass on, but copy
/// them before putting them into anything long-lived, or a few bytes keep the whole chunk in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Identity, as proposed.
    pub id: Uuid,
    /// The stream it belongs to.
    pub stream: Arc<str>,
    /// Place in the stream, from 0, without gaps; [`DELETED_REVISION`] for the event that ends it.
    pub revision: u64,
    /// Place in the log.
    pub position: Position,
    /// Kind of event, as proposed.
    pub event_type: Arc<str>,
    /// Whether `data` is JSON, as proposed.
    pub is_json: bool,
    /// When the node wrote it: 100 ns ticks since the UNIX epoch, UTC; never decreasing within the log.
    pub created: i64,
    /// The event itself.
    pub data: Bytes,
    /// What goes with the event.
    pub metadata: Bytes,
}

/// A batch that is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// One entry per [`StreamAppend`], in the order of the batch.
    pub streams: Vec<StreamAppended>,
}

/// One part of a batch that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamAppended {
    /// Revision of the part's last event.
    pub revision: u64,
    /// Position of the part's last event.
    pub position: Position,
    /// The events were there already, known by their ids: nothing was written.
    pub replayed: bool,
}

/// A stream's deletion that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Position of the event that says so.
    pub position: Position,
}

/// Which way to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From old to new.
    Forward,
    /// From new to old.
    Backward,
}

/// Where to begin reading a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFrom {
    /// At the first event that can be read; backward: at revision 0.
    Start,
    /// Backward: at the last event. Forward: after it, so nothing is read.
    End,
    /// At this revision, inclusive. Backward from beyond the last event begins at the last event.
    Revision(u64),
}

/// Where to begin reading the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllFrom {
    /// Before the first event.
    Start,
    /// After the last durable event.
    End,
    /// Forward: the first event at or after this number. Backward: the last event strictly before it. Any number will do.
    Position(Position),
}

/// How much one read may return. Whichever bound is reached first ends it; at least one event is returned if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// Most events. 0 returns none.
    pub events: usize,
    /// Bytes of log (record headers included) after which no further event is added.
    pub bytes: usize,
}

impl Default for ReadLimit {
    fn default() -> Self {
        Self { events: 4096, bytes: 4 * 1024 * 1024 }
    }
}

impl ReadLimit {
    /// At most this many events, within the default bound of bytes.
    #[must_use]
    pub fn events(events: usize) -> Self {
        Self { events, ..Self::default() }
    }
}

/// A page of a stream.
#[derive(Clone, Debug)]
pub struct StreamRead {
    /// The events, in the direction of the read.
    pub events: Vec<RecordedEvent>,
    /// Whether the stream has ever had an event and is not deleted.
    pub exists: bool,
    /// Revision of the first event that can be read, which the stream's metadata may say; the one after the last
    /// event's if none can. `None` if the stream does not exist.
    pub first_revision: Option<u64>,
    /// Revision of the stream's last event when the read began, also if the stream is deleted: it goes on from there.
    pub last_revision: Option<u64>,
    /// Nothing more in this direction (as of when the read began).
    pub end: bool,
}

/// A page of the log.
#[derive(Clone, Debug)]
pub struct AllRead {
    /// The events, in the direction of the read.
    pub events: Vec<RecordedEvent>,
    /// Where the next page begins: pass it as [`AllFrom::Position`] in the same direction.
    pub next: Position,
    /// Nothing more in this direction (as of when the read began).
    pub end: bool,
}
