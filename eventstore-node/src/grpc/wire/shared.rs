//! `event_store.client`: what the services share.

use std::sync::Arc;

use bytes::Bytes;
use tonic::Status;

use crate::grpc::limits::MAX_POSITION;
use crate::{ExpectedRevision, Position};

/// `Empty`, and `google.protobuf.Empty`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Empty {}

/// `UUID`, in either of its forms.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Uuid {
    #[prost(oneof = "UuidValue", tags = "1, 2")]
    pub(crate) value: Option<UuidValue>,
}

/// The forms of a `UUID`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum UuidValue {
    #[prost(message, tag = "1")]
    Structured(StructuredUuid),
    #[prost(string, tag = "2")]
    String(String),
}

/// `UUID.Structured`: two big-endian halves.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct StructuredUuid {
    #[prost(int64, tag = "1")]
    pub(crate) most_significant_bits: i64,
    #[prost(int64, tag = "2")]
    pub(crate) least_significant_bits: i64,
}

impl From<uuid::Uuid> for StructuredUuid {
    fn from(uuid: uuid::Uuid) -> Self {
        let (most, least) = uuid.as_u64_pair();
        Self { most_significant_bits: most as i64, least_significant_bits: least as i64 }
    }
}

impl Uuid {
    /// The two halves.
    pub(crate) fn structured(uuid: uuid::Uuid) -> Self {
        Self { value: Some(UuidValue::Structured(uuid.into())) }
    }

    /// The id in it; `None` if there is none that can be read.
    pub(crate) fn read(&self) -> Option<uuid::Uuid> {
        match self.value.as_ref()? {
            UuidValue::Structured(halves) => Some(uuid::Uuid::from_u64_pair(
                halves.most_significant_bits as u64,
                halves.least_significant_bits as u64,
            )),
            UuidValue::String(text) => uuid::Uuid::try_parse(text).ok(),
        }
    }
}

/// `StreamIdentifier`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamIdentifier {
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) stream_name: Bytes,
}

impl StreamIdentifier {
    /// Of a stream.
    pub(crate) fn of(stream: &str) -> Self {
        Self { stream_name: Bytes::copy_from_slice(stream.as_bytes()) }
    }
}

/// The stream's name in an identifier that must be there. Clients take names for UTF-8 without looking.
pub(crate) fn stream_name(identifier: Option<&StreamIdentifier>) -> Result<Arc<str>, Status> {
    let name = identifier.map_or(&[][..], |identifier| &identifier.stream_name);
    match std::str::from_utf8(name) {
        Ok("") => Err(Status::invalid_argument("Required field stream_identifier is missing.")),
        Ok(name) => Ok(name.into()),
        Err(_) => Err(Status::invalid_argument("The stream name is not UTF-8.")),
    }
}

/// A place in the log: `AllStreamPosition`, and the messages named `Position` in other packages.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct AllPosition {
    #[prost(uint64, tag = "1")]
    pub(crate) commit_position: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) prepare_position: u64,
}

impl From<Position> for AllPosition {
    fn from(position: Position) -> Self {
        Self { commit_position: position, prepare_position: position }
    }
}

impl AllPosition {
    /// The place; the prepare position is the same one wherever a position was given out here.
    pub(crate) fn read(self) -> Result<Position, Status> {
        if self.commit_position > MAX_POSITION || self.prepare_position > self.commit_position {
            return Err(Status::invalid_argument(format!(
                "The position C:{}/P:{} is invalid.",
                self.commit_position, self.prepare_position
            )));
        }
        Ok(self.commit_position)
    }
}

/// The oneof `expected_stream_revision` of `AppendReq.Options`, `DeleteReq.Options` and `TombstoneReq.Options`, and
/// `expected_stream_position` of `BatchAppendReq.Options`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum Expected {
    #[prost(uint64, tag = "2")]
    Revision(u64),
    #[prost(message, tag = "3")]
    NoStream(Empty),
    #[prost(message, tag = "4")]
    Any(Empty),
    #[prost(message, tag = "5")]
    StreamExists(Empty),
}

/// The expected revision, which must be there.
pub(crate) fn expected_revision(expected: Option<Expected>) -> Result<ExpectedRevision, Status> {
    match expected {
        Some(Expected::Revision(revision)) => Ok(ExpectedRevision::Exact(revision)),
        Some(Expected::NoStream(_)) => Ok(ExpectedRevision::NoStream),
        Some(Expected::Any(_)) => Ok(ExpectedRevision::Any),
        Some(Expected::StreamExists(_)) => Ok(ExpectedRevision::StreamExists),
        None => Err(Status::invalid_argument("Required field expected_stream_revision is missing.")),
    }
}

/// `WrongExpectedVersion`, a detail of a refused batch.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct WrongExpectedVersion {
    #[prost(oneof = "CurrentRevision", tags = "1, 2")]
    pub(crate) current: Option<CurrentRevision>,
    #[prost(oneof = "ExpectedPosition", tags = "3, 4, 5, 6")]
    pub(crate) expected: Option<ExpectedPosition>,
}

/// A stream's last revision, or none: in `WrongExpectedVersion`, and with the same tags in the answers to appends.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum CurrentRevision {
    #[prost(uint64, tag = "1")]
    Revision(u64),
    #[prost(message, tag = "2")]
    NoStream(Empty),
}

impl From<Option<u64>> for CurrentRevision {
    fn from(revision: Option<u64>) -> Self {
        revision.map_or(Self::NoStream(Empty {}), Self::Revision)
    }
}

/// What was expected, in `WrongExpectedVersion`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum ExpectedPosition {
    #[prost(uint64, tag = "3")]
    Position(u64),
    #[prost(message, tag = "4")]
    Any(Empty),
    #[prost(message, tag = "5")]
    StreamExists(Empty),
    #[prost(message, tag = "6")]
    NoStream(Empty),
}

impl From<ExpectedRevision> for ExpectedPosition {
    fn from(expected: ExpectedRevision) -> Self {
        match expected {
            ExpectedRevision::Exact(revision) => Self::Position(revision),
            ExpectedRevision::Any => Self::Any(Empty {}),
            ExpectedRevision::StreamExists => Self::StreamExists(Empty {}),
            ExpectedRevision::NoStream => Self::NoStream(Empty {}),
        }
    }
}

/// `StreamDeleted`, a detail of a refused batch.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamDeleted {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream_identifier: Option<StreamIdentifier>,
}

/// `MaximumAppendSizeExceeded`, a detail of a refused batch.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct MaximumAppendSizeExceeded {
    #[prost(uint32, tag = "1")]
    pub(crate) max_append_size: u32,
}

/// `BadRequest`, a detail of a refused batch.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BadRequest {
    #[prost(string, tag = "1")]
    pub(crate) message: String,
}
