//! What changes, as it changes: one subscription to the log per process, fanned out to whoever listens.
//!
//! A change is passed on only once every projection has handled its event, so what a subscriber then reads agrees with it. The feed
//! runs while somebody listens.

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
use crate::read_models::ReadError;

/// Something that a transfer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
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
    _feed: Arc<Feed>,
}

impl Changes {
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
            return Ok(Changes { receiver: changes.subscribe(), _feed: feed });
        }
        let start = self.0.freshness.checkpoint().await?;
        let (changes, receiver) = broadcast::channel(LIVE_BUFFER);
        let feed = Arc::new(Feed {
            changes: changes.downgrade(),
            task: tokio::spawn(follow(self.0.store.clone(), self.0.freshness.clone(), start, changes))
                .abort_handle(),
        });
        *running = Arc::downgrade(&feed);
        Ok(Changes { receiver, _feed: feed })
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
    start: Position,
    changes: broadcast::Sender<Change>,
) {
    let mut subscription = store.subscribe(after(start));
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
    Some(Change { transfer_id, entry })
}
