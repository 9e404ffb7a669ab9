//! The task that follows the log and tells listeners.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ledger_core::{AccountId, Position, stream};
use ledger_streams::{EventStore, Subscription, Undecoded, UndecodedBatch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::LiveError;
use super::change::Change;
use super::latest::Latest;
use super::topics::Topics;
use crate::database::ReadDatabases;
use crate::freshness::Freshness;
use crate::limits::{LIVE_BATCH, PROJECTIONS_WAIT_MAX};
use crate::problem::Problem;
use crate::read_models::ReadError;
use crate::read_models::transaction::{self, EntryPlace, TransactionRow};
use crate::read_models::transfer::{self, TransferRow};

/// A task that runs for as long as somebody holds this.
pub(super) struct Feed {
    pub(super) topics: Arc<AllTopics>,
    task: AbortHandle,
}

/// Everything that can be listened to.
pub(super) struct AllTopics {
    pub(super) accounts: Topics<Arc<TransactionRow>>,
    pub(super) transfers: Topics<Arc<TransferRow>>,
    latest: Arc<Latest>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where rows come from.
#[derive(Clone)]
pub(super) struct Rows {
    pub(super) databases: ReadDatabases,
    pub(super) freshness: Freshness,
    /// The process is about to end.
    pub(super) closing: CancellationToken,
}

impl Feed {
    /// Tells what comes after `start`.
    pub(super) fn start(store: &EventStore, rows: Rows, latest: Arc<Latest>, start: Position) -> Self {
        latest.begin(start);
        let topics = Arc::new(AllTopics { accounts: Topics::new(), transfers: Topics::new(), latest });
        let subscription = store.subscribe((start > 0).then_some(start));
        let closing = rows.closing.clone();
        let following = follow(subscription, rows, Closing(Arc::clone(&topics)));
        // A process that is about to end closes the log under it, which is no news.
        let task = tokio::spawn(closing.run_until_cancelled_owned(following)).abort_handle();
        Self { topics, task }
    }

    pub(super) fn runs(&self) -> bool {
        !self.task.is_finished()
    }
}

/// Ends the topics however the task ends.
struct Closing(Arc<AllTopics>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.accounts.close();
        self.0.transfers.close();
        self.0.latest.end();
    }
}

impl AllTopics {
    /// True when somebody may want to know what the event is: who listens to a transfer may care for any event that names one.
    fn cares_for(&self, event: &Undecoded) -> bool {
        let is_listened_to = |account_id: AccountId| self.accounts.has(account_id.as_i64());
        stream::account_id(event.stream()).is_some_and(is_listened_to) || self.transfers.any()
    }
}

async fn follow(mut subscription: Subscription, rows: Rows, topics: Closing) {
    loop {
        let told = match subscription.next_undecoded(LIVE_BATCH).await {
            Ok(batch) => rows.tell(batch, &topics.0).await,
            Err(error) => {
                tracing::warn!(%error, "live updates stopped");
                return;
            }
        };
        if told.is_err() {
            return;
        }
    }
}

impl Rows {
    /// Tells a batch as it becomes readable. The log is ahead of the projections: what can be read does not wait for what came after it.
    async fn tell(&self, batch: UndecodedBatch, topics: &AllTopics) -> Result<(), LiveError> {
        let mut rest = batch.events;
        while let Some(first) = rest.first().map(Undecoded::position) {
            // However far behind the projections are, a change is not told before it can be read.
            // When they do not get there, subscribers are told so instead of waiting for ever.
            self.settle(first, || std::future::ready(Ok(()))).await?;
            let reached = self.freshness.reached().max(first);
            let later = rest.split_off(rest.partition_point(|event| event.position() <= reached));
            self.tell_readable(std::mem::replace(&mut rest, later), topics).await?;
        }
        self.settle(batch.position, || std::future::ready(Ok(()))).await?;
        topics.latest.feed(batch.position, std::iter::empty());
        Ok(())
    }

    /// Tells what events changed, with the rows as they are once every projection has handled them: one statement for all entries, and one
    /// for all transfers, that somebody listens to.
    async fn tell_readable(&self, events: Vec<Undecoded>, topics: &AllTopics) -> Result<(), LiveError> {
        let position = events.last().map_or(0, Undecoded::position);
        let accounts = events.iter().filter_map(|event| stream::account_id(event.stream()));
        topics.latest.feed(position, accounts.map(AccountId::as_i64));
        let mut places = Vec::new();
        let mut positions = HashMap::new();
        let mut transfers = BTreeSet::new();
        for event in events.into_iter().filter(|event| topics.cares_for(event)) {
            let recorded = event.decode().map_err(|error| {
                tracing::warn!(%error, "live updates stopped");
                LiveError::Interrupted
            })?;
            let Some(change) = Change::of(&recorded) else { continue };
            if topics.transfers.has(change.transfer_id.as_i64()) {
                transfers.insert(change.transfer_id.as_i64());
            }
            if let Some(entry) = change.entry.filter(|entry| topics.accounts.has(entry.account_id)) {
                places.push(entry);
                positions.insert((entry.account_id, entry.revision), recorded.position);
            }
        }
        if !places.is_empty() {
            for row in self.entries(position, &places, &positions).await? {
                topics.accounts.tell(row.account_id, &row);
            }
        }
        if !transfers.is_empty() {
            let ids: Vec<i64> = transfers.into_iter().collect();
            let rows = self.settle(position, || transfer::by_ids_placed(&self.databases, &ids)).await?;
            for row in rows {
                topics.transfers.tell(row.transfer_id, &Arc::new(row));
            }
        }
        Ok(())
    }

    /// The rows of entries that lie at or before `position`, in the order of booking.
    pub(super) async fn entries(
        &self,
        position: Position,
        places: &[EntryPlace],
        positions: &HashMap<(i64, i64), Position>,
    ) -> Result<Vec<Arc<TransactionRow>>, LiveError> {
        let mut rows = self.settle(position, || transaction::by_places(&self.databases, places)).await?;
        for row in &mut rows {
            row.position = positions.get(&(row.account_id, row.revision)).copied();
        }
        rows.sort_by_key(|row| (row.account_id, row.revision));
        Ok(rows.into_iter().map(Arc::new).collect())
    }

    /// Reads once every projection has handled everything up to `position`; once more if Postgres may have forgotten that while it was
    /// read.
    async fn settle<T, F>(&self, position: Position, read: impl Fn() -> F) -> Result<T, LiveError>
    where
        F: Future<Output = Result<T, ReadError>>,
    {
        let read = || async { Ok::<_, Problem>(read().await?) };
        self.freshness.read_at(position, PROJECTIONS_WAIT_MAX, read).await.map_err(|error| {
            tracing::warn!(%error, position, "live updates stopped");
            LiveError::Interrupted
        })
    }
}
