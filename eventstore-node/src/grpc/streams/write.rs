//! What Append and BatchAppend share: from a proposed message to an event on disk.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tonic::Status;

use crate::error::{AppendError, ReadError};
use crate::event::{Direction, ExpectedRevision, ProposedEvent, ReadLimit, StreamAppend, StreamFrom};
use crate::grpc::server::Server;
use crate::grpc::status;
use crate::grpc::wire::{AppendSuccess, Empty, MaybePosition, ProposedMessage};

/// Why an append was not made, or is not known to be.
pub(crate) enum WriteError {
    /// The engine says why.
    Append(AppendError),
    /// It took too long; it may still be made.
    Timeout,
}

/// The event that a client proposes.
pub(crate) fn proposed_event(message: ProposedMessage) -> Result<ProposedEvent, Status> {
    let (Some(event_type), Some(content_type)) = (message.metadata("type"), message.metadata("content-type"))
    else {
        return Err(status::missing_metadata());
    };
    let event_type = std::str::from_utf8(event_type)
        .map_err(|_| Status::invalid_argument("The event's type is not UTF-8."))?
        .to_owned();
    let is_json = content_type == "application/json";
    let id = message.id.as_ref().and_then(|id| id.read()).ok_or_else(status::handler_exception)?;
    let event_type = Cow::Owned(event_type);
    Ok(ProposedEvent { id, event_type, is_json, data: message.data, metadata: message.custom_metadata })
}

/// Makes an append and waits for the disk.
pub(crate) async fn write(
    server: &Arc<Server>,
    append: StreamAppend,
    within: Duration,
) -> Result<AppendSuccess, WriteError> {
    if append.events.is_empty() {
        return write_nothing(server, append).await.map_err(WriteError::Append);
    }
    match tokio::time::timeout(within, server.node.append(vec![append])).await {
        Ok(Ok(appended)) => {
            let last = appended.streams.first();
            Ok(success(last.map(|last| last.revision), last.map(|last| last.position)))
        }
        Ok(Err(error)) => Err(WriteError::Append(error)),
        Err(_) => Err(WriteError::Timeout),
    }
}

fn success(revision: Option<u64>, position: Option<u64>) -> AppendSuccess {
    let nowhere = MaybePosition::NoPosition(Empty {});
    AppendSuccess {
        current_revision: Some(revision.into()),
        position: Some(position.map_or(nowhere, |position| MaybePosition::Position(position.into()))),
    }
}

/// An append of no event only compares the stream with what is expected of it.
async fn write_nothing(server: &Arc<Server>, append: StreamAppend) -> Result<AppendSuccess, AppendError> {
    let (node, stream, expected) = (server.node.clone(), append.stream.clone(), append.expected);
    let look = move || node.read_stream(&stream, StreamFrom::End, Direction::Forward, ReadLimit::events(0));
    let read =
        tokio::task::spawn_blocking(look).await.map_err(|_| AppendError::ShuttingDown)?.map_err(|error| {
            match error {
                ReadError::ShuttingDown => AppendError::ShuttingDown,
                error => AppendError::Read(error),
            }
        })?;
    let current = read.last_revision;
    let as_expected = match expected {
        ExpectedRevision::Any => true,
        ExpectedRevision::NoStream => !read.exists,
        ExpectedRevision::StreamExists => read.exists,
        ExpectedRevision::Exact(revision) => current == Some(revision),
    };
    if as_expected {
        return Ok(success(current, None));
    }
    Err(AppendError::WrongExpectedRevision { stream: append.stream, append_index: 0, expected, current })
}
