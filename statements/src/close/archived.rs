//! Bookings of a month that has left Postgres ([ADR 44](../../../docs/adr/0044-archived-months-are-read-from-both-sides.md)).

use std::collections::{HashMap, HashSet};

use archive::{ArchiveError, EntriesQuery, Row};
use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt};
use ledger_core::TransferId;

use super::reads::{account, strange};
use super::{CloseError, Inner};
use crate::limits::ACCOUNTS_READ_AT_ONCE;
use crate::{Booking, EntryKind};

/// Whether a month's rows are in the archive, or in both: then somebody is taking them out.
pub(super) const IS_ARCHIVED: &str = "select exists (select from archived_months where month = $1)";

impl Inner {
    /// Adds to the bookings that a database has those of the archive. What is on both sides is taken once.
    pub(super) async fn add_archived(
        &self,
        month: NaiveDate,
        accounts: Vec<i64>,
        bookings: &mut HashMap<i64, Vec<Booking>>,
    ) -> Result<(), CloseError> {
        let month = archive::Month::of_first_day(month).ok_or_else(|| strange("not a month's first day"))?;
        let read = async |account_id: i64| {
            let rows = self.archive.entries(month, &EntriesQuery::all(account_id)).await?;
            Ok::<_, CloseError>((account_id, rows))
        };
        let mut found = futures::stream::iter(accounts).map(read).buffer_unordered(ACCOUNTS_READ_AT_ONCE);
        while let Some((account_id, rows)) = found.try_next().await? {
            let bookings = bookings.entry(account_id).or_default();
            let known: HashSet<u64> = bookings.iter().map(|booking| booking.revision).collect();
            for row in rows.into_iter().filter(|row| !known.contains(&row.revision.unsigned_abs())) {
                bookings.push(booking(row)?);
            }
        }
        Ok(())
    }
}

/// True when the month was restored since the database said that it is archived.
pub(super) const fn is_gone(error: &CloseError) -> bool {
    matches!(error, CloseError::Archive(ArchiveError::Missing(_) | ArchiveError::Differs { .. }))
}

fn booking(row: Row) -> Result<Booking, sqlx::Error> {
    let kind = match row.kind {
        archive::EntryKind::Debit => EntryKind::Debit,
        archive::EntryKind::Credit => EntryKind::Credit,
        archive::EntryKind::Reversal => EntryKind::Reversal,
    };
    Ok(Booking {
        revision: row.revision.unsigned_abs(),
        transfer_id: TransferId::from_i64(row.transfer_id).ok_or_else(|| strange("not a transfer's id"))?,
        kind,
        amount: row.amount,
        counterparty: account(row.counterparty)?,
        description: row.description,
        reference: row.reference,
        booked_at: row.booked_at,
    })
}
