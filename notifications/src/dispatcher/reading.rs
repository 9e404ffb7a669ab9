//! From the log into the queues: what all read, and what one reads alone.

use std::sync::Arc;

use ledger_core::webhook::{WebhookEvent, WebhookStatus};
use ledger_core::{Event, WebhookId, stream};
use ledger_streams::{Recorded, StoreError, Subscription, Undecoded, UndecodedBatch};

use super::places::retry;
use super::{Alone, Dispatcher};
use crate::BATCH_EVENTS;
use crate::facts::Facts;
use crate::hook::{Effect, Hook, Reading};
use crate::notification::{Notification, end_told_by, notification};

impl Dispatcher {
    /// What all read.
    pub(super) async fn learn(&mut self, batch: UndecodedBatch) -> Result<(), StoreError> {
        self.moved |= !batch.events.is_empty();
        // Decoding is for somebody.
        let mut somebody = self.somebody_reads_along();
        for event in batch.events {
            let position = event.position();
            self.fence.keep().await?;
            if event.stream().starts_with(stream::WEBHOOK) {
                self.learn_of_webhook(&event.decode()?).await?;
                somebody = self.somebody_reads_along();
            } else if somebody && may_matter(&event) {
                let recorded = event.decode()?;
                self.facts.learn(&recorded);
                if let Some(notification) = notification_of(&mut self.facts, &recorded).await? {
                    self.tell(notification).await?;
                }
            }
            self.along = position;
        }
        self.along = batch.position;
        // Not before all were told up to here: what is forgotten is read again from where each of them is.
        if self.free() == 0 {
            self.forget_what_gets_nowhere();
        }
        Ok(())
    }

    fn somebody_reads_along(&self) -> bool {
        !self.index.is_empty() && self.hooks.values().any(|hook| hook.reading == Reading::Along)
    }

    /// Puts a notification into the queue of everybody who reads along and wants it.
    pub(super) async fn tell(&mut self, notification: Notification) -> Result<(), StoreError> {
        let account = notification.account;
        let holder = if self.index.knows_users() { self.facts.holder(account).await? } else { None };
        let notification = Arc::new(notification);
        let concerned: Vec<_> = self.index.concerned(account, holder).collect();
        for id in concerned {
            let (free, tight) = (self.free(), self.is_tight());
            let Some(hook) = self.hooks.get_mut(&id) else { continue };
            let behind = hook.reading != Reading::Along || notification.position <= hook.read_to;
            if behind || !hook.wants(&notification, holder) {
                continue;
            }
            if free == 0 || hook.queue.room(tight) == 0 {
                hook.fall_behind(notification.position.saturating_sub(1));
                self.to_read.push(id, hook.read_to);
                continue;
            }
            hook.queue.push(Arc::clone(&notification));
            self.outstanding += 1;
            self.to_post.push(id);
        }
        Ok(())
    }

    /// What one has read on its own.
    pub(super) async fn learn_alone(&mut self, alone: Alone) -> Result<(), StoreError> {
        let Alone { webhook_id, time, mut room, subscription, batch } = alone;
        self.reserved -= room;
        let batch = batch?;
        let Some(hook) = self.hooks.get_mut(&webhook_id).filter(|hook| hook.time == time) else {
            return Ok(());
        };
        // As far as there was room.
        let (mut read_to, mut is_whole) = (hook.read_to, true);
        for event in batch.events {
            let position = event.position();
            if position > self.along {
                break;
            }
            self.fence.keep().await?;
            if let Some(notification) = told_to(hook, event, &mut self.facts).await? {
                if room == 0 {
                    is_whole = false;
                    break;
                }
                room -= 1;
                hook.queue.push(Arc::new(notification));
                self.outstanding += 1;
            }
            read_to = position;
        }
        if is_whole {
            read_to = batch.position;
        }
        self.moved = true;
        self.to_post.push(webhook_id);
        hook.read_to = read_to.min(self.along);
        if read_to >= self.along {
            tracing::debug!(webhook.id = %webhook_id, "a webhook has caught up");
            hook.reading = Reading::Along;
            return Ok(());
        }
        hook.reading = Reading::Behind;
        // A subscription is worth keeping, but not for as long as others have their turns.
        if is_whole && self.to_read.is_empty() && self.free() > 0 {
            self.read_alone(webhook_id, Some(subscription));
        } else {
            self.to_read.push(webhook_id, read_to);
        }
        Ok(())
    }

    /// Lets a webhook that is behind read on, if it has room for what it reads. True when it does.
    pub(super) fn read_alone(&mut self, id: WebhookId, subscription: Option<Subscription>) -> bool {
        let (free, tight) = (self.free(), self.is_tight());
        let Some(hook) = self.hooks.get_mut(&id) else { return false };
        if hook.reading != Reading::Behind || !hook.is_enabled() || !hook.queue.wants_more(tight) {
            return false;
        }
        hook.reading = Reading::Alone;
        let (time, room) = (hook.time, hook.queue.room(tight).min(free).min(BATCH_EVENTS));
        let from = (hook.read_to > 0).then_some(hook.read_to);
        let mut subscription = subscription.unwrap_or_else(|| self.ledger.store().subscribe(from));
        self.reserved += room;
        self.readings.push(Box::pin(async move {
            let batch = subscription.next_undecoded(BATCH_EVENTS).await;
            Alone { webhook_id: id, time, room, subscription, batch }
        }));
        true
    }

    /// A webhook was registered, changed, or is no more.
    pub(super) async fn learn_of_webhook(&mut self, recorded: &Recorded) -> Result<(), StoreError> {
        let (Event::Webhook(event), Some(id)) = (&recorded.event, stream::webhook_id(&recorded.stream))
        else {
            return Ok(());
        };
        // Everything before it was told to those who read along.
        self.along = recorded.position;
        let Some(hook) = self.hooks.get_mut(&id) else {
            if let WebhookEvent::Registered(_) = event {
                let retry = retry(&self.options);
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
        self.to_read.push(id, hook.read_to);
        self.to_post.push(id);
        Ok(())
    }

    /// Memory is for those who get somewhere. What is forgotten is read again.
    pub(super) fn forget_what_gets_nowhere(&mut self) {
        self.forget(|hook| hook.queue.is_down());
        // Endpoints that refuse some and take others, and those that nothing can be signed for, may fill it as well.
        if self.free() == 0 {
            self.forget(|hook| hook.target.is_none() || hook.queue.failing_since().is_some());
        }
    }

    fn forget(&mut self, whom: impl Fn(&Hook) -> bool) {
        for hook in self.hooks.values_mut().filter(|hook| hook.queue.may_be_forgotten() && whom(hook)) {
            self.outstanding -= hook.queue.len();
            hook.forget(self.along);
            self.to_read.push(hook.id(), hook.read_to);
        }
    }
}

/// Only these streams say anything to the world outside.
fn may_matter(event: &Undecoded) -> bool {
    [stream::ACCOUNT, stream::TRANSFER, stream::STATEMENT]
        .iter()
        .any(|category| event.stream().starts_with(category))
}

/// What an event is to one webhook, if it is anything.
async fn told_to(
    hook: &Hook,
    event: Undecoded,
    facts: &mut Facts,
) -> Result<Option<Notification>, StoreError> {
    if !may_matter(&event) {
        return Ok(None);
    }
    let recorded = event.decode()?;
    facts.learn(&recorded);
    // Nothing is looked up for whom it is not.
    if end_told_by(&recorded.event).is_some_and(|kind| !hook.wants_type(kind)) {
        return Ok(None);
    }
    let Some(notification) = notification_of(facts, &recorded).await? else { return Ok(None) };
    if !hook.wants_type(notification.kind) {
        return Ok(None);
    }
    let holder = match hook.webhook.user_id {
        Some(_) => facts.holder(notification.account).await?,
        None => None,
    };
    Ok(hook.wants(&notification, holder).then_some(notification))
}

async fn notification_of(facts: &mut Facts, recorded: &Recorded) -> Result<Option<Notification>, StoreError> {
    let is_end = end_told_by(&recorded.event).is_some();
    let request = if is_end { facts.request(&recorded.stream).await? } else { None };
    Ok(notification(recorded, request.as_deref()))
}
