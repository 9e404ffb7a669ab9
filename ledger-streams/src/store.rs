//! One door, with the engines behind it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use eventstore_node::{
    AllFrom, AppendError, Direction, ExpectedRevision, Node, Pending, ReadLimit, RecordedEvent, Slot,
    StreamAppend, StreamFrom,
};
use ledger_core::Position;

use crate::codec::{is_the_ledgers, time_of};
use crate::{STREAM_PAGE_EVENTS, StoreError, Subscription};

/// Events read at first when a log or a stream is searched backwards.
const BACKWARD_PAGE_EVENTS: usize = 16;

/// The event store. A concrete type: two real engines stand behind it, and callers need not know which.
#[derive(Clone)]
pub enum EventStore {
    /// Our node, in this process.
    Embedded(Node),
}

/// How an append went wrong.
pub(crate) enum AppendFailure {
    /// The part of this index found its stream in another state than expected. Nothing of the batch at or after it was written.
    Conflict(usize),
    /// The store could not do it.
    Store(StoreError),
}

/// A place in the queue of appends.
pub(crate) enum Reservation {
    Embedded(Slot),
}

/// An append under way.
pub(crate) enum Submitted {
    Embedded(Pending),
}

impl EventStore {
    /// True when a batch is appended whole or not at all; otherwise one part after the other is.
    pub(crate) const fn is_atomic(&self) -> bool {
        match self {
            Self::Embedded(_) => true,
        }
    }

    /// Position of the last event, 0 when there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    #[expect(clippy::unused_async, reason = "an engine over the network has to ask")]
    pub async fn head(&self) -> Result<Position, StoreError> {
        match self {
            Self::Embedded(node) => Ok(node.head()),
        }
    }

    /// Follows the whole log from just after a position, or from its beginning.
    #[must_use]
    pub fn subscribe(&self, after: Option<Position>) -> Subscription {
        Subscription::new(self, after)
    }

    /// When the log recorded the last of the ledger's events at or before a position; `None` when there is none. A log is known by it:
    /// no other has the same time at the same place.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and [`StoreError::Broken`].
    pub async fn recorded_at(&self, position: Position) -> Result<Option<DateTime<Utc>>, StoreError> {
        match self {
            Self::Embedded(node) => {
                blocking(node, move |node| {
                    let mut before = position.saturating_add(1);
                    loop {
                        let limit = ReadLimit::events(BACKWARD_PAGE_EVENTS);
                        let read = node.read_all(AllFrom::Position(before), Direction::Backward, limit)?;
                        let found = read.events.iter().find(|event| is_the_ledgers(event));
                        if found.is_some() || read.end {
                            return Ok(found.map(time_of));
                        }
                        before = read.next;
                    }
                })
                .await
            }
        }
    }

    /// Takes a place in the queue of appends; waits while it is full.
    pub(crate) async fn reserve(&self) -> Result<Reservation, StoreError> {
        match self {
            Self::Embedded(node) => Ok(Reservation::Embedded(node.reserve().await?)),
        }
    }

    /// Appends and waits until it is on disk.
    pub(crate) async fn append(&self, batch: Vec<StreamAppend>) -> Result<Vec<Placed>, AppendFailure> {
        let reservation = self.reserve().await.map_err(AppendFailure::Store)?;
        reservation.submit(batch).placed().await
    }

    /// The next events of a stream from a revision on, oldest first, and whether they are the last.
    pub(crate) async fn read_stream_page(
        &self,
        stream: &Arc<str>,
        from: u64,
    ) -> Result<(Vec<RecordedEvent>, bool), StoreError> {
        self.stream_page(stream, StreamFrom::Revision(from), Direction::Forward, STREAM_PAGE_EVENTS).await
    }

    /// All events of a short stream from a revision on, oldest first.
    pub(crate) async fn read_stream(
        &self,
        stream: &Arc<str>,
        from: u64,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let mut events = Vec::new();
        let mut next = from;
        loop {
            let page = self.read_stream_page(stream, next).await?;
            next = page.0.last().map_or(next, |event| event.revision.saturating_add(1));
            events.extend(page.0);
            if page.1 {
                return Ok(events);
            }
        }
    }

    /// The events of a stream at or after a position, oldest first, found from the stream's end backwards.
    pub(crate) async fn read_stream_since(
        &self,
        stream: &Arc<str>,
        position: Position,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let mut events = Vec::new();
        let (mut from, mut limit) = (StreamFrom::End, BACKWARD_PAGE_EVENTS);
        loop {
            let (page, end) = self.stream_page(stream, from, Direction::Backward, limit).await?;
            // Most often few are asked for; each further page is greater.
            limit = limit.saturating_mul(4).min(STREAM_PAGE_EVENTS);
            let oldest = page.last().map(|event| (event.revision, event.position));
            events.extend(page.into_iter().take_while(|event| event.position >= position));
            match oldest {
                Some((revision, place)) if !end && place >= position && revision > 0 => {
                    from = StreamFrom::Revision(revision.saturating_sub(1));
                }
                _ => break,
            }
        }
        events.reverse();
        Ok(events)
    }

    /// How many events a stream has.
    #[expect(clippy::unused_async, reason = "an engine over the network has to ask")]
    pub(crate) async fn events_in(&self, stream: &str) -> Result<u64, StoreError> {
        match self {
            Self::Embedded(node) => Ok(node.last_revision(stream)?.map_or(0, |revision| revision + 1)),
        }
    }

    /// The last event of a stream.
    pub(crate) async fn read_last(&self, stream: &Arc<str>) -> Result<Option<RecordedEvent>, StoreError> {
        match self {
            Self::Embedded(node) => {
                let limit = ReadLimit::events(1);
                let read = blocking(node, {
                    let stream = Arc::clone(stream);
                    move |node| node.read_stream(&stream, StreamFrom::End, Direction::Backward, limit)
                })
                .await?;
                Ok(read.events.into_iter().next())
            }
        }
    }

    /// The first events of a stream, without leaving the thread: for short streams, most of which do not exist.
    #[expect(clippy::unused_async, reason = "an engine over the network has to ask")]
    pub(crate) async fn read_short(&self, stream: &Arc<str>) -> Result<Vec<RecordedEvent>, StoreError> {
        match self {
            Self::Embedded(node) => {
                if node.last_revision(stream)?.is_none() {
                    return Ok(Vec::new());
                }
                let limit = ReadLimit::events(STREAM_PAGE_EVENTS);
                Ok(node.read_stream(stream, StreamFrom::Start, Direction::Forward, limit)?.events)
            }
        }
    }

    /// The first `max` events of the log at or after a position.
    #[expect(clippy::unused_async, reason = "an engine over the network has to ask")]
    pub(crate) async fn read_all_from(
        &self,
        position: Position,
        max: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        match self {
            Self::Embedded(node) => {
                let limit = ReadLimit::events(max);
                Ok(node.read_all(AllFrom::Position(position), Direction::Forward, limit)?.events)
            }
        }
    }

    /// The last event of the log.
    #[expect(clippy::unused_async, reason = "an engine over the network has to ask")]
    pub(crate) async fn read_newest(&self) -> Result<Option<RecordedEvent>, StoreError> {
        match self {
            Self::Embedded(node) => {
                let read = node.read_all(AllFrom::End, Direction::Backward, ReadLimit::events(1))?;
                Ok(read.events.into_iter().next())
            }
        }
    }

    async fn stream_page(
        &self,
        stream: &Arc<str>,
        from: StreamFrom,
        direction: Direction,
        events_max: usize,
    ) -> Result<(Vec<RecordedEvent>, bool), StoreError> {
        match self {
            Self::Embedded(node) => {
                let limit = ReadLimit::events(events_max);
                let stream = Arc::clone(stream);
                let read =
                    blocking(node, move |node| node.read_stream(&stream, from, direction, limit)).await?;
                Ok((read.events, read.end))
            }
        }
    }
}

/// Reads that may touch the disk run beside the async threads.
async fn blocking<T: Send + 'static>(
    node: &Node,
    read: impl FnOnce(&Node) -> Result<T, eventstore_node::ReadError> + Send + 'static,
) -> Result<T, StoreError> {
    let node = node.clone();
    match tokio::task::spawn_blocking(move || read(&node)).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(StoreError::Unavailable(error.to_string().into())),
    }
}

/// Where the last event of one part of a batch came to stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    pub(crate) revision: u64,
    pub(crate) position: Position,
}

impl Reservation {
    /// Queues the batch, at once: what is submitted first stands first in the log.
    pub(crate) fn submit(self, batch: Vec<StreamAppend>) -> Submitted {
        match self {
            Self::Embedded(slot) => Submitted::Embedded(slot.submit(batch)),
        }
    }
}

impl Submitted {
    /// Waits until the batch is on disk.
    pub(crate) async fn placed(self) -> Result<Vec<Placed>, AppendFailure> {
        match self {
            Self::Embedded(pending) => match pending.await {
                Ok(appended) => Ok(appended
                    .streams
                    .iter()
                    .map(|part| Placed { revision: part.revision, position: part.position })
                    .collect()),
                Err(AppendError::WrongExpectedRevision { append_index, .. }) => {
                    Err(AppendFailure::Conflict(append_index))
                }
                Err(error) => Err(AppendFailure::Store(error.into())),
            },
        }
    }
}

/// The revision expected of a stream into which `events` events were folded.
pub(crate) const fn after(events: u64) -> ExpectedRevision {
    match events.checked_sub(1) {
        Some(revision) => ExpectedRevision::Exact(revision),
        None => ExpectedRevision::NoStream,
    }
}
