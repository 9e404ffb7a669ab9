//! One door, with the engines behind it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use eventstore_node::{AllFrom, Direction, Node, ReadLimit, RecordedEvent, StreamAppend, StreamFrom};
use ledger_core::Position;
use uuid::Uuid;

use crate::codec::{decode_all, time_of};
use crate::{Recorded, STREAM_PAGE_EVENTS, StoreError, Subscription};

mod append;
mod embedded;
mod remote;
#[cfg(feature = "simulation")]
pub mod simulated;

pub(crate) use append::{AppendFailure, Placed, Reservation, Submitted, after};
pub(crate) use remote::Follower;
pub use remote::{ConnectError, EventStoreDb};

/// Events read at first when a log or a stream is searched backwards.
pub(crate) const BACKWARD_PAGE_EVENTS: usize = 16;

/// The event store. A concrete type: two real engines stand behind it, and callers need not know which.
#[derive(Clone)]
pub enum EventStore {
    /// Our node, in this process.
    Embedded(Node),
    /// EventStoreDB's protocol through the official client: a server, a cluster, or our node in another process.
    EventStoreDb(EventStoreDb),
    /// In memory, failing as it is told.
    #[cfg(feature = "simulation")]
    Simulated(simulated::Simulated),
}

impl EventStore {
    /// Connects to an EventStoreDB server or cluster: `esdb://`, `esdb+discover://`, `kurrentdb://`, `kurrentdb+discover://`. Returns at
    /// once; the server may come later, go, and come back. To be called where a tokio runtime runs.
    ///
    /// # Errors
    /// [`ConnectError`] for a connection string that can never work.
    pub fn connect(url: &str) -> Result<Self, ConnectError> {
        EventStoreDb::connect(url).map(Self::EventStoreDb)
    }

    /// What is known of the store now, without asking it: the position of its last event, or why it is not available.
    ///
    /// # Errors
    /// Why the store is not available, for people.
    pub fn health(&self) -> Result<Position, String> {
        match self {
            Self::Embedded(node) => {
                node.failure().map_or_else(|| Ok(node.head()), |failure| Err(failure.to_string()))
            }
            Self::EventStoreDb(remote) => remote.health(),
            #[cfg(feature = "simulation")]
            Self::Simulated(simulated) => Ok(simulated.health()),
        }
    }

    /// Ends connections and what runs in the background; shuts the embedded node down. Other clones fail from then on.
    pub async fn close(&self) {
        match self {
            Self::Embedded(node) => node.shutdown().await,
            Self::EventStoreDb(remote) => remote.close().await,
            #[cfg(feature = "simulation")]
            Self::Simulated(simulated) => simulated.crash(),
        }
    }

    /// The time by this process's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::Embedded(_) | Self::EventStoreDb(_) => Utc::now(),
            #[cfg(feature = "simulation")]
            Self::Simulated(simulated) => simulated.now(),
        }
    }

    /// An id that nobody else makes.
    pub(crate) fn new_uuid(&self) -> Uuid {
        match self {
            Self::Embedded(_) | Self::EventStoreDb(_) => Uuid::new_v4(),
            #[cfg(feature = "simulation")]
            Self::Simulated(simulated) => simulated.new_uuid(),
        }
    }

    /// True when a batch is appended whole or not at all; otherwise one part after the other is.
    pub(crate) fn is_atomic(&self) -> bool {
        match self {
            Self::Embedded(_) => true,
            Self::EventStoreDb(_) => false,
            #[cfg(feature = "simulation")]
            Self::Simulated(simulated) => simulated.is_atomic(),
        }
    }

    /// Position of the last event that a subscription gets to, 0 when there is none: in this process the log's last, over the network the
    /// ledger's last.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn head(&self) -> Result<Position, StoreError> {
        match self {
            Self::Embedded(node) => Ok(node.head()),
            Self::EventStoreDb(remote) => remote.head().await,
            #[cfg(feature = "simulation")]
            Self::Simulated(simulated) => simulated.head().await,
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
            Self::Embedded(node) => embedded::last_at(node, position).await,
            Self::EventStoreDb(remote) => remote.last_at(position).await,
            #[cfg(feature = "simulation")]
            Self::Simulated(simulated) => simulated.last_at(position).await,
        }
        .map(|last| last.as_ref().map(time_of))
    }

    /// The events of one of the ledger's streams that lie after a position, oldest first; `None` when there are more than `events_max`.
    ///
    /// # Errors
    /// [`StoreError::Undecodable`], [`StoreError::Unavailable`] and [`StoreError::Broken`].
    pub async fn events_after(
        &self,
        stream: &Arc<str>,
        position: Position,
        events_max: usize,
    ) -> Result<Option<Vec<Recorded>>, StoreError> {
        let mut newest_first: Vec<RecordedEvent> = Vec::new();
        let mut from = StreamFrom::End;
        let mut page_events = BACKWARD_PAGE_EVENTS;
        loop {
            let (events, end) = self.stream_page(stream, from, Direction::Backward, page_events).await?;
            let oldest = events.last().map(|event| (event.revision, event.position));
            newest_first.extend(events.into_iter().filter(|event| event.position > position));
            if newest_first.len() > events_max {
                return Ok(None);
            }
            match oldest {
                Some((revision, oldest)) if !end && oldest > position && revision > 0 => {
                    from = StreamFrom::Revision(revision.saturating_sub(1));
                    page_events = STREAM_PAGE_EVENTS;
                }
                _ => break,
            }
        }
        newest_first.reverse();
        decode_all(newest_first).map(Some)
    }

    /// Takes a place in the queue of appends; waits while it is full.
    pub(crate) async fn reserve(&self) -> Result<Reservation, StoreError> {
        match self {
            Self::Embedded(node) => Ok(Reservation::Embedded(node.reserve().await?)),
            Self::EventStoreDb(remote) => Ok(Reservation::EventStoreDb(remote.reserve().await?)),
            #[cfg(feature = "simulation")]
            Self::Simulated(simulated) => Ok(Reservation::Simulated(simulated.reserve().await?)),
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

    /// The events of a stream from one that it has on, newest first, and whether they are all.
    pub(crate) async fn read_stream_page_back(
        &self,
        stream: &Arc<str>,
        from: u64,
        events_max: usize,
    ) -> Result<(Vec<RecordedEvent>, bool), StoreError> {
        self.stream_page(stream, StreamFrom::Revision(from), Direction::Backward, events_max).await
    }

    /// How many events a stream has.
    pub(crate) async fn events_in(&self, stream: &Arc<str>) -> Result<u64, StoreError> {
        let last = match self {
            Self::Embedded(node) => node.last_revision(stream)?,
            Self::EventStoreDb(_) => self.read_last(stream).await?.map(|event| event.revision),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => self.read_last(stream).await?.map(|event| event.revision),
        };
        Ok(last.map_or(0, |revision| revision.saturating_add(1)))
    }

    /// The last event of a stream; that there is none is known in this process without leaving the thread.
    pub(crate) async fn read_last(&self, stream: &Arc<str>) -> Result<Option<RecordedEvent>, StoreError> {
        Ok(self.read_stream_end(stream, 1).await?.into_iter().next())
    }

    /// The last events of a stream, newest first.
    pub(crate) async fn read_stream_end(
        &self,
        stream: &Arc<str>,
        events_max: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        if let Self::Embedded(node) = self
            && node.last_revision(stream)?.is_none()
        {
            return Ok(Vec::new());
        }
        Ok(self.stream_page(stream, StreamFrom::End, Direction::Backward, events_max).await?.0)
    }

    /// The event of a stream at a revision.
    pub(crate) async fn read_event(
        &self,
        stream: &Arc<str>,
        revision: u64,
    ) -> Result<Option<RecordedEvent>, StoreError> {
        let from = StreamFrom::Revision(revision);
        let (events, _) = self.stream_page(stream, from, Direction::Forward, 1).await?;
        Ok(events.into_iter().find(|event| event.revision == revision))
    }

    /// The first events of a short stream, which most often does not exist; in this process without leaving the thread.
    pub(crate) async fn read_short(&self, stream: &Arc<str>) -> Result<Vec<RecordedEvent>, StoreError> {
        match self {
            Self::Embedded(node) => embedded::read_short(node, stream, STREAM_PAGE_EVENTS),
            Self::EventStoreDb(_) => Ok(self.read_stream_page(stream, 0).await?.0),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => Ok(self.read_stream_page(stream, 0).await?.0),
        }
    }

    /// The first `max` events of the log at or after the position of an event; over the network those of the ledger.
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
            Self::EventStoreDb(remote) => remote.read_all_from(position, max).await,
            #[cfg(feature = "simulation")]
            Self::Simulated(simulated) => simulated.read_all_from(position, max).await,
        }
    }

    /// The last event of the log.
    pub(crate) async fn read_newest(&self) -> Result<Option<RecordedEvent>, StoreError> {
        match self {
            Self::Embedded(node) => embedded::read_newest(node),
            Self::EventStoreDb(remote) => remote.read_newest().await,
            #[cfg(feature = "simulation")]
            Self::Simulated(simulated) => simulated.read_newest().await,
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
            Self::Embedded(node) => embedded::stream_page(node, stream, from, direction, events_max).await,
            Self::EventStoreDb(remote) => remote.stream_page(stream, from, direction, events_max).await,
            #[cfg(feature = "simulation")]
            Self::Simulated(simulated) => simulated.stream_page(stream, from, direction, events_max).await,
        }
    }
}
