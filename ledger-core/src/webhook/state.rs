//! What a webhook's decisions, and whoever posts for it, need to know.

use chrono::{DateTime, Utc};

use super::{Settings, WebhookEvent};
use crate::user::Sealed;
use crate::{UserId, WebhookId};

/// Whether anything is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookStatus {
    /// Yes.
    Enabled,
    /// No, for this reason.
    Disabled(String),
    /// Never again.
    Deleted,
}

impl WebhookStatus {
    /// True while nothing is posted, but might be again.
    #[must_use]
    pub const fn is_disabled(&self) -> bool {
        matches!(self, Self::Disabled(_))
    }
}

/// A secret that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// The secret, encrypted.
    pub secret: Sealed,
    /// Until when it signs beside its successor.
    pub until: DateTime<Utc>,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub webhook_id: WebhookId,
    /// Whose accounts it hears of; none for the bank's.
    pub user_id: Option<UserId>,
    /// What it is told, and where.
    pub settings: Settings,
    /// Whether anything is posted.
    pub status: WebhookStatus,
    /// What notifications are signed with, encrypted.
    pub secret: Sealed,
    /// What they are signed with as well, for a while.
    pub previous: Option<Previous>,
}

/// A webhook's state: nothing before it was registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookState {
    /// The webhook.
    pub webhook: Option<Webhook>,
    /// How many events were folded in.
    pub events: u64,
}

impl WebhookState {
    /// Folds one event in.
    pub fn evolve(&mut self, event: &WebhookEvent) {
        self.events = self.events.saturating_add(1);
        if let WebhookEvent::Registered(registered) = event {
            self.webhook = Some(Webhook {
                webhook_id: registered.webhook_id,
                user_id: registered.user_id,
                settings: registered.settings.clone(),
                status: WebhookStatus::Enabled,
                secret: registered.secret.clone(),
                previous: None,
            });
        }
        let Some(webhook) = &mut self.webhook else { return };
        match event {
            WebhookEvent::Registered(_) | WebhookEvent::Replayed(_) => {}
            WebhookEvent::Changed(changed) => webhook.settings = changed.settings.clone(),
            WebhookEvent::SecretRotated(rotated) => {
                let secret = std::mem::replace(&mut webhook.secret, rotated.secret.clone());
                webhook.previous = Some(Previous { secret, until: rotated.previous_until });
            }
            WebhookEvent::Disabled(disabled) => {
                webhook.status = WebhookStatus::Disabled(disabled.reason.clone());
            }
            WebhookEvent::Enabled(_) => webhook.status = WebhookStatus::Enabled,
            WebhookEvent::Deleted(_) => webhook.status = WebhookStatus::Deleted,
        }
    }
}
