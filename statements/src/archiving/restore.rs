//! A month back into Postgres.

use archive::Row;
use file_store::Sha256;
use ledger_core::Month;
use ledger_core::partition::{Placement, partition_of};
use sqlx::postgres::PgBindIterExt;
use sqlx::{Connection, Postgres, Transaction};

use super::source::Snapshot;
use super::write::digest;
use super::{Archiver, ArchivingError, Progress, Refusal};

/// A month that is in Postgres again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Rows that were in the archive.
    pub rows: u64,
    /// SHA-256 over them.
    pub digest: Sha256,
    /// Rows that were written; those that had not left Postgres were not.
    pub written: u64,
}

const INSERT: &str = "
    insert into transactions (account_id, month, revision, transfer_id, kind, amount, balance_after, currency, counterparty, description,
                              reference, booked_at, recorded_at)
    select account_id, $1, revision, transfer_id, kind, amount, balance_after, currency, counterparty, description, reference, booked_at,
           recorded_at
    from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::bigint[], $10::text[],
                $11::text[], $12::timestamptz[], $13::timestamptz[])
         as entry (account_id, revision, transfer_id, kind, amount, balance_after, currency, counterparty, description, reference, booked_at,
                   recorded_at)";

/// What becomes of the files of a month that is in Postgres again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilesThen {
    /// They are removed.
    Go,
    /// They are, also when no database has noted the month: an earlier restore has left them. Nobody else may need them.
    GoIfLeft,
    /// They stay; the next run of the archive proves and uses them.
    Stay,
}

impl Archiver {
    /// Writes an archived month's rows to Postgres, reads them back from there, compares, and forgets that the month was archived. When all rows are
    /// in Postgres, as after a rebuild that was to bring them back, the files are not read: they may be lost.
    ///
    /// # Errors
    /// When the archive and Postgres differ, or one of them does not do it.
    pub async fn restore(
        &mut self,
        month: Month,
        then: FilesThen,
        progress: Progress<'_>,
    ) -> Result<Result<Restored, Refusal>, ArchivingError> {
        let mut noted = Vec::with_capacity(self.databases.len());
        for database in &mut self.databases {
            noted.push(database.noted(month).await?);
        }
        let Some(first) = noted.iter().flatten().next().cloned() else {
            return self.tidy(month, then, progress).await;
        };
        let differs = |reason: &str| ArchivingError::Differs { month, reason: reason.to_owned() };
        let mut empty = Vec::with_capacity(noted.len());
        for (database, noted) in self.databases.iter_mut().zip(&noted) {
            let db = &mut database.db;
            // An empty partition harms nobody. In the transaction below, its lock would hold up the projector for as long as that takes.
            sqlx::query("select transactions_month($1)").bind(month.first_day()).execute(&mut *db).await?;
            let there: i64 = sqlx::query_scalar(
                "select count(*) from transactions where month = $1 and recorded_at <= $2",
            )
            .bind(month.first_day())
            .bind(first.recorded_until)
            .fetch_one(db)
            .await?;
            // A database that does not know of the archive has its rows.
            let is_empty = there == 0 && noted.as_ref().is_some_and(|noted| noted.rows > 0);
            if is_empty {
                empty.push(database.placement);
            }
        }
        let manifest = if empty.is_empty() { None } else { Some(self.archive.verify(month).await?) };
        if manifest.as_ref().is_some_and(|manifest| manifest.digest.to_string() != first.digest) {
            return Err(differs("it is another one than was noted"));
        }
        let mut parts = Vec::with_capacity(noted.len());
        for database in &mut self.databases {
            let mut db = database.db.begin().await?;
            // Nobody takes the partition away meanwhile.
            sqlx::query("select transactions_month($1)").bind(month.first_day()).execute(&mut *db).await?;
            parts.push((database.placement, db));
        }
        let (mut written, mut read) = (0_u64, 0_u64);
        if let Some(manifest) = manifest {
            let mut rows = self.archive.rows(&manifest);
            while let Some(batch) = rows.next().await? {
                read = read.saturating_add(batch.len() as u64);
                for (placement, db) in parts.iter_mut().filter(|(placement, _)| empty.contains(placement)) {
                    written = written.saturating_add(insert(db, *placement, month, &batch).await?);
                }
                progress(read, manifest.rows);
            }
        }
        let mut snapshot = Snapshot::of(parts);
        let ignore = |_, _| {};
        let until = Some(first.recorded_until);
        let (rows, digest) = match digest(&mut snapshot, month, until, read, &ignore).await? {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if digest.to_string() != first.digest {
            let noted: i64 = noted.iter().flatten().map(|noted| noted.rows).sum();
            return Err(differs(&format!("{rows} rows after restoring, {noted} noted, or other ones")));
        }
        for (_, mut db) in snapshot.into_parts() {
            sqlx::query("select forget_archived_month($1)").bind(month.first_day()).execute(&mut *db).await?;
            db.commit().await?;
        }
        for database in &mut self.databases {
            sqlx::query("analyze transactions").execute(&mut database.db).await?;
        }
        if then != FilesThen::Stay {
            self.archive.remove(month).await?;
        }
        Ok(Ok(Restored { rows, digest, written }))
    }

    /// Removes the files of a month that no database has noted, if that was said and Postgres has all their rows. Whose they are cannot be told:
    /// other read models may have dropped their rows for them.
    async fn tidy(
        &mut self,
        month: Month,
        then: FilesThen,
        progress: Progress<'_>,
    ) -> Result<Result<Restored, Refusal>, ArchivingError> {
        self.archive.forget(month);
        let Some(manifest) = self.archive.manifest(month).await? else {
            return Ok(Err(Refusal::NotArchived));
        };
        if then != FilesThen::GoIfLeft {
            return Ok(Err(Refusal::FilesLeft));
        }
        let until = manifest.recorded.map(|(_, last)| last);
        let mut snapshot = Snapshot::take(&mut self.databases).await?;
        let found = digest(&mut snapshot, month, until, manifest.rows, progress).await?;
        drop(snapshot);
        match found {
            Ok((rows, digest)) if digest == manifest.digest => {
                self.archive.remove(month).await?;
                Ok(Ok(Restored { rows, digest, written: 0 }))
            }
            Ok((rows, _)) => {
                let reason = format!(
                    "its files stay: they have {} rows, Postgres has {rows}, or other ones",
                    manifest.rows
                );
                Err(ArchivingError::Differs { month, reason })
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

/// Writes those of the rows that live in a database.
async fn insert(
    db: &mut Transaction<'_, Postgres>,
    placement: Placement,
    month: Month,
    rows: &[Row],
) -> Result<u64, sqlx::Error> {
    let here: Vec<&Row> = rows.iter().filter(|row| placement.holds(partition_of(row.account_id))).collect();
    if here.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query(INSERT)
        .bind(month.first_day())
        .bind(here.iter().map(|row| row.account_id).bind_iter())
        .bind(here.iter().map(|row| row.revision).bind_iter())
        .bind(here.iter().map(|row| row.transfer_id).bind_iter())
        .bind(here.iter().map(|row| row.kind.as_str()).bind_iter())
        .bind(here.iter().map(|row| row.amount).bind_iter())
        .bind(here.iter().map(|row| row.balance_after).bind_iter())
        .bind(here.iter().map(|row| row.currency.code()).bind_iter())
        .bind(here.iter().map(|row| row.counterparty).bind_iter())
        .bind(here.iter().map(|row| row.description.as_deref()).bind_iter())
        .bind(here.iter().map(|row| row.reference.as_deref()).bind_iter())
        .bind(here.iter().map(|row| row.booked_at).bind_iter())
        .bind(here.iter().map(|row| row.recorded_at).bind_iter())
        .execute(&mut **db)
        .await?;
    Ok(done.rows_affected())
}
