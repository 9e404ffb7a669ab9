//! Append: the options, then the events, all of them one append.

use std::sync::Arc;

use tonic::{Status, Streaming};

use super::write::{WriteError, proposed_event, write};
use crate::error::AppendError;
use crate::event::StreamAppend;
use crate::grpc::limits::WRITE_TIMEOUT;
use crate::grpc::receiving::Receiving;
use crate::grpc::server::Server;
use crate::grpc::status;
use crate::grpc::wire::{
    AppendContent, AppendReq, AppendResp, AppendResult, AppendWrongVersion, expected_revision, stream_name,
};

/// Makes one append of what the client streams.
pub(crate) async fn append(
    server: &Arc<Server>,
    mut messages: Streaming<AppendReq>,
) -> Result<AppendResp, Status> {
    let options = match messages.message().await.map_err(status::receiving)?.and_then(|first| first.content) {
        Some(AppendContent::Options(options)) => options,
        _ => return Err(Status::invalid_argument("The first message of an append must be its options.")),
    };
    let stream = stream_name(options.stream_identifier.as_ref())?;
    let expected = expected_revision(options.expected)?;
    let mut receiving = Receiving::new(server);
    let mut events = Vec::with_capacity(1);
    while let Some(message) = messages.message().await.map_err(status::receiving)? {
        let Some(AppendContent::ProposedMessage(message)) = message.content else {
            return Err(Status::invalid_argument("An append has its options once, then events."));
        };
        let event = proposed_event(message)?;
        receiving.add(&event)?;
        events.push(event);
    }
    let append = StreamAppend { stream, expected, follows: None, events };
    let result = match write(server, append, WRITE_TIMEOUT).await {
        Ok(success) => AppendResult::Success(success),
        Err(WriteError::Append(AppendError::WrongExpectedRevision { expected, current, .. })) => {
            AppendResult::WrongExpectedVersion(AppendWrongVersion::new(expected, current))
        }
        Err(WriteError::Append(error)) => return Err(status::from_append(error)),
        Err(WriteError::Timeout) => return Err(status::write_timeout()),
    };
    Ok(AppendResp { result: Some(result) })
}
