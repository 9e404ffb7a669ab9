//! Every bound of the node, in one place. What an operator may change is in [`NodeOptions`](crate::NodeOptions);
//! what the format fixes is here.

/// Bytes at the start of each segment file kept for its header; the first event of the log is at this position.
pub const SEGMENT_HEADER_BYTES: u64 = 4096;

/// Smallest segment file, in bytes.
pub const MIN_SEGMENT_BYTES: u64 = 64 * 1024;

/// Largest segment file, in bytes: starting reads the last segments in full.
pub const MAX_SEGMENT_BYTES: u64 = 1024 * 1024 * 1024;

/// Longest stream name, in bytes of UTF-8; that of its metadata is longer by the two bytes `$$`.
pub const MAX_STREAM_NAME_BYTES: usize = 1024;

/// Longest event type, in bytes of UTF-8.
pub const MAX_EVENT_TYPE_BYTES: usize = 1024;

/// Largest batch as it lies in the log, in bytes. A segment smaller than this lowers the bound to what fits into it.
pub const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Most events in one batch, over all its streams.
pub const MAX_BATCH_EVENTS: usize = 16_384;

/// Bytes of log after which a group of batches is written and synced even if more are waiting.
pub(crate) const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Batches after which a group is written and synced even if more are waiting.
pub(crate) const GROUP_BATCHES: usize = 4096;

/// Streams of different names that may fall on one hash before a further one is refused.
pub(crate) const MAX_HASH_PROBES: u64 = 32;

/// Bytes read from the log at once when many events in a row are wanted.
pub(crate) const READ_CHUNK_BYTES: usize = 256 * 1024;

/// Bytes read from the log when one event is wanted: most fit, a longer one takes a second read.
pub(crate) const READ_ONE_BYTES: usize = 4 * 1024;

/// Index entries looked up at once for a stream read.
pub(crate) const STREAM_PAGE_EVENTS: usize = 512;

/// Distinct event types kept as shared strings; further ones are allocated per event.
pub(crate) const INTERNED_TYPES: usize = 4096;

/// A subscription this close to the head, in bytes, reads on the caller's thread: the bytes are in the page cache.
pub(crate) const WARM_BYTES: u64 = 16 * 1024 * 1024;

/// Streams with metadata or a tombstone that are kept in memory (10 bytes each); beyond, every append and read looks
/// whether its stream has any.
pub(crate) const MAX_MARKS: usize = 450_000;

/// Metadata of streams kept in memory as read from its event (about 80 bytes each).
pub(crate) const CACHED_METADATA: usize = 16_384;

/// Parts (streams, counted as often as they occur) in one batch.
pub const MAX_BATCH_STREAMS: usize = 1024;

/// Runs of the index on disk not yet merged above which moving entries there waits a little for the merging.
pub(crate) const MAX_UNMERGED_RUNS: usize = 20;

/// Bytes of a regular expression in a filter.
pub(crate) const MAX_PATTERN_BYTES: usize = 4096;

/// Bytes a compiled regular expression may take, or each part of one that is more than regular.
pub(crate) const MAX_COMPILED_PATTERN_BYTES: usize = 1024 * 1024;

/// Repetitions of one part of a regular expression, counted through all that it is nested in.
pub(crate) const MAX_PATTERN_REPEATS: usize = 1000;

/// Parts of a regular expression, each as often as it is repeated.
pub(crate) const MAX_PATTERN_STEPS: usize = 8192;

/// Steps back a regular expression may take for one name.
pub(crate) const MAX_PATTERN_BACKTRACKS: usize = 2048;
