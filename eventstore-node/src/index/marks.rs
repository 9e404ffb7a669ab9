//! Which streams may have metadata or a tombstone: very few, but every append and read has to know. So they are kept in
//! memory, as numbers; a number that is not here proves that there is none, and nothing more has to be looked up.

use std::collections::HashSet;

use parking_lot::RwLock;

use super::recent::Entry;
use crate::event::DELETED_REVISION;
use crate::metadata::original;
use crate::streams::name_hash;

/// A bounded set of numbers: hashes of the names of streams with metadata, and slots of streams with a tombstone.
#[derive(Debug)]
pub(crate) struct Marks {
    /// `None` once there were more than allowed: every number may be one of them then.
    known: RwLock<Option<HashSet<u64>>>,
    limit: usize,
}

impl Marks {
    /// Empty.
    pub(crate) fn new(limit: usize) -> Self {
        Self { known: RwLock::new(Some(HashSet::new())), limit }
    }

    pub(crate) fn extend(&self, marks: impl IntoIterator<Item = u64>) {
        let mut known = self.known.write();
        for mark in marks {
            let Some(set) = known.as_mut() else { return };
            set.insert(mark);
            if set.len() > self.limit {
                tracing::warn!(
                    limit = self.limit,
                    "many streams have metadata; it is looked up for every stream now"
                );
                *known = None;
            }
        }
    }

    /// Whether the number may have been added.
    pub(crate) fn may_contain(&self, mark: u64) -> bool {
        self.known.read().as_ref().is_none_or(|known| known.contains(&mark))
    }
}

/// What is to be noted beside the entry of an event, so that it is found: the slot of a stream with a tombstone, the
/// hash of the name of one that gets metadata.
pub(crate) fn mark(log_id: u128, entry: Entry, stream: &str) -> Option<u64> {
    match original(stream) {
        _ if entry.revision == DELETED_REVISION => Some(entry.slot),
        Some(original) if entry.revision == 0 => Some(name_hash(log_id, original)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_set_contains_everything() {
        let marks = Marks::new(2);
        marks.extend([1, 2, 2]);
        assert!(marks.may_contain(1) && marks.may_contain(2) && !marks.may_contain(3));
        marks.extend([4]);
        assert!(marks.may_contain(1) && marks.may_contain(3));
    }
}
