//! How notifications are sent.

use std::time::Duration;

use crate::DeliveryLog;

/// How notifications are sent.
#[derive(Clone)]
pub struct NotificationOptions {
    /// True when endpoints may be at addresses that are not of the public internet.
    pub allow_private: bool,
    /// How long an endpoint may take to answer.
    pub timeout: Duration,
    /// How long a post that failed rests at first; each further failure doubles it.
    pub retry_min: Duration,
    /// The longest such rest, jitter aside: up to as much again.
    pub retry_max: Duration,
    /// For how long posts of one notification may fail before its webhook is disabled.
    pub disable_after: Duration,
    /// For how long a webhook's signing key may be missing before the webhook is disabled.
    pub disable_keyless_after: Duration,
    /// Where attempts are noted; nowhere without one.
    pub delivery_log: Option<DeliveryLog>,
}

impl Default for NotificationOptions {
    fn default() -> Self {
        Self {
            allow_private: false,
            timeout: Duration::from_secs(15),
            retry_min: Duration::from_secs(2),
            retry_max: Duration::from_secs(60 * 60),
            disable_after: Duration::from_secs(3 * 24 * 60 * 60),
            disable_keyless_after: Duration::from_secs(60),
            delivery_log: None,
        }
    }
}
