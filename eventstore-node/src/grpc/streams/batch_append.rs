//! BatchAppend: many appends on one call, in parts, each answered for itself when it is on disk, in any order.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::batch_error::{BatchError, BatchResult};
use super::write::{WriteError, proposed_event, write};
use crate::event::{ExpectedRevision, ProposedEvent, StreamAppend};
use crate::grpc::limits::{MAX_BATCH_APPENDS_IN_FLIGHT, MAX_PARTIAL_APPENDS, WRITE_TIMEOUT};
use crate::grpc::receiving::Receiving;
use crate::grpc::server::Server;
use crate::grpc::status;
use crate::grpc::wire::{
    BatchAppendOptions, BatchAppendReq, BatchAppendResp, Deadline, ProposedMessage, StreamIdentifier,
    Timestamp, Uuid, expected_revision, stream_name,
};

/// Answers that wait to be sent.
const ANSWERS_AHEAD: usize = 32;

/// The answers to a call's appends.
pub(crate) struct Answers(mpsc::Receiver<Result<BatchAppendResp, Status>>);

impl Stream for Answers {
    type Item = Result<BatchAppendResp, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Begins to make the appends that the client sends.
pub(crate) fn batch_append(server: &Arc<Server>, messages: Streaming<BatchAppendReq>) -> Answers {
    let (sender, answers) = mpsc::channel(ANSWERS_AHEAD);
    let task = run(server.clone(), messages, sender);
    server.tasks.spawn(task);
    Answers(answers)
}

/// Takes parts and gives answers until the client has no more of the one and has got all of the other.
async fn run(
    server: Arc<Server>,
    mut messages: Streaming<BatchAppendReq>,
    answers: mpsc::Sender<Result<BatchAppendResp, Status>>,
) {
    let mut partial: HashMap<Option<uuid::Uuid>, Partial> = HashMap::new();
    let mut writes = FuturesUnordered::new();
    let mut receiving = true;
    let end = loop {
        if !receiving && writes.is_empty() {
            break None;
        }
        tokio::select! {
            biased;
            () = answers.closed() => return,
            Some(answer) = writes.next() => {
                if answers.send(Ok(answer)).await.is_err() {
                    return;
                }
            }
            () = server.stop.cancelled(), if writes.is_empty() => break Some(status::stopping()),
            message = messages.message(), if receiving && writes.len() < MAX_BATCH_APPENDS_IN_FLIGHT => {
                match message.map_err(status::receiving) {
                    Ok(Some(message)) => {
                        if let Some(whole) = take(&server, &mut partial, message) {
                            match whole {
                                Ok(append) => writes.push(append.write(server.clone())),
                                Err(status) => break Some(status),
                            }
                        }
                    }
                    Ok(None) => receiving = false,
                    Err(status) => break Some(status),
                }
            }
        }
    };
    if let Some(status) = end {
        // An error means that the client is gone.
        let _ = answers.send(Err(status)).await;
    }
}

/// Adds a part to its append; returns that if it was the last part of it.
fn take(
    server: &Server,
    partial: &mut HashMap<Option<uuid::Uuid>, Partial>,
    message: BatchAppendReq,
) -> Option<Result<Partial, Status>> {
    let key = message.correlation_id.as_ref().and_then(Uuid::read);
    let mut append = match partial.remove(&key) {
        Some(append) => append,
        None if partial.len() >= MAX_PARTIAL_APPENDS => return Some(Err(status::too_busy())),
        None => Partial::new(server, message.correlation_id, message.options),
    };
    append.add(message.proposed_messages);
    if message.is_final {
        return Some(Ok(append));
    }
    partial.insert(key, append);
    None
}

/// An append whose parts are coming.
struct Partial {
    correlation_id: Option<Uuid>,
    stream_identifier: Option<StreamIdentifier>,
    within: Duration,
    receiving: Receiving,
    /// What it is, or what is wrong with it: said when its last part has come.
    append: Result<StreamAppend, BatchError>,
}

impl Partial {
    fn new(server: &Server, correlation_id: Option<Uuid>, options: Option<BatchAppendOptions>) -> Self {
        let options = options.unwrap_or_default();
        let append = begin(&options).map_err(|status| BatchError::BadRequest(status.message().to_owned()));
        Self {
            correlation_id,
            within: time_left(options.deadline),
            stream_identifier: options.stream_identifier,
            receiving: Receiving::new(server),
            append,
        }
    }

    fn add(&mut self, messages: Vec<ProposedMessage>) {
        let Ok(append) = &mut self.append else { return };
        for message in messages {
            match checked(&mut self.receiving, message) {
                Ok(event) => append.events.push(event),
                Err(error) => {
                    self.append = Err(error);
                    return;
                }
            }
        }
    }

    /// Makes the append.
    async fn write(self, server: Arc<Server>) -> BatchAppendResp {
        let stream_identifier = self.stream_identifier.unwrap_or_default();
        let result: BatchResult = match self.append {
            _ if self.within.is_zero() => Err(BatchError::Timeout),
            Err(error) => Err(error),
            Ok(append) => write(&server, append, self.within).await.map_err(|error| match error {
                WriteError::Append(error) => error.into(),
                WriteError::Timeout => BatchError::Timeout,
            }),
        };
        drop(self.receiving);
        BatchAppendResp {
            correlation_id: Some(self.correlation_id.unwrap_or_default()),
            result: Some(super::batch_error::result(result, &stream_identifier)),
            stream_identifier: Some(stream_identifier),
        }
    }
}

fn begin(options: &BatchAppendOptions) -> Result<StreamAppend, Status> {
    let stream = stream_name(options.stream_identifier.as_ref())?;
    let expected: ExpectedRevision = expected_revision(options.expected)?;
    Ok(StreamAppend { stream, expected, follows: None, events: Vec::new() })
}

fn checked(receiving: &mut Receiving, message: ProposedMessage) -> Result<ProposedEvent, BatchError> {
    let event =
        proposed_event(message).map_err(|status| BatchError::BadRequest(status.message().to_owned()))?;
    receiving.add(&event)?;
    Ok(event)
}

/// How long an append may take: what the client says, within what the server allows.
fn time_left(deadline: Option<Deadline>) -> Duration {
    let asked = match deadline {
        Some(Deadline::At(time)) => time.duration().saturating_sub(Timestamp::now().duration()),
        Some(Deadline::In(duration)) => duration.duration(),
        None => WRITE_TIMEOUT,
    };
    asked.min(WRITE_TIMEOUT)
}
