//! `event_store.client.streams`: Delete and Tombstone, whose messages look the same.

use super::{AllPosition, Empty, Expected, StreamIdentifier};

/// `DeleteReq` and `TombstoneReq`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DeleteReq {
    #[prost(message, optional, tag = "1")]
    pub(crate) options: Option<DeleteOptions>,
}

/// `DeleteReq.Options` and `TombstoneReq.Options`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DeleteOptions {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream_identifier: Option<StreamIdentifier>,
    #[prost(oneof = "Expected", tags = "2, 3, 4, 5")]
    pub(crate) expected: Option<Expected>,
}

/// `DeleteResp` and `TombstoneResp`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct DeleteResp {
    #[prost(oneof = "DeletedAt", tags = "1, 2")]
    pub(crate) position: Option<DeletedAt>,
}

/// The oneof `position_option`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum DeletedAt {
    #[prost(message, tag = "1")]
    Position(AllPosition),
    #[prost(message, tag = "2")]
    NoPosition(Empty),
}
