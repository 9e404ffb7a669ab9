//! Every bound, with its reason.

use std::time::Duration;

/// ISO 20022's `Max34Text`, `Max35Text`, `Max70Text`, `Max140Text` and `Max500Text`, in characters.
pub(crate) const MAX_34_TEXT: usize = 34;
pub(crate) const MAX_35_TEXT: usize = 35;
pub(crate) const MAX_70_TEXT: usize = 70;
pub(crate) const MAX_140_TEXT: usize = 140;
pub(crate) const MAX_500_TEXT: usize = 500;
/// How many lines an address may have in ISO 20022.
pub(crate) const ADDRESS_LINES_MAX: usize = 7;
/// An amount in ISO 20022 has at most this many digits. 64 bits of minor units have up to 19.
pub(crate) const AMOUNT_DIGITS_MAX: u32 = 18;

/// The greatest logo: a page has no use for more, and every PDF carries it.
pub(crate) const LOGO_BYTES_MAX: u64 = 1 << 20;

/// Stack of a thread that typesets: while it waits for a part of one statement it may begin another on top.
pub(crate) const TYPESETTING_STACK_BYTES: usize = 16 << 20;
/// A statement of more bookings is typeset in parts of so many: each takes about 140 MB for a while. Of parts half as long, the fonts and
/// the bookings that are set twice more begin to count.
pub(crate) const PDF_PART_BOOKINGS: usize = 1_000;
/// After how many documents the typesetter's cache is cleared of what none of the last ones used. More costs memory, about
/// 7 MB for each statement of 50 bookings, and no less time.
pub(crate) const DOCUMENTS_BETWEEN_EVICTIONS: u64 = 2;
/// How many evictions what was not used survives: what all documents share is used by each.
pub(crate) const EVICTIONS_SURVIVED: usize = 1;
/// Numbers of bookings of which it is remembered what was last known of the pages: some 100 kB each.
pub(crate) const KNOWN_MAX: usize = 64;

/// Rows that are read from Postgres at a time on their way into the archive, and written on their way back.
pub(crate) const ARCHIVE_BATCH_ROWS: usize = 8 * 1024;
/// Batches that wait to be encoded while others are read.
pub(crate) const ARCHIVE_BATCHES_MAX: usize = 2;
/// How long after a month was noted its rows stay in Postgres. Whoever reads has a list of months that was asked for a second ago, or 7 seconds ago
/// when the answer was slow, and later than that it is not taken; then waits 3 seconds for its turn and 3 for a connection at most, and its
/// statement sees what was there at its beginning: 13 seconds.
pub const READERS_KNOW: std::time::Duration = std::time::Duration::from_secs(15);
/// How long the drop of a partition waits for its turn, while others wait behind it; and how often, with a pause in which all pass.
pub(crate) const DROP_LOCK_TIMEOUT: &str = "200ms";
pub(crate) const DROP_ATTEMPTS_MAX: usize = 100;
pub(crate) const DROP_PAUSE: std::time::Duration = std::time::Duration::from_millis(300);
/// How long to wait for another process that archives.
pub(crate) const ARCHIVE_LOCK_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
/// Accounts of a close that are under way at the same time: made one for each core, the others being written or waiting their turn.
pub(crate) const ACCOUNTS_AT_ONCE: usize = 64;
/// Accounts that are read with one statement, at most.
pub(crate) const ACCOUNTS_READ_MAX: i64 = 200;
/// Entries that are read with one statement, at most; those of one account are never divided.
pub(crate) const ENTRIES_READ_MAX: i64 = 10_000;
/// Accounts whose entries are read from the archive at the same time.
pub(crate) const ACCOUNTS_READ_AT_ONCE: usize = 8;
/// Failed accounts of a close whose reasons are kept.
pub(crate) const FAILURES_KEPT_MAX: usize = 1_000;
/// How often a close looks whether the projections have come to where it wants them.
pub(crate) const CATCH_UP_LOOK: Duration = Duration::from_millis(50);
/// How long they may stand still meanwhile.
pub(crate) const CATCH_UP_PATIENCE: Duration = Duration::from_secs(60);
/// How often a close looks again when totals and entries differ, because something is being booked for the month; and how many times.
pub(crate) const SETTLE_LOOK: Duration = Duration::from_millis(50);
pub(crate) const SETTLE_LOOKS_MAX: u32 = 100;
/// What clocks leave out at most: a country that changed the side of the date line had a day less.
pub(crate) const GAP_MINUTES_MAX: i32 = 25 * 60;
