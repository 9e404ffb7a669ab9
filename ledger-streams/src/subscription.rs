//! Following the log.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use eventstore_node::{AllSubscription, RecordedEvent};
use ledger_core::Position;

use crate::codec::{decode, decode_metadata, decode_own, is_the_ledgers, time_of};
use crate::store::Follower;
use crate::{EventStore, Recorded, StoreError};

/// A catch-up subscription on the whole log: every event after a position once, in order, for ever.
pub struct Subscription {
    engine: Engine,
}

enum Engine {
    Embedded(AllSubscription),
    EventStoreDb(Box<Follower>),
}

/// Some events, in order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The ledger's events.
    pub events: Vec<Recorded>,
    /// Position of the last event read, the ledger's or not: where to go on from.
    pub position: Position,
    /// True when the subscription had reached the end of the log.
    pub caught_up: bool,
}

impl Subscription {
    pub(crate) fn new(store: &EventStore, after: Option<Position>) -> Self {
        let engine = match store {
            EventStore::Embedded(node) => Engine::Embedded(node.subscribe_all(after)),
            EventStore::EventStoreDb(remote) => Engine::EventStoreDb(Box::new(Follower::new(remote, after))),
        };
        Self { engine }
    }

    /// The next events, at least one read and at most `max`; waits for them. Dropping the future loses nothing. A store over the network
    /// may go and come back meanwhile; [`EventStore::health`] tells.
    ///
    /// # Errors
    /// [`StoreError::Undecodable`] for an event this program does not know: the events before it were not returned, and asking again
    /// gives what follows, so a caller that must not skip makes a new subscription from its checkpoint once the cause is mended.
    /// [`StoreError::Unavailable`] and [`StoreError::Broken`] from the store.
    pub async fn next(&mut self, max: usize) -> Result<Batch, StoreError> {
        let recorded = self.next_recorded(max).await?;
        let caught_up = match &self.engine {
            Engine::Embedded(subscription) => subscription.caught_up(),
            Engine::EventStoreDb(follower) => follower.caught_up(),
        };
        let position = recorded.last().map_or(0, |event| event.position);
        let mut events = Vec::with_capacity(recorded.len());
        for event in recorded {
            events.extend(decode(event)?);
        }
        Ok(Batch { events, position, caught_up })
    }

    /// As [`Self::next`], but leaves it to the caller which events are worth decoding.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and [`StoreError::Broken`] from the store.
    pub async fn next_undecoded(&mut self, max: usize) -> Result<UndecodedBatch, StoreError> {
        let recorded = self.next_recorded(max).await?;
        let position = recorded.last().map_or(0, |event| event.position);
        let events = recorded.into_iter().filter(is_the_ledgers).map(Undecoded).collect();
        Ok(UndecodedBatch { events, position })
    }

    async fn next_recorded(&mut self, max: usize) -> Result<Vec<RecordedEvent>, StoreError> {
        match &mut self.engine {
            Engine::Embedded(subscription) => Ok(subscription.next_batch(max).await?),
            Engine::EventStoreDb(follower) => follower.next(max).await,
        }
    }
}

/// Some events, in order, not decoded yet.
#[derive(Clone, Debug)]
pub struct UndecodedBatch {
    /// The ledger's events.
    pub events: Vec<Undecoded>,
    /// Position of the last event read, the ledger's or not: where to go on from.
    pub position: Position,
}

/// An event of the ledger as bytes.
#[derive(Clone, Debug)]
pub struct Undecoded(RecordedEvent);

impl Undecoded {
    /// The stream it is in.
    #[must_use]
    pub fn stream(&self) -> &Arc<str> {
        &self.0.stream
    }

    /// Its place in that stream, from 0.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.0.revision
    }

    /// Its place in the log.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.0.position
    }

    /// When the log recorded it.
    #[must_use]
    pub fn recorded_at(&self) -> DateTime<Utc> {
        time_of(&self.0)
    }

    /// What it belongs to: see [`ledger_core::Metadata`].
    ///
    /// # Errors
    /// [`StoreError::Undecodable`].
    pub fn correlation_id(&self) -> Result<Cow<'_, str>, StoreError> {
        Ok(decode_metadata(&self.0)?.correlation_id)
    }

    /// The event itself.
    ///
    /// # Errors
    /// [`StoreError::Undecodable`].
    pub fn decode(self) -> Result<Recorded, StoreError> {
        decode_own(self.0)
    }
}
