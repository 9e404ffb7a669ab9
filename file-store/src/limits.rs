//! Every bound of the file store, in one place.

use std::time::Duration;

/// Bytes of the secret that signs links.
pub const SECRET_BYTES: usize = 32;
/// How long a link may be valid; S3 signs for no longer.
pub const URL_VALID_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Bytes of a key; S3 takes 1,024, and a prefix needs some of them.
pub(crate) const KEY_BYTES_MAX: usize = 512;
/// Bytes of one segment of a key: what file systems take for a name, less what a name has while its file is being written.
pub(crate) const SEGMENT_BYTES_MAX: usize = 200;

/// Bytes of one part of an upload, and of one read of a whole file. S3 takes 10,000 parts of no less than 5 MiB: files up to 80 GB.
pub(crate) const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts of one upload under way at a time: what an upload holds in memory is so many parts and one more.
pub(crate) const PARTS_UNDER_WAY_MAX: usize = 4;
/// Ranges of a file that are read at a time.
pub(crate) const RANGES_AT_ONCE: usize = 16;
/// Ranges that are no farther apart become one read: it costs less than another request.
pub(crate) const RANGE_GAP_BYTES: u64 = 32 * 1024;
/// Bytes of such a read.
pub(crate) const RANGE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How long S3 may take to accept a connection.
pub(crate) const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long S3 may take for one request, its body included: a part at 300 KB/s.
pub(crate) const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// How often a request to S3 is made again.
pub(crate) const RETRIES_MAX: usize = 5;
/// From when on a request is not made again.
pub(crate) const RETRY_TIME_MAX: Duration = Duration::from_secs(60);
/// The first pause before a request is made again; then each is about twice as long, up to [`RETRY_PAUSE_MAX`].
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
pub(crate) const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
