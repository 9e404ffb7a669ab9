//! Reading and decoding ahead, while Postgres writes.

use std::sync::Arc;
use std::time::Duration;

use ledger_core::Position;
use ledger_streams::{Batch, EventStore, StoreError};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::outage::Outage;

/// Chunks of the greatest batch. Who follows the end of the log reads many small ones.
const CHUNKS: usize = 16;
/// Pause after the log's last event, so that those which come meanwhile are read together.
const GATHERING: Duration = Duration::from_millis(2);

/// A subscription that reads ahead, in a task of its own.
pub(crate) struct Reader {
    chunks: UnboundedReceiver<Read>,
    /// What the last batch ended before.
    failed: Option<StoreError>,
    _task: AbortOnDropHandle<()>,
}

/// What was read, and the room it takes until it is in a batch.
type Read = Result<(Batch, OwnedSemaphorePermit), StoreError>;

impl Reader {
    /// Reads what comes after a position, at most `events_max` at once and as many ahead.
    pub(crate) fn start(store: EventStore, after: Position, events_max: usize) -> Self {
        let events_max = events_max.max(1);
        // Bounded by the room.
        let (sender, chunks) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(events_max));
        let task = tokio::spawn(read(store, after, events_max.div_ceil(CHUNKS), room, sender));
        Self { chunks, failed: None, _task: AbortOnDropHandle::new(task) }
    }

    /// Everything that is ready, at least one event's worth; waits for it. Dropping the future loses nothing.
    ///
    /// # Errors
    /// What cannot be read and does not pass by itself. The events before it were returned.
    pub(crate) async fn next(&mut self) -> Result<Batch, StoreError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let ended = || Err(StoreError::Unavailable("the reader ended".into()));
        // There is no room for more before all of it is here: a reader that is faster would never let us go.
        let (mut batch, mut room) = self.chunks.recv().await.unwrap_or_else(ended)?;
        while let Ok(chunk) = self.chunks.try_recv() {
            match chunk {
                Ok((chunk, taken)) => {
                    room.merge(taken);
                    batch.events.extend(chunk.events);
                    batch.position = chunk.position;
                    batch.caught_up = chunk.caught_up;
                }
                Err(error) => self.failed = Some(error),
            }
        }
        Ok(batch)
    }
}

/// Sends chunks until nobody wants them, or until one cannot be read.
async fn read(
    store: EventStore,
    mut after: Position,
    chunk_events_max: usize,
    room: Arc<Semaphore>,
    chunks: UnboundedSender<Read>,
) {
    let mut outage = Outage::new("the event store", Duration::from_secs(10));
    let mut subscription = store.subscribe((after > 0).then_some(after));
    let mut events_max = chunk_events_max;
    loop {
        match subscription.next(events_max).await {
            Ok(batch) => {
                after = batch.position;
                // One without events takes some, too.
                let events = u32::try_from(batch.events.len().clamp(1, chunk_events_max)).unwrap_or(1);
                let Ok(taken) = Arc::clone(&room).acquire_many_owned(events).await else { return };
                let caught_up = batch.caught_up;
                if chunks.send(Ok((batch, taken))).is_err() {
                    return;
                }
                if caught_up {
                    sleep(GATHERING).await;
                }
            }
            Err(error) if error.is_transient() => {
                outage.wait(&error).await;
                subscription = store.subscribe((after > 0).then_some(after));
            }
            // The events before it were lost with it: read them again, one by one.
            Err(StoreError::Undecodable { .. }) if events_max > 1 => {
                events_max = 1;
                subscription = store.subscribe((after > 0).then_some(after));
            }
            Err(error) => {
                // A receiver that is gone does not need to know.
                let _ = chunks.send(Err(error));
                return;
            }
        }
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
