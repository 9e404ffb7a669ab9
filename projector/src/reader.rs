//! Reading and decoding ahead, while Postgres writes.

use std::time::Duration;

use ledger_core::Position;
use ledger_streams::{Batch, EventStore, StoreError};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::outage::Outage;

/// How many chunks may lie ready. A batch is all of them.
const CHUNKS_MAX: usize = 16;

/// A subscription that reads ahead, in a task of its own.
pub(crate) struct Reader {
    chunks: mpsc::Receiver<Result<Batch, StoreError>>,
    /// What the last batch ended before.
    failed: Option<StoreError>,
    _task: AbortOnDropHandle<()>,
}

impl Reader {
    /// Reads what comes after a position, at most `events_max` at once and as many ahead.
    pub(crate) fn start(store: EventStore, after: Position, events_max: usize) -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        let chunk_events_max = events_max.div_ceil(CHUNKS_MAX);
        let task = tokio::spawn(read(store, after, chunk_events_max, sender));
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
        let mut ready = Vec::new();
        self.chunks.recv_many(&mut ready, CHUNKS_MAX).await;
        let mut ready = ready.into_iter();
        let mut batch =
            ready.next().unwrap_or_else(|| Err(StoreError::Unavailable("the reader ended".into())))?;
        for chunk in ready {
            match chunk {
                Ok(chunk) => {
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
    chunks: mpsc::Sender<Result<Batch, StoreError>>,
) {
    let mut outage = Outage::new("the event store", Duration::from_secs(10));
    let mut subscription = store.subscribe((after > 0).then_some(after));
    let mut events_max = chunk_events_max;
    loop {
        match subscription.next(events_max).await {
            Ok(batch) => {
                after = batch.position;
                if chunks.send(Ok(batch)).await.is_err() {
                    return;
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
                let _ = chunks.send(Err(error)).await;
                return;
            }
        }
    }
}
