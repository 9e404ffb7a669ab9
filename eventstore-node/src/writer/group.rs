//! The batches that will be written and synced together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::request::Answer;
use crate::error::AppendError;
use crate::event::{Appended, Position};
use crate::index::recent::Entry;
use crate::limits::{GROUP_BATCHES, GROUP_BYTES};
use crate::log::record::{Record, decode};
use crate::streams::StreamHead;

/// Everything about a group until it is synced. Nobody but the writer sees any of it before.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Where its first record goes.
    pub(crate) start: Position,
    /// Its records.
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    /// Ids of the events, in the order of `entries`.
    pub(crate) ids: Vec<Uuid>,
    /// Streams changed by the group, as they are after it.
    pub(crate) heads: HashMap<Arc<str>, StreamHead>,
    /// Slots of streams that the group begins.
    pub(crate) new_slots: HashSet<u64>,
    /// What the index has to note beside the entries.
    pub(crate) marks: Vec<u64>,
    /// What to answer once the group is synced; also refusals, which may rest on batches of the group.
    pub(crate) answers: Vec<(Answer, Result<Appended, AppendError>)>,
    /// Batches that write something.
    pub(crate) batches: u64,
}

impl Group {
    /// Empties it, for a group that begins at `start`. Keeps the memory unless an unusual group made it large.
    pub(crate) fn begin(&mut self, start: Position) {
        self.start = start;
        self.bytes.clear();
        self.bytes.shrink_to(GROUP_BYTES);
        self.entries.clear();
        self.entries.shrink_to(GROUP_BATCHES * 4);
        self.ids.clear();
        self.ids.shrink_to(GROUP_BATCHES * 4);
        self.heads.clear();
        self.new_slots.clear();
        self.marks.clear();
        self.answers.clear();
        self.batches = 0;
    }

    /// Where the next record goes.
    pub(crate) fn end(&self) -> Position {
        self.start + self.bytes.len() as u64
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= GROUP_BYTES || self.answers.len() >= GROUP_BATCHES
    }

    /// The record at a position, if it is one of the group's.
    pub(crate) fn record(&self, position: Position) -> Option<Record<'_>> {
        let at = position.checked_sub(self.start)?;
        decode(self.bytes.get(at as usize..)?, position).ok()
    }

    /// Id and position of an event of the group.
    pub(crate) fn event(&self, slot: u64, revision: u64) -> Option<(Uuid, Position)> {
        let index = self.entries.iter().position(|entry| entry.slot == slot && entry.revision == revision)?;
        Some((*self.ids.get(index)?, self.entries[index].position))
    }
}
