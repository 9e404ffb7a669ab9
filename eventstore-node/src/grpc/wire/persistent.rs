//! `event_store.client.persistent_subscriptions`.

use super::{
    AllOption, Empty, FilterOptions, RecordedEvent, StreamIdentifier, StreamOptions,
    SubscriptionConfirmation, Uuid, UuidOption,
};

/// `ReadReq`: the options first, then acknowledgements.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GroupReadReq {
    #[prost(oneof = "GroupReadContent", tags = "1, 2, 3")]
    pub(crate) content: Option<GroupReadContent>,
}

/// What a `ReadReq` is.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum GroupReadContent {
    #[prost(message, tag = "1")]
    Options(GroupReadOptions),
    #[prost(message, tag = "2")]
    Ack(Ack),
    #[prost(message, tag = "3")]
    Nack(Nack),
}

/// `ReadReq.Options`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GroupReadOptions {
    #[prost(oneof = "ReadTarget", tags = "1, 5")]
    pub(crate) target: Option<ReadTarget>,
    #[prost(string, tag = "2")]
    pub(crate) group_name: String,
    #[prost(int32, tag = "3")]
    pub(crate) buffer_size: i32,
    #[prost(message, optional, tag = "4")]
    pub(crate) uuid_option: Option<UuidOption>,
}

/// The oneof `stream_option` of `ReadReq.Options`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum ReadTarget {
    #[prost(message, tag = "1")]
    Stream(StreamIdentifier),
    #[prost(message, tag = "5")]
    All(Empty),
}

/// `ReadReq.Ack`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Ack {
    #[prost(message, repeated, tag = "2")]
    pub(crate) ids: Vec<Uuid>,
}

/// `ReadReq.Nack`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Nack {
    #[prost(message, repeated, tag = "2")]
    pub(crate) ids: Vec<Uuid>,
    /// 0: unknown, 1: park, 2: retry, 3: skip, 4: stop.
    #[prost(int32, tag = "3")]
    pub(crate) action: i32,
    #[prost(string, tag = "4")]
    pub(crate) reason: String,
}

/// `ReadResp`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GroupReadResp {
    #[prost(oneof = "GroupReadRespContent", tags = "1, 2")]
    pub(crate) content: Option<GroupReadRespContent>,
}

/// What a `ReadResp` is.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum GroupReadRespContent {
    #[prost(message, tag = "1")]
    Event(GroupEvent),
    #[prost(message, tag = "2")]
    Confirmation(SubscriptionConfirmation),
}

/// `ReadResp.ReadEvent`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GroupEvent {
    #[prost(message, optional, tag = "1")]
    pub(crate) event: Option<RecordedEvent>,
    #[prost(message, optional, boxed, tag = "2")]
    pub(crate) link: Option<Box<RecordedEvent>>,
    /// The oneof `position`.
    #[prost(uint64, optional, tag = "3")]
    pub(crate) commit_position: Option<u64>,
    /// The oneof `count`.
    #[prost(int32, optional, tag = "5")]
    pub(crate) retry_count: Option<i32>,
}

/// `CreateReq`, and `UpdateReq`, which has no filter and no strategy by name.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ChangeGroupReq {
    #[prost(message, optional, tag = "1")]
    pub(crate) options: Option<ChangeGroupOptions>,
}

/// `CreateReq.Options` and `UpdateReq.Options`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ChangeGroupOptions {
    #[prost(oneof = "ChangeTarget", tags = "4, 5")]
    pub(crate) target: Option<ChangeTarget>,
    /// From clients that do not know `target`.
    #[prost(message, optional, tag = "1")]
    pub(crate) stream_identifier: Option<StreamIdentifier>,
    #[prost(string, tag = "2")]
    pub(crate) group_name: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) settings: Option<Settings>,
}

/// The oneof `stream_option` of `CreateReq.Options`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum ChangeTarget {
    #[prost(message, tag = "4")]
    Stream(StreamOptions),
    #[prost(message, tag = "5")]
    All(GroupAllOptions),
}

/// `CreateReq.AllOptions` and `UpdateReq.AllOptions`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GroupAllOptions {
    #[prost(oneof = "AllOption", tags = "1, 2, 3")]
    pub(crate) from: Option<AllOption>,
    #[prost(oneof = "GroupFilter", tags = "4, 5")]
    pub(crate) filter: Option<GroupFilter>,
}

/// The oneof `filter_option`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum GroupFilter {
    #[prost(message, tag = "4")]
    Filter(FilterOptions),
    #[prost(message, tag = "5")]
    NoFilter(Empty),
}

/// `CreateReq.Settings` and `UpdateReq.Settings`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Settings {
    #[prost(bool, tag = "1")]
    pub(crate) resolve_links: bool,
    /// From clients that do not know the target's.
    #[prost(uint64, tag = "2")]
    pub(crate) revision: u64,
    #[prost(bool, tag = "3")]
    pub(crate) extra_statistics: bool,
    #[prost(int32, tag = "5")]
    pub(crate) max_retry_count: i32,
    #[prost(int32, tag = "7")]
    pub(crate) min_checkpoint_count: i32,
    #[prost(int32, tag = "8")]
    pub(crate) max_checkpoint_count: i32,
    #[prost(int32, tag = "9")]
    pub(crate) max_subscriber_count: i32,
    #[prost(int32, tag = "10")]
    pub(crate) live_buffer_size: i32,
    #[prost(int32, tag = "11")]
    pub(crate) read_batch_size: i32,
    #[prost(int32, tag = "12")]
    pub(crate) history_buffer_size: i32,
    /// 0: dispatch to single, 1: round robin, 2: pinned; unless there is `consumer_strategy`.
    #[prost(int32, tag = "13")]
    pub(crate) named_consumer_strategy: i32,
    #[prost(oneof = "MessageTimeout", tags = "4, 14")]
    pub(crate) message_timeout: Option<MessageTimeout>,
    #[prost(oneof = "CheckpointAfter", tags = "6, 15")]
    pub(crate) checkpoint_after: Option<CheckpointAfter>,
    #[prost(string, tag = "16")]
    pub(crate) consumer_strategy: String,
}

/// The oneof `message_timeout`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum MessageTimeout {
    #[prost(int64, tag = "4")]
    Ticks(i64),
    #[prost(int32, tag = "14")]
    Millis(i32),
}

/// The oneof `checkpoint_after`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum CheckpointAfter {
    #[prost(int64, tag = "6")]
    Ticks(i64),
    #[prost(int32, tag = "15")]
    Millis(i32),
}

/// `DeleteReq`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DeleteGroupReq {
    #[prost(message, optional, tag = "1")]
    pub(crate) options: Option<DeleteGroupOptions>,
}

/// `DeleteReq.Options`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DeleteGroupOptions {
    #[prost(oneof = "DeleteTarget", tags = "1, 3")]
    pub(crate) target: Option<DeleteTarget>,
    #[prost(string, tag = "2")]
    pub(crate) group_name: String,
}

/// The oneof `stream_option` of `DeleteReq.Options`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum DeleteTarget {
    #[prost(message, tag = "1")]
    Stream(StreamIdentifier),
    #[prost(message, tag = "3")]
    All(Empty),
}

/// `GetInfoReq`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetInfoReq {
    #[prost(message, optional, tag = "1")]
    pub(crate) options: Option<GetInfoOptions>,
}

/// `GetInfoReq.Options`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetInfoOptions {
    #[prost(oneof = "StreamOrAll", tags = "1, 2")]
    pub(crate) target: Option<StreamOrAll>,
    #[prost(string, tag = "3")]
    pub(crate) group_name: String,
}

/// The oneof `stream_option` of `GetInfoReq.Options` and `ListReq.StreamOption`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum StreamOrAll {
    #[prost(message, tag = "1")]
    Stream(StreamIdentifier),
    #[prost(message, tag = "2")]
    All(Empty),
}

/// `GetInfoResp`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetInfoResp {
    #[prost(message, optional, tag = "1")]
    pub(crate) subscription_info: Option<SubscriptionInfo>,
}

/// `SubscriptionInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SubscriptionInfo {
    #[prost(string, tag = "1")]
    pub(crate) event_source: String,
    #[prost(string, tag = "2")]
    pub(crate) group_name: String,
    #[prost(string, tag = "3")]
    pub(crate) status: String,
    #[prost(message, repeated, tag = "4")]
    pub(crate) connections: Vec<ConnectionInfo>,
    #[prost(int32, tag = "5")]
    pub(crate) average_per_second: i32,
    #[prost(int64, tag = "6")]
    pub(crate) total_items: i64,
    #[prost(int64, tag = "7")]
    pub(crate) count_since_last_measurement: i64,
    #[prost(string, tag = "8")]
    pub(crate) last_checkpointed_event_position: String,
    #[prost(string, tag = "9")]
    pub(crate) last_known_event_position: String,
    #[prost(bool, tag = "10")]
    pub(crate) resolve_link_tos: bool,
    #[prost(string, tag = "11")]
    pub(crate) start_from: String,
    #[prost(int32, tag = "12")]
    pub(crate) message_timeout_milliseconds: i32,
    #[prost(bool, tag = "13")]
    pub(crate) extra_statistics: bool,
    #[prost(int32, tag = "14")]
    pub(crate) max_retry_count: i32,
    #[prost(int32, tag = "15")]
    pub(crate) live_buffer_size: i32,
    #[prost(int32, tag = "16")]
    pub(crate) buffer_size: i32,
    #[prost(int32, tag = "17")]
    pub(crate) read_batch_size: i32,
    #[prost(int32, tag = "18")]
    pub(crate) check_point_after_milliseconds: i32,
    #[prost(int32, tag = "19")]
    pub(crate) min_check_point_count: i32,
    #[prost(int32, tag = "20")]
    pub(crate) max_check_point_count: i32,
    #[prost(int32, tag = "21")]
    pub(crate) read_buffer_count: i32,
    #[prost(int64, tag = "22")]
    pub(crate) live_buffer_count: i64,
    #[prost(int32, tag = "23")]
    pub(crate) retry_buffer_count: i32,
    #[prost(int32, tag = "24")]
    pub(crate) total_in_flight_messages: i32,
    #[prost(int32, tag = "25")]
    pub(crate) outstanding_messages_count: i32,
    #[prost(string, tag = "26")]
    pub(crate) named_consumer_strategy: String,
    #[prost(int32, tag = "27")]
    pub(crate) max_subscriber_count: i32,
    #[prost(int64, tag = "28")]
    pub(crate) parked_message_count: i64,
}

/// `SubscriptionInfo.ConnectionInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ConnectionInfo {
    #[prost(string, tag = "1")]
    pub(crate) from: String,
    #[prost(string, tag = "2")]
    pub(crate) username: String,
    #[prost(int32, tag = "3")]
    pub(crate) average_items_per_second: i32,
    #[prost(int64, tag = "4")]
    pub(crate) total_items: i64,
    #[prost(int64, tag = "5")]
    pub(crate) count_since_last_measurement: i64,
    #[prost(message, repeated, tag = "6")]
    pub(crate) observed_measurements: Vec<Measurement>,
    #[prost(int32, tag = "7")]
    pub(crate) available_slots: i32,
    #[prost(int32, tag = "8")]
    pub(crate) in_flight_messages: i32,
    #[prost(string, tag = "9")]
    pub(crate) connection_name: String,
}

/// `SubscriptionInfo.Measurement`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Measurement {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(int64, tag = "2")]
    pub(crate) value: i64,
}

/// `ReplayParkedReq`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReplayParkedReq {
    #[prost(message, optional, tag = "1")]
    pub(crate) options: Option<ReplayParkedOptions>,
}

/// `ReplayParkedReq.Options`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReplayParkedOptions {
    #[prost(string, tag = "1")]
    pub(crate) group_name: String,
    #[prost(oneof = "ReplayTarget", tags = "2, 3")]
    pub(crate) target: Option<ReplayTarget>,
    #[prost(oneof = "StopAt", tags = "4, 5")]
    pub(crate) stop_at: Option<StopAt>,
}

/// The oneof `stream_option` of `ReplayParkedReq.Options`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum ReplayTarget {
    #[prost(message, tag = "2")]
    Stream(StreamIdentifier),
    #[prost(message, tag = "3")]
    All(Empty),
}

/// The oneof `stop_at_option`.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(crate) enum StopAt {
    #[prost(int64, tag = "4")]
    Revision(i64),
    #[prost(message, tag = "5")]
    NoLimit(Empty),
}

/// `ListReq`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListReq {
    #[prost(message, optional, tag = "1")]
    pub(crate) options: Option<ListOptions>,
}

/// `ListReq.Options`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListOptions {
    #[prost(oneof = "ListWhat", tags = "1, 2")]
    pub(crate) what: Option<ListWhat>,
}

/// The oneof `list_option`.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum ListWhat {
    #[prost(message, tag = "1")]
    Everything(Empty),
    #[prost(message, tag = "2")]
    Of(ListTarget),
}

/// `ListReq.StreamOption`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListTarget {
    #[prost(oneof = "StreamOrAll", tags = "1, 2")]
    pub(crate) target: Option<StreamOrAll>,
}

/// `ListResp`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListResp {
    #[prost(message, repeated, tag = "1")]
    pub(crate) subscriptions: Vec<SubscriptionInfo>,
}
