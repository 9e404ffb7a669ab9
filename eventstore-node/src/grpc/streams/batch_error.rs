//! Why an append of a batch was not made, as the message that clients tell it by.

use prost::Message;
use tonic::Code;

use crate::error::{AppendError, ReadError};
use crate::event::ExpectedRevision;
use crate::grpc::receiving::TooMuch;
use crate::grpc::wire::{
    Any, AppendSuccess, BadRequest, BatchAppendResult, Empty, MaximumAppendSizeExceeded, RpcStatus,
    StreamDeleted, StreamIdentifier, WrongExpectedVersion,
};

/// How an append of a batch ended.
pub(crate) type BatchResult = Result<AppendSuccess, BatchError>;

/// Why it was not made.
#[derive(Debug)]
pub(crate) enum BatchError {
    WrongExpectedVersion {
        expected: ExpectedRevision,
        current: Option<u64>,
    },
    StreamDeleted,
    Timeout,
    TooLarge {
        limit: usize,
    },
    BadRequest(String),
    /// Anything else, in words for the log.
    Unknown(String),
}

impl From<AppendError> for BatchError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::WrongExpectedRevision { expected, current, .. } => {
                Self::WrongExpectedVersion { expected, current }
            }
            AppendError::StreamDeleted { .. } | AppendError::Read(ReadError::StreamDeleted { .. }) => {
                Self::StreamDeleted
            }
            AppendError::TooLarge { .. } | AppendError::Invalid { .. } => Self::BadRequest(error.to_string()),
            // What passes, and a client may try again.
            AppendError::Busy { .. } | AppendError::ShuttingDown => Self::Timeout,
            AppendError::StorageFull { .. }
            | AppendError::Poisoned { .. }
            | AppendError::Corrupt(_)
            | AppendError::Read(_) => Self::Unknown(error.to_string()),
        }
    }
}

impl From<TooMuch> for BatchError {
    fn from(error: TooMuch) -> Self {
        match error {
            TooMuch::Append { limit } => Self::TooLarge { limit },
            TooMuch::Busy => Self::Timeout,
        }
    }
}

/// The result on the wire. The message is the detail's name: some clients see nothing else.
pub(crate) fn result(result: BatchResult, stream: &StreamIdentifier) -> BatchAppendResult {
    let error = match result {
        Ok(success) => return BatchAppendResult::Success(success),
        Err(error) => error,
    };
    let (code, name, value) = match error {
        BatchError::WrongExpectedVersion { expected, current } => {
            let detail =
                WrongExpectedVersion { current: Some(current.into()), expected: Some(expected.into()) };
            (Code::AlreadyExists, "WrongExpectedVersion", detail.encode_to_vec())
        }
        BatchError::StreamDeleted => {
            let detail = StreamDeleted { stream_identifier: Some(stream.clone()) };
            (Code::NotFound, "StreamDeleted", detail.encode_to_vec())
        }
        BatchError::Timeout => (Code::DeadlineExceeded, "Timeout", Empty {}.encode_to_vec()),
        BatchError::TooLarge { limit } => {
            let max_append_size = u32::try_from(limit).unwrap_or(u32::MAX);
            let detail = MaximumAppendSizeExceeded { max_append_size };
            (Code::InvalidArgument, "MaximumAppendSizeExceeded", detail.encode_to_vec())
        }
        BatchError::BadRequest(message) => {
            (Code::InvalidArgument, "BadRequest", BadRequest { message }.encode_to_vec())
        }
        BatchError::Unknown(reason) => {
            tracing::error!(reason, "an append of a batch was not made");
            (Code::Unknown, "Unknown", Empty {}.encode_to_vec())
        }
    };
    let details = Any { type_url: format!("type.googleapis.com/event_store.client.{name}"), value };
    BatchAppendResult::Error(RpcStatus {
        code: code as i32,
        message: name.to_owned(),
        details: Some(details),
    })
}
