//! Every bound on what one caller may ask for, in one place. All of them are about not trusting input: none is ever met by a
//! client that pages as it should.

use std::time::Duration;

/// Elements of a page when the client names no number.
pub(crate) const PAGE_DEFAULT: usize = 50;
/// Elements of a page at most.
pub(crate) const PAGE_MAX: usize = 200;
/// What `latestTransactions` shows.
pub(crate) const LATEST_TRANSACTIONS: usize = 20;

/// Entries that the total of a filtered list looks at; beyond them it says that it is not exact.
pub(crate) const FILTERED_COUNT_MAX: usize = 10_000;
/// Entries that are read at once, at first and at most, to find those of one status where accounts and transfers are in several databases.
pub(crate) const STATUS_STEP_MIN: usize = 200;
pub(crate) const STATUS_STEP_MAX: usize = 3_200;
/// Dead letters that are read at once there to find those of one standing.
pub(crate) const STANDING_STEP: usize = 200;
/// How long to wait before all databases are looked at again, to find them at one position.
pub(crate) const TOGETHER_POLL: Duration = Duration::from_millis(10);
/// For how long.
pub(crate) const TOGETHER_WAIT: Duration = Duration::from_secs(2);
/// What a filter costs beside its page: it passes over entries that do not fit.
pub(crate) const FILTER_COMPLEXITY: usize = 500;
/// Characters of a text to search for.
pub(crate) const FILTER_TEXT_CHARS_MAX: usize = 100;

/// How long a link to a file is good.
pub(crate) const LINK_VALID: Duration = Duration::from_secs(15 * 60);
/// Months whose statements can be downloaded as one file: ten years.
pub(crate) const DOWNLOAD_MONTHS_MAX: usize = 120;
/// Bytes of those statements together. While they become one file they are in memory some three times: 100 MB.
pub(crate) const DOWNLOAD_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Such files that are made at the same time: each is in memory.
pub(crate) const MERGES_MAX: usize = 2;
/// How long such a file is found again; after that it is made anew.
pub(crate) const DOWNLOADS_FOUND_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// From when on it may be removed: no link to it is good any more, and nobody is still reading.
pub(crate) const DOWNLOADS_SWEPT_AFTER: Duration = Duration::from_secs(48 * 60 * 60);
/// How many are removed when an account gets a new one.
pub(crate) const DOWNLOADS_SWEPT_AT_ONCE: usize = 100;
/// Files whose digest is remembered.
pub(crate) const DIGESTS_KEPT_MAX: usize = 10_000;
/// Bytes of a file that are read at once for a download.
pub(crate) const FILE_PIECE_BYTES: usize = 1024 * 1024;

/// What `history` shows of a dead letter: the newest of what happened to it. The log has all of it.
pub(crate) const DEAD_LETTER_HISTORY_MAX: usize = 50;
/// How old a transfer must be to count as stuck when the client does not say.
pub(crate) const STUCK_AFTER_SECONDS: u32 = 60;

/// Nesting of a GraphQL query. The introspection query of GraphiQL and of code generators is 15 deep, the deepest sensible query of
/// this schema about 10.
pub(crate) const DEPTH_MAX: usize = 16;
/// Fields a GraphQL answer may have, every page counted at its full length: 25 accounts with a page of 50 transactions each and 15
/// fields on every one.
pub(crate) const COMPLEXITY_MAX: usize = 20_000;
/// Selections of a GraphQL document once every fragment is written out where it is used.
pub(crate) const SELECTIONS_MAX: usize = 2_000;
/// Fragments within fragments.
pub(crate) const FRAGMENT_DEPTH_MAX: usize = 32;
/// Brackets within brackets of a GraphQL document: selection sets, arguments and values together.
pub(crate) const NESTING_MAX: usize = 64;
/// Directives on one field.
pub(crate) const DIRECTIVES_MAX: usize = 4;
/// Bytes of a GraphQL request, over HTTP and over WebSocket.
pub(crate) const QUERY_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the queries that are kept to be asked for by their hash; the least used go first.
pub(crate) const PERSISTED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// How many queries that may be: what room is made at first. A bank's clients have some dozens.
pub(crate) const PERSISTED_QUERIES_EXPECTED: usize = 1_000;
/// Bytes of the documents that are kept as they were parsed, which takes some twenty times as much; the least used go first.
pub(crate) const PARSED_BYTES_MAX: u64 = 512 * 1024;

/// Statements that are at work in a database at the same time, for each core that this process may use.
pub(crate) const TURNS_FOR_EACH_CORE: usize = 3;
/// Who has waited for one of these turns for so long adds one, while there are sessions for it.
pub(crate) const TURN_PATIENCE: Duration = Duration::from_millis(50);
/// A session that was at work so lately is used again without asking whether it still stands.
pub(crate) const SESSION_TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long a session is lent before it goes back to sqlx's pool, which looks at it and ends what is old.
pub(crate) const SESSION_KEPT_FOR: Duration = Duration::from_secs(60);

/// Keys that one batched SQL query is asked for.
pub(crate) const BATCH_KEYS_MAX: usize = 500;
/// How long a loader collects keys. Sibling fields ask within microseconds of each other; this only has to outlast that.
pub(crate) const BATCH_DELAY: Duration = Duration::from_micros(300);

/// Bytes of a cursor as text.
pub(crate) const CURSOR_BYTES_MAX: usize = 64;

/// Subscriptions of one WebSocket connection at a time.
pub(crate) const SUBSCRIPTIONS_PER_CONNECTION: usize = 100;
/// Updates a subscriber may fall behind before its subscription ends with an error. They are shared: what waits is a pointer.
pub(crate) const LIVE_BUFFER: usize = 1_024;
/// Events the live feed takes from the log at once.
pub(crate) const LIVE_BATCH: usize = 2_048;
/// Events of an account that a subscription which resumes catches up with; who was away for longer asks for transactions.
pub(crate) const RESUME_EVENTS_MAX: usize = 10_000;
/// Entries that one statement reads when a subscription catches up.
pub(crate) const RESUME_PAGE: usize = 200;
/// Accounts whose newest entries are kept: some 5 KB each.
pub(crate) const LATEST_ACCOUNTS_MAX: usize = 10_000;
/// How long a list waits to be worth keeping; it is answered all the same.
pub(crate) const LATEST_WAIT: Duration = Duration::from_millis(100);
/// How long a list of newest entries stays in Redis: it bounds what is in there, and how long a list outlives a projection that was made
/// anew with other rows.
pub(crate) const REDIS_KEEP: Duration = Duration::from_secs(3_600);
/// How long Redis may take to answer, before Postgres is asked.
pub(crate) const REDIS_ANSWER_MAX: Duration = Duration::from_millis(100);
/// How long it may take to connect to Redis. Nobody waits for it.
pub(crate) const REDIS_CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long to leave Redis alone after it did not answer.
pub(crate) const REDIS_PAUSE: Duration = Duration::from_secs(1);
/// How often a stream of server-sent events says that it is alive.
pub(crate) const SSE_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Bytes a WebSocket reads ahead: subscribers say little, and there are thousands.
pub(crate) const SOCKET_READ_BYTES: usize = 4 * 1024;
/// How far the projections may be behind a change before subscriptions end with an error.
pub(crate) const PROJECTIONS_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long `transferUpdated` waits for a transfer that no read model has yet.
pub(crate) const UNKNOWN_TRANSFER_WAIT: Duration = Duration::from_secs(5);

/// How often checkpoints are read while somebody waits for a position.
pub(crate) const FRESHNESS_POLL: Duration = Duration::from_millis(3);
/// How long to leave Postgres alone after a failed read of the checkpoints.
pub(crate) const FRESHNESS_RETRY: Duration = Duration::from_millis(200);
/// How long it may take to find out what holds the projections up, for who is told that they are behind.
pub(crate) const HELD_UP_WAIT: Duration = Duration::from_millis(500);
/// How often a read at a position is made, while Postgres seems to have crashed each time.
pub(crate) const READ_TRIES_MAX: usize = 8;

/// How old the list of archived months may be when a read begins. A month's rows stay in Postgres for fifteen seconds after it was noted, so that
/// everybody knows of it by then.
pub(crate) const ARCHIVED_MONTHS_AGE_MAX: Duration = Duration::from_secs(1);
/// How late the answer to a question for that list may come. It is as old then, and the read still has to wait for its turn.
pub(crate) const ARCHIVED_MONTHS_ANSWER_MAX: Duration = Duration::from_secs(7);
/// Accounts whose entries of an archived month are added up at the same time, for one request.
pub(crate) const ARCHIVED_SUMS_AT_ONCE: usize = 8;
