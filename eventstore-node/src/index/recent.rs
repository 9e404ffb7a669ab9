//! The index's newest entries, in memory until they are moved to disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::event::{Direction, Position};

/// One event in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) slot: u64,
    pub(crate) revision: u64,
    pub(crate) position: Position,
}

/// Entries and marks in the order of the index on disk.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: BTreeMap<(u64, u64), Position>,
    /// See [`Marks`](super::marks::Marks).
    pub(crate) marks: BTreeSet<u64>,
}

/// Two tables: one grows, the other is on its way to disk.
#[derive(Debug)]
pub(crate) struct Recent {
    growing: Table,
    moving: Option<Arc<Table>>,
    /// Everything in the log before this position is in one of the tables or on disk.
    end: Position,
    /// Everything in the log before this position is not in `growing`.
    growing_from: Position,
}

impl Recent {
    /// Empty; everything before `end` is on disk.
    pub(crate) fn new(end: Position) -> Self {
        Self { growing: Table::default(), moving: None, end, growing_from: end }
    }

    pub(crate) fn add(&mut self, entries: &[Entry], marks: &[u64], end: Position) {
        let places = entries.iter().map(|entry| ((entry.slot, entry.revision), entry.position));
        self.growing.entries.extend(places);
        self.growing.marks.extend(marks);
        self.end = end;
    }

    /// Entries that grow, and the bytes of log they stand for.
    pub(crate) fn growth(&self) -> (usize, u64) {
        (self.growing.entries.len(), self.end - self.growing_from)
    }

    /// Entries in memory.
    pub(crate) fn len(&self) -> usize {
        self.growing.entries.len() + self.moving.as_ref().map_or(0, |table| table.entries.len())
    }

    /// Begins to move what has grown, or goes on with a move that failed. Tells up to where the log is then on disk.
    pub(crate) fn start_move(&mut self) -> (Arc<Table>, Position) {
        if let Some(moving) = &self.moving {
            return (moving.clone(), self.growing_from);
        }
        let moving = Arc::new(std::mem::take(&mut self.growing));
        self.moving = Some(moving.clone());
        self.growing_from = self.end;
        (moving, self.end)
    }

    /// What was moved is found on disk from now on.
    pub(crate) fn finish_move(&mut self) {
        self.moving = None;
    }

    /// The last event of a stream.
    pub(crate) fn last(&self, slot: u64) -> Option<(u64, Position)> {
        let all = (slot, 0)..=(slot, u64::MAX);
        let last = self.growing.entries.range(all.clone()).next_back();
        last.or_else(|| self.moving.as_ref()?.entries.range(all).next_back())
            .map(|((_, revision), position)| (*revision, *position))
    }

    /// The events of a stream from a revision, in a direction, at most `limit`. They have no gap but the one before
    /// a tombstone; events before the first one in memory are on disk.
    pub(crate) fn range(
        &self,
        slot: u64,
        from: u64,
        direction: Direction,
        limit: usize,
    ) -> Vec<(u64, Position)> {
        // All entries of `moving` are older than those of `growing`.
        let (moving, growing) =
            (self.moving.iter().map(|table| &table.entries), std::iter::once(&self.growing.entries));
        let found = |((_, revision), position): (&(u64, u64), &Position)| (*revision, *position);
        match direction {
            Direction::Forward => moving
                .chain(growing)
                .flat_map(|table| table.range((slot, from)..=(slot, u64::MAX)))
                .take(limit)
                .map(found)
                .collect(),
            Direction::Backward => growing
                .chain(moving)
                .flat_map(|table| table.range((slot, 0)..=(slot, from)).rev())
                .take(limit)
                .map(found)
                .collect(),
        }
    }
}
