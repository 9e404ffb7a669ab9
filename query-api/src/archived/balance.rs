//! What archived entries say of balances.

use archive::{EntriesQuery, Filter};
use chrono::{DateTime, Duration, Utc};

use super::Archived;
use crate::read_models::{ReadError, ReadModels};

/// The newest entry that is known of, by the log's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// When it was recorded, and its revision: later ones are greater.
    pub(crate) place: (DateTime<Utc>, i64),
    /// The balance with it, in minor units.
    pub(crate) balance_after: i64,
}

impl ReadModels {
    /// What an account's archived entries that were booked until an instant add up to.
    pub(crate) async fn archived_moves(
        &self,
        account_id: i64,
        months: &[Archived],
        time: DateTime<Utc>,
    ) -> Result<i128, ReadError> {
        let mut moved: i128 = 0;
        for archived in self.active_archived(account_id, months).await? {
            let filter =
                Filter { to: time.checked_add_signed(Duration::microseconds(1)), ..Filter::default() };
            let query = EntriesQuery { filter, ..EntriesQuery::all(account_id) };
            let sums = self.archived.archive()?.sums(archived.edition()?, &query).await?;
            moved = moved.saturating_add(sums.credits).saturating_sub(sums.debits);
        }
        Ok(moved)
    }

    /// The account's newest entry that was recorded until an instant, if archived months have a newer one than the database.
    pub(crate) async fn archived_newest(
        &self,
        account_id: i64,
        months: &[Archived],
        time: DateTime<Utc>,
        known: Option<Known>,
    ) -> Result<Option<Known>, ReadError> {
        let may_be_newer = |archived: &Archived, known: Option<Known>| {
            archived.recorded_from <= time
                && known.is_none_or(|known| known.place.0 <= archived.recorded_until)
        };
        let months: Vec<Archived> =
            months.iter().filter(|archived| may_be_newer(archived, known)).copied().collect();
        let mut months = self.active_archived(account_id, &months).await?;
        months.sort_by_key(|archived| archived.recorded_until);
        let mut newest = known;
        for archived in months.into_iter().rev() {
            if !may_be_newer(&archived, newest) {
                continue;
            }
            let edition = archived.edition()?;
            let row = self.archived.archive()?.recorded_until(edition, account_id, time).await?;
            let found = row.map(|row| Known {
                place: (row.recorded_at, row.revision),
                balance_after: row.balance_after,
            });
            newest = newest.max_by_place(found);
        }
        Ok(newest)
    }
}

trait Newest {
    fn max_by_place(self, other: Self) -> Self;
}

impl Newest for Option<Known> {
    fn max_by_place(self, other: Self) -> Self {
        self.into_iter().chain(other).max_by_key(|known| known.place)
    }
}
