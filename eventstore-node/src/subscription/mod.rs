//! Catch-up subscriptions: every event after a place, each once, in order, for as long as one asks. A subscription is a
//! place in the log and nothing else: it reads, and where there is nothing to read it waits for the log to grow. A slow
//! one costs nothing but its own delay.

mod stream;

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::ReadError;
use crate::event::{Position, RecordedEvent};
use crate::limits::{READ_CHUNK_BYTES, SEGMENT_HEADER_BYTES, WARM_BYTES};
use crate::log::reader::{Forward, after};
use crate::shared::{Durable, Shared};
pub use stream::StreamSubscription;

/// Bytes of log one batch of events is made of at most, so that a batch on the caller's thread is short.
const BATCH_BYTES: usize = READ_CHUNK_BYTES;

/// Waits until there may be something new.
async fn changed<T>(receiver: &mut watch::Receiver<T>) -> Result<(), ReadError> {
    receiver.changed().await.map_err(|_| ReadError::ShuttingDown)
}

/// Runs a read on this thread if what it reads is in the page cache for sure, on a thread for blocking work otherwise.
async fn read<T: Send + 'static>(
    warm: bool,
    read: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    if warm {
        return read();
    }
    tokio::task::spawn_blocking(read).await.map_err(|_| ReadError::ShuttingDown)?
}

/// All events of the log after a position.
pub struct AllSubscription {
    shared: Arc<Shared>,
    durable: watch::Receiver<Durable>,
    /// Where the next event begins; `Err`: after the event at this position, which is still to be looked for.
    next: Result<Position, Position>,
    /// The event returned last: the next one must name it as the one before it. 0: unknown.
    last: Position,
}

/// Events read for a subscription, and where to go on.
struct Batch {
    events: Vec<RecordedEvent>,
    next: Position,
    last: Position,
}

impl AllSubscription {
    pub(crate) fn new(shared: Arc<Shared>, after: Option<Position>) -> Self {
        let durable = shared.durable.subscribe();
        Self { shared, durable, next: after.map_or(Ok(SEGMENT_HEADER_BYTES), Err), last: 0 }
    }

    /// The next events, at least one and at most `max_events` (0 counts as 1), waiting for one if need be.
    ///
    /// Cancel-safe: if the future is dropped, the next call returns what this one would have.
    ///
    /// # Errors
    /// The log is corrupt or cannot be read; the same place is tried again by the next call. `ShuttingDown` when the
    /// node is shut down and everything was returned.
    pub async fn next_batch(&mut self, max_events: usize) -> Result<Vec<RecordedEvent>, ReadError> {
        loop {
            let durable = *self.durable.borrow_and_update();
            if self.is_before(durable.end) {
                let (shared, next, last, end) = (self.shared.clone(), self.next, self.last, durable.end);
                let warm = durable.end - next.unwrap_or_else(|after| after) <= WARM_BYTES;
                let batch = read(warm, move || shared.read_after(next, last, end, max_events.max(1))).await?;
                (self.next, self.last) = (Ok(batch.next), batch.last);
                if !batch.events.is_empty() {
                    return Ok(batch.events);
                }
            } else if durable.closed {
                return Err(ReadError::ShuttingDown);
            } else {
                changed(&mut self.durable).await?;
            }
        }
    }

    /// Whether everything durable now has been returned.
    #[must_use]
    pub fn caught_up(&self) -> bool {
        let durable = self.shared.durable();
        match self.next {
            Ok(next) => next >= durable.end,
            Err(after) => after >= durable.head,
        }
    }

    fn is_before(&self, end: Position) -> bool {
        self.next.unwrap_or_else(|after| after) < end
    }
}

impl Shared {
    /// Events from a place on. `last`: the event before that place, 0 if unknown.
    fn read_after(
        &self,
        from: Result<Position, Position>,
        last: Position,
        end: Position,
        max_events: usize,
    ) -> Result<Batch, ReadError> {
        let mut reader = match from {
            Ok(next) => Forward::new(&self.log, next, end, BATCH_BYTES).following(last),
            Err(position) => after(&self.log, position, end, BATCH_BYTES)?,
        };
        let mut events = Vec::new();
        let mut bytes = 0;
        while events.len() < max_events && bytes < BATCH_BYTES {
            let Some(found) = reader.next()? else { break };
            bytes += found.record.len;
            events.push(found.event(&self.types));
        }
        Ok(Batch { events, next: reader.position(), last: reader.last() })
    }
}
