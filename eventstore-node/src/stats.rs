//! Numbers to watch a node by.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted since the node was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) replayed: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_nanos: AtomicU64,
    pub(crate) largest_group: AtomicU64,
    pub(crate) scrubbed: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// A node's figures. Counts are since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStats {
    /// Batches written and synced.
    pub batches: u64,
    /// Batches refused.
    pub refused: u64,
    /// Batches recognised as repeats.
    pub replayed: u64,
    /// Events written and synced.
    pub events: u64,
    /// Bytes of log written and synced.
    pub bytes: u64,
    /// Syncs of the log: `batches / syncs` is the mean group.
    pub syncs: u64,
    /// Time spent in syncs, nanoseconds.
    pub sync_nanos: u64,
    /// Most batches synced at once.
    pub largest_group: u64,
    /// Appends waiting for the writer now.
    pub queued_batches: u64,
    /// Bytes waiting for the writer now.
    pub queued_bytes: u64,
    /// Events whose index entries are in memory only: what a restart reads again.
    pub index_lag: u64,
    /// Times index entries were moved to disk.
    pub index_moves: u64,
    /// Bytes of the index cached in memory.
    pub index_cache_bytes: u64,
    /// Streams whose last revision is cached.
    pub cached_heads: u64,
    /// Position of the last durable event, 0 if none.
    pub head: u64,
    /// Segment files.
    pub segments: u64,
}
