//! `event_store.client.streams`: Append.

use bytes::Bytes;

use super::{AllPosition, CurrentRevision, Empty, Expected, StreamIdentifier, Uuid};
use crate::ExpectedRevision;

/// `AppendReq`: the options first, then the events.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AppendReq {
    #[prost(oneof = "AppendContent", tags = "1, 2")]
    pub(crate) content: Option<AppendContent>,
}

/// What an `AppendReq` is.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum AppendContent {
    #[prost(message, tag = "1")]
    Options(AppendOptions),
    #[prost(message, tag = "2")]
    ProposedMessage(ProposedMessage),
}

/// `AppendReq.Options`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AppendOptions {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream_identifier: Option<StreamIdentifier>,
    #[prost(oneof = "Expected", tags = "2, 3, 4, 5")]
    pub(crate) expected: Option<Expected>,
}

/// `AppendReq.ProposedMessage` and `BatchAppendReq.ProposedMessage`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ProposedMessage {
    #[prost(message, optional, tag = "1")]
    pub(crate) id: Option<Uuid>,
    /// A map on the wire, which is a list of pairs; a list spares the hashing.
    #[prost(message, repeated, tag = "2")]
    pub(crate) metadata: Vec<MetadataEntry>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) custom_metadata: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) data: Bytes,
}

/// An entry of a `map<string, string>`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MetadataEntry {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
}

impl ProposedMessage {
    /// A metadata value; of several with one key, the last, as in any protobuf map.
    pub(crate) fn metadata(&self, key: &str) -> Option<&Bytes> {
        self.metadata.iter().rev().find(|entry| entry.key == key.as_bytes()).map(|entry| &entry.value)
    }
}

/// `AppendResp`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct AppendResp {
    #[prost(oneof = "AppendResult", tags = "1, 2")]
    pub(crate) result: Option<AppendResult>,
}

/// How an append ended.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum AppendResult {
    #[prost(message, tag = "1")]
    Success(AppendSuccess),
    #[prost(message, tag = "2")]
    WrongExpectedVersion(AppendWrongVersion),
}

/// `AppendResp.Success` and `BatchAppendResp.Success`. Both oneofs are always set: clients count on it.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct AppendSuccess {
    #[prost(oneof = "CurrentRevision", tags = "1, 2")]
    pub(crate) current_revision: Option<CurrentRevision>,
    #[prost(oneof = "MaybePosition", tags = "3, 4")]
    pub(crate) position: Option<MaybePosition>,
}

/// The oneof `position_option` of `AppendSuccess`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum MaybePosition {
    #[prost(message, tag = "3")]
    Position(AllPosition),
    #[prost(message, tag = "4")]
    NoPosition(Empty),
}

/// `AppendResp.WrongExpectedVersion`, which says everything twice, for clients before and after 20.6.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct AppendWrongVersion {
    #[prost(oneof = "CurrentRevision", tags = "1, 2")]
    pub(crate) current_20_6_0: Option<CurrentRevision>,
    #[prost(oneof = "Expected2060", tags = "3, 4, 5")]
    pub(crate) expected_20_6_0: Option<Expected2060>,
    #[prost(oneof = "WrongCurrent", tags = "6, 7")]
    pub(crate) current: Option<WrongCurrent>,
    #[prost(oneof = "WrongExpected", tags = "8, 9, 10, 11")]
    pub(crate) expected: Option<WrongExpected>,
}

/// The oneof `expected_revision_option_20_6_0`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum Expected2060 {
    #[prost(uint64, tag = "3")]
    Revision(u64),
    #[prost(message, tag = "4")]
    Any(Empty),
    #[prost(message, tag = "5")]
    StreamExists(Empty),
}

/// The oneof `current_revision_option`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum WrongCurrent {
    #[prost(uint64, tag = "6")]
    Revision(u64),
    #[prost(message, tag = "7")]
    NoStream(Empty),
}

/// The oneof `expected_revision_option`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum WrongExpected {
    #[prost(uint64, tag = "8")]
    Revision(u64),
    #[prost(message, tag = "9")]
    Any(Empty),
    #[prost(message, tag = "10")]
    StreamExists(Empty),
    #[prost(message, tag = "11")]
    NoStream(Empty),
}

impl AppendWrongVersion {
    /// Both generations of fields.
    pub(crate) fn new(expected: ExpectedRevision, current: Option<u64>) -> Self {
        let empty = Empty {};
        let (old, new) = match expected {
            ExpectedRevision::Exact(n) => (Expected2060::Revision(n), WrongExpected::Revision(n)),
            ExpectedRevision::Any => (Expected2060::Any(empty), WrongExpected::Any(empty)),
            ExpectedRevision::StreamExists => {
                (Expected2060::StreamExists(empty), WrongExpected::StreamExists(empty))
            }
            ExpectedRevision::NoStream => (Expected2060::Revision(u64::MAX), WrongExpected::NoStream(empty)),
        };
        Self {
            current_20_6_0: Some(current.into()),
            expected_20_6_0: Some(old),
            current: Some(current.map_or(WrongCurrent::NoStream(empty), WrongCurrent::Revision)),
            expected: Some(new),
        }
    }
}
