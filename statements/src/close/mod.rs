//! Closing a month: a statement for every account that had activity in it or a balance at its end.
//!
//! For each account the order is: files, then the event that names them. No file is ever replaced. What a killed close leaves is files that
//! no event names: the next one takes them when they are what it would write itself, else it writes beside them. A month that was closed is
//! looked at again by its CSVs: they hold nothing but the bookings, so an equal digest is an equal statement, and another one is a correction.

mod archived;
mod due;
mod issue;
mod keep;
mod reads;
mod ready;
mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use archive::{Archive, ArchiveError};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use file_store::FileStore;
use futures::StreamExt;
use futures::future::BoxFuture;
use ledger_core::{AccountId, Month, Position};
use ledger_streams::{EventStore, KeyStore, StoreError};
use parking_lot::Mutex;
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use self::reads::Work;
pub use self::schedule::{CloseTime, CloseTimeError};
use crate::Documents;
use crate::limits::{ACCOUNTS_AT_ONCE, FAILURES_KEPT_MAX};

/// What closes months. Clones share everything.
#[derive(Clone)]
pub struct Close {
    inner: Arc<Inner>,
}

struct Inner {
    parts: CloseParts,
    /// Months that have left the databases.
    archive: Archive,
    /// One permit for each core.
    cores: Semaphore,
}

/// What a close needs.
pub struct CloseParts {
    /// The read models' databases, in the order in which they were filled.
    pub databases: Vec<PgPool>,
    /// The log.
    pub store: EventStore,
    /// Opens the holders' names.
    pub keys: KeyStore,
    /// Where the files go, and where archived months are.
    pub files: FileStore,
    /// Makes them.
    pub documents: Documents,
    /// The bank's, as the projector has it.
    pub time_zone: Tz,
    /// How many statements are made at the same time.
    pub cores: usize,
}

/// How far a close is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It waits until the read models have what the log had when it began.
    Waiting {
        /// Where the one furthest back is.
        reached: Position,
        /// Where they have to be.
        head: Position,
    },
    /// So many accounts are to be looked at.
    Accounts(u64),
    /// One more was.
    Done,
}

/// Why a month is not closed.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// Something may still be booked for it.
    #[error("{month} is not over in {zone}")]
    NotOver {
        /// The month.
        month: Month,
        /// The bank's time zone.
        zone: Tz,
    },
    /// Its statements would be of other months than the read models', or their times be told in another way.
    #[error(
        "the bank's time zone is {projected}, as the projector has it, and {given} was given: give --time-zone {projected}"
    )]
    OtherZone {
        /// What was given.
        given: Tz,
        /// What the read models were made with.
        projected: String,
    },
    /// Months are closed in order.
    #[error("{month} has to be closed first: it has activity without a statement on {accounts} account(s)")]
    EarlierOpen {
        /// The first one.
        month: Month,
        /// On how many accounts.
        accounts: i64,
    },
    /// One at a time.
    #[error("another close is under way")]
    Busy,
    /// The projector does not get on.
    #[error(
        "the read models stand at {reached} of {head} and do not get on: is a projector running? `daybook status` says more"
    )]
    Behind {
        /// Where the one furthest back is.
        reached: Position,
        /// Where they have to be.
        head: Position,
    },
    /// Postgres failed.
    #[error("the read models cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    /// The files of an archived month cannot be read.
    #[error("the archive: {0}")]
    Archive(#[from] ArchiveError),
    /// The log cannot be read.
    #[error("the event store: {0}")]
    Store(#[from] StoreError),
}

/// An account without a statement, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountFailure {
    /// The account.
    pub account_id: AccountId,
    /// For people.
    pub reason: String,
}

/// What a close did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CloseSummary {
    /// `YYYY-MM`.
    pub month: String,
    /// Accounts looked at.
    pub accounts: u64,
    /// Statements issued for the first time.
    pub issued: u64,
    /// Statements issued anew.
    pub corrected: u64,
    /// Accounts whose statement is as it was.
    pub unchanged: u64,
    /// Files written.
    pub files: u64,
    /// How long they are together.
    pub bytes: u64,
    /// PDFs that can be sent, with something missing, as a character that no font has.
    pub warnings: u64,
    /// The first warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// How many accounts failed.
    pub failed: u64,
    /// Why, of the first of them.
    pub failures: Vec<AccountFailure>,
    /// True when it was told to stop before its end.
    pub interrupted: bool,
    /// How long it took.
    pub seconds: f64,
}

/// What became of an account.
enum Outcome {
    Issued { first: bool, bytes: u64, warning: Option<String> },
    Unchanged,
}

impl Close {
    /// Ready to close months.
    #[must_use]
    pub fn new(parts: CloseParts) -> Self {
        let cores = Semaphore::new(parts.cores.max(1));
        let archive = Archive::new(parts.files.clone());
        Self { inner: Arc::new(Inner { parts, archive, cores }) }
    }

    /// Closes a month, or looks at a closed one again. `now` is the date of issue. An account that fails is told of in the summary.
    ///
    /// # Errors
    /// When nothing was done, or the read models could not be read to the end. What is done is done: it goes on from there next time.
    pub async fn run(
        &self,
        month: Month,
        now: DateTime<Utc>,
        progress: impl Fn(Step) + Sync,
        stop: &CancellationToken,
    ) -> Result<CloseSummary, CloseError> {
        self.inner.require_over(month, now)?;
        let started = Instant::now();
        let counts = Counts::default();
        let turn = self.inner.take_turn().await?;
        let closed = self.issue_all(month, now, &counts, &progress, stop).await;
        turn.end().await;
        Ok(counts.summary(month, !closed?, started.elapsed()))
    }

    /// All that the month needs; nobody else does it meanwhile. False when it was told to stop before the end.
    async fn issue_all(
        &self,
        month: Month,
        now: DateTime<Utc>,
        counts: &Counts,
        progress: &(impl Fn(Step) + Sync),
        stop: &CancellationToken,
    ) -> Result<bool, CloseError> {
        let inner = &*self.inner;
        let Some(reached) = stop.run_until_cancelled(inner.catch_up(progress)).await else {
            return Ok(false);
        };
        reached?;
        inner.require_same_zone().await?;
        inner.require_earlier_closed(month).await?;
        progress(Step::Accounts(inner.count_accounts(month).await?));
        let left = &AtomicBool::new(false);
        let (send, receive) = mpsc::channel::<Work>(ACCOUNTS_AT_ONCE);
        let coming = futures::stream::unfold(receive, |mut receive| async move {
            let work = receive.recv().await?;
            Some((work, receive))
        });
        let issuing = coming.for_each_concurrent(ACCOUNTS_AT_ONCE, |work: Work| async move {
            // Those that wait for a core when it is told to stop are left for the next time.
            let core = stop.run_until_cancelled(inner.cores.acquire()).await;
            let Some(Ok(core)) = core else { return left.store(true, Ordering::Relaxed) };
            counts.note(work.account_id, Box::pin(self.issue(work, month, now, core)).await);
            progress(Step::Done);
        });
        // Boxed: the compiler does not see otherwise that all of it may go from thread to thread.
        let issuing: BoxFuture<'_, ()> = Box::pin(issuing);
        let (read, ()) = tokio::join!(inner.read_all(month, send, stop), issuing);
        Ok(read? && !left.load(Ordering::Relaxed))
    }
}

#[derive(Default)]
struct Counts {
    issued: AtomicU64,
    corrected: AtomicU64,
    unchanged: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
    warnings: AtomicU64,
    warning: Mutex<Option<String>>,
    failed: AtomicU64,
    failures: Mutex<Vec<AccountFailure>>,
}

impl Counts {
    fn note(&self, account_id: AccountId, outcome: Result<Outcome, String>) {
        let add = |counter: &AtomicU64, number| {
            counter.fetch_add(number, Ordering::Relaxed);
        };
        match outcome {
            Ok(Outcome::Unchanged) => add(&self.unchanged, 1),
            Ok(Outcome::Issued { first, bytes, warning }) => {
                add(if first { &self.issued } else { &self.corrected }, 1);
                add(&self.files, 3);
                add(&self.bytes, bytes);
                if let Some(warning) = warning {
                    add(&self.warnings, 1);
                    self.warning.lock().get_or_insert_with(|| format!("account {account_id}: {warning}"));
                }
            }
            Err(reason) => {
                add(&self.failed, 1);
                let mut failures = self.failures.lock();
                if failures.len() < FAILURES_KEPT_MAX {
                    failures.push(AccountFailure { account_id, reason });
                }
            }
        }
    }

    fn summary(self, month: Month, interrupted: bool, elapsed: Duration) -> CloseSummary {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [issued, corrected, unchanged, failed] =
            [&self.issued, &self.corrected, &self.unchanged, &self.failed].map(number);
        let [files, bytes, warnings] = [&self.files, &self.bytes, &self.warnings].map(number);
        CloseSummary {
            month: month.to_string(),
            accounts: [issued, corrected, unchanged, failed].into_iter().fold(0, u64::saturating_add),
            issued,
            corrected,
            unchanged,
            files,
            bytes,
            warnings,
            warning: self.warning.into_inner(),
            failed,
            failures: self.failures.into_inner(),
            interrupted,
            seconds: elapsed.as_secs_f64(),
        }
    }
}
