//! Account states kept in memory, ahead of the disk.
//!
//! A state is evolved as soon as its append is queued, so that the next command is decided on it without waiting for the disk: a hot
//! account runs at the speed of batches, not of single fsyncs. Answers wait for the disk. When an append fails, the state falls back to what is
//! known to be on disk and the stream is read on from there; every append that was queued behind the failed one names an event that it
//! follows and that never came to be, so it fails as well.

use std::collections::VecDeque;
use std::sync::Arc;

use ledger_core::account::{AccountEvent, AccountSnapshot, AccountState, Question, Unremembered};
use ledger_core::{AccountId, Event, Position, stream};
use quick_cache::sync::Cache;
use tokio::sync::{Mutex, MutexGuard, Notify};
use uuid::Uuid;

use crate::codec::decode_all;
use crate::recall::Search;
use crate::snapshots::Start;
use crate::store::{AppendFailure, Placed, Submitted};
use crate::{CACHED_ACCOUNTS_MAX, EventStore, StoreError, snapshots};

/// The cache of account states.
pub(crate) struct Accounts {
    entries: Cache<AccountId, Arc<Entry>>,
    snapshot_every_events: u64,
}

/// One account's place in the cache.
pub(crate) struct Entry {
    pub(crate) stream: Arc<str>,
    /// See [`snapshots::is_due`].
    snapshot_every_events: u64,
    slot: Mutex<Loaded>,
    /// Told whenever an append under way was answered.
    answered: Notify,
}

/// What is known of the account.
#[derive(Default)]
struct Loaded {
    /// False: the stream must be read on from where the state ends.
    is_loaded: bool,
    state: AccountState,
    /// The last event folded into the state: the next append must follow it, and no other of the same revision.
    last_event: Option<Uuid>,
    /// How many of the state's events are known to be on disk.
    durable: u64,
    /// Counts the times that the state was given up, so that a failed append gives up what it was decided on and nothing newer.
    generation: u64,
    /// Kept where other processes may write to the stream, too.
    settled: Option<Settled>,
}

/// The state as it is on disk: after a lost race, only what others wrote has to be read.
#[derive(Default)]
struct Settled {
    state: AccountState,
    last_event: Option<Uuid>,
    /// What the state in memory is ahead by.
    under_way: VecDeque<Step>,
}

/// The events of one append.
struct Step {
    events: Vec<AccountEvent>,
    last_event: Option<Uuid>,
}

/// An account's state, held for one decision.
pub(crate) struct Held<'a> {
    loaded: MutexGuard<'a, Loaded>,
}

/// An append under way on an entry.
pub(crate) struct UnderWay {
    entry: Arc<Entry>,
    generation: u64,
    /// Of its last event.
    revision: u64,
    /// To be written once it is on disk.
    snapshot: Option<AccountSnapshot>,
}

impl Accounts {
    pub(crate) fn new(snapshot_every_events: u64) -> Self {
        Self { entries: Cache::new(CACHED_ACCOUNTS_MAX), snapshot_every_events }
    }

    pub(crate) fn entry(&self, id: AccountId) -> Arc<Entry> {
        if let Some(entry) = self.entries.get(&id) {
            return entry;
        }
        let fresh = || Entry {
            stream: stream::account(id).into(),
            snapshot_every_events: self.snapshot_every_events,
            slot: Mutex::default(),
            answered: Notify::new(),
        };
        match self.entries.get_or_insert_with(&id, || Ok::<_, std::convert::Infallible>(Arc::new(fresh()))) {
            Ok(entry) => entry,
            Err(never) => match never {},
        }
    }
}

impl Entry {
    /// Holds the account's state, loading it if need be, when it knows what the question asks.
    pub(crate) async fn hold(
        &self,
        store: &EventStore,
        question: Option<Question>,
    ) -> Result<Held<'_>, StoreError> {
        let mut search = question.map(Search::new);
        loop {
            let mut loaded = self.slot.lock().await;
            if !loaded.is_loaded {
                self.load(store, &mut loaded).await?;
            }
            let Some(search) = &mut search else { return Ok(Held { loaded }) };
            if loaded.knows(search) {
                return Ok(Held { loaded });
            }
            let unremembered = loaded.unremembered();
            drop(loaded);
            search.go_on(store, &self.stream, unremembered).await?;
        }
    }

    async fn load(&self, store: &EventStore, loaded: &mut Loaded) -> Result<(), StoreError> {
        let read = loaded.read_on(store, &self.stream).await?;
        // Whoever should have written one did not come to it, or the log is from before there were any.
        if self.snapshot_every_events > 0
            && read >= self.snapshot_every_events
            && let Some(snapshot) = loaded.snapshot()
        {
            snapshots::write_in_background(store, &self.stream, snapshot);
        }
        Ok(())
    }

    /// Waits until everything that was seen is on disk, and makes sure that nobody else has written since. `false` when what was seen
    /// did not come true, or is not all there is: decide again.
    pub(crate) async fn confirm(
        &self,
        store: &EventStore,
        generation: u64,
        seen: u64,
    ) -> Result<bool, StoreError> {
        loop {
            let answered = self.answered.notified();
            // Asked without the lock: it may take a round trip.
            let in_store = store.events_in(&self.stream).await?;
            let mut loaded = self.slot.lock().await;
            if loaded.generation != generation {
                return Ok(false);
            }
            if loaded.durable >= seen {
                if in_store <= loaded.durable {
                    return Ok(true);
                }
                if loaded.durable == loaded.state.events {
                    // Nothing of ours is under way: somebody else has written.
                    loaded.is_loaded = false;
                    return Ok(false);
                }
                // Ours or somebody else's? Our own appends tell: they fail if it was not us.
            }
            drop(loaded);
            answered.await;
        }
    }
}

impl Loaded {
    /// Folds what the stream has beyond the state, page by page: an account may have millions of events. Where nothing is known yet, it
    /// begins at the newest snapshot. Returns how many events were folded in.
    async fn read_on(&mut self, store: &EventStore, stream: &Arc<str>) -> Result<u64, StoreError> {
        if !store.is_atomic() {
            self.settled.get_or_insert_default();
        }
        if self.state.events == 0
            && let Some(start) = snapshots::newest(store, stream).await?
        {
            self.begin_at(start);
        }
        let begun_at = self.state.events;
        loop {
            let (page, end) = store.read_stream_page(stream, self.state.events).await?;
            for recorded in decode_all(page)? {
                if let Event::Account(event) = &recorded.event {
                    self.state.evolve(event);
                    self.state.settle(recorded.revision, recorded.position);
                    self.last_event = Some(recorded.id);
                    if let Some(settled) = &mut self.settled {
                        settled.state.evolve(event);
                        settled.state.settle(recorded.revision, recorded.position);
                        settled.last_event = Some(recorded.id);
                    }
                }
            }
            if end {
                self.durable = self.state.events;
                self.is_loaded = true;
                return Ok(self.state.events.saturating_sub(begun_at));
            }
        }
    }

    fn begin_at(&mut self, start: Start) {
        let Start { state, last_event } = start;
        self.last_event = Some(last_event);
        if let Some(settled) = &mut self.settled {
            settled.state = state.clone();
            settled.last_event = self.last_event;
        }
        self.state = state;
    }

    /// True when the state knows what is asked; it goes on remembering that until something later is asked about.
    fn knows(&mut self, search: &mut Search) -> bool {
        self.state.remembers(search.question().since) || search.complete(&mut self.state)
    }

    /// Where the legs are that the state does not remember. They are all on disk.
    fn unremembered(&self) -> Unremembered {
        let unremembered = self.state.unremembered();
        Unremembered { before_revision: unremembered.before_revision.min(self.durable), ..unremembered }
    }

    /// The state as it is to be written down, once it is on disk.
    fn snapshot(&self) -> Option<AccountSnapshot> {
        AccountSnapshot::of(&self.state, self.last_event?.to_string())
    }

    /// Everything up to this revision is on disk, at or before this position if that is known.
    fn landed(&mut self, revision: u64, position: Option<Position>) {
        self.durable = self.durable.max(revision.saturating_add(1));
        if let Some(position) = position {
            self.state.settle(revision, position);
        }
        let Some(settled) = &mut self.settled else { return };
        while settled.state.events <= revision
            && let Some(step) = settled.under_way.pop_front()
        {
            step.events.iter().for_each(|event| settled.state.evolve(event));
            settled.last_event = step.last_event;
        }
        if let Some(position) = position {
            settled.state.settle(revision, position);
        }
    }

    /// What is ahead of the disk did not happen, or not as it was thought to.
    fn fall_back(&mut self) {
        let settled = self.settled.take().map(|settled| Settled { under_way: VecDeque::new(), ..settled });
        let generation = self.generation.wrapping_add(1);
        *self = match settled {
            Some(settled) => Self {
                is_loaded: false,
                state: settled.state.clone(),
                last_event: settled.last_event,
                durable: settled.state.events,
                generation,
                settled: Some(settled),
            },
            None => Self { generation, ..Self::default() },
        };
    }
}

impl UnderWay {
    /// Waits for the append and brings the state in line with its outcome. In a task of its own: whoever asked may go away, the state
    /// must not stay in doubt.
    pub(crate) async fn finish(
        self,
        submitted: Submitted,
        account_part: usize,
        store: EventStore,
    ) -> Result<Vec<Placed>, AppendFailure> {
        let finished = tokio::spawn(async move {
            let outcome = submitted.placed().await;
            let mut loaded = self.entry.slot.lock().await;
            let mut snapshot = None;
            if loaded.generation == self.generation {
                match &outcome {
                    Ok(placed) => {
                        loaded.landed(self.revision, placed.get(account_part).map(|own| own.position));
                        snapshot = self.snapshot;
                    }
                    // The parts before the one to blame are written.
                    Err(AppendFailure::Conflict(part)) if *part > account_part && !store.is_atomic() => {
                        loaded.landed(self.revision, None);
                        snapshot = self.snapshot;
                    }
                    Err(_) => loaded.fall_back(),
                }
            }
            drop(loaded);
            self.entry.answered.notify_waiters();
            if let Some(snapshot) = snapshot {
                snapshots::write_in_background(&store, &self.entry.stream, snapshot);
            }
            outcome
        });
        finished.await.unwrap_or_else(|error| {
            Err(AppendFailure::Store(StoreError::Unavailable(error.to_string().into())))
        })
    }
}

impl Held<'_> {
    /// Evolves the state ahead of the disk and lets go of it.
    pub(crate) fn submit(
        mut self,
        entry: &Arc<Entry>,
        events: &[AccountEvent],
        last_event: Option<Uuid>,
    ) -> UnderWay {
        self.loaded.last_event = last_event;
        let events_before = self.loaded.state.events;
        events.iter().for_each(|event| self.loaded.state.evolve(event));
        if let Some(settled) = &mut self.loaded.settled {
            settled.under_way.push_back(Step { events: events.to_vec(), last_event });
        }
        let events_after = self.loaded.state.events;
        let is_due = snapshots::is_due(events_before, events_after, entry.snapshot_every_events);
        UnderWay {
            entry: Arc::clone(entry),
            generation: self.loaded.generation,
            revision: events_after.saturating_sub(1),
            snapshot: is_due.then(|| self.loaded.snapshot()).flatten(),
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.loaded.generation
    }

    pub(crate) fn last_event(&self) -> Option<Uuid> {
        self.loaded.last_event
    }

    /// How many of the state's events are known to be on disk.
    pub(crate) fn durable(&self) -> u64 {
        self.loaded.durable
    }

    pub(crate) fn state(&self) -> &AccountState {
        &self.loaded.state
    }
}
