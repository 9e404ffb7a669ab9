//! Every bound of persistent subscriptions, in one place. What a group may choose for itself is in
//! [`GroupSettings`](super::GroupSettings); these bound what it may choose.

use std::time::Duration;

/// Groups of one node.
pub const MAX_GROUPS: usize = 1024;

/// Consumers connected to one group, even if its own bound is higher or absent.
pub const MAX_CONSUMERS: usize = 1024;

/// Events in flight to one consumer, whatever it asks for.
pub const MAX_IN_FLIGHT: usize = 10_000;

/// Largest buffer of events that a group may ask for.
pub const MAX_BUFFER_EVENTS: u32 = 100_000;

/// Bytes of a group name.
pub const MAX_GROUP_NAME_BYTES: usize = 512;

/// Bytes of all prefixes of a filter.
pub const MAX_FILTER_BYTES: usize = 16 * 1024;

/// Bytes of events that a group holds in memory, be they buffered or in flight, above which it reads no more.
pub(crate) const HELD_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of events, with what their links lead to, after which no more are followed at once.
pub(crate) const RESOLVED_BYTES: usize = 1024 * 1024;

/// Messages waiting to be recorded as parked above which a group reads no more.
pub(crate) const MAX_PARKING: usize = 1024;

/// Bytes of parked messages after which no more are written at once: fits into the smallest segment.
pub(crate) const PARK_BYTES: usize = 16 * 1024;

/// Bytes that are kept of the reason why a consumer parks messages.
pub(crate) const MAX_REASON_BYTES: usize = 2 * 1024;

/// Requests to a group that may wait; further callers wait for a place.
pub(crate) const MAILBOX: usize = 256;

/// Delivery times kept per consumer for the extra statistics.
pub(crate) const OBSERVED_LATENCIES: usize = 1000;

/// How long a group waits before it tries again to write what the log refused.
pub(crate) const WRITE_RETRY: Duration = Duration::from_secs(1);

/// How long a group may take to record its last state when it is stopped.
pub(crate) const STOP_TIME: Duration = Duration::from_secs(5);
