//! What a group records: its checkpoints, its parked messages, and which of these are done with. One write at a time;
//! what comes up in the meantime goes into the next one.

use std::time::Instant;

use super::{Running, done};
use crate::persistent::config::GroupKey;
use crate::persistent::limits::{PARK_BYTES, WRITE_RETRY};
use crate::persistent::machine::{Key, Machine, Place};
use crate::persistent::store::{self, ParkedLog, Recorded};
use crate::{AppendError, Appended, Node, ProposedEvent, StreamAppend};

/// One write.
#[derive(Default)]
pub(super) struct Entry {
    checkpoint: Option<Place>,
    /// The messages that `links` are for.
    parked: Vec<Key>,
    links: Vec<ProposedEvent>,
    truncate: Option<u64>,
}

/// How a write ended.
pub(super) type Outcome = (Entry, Result<Appended, AppendError>);

/// What a group records.
pub(super) struct Journal {
    node: Node,
    key: GroupKey,
    has_checkpoints: bool,
    parked: ParkedLog,
    writing: Running<Outcome>,
    /// What the log refused, and when to try again.
    refused: Option<(Entry, Instant)>,
}

impl Journal {
    pub(super) fn new(node: Node, key: GroupKey, recorded: Recorded) -> Self {
        let Recorded { has_checkpoints, parked, .. } = recorded;
        Self { node, key, has_checkpoints, parked, writing: None, refused: None }
    }

    pub(super) fn parked(&self) -> ParkedLog {
        self.parked
    }

    pub(super) fn parked_mut(&mut self) -> &mut ParkedLog {
        &mut self.parked
    }

    /// Begins a write if there is anything to record. Returns when there will be, as far as time alone decides.
    pub(super) fn begin(&mut self, machine: &mut Machine, replayed: bool, now: Instant) -> Option<Instant> {
        if self.writing.is_some() {
            return None;
        }
        let entry = match self.refused.take() {
            Some((entry, at)) if at > now => {
                self.refused = Some((entry, at));
                return Some(at);
            }
            Some((entry, _)) => entry,
            None => {
                let checkpoint = machine.checkpoint_due(now);
                let truncate = (replayed && machine.first_replayed().is_none()).then_some(self.parked.next);
                self.entry(machine, checkpoint, truncate)
            }
        };
        self.write(entry);
        // While a write is under way nothing is due: its end is what is waited for.
        if self.writing.is_some() { None } else { machine.next_checkpoint() }
    }

    /// How the write under way ended.
    pub(super) async fn written(&mut self) -> Outcome {
        done(&mut self.writing).await
    }

    pub(super) fn confirm(&mut self, (entry, outcome): Outcome, machine: &mut Machine) {
        match outcome {
            Ok(appended) => {
                self.has_checkpoints |= entry.checkpoint.is_some();
                // Parked messages and the truncation, if any, are the last parts.
                let parked = appended.streams.iter().rev().nth(usize::from(entry.truncate.is_some()));
                if let Some(parked) = parked.filter(|_| !entry.links.is_empty()) {
                    self.parked.end = parked.revision + 1;
                }
                for key in entry.parked {
                    machine.parked(key);
                }
                self.parked.truncated = entry.truncate.unwrap_or(self.parked.truncated);
            }
            Err(error) => {
                tracing::warn!(source = %self.key.source, group = %self.key.group, %error,
                    "the state of a persistent subscription cannot be recorded");
                self.refused = Some((entry, Instant::now() + WRITE_RETRY));
            }
        }
    }

    /// Records everything there is to record, unless the log refuses.
    pub(super) async fn finish(&mut self, machine: &mut Machine) {
        loop {
            if self.writing.is_some() {
                let outcome = self.written().await;
                self.confirm(outcome, machine);
            }
            // What was refused is not lost: it is as if it had not happened.
            if self.refused.is_some() {
                return;
            }
            let checkpoint = machine.checkpoint_at_end(Instant::now());
            let truncate = machine.first_replayed().unwrap_or(self.parked.next);
            let entry = self.entry(machine, checkpoint, Some(truncate));
            self.write(entry);
            if self.writing.is_none() {
                return;
            }
        }
    }

    fn entry(&self, machine: &mut Machine, checkpoint: Option<Place>, truncate: Option<u64>) -> Entry {
        let truncate = truncate.filter(|before| *before > self.parked.truncated);
        let mut entry = Entry { checkpoint, truncate, ..Entry::default() };
        let mut bytes = 0;
        while bytes < PARK_BYTES
            && let Some(park) = machine.take_park()
        {
            let link = store::parked_link(&park);
            bytes += link.data.len() + link.metadata.len() + size_of::<ProposedEvent>();
            entry.parked.push(park.key);
            entry.links.push(link);
        }
        entry
    }

    fn write(&mut self, entry: Entry) {
        let appends = self.appends(&entry);
        if !appends.is_empty() {
            let node = self.node.clone();
            self.writing = Some(Box::pin(async move {
                let outcome = node.append(appends).await;
                (entry, outcome)
            }));
        }
    }

    fn appends(&self, entry: &Entry) -> Vec<StreamAppend> {
        let mut appends = Vec::new();
        if let Some(place) = entry.checkpoint {
            appends.extend(store::checkpoint_appends(&self.key, place, !self.has_checkpoints));
        }
        if !entry.links.is_empty() {
            appends.push(store::parked_append(&self.key, entry.links.clone()));
        }
        appends.extend(entry.truncate.map(|before| store::truncation_append(&self.key, before)));
        appends
    }
}
