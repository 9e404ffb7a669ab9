//! A month into the archive, and out of Postgres.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archive::{Archive, LogSpan, Manifest, Row, RowDigest};
use chrono::{DateTime, Utc};
use ledger_core::Month;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::sync::mpsc;

use super::source::{Reached, Snapshot, Sums};
use super::{Archiver, ArchivingError, Conditions, Progress, Refusal};
use crate::limits::{ARCHIVE_BATCHES_MAX, DROP_ATTEMPTS_MAX, DROP_LOCK_TIMEOUT, DROP_PAUSE};

/// A month that is in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What is there.
    pub manifest: Arc<Manifest>,
    /// True when an earlier run had written it.
    pub was_there: bool,
}

/// SQLSTATE of a lock that was not to be had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// SQLSTATE of two who wait for each other.
const DEADLOCK: &str = "40P01";

impl Archiver {
    /// Why this month must not be archived, as far as that can be told without reading it.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn refusal(
        &mut self,
        month: Month,
        conditions: Conditions,
    ) -> Result<Option<Refusal>, ArchivingError> {
        if conditions.even_if_not_closed {
            return Ok(None);
        }
        let mut accounts: i64 = 0;
        for database in &mut self.databases {
            let has_statements: bool = sqlx::query_scalar("select to_regclass('statements') is not null")
                .fetch_one(&mut database.db)
                .await?;
            if !has_statements {
                continue;
            }
            let without: i64 = sqlx::query_scalar(
                "select count(*) from monthly_totals totals where month = $1 and count > 0
                   and not exists (select from statements issued
                                   where issued.account_id = totals.account_id and issued.month = totals.month)",
            )
            .bind(month.first_day())
            .fetch_one(&mut database.db)
            .await?;
            accounts = accounts.saturating_add(without);
        }
        Ok((accounts > 0).then_some(Refusal::NotClosed { accounts }))
    }

    /// Writes a month's files, reads them back, compares them with Postgres, and notes the month in every database. What an earlier run has
    /// done is proved and not done again.
    ///
    /// # Errors
    /// When the archive and Postgres differ, or one of them does not do it.
    pub async fn write(
        &mut self,
        month: Month,
        progress: Progress<'_>,
    ) -> Result<Result<Written, Refusal>, ArchivingError> {
        let mut noted = Vec::with_capacity(self.databases.len());
        for database in &mut self.databases {
            noted.push(database.noted(month).await?);
        }
        let written = if let Some(first) = noted.iter().flatten().next() {
            let manifest = self.archive.verify(month).await?;
            if manifest.digest.to_string() != first.digest {
                let reason = "it is another one than was noted".to_owned();
                return Err(ArchivingError::Differs { month, reason });
            }
            Written { manifest, was_there: true }
        } else {
            match self.files(month, progress).await? {
                Ok(written) => written,
                Err(refusal) => return Ok(Err(refusal)),
            }
        };
        if noted.iter().any(Option::is_none) {
            self.note(&written.manifest).await?;
        }
        Ok(Ok(written))
    }

    /// The month's files: those of a run that was cut off, if they are right, or new ones.
    async fn files(
        &mut self,
        month: Month,
        progress: Progress<'_>,
    ) -> Result<Result<Written, Refusal>, ArchivingError> {
        let archive = self.archive.clone();
        archive.forget(month);
        if let Some(manifest) = archive.manifest(month).await? {
            let mut snapshot = Snapshot::take(&mut self.databases).await?;
            let reached = snapshot.reached().await?;
            // What came afterwards stays in Postgres.
            let until = manifest.recorded.map(|(_, last)| last);
            match digest(&mut snapshot, month, until, manifest.rows, progress).await? {
                Err(refusal) => return Ok(Err(refusal)),
                Ok((_, digest)) if digest == manifest.digest => {
                    if is_too_new(until, reached) {
                        return Ok(Err(Refusal::TooNew));
                    }
                    let manifest = archive.verify(month).await?;
                    return Ok(Ok(Written { manifest, was_there: true }));
                }
                // Another set of read models may have dropped its rows for these.
                Ok(_) => {
                    let reason = format!(
                        "its files are there already, of other rows. If no other read models have their rows in them, remove \
                         manifests/month={month}.json"
                    );
                    return Err(ArchivingError::Differs { month, reason });
                }
            }
        }
        archive.sweep(month).await?;
        let mut snapshot = Snapshot::take(&mut self.databases).await?;
        let (sums, reached) = (snapshot.sums(month).await?, snapshot.reached().await?);
        if is_too_new(sums.last, reached) {
            return Ok(Err(Refusal::TooNew));
        }
        if let Err(refusal) = copy(&mut snapshot, &archive, month, &sums, reached, progress).await? {
            return Ok(Err(refusal));
        }
        drop(snapshot);
        let proved = archive.verify(month).await?;
        compare(month, &proved, &sums.by_currency)?;
        Ok(Ok(Written { manifest: proved, was_there: false }))
    }

    /// From here on readers take the month from both sides.
    async fn note(&mut self, manifest: &Manifest) -> Result<(), ArchivingError> {
        let Some((from, until)) = manifest.recorded else { return Ok(()) };
        let day = manifest.month.first_day();
        for database in &mut self.databases {
            // Counted before, as it may take long: the note's time is that of its being seen. What is counted does not change any more.
            let rows: i64 = sqlx::query_scalar(
                "select count(*) from transactions where month = $1 and recorded_at <= $2",
            )
            .bind(day)
            .bind(until)
            .fetch_one(&mut database.db)
            .await?;
            sqlx::query(
                "insert into archived_months (month, rows, digest, recorded_from, recorded_until, archived_at)
                 values ($1, $2, $3, $4, $5, clock_timestamp()) on conflict (month) do nothing",
            )
            .bind(day)
            .bind(rows)
            .bind(manifest.digest.to_string())
            .bind(from)
            .bind(until)
            .execute(&mut database.db)
            .await?;
        }
        // A commit may have waited, such as for a standby.
        self.noted.insert(manifest.month, Instant::now());
        Ok(())
    }

    /// Takes the rows of a month that was noted out of Postgres; how many they were. To be called [`READERS_KNOW`](super::READERS_KNOW) after
    /// that.
    ///
    /// # Errors
    /// When the rows are not those that were archived, when others use them all the time, or a database does not do it.
    pub async fn drop_month(&mut self, month: Month) -> Result<u64, ArchivingError> {
        let mut dropped: u64 = 0;
        for database in &mut self.databases {
            let mut attempts = 0;
            let rows = loop {
                match drop_in(database, month).await {
                    Err(error) if is_in_use(&error) => {
                        attempts += 1;
                        if attempts >= DROP_ATTEMPTS_MAX {
                            return Err(ArchivingError::InUse(month));
                        }
                        tokio::time::sleep(DROP_PAUSE).await;
                    }
                    ended => break ended?,
                }
            };
            dropped = dropped.saturating_add(rows.unsigned_abs());
        }
        Ok(dropped)
    }

    /// How long ago the youngest note of a month was written, by its database's clock; by ours, since it was seen to be written here.
    ///
    /// # Errors
    /// When a database does not answer.
    pub async fn noted_for(&mut self, month: Month) -> Result<Duration, ArchivingError> {
        let mut least = self.noted.get(&month).map_or(Duration::MAX, Instant::elapsed);
        for database in &mut self.databases {
            let seconds: Option<f64> = sqlx::query_scalar(
                "select extract(epoch from clock_timestamp() - archived_at)::float8 from archived_months where month = $1",
            )
            .bind(month.first_day())
            .fetch_optional(&mut database.db)
            .await?;
            least = least.min(Duration::from_secs_f64(seconds.unwrap_or(0.0).clamp(0.0, 1e9)));
        }
        Ok(least)
    }
}

async fn drop_in(database: &mut super::Database, month: Month) -> Result<i64, sqlx::Error> {
    let mut transaction = database.db.begin().await?;
    let timeouts = format!("set local lock_timeout = '{DROP_LOCK_TIMEOUT}'; set local statement_timeout = 0");
    transaction.execute(AssertSqlSafe(timeouts)).await?;
    let rows: i64 = sqlx::query_scalar("select drop_archived_month('public', $1)")
        .bind(month.first_day())
        .fetch_one(&mut *transaction)
        .await?;
    sqlx::query("update archived_months set dropped_at = coalesce(dropped_at, now()) where month = $1")
        .bind(month.first_day())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(rows)
}

fn is_in_use(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == LOCK_NOT_AVAILABLE || code == DEADLOCK)
}

/// The log's time never decreases: once something was recorded later, nothing will be recorded at the same time or before.
fn is_too_new(last: Option<DateTime<Utc>>, reached: Reached) -> bool {
    last.is_some_and(|last| reached.recorded_at.is_none_or(|reached| reached <= last))
}

/// Writes what the databases have.
async fn copy(
    snapshot: &mut Snapshot<'_>,
    archive: &Archive,
    month: Month,
    sums: &Sums,
    reached: Reached,
    progress: Progress<'_>,
) -> Result<Result<Manifest, Refusal>, ArchivingError> {
    let total = sums.by_currency.values().fold(0_u64, |total, (rows, ..)| total.saturating_add(*rows));
    let mut writer = archive.writer(month).await?;
    let (sender, mut receiver) = mpsc::channel(ARCHIVE_BATCHES_MAX);
    let write = async move {
        while let Some(rows) = receiver.recv().await {
            writer.write(rows).await?;
            progress(writer.rows(), total);
        }
        Ok::<_, ArchivingError>(writer)
    };
    let (sent, written) = tokio::join!(Box::pin(snapshot.send(month, None, sender)), Box::pin(write));
    let writer = written?;
    if let Err(refusal) = sent? {
        return Ok(Err(refusal));
    }
    let positions = LogSpan { from: 0, to: reached.position };
    Ok(Ok(writer.finish(positions, Utc::now()).await?))
}

/// Number and digest of the rows that the databases have; with `until` of those that were recorded no later.
pub(super) async fn digest(
    snapshot: &mut Snapshot<'_>,
    month: Month,
    until: Option<DateTime<Utc>>,
    total: u64,
    progress: Progress<'_>,
) -> Result<Result<(u64, file_store::Sha256), Refusal>, ArchivingError> {
    let (sender, mut receiver) = mpsc::channel::<Vec<Row>>(ARCHIVE_BATCHES_MAX);
    let read = async {
        let (mut rows, mut digest) = (0_u64, RowDigest::new());
        while let Some(batch) = receiver.recv().await {
            batch.iter().for_each(|row| digest.add(row));
            rows = rows.saturating_add(batch.len() as u64);
            progress(rows, total);
        }
        (rows, digest.finish())
    };
    let (sent, read) = tokio::join!(Box::pin(snapshot.send(month, until, sender)), read);
    Ok(sent?.map(|()| read))
}

/// What was read back against what Postgres itself has counted.
fn compare(
    month: Month,
    manifest: &Manifest,
    sums: &HashMap<String, (u64, i128, i128)>,
) -> Result<(), ArchivingError> {
    let differs = |reason: String| Err(ArchivingError::Differs { month, reason });
    if manifest.sums.len() != sums.len() {
        return differs(format!("{} currencies, and {} in Postgres", manifest.sums.len(), sums.len()));
    }
    for sum in &manifest.sums {
        let code = sum.currency.code();
        let Some((rows, debits, credits)) = sums.get(code) else {
            return differs(format!("Postgres has nothing in {code}"));
        };
        let (debits, credits) = (sum.currency.amount(*debits), sum.currency.amount(*credits));
        if (sum.rows, &sum.debits, &sum.credits) != (*rows, &debits, &credits) {
            return differs(format!(
                "{} rows, {} debits and {} credits in {code}, and {rows}, {debits} and {credits} in Postgres",
                sum.rows, sum.debits, sum.credits
            ));
        }
    }
    Ok(())
}
