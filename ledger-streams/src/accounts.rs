//! Account states kept in memory, ahead of the disk.
//!
//! A state is evolved as soon as its append is queued, so that the next command is decided on it without waiting for the disk: a hot
//! account runs at the speed of batches, not of single fsyncs. Answers wait for the disk. When an append fails, the state is dropped and
//! loaded anew; exact revisions make every append that was queued behind the failed one fail as well.

use std::sync::Arc;

use ledger_core::account::{AccountEvent, AccountState};
use ledger_core::{AccountId, Event, Position, stream};
use quick_cache::sync::Cache;
use tokio::sync::{Mutex, MutexGuard, Notify};
use uuid::Uuid;

use crate::codec::decode_all;
use crate::store::{AppendFailure, Placed, Submitted};
use crate::{CACHED_ACCOUNTS_MAX, EventStore, StoreError};

/// The cache of account states.
pub(crate) struct Accounts {
    entries: Cache<AccountId, Arc<Entry>>,
}

/// One account's place in the cache.
pub(crate) struct Entry {
    pub(crate) stream: Arc<str>,
    slot: Mutex<Loaded>,
    /// Told whenever an append under way was answered.
    answered: Notify,
}

/// What is known of the account.
#[derive(Default)]
struct Loaded {
    is_loaded: bool,
    state: AccountState,
    /// The last event folded into the state: the next append must follow it, and no other of the same revision.
    last_event: Option<Uuid>,
    /// How many of the state's events are known to be on disk.
    durable: u64,
    /// Counts the loads, so that a failed append drops the state that it was decided on and not a newer one.
    generation: u64,
}

/// An account's state, held for one decision.
pub(crate) struct Held<'a> {
    loaded: MutexGuard<'a, Loaded>,
}

/// An append under way on an entry.
pub(crate) struct UnderWay {
    entry: Arc<Entry>,
    generation: u64,
}

impl Accounts {
    pub(crate) fn new() -> Self {
        Self { entries: Cache::new(CACHED_ACCOUNTS_MAX) }
    }

    pub(crate) fn entry(&self, id: AccountId) -> Arc<Entry> {
        if let Some(entry) = self.entries.get(&id) {
            return entry;
        }
        let fresh =
            || Entry { stream: stream::account(id).into(), slot: Mutex::default(), answered: Notify::new() };
        match self.entries.get_or_insert_with(&id, || Ok::<_, std::convert::Infallible>(Arc::new(fresh()))) {
            Ok(entry) => entry,
            Err(never) => match never {},
        }
    }
}

impl Entry {
    /// Holds the account's state, loading it if need be, with a memory of legs that reaches back to `legs_since`.
    pub(crate) async fn hold(
        &self,
        store: &EventStore,
        legs_since: Option<Position>,
    ) -> Result<Held<'_>, StoreError> {
        let mut loaded = self.slot.lock().await;
        if !loaded.is_loaded {
            (loaded.state, loaded.last_event) = load(store, &self.stream).await?;
            loaded.durable = loaded.state.events;
            loaded.is_loaded = true;
        }
        if let Some(position) = legs_since
            && !loaded.state.remembers(position)
        {
            let events = decode_all(store.read_stream_since(&self.stream, position).await?)?;
            let legs = events.iter().filter_map(|recorded| match &recorded.event {
                Event::Account(event) => Some((event, recorded.revision, recorded.position)),
                Event::Transfer(_) | Event::User(_) | Event::Reference(_) => None,
            });
            loaded.state.remember(position, legs);
        }
        Ok(Held { loaded })
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
                    loaded.forget();
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
    fn forget(&mut self) {
        *self = Self { generation: self.generation.wrapping_add(1), ..Self::default() };
    }
}

impl UnderWay {
    /// Waits for the append and brings the state in line with its outcome. In a task of its own: whoever asked may go away, the state
    /// must not stay in doubt.
    pub(crate) async fn finish(
        self,
        submitted: Submitted,
        account_part: usize,
    ) -> Result<Vec<Placed>, AppendFailure> {
        let finished = tokio::spawn(async move {
            let outcome = submitted.placed().await;
            let mut loaded = self.entry.slot.lock().await;
            if loaded.generation == self.generation {
                match &outcome {
                    Ok(placed) => {
                        if let Some(own) = placed.get(account_part) {
                            loaded.state.settle(own.revision, own.position);
                            loaded.durable = loaded.durable.max(own.revision + 1);
                        }
                    }
                    // What was evolved did not happen.
                    Err(_) => loaded.forget(),
                }
            }
            drop(loaded);
            self.entry.answered.notify_waiters();
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
        events.iter().for_each(|event| self.loaded.state.evolve(event));
        UnderWay { entry: Arc::clone(entry), generation: self.loaded.generation }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.loaded.generation
    }

    pub(crate) fn last_event(&self) -> Option<Uuid> {
        self.loaded.last_event
    }

    pub(crate) fn state(&self) -> &AccountState {
        &self.loaded.state
    }
}

/// Folds the stream page by page: an account may have millions of events.
async fn load(store: &EventStore, stream: &Arc<str>) -> Result<(AccountState, Option<Uuid>), StoreError> {
    let mut state = AccountState::default();
    let mut last_event = None;
    loop {
        let (page, end) = store.read_stream_page(stream, state.events).await?;
        for recorded in decode_all(page)? {
            if let Event::Account(event) = &recorded.event {
                state.evolve(event);
                state.settle(recorded.revision, recorded.position);
                last_event = Some(recorded.id);
            }
        }
        if end {
            return Ok((state, last_event));
        }
    }
}
