//! How a node is set up.

use std::path::PathBuf;

use crate::error::OpenError;
use crate::faults::Faults;
use crate::limits::{MAX_MARKS, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES};

const MIB: u64 = 1024 * 1024;

/// How a node is set up. Start from [`NodeOptions::new`] and change fields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeOptions {
    /// The data directory; made if missing. One process at a time.
    pub dir: PathBuf,
    /// Size of new segment files in bytes, 64 KiB to 1 GiB, a multiple of 4 KiB. Default 64 MiB. May differ from run to run.
    pub segment_bytes: u64,
    /// Appends that may wait for the writer; further callers of `reserve` wait. At least 1. Default 4096.
    pub queue_batches: usize,
    /// Bytes that may wait for the writer; further appends are refused as `Busy`. Default 64 MiB.
    pub queue_bytes: usize,
    /// Streams whose last revision is kept in memory (about 150 bytes each). Default 65,536.
    pub cached_heads: usize,
    /// Recent events whose ids are remembered to recognise repeats of appends with `Any` or `StreamExists` (about
    /// 100 bytes each; in memory only, empty after a start). At least 1. Default 32,768.
    pub recent_ids: usize,
    /// Events kept in memory before they are moved to the index on disk (about 100 bytes each; at most two and a half
    /// times as many while a move is under way). At least 1. Default 100,000.
    pub index_batch_events: usize,
    /// Bytes of log after which events are moved to the index even if they are few: what a start must read again.
    /// Default 64 MiB.
    pub index_batch_bytes: u64,
    /// Bytes of the index kept in memory. Default 24 MiB.
    pub index_cache_bytes: u64,
    /// Bytes at the log's end that are checked before the node is ready; rounded up to whole segments. Default 256 MiB.
    pub verify_tail_bytes: u64,
    /// Speed of the check of the older log in the background, bytes per second; 0 leaves it out. Default 16 MiB/s.
    pub scrub_bytes_per_second: u64,
    /// Where tests make the disk fail.
    pub(crate) faults: Faults,
    /// Bits of a stream's hash that count; tests lower it to make streams collide.
    pub(crate) slot_mask: u64,
    /// Streams with metadata kept in memory; tests lower it to make them be looked up.
    pub(crate) marks: usize,
}

impl NodeOptions {
    /// The defaults, for this data directory: about 100 MB of memory at full load.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 64 * MIB,
            queue_batches: 4096,
            queue_bytes: 64 * MIB as usize,
            cached_heads: 65_536,
            recent_ids: 32_768,
            index_batch_events: 100_000,
            index_batch_bytes: 64 * MIB,
            index_cache_bytes: 24 * MIB,
            verify_tail_bytes: 256 * MIB,
            scrub_bytes_per_second: 16 * MIB,
            faults: Faults::default(),
            slot_mask: u64::MAX,
            marks: MAX_MARKS,
        }
    }

    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let refuse =
            |option, reason: &str| Err(OpenError::InvalidOption { option, reason: reason.to_owned() });
        if !(MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&self.segment_bytes)
            || !self.segment_bytes.is_multiple_of(4096)
        {
            return refuse("segment_bytes", "must be 64 KiB to 1 GiB and a multiple of 4 KiB");
        }
        if self.queue_batches == 0 || self.queue_batches >= tokio::sync::Semaphore::MAX_PERMITS {
            return refuse("queue_batches", "must be at least 1");
        }
        if self.recent_ids == 0 {
            return refuse("recent_ids", "must be at least 1");
        }
        if self.index_batch_events == 0 {
            return refuse("index_batch_events", "must be at least 1");
        }
        Ok(())
    }
}
