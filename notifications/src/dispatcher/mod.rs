//! Follows the log, and sees to it that every webhook is told what it asked for.
//!
//! One subscription reads the log for all. A webhook whose queue is full (its endpoint is slow, or down, or it was disabled) leaves it and
//! reads the log again on its own when it has room, from its own place, until it has caught up: so nobody waits for it, and
//! what is in memory is bounded. One task decides everything; posting is in tasks of its own.
//!
//! Places are saved every second. Where everybody is goes into one checkpoint, after the places of those who have not been told
//! everything up to there: what was not told is never behind a saved place, so it is told again after a crash.

mod fence;
mod line;
mod opening;
mod places;
mod posting;
mod reading;
mod turns;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use ledger_core::{Position, WebhookId};
use ledger_streams::{KeyStore, Ledger, StoreError, Subscription, UndecodedBatch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::fence::Fence;
use self::line::Line;
use self::opening::Opened;
use self::places::Loaded;
use self::turns::Turns;
use crate::endpoint::{Answer, Endpoints, Target};
use crate::facts::Facts;
use crate::hook::Hook;
use crate::index::Index;
use crate::queue::Due;
use crate::{
    BATCH_EVENTS, IN_FLIGHT_MAX, LEASE_LOOK_EVERY, NotificationOptions, OPENINGS_MAX, OUTSTANDING_MAX,
    OUTSTANDING_TIGHT, READERS_MAX, SAVE_EVERY,
};

const SUBSCRIBER: &str = "notifications";

/// Tells webhooks what happens until shutdown, then saves how far it came. Calls `ready` once: when it knows all webhooks.
///
/// # Errors
/// When the log cannot be read or written, or the system has no certificates to trust.
pub async fn run(
    ledger: Ledger,
    keys: KeyStore,
    options: NotificationOptions,
    ready: impl FnOnce(),
    shutdown: CancellationToken,
) -> Result<(), StoreError> {
    let mut ready = Some(ready);
    let mut fence = Fence::new(ledger.calm_lease(SUBSCRIBER));
    // Whoever was listed once is listed for ever: who waits for the lease need not read that again.
    let mut is_listed = false;
    loop {
        // What one process knows is out of date when another has been at it: it is loaded anew with the lease in hand.
        is_listed = is_listed || !ledger.listed_webhooks().await?.is_empty();
        let held = !is_listed || fence.begin().await?;
        if let Some(ready) = ready.take() {
            ready();
        }
        if !held {
            if shutdown.run_until_cancelled(tokio::time::sleep(LEASE_LOOK_EVERY)).await.is_none() {
                return Ok(());
            }
            continue;
        }
        let Some(loaded) = Loaded::read(&ledger, &options, &mut fence).await? else { continue };
        let mut dispatcher = Dispatcher::new(ledger.clone(), keys.clone(), options.clone(), fence, loaded)?;
        let ended = dispatcher.follow(&shutdown).await?;
        dispatcher.drain().await;
        // Another process has the lease: its places are newer.
        if ended == Ended::Asked {
            dispatcher.save().await?;
            return dispatcher.fence.release().await;
        }
        tracing::info!("another process sends notifications");
        fence = dispatcher.fence;
    }
}

/// Why following the log has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// We are to stop.
    Asked,
    /// Another process has the lease.
    Elsewhere,
}

struct Dispatcher {
    ledger: Ledger,
    keys: KeyStore,
    options: NotificationOptions,
    /// Held by the one process that posts; not needed while there is no webhook.
    fence: Fence,
    endpoints: Endpoints,
    facts: Facts,
    hooks: HashMap<WebhookId, Hook>,
    index: Index,
    /// What the subscription of all has read, and told those who read along.
    along: Position,
    posts: JoinSet<Posted>,
    openings: JoinSet<Opened>,
    disablings: JoinSet<(WebhookId, Result<(), StoreError>)>,
    readings: FuturesUnordered<BoxFuture<'static, Alone>>,
    /// Webhooks that may want to read on their own.
    to_read: Turns,
    /// Webhooks that may want to post.
    to_post: Line,
    /// Webhooks whose secret is to be opened.
    to_open: Line,
    timers: BTreeSet<(Instant, WebhookId)>,
    /// Notifications in memory.
    outstanding: usize,
    /// Room for what is being read for those who read on their own.
    reserved: usize,
    /// True when something happened since places were saved.
    moved: bool,
}

/// A post that has ended.
struct Posted {
    webhook_id: WebhookId,
    /// Where it went.
    target: Arc<Target>,
    due: Due,
    /// None when the post was given up because the lease ended.
    answer: Option<Answer>,
}

/// What a webhook has read on its own.
struct Alone {
    webhook_id: WebhookId,
    /// See [`Hook::time`].
    time: u64,
    /// How many notifications there is room for.
    room: usize,
    subscription: Subscription,
    batch: Result<UndecodedBatch, StoreError>,
}

impl Dispatcher {
    async fn follow(&mut self, shutdown: &CancellationToken) -> Result<Ended, StoreError> {
        let mut subscription = self.ledger.store().subscribe((self.along > 0).then_some(self.along));
        let mut save = tokio::time::interval(SAVE_EVERY);
        save.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.use_room();
            let timer = self.timers.first().map(|(due, _)| tokio::time::Instant::from_std(*due));
            tokio::select! {
                () = shutdown.cancelled() => return Ok(Ended::Asked),
                batch = subscription.next_undecoded(BATCH_EVENTS) => self.learn(batch?).await?,
                Some(alone) = self.readings.next() => self.learn_alone(alone).await?,
                Some(posted) = self.posts.join_next() => {
                    self.settle(posted)?;
                    while let Some(posted) = self.posts.try_join_next() {
                        self.settle(posted)?;
                    }
                }
                Some(opened) = self.openings.join_next() => self.opened(opened)?,
                Some(disabled) = self.disablings.join_next() => self.disabled(disabled)?,
                () = sleep_until(timer) => self.wake(),
                _ = save.tick() => {
                    if !self.attend().await? {
                        return Ok(Ended::Elsewhere);
                    }
                    self.save_if_moved().await?;
                    if self.free() == 0 {
                        self.forget_what_gets_nowhere();
                    }
                }
            }
        }
    }

    /// Keeps the lease, if there is anybody to tell. False when another process has it.
    async fn attend(&mut self) -> Result<bool, StoreError> {
        if self.hooks.is_empty() || !self.fence.is_due() {
            return Ok(true);
        }
        let had = self.fence.is_held();
        match self.fence.attend().await {
            Ok(true) if !had => {
                self.hooks.keys().for_each(|id| self.to_post.push(*id));
                Ok(true)
            }
            Ok(held) => Ok(held),
            // While the store is away nothing is known; without the lease nothing is posted.
            Err(error) if error.is_transient() => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Uses room that came to be, in turns.
    fn use_room(&mut self) {
        while self.readings.len() < READERS_MAX
            && self.free() > 0
            && let Some(id) = self.to_read.pop()
        {
            if self.read_alone(id, None) {
                self.to_read.was_taken();
            }
        }
        while self.posts.len() < IN_FLIGHT_MAX
            && let Some(id) = self.to_post.pop()
        {
            self.post(id);
        }
        while self.openings.len() < OPENINGS_MAX
            && let Some(id) = self.to_open.pop()
        {
            self.open_target(id);
        }
    }

    /// How many more notifications there is memory for.
    const fn free(&self) -> usize {
        OUTSTANDING_MAX.saturating_sub(self.outstanding + self.reserved)
    }

    /// True when memory is to be shared out sparingly.
    const fn is_tight(&self) -> bool {
        self.outstanding + self.reserved >= OUTSTANDING_TIGHT
    }
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
