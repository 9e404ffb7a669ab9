//! Appending through either engine.

use eventstore_node::{AppendError, ExpectedRevision, Pending, Slot, StreamAppend};
use ledger_core::Position;

use super::remote;
#[cfg(feature = "simulation")]
use super::simulated;
use crate::StoreError;

/// How an append went wrong.
#[derive(Clone, Debug)]
pub(crate) enum AppendFailure {
    /// The part of this index found its stream in another state than expected. Nothing at or after it was written; what comes before it
    /// was, unless the store appends a batch whole ([`crate::EventStore::is_atomic`]).
    Conflict(usize),
    /// The store could not do it. Over the network parts of it may be written, or may yet be: repeating it is safe, for ids say what is
    /// a repetition.
    Store(StoreError),
}

/// A place in the queue of appends.
pub(crate) enum Reservation {
    Embedded(Slot),
    EventStoreDb(remote::Place<remote::Calls>),
    #[cfg(feature = "simulation")]
    Simulated(simulated::Reserved),
}

/// An append under way.
pub(crate) enum Submitted {
    Embedded(Pending),
    EventStoreDb(remote::Answer),
    #[cfg(feature = "simulation")]
    Simulated(simulated::Underway),
}

/// Where the last event of one part of a batch came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) revision: u64,
    /// Over the network this may be a later event's position, for parts with an exact revision that were written together with others
    /// of their stream: a position at which the part is in the log, not the first such. The part that begins a stream has its own.
    pub(crate) position: Position,
}

impl Reservation {
    /// Queues the batch, at once: of what goes to one stream, what is submitted first stands first.
    pub(crate) fn submit(self, batch: Vec<StreamAppend>) -> Submitted {
        match self {
            Self::Embedded(slot) => Submitted::Embedded(slot.submit(batch)),
            Self::EventStoreDb(place) => Submitted::EventStoreDb(place.submit(batch)),
            #[cfg(feature = "simulation")]
            Self::Simulated(place) => Submitted::Simulated(place.submit(batch)),
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
            Self::EventStoreDb(answer) => answer.placed().await,
            #[cfg(feature = "simulation")]
            Self::Simulated(answer) => answer.placed().await,
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
