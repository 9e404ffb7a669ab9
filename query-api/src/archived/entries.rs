//! Pages and single entries that reach into archived months.

use std::collections::HashMap;

use archive::{EntriesQuery, Place};
use chrono::NaiveDate;
use futures::future::try_join_all;

use super::{Archived, convert};
use crate::month::months_around;
use crate::read_models::range::Range;
use crate::read_models::transaction::{EntryPlace, TransactionRow};
use crate::read_models::{ReadError, ReadModels};

/// Which of some accounts have entries in which of some months.
pub(super) const ACTIVE: &str = "
    select account_id, month from monthly_totals where account_id = any($1) and month = any($2) and count > 0";

impl ReadModels {
    /// Adds to the entries that the database has those of archived months, where a page needs them.
    pub(crate) async fn add_archived(
        &self,
        accounts: &[i64],
        range: &Range,
        months: &[Archived],
        rows: Vec<TransactionRow>,
    ) -> Result<Vec<TransactionRow>, ReadError> {
        let mut months: Vec<Archived> = months.to_vec();
        months.retain(|archived| range.touches(archived.month));
        if range.is_backward() {
            months.reverse();
        }
        let Some(nearest) = months.first().map(|archived| archived.month) else { return Ok(rows) };
        let mut pages: HashMap<i64, Vec<TransactionRow>> =
            accounts.iter().map(|account_id| (*account_id, Vec::new())).collect();
        for row in rows {
            pages.entry(row.account_id).or_default().push(row);
        }
        // A page that ends before the first of these months needs none of them.
        let open: Vec<i64> = pages
            .iter()
            .filter(|(_, page)| !range.is_full(page, nearest))
            .map(|(account_id, _)| *account_id)
            .collect();
        let days: Vec<NaiveDate> = months.iter().map(|archived| archived.month).collect();
        let mut active = self.active(&open, &days).await?;
        let read = open.into_iter().filter_map(|account_id| {
            let of_account = active.remove(&account_id)?;
            let months: Vec<Archived> =
                months.iter().filter(|archived| of_account.contains(&archived.month)).copied().collect();
            let page = pages.remove(&account_id)?;
            Some(self.page_across(account_id, range, months, page))
        });
        let read: Vec<_> = read.collect();
        let read = try_join_all(read).await?;
        Ok(pages.into_values().chain(read).flatten().collect())
    }

    async fn active(
        &self,
        accounts: &[i64],
        months: &[NaiveDate],
    ) -> Result<HashMap<i64, Vec<NaiveDate>>, ReadError> {
        let mut active: HashMap<i64, Vec<NaiveDate>> = HashMap::new();
        if accounts.is_empty() {
            return Ok(active);
        }
        let found: Vec<(i64, NaiveDate)> =
            sqlx::query_as(ACTIVE).bind(accounts).bind(months).fetch_all(&self.pool).await?;
        for (account_id, month) in found {
            active.entry(account_id).or_default().push(month);
        }
        Ok(active)
    }

    /// The archived months of an account in a span in which it has entries, oldest first.
    pub(crate) async fn active_archived(
        &self,
        account_id: i64,
        months: &[Archived],
    ) -> Result<Vec<Archived>, ReadError> {
        if months.is_empty() {
            return Ok(Vec::new());
        }
        let days: Vec<NaiveDate> = months.iter().map(|archived| archived.month).collect();
        let active = self.active(&[account_id], &days).await?.remove(&account_id).unwrap_or_default();
        Ok(months.iter().filter(|archived| active.contains(&archived.month)).copied().collect())
    }

    /// One account's page, month by month until it is full.
    async fn page_across(
        &self,
        account_id: i64,
        range: &Range,
        months: Vec<Archived>,
        mut page: Vec<TransactionRow>,
    ) -> Result<Vec<TransactionRow>, ReadError> {
        for archived in months {
            if range.is_full(&page, archived.month) {
                break;
            }
            page.extend(self.archived_page(account_id, range, archived).await?);
            range.merge(&mut page);
        }
        Ok(page)
    }

    async fn archived_page(
        &self,
        account_id: i64,
        range: &Range,
        archived: Archived,
    ) -> Result<Vec<TransactionRow>, ReadError> {
        let Some(filter) = convert::filter(&range.entry_filter()) else { return Ok(Vec::new()) };
        let day = archived.month;
        let (after, before) = range.ends_in(day);
        let (limit, backward) = (range.one_more(), range.is_backward());
        let query = EntriesQuery { account_id, after, before, filter, limit, backward };
        let rows = self.archived.archive()?.entries(archived.edition()?, &query).await?;
        Ok(rows.into_iter().map(|row| TransactionRow::archived(row, day)).collect())
    }

    /// Those of the places that archived months have.
    pub(crate) async fn archived_places(
        &self,
        months: &[Archived],
        places: impl Iterator<Item = EntryPlace>,
    ) -> Result<Vec<TransactionRow>, ReadError> {
        let mut found = Vec::new();
        for place in places {
            let (first, last) = months_around(place.booked_at);
            let is_around = |day: NaiveDate| day == first.first_day() || day == last.first_day();
            for archived in months.iter().filter(|archived| is_around(archived.month)) {
                let key = Place { account_id: place.account_id, revision: place.revision };
                let row = self.archived.archive()?.entry(archived.edition()?, key).await?;
                found.extend(row.map(|row| TransactionRow::archived(row, archived.month)));
            }
        }
        Ok(found)
    }
}
