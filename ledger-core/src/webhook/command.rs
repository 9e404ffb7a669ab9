//! What can be asked of a webhook.

use chrono::{DateTime, Utc};

use super::Settings;
use crate::user::Sealed;
use crate::{Position, UserId, WebhookId};

/// Everything that can be asked of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookCommand {
    /// Register under an id that was just made.
    Register {
        /// The id.
        webhook_id: WebhookId,
        /// Whose accounts it hears of; none for the bank's.
        user_id: Option<UserId>,
        /// What it is told, and where.
        settings: Settings,
        /// The encrypted secret.
        secret: Sealed,
    },
    /// Replace the settings.
    Change(Settings),
    /// Sign with another secret, and with the present one as well until then.
    RotateSecret {
        /// The encrypted new secret.
        secret: Sealed,
        /// Until when the present one signs, too.
        previous_until: DateTime<Utc>,
    },
    /// Post nothing more, for this reason.
    Disable(String),
    /// Post again.
    Enable,
    /// Go on from after this position.
    Replay(Position),
    /// Forget it.
    Delete,
}
