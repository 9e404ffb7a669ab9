//! `google.protobuf` and `google.rpc`. (`google.protobuf.Empty` has the bytes of `event_store.client.Empty`.)

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `google.protobuf.Timestamp`, and `google.protobuf.Duration`, which looks the same.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

impl Timestamp {
    /// The time by this machine's clock.
    pub(crate) fn now() -> Self {
        Self::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// As a duration; nothing if it is negative or no valid one.
    pub(crate) fn duration(self) -> Duration {
        match (u64::try_from(self.seconds), u32::try_from(self.nanos)) {
            (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Duration::new(seconds, nanos),
            _ => Duration::ZERO,
        }
    }
}

impl From<Duration> for Timestamp {
    fn from(duration: Duration) -> Self {
        Self { seconds: duration.as_secs() as i64, nanos: duration.subsec_nanos() as i32 }
    }
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// `google.rpc.Status`, with one detail as EventStoreDB declares it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) details: Option<Any>,
}
