//! Handing a batch to the writer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::sync::{mpsc, oneshot};

use crate::deletion::Deletion;
use crate::error::AppendError;
use crate::event::{Appended, StreamAppend};
use crate::limits::{MAX_BATCH_EVENTS, MAX_BATCH_STREAMS, MAX_EVENT_TYPE_BYTES, MAX_STREAM_NAME_BYTES};
use crate::log::record::encoded_len;
use crate::metadata::original;
use crate::shared::Shared;
use crate::writer::{Change, Message, Request};

/// Bounds of what waits for the writer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    /// Bytes of one batch in the log.
    pub(crate) batch_bytes: usize,
    /// Bytes of all batches that wait.
    pub(crate) queue_bytes: usize,
}

/// A place in the writer's queue. Dropping it gives the place back.
#[must_use = "a slot is a place in the queue; submit a batch with it"]
pub struct Slot {
    pub(crate) permit: mpsc::OwnedPermit<Message>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) limits: QueueLimits,
}

impl Slot {
    /// Queues a batch. Does not wait: the order of the calls is the order of the batches in the log, and each batch is
    /// checked against the streams as the ones before it leave them. The batch is written whatever becomes of the
    /// returned future.
    pub fn submit(self, batch: Vec<StreamAppend>) -> Pending {
        let bytes = checked_len(&batch, self.limits.batch_bytes);
        self.queue(Change::Append(batch), bytes)
    }

    /// Queues the deletion of a stream.
    pub(crate) fn submit_deletion(self, deletion: Deletion) -> Pending {
        let bytes = deletion.checked_len();
        self.queue(Change::Delete(deletion), bytes)
    }

    /// `bytes`: what the change takes in the log.
    fn queue(self, change: Change, bytes: Result<usize, AppendError>) -> Pending {
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => return Pending::refused(self.shared, error),
        };
        let queued = self.shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if queued > self.limits.queue_bytes.max(bytes) {
            self.shared.dequeued(bytes);
            return Pending::refused(
                self.shared,
                AppendError::Busy { queued, limit: self.limits.queue_bytes },
            );
        }
        let (answer, outcome) = oneshot::channel();
        let gone = self.shared.writer_gone.read();
        if *gone {
            drop(gone);
            self.shared.dequeued(bytes);
            let error = self.shared.why_ended();
            return Pending::refused(self.shared, error);
        }
        self.permit.send(Message::Change(Request { change, bytes, answer }));
        drop(gone);
        Pending { shared: self.shared, state: State::Queued(outcome) }
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

/// A queued batch; resolves when it is on disk or refused.
#[must_use = "the batch is not known to be on disk before this resolves"]
pub struct Pending {
    shared: Arc<Shared>,
    state: State,
}

enum State {
    Refused(Option<AppendError>),
    Queued(oneshot::Receiver<Result<Appended, AppendError>>),
}

impl Pending {
    fn refused(shared: Arc<Shared>, error: AppendError) -> Self {
        Self { shared, state: State::Refused(Some(error)) }
    }
}

impl Future for Pending {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Refused(error) => Poll::Ready(Err(error.take().unwrap_or(AppendError::ShuttingDown))),
            // Without an answer the writer has ended: by a shutdown, or by a failure that says so.
            State::Queued(outcome) => Pin::new(outcome).poll(context).map(|outcome| match outcome {
                Ok(outcome) => outcome,
                Err(_) => Err(self.shared.why_ended()),
            }),
        }
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

fn at_most(what: &'static str, size: usize, limit: usize) -> Result<(), AppendError> {
    if size > limit { Err(AppendError::TooLarge { what, size, limit }) } else { Ok(()) }
}

/// A stream with the longest name can have metadata, too.
pub(crate) fn check_name(stream: &str) -> Result<(), AppendError> {
    let name = original(stream).unwrap_or(stream);
    if name.is_empty() {
        return Err(AppendError::Invalid { reason: "a stream needs a name" });
    }
    at_most("the stream name's length in bytes", name.len(), MAX_STREAM_NAME_BYTES)
}

/// Bytes the batch takes in the log, if it keeps to the limits.
fn checked_len(batch: &[StreamAppend], limit: usize) -> Result<usize, AppendError> {
    let invalid = |reason| Err(AppendError::Invalid { reason });
    if batch.is_empty() {
        return invalid("a batch needs at least one stream");
    }
    at_most("the batch's number of streams", batch.len(), MAX_BATCH_STREAMS)?;
    let (mut events, mut bytes) = (0_usize, 0_usize);
    for part in batch {
        check_name(&part.stream)?;
        if part.events.is_empty() {
            return invalid("an append needs at least one event");
        }
        events += part.events.len();
        for event in &part.events {
            if event.id.is_nil() {
                return invalid("an event needs an id that is not nil");
            }
            if event.event_type.is_empty() {
                return invalid("an event needs a type");
            }
            at_most("the event type's length in bytes", event.event_type.len(), MAX_EVENT_TYPE_BYTES)?;
            let len = encoded_len(
                part.stream.len(),
                event.event_type.len(),
                event.data.len(),
                event.metadata.len(),
            );
            bytes = bytes.saturating_add(len);
        }
    }
    at_most("the batch's number of events", events, MAX_BATCH_EVENTS)?;
    at_most("the batch's length in bytes", bytes, limit)?;
    Ok(bytes)
}
