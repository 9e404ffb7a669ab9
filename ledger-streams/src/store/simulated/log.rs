//! The log itself, which no crash touches.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use eventstore_node::{
    Direction, ExpectedRevision, ProposedEvent, RecordedEvent, StreamAppend, StreamFrom, Uuid,
};
use ledger_core::Position;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::codec::{is_the_ledgers, system_append};
use crate::store::Placed;

/// A log in memory, as all processes share it. Cheap to clone.
#[derive(Clone)]
pub struct SimulatedLog {
    inner: Arc<Inner>,
}

struct Inner {
    is_atomic: bool,
    stride: u64,
    now: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    state: Mutex<State>,
    /// Told of everything written. Wakes in the order in which it was asked, which a watch channel does not.
    grown: Notify,
}

#[derive(Default)]
struct State {
    events: Vec<RecordedEvent>,
    /// Where a stream's events are in `events`.
    streams: HashMap<Arc<str>, Vec<usize>>,
}

/// What an append came to.
pub(super) struct Written {
    pub(super) placed: Vec<Placed>,
    /// Nothing was written: all of it was there.
    pub(super) repeated: bool,
}

/// Whether a part of a batch fits.
enum Verdict {
    Fits,
    IsThere(usize),
    Conflicts,
}

impl SimulatedLog {
    /// An empty log. `is_atomic`: batches are written whole, as by the node in this process; otherwise part by part, as over the network.
    /// Positions are `stride` apart. `now` is the store's clock; recorded times never decrease, whatever it says.
    #[must_use]
    pub fn new(
        is_atomic: bool,
        stride: u64,
        now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static,
    ) -> Self {
        let inner =
            Inner { is_atomic, stride, now: Box::new(now), state: Mutex::default(), grown: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    /// Looks at every event, in order.
    pub fn read<T>(&self, look: impl FnOnce(&[RecordedEvent]) -> T) -> T {
        look(&self.inner.state.lock().events)
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.state.lock().events.len()
    }

    /// True when there is no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position of the last event, 0 when there is none.
    #[must_use]
    pub fn end(&self) -> Position {
        self.inner.state.lock().events.last().map_or(0, |last| last.position)
    }

    /// Puts an event of the store's own bookkeeping into the log, past every process, as an operator could.
    pub fn put(&self, stream: &str, event_type: &'static str, data: Vec<u8>) {
        let id = Uuid::from_u128(self.len() as u128);
        // Without an expectation nothing conflicts.
        self.append(&[system_append(id, stream, event_type, data)]).ok();
    }

    pub(super) fn is_atomic(&self) -> bool {
        self.inner.is_atomic
    }

    /// Waits until there are more events than these.
    pub(super) async fn grown_beyond(&self, length: usize) {
        loop {
            let grown = self.inner.grown.notified();
            if self.len() > length {
                return;
            }
            grown.await;
        }
    }

    /// Appends a batch whole, or not at all; then says which part conflicts.
    pub(super) fn append(&self, batch: &[StreamAppend]) -> Result<Written, usize> {
        let mut state = self.inner.state.lock();
        let before = state.events.len();
        let mut placed = Vec::with_capacity(batch.len());
        for (index, part) in batch.iter().enumerate() {
            let last = match state.check(part) {
                Verdict::Fits => self.write(&mut state, part),
                Verdict::IsThere(last) => Some(last),
                Verdict::Conflicts => None,
            };
            let Some(last) = last.and_then(|last| state.events.get(last)) else {
                state.truncate(before);
                return Err(index);
            };
            placed.push(Placed { revision: last.revision, position: last.position });
        }
        let after = state.events.len();
        drop(state);
        self.inner.grown.notify_waiters();
        Ok(Written { placed, repeated: after == before })
    }

    fn write(&self, state: &mut State, part: &StreamAppend) -> Option<usize> {
        let ticks = (self.inner.now)().timestamp_micros().saturating_mul(10);
        for event in &part.events {
            let created = state.events.last().map_or(ticks, |last| ticks.max(last.created));
            let before = state.events.last().map_or(0, |last| last.position);
            let index = state.events.len();
            let own = state.streams.entry(Arc::clone(&part.stream)).or_default();
            let revision = own.len() as u64;
            own.push(index);
            state.events.push(RecordedEvent {
                id: event.id,
                stream: Arc::clone(&part.stream),
                revision,
                position: before.saturating_add(self.inner.stride),
                event_type: event.event_type.as_ref().into(),
                is_json: event.is_json,
                created,
                data: event.data.clone(),
                metadata: event.metadata.clone(),
            });
        }
        state.events.len().checked_sub(1)
    }

    /// Position of the last event that a subscription gets to.
    pub(super) fn head(&self) -> Position {
        let state = self.inner.state.lock();
        let mut newest_first = state.events.iter().rev();
        newest_first.find(|event| self.is_delivered(event)).map_or(0, |event| event.position)
    }

    /// The ledger's last event at or before a position.
    pub(super) fn last_at(&self, position: Position) -> Option<RecordedEvent> {
        let state = self.inner.state.lock();
        let mut newest_first = state.events.iter().rev().skip_while(|event| event.position > position);
        newest_first.find(|event| is_the_ledgers(event)).cloned()
    }

    pub(super) fn newest(&self) -> Option<RecordedEvent> {
        self.inner.state.lock().events.last().cloned()
    }

    pub(super) fn read_all_from(&self, position: Position, max: usize) -> Vec<RecordedEvent> {
        let state = self.inner.state.lock();
        let first = state.events.partition_point(|event| event.position < position);
        let from_there = state.events.iter().skip(first);
        from_there.filter(|event| self.is_delivered(event)).take(max).cloned().collect()
    }

    /// A page of a stream, and whether it is the last.
    pub(super) fn stream_page(
        &self,
        stream: &str,
        from: StreamFrom,
        direction: Direction,
        max: usize,
    ) -> (Vec<RecordedEvent>, bool) {
        let state = self.inner.state.lock();
        let own = state.streams.get(stream).map_or(&[][..], Vec::as_slice);
        let revision = |from: u64| usize::try_from(from).unwrap_or(usize::MAX);
        let chosen: Vec<usize> = match (direction, from) {
            (Direction::Forward, StreamFrom::Start) => own.to_vec(),
            (Direction::Forward, StreamFrom::End) => vec![],
            (Direction::Forward, StreamFrom::Revision(from)) => {
                own.get(revision(from)..).unwrap_or_default().to_vec()
            }
            (Direction::Backward, StreamFrom::Start) => own.iter().take(1).copied().collect(),
            (Direction::Backward, StreamFrom::End) => own.iter().rev().copied().collect(),
            (Direction::Backward, StreamFrom::Revision(from)) => {
                own.iter().take(revision(from).saturating_add(1)).rev().copied().collect()
            }
        };
        let page = chosen.iter().take(max).filter_map(|index| state.events.get(*index)).cloned().collect();
        (page, chosen.len() <= max)
    }

    /// At most `max` events from this one on, and where to go on.
    pub(super) fn deliver(&self, from: usize, max: usize) -> (Vec<RecordedEvent>, usize) {
        let state = self.inner.state.lock();
        let (mut events, mut next) = (Vec::new(), from);
        while let Some(event) = state.events.get(next)
            && events.len() < max
        {
            next = next.saturating_add(1);
            if self.is_delivered(event) {
                events.push(event.clone());
            }
        }
        (events, next)
    }

    /// Which event a subscription from after this position begins with.
    pub(super) fn first_after(&self, position: Option<Position>) -> usize {
        let position = position.unwrap_or(0);
        self.inner.state.lock().events.partition_point(|event| event.position <= position)
    }

    /// Over the network a subscription gets the ledger's events only.
    fn is_delivered(&self, event: &RecordedEvent) -> bool {
        self.inner.is_atomic || is_the_ledgers(event)
    }
}

impl State {
    /// As EventStoreDB does: a repetition is known by its ids.
    fn check(&self, part: &StreamAppend) -> Verdict {
        let own = self.streams.get(&part.stream).map_or(&[][..], Vec::as_slice);
        let Some(last) = own.last().and_then(|last| self.events.get(*last)) else {
            return match part.expected {
                ExpectedRevision::Any | ExpectedRevision::NoStream => Verdict::Fits,
                ExpectedRevision::StreamExists | ExpectedRevision::Exact(_) => Verdict::Conflicts,
            };
        };
        match part.expected {
            ExpectedRevision::Any | ExpectedRevision::StreamExists => {
                let first = part.events.first().map(|event| event.id);
                let known = own.iter().position(|index| self.id(*index) == first);
                known.map_or(Verdict::Fits, |at| self.compare(own, at, &part.events))
            }
            ExpectedRevision::NoStream => self.compare(own, 0, &part.events),
            ExpectedRevision::Exact(revision) if revision < last.revision => {
                let at = usize::try_from(revision).unwrap_or(usize::MAX).saturating_add(1);
                self.compare(own, at, &part.events)
            }
            ExpectedRevision::Exact(revision)
                if revision == last.revision && part.follows.is_none_or(|id| id == last.id) =>
            {
                Verdict::Fits
            }
            ExpectedRevision::Exact(_) => Verdict::Conflicts,
        }
    }

    /// Are these the events that stand from there on?
    fn compare(&self, own: &[usize], at: usize, events: &[ProposedEvent]) -> Verdict {
        let there = own.get(at..).and_then(|there| there.get(..events.len())).unwrap_or_default();
        let same = there.len() == events.len()
            && there.iter().zip(events).all(|(index, event)| self.id(*index) == Some(event.id));
        match there.last() {
            Some(last) if same => Verdict::IsThere(*last),
            _ => Verdict::Conflicts,
        }
    }

    fn id(&self, index: usize) -> Option<Uuid> {
        self.events.get(index).map(|event| event.id)
    }

    /// Takes back what a batch wrote before one of its parts conflicted.
    fn truncate(&mut self, length: usize) {
        for event in self.events.drain(length..) {
            if let Some(own) = self.streams.get_mut(&event.stream) {
                own.pop();
            }
        }
    }
}
