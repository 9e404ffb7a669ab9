//! Every bound of this crate.

use std::time::Duration;

/// Accounts whose state is kept in memory; the least used go first.
pub const CACHED_ACCOUNTS_MAX: usize = 100_000;
/// How often a command is decided again after losing a race for its stream, before it is refused as contended.
pub const CONFLICT_RETRIES_MAX: usize = 64;
/// How long a driver waits before it tries a transfer again after a failure of the store, at first.
pub const RETRY_DELAY_MIN: Duration = Duration::from_millis(20);
/// The longest such wait.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);
/// How long a process may use the worker number it took or renewed last.
pub const WORKER_HELD_FOR: Duration = Duration::from_secs(10 * 60);
/// How often it is renewed.
pub const WORKER_RENEW_EVERY: Duration = Duration::from_secs(3 * 60);
/// How often that is tried again while the store is away.
pub const WORKER_RETRY_EVERY: Duration = Duration::from_secs(5);
/// The age at which a worker number's last event sets it free. More than it may be used for by more than clocks differ.
pub const WORKER_FREE_AFTER: Duration = Duration::from_secs(20 * 60);
/// Events of one stream read at a time.
pub const STREAM_PAGE_EVENTS: usize = 4_096;
