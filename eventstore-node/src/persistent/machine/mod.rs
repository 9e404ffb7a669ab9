//! What a group does with its events, without doing it: no input or output, no clock. Whoever owns the machine tells it
//! what happened and when, and carries out what it asks for.
//!
//! An event that was read is in exactly one place until it is settled (acknowledged, skipped, or recorded as parked):
//! waiting for its first delivery, waiting to be delivered again, in flight to one consumer, or waiting to be recorded
//! as parked. A checkpoint never passes an event that is not settled.

mod checkpoints;
mod consumers;
mod deliveries;
mod latencies;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::limits::{HELD_BYTES, MAX_PARKING};
use super::resolved::ResolvedEvent;
use super::settings::GroupSettings;
use checkpoints::{Checkpoints, Reached};
pub(crate) use consumers::{ConsumerId, Consumers};
pub(crate) use latencies::Latencies;

/// Where an event lies in what the group follows: a revision of a stream, or a position of the log.
pub(crate) type Place = u64;

/// A message of the group. Messages that are replayed come after those that were never parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// Read for the first time: its number, in the order of reading.
    New(u64),
    /// Parked before: its revision in the stream of parked messages.
    Replayed(u64),
}

/// What a consumer says about an event that it will not acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackAction {
    /// Nothing particular: it is delivered again.
    Unknown,
    /// Park it.
    Park,
    /// Deliver it again.
    Retry,
    /// Forget it.
    Skip,
    /// Does nothing, as in EventStoreDB's server: the event stays in flight.
    Stop,
}

/// An event for a consumer.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) consumer: ConsumerId,
    pub(crate) event: Arc<ResolvedEvent>,
    pub(crate) retry_count: u32,
}

/// A message to be recorded as parked.
#[derive(Clone, Debug)]
pub(crate) struct Park {
    pub(crate) key: Key,
    pub(crate) event: Arc<ResolvedEvent>,
    /// Shared with other messages that were parked for it.
    pub(crate) reason: Arc<str>,
}

#[derive(Debug)]
struct Message {
    event: Arc<ResolvedEvent>,
    /// The place before it; `None` if there is none.
    previous: Option<Place>,
    /// What it is pinned by, where the strategy pins.
    pin: u64,
    retries: u32,
    bytes: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    InFlight { consumer: ConsumerId, since: Instant, expires: Option<Instant> },
    Parking,
}

/// The state of a group.
#[derive(Debug)]
pub(crate) struct Machine {
    timeout: Option<Duration>,
    max_retries: u32,
    history_buffer: usize,
    live_buffer: usize,
    live: bool,
    /// Events read or passed over.
    passed: u64,
    /// The place of the last one.
    last: Option<Place>,
    messages: BTreeMap<Key, Message>,
    fresh: BTreeSet<Key>,
    retry: BTreeSet<Key>,
    expiries: BTreeSet<(Instant, Key)>,
    /// Messages that were delivered and are not settled, by the id that consumers name them with.
    delivered: HashMap<Uuid, Vec<Key>>,
    parks: VecDeque<Park>,
    parking: usize,
    held_bytes: usize,
    consumers: Consumers,
    checkpoints: Checkpoints,
}

impl Machine {
    /// A group that has settled everything up to and including its checkpoint.
    pub(crate) fn new(settings: &GroupSettings, checkpoint: Option<Place>, now: Instant) -> Self {
        Self {
            timeout: Some(settings.message_timeout).filter(|timeout| !timeout.is_zero()),
            max_retries: settings.max_retry_count,
            history_buffer: settings.history_buffer_size as usize,
            live_buffer: settings.live_buffer_size.max(settings.read_batch_size) as usize,
            live: false,
            passed: 0,
            last: checkpoint,
            messages: BTreeMap::new(),
            fresh: BTreeSet::new(),
            retry: BTreeSet::new(),
            expiries: BTreeSet::new(),
            delivered: HashMap::new(),
            parks: VecDeque::new(),
            parking: 0,
            held_bytes: 0,
            consumers: Consumers::new(settings.strategy, settings.extra_statistics),
            checkpoints: Checkpoints::new(settings, checkpoint, now),
        }
    }

    /// How many more events may be read.
    pub(crate) fn room(&self) -> usize {
        if self.held_bytes >= HELD_BYTES || self.parking >= MAX_PARKING {
            return 0;
        }
        let bound = if self.live { self.live_buffer } else { self.history_buffer };
        bound.saturating_sub(self.fresh.len() + self.retry.len())
    }

    /// How many more parked messages may be read.
    pub(crate) fn replay_room(&self) -> usize {
        if self.held_bytes >= HELD_BYTES || self.parking >= MAX_PARKING {
            return 0;
        }
        self.history_buffer.saturating_sub(self.retry.len())
    }

    /// Whether everything there was has been read.
    pub(crate) fn set_live(&mut self, live: bool) {
        self.live = live;
    }

    /// The next event was read.
    pub(crate) fn read(&mut self, place: Place, event: impl Into<Arc<ResolvedEvent>>, pin: u64) {
        let key = Key::New(self.passed);
        self.insert(key, event.into(), self.last, pin);
        self.fresh.insert(key);
        self.skip(place);
    }

    /// The next event was read and is not wanted.
    pub(crate) fn skip(&mut self, place: Place) {
        self.passed += 1;
        self.last = Some(place);
    }

    /// The next event is of the groups' own making. It does not count: a checkpoint must not lead to the next one.
    pub(crate) fn pass(&mut self, place: Place) {
        self.last = Some(place);
    }

    /// A parked message was read.
    pub(crate) fn replay(&mut self, revision: u64, event: impl Into<Arc<ResolvedEvent>>, pin: u64) {
        let key = Key::Replayed(revision);
        self.insert(key, event.into(), None, pin);
        self.retry.insert(key);
    }

    /// The revision of the first replayed message that is not settled.
    pub(crate) fn first_replayed(&self) -> Option<u64> {
        match self.messages.last_key_value()?.0 {
            Key::New(_) => None,
            Key::Replayed(_) => match self.messages.range(Key::Replayed(0)..).next()?.0 {
                Key::Replayed(revision) => Some(*revision),
                Key::New(_) => None,
            },
        }
    }

    /// A message to be recorded as parked, to be followed by [`Self::parked`].
    pub(crate) fn take_park(&mut self) -> Option<Park> {
        self.parks.pop_front()
    }

    /// A message is recorded as parked.
    pub(crate) fn parked(&mut self, key: Key) {
        self.settle(key);
    }

    /// The place for a checkpoint, if it is time for one.
    pub(crate) fn checkpoint_due(&mut self, now: Instant) -> Option<Place> {
        let reached = self.reached();
        self.checkpoints.due(reached, now)
    }

    /// The place for a last checkpoint, if there is anything to record.
    pub(crate) fn checkpoint_at_end(&mut self, now: Instant) -> Option<Place> {
        let reached = self.reached();
        self.checkpoints.at_end(reached, now)
    }

    /// When a consumer has had an event for too long.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|(expires, _)| *expires)
    }

    /// When it is time for a checkpoint even if nothing happens.
    pub(crate) fn next_checkpoint(&self) -> Option<Instant> {
        self.checkpoints.deadline(self.reached())
    }

    pub(crate) fn consumers_mut(&mut self) -> &mut Consumers {
        &mut self.consumers
    }

    /// What is recorded, the place read last, and how many messages wait for the first delivery and for another one.
    pub(crate) fn figures(&self) -> Figures {
        Figures {
            checkpoint: self.checkpoints.written(),
            last: self.last,
            live: self.live,
            fresh: self.fresh.len(),
            retry: self.retry.len(),
            outstanding: self.messages.len() - self.fresh.len() - self.retry.len(),
        }
    }

    fn insert(&mut self, key: Key, event: Arc<ResolvedEvent>, previous: Option<Place>, pin: u64) {
        let bytes = event.bytes();
        self.held_bytes += bytes;
        let state = State::Waiting;
        self.messages.insert(key, Message { event, previous, pin, retries: 0, bytes, state });
    }

    /// How far everything is settled.
    fn reached(&self) -> Reached {
        match self.messages.first_key_value() {
            Some((Key::New(number), message)) => Reached { passed: *number, place: message.previous },
            _ => Reached { passed: self.passed, place: self.last },
        }
    }

    /// Forgets a message.
    fn settle(&mut self, key: Key) {
        self.take_back(key);
        let Some(message) = self.messages.remove(&key) else { return };
        if message.state == State::Parking {
            self.parking -= 1;
        }
        self.held_bytes -= message.bytes;
        self.fresh.remove(&key);
        self.retry.remove(&key);
        let id = message.event.original().id;
        if let Some(keys) = self.delivered.get_mut(&id) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.delivered.remove(&id);
            }
        }
    }
}

/// Figures of a group's state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) checkpoint: Option<Place>,
    pub(crate) last: Option<Place>,
    pub(crate) live: bool,
    pub(crate) fresh: usize,
    pub(crate) retry: usize,
    /// In flight, or waiting to be recorded as parked.
    pub(crate) outstanding: usize,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
