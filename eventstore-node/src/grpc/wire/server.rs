//! `event_store.client.server_features`, `.gossip` and `.monitoring`.

use std::collections::HashMap;

use super::Uuid;

/// `SupportedMethods`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SupportedMethods {
    #[prost(message, repeated, tag = "1")]
    pub(crate) methods: Vec<SupportedMethod>,
    #[prost(string, tag = "2")]
    pub(crate) event_store_server_version: String,
}

/// `SupportedMethod`: names in lower case.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SupportedMethod {
    #[prost(string, tag = "1")]
    pub(crate) method_name: String,
    #[prost(string, tag = "2")]
    pub(crate) service_name: String,
    #[prost(string, repeated, tag = "3")]
    pub(crate) features: Vec<String>,
}

/// `ClusterInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ClusterInfo {
    #[prost(message, repeated, tag = "1")]
    pub(crate) members: Vec<MemberInfo>,
}

/// `MemberInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MemberInfo {
    #[prost(message, optional, tag = "1")]
    pub(crate) instance_id: Option<Uuid>,
    /// 100 ns ticks since the UNIX epoch.
    #[prost(int64, tag = "2")]
    pub(crate) time_stamp: i64,
    /// `VNodeState`; 8 is the leader.
    #[prost(int32, tag = "3")]
    pub(crate) state: i32,
    #[prost(bool, tag = "4")]
    pub(crate) is_alive: bool,
    #[prost(message, optional, tag = "5")]
    pub(crate) http_end_point: Option<EndPoint>,
}

/// `EndPoint`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EndPoint {
    #[prost(string, tag = "1")]
    pub(crate) address: String,
    #[prost(uint32, tag = "2")]
    pub(crate) port: u32,
}

/// `StatsReq`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct StatsReq {
    #[prost(bool, tag = "1")]
    pub(crate) use_metadata: bool,
    #[prost(uint64, tag = "4")]
    pub(crate) refresh_time_period_in_ms: u64,
}

/// `StatsResp`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StatsResp {
    #[prost(map = "string, string", tag = "1")]
    pub(crate) stats: HashMap<String, String>,
}
