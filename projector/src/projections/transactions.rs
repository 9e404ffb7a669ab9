//! `transactions`: every entry of every account, with the balance it left. In partitions by month.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt;

use super::entries::{Entry, entries};
use super::{Events, Projection};
use crate::ApplyError;
use crate::copy::{COPY_ROWS_MIN, CopyRows};
use crate::partition::Spread;

/// The projection.
pub(super) static PROJECTION: Projection = Projection {
    name: "transactions",
    version: 1,
    tables: &["transactions"],
    spread: Spread::Even,
    insert_only: true,
    apply: |events, db| Box::pin(apply(events, db)),
};

async fn apply(events: &Events<'_>, db: &mut PgConnection) -> Result<(), ApplyError> {
    let mut rows = Vec::new();
    for entry in entries(events.events) {
        let entry = entry?;
        if events.partitions.hold_account(entry.account_id) {
            rows.push((entry.month(events.time_zone), entry));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    // Neighbours in a partition's index next to each other; revisions stay in order, as the sort is stable.
    rows.sort_by_key(|(month, entry)| (*month, entry.account_id));
    make_months(&rows, db).await?;
    if rows.len() >= COPY_ROWS_MIN {
        return copy(&rows, db).await;
    }
    sqlx::query(
        "insert into transactions (account_id, month, revision, transfer_id, kind, amount, balance_after, currency, counterparty,
                                   description, reference, booked_at, recorded_at)
         select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(rows.iter().map(|(_, entry)| entry.account_id.as_i64()).bind_iter())
    .bind(rows.iter().map(|(month, _)| *month).bind_iter())
    .bind(rows.iter().map(|(_, entry)| entry.recorded.revision.cast_signed()).bind_iter())
    .bind(rows.iter().map(|(_, entry)| entry.transfer_id.as_i64()).bind_iter())
    .bind(rows.iter().map(|(_, entry)| entry.kind.as_str()).bind_iter())
    .bind(rows.iter().map(|(_, entry)| entry.amount.minor).bind_iter())
    .bind(rows.iter().map(|(_, entry)| entry.balance_after.minor).bind_iter())
    .bind(rows.iter().map(|(_, entry)| entry.amount.currency.code()).bind_iter())
    .bind(rows.iter().map(|(_, entry)| entry.counterparty.as_i64()).bind_iter())
    .bind(rows.iter().map(|(_, entry)| entry.description).bind_iter())
    .bind(rows.iter().map(|(_, entry)| entry.reference).bind_iter())
    .bind(rows.iter().map(|(_, entry)| entry.recorded.metadata.booked_at).bind_iter())
    .bind(rows.iter().map(|(_, entry)| entry.recorded.recorded_at).bind_iter())
    .execute(db)
    .await?;
    Ok(())
}

/// A row and the month that it is in.
type Row<'a> = (NaiveDate, Entry<'a>);

/// A month's partition must be there before its first row. The function is the live schema's, in a rebuild too; the table it divides is the one
/// that this connection writes to.
async fn make_months(rows: &[Row<'_>], db: &mut PgConnection) -> Result<(), ApplyError> {
    let months: BTreeSet<NaiveDate> = rows.iter().map(|(month, _)| *month).collect();
    sqlx::query("select public.transactions_month(month) from unnest($1) as new (month)")
        .bind(months.into_iter().bind_iter())
        .execute(db)
        .await?;
    Ok(())
}

/// The same for many.
async fn copy(rows: &[Row<'_>], db: &mut PgConnection) -> Result<(), ApplyError> {
    let mut copy = CopyRows::new(13, rows.len());
    for (month, entry) in rows {
        copy.row()
            .bigint(entry.account_id.as_i64())
            .date(*month)
            .bigint(entry.recorded.revision.cast_signed())
            .bigint(entry.transfer_id.as_i64())
            .text(entry.kind.as_str())
            .bigint(entry.amount.minor)
            .bigint(entry.balance_after.minor)
            .text(entry.amount.currency.code())
            .bigint(entry.counterparty.as_i64())
            .text(entry.description)
            .text(entry.reference)
            .time(entry.recorded.metadata.booked_at)
            .time(entry.recorded.recorded_at);
    }
    let statement = "copy transactions (account_id, month, revision, transfer_id, kind, amount, balance_after, currency, counterparty,
                                       description, reference, booked_at, recorded_at) from stdin (format binary)";
    copy.send("transactions", statement, db).await
}
