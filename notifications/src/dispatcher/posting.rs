//! From the queues to the endpoints.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use ledger_core::webhook::WebhookCommand;
use ledger_core::{WebhookId, stream};
use ledger_streams::{Context, Ledger, StoreError};
use tokio::task::JoinError;

use super::{Dispatcher, Posted};
use crate::delivery_log::Attempt;
use crate::endpoint::Answer;
use crate::hook::Reading;
use crate::{DRAIN_TIME, IN_FLIGHT_MAX};

impl Dispatcher {
    /// Posts what a webhook has to be told now.
    pub(super) fn post(&mut self, id: WebhookId) {
        let Some(hook) = self.hooks.get_mut(&id).filter(|hook| hook.is_enabled()) else { return };
        if hook.queue.len() == 0 || !self.fence.is_held() {
            return;
        }
        let Some(target) = hook.target.clone() else { return self.want_target(id) };
        let now = Instant::now();
        while self.posts.len() < IN_FLIGHT_MAX
            && let Some(due) = hook.queue.next(now)
        {
            let (endpoints, target) = (self.endpoints.clone(), Arc::clone(&target));
            let lapse = self.fence.lapse();
            self.posts.spawn(async move {
                let answer = tokio::select! {
                    answer = endpoints.post(Arc::clone(&target), &due.notification) => Some(answer),
                    () = lapse => None,
                };
                Posted { webhook_id: id, target, due, answer }
            });
        }
        if self.posts.len() >= IN_FLIGHT_MAX {
            self.to_post.push(id);
        }
        if let Some(next) = hook.queue.next_due() {
            self.look_again(id, next);
        }
    }

    pub(super) fn look_again(&mut self, id: WebhookId, due: Instant) {
        let Some(hook) = self.hooks.get_mut(&id) else { return };
        if let Some(before) = hook.timer.replace(due) {
            self.timers.remove(&(before, id));
        }
        self.timers.insert((due, id));
    }

    /// What waited for its time.
    pub(super) fn wake(&mut self) {
        // Those that are due now, and not what they make due.
        let now = Instant::now();
        let due: Vec<_> = self.timers.iter().take_while(|(due, _)| *due <= now).copied().collect();
        for timer in due {
            self.timers.remove(&timer);
            let (_, id) = timer;
            if let Some(hook) = self.hooks.get_mut(&id) {
                hook.timer = None;
            }
            self.to_post.push(id);
        }
    }

    /// A post has ended.
    pub(super) fn settle(&mut self, posted: Result<Posted, JoinError>) -> Result<(), StoreError> {
        let Posted { webhook_id, target, due, answer } = match posted {
            Ok(posted) => posted,
            // Its lane would wait for ever; starting anew is what mends it.
            Err(error) => {
                return Err(StoreError::Unavailable(format!("a post was cut short: {error}").into()));
            }
        };
        // The lease is lost, or will be: what the endpoint has heard of it, nobody knows.
        let Some(answer) = answer else {
            if let Some(hook) = self.hooks.get_mut(&webhook_id) {
                hook.queue.given_up(due.notification.account);
                self.to_post.push(webhook_id);
            }
            return Ok(());
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
        // What an endpoint said that was left since says nothing about the new one.
        let is_of_now = hook.target.as_ref().is_some_and(|now| Arc::ptr_eq(now, &target));
        self.outstanding -= before - hook.queue.len();
        if hook.reading == Reading::Behind {
            self.to_read.push(webhook_id, hook.read_to);
        }
        self.to_post.push(webhook_id);
        if let Some(reason) = give_up.filter(|_| is_of_now) {
            self.disable(webhook_id, reason);
        }
        Ok(())
    }

    /// Disables a webhook for good reason, beside the dispatcher. It has its effect when the event comes by.
    pub(super) fn disable(&mut self, id: WebhookId, reason: String) {
        let Some(hook) = self.hooks.get_mut(&id).filter(|hook| !hook.is_disabling) else { return };
        hook.is_disabling = true;
        let ledger = self.ledger.clone();
        self.disablings.spawn(async move { (id, disable(&ledger, id, reason).await) });
    }

    /// A webhook was disabled, or could not be: then the next failure tries again.
    pub(super) fn disabled(
        &mut self,
        disabled: Result<(WebhookId, Result<(), StoreError>), JoinError>,
    ) -> Result<(), StoreError> {
        let (id, result) = disabled.map_err(|error| {
            StoreError::Unavailable(format!("a webhook was not disabled: {error}").into())
        })?;
        if let Some(hook) = self.hooks.get_mut(&id) {
            hook.is_disabling = false;
        }
        result
    }

    /// Waits a while for posts under way: what arrives now need not be sent again.
    pub(super) async fn drain(&mut self) {
        // They end with the lease, and what came of them is saved under it.
        if self.fence.is_held()
            && let Err(error) = self.fence.attend().await
        {
            tracing::debug!(%error, "the lease was not renewed for the end");
        }
        let drain = async {
            while let Some(posted) = self.posts.join_next().await {
                let Ok(Posted { webhook_id, due, answer: Some(answer), .. }) = posted else { continue };
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
        // What is still under way is not, once the lease is given back.
        self.posts.shutdown().await;
    }
}

async fn disable(ledger: &Ledger, id: WebhookId, reason: String) -> Result<(), StoreError> {
    let context = Context {
        correlation_id: stream::webhook(id).into(),
        causation_id: None,
        actor: "system:notifications".into(),
        booked_at: ledger.now(),
    };
    match ledger.webhook(id, &WebhookCommand::Disable(reason.clone()), &context).await {
        Ok(Ok(executed)) => {
            if !executed.events.is_empty() {
                tracing::warn!(webhook.id = %id, %reason, "a webhook is disabled");
            }
            Ok(())
        }
        // It was deleted meanwhile.
        Ok(Err(_)) => Ok(()),
        Err(error) if error.is_transient() => {
            tracing::debug!(%error, "not disabled yet");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn count(answer: &Answer) {
    let outcome = if answer.is_delivered() { "delivered" } else { "failed" };
    metrics::counter!("daybook_webhook_posts_total", "outcome" => outcome).increment(1);
}

/// A time in words: days, hours, minutes or seconds.
fn text_of(time: Duration) -> String {
    let seconds = time.as_secs();
    for (unit, length) in [("days", 86_400), ("hours", 3_600), ("minutes", 60)] {
        if seconds >= 2 * length {
            return format!("{} {unit}", seconds / length);
        }
    }
    format!("{seconds} seconds")
}
