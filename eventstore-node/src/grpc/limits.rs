//! Every bound of the gRPC server, in one place. What an operator may change is in [`GrpcOptions`](super::GrpcOptions).

use std::time::Duration;

/// Default of [`GrpcOptions::max_append_bytes`](super::GrpcOptions::max_append_bytes): EventStoreDB's.
pub const DEFAULT_MAX_APPEND_BYTES: usize = 1024 * 1024;

/// Longest message a client may send, in bytes: EventStoreDB's.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024 - 10_000;

/// Largest position there can be: clients keep positions in signed numbers.
pub(crate) const MAX_POSITION: u64 = i64::MAX as u64;

/// Connections at once; further ones wait to be accepted.
pub(crate) const MAX_CONNECTIONS: usize = 512;

/// Calls at once on one connection; a client waits before it makes more. EventStoreDB has 100, and clients with more
/// appends or subscriptions in flight stall there. A call that waits costs a few kilobytes here.
pub(crate) const MAX_STREAMS_PER_CONNECTION: u32 = 1000;

/// Reads and subscriptions at once, of all clients. One whose client takes nothing holds a few pages and a send buffer,
/// three quarters of a megabyte; one that is at the log's head next to nothing.
pub(crate) const MAX_READS: usize = if cfg!(test) { 64 } else { 2048 };

/// Bytes of appends being received, of all clients; more are refused as busy. Messages of which a part has not come
/// are not counted: every call may hold one of up to [`MAX_MESSAGE_BYTES`] besides.
pub(crate) const MAX_RECEIVING_BYTES: usize = 256 * 1024 * 1024;

/// Bytes counted for an event besides its own.
pub(crate) const EVENT_BYTES: usize = 256;

/// Appends of one `BatchAppend` call of which not all parts have come.
pub(crate) const MAX_PARTIAL_APPENDS: usize = 256;

/// Appends of one `BatchAppend` call that wait for the disk; the call is not read further until one is answered.
pub(crate) const MAX_BATCH_APPENDS_IN_FLIGHT: usize = 1024;

/// Time a connection has for the TLS handshake.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time a connection has until its first call; then it is closed, and the client opens another when it has one.
pub(crate) const FIRST_CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Time an HTTP/1.1 client has to send a request's head.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Silence on a connection after which it is asked for a sign of life, and how long that may take.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(10);

/// Bytes of headers of one request.
pub(crate) const MAX_HEADER_BYTES: u32 = 32 * 1024;

/// Bytes a client may send ahead on one call.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes a client may send ahead on one connection.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// Bytes in one HTTP/2 frame from a client.
pub(crate) const FRAME_BYTES: u32 = 256 * 1024;

/// Bytes of a call's answer that may wait in its connection to be sent.
pub(crate) const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// First size of the buffers of a call that carries little.
pub(crate) const SMALL_BUFFER_BYTES: usize = 512;

/// First size of the buffer of a read's answer.
pub(crate) const BULK_BUFFER_BYTES: usize = 8 * 1024;

/// Bytes of messages that go to the connection at once.
pub(crate) const BULK_YIELD_BYTES: usize = 64 * 1024;

/// Events read from the log at once for a call.
pub(crate) const PAGE_EVENTS: usize = 1024;

/// Bytes read from the log at once for a call.
pub(crate) const PAGE_BYTES: usize = 128 * 1024;

/// Pages that are read ahead of a call's answer: a call's buffer.
pub(crate) const PAGES_AHEAD: usize = 2;

/// Events that may come together for a subscriber that has caught up; with more it has to catch up again.
pub(crate) const LIVE_BUFFER_EVENTS: usize = 32;

/// Time a client may take nothing of a read or a subscription while there is something for it; then that ends.
pub(crate) const SLOW_CONSUMER: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 60 });

/// Time it has to take notice of the end; then its connection is cut.
pub(crate) const SLOW_GRACE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// Time an append may wait for the disk, as a client sees it. It may still be written.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time that calls under way have to end when the server stops.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(5);

/// Events considered per unit of a filtered subscription's checkpoint interval, if the client does not say.
pub(crate) const DEFAULT_FILTER_WINDOW: u32 = 32;

/// Prefixes in one filter.
pub(crate) const MAX_FILTER_PREFIXES: usize = 1024;

/// Bytes of all prefixes in one filter.
pub(crate) const MAX_FILTER_BYTES: usize = 16 * 1024;

/// Shortest and longest time between two statistics of one call.
pub(crate) const STATS_PERIOD: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(3600);
