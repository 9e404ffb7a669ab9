//! A month's entries out of the read models, in order, with the status that the API would answer.

use std::collections::HashMap;

use archive::{EntryKind, Row, Status};
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use ledger_core::Month;
use ledger_core::partition::Placement;
use ledger_core::{Currency, Position};
use sqlx::postgres::PgRow;
use sqlx::{Connection, Postgres, Row as _, Transaction};
use tokio::sync::mpsc;

use super::{ArchivingError, Database, Refusal};
use crate::limits::ARCHIVE_BATCH_ROWS;

/// All databases, each as of one instant.
pub(super) struct Snapshot<'a> {
    parts: Vec<(Placement, Transaction<'a, Postgres>)>,
}

/// Up to where the read models are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    pub(super) position: Position,
    /// None before the first event.
    pub(super) recorded_at: Option<DateTime<Utc>>,
}

const ENTRIES: &str = "
    select account_id, revision, transfer_id, kind, amount, balance_after, currency, counterparty, description, reference, booked_at,
           recorded_at
    from transactions where month = $1 and ($2::timestamptz is null or recorded_at <= $2) order by account_id, revision";

/// The few transfers that have not simply completed; an index has just them. A rejected one never had a debit.
const UNSETTLED: &str = "
    select transfer_id, status = 'pending' and reversed_at is null as pending from transfers
    where (status <> 'completed' or reversed_at is not null) and status <> 'rejected'";

/// What a month moved, as Postgres counts it and not whoever reads the rows.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Rows and sums of debits and credits in minor units, by currency.
    pub(super) by_currency: HashMap<String, (u64, i128, i128)>,
    /// When the log recorded the last of them.
    pub(super) last: Option<DateTime<Utc>>,
}

const SUMS: &str = "
    select currency, count(*), coalesce(sum(amount) filter (where kind = 'debit'), 0)::text,
           coalesce(sum(amount) filter (where kind <> 'debit'), 0)::text, max(recorded_at)
    from transactions where month = $1 group by currency";

impl<'a> Snapshot<'a> {
    pub(super) async fn take(databases: &'a mut [Database]) -> Result<Self, sqlx::Error> {
        let mut parts = Vec::with_capacity(databases.len());
        for database in databases {
            let begin = "begin isolation level repeatable read read only";
            parts.push((database.placement, database.db.begin_with(begin).await?));
        }
        Ok(Self { parts })
    }

    /// Transactions that are under way already, to read what they have written.
    pub(super) const fn of(parts: Vec<(Placement, Transaction<'a, Postgres>)>) -> Self {
        Self { parts }
    }

    pub(super) fn into_parts(self) -> Vec<(Placement, Transaction<'a, Postgres>)> {
        self.parts
    }

    /// How far all databases have come with entries, with transfers, and with the totals that say where there are entries.
    pub(super) async fn reached(&mut self) -> Result<Reached, sqlx::Error> {
        let mut reached = Reached { position: Position::MAX, recorded_at: Some(DateTime::<Utc>::MAX_UTC) };
        for (_, db) in &mut self.parts {
            let (position, recorded_at): (Option<i64>, Option<DateTime<Utc>>) = sqlx::query_as(
                "select min(position), case when bool_and(recorded_at is not null) then min(recorded_at) end
                 from checkpoints where projection in ('transactions', 'transfers', 'monthly_totals')",
            )
            .fetch_one(&mut **db)
            .await?;
            reached.position = reached.position.min(position.unwrap_or(0).cast_unsigned());
            // None is the least.
            reached.recorded_at = reached.recorded_at.min(recorded_at);
        }
        Ok(reached)
    }

    /// What the month moved.
    pub(super) async fn sums(&mut self, month: Month) -> Result<Sums, ArchivingError> {
        let mut sums = Sums::default();
        for (placement, db) in &mut self.parts {
            let found: Vec<(String, i64, String, String, DateTime<Utc>)> =
                sqlx::query_as(SUMS).bind(month.first_day()).fetch_all(&mut **db).await?;
            for (currency, rows, debits, credits, last) in found {
                let number = |text: &str| {
                    text.parse::<i128>().map_err(|error| ArchivingError::Row {
                        month,
                        placement: *placement,
                        reason: error.to_string(),
                    })
                };
                sums.last = sums.last.max(Some(last));
                let sum = sums.by_currency.entry(currency).or_default();
                sum.0 = sum.0.saturating_add(rows.unsigned_abs());
                sum.1 = sum.1.saturating_add(number(&debits)?);
                sum.2 = sum.2.saturating_add(number(&credits)?);
            }
        }
        Ok(sums)
    }

    /// Sends the month's rows in the order of account and revision, some thousands at a time; with `until` those that were recorded no later.
    /// Ends early when nobody listens any more.
    pub(super) async fn send(
        &mut self,
        month: Month,
        until: Option<DateTime<Utc>>,
        rows: mpsc::Sender<Vec<Row>>,
    ) -> Result<Result<(), Refusal>, ArchivingError> {
        let mut unsettled: HashMap<i64, bool> = HashMap::new();
        for (_, db) in &mut self.parts {
            let mut found = sqlx::query_as::<_, (i64, bool)>(UNSETTLED).fetch(&mut **db);
            while let Some((transfer_id, pending)) = found.try_next().await? {
                unsettled.insert(transfer_id, pending);
            }
        }
        let mut sources: Vec<Source<'_>> = Vec::with_capacity(self.parts.len());
        for (placement, db) in &mut self.parts {
            let entries = sqlx::query(ENTRIES).bind(month.first_day()).bind(until).fetch(&mut **db);
            sources.push(Source { placement: *placement, entries: entries.boxed(), next: None });
        }
        for source in &mut sources {
            source.go_on(month).await?;
        }
        let mut batch = Vec::with_capacity(ARCHIVE_BATCH_ROWS);
        // Each has its own accounts, in order.
        let first = |sources: &mut Vec<Source<'_>>| {
            let next = sources
                .iter()
                .enumerate()
                .filter_map(|(index, source)| Some((source.next.as_ref()?.place(), index)));
            next.min().map(|(_, index)| index)
        };
        while let Some(index) = first(&mut sources) {
            let Some(source) = sources.get_mut(index) else { break };
            let Some(mut row) = source.next.take() else { break };
            source.go_on(month).await?;
            if row.kind == EntryKind::Debit {
                match unsettled.get(&row.transfer_id) {
                    None => {}
                    Some(false) => row.status = Status::Reversed,
                    Some(true) => return Ok(Err(Refusal::Pending { transfer_id: row.transfer_id })),
                }
            }
            batch.push(row);
            if batch.len() >= ARCHIVE_BATCH_ROWS {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(ARCHIVE_BATCH_ROWS));
                if rows.send(full).await.is_err() {
                    return Ok(Ok(()));
                }
            }
        }
        if !batch.is_empty() {
            // Whoever does not listen any more knows why.
            let _ = rows.send(batch).await;
        }
        Ok(Ok(()))
    }
}

/// One database's rows.
struct Source<'a> {
    placement: Placement,
    entries: BoxStream<'a, Result<PgRow, sqlx::Error>>,
    next: Option<Row>,
}

impl Source<'_> {
    async fn go_on(&mut self, month: Month) -> Result<(), ArchivingError> {
        self.next = match self.entries.try_next().await? {
            None => None,
            Some(row) => Some(read(&row).map_err(|error| ArchivingError::Row {
                month,
                placement: self.placement,
                reason: error.to_string(),
            })?),
        };
        Ok(())
    }
}

/// Completed for now, as most are.
fn read(row: &PgRow) -> Result<Row, sqlx::Error> {
    let unknown = |what: &str| sqlx::Error::Decode(format!("'{what}' is not known").into());
    let (kind, currency): (&str, &str) = (row.try_get(3)?, row.try_get(6)?);
    Ok(Row {
        account_id: row.try_get(0)?,
        revision: row.try_get(1)?,
        transfer_id: row.try_get(2)?,
        kind: EntryKind::of(kind).ok_or_else(|| unknown(kind))?,
        status: Status::Completed,
        amount: row.try_get(4)?,
        balance_after: row.try_get(5)?,
        currency: Currency::from_code(currency).ok_or_else(|| unknown(currency))?,
        counterparty: row.try_get(7)?,
        description: row.try_get(8)?,
        reference: row.try_get(9)?,
        booked_at: row.try_get(10)?,
        recorded_at: row.try_get(11)?,
    })
}
