//! What changes, as it changes: one subscription to the log per process, fanned out to whoever listens.
//!
//! A change is passed on only once every projection has handled its event, so what a subscriber then reads agrees with it. The feed
//! runs while somebody listens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use chrono::{DateTime, Utc};
use ledger_core::account::AccountEvent;
use ledger_core::dead_letter::DeadLetterEvent;
use ledger_core::transfer::TransferEvent;
use ledger_core::{AccountId, Event, Position, TransferId, stream};
use ledger_streams::{EventStore, Recorded, StoreError};
use tokio::sync::{Mutex, broadcast};
use tokio::task::AbortHandle;

use crate::freshness::Freshness;
use crate::limits::{LIVE_BATCH, LIVE_BUFFER, PROJECTIONS_WAIT_MAX};
use crate::problem::Problem;
use crate::read_models::ReadError;

/// Something that a transfer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Of its event.
    pub(crate) position: Position,
    pub(crate) transfer_id: TransferId,
    /// The entry it made, if it made one.
    pub(crate) entry: Option<Entry>,
}

/// The place of a new entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) account_id: AccountId,
    pub(crate) revision: u64,
    pub(crate) booked_at: DateTime<Utc>,
}

/// Why live updates end before the subscriber wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LiveError {
    /// More changes are waiting than the buffer holds.
    #[error("This subscriber is too slow for the changes it asked for; subscribe again.")]
    TooSlow,
    /// The log or the projections cannot be followed now.
    #[error("Live updates were interrupted; subscribe again.")]
    Interrupted,
}

/// The source of live updates; clones share one feed.
#[derive(Clone)]
pub(crate) struct Live(Arc<Inner>);

struct Inner {
    store: EventStore,
    freshness: Freshness,
    feed: Mutex<Weak<Feed>>,
}

/// The task that follows the log; ends when its last subscriber goes.
struct Feed {
    /// Weak, so that the channel closes when the task ends.
    changes: broadcast::WeakSender<Change>,
    /// Every change up to here was told: who comes later must see it.
    told: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One subscriber's end.
pub(crate) struct Changes {
    receiver: broadcast::Receiver<Change>,
    /// Changes up to here are not told.
    start: Position,
    freshness: Freshness,
    _feed: Arc<Feed>,
}

impl Changes {
    /// Reads what there was before the first change.
    pub(crate) async fn read_first<T, E, F>(&self, read: impl Fn() -> F) -> Result<T, E>
    where
        E: From<Problem>,
        F: Future<Output = Result<T, E>>,
    {
        self.read_at(self.start, read).await
    }

    /// Reads with the change at `position` in it. It was, when it was told of; but Postgres may have crashed since, and forgotten it.
    pub(crate) async fn read_at<T, E, F>(&self, position: Position, read: impl Fn() -> F) -> Result<T, E>
    where
        E: From<Problem>,
        F: Future<Output = Result<T, E>>,
    {
        self.freshness.read_at(position, PROJECTIONS_WAIT_MAX, read).await
    }

    /// The next change that is wanted.
    pub(crate) async fn next(&mut self, wanted: impl Fn(&Change) -> bool) -> Result<Change, LiveError> {
        loop {
            match self.receiver.recv().await {
                Ok(change) if wanted(&change) => return Ok(change),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return Err(LiveError::TooSlow),
                Err(broadcast::error::RecvError::Closed) => return Err(LiveError::Interrupted),
            }
        }
    }
}

impl Live {
    pub(crate) fn new(store: EventStore, freshness: Freshness) -> Self {
        Self(Arc::new(Inner { store, freshness, feed: Mutex::default() }))
    }

    /// Every change whose event lies after what the read models hold when this returns: read them after it, and nothing is missed
    /// between the two.
    pub(crate) async fn subscribe(&self) -> Result<Changes, ReadError> {
        let mut running = self.0.feed.lock().await;
        if let Some(feed) = running.upgrade()
            && let Some(changes) = feed.changes.upgrade()
        {
            // In this order: what is told from now on is received.
            let receiver = changes.subscribe();
            let start = feed.told.load(Ordering::SeqCst);
            return Ok(Changes { receiver, start, freshness: self.0.freshness.clone(), _feed: feed });
        }
        let start = self.0.freshness.checkpoint().await?;
        let told = Arc::new(AtomicU64::new(start));
        let (changes, receiver) = broadcast::channel(LIVE_BUFFER);
        let feed = Arc::new(Feed {
            changes: changes.downgrade(),
            task: tokio::spawn(follow(
                self.0.store.clone(),
                self.0.freshness.clone(),
                Arc::clone(&told),
                changes,
            ))
            .abort_handle(),
            told,
        });
        *running = Arc::downgrade(&feed);
        Ok(Changes { receiver, start, freshness: self.0.freshness.clone(), _feed: feed })
    }

    /// Position of the last event in the log.
    pub(crate) async fn head(&self) -> Result<Position, StoreError> {
        self.0.store.head().await
    }
}

/// Position 0 lies before the first event.
fn after(position: Position) -> Option<Position> {
    (position > 0).then_some(position)
}

async fn follow(
    store: EventStore,
    freshness: Freshness,
    told: Arc<AtomicU64>,
    changes: broadcast::Sender<Change>,
) {
    let mut subscription = store.subscribe(after(told.load(Ordering::SeqCst)));
    loop {
        let batch = match subscription.next(LIVE_BATCH).await {
            Ok(batch) => batch,
            Err(error) => {
                tracing::warn!(%error, "live updates stopped");
                return;
            }
        };
        // However far behind the projections are, a change is not told before it can be read.
        // When they do not get there, subscribers are told so instead of waiting for ever.
        if freshness.reach(batch.position, PROJECTIONS_WAIT_MAX).await.is_err() {
            tracing::warn!(
                position = batch.position,
                "live updates stopped: the projections do not get there"
            );
            return;
        }
        told.store(batch.position, Ordering::SeqCst);
        for change in batch.events.iter().filter_map(change_of) {
            // Nobody listening is not an error: this task is about to be aborted.
            changes.send(change).ok();
        }
    }
}

/// What an event changes that subscribers may want to know.
fn change_of(recorded: &Recorded) -> Option<Change> {
    let (transfer_id, is_entry) = match &recorded.event {
        Event::Account(AccountEvent::Debited(event)) => (event.transfer_id, true),
        Event::Account(AccountEvent::Credited(event)) => (event.transfer_id, true),
        Event::Account(AccountEvent::DebitReversed(event)) => (event.transfer_id, true),
        Event::Transfer(TransferEvent::Requested(event)) => (event.transfer_id, false),
        Event::Transfer(TransferEvent::Rejected(event)) => (event.transfer_id, false),
        Event::Transfer(TransferEvent::Completed(event)) => (event.transfer_id, false),
        Event::Transfer(TransferEvent::Failed(event)) => (event.transfer_id, false),
        Event::DeadLetter(DeadLetterEvent::Parked(event)) => (event.transfer_id, false),
        Event::DeadLetter(DeadLetterEvent::Retried(event)) => (event.transfer_id, false),
        Event::DeadLetter(DeadLetterEvent::Resolved(event)) => (event.transfer_id, false),
        Event::Account(
            AccountEvent::Opened(_)
            | AccountEvent::DebitRefused(_)
            | AccountEvent::CreditRefused(_)
            | AccountEvent::ReversalWaived(_)
            | AccountEvent::OverdraftLimitChanged(_)
            | AccountEvent::Frozen(_)
            | AccountEvent::Unfrozen(_)
            | AccountEvent::Closed(_),
        )
        | Event::User(_)
        | Event::Reference(_)
        | Event::Statement(_)
        | Event::Webhook(_) => return None,
    };
    let entry = stream::account_id(&recorded.stream).filter(|_| is_entry).map(|account_id| Entry {
        account_id,
        revision: recorded.revision,
        booked_at: recorded.metadata.booked_at,
    });
    Some(Change { position: recorded.position, transfer_id, entry })
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
