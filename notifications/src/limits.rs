//! Every bound of this crate.

use std::time::Duration;

/// Notifications that one webhook keeps in memory; with more to tell it reads the log again later.
pub const QUEUE_MAX: usize = 1_000;
/// The same while nothing gets through to its endpoint.
pub const QUEUE_DOWN_MAX: usize = 64;
/// Notifications in memory for all webhooks together, and what is being read for them. Beyond it nobody reads.
pub const OUTSTANDING_MAX: usize = 200_000;
/// From here on memory is tight: so many webhooks that get nowhere could not fill the rest.
pub const OUTSTANDING_TIGHT: usize = OUTSTANDING_MAX / 2;
/// Notifications that one webhook keeps while memory is tight.
pub const QUEUE_TIGHT_MAX: usize = 64;
/// The same while nothing gets through: the one to try.
pub const QUEUE_DOWN_TIGHT_MAX: usize = 1;
/// Posts under way to one endpoint, each of another account.
pub const WINDOW: usize = 64;
/// The same for an endpoint that was slow to answer last time, or failed; each quick answer makes it one more.
pub const WINDOW_SLOW: usize = 4;
/// What is slow.
pub const SLOW_AFTER: Duration = Duration::from_secs(1);
/// Posts under way to all endpoints; each is a socket.
pub const IN_FLIGHT_MAX: usize = 16_384;
/// Failures in a row after which an endpoint is taken for down: it is tried with one post at a time.
pub const FAILURES_UNTIL_DOWN: u32 = 5;
/// The longest pause between two such tries, whichever accounts they are of.
pub const DOWN_PAUSE_MAX: Duration = Duration::from_secs(60);
/// The longest wait that an endpoint may ask for with Retry-After.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// Events read at a time.
pub const BATCH_EVENTS: usize = 1_024;
/// Webhooks that are behind and read the log on their own at the same time.
pub const READERS_MAX: usize = 16;
/// Webhooks that are read at the same time at the start.
pub const LOADS_MAX: usize = 64;
/// How often places in the log are saved. After a crash, what was told since is told again.
pub const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How often a process that waits for the lease looks whether it is free.
pub const LEASE_LOOK_EVERY: Duration = Duration::from_millis(500);
/// Places saved with one append.
pub const PLACES_PER_APPEND: usize = 500;
/// Transfers that are remembered from their request to their end; others are looked up.
pub const TRANSFERS_REMEMBERED: usize = 100_000;
/// Accounts whose holder is remembered.
pub const HOLDERS_REMEMBERED: usize = 200_000;
/// How long a connection to an endpoint may take to be made, TLS aside.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection to an endpoint is kept: so there are never more of them than posts within this time.
pub const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(15);
/// How long the rest of an answer is waited for, once its status is known.
pub const ANSWER_BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of an answer that are read, so that its connection can be used again.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Secrets that are opened at a time, each in a thread that reads a key file.
pub const OPENINGS_MAX: usize = 16;
/// How soon a key file that could not be read is tried again.
pub const KEY_RETRY_EVERY: Duration = Duration::from_secs(10);
/// How long posts under way may take at the end. Less than the lease, which their outcome is saved under.
pub const DRAIN_TIME: Duration = Duration::from_secs(4);

/// Characters of what a failed attempt came to, in the delivery log and where a webhook is disabled for it.
pub const ERROR_CHARS_MAX: usize = 200;
/// Attempts that wait to be written to the delivery log; more are not noted, and counted.
pub const LOG_QUEUE_MAX: usize = 20_000;
/// Attempts written to the delivery log at a time.
pub const LOG_BATCH_MAX: usize = 2_000;
/// How long the delivery log waits for more to write.
pub const LOG_FILL_TIME: Duration = Duration::from_millis(200);
/// Attempts of one webhook that the delivery log keeps, the newest.
pub const LOG_KEPT_PER_WEBHOOK: i64 = 10_000;
/// Attempts of a webhook after which the older ones are deleted again.
pub const LOG_PRUNE_EVERY: u64 = 2_000;
/// How often the whole delivery log is swept: of what is beyond the bound, and of the attempts of deleted webhooks.
pub const LOG_SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long the delivery log leaves the database alone after a failure.
pub const LOG_RETRY_EVERY: Duration = Duration::from_secs(2);
