//! Stuck transfers: those that have not ended for longer than they should.

use chrono::{DateTime, TimeDelta, Utc};

use super::ReadError;
use super::transfer::{self, TransferRow, select_transfers};
use crate::connection::{Page, PageRequest, StuckCursor};
use crate::database::ReadDatabases;

/// A range of the index over what is under way, so that it costs the same however many transfers have ended.
const PAGE: &str = select_transfers!(
    "where status = 'pending' and requested_at <= $1 and (requested_at, transfer_id) > ($2, $3) \
     order by requested_at, transfer_id limit $4"
);

/// A page of the transfers that were under way at `now` and had been asked for at least `age` before, oldest first.
pub(crate) async fn page(
    databases: &ReadDatabases,
    now: DateTime<Utc>,
    age: TimeDelta,
    request: &PageRequest<StuckCursor>,
) -> Result<Page<TransferRow>, ReadError> {
    let before = now.checked_sub_signed(age).unwrap_or(DateTime::UNIX_EPOCH);
    let after = request.after.unwrap_or(StuckCursor { requested_at: DateTime::UNIX_EPOCH, transfer_id: 0 });
    let one_more = i64::try_from(request.limit).unwrap_or(0).saturating_add(1);
    let pages = databases.each(|models| async move {
        let rows: Vec<TransferRow> = sqlx::query_as(PAGE)
            .bind(before)
            .bind(after.requested_at)
            .bind(after.transfer_id)
            .bind(one_more)
            .fetch_all(&models.pool)
            .await?;
        Ok(rows)
    });
    let rows = super::merged(pages.await?, TransferRow::cursor);
    let mut page = Page::from_rows(rows, request.limit, false, request.after.is_some());
    transfer::complete(databases, page.items.iter_mut().collect()).await?;
    Ok(page)
}

/// Whole seconds since a transfer was asked for.
pub(crate) fn age_seconds(row: &TransferRow, now: DateTime<Utc>) -> i64 {
    (now - row.requested_at).num_seconds().max(0)
}
