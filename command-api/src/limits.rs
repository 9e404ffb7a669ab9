//! Every bound of this crate.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The largest body of a command, in bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// The largest body of an import request, in bytes.
pub const IMPORT_BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most rows of an import request.
pub const IMPORT_ROWS_MAX: usize = 1_000;
/// Accounts of one import request that are worked on at the same time.
pub const IMPORT_LANES_MAX: usize = 64;
/// Years that imported rows may be booked in; read models hold far more, people's typing errors go further.
pub const IMPORT_YEARS: RangeInclusive<i32> = 1900..=2199;
/// How long a deposit or withdrawal waits for its end before it answers "pending".
pub const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest name, e-mail address, phone number and the like, in characters.
pub const DETAIL_CHARS_MAX: usize = 200;
/// Accounts one webhook may name.
pub const WEBHOOK_ACCOUNTS_MAX: usize = 100;
/// The longest URL of a webhook, in characters.
pub const WEBHOOK_URL_CHARS_MAX: usize = 2_048;

/// Events the process manager reads at a time.
pub const PROCESS_BATCH_EVENTS: usize = 2_048;
/// Transfers the process manager drives at the same time, in equal parts from each partition.
pub const DRIVEN_MAX: usize = 512;
/// Transfers the process manager keeps in mind; it stops reading while it has that many.
pub const PENDING_MAX: usize = 100_000;
/// How long a transfer may rest without a sign of life before the process manager takes it up.
pub const REST_MAX: Duration = Duration::from_secs(1);
/// How often the process manager looks for what rests, and at leases that others hold.
pub const LEASE_LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often a transfer that fails is tried before it is parked. Tries while the event store is away do not count.
pub const DRIVE_TRIES_MAX: usize = 9;
/// How many of the tries that failed are kept for the operator.
pub const FAILED_TRIES_KEPT: usize = 10;
/// How long before parking is tried again, when that fails.
pub const PARKING_RETRY: Duration = Duration::from_secs(5);
/// The age from which a transfer that has not ended is called stuck.
pub const STUCK_AFTER: Duration = Duration::from_secs(60);
/// How often parked transfers are counted when nobody says anything of them.
pub const PARKED_COUNT_EVERY: Duration = Duration::from_secs(10);
/// The least time between two such counts, however much is said of them.
pub const PARKED_COUNT_PAUSE: Duration = Duration::from_secs(1);
/// Events after which the process manager saves its place.
pub const CHECKPOINT_EVERY_EVENTS: u64 = 20_000;
