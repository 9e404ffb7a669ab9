//! The index on disk: a fjall keyspace. It is only ever added to, in big sorted pieces that each become a table file at
//! once (fjall's ingestion): no journal, no memtable, nothing to replay at start. Each piece carries the checkpoint, so
//! entries and checkpoint are on disk together or not at all.
//!
//! Key: slot and revision, big-endian, 16 bytes; value: position, 8 bytes. The checkpoint has a key of one byte, which
//! sorts before all others. The marks are in a keyspace of their own, as keys without values: they are added first, and
//! one without its event does no harm.

use std::path::{Path, PathBuf};

use fjall::config::{BlockSizePolicy, CompressionPolicy, PartitioningPolicy, PinningPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions};

use super::recent::Table;
use crate::event::{Direction, Position};

const CHECKPOINT_KEY: [u8; 1] = [0];
const KEYSPACE: &str = "events";
const MARKS_KEYSPACE: &str = "marks";
/// Changed when keys or values change: an index of another format is rebuilt.
const FORMAT: u8 = 2;

/// What the index on disk is complete up to, and of which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) log_id: u128,
    pub(crate) position: Position,
}

/// An open index.
pub(crate) struct Disk {
    // Dropped before the database it belongs to.
    events: Keyspace,
    marks: Keyspace,
    database: Database,
    dir: PathBuf,
}

impl Disk {
    pub(crate) fn open(dir: &Path, cache_bytes: u64) -> fjall::Result<Self> {
        let database = Database::builder(dir)
            .cache_size(cache_bytes)
            .max_cached_files(Some(64))
            .worker_threads(1)
            .open()?;
        let events = database.keyspace(KEYSPACE, || {
            KeyspaceCreateOptions::default()
                // Memory is bounded by the cache: nothing is pinned beyond it. So filters must be in small parts: a
                // whole one does not stay in the cache and would be read again for each new stream.
                .filter_block_partitioning_policy(PartitioningPolicy::all(true))
                .index_block_partitioning_policy(PartitioningPolicy::all(true))
                .filter_block_pinning_policy(PinningPolicy::all(false))
                .index_block_pinning_policy(PinningPolicy::all(false))
                .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
                .data_block_size_policy(BlockSizePolicy::all(4096))
        })?;
        let marks = database.keyspace(MARKS_KEYSPACE, KeyspaceCreateOptions::default)?;
        Ok(Self { events, marks, database, dir: dir.to_owned() })
    }

    pub(crate) fn checkpoint(&self) -> fjall::Result<Option<Checkpoint>> {
        let value = self.events.get(CHECKPOINT_KEY)?;
        Ok(value.and_then(|value| {
            let (format, rest) = value.split_first()?;
            let (log_id, position) = rest.split_first_chunk::<16>()?;
            // One of another format is of no known log.
            let log_id = if *format == FORMAT { u128::from_be_bytes(*log_id) } else { 0 };
            Some(Checkpoint { log_id, position: u64::from_be_bytes(position.try_into().ok()?) })
        }))
    }

    /// The marks, at most `limit`.
    pub(crate) fn marks(&self, limit: usize) -> fjall::Result<Vec<u64>> {
        let mark = |guard: fjall::Guard| {
            Ok(guard.key()?.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)))
        };
        self.marks.iter().take(limit).map(mark).collect()
    }

    /// Adds a table of entries and moves the checkpoint, atomically.
    pub(crate) fn add(&self, table: &Table, checkpoint: Checkpoint) -> fjall::Result<()> {
        let mut value = vec![FORMAT];
        value.extend_from_slice(&checkpoint.log_id.to_be_bytes());
        value.extend_from_slice(&checkpoint.position.to_be_bytes());
        if !table.marks.is_empty() {
            let mut ingestion = self.marks.start_ingestion()?;
            for mark in &table.marks {
                ingestion.write(mark.to_be_bytes(), [])?;
            }
            ingestion.finish()?;
        }
        let mut ingestion = self.events.start_ingestion()?;
        ingestion.write(CHECKPOINT_KEY, value)?;
        for (&(slot, revision), position) in &table.entries {
            ingestion.write(key(slot, revision), position.to_be_bytes())?;
        }
        ingestion.finish()
    }

    /// The last event of a stream. Asks for its first event before, which a filter answers at once if there is none;
    /// unless the stream may have a tombstone and no first event.
    pub(crate) fn last(&self, slot: u64, may_have_tombstone: bool) -> fjall::Result<Option<(u64, Position)>> {
        if !may_have_tombstone && self.events.get(key(slot, 0))?.is_none() {
            return Ok(None);
        }
        Ok(self.range(slot, u64::MAX, Direction::Backward, 1)?.pop())
    }

    /// The events of a stream from a revision, in a direction, at most `limit`.
    pub(crate) fn range(
        &self,
        slot: u64,
        from: u64,
        direction: Direction,
        limit: usize,
    ) -> fjall::Result<Vec<(u64, Position)>> {
        let entry = |guard: fjall::Guard| {
            let (key, value) = guard.into_inner()?;
            Ok((revision_of(&key), position_of(&value)))
        };
        match direction {
            Direction::Forward => {
                self.events.range(key(slot, from)..=key(slot, u64::MAX)).take(limit).map(entry).collect()
            }
            Direction::Backward => {
                self.events.range(key(slot, 0)..=key(slot, from)).rev().take(limit).map(entry).collect()
            }
        }
    }

    /// Sorted runs not yet merged: each is one more place to look.
    pub(crate) fn unmerged(&self) -> usize {
        self.events.l0_table_count()
    }

    pub(crate) fn cache_bytes(&self) -> u64 {
        self.database.cache_size()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

fn key(slot: u64, revision: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&slot.to_be_bytes());
    key[8..].copy_from_slice(&revision.to_be_bytes());
    key
}

fn revision_of(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn position_of(value: &[u8]) -> Position {
    value.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
