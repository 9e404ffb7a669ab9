//! Who writes when: the order of appends, without the writing.
//!
//! A server appends to one stream at a time, and two appends under way may overtake each other. So each stream that appends are queued on
//! has a lane: the parts of batches that go to it, in the order in which the batches were submitted. A part is ready when the parts of
//! its batch before it are written. What is ready at the front of a lane and follows each other is written as one append; nothing else
//! of the lane meanwhile. When a part fails, so does at once what was queued behind it and built on it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use eventstore_node::{ExpectedRevision, StreamAppend};
use quick_cache::unsync::Cache;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use uuid::Uuid;

use super::group::{Extent, Group};
use crate::store::{AppendFailure, Placed};
use crate::{FAILED_EVENTS_REMEMBERED, StoreError};

pub(super) type Outcome = Result<Vec<Placed>, AppendFailure>;

/// Everything that is queued or being written.
pub(super) struct Queue {
    lanes: HashMap<Arc<str>, Lane>,
    batches: HashMap<u64, Batch>,
    submitted: u64,
    /// Events of appends that failed. Some may be in the log all the same; whoever reads one there says so.
    failed: Cache<Uuid, ()>,
}

#[derive(Default)]
struct Lane {
    parts: VecDeque<Part>,
    /// So many at the front are being written.
    writing: usize,
}

struct Part {
    batch: u64,
    index: usize,
    append: StreamAppend,
}

struct Batch {
    streams: Vec<Arc<str>>,
    /// Its parts that are written; the next one is ready.
    placed: Vec<Placed>,
    /// The first part that fails, and how. Told when the parts before it are written.
    failure: Option<(usize, AppendFailure)>,
    answer: oneshot::Sender<Outcome>,
    _place: Option<OwnedSemaphorePermit>,
}

/// How a group of one part, or of several whose outcome is unknown, failed.
pub(super) enum GroupFailure {
    Conflict,
    Store(StoreError),
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            lanes: HashMap::new(),
            batches: HashMap::new(),
            submitted: 0,
            failed: Cache::new(FAILED_EVENTS_REMEMBERED),
        }
    }

    /// Queues a batch. Returns the lane to run, if one is to be.
    pub(super) fn submit(
        &mut self,
        batch: Vec<StreamAppend>,
        answer: oneshot::Sender<Outcome>,
        place: Option<OwnedSemaphorePermit>,
    ) -> Option<Arc<str>> {
        let id = self.submitted;
        self.submitted = self.submitted.wrapping_add(1);
        // What follows an event that failed was decided on what did not happen, whatever the stream looks like by now.
        let baseless = |part: &StreamAppend| part.follows.is_some_and(|id| self.failed.peek(&id).is_some());
        let refused = batch.iter().position(baseless);
        let streams: Vec<_> = batch.iter().map(|part| Arc::clone(&part.stream)).collect();
        let first = streams.first().cloned();
        for (index, append) in batch.into_iter().enumerate() {
            if refused.is_some_and(|refused| index >= refused) {
                remember(&mut self.failed, &append);
                continue;
            }
            // What was decided again may be the very event that failed before.
            remember_no_longer(&mut self.failed, append.events.iter().map(|event| event.id));
            let lane = self.lanes.entry(Arc::clone(&append.stream)).or_default();
            lane.parts.push_back(Part { batch: id, index, append });
        }
        let failure = refused.map(|index| (index, AppendFailure::Conflict(index)));
        let batch = Batch { streams, placed: Vec::new(), failure, answer, _place: place };
        self.batches.insert(id, batch);
        if self.answer_if_done(id) { None } else { first.filter(|stream| self.is_startable(stream)) }
    }

    /// Takes what is to be written next to a stream. `None` when that is nothing, or being written already.
    pub(super) fn take(&mut self, stream: &str) -> Option<Group> {
        let lane = self.lanes.get_mut(stream)?;
        if lane.writing > 0 {
            return None;
        }
        let batches = &self.batches;
        let ready = lane.parts.iter().take_while(|part| is_ready(batches, part));
        let group = Group::of(ready.map(|part| &part.append))?;
        lane.writing = group.parts;
        Some(group)
    }

    /// The first part alone of the group that is being written to a stream: the rest is to be written again.
    pub(super) fn split(&mut self, stream: &str) -> Option<Group> {
        let lane = self.lanes.get_mut(stream)?;
        let group = Group::of(lane.parts.iter().take(1).map(|part| &part.append))?;
        lane.writing = group.parts;
        Some(group)
    }

    /// The group that was being written to a stream is on disk, its last event at this place. Returns other lanes to run.
    pub(super) fn written(&mut self, stream: &str, last: Placed) -> Vec<Arc<str>> {
        let mut next = Vec::new();
        for part in self.finish_writing(stream) {
            remember_no_longer(&mut self.failed, part.append.events.iter().map(|event| event.id));
            let revision = part.append.last_revision().unwrap_or(last.revision);
            let Some(batch) = self.batches.get_mut(&part.batch) else { continue };
            batch.placed.push(Placed { revision, position: last.position });
            next.extend(batch.streams.get(batch.placed.len()).cloned());
            self.answer_if_done(part.batch);
        }
        self.startable(next)
    }

    /// The group that was being written to a stream has failed. Returns other lanes to run.
    pub(super) fn failed(&mut self, stream: &str, failure: &GroupFailure) -> Vec<Arc<str>> {
        let mut touched = Vec::new();
        let mut failing: Vec<_> = self
            .finish_writing(stream)
            .into_iter()
            .map(|part| match failure {
                GroupFailure::Conflict => (AppendFailure::Conflict(part.index), part),
                GroupFailure::Store(error) => (AppendFailure::Store(error.clone()), part),
            })
            .collect();
        while let Some((failure, part)) = failing.pop() {
            remember(&mut self.failed, &part.append);
            let mut lost = self.take_dependents(&part);
            if let Some(batch) = self.batches.get_mut(&part.batch) {
                if batch.failure.as_ref().is_none_or(|(first, _)| *first > part.index) {
                    batch.failure = Some((part.index, failure));
                }
                let later: HashSet<_> =
                    batch.streams.iter().skip(part.index.saturating_add(1)).cloned().collect();
                for stream in later {
                    let is_later = |other: &Part| other.batch == part.batch && other.index > part.index;
                    lost.extend(self.take_waiting(&stream, is_later));
                    touched.push(stream);
                }
                self.answer_if_done(part.batch);
            }
            touched.push(Arc::clone(&part.append.stream));
            failing.extend(lost.into_iter().map(|part| (AppendFailure::Conflict(part.index), part)));
        }
        for stream in &touched {
            self.remove_if_empty(stream);
        }
        touched.retain(|other| **other != *stream);
        self.startable(touched)
    }

    /// Events that were read from the log have not failed, whatever was answered.
    pub(super) fn seen(&mut self, ids: impl Iterator<Item = Uuid>) {
        if !self.failed.is_empty() {
            remember_no_longer(&mut self.failed, ids);
        }
    }

    /// Takes what is queued in a part's lane and builds on it.
    fn take_dependents(&mut self, part: &Part) -> Vec<Part> {
        let Some(first) = part.append.first_revision() else { return vec![] };
        let builds_on_it = |other: &Part| match other.append.expected {
            ExpectedRevision::Exact(revision) => revision >= first,
            ExpectedRevision::Any | ExpectedRevision::NoStream | ExpectedRevision::StreamExists => false,
        };
        self.take_waiting(&part.append.stream, builds_on_it)
    }

    /// Takes parts out of a lane, as far as they are not being written.
    fn take_waiting(&mut self, stream: &str, is_wanted: impl Fn(&Part) -> bool) -> Vec<Part> {
        let Some(lane) = self.lanes.get_mut(stream) else { return vec![] };
        let waiting = lane.parts.split_off(lane.writing);
        let (taken, left) = waiting.into_iter().partition::<VecDeque<_>, _>(is_wanted);
        lane.parts.extend(left);
        taken.into()
    }

    fn finish_writing(&mut self, stream: &str) -> Vec<Part> {
        let Some(lane) = self.lanes.get_mut(stream) else { return vec![] };
        let parts = lane.parts.drain(..lane.writing).collect();
        lane.writing = 0;
        self.remove_if_empty(stream);
        parts
    }

    fn remove_if_empty(&mut self, stream: &str) {
        if self.lanes.get(stream).is_some_and(|lane| lane.parts.is_empty()) {
            self.lanes.remove(stream);
        }
    }

    fn startable(&self, mut streams: Vec<Arc<str>>) -> Vec<Arc<str>> {
        streams.sort_unstable();
        streams.dedup();
        streams.retain(|stream| self.is_startable(stream));
        streams
    }

    fn is_startable(&self, stream: &str) -> bool {
        let Some(lane) = self.lanes.get(stream) else { return false };
        lane.writing == 0 && lane.parts.front().is_some_and(|part| is_ready(&self.batches, part))
    }

    /// Answers a batch and forgets it, if there is nothing left to wait for.
    fn answer_if_done(&mut self, id: u64) -> bool {
        let is_done = self.batches.get(&id).is_some_and(|batch| {
            let end = batch.failure.as_ref().map_or(batch.streams.len(), |(index, _)| *index);
            batch.placed.len() >= end
        });
        if is_done && let Some(batch) = self.batches.remove(&id) {
            // Whoever asked may be gone.
            batch.answer.send(batch.failure.map_or(Ok(batch.placed), |(_, failure)| Err(failure))).ok();
        }
        is_done
    }
}

fn is_ready(batches: &HashMap<u64, Batch>, part: &Part) -> bool {
    batches.get(&part.batch).is_some_and(|batch| batch.placed.len() == part.index)
}

fn remember(failed: &mut Cache<Uuid, ()>, append: &StreamAppend) {
    for event in &append.events {
        failed.insert(event.id, ());
    }
}

fn remember_no_longer(failed: &mut Cache<Uuid, ()>, ids: impl Iterator<Item = Uuid>) {
    for id in ids {
        failed.remove(&id);
    }
}
