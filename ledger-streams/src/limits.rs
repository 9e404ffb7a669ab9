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
/// Events of one stream read at a time.
pub const STREAM_PAGE_EVENTS: usize = 4_096;
