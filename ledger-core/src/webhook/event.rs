//! What happened to a webhook.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::user::Sealed;
use crate::{AccountId, Money, Position, UserId, WebhookId};

macro_rules! notification_types {
    ($($variant:ident, $name:literal, $meaning:literal;)*) => {
        /// What a webhook can be told of. A name never changes and is never used again for something else.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum NotificationType {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant,)*
        }

        impl NotificationType {
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The type of a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.name() == name)
            }
        }
    };
}

notification_types! {
    TransferCompleted, "transfer.completed", "A transfer's money arrived; told to the account it came from.";
    TransferFailed, "transfer.failed", "A transfer was refused, or its money came back; told to the account it was to come from.";
    MoneyReceived, "money.received", "Money arrived on the account.";
    StatementIssued, "statement.issued", "The account's statement of a month is there.";
    BalanceBelowThreshold, "balance.below_threshold", "The balance went from the threshold or above to below it.";
}

/// What a webhook is told, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// Where notifications are posted.
    pub url: String,
    /// Only these types; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<NotificationType>,
    /// Only these accounts; all of the owner when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountId>,
    /// For `balance.below_threshold`: accounts of this currency that fall below this balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Money>,
}

impl Settings {
    /// True when this type is wanted.
    #[must_use]
    pub fn wants(&self, kind: NotificationType) -> bool {
        self.types.is_empty() || self.types.contains(&kind)
    }
}

/// The webhook exists and is enabled from here on: it is told what comes after this event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookRegistered {
    /// Its id.
    pub webhook_id: WebhookId,
    /// The user whose accounts it hears of; none for the bank's, which hears of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// What it is told, and where.
    pub settings: Settings,
    /// What notifications are signed with, encrypted with the webhook's own key.
    pub secret: Sealed,
}

/// The settings are these from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookChanged {
    /// All of them.
    pub settings: Settings,
}

/// Notifications are signed with a new secret from here on, and for a while with the old one as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookSecretRotated {
    /// The new secret, encrypted with the webhook's own key.
    pub secret: Sealed,
    /// Until when the old one signs, too.
    pub previous_until: DateTime<Utc>,
}

/// Nothing is posted from here on; the webhook's place in the log is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookDisabled {
    /// Why, for people.
    pub reason: String,
}

/// Notifications are posted again, from where they stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookEnabled {}

/// The webhook is told what comes after this position, again or for the first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookReplayed {
    /// A place in the log; what it is told begins after it.
    pub from_position: Position,
}

/// The webhook is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookDeleted {}

/// Everything that can happen to a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookEvent {
    /// See [`WebhookRegistered`].
    Registered(WebhookRegistered),
    /// See [`WebhookChanged`].
    Changed(WebhookChanged),
    /// See [`WebhookSecretRotated`].
    SecretRotated(WebhookSecretRotated),
    /// See [`WebhookDisabled`].
    Disabled(WebhookDisabled),
    /// See [`WebhookEnabled`].
    Enabled(WebhookEnabled),
    /// See [`WebhookReplayed`].
    Replayed(WebhookReplayed),
    /// See [`WebhookDeleted`].
    Deleted(WebhookDeleted),
}
