//! `transactions`: every entry of every account, with the balance it left.

use chrono_tz::Tz;
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
    let mut rows = entries(events.events).collect::<Result<Vec<Entry<'_>>, _>>()?;
    rows.retain(|entry| events.partitions.hold_account(entry.account_id));
    if rows.is_empty() {
        return Ok(());
    }
    // Neighbours in the index next to each other; revisions stay in order, as the sort is stable.
    rows.sort_by_key(|entry| entry.account_id);
    if rows.len() >= COPY_ROWS_MIN {
        return copy(&rows, events.time_zone, db).await;
    }
    sqlx::query(
        "insert into transactions (account_id, month, revision, transfer_id, kind, amount, balance_after, currency, counterparty,
                                   description, reference, booked_at, recorded_at)
         select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(rows.iter().map(|entry| entry.account_id.as_i64()).bind_iter())
    .bind(rows.iter().map(|entry| entry.month(events.time_zone)).bind_iter())
    .bind(rows.iter().map(|entry| entry.recorded.revision.cast_signed()).bind_iter())
    .bind(rows.iter().map(|entry| entry.transfer_id.as_i64()).bind_iter())
    .bind(rows.iter().map(|entry| entry.kind.as_str()).bind_iter())
    .bind(rows.iter().map(|entry| entry.amount.minor).bind_iter())
    .bind(rows.iter().map(|entry| entry.balance_after.minor).bind_iter())
    .bind(rows.iter().map(|entry| entry.amount.currency.code()).bind_iter())
    .bind(rows.iter().map(|entry| entry.counterparty.as_i64()).bind_iter())
    .bind(rows.iter().map(|entry| entry.description).bind_iter())
    .bind(rows.iter().map(|entry| entry.reference).bind_iter())
    .bind(rows.iter().map(|entry| entry.recorded.metadata.booked_at).bind_iter())
    .bind(rows.iter().map(|entry| entry.recorded.recorded_at).bind_iter())
    .execute(db)
    .await?;
    Ok(())
}

/// The same for many.
async fn copy(rows: &[Entry<'_>], time_zone: Tz, db: &mut PgConnection) -> Result<(), ApplyError> {
    let mut copy = CopyRows::new(13, rows.len());
    for entry in rows {
        copy.row()
            .bigint(entry.account_id.as_i64())
            .date(entry.month(time_zone))
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
