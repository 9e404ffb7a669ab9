//! Every error as a client sees it. Clients parse codes, trailers and even texts: they are EventStoreDB's to the letter.

use tonic::metadata::{AsciiMetadataKey, MetadataValue};
use tonic::{Code, Status};

use crate::error::{AppendError, ReadError};
use crate::event::ExpectedRevision;

/// What EventStoreDB says where it did not expect what a client sent.
const HANDLER_EXCEPTION: &str = "Exception was thrown by handler.";

/// A status with trailers, `exception` first. A value that is no header text is percent-encoded as UTF-8.
pub(crate) fn with_trailers(
    mut status: Status,
    exception: &'static str,
    trailers: &[(&'static str, &str)],
) -> Status {
    let metadata = status.metadata_mut();
    metadata.insert("exception", MetadataValue::from_static(exception));
    for (key, value) in trailers {
        if let Ok(value) = header_text(value).parse() {
            metadata.insert(AsciiMetadataKey::from_static(key), value);
        }
    }
    status
}

/// Printable ASCII as it is, everything else as `%XX`.
fn header_text(text: &str) -> String {
    let mut header = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' => header.push(char::from(byte)),
            _ => header.push_str(&format!("%{byte:02X}")),
        }
    }
    header
}

/// The stream was tombstoned.
pub(crate) fn stream_deleted(stream: &str) -> Status {
    let status = Status::failed_precondition(format!("Event stream '{stream}' is deleted."));
    with_trailers(status, "stream-deleted", &[("stream-name", stream)])
}

/// The event lacks its type or content type.
pub(crate) fn missing_metadata() -> Status {
    with_trailers(
        Status::invalid_argument("Required Metadata Property 'type,content-type' is missing."),
        "missing-required-metadata-property",
        &[("required-metadata-properties", "type,content-type")],
    )
}

/// The append is larger than allowed.
pub(crate) fn append_too_large(limit: usize) -> Status {
    with_trailers(
        Status::invalid_argument(format!("Maximum Append Size of {limit} Exceeded.")),
        "maximum-append-size-exceeded",
        &[("maximum-append-size", &limit.to_string())],
    )
}

/// A stream that was to be deleted is not as expected.
pub(crate) fn delete_wrong_version(stream: &str, expected: ExpectedRevision, current: Option<u64>) -> Status {
    let expected = match expected {
        ExpectedRevision::Exact(revision) => revision.to_string(),
        ExpectedRevision::NoStream => "-1".to_owned(),
        ExpectedRevision::Any => "-2".to_owned(),
        ExpectedRevision::StreamExists => "-4".to_owned(),
    };
    let actual = current.map_or_else(|| "-1".to_owned(), |revision| revision.to_string());
    with_trailers(
        Status::failed_precondition(format!(
            "Delete failed due to WrongExpectedVersion. Stream: {stream}, Expected version: {expected}, Actual version: {actual}"
        )),
        "wrong-expected-version",
        &[("stream-name", stream), ("expected-version", &expected), ("actual-version", &actual)],
    )
}

/// The write took too long; it may still be made.
pub(crate) fn write_timeout() -> Status {
    Status::aborted("Operation timed out: the write was not acknowledged in time.")
}

/// More is asked for than this server does at once.
pub(crate) fn too_busy() -> Status {
    Status::unavailable("Server Is Too Busy")
}

/// The server is being stopped.
pub(crate) fn stopping() -> Status {
    Status::unavailable("Server Is Not Ready: it is shutting down")
}

/// The client is gone. Nobody hears it.
pub(crate) fn client_gone() -> Status {
    Status::cancelled("The client is gone.")
}

/// A subscriber took nothing for too long.
pub(crate) fn consumer_too_slow() -> Status {
    Status::aborted("Consumer too slow")
}

/// EventStoreDB's answer to what it has no words for.
pub(crate) fn handler_exception() -> Status {
    Status::unknown(HANDLER_EXCEPTION)
}

/// What went wrong while a client's message was received.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn receiving(status: Status) -> Status {
    match status.code() {
        Code::OutOfRange => {
            Status::resource_exhausted("Received message exceeds the maximum configured message size.")
        }
        _ => status,
    }
}

/// An append that was not made; wrong expected revisions have answers of their own.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn from_append(error: AppendError) -> Status {
    match error {
        AppendError::Invalid { .. } => handler_exception(),
        AppendError::TooLarge { .. } => Status::invalid_argument(error.to_string()),
        AppendError::Busy { .. } => too_busy(),
        AppendError::ShuttingDown => stopping(),
        AppendError::StreamDeleted { stream } => stream_deleted(&stream),
        AppendError::Read(error) => from_read(error),
        AppendError::WrongExpectedRevision { .. } => Status::failed_precondition(error.to_string()),
        AppendError::Corrupt(_) => Status::data_loss(error.to_string()),
        AppendError::StorageFull { .. } | AppendError::Poisoned { .. } => {
            Status::unavailable(error.to_string())
        }
    }
}

/// A read that failed.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn from_read(error: ReadError) -> Status {
    match error {
        ReadError::ShuttingDown => stopping(),
        ReadError::StreamDeleted { stream } => stream_deleted(&stream),
        ReadError::Corrupt(_) => Status::data_loss(error.to_string()),
        ReadError::File(_) | ReadError::Index { .. } => Status::internal(error.to_string()),
    }
}
