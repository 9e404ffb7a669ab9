//! From a stream's name to its slot, the key of its events in the index.
//!
//! The slot is the hash of the name, or the next free number if another stream has that one. No slot is ever given back,
//! so a name is found by looking from its hash on until it is found or a slot is free. The slot is part of each record:
//! the index can be rebuilt without looking.

use std::sync::Arc;

use quick_cache::sync::Cache;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::ReadError;
use crate::event::{DELETED_REVISION, Position};
use crate::index::Index;
use crate::limits::MAX_HASH_PROBES;
use crate::log::Log;
use crate::log::reader::read_one;
use crate::log::record::Record;

/// A stream that has events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamHead {
    pub(crate) slot: u64,
    /// Of its last event.
    pub(crate) revision: u64,
    /// Of its last event.
    pub(crate) position: Position,
    /// Of its last event.
    pub(crate) id: Uuid,
}

/// What is known about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The stream exists.
    Exists(StreamHead),
    /// It does not; this would be its slot.
    Vacant(u64),
    /// It does not, and cannot: too many streams have its hash.
    Crowded,
}

/// Finds streams by name, behind a bounded cache of heads.
#[derive(Debug)]
pub(crate) struct Streams {
    /// Only the writer adds to it, after a sync: a reader could put back what it read before.
    heads: Cache<Arc<str>, StreamHead>,
    log_id: u128,
    mask: u64,
}

impl StreamHead {
    /// The stream is deleted for good.
    pub(crate) fn is_tombstone(&self) -> bool {
        self.revision == DELETED_REVISION
    }
}

/// The hash of a stream's name in a log.
pub(crate) fn name_hash(log_id: u128, name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), log_id as u64)
}

impl Streams {
    pub(crate) fn new(log_id: u128, cached_heads: usize, mask: u64) -> Self {
        Self { heads: Cache::new(cached_heads), log_id, mask }
    }

    /// The stream as of the last published group. `taken`: slots that other streams have since.
    pub(crate) fn find(
        &self,
        log: &Log,
        index: &Index,
        name: &str,
        taken: impl Fn(u64) -> bool,
    ) -> Result<Lookup, ReadError> {
        if let Some(head) = self.heads.get(name) {
            return Ok(Lookup::Exists(head));
        }
        for slot in self.slots(name).filter(|slot| !taken(*slot)) {
            let Some((revision, position)) = index.last(slot)? else {
                return Ok(Lookup::Vacant(slot));
            };
            let of_name = |record: &Record<'_>| (record.content.stream == name).then_some(record.content.id);
            if let Some(id) = read_one(log, position, of_name)? {
                return Ok(Lookup::Exists(StreamHead { slot, revision, position, id }));
            }
        }
        Ok(Lookup::Crowded)
    }

    /// The hash of a name, all of it.
    pub(crate) fn hash(&self, name: &str) -> u64 {
        name_hash(self.log_id, name)
    }

    /// The slots a name may have, best first.
    fn slots(&self, name: &str) -> impl Iterator<Item = u64> + use<> {
        let hash = self.hash(name) & self.mask;
        (0..MAX_HASH_PROBES).map(move |probe| hash.wrapping_add(probe))
    }

    /// Remembers a head; only for the writer.
    pub(crate) fn remember(&self, name: Arc<str>, head: StreamHead) {
        self.heads.insert(name, head);
    }

    /// The next one who asks looks the stream up; only for the writer.
    pub(crate) fn forget(&self, name: &str) {
        self.heads.remove(name);
    }

    /// Heads in memory.
    pub(crate) fn cached(&self) -> usize {
        self.heads.len()
    }
}
