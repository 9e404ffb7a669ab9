//! Bookings of a month that has left Postgres ([ADR 44](../../../docs/adr/0044-archived-months-are-read-from-both-sides.md)).

use std::collections::{HashMap, HashSet};

use archive::{ArchiveError, Edition, EntriesQuery, Row};
use futures::StreamExt;
use ledger_core::{Month, TransferId};

use super::reads::{account, strange};
use super::{CloseError, Inner};
use crate::limits::ACCOUNTS_READ_AT_ONCE;
use crate::{Booking, EntryKind};

/// Which rows of a month are in the archive, or in both: then somebody is taking them out. None when the month is not archived.
pub(super) const ARCHIVED: &str = "select digest from archived_months where month = $1";

impl Inner {
    /// Adds to the bookings that a database has those of the archive. What is on both sides is taken once. Accounts whose rows cannot be
    /// read, and why.
    pub(super) async fn add_archived(
        &self,
        edition: Edition,
        accounts: Vec<i64>,
        bookings: &mut HashMap<i64, Vec<Booking>>,
    ) -> Result<HashMap<i64, String>, CloseError> {
        let read = async |account_id: i64| {
            (account_id, self.archive.entries(edition, &EntriesQuery::all(account_id)).await)
        };
        let mut found = futures::stream::iter(accounts).map(read).buffer_unordered(ACCOUNTS_READ_AT_ONCE);
        let mut failures = HashMap::new();
        while let Some((account_id, rows)) = found.next().await {
            let rows = match rows {
                Ok(rows) => rows,
                Err(error) if is_gone(&error) => return Err(error.into()),
                Err(error) => {
                    failures.insert(account_id, format!("its archived bookings cannot be read: {error}"));
                    continue;
                }
            };
            let bookings = bookings.entry(account_id).or_default();
            let known: HashSet<u64> = bookings.iter().map(|booking| booking.revision).collect();
            for row in rows.into_iter().filter(|row| !known.contains(&row.revision.unsigned_abs())) {
                bookings.push(booking(row)?);
            }
        }
        Ok(failures)
    }
}

/// What a database has noted of an archived month.
pub(super) fn edition(month: Month, digest: &str) -> Result<Edition, CloseError> {
    let digest = digest.parse().map_err(|_| strange("not a digest"))?;
    Ok(Edition { month, digest: Some(digest) })
}

/// True when the month was restored since the database said that it is archived.
pub(super) const fn is_gone(error: &ArchiveError) -> bool {
    matches!(error, ArchiveError::Missing(_) | ArchiveError::Differs { .. })
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
