//! Every bound of this crate.

use std::time::Duration;

use crate::LeaseTimes;

/// Accounts whose state is kept in memory; the least used go first.
pub const CACHED_ACCOUNTS_MAX: usize = 100_000;
/// Events of an account after which its state is written down: as many are read at most, most often, before a cold account answers.
pub const SNAPSHOT_EVERY_EVENTS: u64 = 512;
/// Legs that are remembered again when an old transfer asks; beyond, only its own are. Few in tests, so that both ways are taken.
pub const LEGS_READ_BACK_MAX: usize = if cfg!(test) { 32 } else { 131_072 };
/// How often a command is decided again after losing a race for its stream, before it is refused as contended.
pub const CONFLICT_RETRIES_MAX: usize = 64;
/// How long a driver waits before it tries a transfer again after a failure of the store, at first.
pub const RETRY_DELAY_MIN: Duration = Duration::from_millis(20);
/// The longest such wait.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);
/// How long a lease is held from the moment it was asked for.
pub const LEASE_HELD_FOR: Duration = Duration::from_secs(2);
/// How long before that it is renewed.
pub const LEASE_RENEW_BEFORE: Duration = Duration::from_secs(1);
/// How long another process's lease must have stood unchanged before it is taken. More than it is held for, so that clocks of different speed do
/// no harm.
pub const LEASE_FREE_AFTER: Duration = Duration::from_millis(2_500);
/// A lease whose holder renews it for as long as it runs: it need not be taken over as fast, and is not to fill the log.
pub const CALM_LEASE: LeaseTimes = LeaseTimes {
    held_for: Duration::from_secs(5),
    renew_before: Duration::from_millis(2_500),
    free_after: Duration::from_secs(6),
};
/// How long a process may use the worker number it took or renewed last.
pub const WORKER_HELD_FOR: Duration = Duration::from_secs(10 * 60);
/// How often it is renewed.
pub const WORKER_RENEW_EVERY: Duration = Duration::from_secs(3 * 60);
/// How often that is tried again while the store is away.
pub const WORKER_RETRY_EVERY: Duration = Duration::from_secs(5);
/// The age at which a worker number's last event sets it free. More than it may be used for by more than clocks differ.
pub const WORKER_FREE_AFTER: Duration = Duration::from_secs(20 * 60);
/// How far ids may run ahead of the last one made before the worker number is renewed, in their milliseconds, each of which has 4,096.
pub const IDS_AHEAD_MS: u64 = 10_000;
/// Webhooks there may be.
pub const WEBHOOKS_MAX: usize = 100_000;
/// Webhooks one user may have.
pub const WEBHOOKS_PER_USER_MAX: usize = 20;
/// How long a webhook that is listed may take to begin, before it is taken for one that never will.
pub const WEBHOOK_BEGINS_WITHIN: Duration = Duration::from_secs(10 * 60);
/// Listed webhooks of an owner whose streams are read when there is no room for another, the oldest.
pub const WEBHOOKS_SWEPT_MAX: usize = 1_000;
/// How long the list of webhooks is waited for while others write it, before the store is called unavailable.
pub const WEBHOOK_LIST_PATIENCE: Duration = Duration::from_secs(5);
/// Events of one stream read at a time.
pub const STREAM_PAGE_EVENTS: usize = 4_096;

/// Connections for calls to a store over the network; each subscription has one of its own.
pub const CONNECTIONS: usize = 4;
/// Calls under way on one connection. A server takes 100.
pub const CALLS_PER_CONNECTION_MAX: usize = 90;
/// Appends that are queued or under way to a store over the network; more wait for a place.
pub const QUEUED_APPENDS_MAX: usize = 4_096;
/// Events of queued appends to one stream that are written as one append.
pub const JOINED_APPEND_EVENTS_MAX: usize = 500;
/// Bytes of such an append. A server takes 1 MiB.
pub const JOINED_APPEND_BYTES_MAX: usize = 512 * 1024;
/// Failed appends that are remembered, by event, so that nothing follows them.
pub const FAILED_EVENTS_REMEMBERED: usize = 100_000;
/// How long one call to a store over the network may take before it is tried again.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call is tried again before the store is called unavailable. A store away for longer is called so at once.
pub const CALL_PATIENCE: Duration = Duration::from_secs(10);
/// Calls in a row that take too long before a connection is taken for dead.
pub const TIMEOUTS_MAX: u32 = 3;
/// How long a connection may take to be made and to answer.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that failed is left alone before it is tried again, at first.
pub const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(50);
/// The longest such time.
pub const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(1);
/// Time between two looks at a store over the network.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// How long a connection may take to answer such a look before another is asked.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(2);
/// Events that a subscription over the network reads ahead of its reader.
pub const READ_AHEAD_EVENTS: usize = 1_024;
/// Other clients' events after which the server tells a subscription how far it has come.
pub const FILTER_WINDOW_EVENTS: u32 = 256;
/// How long a subscription that is behind waits for a batch to fill up.
pub const FILL_TIME: Duration = Duration::from_millis(20);
/// Places of a subscriber that are looked at for the newest: as many processes may have been stopped while they saved, and have gone on late.
pub(crate) const PLACES_READ_BACK: usize = 8;
