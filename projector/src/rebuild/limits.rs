//! Every bound of a rebuild.

use std::time::Duration;

/// Between two looks for requests.
pub(super) const POLL: Duration = Duration::from_millis(500);
/// Between two notes of the progress, and two looks at whether somebody wants it stopped.
pub(super) const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// How long the database may take for a small question, such as whether somebody wants it stopped: then its connection counts as dead.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a rebuild may stand still while the database has nothing to do for it: then an answer was lost, or a question. What the database does
/// work at may take hours.
pub(super) const STILL_MAX: Duration = Duration::from_secs(15);
/// Connections that write at most; no more than there are cores, or partitions.
pub(super) const WORKERS_MAX: usize = 4;
/// Events in one transaction of each worker. Three times as many are in memory: one batch is read while another is written and a third
/// waits, at about half a kilobyte each.
pub(super) const BATCH_EVENTS: usize = 100_000;
/// Events decoded at once.
pub(super) const CHUNK_EVENTS: usize = 2_000;
/// The build is near when it has caught up with the live tables in this time: then the live ones are made to wait for the rest.
pub(super) const NEAR: Duration = Duration::from_millis(300);
/// Rounds of catching up before the live ones are made to wait for the rest, be it as long as it is.
pub(super) const ROUNDS_MAX: usize = 20;
/// Live projections further behind the log than this are not held up by a rebuild: it pauses.
pub(super) const LIVE_LAG_MAX: Duration = Duration::from_secs(1);
/// Between two looks during such a pause.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
/// The longest such pause for one batch, so that a rebuild comes to its end on a machine that is too slow for its load, too.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long an exchange waits for whoever reads or writes the tables, by attempt; others wait behind it. Every fourth time long enough that
/// Postgres sends an automatic vacuum away, which it does after a second.
pub(super) const LOCK_TIMEOUTS: [&str; 4] = ["100ms", "150ms", "200ms", "1500ms"];
/// How long the live tables wait while the build applies its last events. Then the server lets them go on, and the rebuild is taken up
/// again: its process may be stopped, or too slow.
pub(super) const HOLD_MAX: &str = "60s";
/// How long an exchange may say nothing in the middle, when nobody can read either.
pub(super) const EXCHANGE_SILENCE_MAX: &str = "10s";
/// Attempts to exchange tables.
pub(super) const SWITCH_ATTEMPTS_MAX: usize = 60;
/// Between two of them.
pub(super) const SWITCH_PAUSE: Duration = Duration::from_millis(500);
/// Rows shown of each table that differs.
pub(super) const DIFFERENCES_MAX: i64 = 10;
/// Memory for making indexes, of each worker.
pub(super) const INDEX_MEMORY: &str = "128MB";
