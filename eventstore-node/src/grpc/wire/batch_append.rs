//! `event_store.client.streams`: BatchAppend.

use super::{AppendSuccess, Expected, ProposedMessage, RpcStatus, StreamIdentifier, Timestamp, Uuid};

/// `BatchAppendReq`: a part of an append, known by its correlation id.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BatchAppendReq {
    #[prost(message, optional, tag = "1")]
    pub(crate) correlation_id: Option<Uuid>,
    #[prost(message, optional, tag = "2")]
    pub(crate) options: Option<BatchAppendOptions>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) proposed_messages: Vec<ProposedMessage>,
    #[prost(bool, tag = "4")]
    pub(crate) is_final: bool,
}

/// `BatchAppendReq.Options`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BatchAppendOptions {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream_identifier: Option<StreamIdentifier>,
    #[prost(oneof = "Expected", tags = "2, 3, 4, 5")]
    pub(crate) expected: Option<Expected>,
    #[prost(oneof = "Deadline", tags = "6, 7")]
    pub(crate) deadline: Option<Deadline>,
}

/// The oneof `deadline_option`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum Deadline {
    /// A time of day.
    #[prost(message, tag = "6")]
    At(Timestamp),
    /// A time from now.
    #[prost(message, tag = "7")]
    In(Timestamp),
}

/// `BatchAppendResp`. Id, stream and result are always set: clients count on it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BatchAppendResp {
    #[prost(message, optional, tag = "1")]
    pub(crate) correlation_id: Option<Uuid>,
    #[prost(oneof = "BatchAppendResult", tags = "2, 3")]
    pub(crate) result: Option<BatchAppendResult>,
    #[prost(message, optional, tag = "4")]
    pub(crate) stream_identifier: Option<StreamIdentifier>,
}

/// How an append of a batch ended.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum BatchAppendResult {
    #[prost(message, tag = "2")]
    Error(RpcStatus),
    #[prost(message, tag = "3")]
    Success(AppendSuccess),
}
