//! What changes, as it changes: one subscription to the log per process, fanned out to whoever listens.
//!
//! A change is passed on only once every projection has handled its event, with the rows as they are then: what a subscriber reads agrees
//! with it. The rows are read once for all subscribers. The feed runs while somebody listens.
//!
//! Every update names a position from which a subscriber that lost its connection goes on: `activity` and `updates` say how.

mod activity;
mod change;
mod feed;
mod latest;
mod topics;
mod updates;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

pub(crate) use activity::AccountActivity;
use change::Change;
use chrono::{DateTime, Utc};
use feed::{AllTopics, Feed, Rows};
use latest::{Latest, Ticket};
use ledger_core::{AccountId, Position, TransferId, stream};
use ledger_streams::{EventStore, StoreError};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use topics::{Inbox, Topics};
pub(crate) use updates::TransferUpdates;

use crate::database::{Era, ReadDatabases};
use crate::freshness::Freshness;
use crate::limits::{LATEST_WAIT, LIVE_BATCH, RESUME_EVENTS_MAX, RESUME_PAGE};
use crate::newest;
use crate::problem::Problem;
use crate::read_models::ReadError;
use crate::read_models::transaction::TransactionRow;
use crate::read_models::transfer::TransferRow;

/// Why live updates end before the subscriber wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LiveError {
    /// More changes are waiting than the buffer holds.
    #[error(
        "This subscriber is too slow for the changes it asked for; subscribe again, after the last position it was told."
    )]
    TooSlow,
    /// The log or the projections cannot be followed now.
    #[error("Live updates were interrupted; subscribe again, after the last position that was told.")]
    Interrupted,
    /// More happened since than a subscription catches up with.
    #[error(
        "Too much has happened after that position to be told one by one; read the transactions and subscribe anew."
    )]
    TooFar,
}

/// The source of live updates; clones share one feed.
#[derive(Clone)]
pub(crate) struct Live(Arc<Inner>);

struct Inner {
    store: EventStore,
    rows: Rows,
    feed: Mutex<Weak<Feed>>,
    latest: Arc<Latest>,
    /// The feed goes on for those who look at newest entries, too.
    looked_at: parking_lot::Mutex<Option<Arc<Feed>>>,
}

/// Newest entries that somebody is about to read.
pub(crate) struct Awaited {
    account_id: i64,
    era: Era,
    ticket: Ticket,
}

/// One subscriber's end. While there is one, the feed runs.
struct Listening<T: Clone> {
    inbox: Inbox<T>,
    topic: i64,
    topics: fn(&AllTopics) -> &Topics<T>,
    feed: Arc<Feed>,
}

impl<T: Clone> Drop for Listening<T> {
    fn drop(&mut self) {
        self.inbox.close();
        (self.topics)(&self.feed.topics).sweep(self.topic);
    }
}

impl Live {
    pub(crate) fn new(
        store: EventStore,
        databases: ReadDatabases,
        freshness: Freshness,
        closing: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            rows: Rows { databases, freshness, closing },
            feed: Mutex::default(),
            latest: Arc::new(Latest::new()),
            looked_at: parking_lot::Mutex::default(),
        }))
    }

    /// Position of the last event in the log.
    pub(crate) async fn head(&self) -> Result<Position, StoreError> {
        self.0.store.head().await
    }

    /// When the log recorded the first of the ledger's events between a position and its end; nothing when there is none.
    pub(crate) async fn behind_since(
        &self,
        position: Position,
        head: Position,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        if position >= head {
            return Ok(None);
        }
        let mut subscription = self.0.store.subscribe((position > 0).then_some(position));
        loop {
            let batch = subscription.next_undecoded(1).await?;
            if let Some(first) = batch.events.first() {
                return Ok(Some(first.recorded_at()));
            }
            if batch.position >= head {
                return Ok(None);
            }
        }
    }

    /// The position up to which everything can be read.
    pub(crate) async fn readable(&self) -> Result<Position, ReadError> {
        self.0.rows.freshness.checkpoint().await
    }

    /// Every change whose event lies after what the read models hold when this returns: read them after it, and nothing is missed
    /// between the two.
    async fn listen<T: Clone>(
        &self,
        topics: fn(&AllTopics) -> &Topics<T>,
        topic: i64,
    ) -> Result<Listening<T>, ReadError> {
        loop {
            let feed = self.feed().await?;
            if let Some(inbox) = topics(&feed.topics).listen(topic) {
                return Ok(Listening { inbox, topic, topics, feed });
            }
        }
    }

    /// The feed, which runs now.
    async fn feed(&self) -> Result<Arc<Feed>, ReadError> {
        let mut running = self.0.feed.lock().await;
        if let Some(feed) = running.upgrade().filter(|feed| feed.runs()) {
            return Ok(feed);
        }
        let start = self.0.rows.freshness.checkpoint().await?;
        let latest = Arc::clone(&self.0.latest);
        let feed = Arc::new(Feed::start(&self.0.store, self.0.rows.clone(), latest, start));
        *running = Arc::downgrade(&feed);
        Ok(feed)
    }

    /// The newest entries of an account, newest last, if they are known without asking Postgres and no older than `at`.
    pub(crate) fn latest(&self, account_id: i64, at: Position) -> Option<Arc<[TransactionRow]>> {
        let found = self.0.latest.get(account_id, at);
        newest::count(if found.is_some() { "hit" } else { "miss" }, 1);
        found
    }

    /// Before they are read: what then may be kept.
    pub(crate) async fn awaits_latest(&self, account_id: i64) -> Option<Awaited> {
        if self.0.latest.fed().is_none() {
            // One database that is away must not hold up who reads in another.
            let feed = timeout(LATEST_WAIT, self.feed()).await.ok()?.ok()?;
            *self.0.looked_at.lock() = Some(feed);
        }
        // Postgres may have forgotten what the feed has seen: then a list that is read now is too old, and nothing would say so.
        let era = self.0.rows.freshness.reach(self.0.latest.fed()?, LATEST_WAIT).await.ok()?;
        Some(Awaited { account_id, era, ticket: self.0.latest.awaits(account_id)? })
    }

    /// Keeps newest entries that were read.
    pub(crate) fn keep_latest(&self, awaited: &Awaited, rows: &[TransactionRow]) {
        if self.0.rows.freshness.era() == awaited.era {
            self.0.latest.keep(awaited.account_id, awaited.ticket, rows);
        }
    }

    async fn account(&self, account_id: i64) -> Result<Listening<Arc<TransactionRow>>, ReadError> {
        self.listen(|topics| &topics.accounts, account_id).await
    }

    async fn transfer(&self, transfer_id: TransferId) -> Result<Listening<Arc<TransferRow>>, ReadError> {
        self.listen(|topics| &topics.transfers, transfer_id.as_i64()).await
    }

    /// An account's entries after a position, in the order of booking.
    async fn entries_after(
        &self,
        account_id: AccountId,
        position: Position,
    ) -> Result<Vec<Arc<TransactionRow>>, Problem> {
        let stream: Arc<str> = stream::account(account_id).into();
        let events = self.0.store.events_after(&stream, position, RESUME_EVENTS_MAX).await?;
        let events = events.ok_or(LiveError::TooFar)?;
        let last = events.last().map_or(0, |event| event.position);
        let places = events.iter().filter_map(|event| Some((event.position, Change::of(event)?.entry?)));
        let (positions, places): (HashMap<_, _>, Vec<_>) =
            places.map(|(position, place)| (((place.account_id, place.revision), position), place)).unzip();
        let mut entries = Vec::with_capacity(places.len());
        for places in places.chunks(RESUME_PAGE) {
            entries.extend(self.0.rows.entries(last, places, &positions).await?);
        }
        Ok(entries)
    }

    /// True when a transfer has changed after a position: its row says when it last did, and the log what was recorded at that very
    /// time.
    async fn changed_after(&self, row: &TransferRow, position: Position) -> Result<bool, Problem> {
        let store = &self.0.store;
        let Some(time) = store.recorded_at(position).await? else { return Ok(true) };
        let changed_at = row.changed_at();
        if changed_at != time {
            return Ok(changed_at > time);
        }
        if store.head().await? <= position {
            return Ok(false);
        }
        let batch = store.subscribe((position > 0).then_some(position)).next(LIVE_BATCH).await?;
        let is_change = |change: Change| change.transfer_id.as_i64() == row.transfer_id;
        let mut same_time = batch.events.iter().take_while(|event| event.recorded_at == time);
        Ok(same_time.any(|event| Change::of(event).is_some_and(is_change))
            || batch.events.last().is_some_and(|last| last.recorded_at == time && !batch.caught_up))
    }
}
