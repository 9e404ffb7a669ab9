//! The transfers that have not ended, as the log tells of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ledger_core::dead_letter::{DeadLetterEvent, Resolution};
use ledger_core::settlement::Settlement;
use ledger_core::transfer::TransferEvent;
use ledger_core::transfer::process::Stage;
use ledger_core::{Event, Position, stream};
use ledger_streams::{Recorded, StoreError, TransferRun, Undecoded};
use tokio::time::Instant;

use super::partition::{PARTITIONS, partition_of};
use super::tries::Tries;

/// A transfer that has not ended.
pub(super) struct Pending {
    /// How far it has come. Nothing, when only its stream is known: it comes from the dead letters, or its request could not be read.
    pub(super) run: Option<TransferRun>,
    /// How an operator said that it is to end.
    pub(super) resolution: Option<Resolution>,
    /// Revision of an operator's last word on it.
    pub(super) word: Option<u64>,
    /// Where in the log a restart would learn of it.
    known_at: Position,
    /// When the log recorded that.
    since: DateTime<Utc>,
    /// Once one has failed.
    pub(super) tries: Option<Box<Tries>>,
    pub(super) state: State,
}

impl Pending {
    fn new(known_at: Position, since: DateTime<Utc>, run: Option<TransferRun>) -> Self {
        let state = State::Resting { since: Instant::now() };
        Self { run, resolution: None, word: None, known_at, since, tries: None, state }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nobody here drives it; somebody else may.
    Resting {
        /// The last sign of life.
        since: Instant,
    },
    /// It failed, and is left alone for a while.
    Waiting {
        /// Until when, and its place among all that wait.
        key: (Instant, u64),
    },
    /// In line to be driven.
    Ready,
    /// Being driven.
    Driven,
}

/// All transfers that have not ended.
#[derive(Default)]
pub(super) struct Transfers {
    pending: HashMap<Arc<str>, Pending>,
    /// Those in line, by partition, in the order in which the log told of them.
    ready: [BTreeMap<Position, Arc<str>>; PARTITIONS],
    /// Those that wait for their next try, by partition, in the order of their wakes.
    waiting: [BTreeMap<(Instant, u64), Arc<str>>; PARTITIONS],
    /// Tells apart those that wait until the same moment.
    waits: u64,
    /// Where the first event about a parked transfer stands that this program cannot read: a newer one must be told of it after a restart,
    /// for nobody else takes that transfer up.
    unread_word: Option<Position>,
}

impl Transfers {
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn get_mut(&mut self, stream: &Arc<str>) -> Option<&mut Pending> {
        self.pending.get_mut(stream)
    }

    /// Where the oldest of them became known, or would have.
    pub(super) fn oldest(&self) -> Option<Position> {
        self.pending.values().map(|pending| pending.known_at).chain(self.unread_word).min()
    }

    /// How many have been known for longer than `age`, and how long the oldest has.
    pub(super) fn older_than(&self, age: Duration, now: DateTime<Utc>) -> (usize, Duration) {
        let ages = self.pending.values().map(|pending| (now - pending.since).to_std().unwrap_or_default());
        ages.fold((0, Duration::ZERO), |(count, oldest), this| {
            (count + usize::from(this >= age), oldest.max(this))
        })
    }

    /// Learns from an event. True when it is about parked transfers.
    pub(super) fn learn(&mut self, event: Undecoded) -> bool {
        if event.stream().starts_with(stream::TRANSFER) {
            self.learn_of_transfer(event);
        } else if event.stream().starts_with(stream::ACCOUNT) {
            self.learn_of_account(event);
        } else if event.stream().starts_with(stream::DEAD_LETTERS) {
            self.learn_of_dead_letter(event);
            return true;
        }
        false
    }

    /// A transfer's own stream begins with its request; whatever follows ends it.
    fn learn_of_transfer(&mut self, event: Undecoded) {
        let stream = Arc::clone(event.stream());
        if event.revision() > 0 {
            metrics::counter!("daybook_transfers_ended_total").increment(1);
            self.remove(&stream);
            return;
        }
        let (position, recorded_at) = (event.position(), event.recorded_at());
        let run = match event.decode() {
            Ok(recorded) => run_of(&recorded),
            // Kept in mind all the same: a newer program may read it after a restart, and must be told of it then.
            Err(error) => unreadable(&error),
        };
        self.insert(stream, Pending::new(position, recorded_at, run));
    }

    /// A leg is news only while nobody here drives its transfer.
    fn learn_of_account(&mut self, event: Undecoded) {
        let pending = match event.correlation_id() {
            Ok(stream) => self.pending.get_mut(&*stream),
            Err(error) => unreadable(&error),
        };
        let Some(pending) = pending else { return };
        let Some(run) = &mut pending.run else { return };
        if pending.state == State::Driven {
            return;
        }
        match event.decode() {
            Ok(recorded) => run.evolve(&recorded),
            // Who drives it meets this event again, and has the transfer parked for it.
            Err(error) => unreadable(&error),
        }
        // Nobody answers a request but its own command; and whoever asks for cash waits for the end and drives it there. These are left alone,
        // unless they come to rest.
        let to_do = run.process.stage != Stage::Requested && !is_waited_for(run);
        let stream = Arc::clone(run.stream());
        if let State::Resting { since } = &mut pending.state {
            *since = Instant::now();
            if to_do {
                self.make_ready(&stream);
            }
        }
    }

    /// An operator's word takes a parked transfer up again.
    fn learn_of_dead_letter(&mut self, event: Undecoded) {
        let (position, recorded_at) = (event.position(), event.recorded_at());
        let recorded = match event.decode() {
            Ok(recorded) => recorded,
            Err(error) => {
                self.unread_word.get_or_insert(position);
                return unreadable(&error);
            }
        };
        let word = Some(recorded.revision);
        let Event::DeadLetter(event) = recorded.event else { return };
        let (stream, resolution) = match event {
            DeadLetterEvent::Parked(parked) => return self.remove(&parked.stream.into()),
            DeadLetterEvent::Retried(retried) => (retried.stream, retried.resolution),
            DeadLetterEvent::Resolved(resolved) => (resolved.stream, Some(resolved.resolution)),
        };
        let stream = stream.into();
        let pending = Pending { resolution, word, ..Pending::new(position, recorded_at, None) };
        self.insert(Arc::clone(&stream), pending);
        self.make_ready(&stream);
    }

    fn insert(&mut self, stream: Arc<str>, pending: Pending) {
        self.remove(&stream);
        self.pending.insert(stream, pending);
    }

    pub(super) fn remove(&mut self, stream: &Arc<str>) {
        let Some(pending) = self.pending.remove(stream) else { return };
        match pending.state {
            State::Ready => {
                self.ready.get_mut(partition_of(stream)).map(|line| line.remove(&pending.known_at));
            }
            State::Waiting { key } => {
                self.waiting.get_mut(partition_of(stream)).map(|line| line.remove(&key));
            }
            State::Resting { .. } | State::Driven => {}
        }
    }

    /// Puts a transfer in line.
    fn make_ready(&mut self, stream: &Arc<str>) {
        let Some(pending) = self.pending.get_mut(stream) else { return };
        pending.state = State::Ready;
        if let Some(line) = self.ready.get_mut(partition_of(stream)) {
            line.insert(pending.known_at, Arc::clone(stream));
        }
    }

    /// True when somebody in this partition is in line.
    pub(super) fn has_ready(&self, partition: usize) -> bool {
        self.ready.get(partition).is_some_and(|ready| !ready.is_empty())
    }

    /// True when somebody in this partition waits for its next try.
    pub(super) fn has_waiting(&self, partition: usize) -> bool {
        self.waiting.get(partition).is_some_and(|waiting| !waiting.is_empty())
    }

    /// Takes the one of a partition that has been in line for longest.
    pub(super) fn take_ready(&mut self, partition: usize) -> Option<Arc<str>> {
        self.ready.get_mut(partition)?.pop_first().map(|(_, stream)| stream)
    }

    /// Puts in line what has shown no sign of life for `rest`.
    pub(super) fn take_up_resting(&mut self, rest: Duration) {
        let resting = self.pending.iter().filter(
            |(_, pending)| matches!(pending.state, State::Resting { since } if since.elapsed() >= rest),
        );
        let streams: Vec<_> = resting.map(|(stream, _)| Arc::clone(stream)).collect();
        streams.iter().for_each(|stream| self.make_ready(stream));
    }

    /// Leaves a transfer alone for a while.
    pub(super) fn wait(&mut self, stream: &Arc<str>, pause: Duration) {
        let Some(pending) = self.pending.get_mut(stream) else { return };
        self.waits = self.waits.wrapping_add(1);
        let key = (Instant::now() + pause, self.waits);
        pending.state = State::Waiting { key };
        if let Some(line) = self.waiting.get_mut(partition_of(stream)) {
            line.insert(key, Arc::clone(stream));
        }
    }

    /// When the next of those that wait has waited enough.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.waiting.iter().filter_map(|line| line.first_key_value()).map(|((at, _), _)| *at).min()
    }

    /// Puts in line those that have waited enough.
    pub(super) fn wake(&mut self) {
        let now = Instant::now();
        let mut awake = Vec::new();
        for line in &mut self.waiting {
            while let Some(entry) = line.first_entry()
                && entry.key().0 <= now
            {
                awake.push(entry.remove());
            }
        }
        awake.iter().for_each(|stream| self.make_ready(stream));
    }
}

/// True for what deposits, withdrawals and imports make: one side is the bank's own.
fn is_waited_for(run: &TransferRun) -> bool {
    let transfer = &run.process.transfer;
    [transfer.from, transfer.to].into_iter().any(|account| Settlement::of(account).is_some())
}

fn run_of(recorded: &Recorded) -> Option<TransferRun> {
    match &recorded.event {
        Event::Transfer(TransferEvent::Requested(requested)) => Some(TransferRun::of(recorded, requested)),
        Event::Transfer(_)
        | Event::Account(_)
        | Event::User(_)
        | Event::Reference(_)
        | Event::DeadLetter(_)
        | Event::Statement(_)
        | Event::Webhook(_) => None,
    }
}

fn unreadable<T: Default>(error: &StoreError) -> T {
    tracing::error!(%error, "an event concerns a transfer and cannot be read");
    T::default()
}
