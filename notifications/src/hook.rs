//! One webhook as the dispatcher knows it.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use http::Uri;
use ledger_core::webhook::{NotificationType, Webhook, WebhookEvent, WebhookState, WebhookStatus};
use ledger_core::{Event, Position, UserId, WebhookId};
use ledger_streams::{KeyError, KeyStore, Recorded};
use serde::{Deserialize, Serialize};

use crate::endpoint::Target;
use crate::health::Retry;
use crate::notification::Notification;
use crate::queue::Queue;

/// A webhook's place in the log, where it is not simply where everybody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Everything up to here was told.
    pub(crate) position: Position,
    /// Since when what comes next could not be told.
    pub(crate) failing_since: Option<DateTime<Utc>>,
}

/// Where a webhook's notifications come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// From the subscription that all share.
    Along,
    /// From nowhere at the moment: it is behind, and has to read on its own.
    Behind,
    /// From its own reading of the log, which is under way.
    Alone,
}

/// One webhook.
pub(crate) struct Hook {
    pub(crate) webhook: Webhook,
    /// How many events of its stream were folded in.
    events: u64,
    pub(crate) queue: Queue,
    pub(crate) reading: Reading,
    /// What was read for it; while it reads along, what it had read when it began to.
    pub(crate) read_to: Position,
    /// Counts the times that it went elsewhere in the log: what was read for an earlier time is not wanted.
    pub(crate) time: u64,
    /// Made when it is needed.
    pub(crate) target: Option<Arc<Target>>,
    /// True while that is being made.
    pub(crate) is_opening: bool,
    /// True while an event that disables it is being written.
    pub(crate) is_disabling: bool,
    /// Since when there has been no key to open its secret with.
    pub(crate) keyless_since: Option<Instant>,
    /// When opening it is tried again, after it failed.
    pub(crate) key_retry_at: Option<Instant>,
    /// Its place as it was saved last.
    pub(crate) saved: Option<Place>,
    /// When it is looked at again.
    pub(crate) timer: Option<Instant>,
}

/// What there is to do after an event of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing but what follows from its state.
    None,
    /// It goes on from after this position.
    GoTo(Position),
}

impl Hook {
    /// A webhook of which nothing was told yet, or of which `saved` was; everybody is at `along`.
    pub(crate) fn new(
        history: &[Recorded],
        saved: Option<Place>,
        along: Position,
        retry: Retry,
    ) -> Option<Self> {
        let mut state = WebhookState::default();
        for recorded in history {
            if let Event::Webhook(event) = &recorded.event {
                state.evolve(event);
            }
        }
        let webhook = state.webhook.filter(|webhook| webhook.status != WebhookStatus::Deleted)?;
        // What came before it was registered is not for it.
        let registered_at = history.first()?.position;
        let read_to = saved.map_or(along.max(registered_at), |place| place.position);
        let inherited =
            saved.and_then(|place| Some((place.position.saturating_add(1), place.failing_since?)));
        let reading =
            if read_to < along || webhook.status.is_disabled() { Reading::Behind } else { Reading::Along };
        let queue = Queue::new(retry, inherited);
        let events = state.events;
        Some(Self {
            webhook,
            events,
            queue,
            reading,
            read_to,
            time: 0,
            target: None,
            is_opening: false,
            is_disabling: false,
            keyless_since: None,
            key_retry_at: None,
            saved,
            timer: None,
        })
    }

    /// How many events of its stream it knows.
    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn id(&self) -> WebhookId {
        self.webhook.webhook_id
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.webhook.status == WebhookStatus::Enabled
    }

    /// Learns of an event of its stream, which it may know already.
    pub(crate) fn evolve(&mut self, event: &WebhookEvent, revision: u64) -> Effect {
        if revision == self.events {
            let mut state = WebhookState { webhook: Some(self.webhook.clone()), events: self.events };
            state.evolve(event);
            self.events = state.events;
            self.webhook = state.webhook.unwrap_or_else(|| self.webhook.clone());
            (self.target, self.key_retry_at) = (None, None);
        }
        match event {
            WebhookEvent::Replayed(replayed) => Effect::GoTo(replayed.from_position),
            WebhookEvent::Registered(_)
            | WebhookEvent::Changed(_)
            | WebhookEvent::SecretRotated(_)
            | WebhookEvent::Disabled(_)
            | WebhookEvent::Enabled(_)
            | WebhookEvent::Deleted(_) => Effect::None,
        }
    }

    /// True when it asked for notifications of this type.
    pub(crate) fn wants_type(&self, kind: NotificationType) -> bool {
        let types = &self.webhook.settings.types;
        types.is_empty() || types.contains(&kind)
    }

    /// True when this is for it, given who holds the account.
    pub(crate) fn wants(&self, notification: &Notification, holder: Option<UserId>) -> bool {
        let settings = &self.webhook.settings;
        let concerns = if settings.accounts.is_empty() {
            self.webhook.user_id.is_none_or(|user| holder == Some(user))
        } else {
            settings.accounts.contains(&notification.account)
        };
        concerns && notification.is_for(settings)
    }

    /// Everything up to here was told; everybody has read to `along`.
    pub(crate) fn told_to(&self, along: Position) -> Position {
        let read_to = if self.reading == Reading::Along { self.read_to.max(along) } else { self.read_to };
        self.queue.oldest().map_or(read_to, |oldest| oldest.saturating_sub(1).min(read_to))
    }

    /// Its place in the log, if that must be kept.
    pub(crate) fn place(&self, along: Position) -> Option<Place> {
        let position = self.told_to(along);
        if position == along && self.is_enabled() {
            return None;
        }
        Some(Place { position, failing_since: self.queue.failing_since() })
    }

    /// Does not read along any more; it has what came up to here.
    pub(crate) fn fall_behind(&mut self, read_to: Position) {
        self.read_to = self.read_to.max(read_to);
        self.reading = Reading::Behind;
    }

    /// Forgets what it had to be told, and goes on from another place.
    pub(crate) fn go_to(&mut self, position: Position, along: Position) {
        self.queue.clear();
        self.keyless_since = None;
        self.time += 1;
        self.read_to = position;
        self.reading = if position < along || !self.is_enabled() { Reading::Behind } else { Reading::Along };
    }

    /// Forgets what it had to be told, for want of memory, and reads that again later.
    pub(crate) fn forget(&mut self, along: Position) {
        let position = self.told_to(along);
        self.queue.forget();
        self.time += 1;
        self.read_to = position;
        self.reading = Reading::Behind;
    }

    /// Where to post and what to sign with; `None` when there is no key to open the secret with. Blocking.
    pub(crate) fn open_target(webhook: &Webhook, keys: &KeyStore) -> Result<Option<Target>, KeyError> {
        let webhook_id = webhook.webhook_id;
        let Some(secret) = keys.open_secret(webhook_id, &webhook.secret)? else { return Ok(None) };
        let previous = match &webhook.previous {
            Some(previous) if previous.until > Utc::now() => {
                keys.open_secret(webhook_id, &previous.secret)?.map(|secret| (secret, previous.until))
            }
            _ => None,
        };
        let uri: Uri = webhook.settings.url.parse().unwrap_or_default();
        Ok(Some(Target { webhook_id, settings: webhook.settings.clone(), uri, secret, previous }))
    }
}
