//! Writing what is queued.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use eventstore::{AppendToStreamOptions, EventData, StreamState};
use eventstore_node::{ExpectedRevision, ProposedEvent, RecordedEvent, StreamAppend};
use futures::FutureExt;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::calls::{Calls, Refusal};
use super::group::Group;
use super::queue::{GroupFailure, Outcome, Queue};
use crate::store::{AppendFailure, Placed};
use crate::{CALL_TIMEOUT, QUEUED_APPENDS_MAX, StoreError};

/// Where appends go. It must not matter how often the same is written: ids say what is a repetition.
pub(crate) trait Write: Send + Sync + 'static {
    /// Writes a group as one append.
    fn write(&self, stream: &Arc<str>, group: &Group)
    -> impl Future<Output = Result<Placed, Refusal>> + Send;
}

/// Appends under way.
pub(crate) struct Lanes<W> {
    writer: Arc<W>,
    queue: Mutex<Queue>,
    places: Arc<Semaphore>,
}

/// A place in the queue.
pub(crate) struct Place<W> {
    lanes: Arc<Lanes<W>>,
    permit: OwnedSemaphorePermit,
}

/// Comes when a batch is written or has failed.
pub(crate) struct Answer(oneshot::Receiver<Outcome>);

impl<W: Write> Lanes<W> {
    pub(crate) fn new(writer: Arc<W>) -> Self {
        let places = Arc::new(Semaphore::new(QUEUED_APPENDS_MAX));
        Self { writer, queue: Mutex::new(Queue::new()), places }
    }

    pub(crate) async fn reserve(self: &Arc<Self>) -> Result<Place<W>, StoreError> {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        let permit = permit.map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
        Ok(Place { lanes: Arc::clone(self), permit })
    }

    /// Takes note of events that are in the log.
    pub(crate) fn seen(&self, events: &[RecordedEvent]) {
        self.queue.lock().seen(events.iter().map(|event| event.id));
    }

    fn start(self: &Arc<Self>, stream: Arc<str>) {
        tokio::spawn(Arc::clone(self).run(stream));
    }

    /// Writes what is ready in a lane until nothing is.
    async fn run(self: Arc<Self>, stream: Arc<str>) {
        let mut next = self.queue.lock().take(&stream);
        while let Some(group) = next {
            // The client panics on answers it does not expect; the lane must not stand still for it.
            let appended = AssertUnwindSafe(self.writer.write(&stream, &group)).catch_unwind().await;
            let gone = |_| Err(Refusal::Store(StoreError::Unavailable("the client panicked".into())));
            let others = match appended.unwrap_or_else(gone) {
                Ok(last) => self.queue.lock().written(&stream, last),
                Err(Refusal::Store(error)) if error.is_transient() => {
                    self.queue.lock().failed(&stream, &GroupFailure::Store(error))
                }
                // Which part is to blame? The first may be a repetition, which a server does not see when new events follow.
                Err(_) if group.parts > 1 => {
                    next = self.queue.lock().split(&stream);
                    continue;
                }
                Err(Refusal::Conflict) => self.queue.lock().failed(&stream, &GroupFailure::Conflict),
                Err(Refusal::Store(error)) => self.queue.lock().failed(&stream, &GroupFailure::Store(error)),
                Err(Refusal::NotFound) => {
                    let error = StoreError::Broken("it does not know what an append is".into());
                    self.queue.lock().failed(&stream, &GroupFailure::Store(error))
                }
            };
            for other in others {
                self.start(other);
            }
            next = self.queue.lock().take(&stream);
        }
    }
}

impl Write for Calls {
    async fn write(&self, stream: &Arc<str>, group: &Group) -> Result<Placed, Refusal> {
        let state = match group.expected {
            ExpectedRevision::Any => StreamState::Any,
            ExpectedRevision::NoStream => StreamState::NoStream,
            ExpectedRevision::StreamExists => StreamState::StreamExists,
            ExpectedRevision::Exact(revision) => StreamState::StreamRevision(revision),
        };
        let options =
            AppendToStreamOptions::default().stream_state(state).requires_leader(true).deadline(CALL_TIMEOUT);
        let written = self.call(|client| {
            let (stream, options) = (Arc::clone(stream), options.clone());
            let events: Vec<_> = group.events.iter().map(proposed).collect();
            async move { client.append_to_stream(&*stream, &options, events).await }
        });
        let written = written.await?;
        Ok(Placed { revision: written.next_expected_version, position: written.position.commit })
    }
}

impl<W: Write> Place<W> {
    /// Queues the batch, at once.
    pub(crate) fn submit(self, batch: Vec<StreamAppend>) -> Answer {
        let (sender, answer) = oneshot::channel();
        let lane = self.lanes.queue.lock().submit(batch, sender, Some(self.permit));
        if let Some(stream) = lane {
            self.lanes.start(stream);
        }
        Answer(answer)
    }
}

impl Answer {
    pub(crate) async fn placed(self) -> Outcome {
        let gone = |_| Err(AppendFailure::Store(StoreError::Unavailable("it was closed".into())));
        self.0.await.unwrap_or_else(gone)
    }
}

/// An event as the client wants it.
fn proposed(event: &ProposedEvent) -> EventData {
    let json = if event.is_json { serde_json::from_slice::<&RawValue>(&event.data).ok() } else { None };
    let data = json.and_then(|json| EventData::json(&event.event_type, &json).ok());
    let data = data.unwrap_or_else(|| EventData::binary(&event.event_type, event.data.clone()));
    data.id(event.id).metadata(event.metadata.clone())
}
