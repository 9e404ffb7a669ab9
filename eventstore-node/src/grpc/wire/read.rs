//! `event_store.client.streams`: Read.

use super::{AllPosition, Empty, RecordedEvent, StreamIdentifier, Timestamp};

/// `ReadReq`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReadReq {
    #[prost(message, optional, tag = "1")]
    pub(crate) options: Option<ReadOptions>,
}

/// `ReadReq.Options`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReadOptions {
    #[prost(oneof = "ReadSource", tags = "1, 2")]
    pub(crate) source: Option<ReadSource>,
    /// 0: forwards, 1: backwards.
    #[prost(int32, tag = "3")]
    pub(crate) read_direction: i32,
    #[prost(bool, tag = "4")]
    pub(crate) resolve_links: bool,
    #[prost(oneof = "ReadCount", tags = "5, 6")]
    pub(crate) count: Option<ReadCount>,
    #[prost(oneof = "FilterOption", tags = "7, 8")]
    pub(crate) filter: Option<FilterOption>,
    #[prost(message, optional, tag = "9")]
    pub(crate) uuid_option: Option<UuidOption>,
    #[prost(message, optional, tag = "10")]
    pub(crate) control_option: Option<ControlOption>,
}

/// The oneof `stream_option`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum ReadSource {
    #[prost(message, tag = "1")]
    Stream(StreamOptions),
    #[prost(message, tag = "2")]
    All(AllOptions),
}

/// `ReadReq.Options.StreamOptions`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamOptions {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream_identifier: Option<StreamIdentifier>,
    #[prost(oneof = "RevisionOption", tags = "2, 3, 4")]
    pub(crate) revision: Option<RevisionOption>,
}

/// The oneof `revision_option`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum RevisionOption {
    #[prost(uint64, tag = "2")]
    Revision(u64),
    #[prost(message, tag = "3")]
    Start(Empty),
    #[prost(message, tag = "4")]
    End(Empty),
}

/// `ReadReq.Options.AllOptions`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct AllOptions {
    #[prost(oneof = "AllOption", tags = "1, 2, 3")]
    pub(crate) from: Option<AllOption>,
}

/// The oneof `all_option`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum AllOption {
    #[prost(message, tag = "1")]
    Position(AllPosition),
    #[prost(message, tag = "2")]
    Start(Empty),
    #[prost(message, tag = "3")]
    End(Empty),
}

/// The oneof `count_option`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum ReadCount {
    #[prost(uint64, tag = "5")]
    Count(u64),
    #[prost(message, tag = "6")]
    Subscription(Empty),
}

/// The oneof `filter_option`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum FilterOption {
    #[prost(message, tag = "7")]
    Filter(FilterOptions),
    #[prost(message, tag = "8")]
    NoFilter(Empty),
}

/// `ReadReq.Options.FilterOptions`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FilterOptions {
    #[prost(oneof = "FilterOn", tags = "1, 2")]
    pub(crate) filter: Option<FilterOn>,
    #[prost(oneof = "FilterWindow", tags = "3, 4")]
    pub(crate) window: Option<FilterWindow>,
    #[prost(uint32, tag = "5")]
    pub(crate) checkpoint_interval_multiplier: u32,
}

/// The oneof `filter`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum FilterOn {
    #[prost(message, tag = "1")]
    StreamIdentifier(FilterExpression),
    #[prost(message, tag = "2")]
    EventType(FilterExpression),
}

/// The oneof `window`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum FilterWindow {
    #[prost(uint32, tag = "3")]
    Max(u32),
    #[prost(message, tag = "4")]
    Count(Empty),
}

/// `ReadReq.Options.FilterOptions.Expression`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct FilterExpression {
    #[prost(string, tag = "1")]
    pub(crate) regex: String,
    #[prost(string, repeated, tag = "2")]
    pub(crate) prefix: Vec<String>,
}

/// `ReadReq.Options.UUIDOption`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct UuidOption {
    #[prost(oneof = "UuidForm", tags = "1, 2")]
    pub(crate) content: Option<UuidForm>,
}

/// The form in which the client wants ids.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum UuidForm {
    #[prost(message, tag = "1")]
    Structured(Empty),
    #[prost(message, tag = "2")]
    String(Empty),
}

/// `ReadReq.Options.ControlOption`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct ControlOption {
    #[prost(uint32, tag = "1")]
    pub(crate) compatibility: u32,
}

/// `ReadResp`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReadResp {
    #[prost(oneof = "ReadContent", tags = "1, 2, 3, 4, 5, 6, 8")]
    pub(crate) content: Option<ReadContent>,
}

/// What a `ReadResp` is.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum ReadContent {
    #[prost(message, tag = "1")]
    Event(ReadEvent),
    #[prost(message, tag = "2")]
    Confirmation(SubscriptionConfirmation),
    #[prost(message, tag = "3")]
    Checkpoint(Checkpoint),
    #[prost(message, tag = "4")]
    StreamNotFound(StreamNotFound),
    #[prost(uint64, tag = "5")]
    FirstStreamPosition(u64),
    #[prost(uint64, tag = "6")]
    LastStreamPosition(u64),
    #[prost(message, tag = "8")]
    CaughtUp(CaughtUp),
}

impl From<ReadContent> for ReadResp {
    fn from(content: ReadContent) -> Self {
        Self { content: Some(content) }
    }
}

/// `ReadResp.ReadEvent`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReadEvent {
    /// The event; missing if it is what a link points to and is gone.
    #[prost(message, optional, tag = "1")]
    pub(crate) event: Option<RecordedEvent>,
    /// The link that was followed.
    #[prost(message, optional, boxed, tag = "2")]
    pub(crate) link: Option<Box<RecordedEvent>>,
    /// The oneof `position`: of the event read, the link if there is one. Clients want no other case of it.
    #[prost(uint64, optional, tag = "3")]
    pub(crate) commit_position: Option<u64>,
}

impl ReadEvent {
    /// Bytes of what clients put into it.
    pub(crate) fn bytes(&self) -> usize {
        let event = self.event.as_ref().map_or(0, RecordedEvent::bytes);
        event + self.link.as_ref().map_or(0, |link| link.bytes())
    }
}

/// `ReadResp.SubscriptionConfirmation`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SubscriptionConfirmation {
    #[prost(string, tag = "1")]
    pub(crate) subscription_id: String,
}

/// `ReadResp.Checkpoint`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Checkpoint {
    #[prost(uint64, tag = "1")]
    pub(crate) commit_position: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) prepare_position: u64,
    #[prost(message, optional, tag = "3")]
    pub(crate) timestamp: Option<Timestamp>,
}

/// `ReadResp.StreamNotFound`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamNotFound {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream_identifier: Option<StreamIdentifier>,
}

/// `ReadResp.CaughtUp`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct CaughtUp {
    #[prost(message, optional, tag = "1")]
    pub(crate) timestamp: Option<Timestamp>,
    #[prost(int64, optional, tag = "2")]
    pub(crate) stream_revision: Option<i64>,
    #[prost(message, optional, tag = "3")]
    pub(crate) position: Option<AllPosition>,
}
