//! A store in memory that fails as it is told, for the simulation; no release has it. The log is one for all processes; each has a
//! connection of its own and a [`Fate`], which says what befalls it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use eventstore_node::{Direction, RecordedEvent, StreamAppend, StreamFrom, Uuid};
use ledger_core::Position;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

mod fate;
mod follower;
mod log;
mod server;

use server::{Outcome, Queued, Server, unavailable};

use super::AppendFailure;
use super::remote::{Answer, Lanes, Place};
use crate::{EventStore, StoreError};

pub use fate::{AppendFault, DeliveryFault, Fate, ReadFault};
pub(crate) use follower::Follower;
pub use log::SimulatedLog;

/// One process's connection to a simulated log. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Simulated {
    server: Server,
    writer: Writer,
}

#[derive(Clone)]
enum Writer {
    /// Batches are written whole.
    Whole(mpsc::UnboundedSender<Queued>),
    /// One part after the other, in the lanes that appends over the network go in.
    Parts(Arc<Lanes<Server>>),
}

/// A place in the queue of appends.
pub(crate) enum Reserved {
    Whole(mpsc::UnboundedSender<Queued>),
    Parts(Place<Server>),
}

/// Comes when a batch is written or has failed.
pub(crate) enum Underway {
    Whole(oneshot::Receiver<Outcome>),
    Parts(Answer),
}

impl SimulatedLog {
    /// A new process's connection. To be called where a tokio runtime runs.
    #[must_use]
    pub fn connect(&self, fate: Arc<dyn Fate>) -> Simulated {
        let server = Server { log: self.clone(), fate, crashed: CancellationToken::new() };
        let writer = if self.is_atomic() {
            let (sender, queue) = mpsc::unbounded_channel();
            tokio::spawn(server::write_whole(server.clone(), queue));
            Writer::Whole(sender)
        } else {
            Writer::Parts(Arc::new(Lanes::new(Arc::new(server.clone()))))
        };
        Simulated { server, writer }
    }
}

impl From<Simulated> for EventStore {
    fn from(simulated: Simulated) -> Self {
        Self::Simulated(simulated)
    }
}

impl Simulated {
    /// Ends the process: nothing it does from now on reaches anybody.
    pub fn crash(&self) {
        self.server.crashed.cancel();
    }

    /// Is cancelled when the process ends.
    #[must_use]
    pub fn crashed(&self) -> &CancellationToken {
        &self.server.crashed
    }

    pub(super) fn is_atomic(&self) -> bool {
        self.server.log.is_atomic()
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.server.fate.now()
    }

    pub(super) fn new_uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.server.fate.random().to_be_bytes()).into_uuid()
    }

    /// Position of the last event that a subscription gets to, by no way that anything can befall.
    pub(super) fn health(&self) -> Position {
        self.server.log.head()
    }

    pub(super) async fn head(&self) -> Result<Position, StoreError> {
        self.server.read(SimulatedLog::head).await
    }

    pub(super) async fn last_at(&self, position: Position) -> Result<Option<RecordedEvent>, StoreError> {
        self.server.read(|log| log.last_at(position)).await
    }

    pub(super) async fn read_newest(&self) -> Result<Option<RecordedEvent>, StoreError> {
        self.server.read(SimulatedLog::newest).await
    }

    pub(super) async fn read_all_from(
        &self,
        position: Position,
        max: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.server.read(|log| log.read_all_from(position, max)).await
    }

    pub(super) async fn stream_page(
        &self,
        stream: &str,
        from: StreamFrom,
        direction: Direction,
        max: usize,
    ) -> Result<(Vec<RecordedEvent>, bool), StoreError> {
        let page = self.server.read(|log| log.stream_page(stream, from, direction, max)).await?;
        if let Writer::Parts(lanes) = &self.writer {
            lanes.seen(&page.0);
        }
        Ok(page)
    }

    pub(super) async fn reserve(&self) -> Result<Reserved, StoreError> {
        match &self.writer {
            Writer::Whole(queue) => Ok(Reserved::Whole(queue.clone())),
            Writer::Parts(lanes) => Ok(Reserved::Parts(lanes.reserve().await?)),
        }
    }
}

impl Reserved {
    pub(super) fn submit(self, batch: Vec<StreamAppend>) -> Underway {
        match self {
            Self::Whole(queue) => {
                let (sender, answer) = oneshot::channel();
                // A queue that nobody reads any more loses the sender, which is an answer, too.
                queue.send((batch, sender)).ok();
                Underway::Whole(answer)
            }
            Self::Parts(place) => Underway::Parts(place.submit(batch)),
        }
    }
}

impl Underway {
    pub(super) async fn placed(self) -> Outcome {
        match self {
            Self::Whole(answer) => answer.await.unwrap_or_else(|_| Err(AppendFailure::Store(unavailable()))),
            Self::Parts(answer) => answer.placed().await,
        }
    }
}
