//! Every bound of the archive, in one place.

/// Rows of one file. Some 35 bytes each on disk: about 70 MB, which every engine reads in one go.
pub const PART_ROWS_MAX: usize = 2 * 1024 * 1024;
/// Bytes after which a file ends even with fewer rows, for rows with long texts. It may become longer by one row group.
pub(crate) const PART_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Rows of a row group: what an engine gives to one thread, and what is in memory while it is written. Some 5 MB on disk.
pub(crate) const GROUP_ROWS: usize = 128 * 1024;
/// Rows of a page, the least that can be read: some milliseconds. Divides [`GROUP_ROWS`].
pub(crate) const PAGE_ROWS: usize = 2 * 1024;
/// Rows that are encoded or decoded at a time; a multiple of [`PAGE_ROWS`].
pub(crate) const BATCH_ROWS: usize = 8 * 1024;
/// Bytes of a column's dictionary in a row group. It is read with every page, so it is small; what does not fit is written plainly.
pub(crate) const DICTIONARY_BYTES_MAX: usize = 64 * 1024;
/// How much harder than necessary zstd tries: 1 to 22.
pub(crate) const ZSTD_LEVEL: i32 = 3;
/// How often the bloom filter on accounts says that an account may be there when it is not.
pub(crate) const BLOOM_FALSE_RATE: f64 = 0.01;
/// Accounts of a row group that the bloom filter makes room for at first; it is folded to what it needs.
pub(crate) const BLOOM_ACCOUNTS: u64 = GROUP_ROWS as u64;

/// Bytes of a file that have one sum: at least so many are read wherever one is. Small beside a page of all columns.
pub(crate) const BLOCK_BYTES: usize = 16 * 1024;
/// Bytes at the end of a file that are read first: they hold the footer and the page index of most.
pub(crate) const TAIL_BYTES: u64 = 256 * 1024;
/// Bytes of footers that are kept in memory; those longest unused go first.
pub(crate) const FOOTERS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How many footers that may be: what room is made at first.
pub(crate) const FOOTERS_EXPECTED: usize = 256;
/// Manifests that are kept in memory: ten years.
pub(crate) const MANIFESTS_MAX: usize = 120;
/// Bytes of a manifest: some ten thousand files.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Reads of a file's rows that are under way at the same time in a process; others wait. Each has up to [`PAGES_AT_ONCE_MAX`] pages of all columns
/// in memory, some megabytes, and one of tokio's threads.
pub(crate) const READS_AT_ONCE_MAX: usize = 16;
/// Pages that are read at a time when many are looked through. The first read takes one, each next one twice as many.
pub(crate) const PAGES_AT_ONCE_MAX: usize = 16;
