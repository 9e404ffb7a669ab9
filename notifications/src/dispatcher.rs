//! Follows the log, and sees to it that every webhook is told what it asked for.
//!
//! One subscription reads the log for all. A webhook whose queue is full (its endpoint is slow, or down, or it was disabled) leaves it and
//! reads the log again on its own when it has room, from its own place, until it has caught up: so nobody waits for it, and
//! what is in memory is bounded. One task decides everything; posting is in tasks of its own.
//!
//! Places are saved every second. Where everybody is goes into one checkpoint, in the same append after the places of those who have not been
//! told everything up to there: what was not told is never behind a saved place, so it is told again after a crash.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use chrono::{TimeDelta, Utc};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use ledger_core::webhook::{WebhookCommand, WebhookEvent, WebhookStatus};
use ledger_core::{Event, Position, WebhookId, stream};
use ledger_streams::{
    Context, KeyStore, Lease, Ledger, Recorded, StoreError, Subscription, Undecoded, UndecodedBatch,
};
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::delivery_log::Attempt;
use crate::endpoint::{Answer, Endpoints};
use crate::facts::Facts;
use crate::hook::{Effect, Hook, Place, Reading};
use crate::index::Index;
use crate::notification::{Notification, needs_request, notification};
use crate::queue::{Due, Retry};
use crate::{
    BATCH_EVENTS, DRAIN_TIME, IN_FLIGHT_MAX, LEASE_LOOK_EVERY, NotificationOptions, OUTSTANDING_MAX,
    PLACES_PER_APPEND, READERS_MAX, SAVE_EVERY,
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
    let mut lease = ledger.calm_lease(SUBSCRIBER);
    loop {
        // What one process knows is out of date when another has been at it: it is loaded anew with the lease in hand.
        let nobody_to_tell = ledger.listed_webhooks().await?.is_empty();
        let held = nobody_to_tell || lease.attend().await?;
        if let Some(ready) = ready.take() {
            ready();
        }
        if !held {
            if shutdown.run_until_cancelled(tokio::time::sleep(LEASE_LOOK_EVERY)).await.is_none() {
                return Ok(());
            }
            continue;
        }
        let mut dispatcher = Dispatcher::load(ledger.clone(), keys.clone(), options.clone(), lease).await?;
        let ended = dispatcher.follow(&shutdown).await?;
        dispatcher.drain().await;
        // Another process has the lease: its places are newer.
        if ended == Ended::Asked {
            dispatcher.save().await?;
            return dispatcher.lease.release().await;
        }
        tracing::info!("another process sends notifications");
        lease = dispatcher.lease;
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
    lease: Lease,
    endpoints: Endpoints,
    facts: Facts,
    hooks: HashMap<WebhookId, Hook>,
    index: Index,
    /// What the subscription of all has read, and told those who read along.
    along: Position,
    posts: JoinSet<Posted>,
    readings: FuturesUnordered<BoxFuture<'static, Alone>>,
    /// Webhooks that may want to read on their own.
    to_read: VecDeque<WebhookId>,
    /// Webhooks that may want to post when there is room again.
    to_post: VecDeque<WebhookId>,
    timers: BTreeSet<(Instant, WebhookId)>,
    /// Notifications in memory.
    outstanding: usize,
    /// True when something happened since places were saved.
    moved: bool,
}

/// A post that has ended.
struct Posted {
    webhook_id: WebhookId,
    due: Due,
    answer: Answer,
}

/// What a webhook has read on its own.
struct Alone {
    webhook_id: WebhookId,
    /// See [`Hook::time`].
    time: u64,
    subscription: Subscription,
    batch: Result<UndecodedBatch, StoreError>,
}

impl Dispatcher {
    /// Knows all webhooks, and where each of them is.
    async fn load(
        ledger: Ledger,
        keys: KeyStore,
        options: NotificationOptions,
        lease: Lease,
    ) -> Result<Self, StoreError> {
        let endpoints = Endpoints::new(&options)
            .map_err(|error| StoreError::Unavailable(format!("certificates to trust: {error}").into()))?;
        // Before the list: whoever registers from here on is seen by the subscription.
        let head = ledger.store().head().await?;
        let listed = ledger.listed_webhooks().await?;
        let along = match ledger.load_place(SUBSCRIBER).await? {
            Some(position) => position,
            None if listed.is_empty() => head,
            None => 0,
        };
        let retry = Retry { min: options.retry_min, max: options.retry_max };
        let (mut hooks, mut index, mut to_read) = (HashMap::new(), Index::default(), VecDeque::new());
        for listed in listed {
            let history = ledger.webhook_history(listed.webhook_id).await?;
            let saved: Option<Option<Place>> = ledger.load_place(&subscriber(listed.webhook_id)).await?;
            let Some(hook) = Hook::new(&history, saved.flatten(), along, retry) else { continue };
            index.insert(&hook.webhook);
            to_read.push_back(hook.id());
            hooks.insert(hook.id(), hook);
        }
        tracing::info!(webhooks = hooks.len(), position = along, "notifications go on");
        Ok(Self {
            facts: Facts::new(ledger.clone()),
            ledger,
            keys,
            options,
            lease,
            endpoints,
            hooks,
            index,
            along,
            posts: JoinSet::new(),
            readings: FuturesUnordered::new(),
            to_read,
            to_post: VecDeque::new(),
            timers: BTreeSet::new(),
            outstanding: 0,
            moved: false,
        })
    }

    async fn follow(&mut self, shutdown: &CancellationToken) -> Result<Ended, StoreError> {
        let mut subscription = self.ledger.store().subscribe((self.along > 0).then_some(self.along));
        let mut save = tokio::time::interval(SAVE_EVERY);
        save.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.use_room().await?;
            let timer = self.timers.first().map(|(due, _)| tokio::time::Instant::from_std(*due));
            tokio::select! {
                () = shutdown.cancelled() => return Ok(Ended::Asked),
                batch = subscription.next_undecoded(BATCH_EVENTS) => self.learn(batch?).await?,
                Some(alone) = self.readings.next() => self.learn_alone(alone).await?,
                Some(posted) = self.posts.join_next() => {
                    self.settle(posted).await?;
                    while let Some(posted) = self.posts.try_join_next() {
                        self.settle(posted).await?;
                    }
                }
                () = sleep_until(timer) => self.wake().await?,
                _ = save.tick() => {
                    if !self.attend().await? {
                        return Ok(Ended::Elsewhere);
                    }
                    self.save_if_moved().await?;
                }
            }
        }
    }

    /// Keeps the lease, if there is anybody to tell. False when another process has it.
    async fn attend(&mut self) -> Result<bool, StoreError> {
        if self.hooks.is_empty() || !self.lease.is_due() {
            return Ok(true);
        }
        let had = self.lease.is_held();
        match self.lease.attend().await {
            Ok(true) if !had => {
                self.to_post.extend(self.hooks.keys());
                Ok(true)
            }
            Ok(held) => Ok(held),
            // While the store is away nothing is known; without the lease nothing is posted.
            Err(error) if error.is_transient() => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// What all read.
    async fn learn(&mut self, batch: UndecodedBatch) -> Result<(), StoreError> {
        self.moved |= !batch.events.is_empty();
        for event in batch.events {
            let position = event.position();
            if event.stream().starts_with(stream::WEBHOOK) {
                self.learn_of_webhook(&event.decode()?).await?;
            } else if self.somebody_reads_along() && may_matter(&event) {
                let recorded = event.decode()?;
                self.facts.learn(&recorded);
                if let Some(notification) = notification_of(&mut self.facts, &recorded).await? {
                    self.tell(notification).await?;
                }
            }
            self.along = position;
        }
        self.along = batch.position;
        Ok(())
    }

    fn somebody_reads_along(&self) -> bool {
        !self.index.is_empty() && self.hooks.values().any(|hook| hook.reading == Reading::Along)
    }

    /// Puts a notification into the queue of everybody who reads along and wants it.
    async fn tell(&mut self, notification: Notification) -> Result<(), StoreError> {
        let account = notification.account;
        let holder = if self.index.knows_users() { self.facts.holder(account).await? } else { None };
        let notification = Arc::new(notification);
        let concerned: Vec<_> = self.index.concerned(account, holder).collect();
        for id in concerned {
            let over = self.outstanding >= OUTSTANDING_MAX;
            let Some(hook) = self.hooks.get_mut(&id) else { continue };
            let behind = hook.reading != Reading::Along || notification.position <= hook.read_to;
            if behind || !hook.wants(&notification, holder) {
                continue;
            }
            if over || hook.queue.room() == 0 {
                hook.fall_behind(notification.position.saturating_sub(1));
                self.to_read.push_back(id);
                continue;
            }
            hook.queue.push(Arc::clone(&notification));
            self.outstanding += 1;
            self.post(id).await?;
        }
        if self.outstanding >= OUTSTANDING_MAX {
            self.forget_what_is_down();
        }
        Ok(())
    }

    /// What one has read on its own.
    async fn learn_alone(&mut self, alone: Alone) -> Result<(), StoreError> {
        let Alone { webhook_id, time, subscription, batch } = alone;
        let batch = batch?;
        let Some(hook) = self.hooks.get_mut(&webhook_id).filter(|hook| hook.time == time) else {
            return Ok(());
        };
        for event in batch.events {
            if event.position() > self.along {
                break;
            }
            if !may_matter(&event) {
                continue;
            }
            let recorded = event.decode()?;
            self.facts.learn(&recorded);
            let Some(notification) = notification_of(&mut self.facts, &recorded).await? else { continue };
            let holder = match hook.webhook.user_id {
                Some(_) => self.facts.holder(notification.account).await?,
                None => None,
            };
            if hook.wants(&notification, holder) {
                hook.queue.push(Arc::new(notification));
                self.outstanding += 1;
            }
        }
        self.moved = true;
        hook.read_to = batch.position.min(self.along);
        if batch.position >= self.along {
            tracing::debug!(webhook.id = %webhook_id, "a webhook has caught up");
            hook.reading = Reading::Along;
        } else {
            hook.reading = Reading::Behind;
            self.read_alone(webhook_id, Some(subscription));
        }
        self.post(webhook_id).await
    }

    /// Lets a webhook that is behind read on, if it has room for what it reads.
    fn read_alone(&mut self, id: WebhookId, subscription: Option<Subscription>) {
        let over = self.outstanding >= OUTSTANDING_MAX;
        let Some(hook) = self.hooks.get_mut(&id) else { return };
        let has_room = hook.queue.wants_more() && (!over || hook.queue.len() == 0);
        if hook.reading != Reading::Behind || !hook.is_enabled() || !has_room {
            return;
        }
        hook.reading = Reading::Alone;
        // An event makes at most one notification: whatever is read fits.
        let (time, max) = (hook.time, hook.queue.room().min(BATCH_EVENTS));
        let from = (hook.read_to > 0).then_some(hook.read_to);
        let mut subscription = subscription.unwrap_or_else(|| self.ledger.store().subscribe(from));
        self.readings.push(Box::pin(async move {
            let batch = subscription.next_undecoded(max).await;
            Alone { webhook_id: id, time, subscription, batch }
        }));
    }

    /// Uses room that came to be.
    async fn use_room(&mut self) -> Result<(), StoreError> {
        while self.readings.len() < READERS_MAX
            && let Some(id) = self.to_read.pop_front()
        {
            self.read_alone(id, None);
        }
        while self.posts.len() < IN_FLIGHT_MAX
            && let Some(id) = self.to_post.pop_front()
        {
            self.post(id).await?;
        }
        Ok(())
    }

    /// Posts what a webhook has to be told now.
    async fn post(&mut self, id: WebhookId) -> Result<(), StoreError> {
        let Some(hook) = self.hooks.get_mut(&id).filter(|hook| hook.is_enabled()) else { return Ok(()) };
        if hook.queue.len() == 0 || !self.lease.is_held() {
            return Ok(());
        }
        let now = Instant::now();
        let target = match &hook.target {
            Some(target) => Arc::clone(target),
            None => match open_target(hook, &self.keys).await {
                Ok(Some(target)) => Arc::clone(hook.target.insert(Arc::new(target))),
                Ok(None) => return self.disable(id, "its signing key is gone".to_owned()).await,
                Err(error) => {
                    tracing::error!(%error, webhook.id = %id, "a webhook's secret cannot be opened");
                    self.look_again(id, now + self.options.retry_max.min(KEY_RETRY));
                    return Ok(());
                }
            },
        };
        while self.posts.len() < IN_FLIGHT_MAX
            && let Some(due) = hook.queue.next(now)
        {
            let (endpoints, target) = (self.endpoints.clone(), Arc::clone(&target));
            self.posts.spawn(async move {
                let answer = endpoints.post(target, &due.notification).await;
                Posted { webhook_id: id, due, answer }
            });
        }
        let next = hook.queue.next_due();
        if self.posts.len() >= IN_FLIGHT_MAX {
            self.to_post.push_back(id);
        }
        if let Some(next) = next {
            self.look_again(id, next);
        }
        Ok(())
    }

    fn look_again(&mut self, id: WebhookId, due: Instant) {
        let Some(hook) = self.hooks.get_mut(&id) else { return };
        if let Some(before) = hook.timer.replace(due) {
            self.timers.remove(&(before, id));
        }
        self.timers.insert((due, id));
    }

    /// What waited for its time.
    async fn wake(&mut self) -> Result<(), StoreError> {
        // Those that are due now, and not what they make due.
        let now = Instant::now();
        let due: Vec<_> = self.timers.iter().take_while(|(due, _)| *due <= now).copied().collect();
        for timer in due {
            self.timers.remove(&timer);
            let (_, id) = timer;
            if let Some(hook) = self.hooks.get_mut(&id) {
                hook.timer = None;
            }
            self.post(id).await?;
        }
        Ok(())
    }

    /// A post has ended.
    async fn settle(&mut self, posted: Result<Posted, JoinError>) -> Result<(), StoreError> {
        let Posted { webhook_id, due, answer } = match posted {
            Ok(posted) => posted,
            // Its lane would wait for ever; starting anew is what mends it.
            Err(error) => {
                return Err(StoreError::Unavailable(format!("a post was cut short: {error}").into()));
            }
        };
        self.moved = true;
        count(&answer);
        if let Some(log) = &self.options.delivery_log {
            log.note(Attempt::new(webhook_id, &due, &answer));
        }
        let Some(hook) = self.hooks.get_mut(&webhook_id) else { return Ok(()) };
        let (account, before) = (due.notification.account, hook.queue.len());
        let mut give_up = None;
        if answer.is_delivered() {
            hook.queue.delivered(account, answer.is_slow());
        } else {
            let (now, at) = (Instant::now(), Utc::now());
            let lasted = hook.queue.failed(account, answer.retry_after, now, at);
            tracing::debug!(webhook.id = %webhook_id, attempt = due.attempt, answer = answer.text(), "not delivered");
            if answer.is_gone() {
                give_up = Some("the endpoint answered 410 Gone".to_owned());
            } else if TimeDelta::from_std(self.options.disable_after).is_ok_and(|limit| lasted >= limit) {
                let limit = text_of(self.options.disable_after);
                give_up = Some(format!(
                    "a notification could not be delivered for {limit}; last: {}",
                    answer.text()
                ));
            }
        }
        self.outstanding -= before - hook.queue.len();
        if hook.reading == Reading::Behind {
            self.to_read.push_back(webhook_id);
        }
        match give_up {
            Some(reason) => self.disable(webhook_id, reason).await,
            None => self.post(webhook_id).await,
        }
    }

    /// Disables a webhook for good reason. It has its effect when the event comes by.
    async fn disable(&mut self, id: WebhookId, reason: String) -> Result<(), StoreError> {
        tracing::warn!(webhook.id = %id, %reason, "a webhook is disabled");
        let context = Context {
            correlation_id: stream::webhook(id).into(),
            causation_id: None,
            actor: "system:notifications".into(),
            booked_at: self.ledger.now(),
        };
        match self.ledger.webhook(id, &WebhookCommand::Disable(reason), &context).await {
            // Refused: it was deleted meanwhile.
            Ok(Ok(_) | Err(_)) => Ok(()),
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "not disabled yet");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// A webhook was registered, changed, or is no more.
    async fn learn_of_webhook(&mut self, recorded: &Recorded) -> Result<(), StoreError> {
        let (Event::Webhook(event), Some(id)) = (&recorded.event, stream::webhook_id(&recorded.stream))
        else {
            return Ok(());
        };
        // Everything before it was told to those who read along.
        self.along = recorded.position;
        let Some(hook) = self.hooks.get_mut(&id) else {
            if let WebhookEvent::Registered(_) = event {
                let retry = Retry { min: self.options.retry_min, max: self.options.retry_max };
                if let Some(hook) = Hook::new(std::slice::from_ref(recorded), None, self.along, retry) {
                    self.index.insert(&hook.webhook);
                    self.hooks.insert(id, hook);
                    // The first to be told: what follows need not wait for the next look.
                    self.attend().await?;
                }
            }
            return Ok(());
        };
        let before = hook.queue.len();
        self.index.remove(&hook.webhook);
        let effect = hook.evolve(event, recorded.revision);
        match (&hook.webhook.status, effect) {
            (WebhookStatus::Deleted, _) => {}
            (_, Effect::GoTo(position)) => hook.go_to(position, self.along),
            (WebhookStatus::Disabled(_), Effect::None) => hook.go_to(hook.told_to(self.along), self.along),
            (WebhookStatus::Enabled, Effect::None) if hook.reading == Reading::Behind => {
                if hook.read_to >= self.along {
                    hook.reading = Reading::Along;
                }
            }
            (WebhookStatus::Enabled, Effect::None) => {}
        }
        self.outstanding -= before - hook.queue.len();
        if hook.webhook.status == WebhookStatus::Deleted {
            if let Some(hook) = self.hooks.remove(&id) {
                self.outstanding -= hook.queue.len();
            }
            return Ok(());
        }
        self.index.insert(&hook.webhook);
        self.to_read.push_back(id);
        self.post(id).await
    }

    /// Memory is for those who get somewhere. What is forgotten is read again.
    fn forget_what_is_down(&mut self) {
        for hook in self.hooks.values_mut().filter(|hook| hook.queue.is_down()) {
            self.outstanding -= hook.queue.len();
            hook.go_to(hook.told_to(self.along), self.along);
            self.to_read.push_back(hook.id());
        }
    }

    async fn save_if_moved(&mut self) -> Result<(), StoreError> {
        self.measure();
        // Without the lease, another process's places may be newer.
        if !self.moved || !(self.hooks.is_empty() || self.lease.is_held()) {
            return Ok(());
        }
        match self.save().await {
            // A place not saved costs some telling twice after a crash, no more.
            Err(error) if error.is_transient() => Ok(()),
            result => result,
        }
    }

    /// Saves the places of those who were not told everything, then where everybody else is.
    async fn save(&mut self) -> Result<(), StoreError> {
        let along = self.along;
        let changed = self.hooks.values().filter_map(|hook| {
            let place = hook.place(along);
            (place != hook.saved).then_some((hook.id(), place))
        });
        let changed: Vec<_> = changed.collect();
        for some in changed.chunks(PLACES_PER_APPEND) {
            let places: Vec<_> = some.iter().map(|(id, place)| (subscriber(*id), *place)).collect();
            self.ledger.save_places(&places).await?;
        }
        self.ledger.save_checkpoint(SUBSCRIBER, along).await?;
        for (id, place) in changed {
            if let Some(hook) = self.hooks.get_mut(&id) {
                hook.saved = place;
            }
        }
        self.moved = false;
        Ok(())
    }

    /// Waits a while for posts under way: what arrives now need not be sent again.
    async fn drain(&mut self) {
        let drain = async {
            while let Some(posted) = self.posts.join_next().await {
                let Ok(Posted { webhook_id, due, answer }) = posted else { continue };
                count(&answer);
                if let Some(hook) = self.hooks.get_mut(&webhook_id).filter(|_| answer.is_delivered()) {
                    hook.queue.delivered(due.notification.account, false);
                }
                if let Some(log) = &self.options.delivery_log {
                    log.note(Attempt::new(webhook_id, &due, &answer));
                }
            }
        };
        let _ = tokio::time::timeout(DRAIN_TIME, drain).await;
    }

    fn measure(&self) {
        let behind =
            self.hooks.values().filter(|hook| hook.is_enabled() && hook.reading != Reading::Along).count();
        let disabled = self.hooks.values().filter(|hook| !hook.is_enabled()).count();
        let told =
            self.hooks.values().filter(|hook| hook.is_enabled()).map(|hook| hook.told_to(self.along)).min();
        metrics::gauge!("daybook_webhooks", "state" => "enabled").set((self.hooks.len() - disabled) as f64);
        metrics::gauge!("daybook_webhooks", "state" => "behind").set(behind as f64);
        metrics::gauge!("daybook_webhooks", "state" => "disabled").set(disabled as f64);
        metrics::gauge!("daybook_webhook_queue").set(self.outstanding as f64);
        metrics::gauge!("daybook_webhook_lag_positions")
            .set(self.along.saturating_sub(told.unwrap_or(self.along)) as f64);
    }
}

/// How soon a key file that could not be read is tried again.
const KEY_RETRY: std::time::Duration = std::time::Duration::from_secs(10);

fn subscriber(id: WebhookId) -> String {
    format!("webhook-{id}")
}

/// Only these streams say anything to the world outside.
fn may_matter(event: &Undecoded) -> bool {
    [stream::ACCOUNT, stream::TRANSFER, stream::STATEMENT]
        .iter()
        .any(|category| event.stream().starts_with(category))
}

async fn notification_of(facts: &mut Facts, recorded: &Recorded) -> Result<Option<Notification>, StoreError> {
    let request = if needs_request(&recorded.event) { facts.request(&recorded.stream).await? } else { None };
    Ok(notification(recorded, request.as_deref()))
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Key files are read beside the async threads.
async fn open_target(
    hook: &Hook,
    keys: &KeyStore,
) -> Result<Option<crate::endpoint::Target>, Box<dyn std::error::Error + Send + Sync>> {
    let (webhook, keys) = (hook.webhook.clone(), keys.clone());
    Ok(tokio::task::spawn_blocking(move || Hook::open_target(&webhook, &keys)).await??)
}

fn count(answer: &Answer) {
    let outcome = if answer.is_delivered() { "delivered" } else { "failed" };
    metrics::counter!("daybook_webhook_posts_total", "outcome" => outcome).increment(1);
}

/// A time in words: days, hours, minutes or seconds.
fn text_of(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    for (unit, length) in [("days", 86_400), ("hours", 3_600), ("minutes", 60)] {
        if seconds >= 2 * length {
            return format!("{} {unit}", seconds / length);
        }
    }
    format!("{seconds} seconds")
}
