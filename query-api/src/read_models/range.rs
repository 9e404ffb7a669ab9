//! Parts of an account's entries, as pages ask for them.

use std::sync::Arc;

use chrono::NaiveDate;
use ledger_core::Month;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;

use super::entry_filter::{EntryFilter, SharedFilter};
use super::transaction::{TransactionRow, TransactionStatus};
use crate::connection::{EntryCursor, PageRequest};
use crate::limits::LATEST_TRANSACTIONS;
use crate::month::months_around;

/// Part of an account's entries, both ends exclusive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Range {
    pub(super) after: EntryCursor,
    pub(super) before: EntryCursor,
    pub(super) filter: Option<SharedFilter>,
    pub(super) limit: usize,
    pub(super) backward: bool,
    /// True when the side that the page does not grow towards was cut by a cursor.
    pub(super) cut_off: bool,
}

impl Range {
    /// A page of one month, or of all; of the entries that fit.
    pub(crate) fn new(month: Option<Month>, filter: EntryFilter, page: &PageRequest<EntryCursor>) -> Self {
        let mut first = EntryCursor::before(month.map_or(FIRST_DAY, Month::first_day));
        let mut end = EntryCursor::before(month.map_or(LAST_DAY, |month| month.next().first_day()));
        if let Some(from) = filter.from {
            first = first.max(EntryCursor::before(months_around(from).0.first_day()));
        }
        if let Some(to) = filter.to {
            end = end.min(EntryCursor::before(months_around(to).1.next().first_day()));
        }
        Self {
            after: page.after.map_or(first, |after| after.max(first)),
            before: page.before.map_or(end, |before| before.min(end)),
            filter: (!filter.is_empty()).then(|| Arc::new(filter)),
            limit: page.limit,
            backward: page.backward,
            cut_off: if page.backward {
                page.before.is_some_and(|before| before < end)
            } else {
                page.after.is_some_and(|after| after > first)
            },
        }
    }

    /// The newest entries.
    pub(crate) fn latest() -> Self {
        let page = PageRequest { after: None, before: None, limit: LATEST_TRANSACTIONS, backward: true };
        Self::new(None, EntryFilter::default(), &page)
    }

    /// The same range of entries whatever their status, page by page, and the status that was wanted.
    pub(super) fn whatever_status(&self, limit: usize) -> (Self, Option<TransactionStatus>) {
        let filter = self.filter.as_deref().cloned().unwrap_or_default();
        let (status, filter) = (filter.status, EntryFilter { status: None, ..filter });
        (Self { filter: (!filter.is_empty()).then(|| Arc::new(filter)), limit, ..self.clone() }, status)
    }

    /// True when some entries fit and others do not by their status.
    pub(super) fn asks_for_status(&self) -> bool {
        self.filter.as_ref().is_some_and(|filter| filter.status.is_some())
    }

    /// The first day of its first month, and of the one in which it ends.
    pub(crate) const fn months(&self) -> (NaiveDate, NaiveDate) {
        (self.after.month, self.before.month)
    }

    /// True when a month may have some of it.
    pub(crate) fn touches(&self, month: NaiveDate) -> bool {
        self.after.month <= month && EntryCursor::before(month) < self.before
    }

    /// Its ends, as revisions, where they lie in this month.
    pub(crate) fn ends_in(&self, month: NaiveDate) -> (Option<i64>, Option<i64>) {
        let within = |end: EntryCursor| (end.month == month).then_some(end.revision);
        (within(self.after), within(self.before))
    }

    pub(crate) const fn is_backward(&self) -> bool {
        self.backward
    }

    /// How many entries to read: one more than the page has tells whether there are more.
    pub(crate) const fn one_more(&self) -> usize {
        self.limit.saturating_add(1)
    }

    /// Which entries fit.
    pub(crate) fn entry_filter(&self) -> EntryFilter {
        self.filter.as_deref().cloned().unwrap_or_default()
    }

    /// True when the page ends before it comes to this month.
    pub(crate) fn is_full(&self, page: &[TransactionRow], month: NaiveDate) -> bool {
        let nearer =
            |row: &&TransactionRow| if self.backward { row.month > month } else { row.month < month };
        page.iter().filter(nearer).count() > self.limit
    }

    /// Makes a page of entries from two sides, some of which may be on both.
    pub(crate) fn merge(&self, page: &mut Vec<TransactionRow>) {
        page.sort_by_key(TransactionRow::cursor);
        page.dedup_by_key(|row| row.cursor());
        if self.backward {
            page.reverse();
        }
        page.truncate(self.one_more());
    }

    /// Its first entries, whether they fit or not.
    pub(super) fn looked_at(&self, limit: usize) -> Self {
        Self { filter: None, limit, backward: false, ..self.clone() }
    }

    /// Those that fit, of all up to an entry.
    pub(super) fn fitting_until(&self, last: EntryCursor, limit: usize) -> Self {
        let before = EntryCursor { month: last.month, revision: last.revision.saturating_add(1) };
        Self { before, limit, backward: false, ..self.clone() }
    }

    /// Goes on from the last entry of a page.
    pub(super) fn go_on(&mut self, last: EntryCursor) {
        if self.backward {
            self.before = last;
        } else {
            self.after = last;
        }
    }

    /// Gives a statement both ends, from `$2` to `$5`.
    pub(super) fn bind<'q, Row>(
        &self,
        query: QueryAs<'q, Postgres, Row, PgArguments>,
    ) -> QueryAs<'q, Postgres, Row, PgArguments> {
        query
            .bind(self.after.month)
            .bind(self.after.revision)
            .bind(self.before.month)
            .bind(self.before.revision)
    }
}

/// Before and after every month that has a text; inside what Postgres calls a date.
const FIRST_DAY: NaiveDate = day(1);
const LAST_DAY: NaiveDate = day(10_000);

const fn day(year: i32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, 1, 1) {
        Some(day) => day,
        None => NaiveDate::MAX,
    }
}

#[cfg(test)]
#[path = "range_tests.rs"]
mod tests;
