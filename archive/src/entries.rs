//! One account's entries of an archived month.

use std::ops::RangeInclusive;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::footers::OpenPart;
use crate::limits::PAGES_AT_ONCE_MAX;
use crate::pages::{Wanted, candidates};
use crate::schema::{ACCOUNT_ID, BOOKED_AT, RECORDED_AT, REVISION};
use crate::{Archive, ArchiveError, Edition, EntryKind, Filter, Manifest, Place, Row};

/// Which of an account's entries of a month, and how many of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntriesQuery {
    /// The account.
    pub account_id: i64,
    /// Only entries of a greater revision.
    pub after: Option<i64>,
    /// Only entries of a smaller revision.
    pub before: Option<i64>,
    /// Only entries that fit.
    pub filter: Filter,
    /// At most so many. Whoever asks for one more than it shows knows whether there are more.
    pub limit: usize,
    /// Newest first, from the end. Otherwise oldest first.
    pub backward: bool,
}

/// What moved on an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntrySums {
    /// Minor units.
    pub debits: i128,
    /// Minor units, reversals among them.
    pub credits: i128,
    /// How many entries.
    pub count: u64,
}

impl EntriesQuery {
    /// All of an account's entries, oldest first.
    #[must_use]
    pub fn all(account_id: i64) -> Self {
        let (after, before, filter) = (None, None, Filter::default());
        Self { account_id, after, before, filter, limit: usize::MAX, backward: false }
    }

    fn revisions(&self) -> RangeInclusive<i64> {
        let first = self.after.map_or(i64::MIN, |after| after.saturating_add(1));
        let last = self.before.map_or(i64::MAX, |before| before.saturating_sub(1));
        first..=last
    }

    fn wanted(&self) -> Vec<Wanted> {
        let mut wanted = vec![(ACCOUNT_ID, self.account_id..=self.account_id), (REVISION, self.revisions())];
        if self.filter.from.is_some() || self.filter.to.is_some() {
            let micros =
                |time: Option<DateTime<Utc>>, open| time.map_or(open, |time| time.timestamp_micros());
            wanted.push((BOOKED_AT, micros(self.filter.from, i64::MIN)..=micros(self.filter.to, i64::MAX)));
        }
        wanted
    }
}

impl Archive {
    /// A page of an account's entries in an archived month, in the order asked for. Read are the pages of the files that can hold them, one
    /// first and then more, until there are enough.
    ///
    /// # Errors
    /// [`ArchiveError::Missing`] when the month is not archived, or not any more; [`ArchiveError::Damaged`]; or the store does not answer.
    pub async fn entries(
        &self,
        month: impl Into<Edition>,
        query: &EntriesQuery,
    ) -> Result<Vec<Row>, ArchiveError> {
        if query.limit == 0 {
            return Ok(Vec::new());
        }
        let step = |found: &mut Vec<Row>, row: Row| {
            if query.filter.fits(&row) {
                found.push(row);
            }
            found.len() < query.limit
        };
        self.scan(month.into(), query, &query.wanted(), step).await
    }

    /// The entry at a place, if there is one.
    ///
    /// # Errors
    /// As of [`entries`](Self::entries).
    pub async fn entry(&self, month: impl Into<Edition>, place: Place) -> Result<Option<Row>, ArchiveError> {
        let after = place.revision.checked_sub(1);
        let query = EntriesQuery { after, limit: 1, ..EntriesQuery::all(place.account_id) };
        let found = self.entries(month, &query).await?;
        Ok(found.into_iter().find(|row| row.revision == place.revision))
    }

    /// What moved on an account with the entries that a query asks for; its limit does not count. This reads all of them.
    ///
    /// # Errors
    /// As of [`entries`](Self::entries).
    pub async fn sums(
        &self,
        month: impl Into<Edition>,
        query: &EntriesQuery,
    ) -> Result<EntrySums, ArchiveError> {
        let step = |sums: &mut EntrySums, row: Row| {
            if query.filter.fits(&row) {
                sums.count = sums.count.saturating_add(1);
                let side = match row.kind {
                    EntryKind::Debit => &mut sums.debits,
                    EntryKind::Credit | EntryKind::Reversal => &mut sums.credits,
                };
                *side = side.saturating_add(i128::from(row.amount));
            }
            true
        };
        self.scan(month.into(), query, &query.wanted(), step).await
    }

    /// The newest of an account's entries in the month that the log had recorded at an instant: what the account's balance was known to be.
    /// Newest by time of recording, then by revision.
    ///
    /// # Errors
    /// As of [`entries`](Self::entries).
    pub async fn recorded_until(
        &self,
        month: impl Into<Edition>,
        account_id: i64,
        time: DateTime<Utc>,
    ) -> Result<Option<Row>, ArchiveError> {
        // Both grow together: the log's time never decreases. From the end, the first one that fits is the newest.
        let query = EntriesQuery { backward: true, ..EntriesQuery::all(account_id) };
        let mut wanted = query.wanted();
        wanted.push((RECORDED_AT, i64::MIN..=time.timestamp_micros()));
        let step = |newest: &mut Option<Row>, row: Row| {
            if row.recorded_at <= time {
                *newest = Some(row);
            }
            newest.is_none()
        };
        self.scan(month.into(), &query, &wanted, step).await
    }

    /// Gives the account's entries to `step`, in order and within the revisions that the query names, until it says that it has enough.
    /// A month that was archived anew is begun with again.
    async fn scan<Found: Default>(
        &self,
        edition: Edition,
        query: &EntriesQuery,
        wanted: &[Wanted],
        step: impl Fn(&mut Found, Row) -> bool,
    ) -> Result<Found, ArchiveError> {
        for _ in 0..READS_OF_A_MONTH {
            let manifest = self.edition(edition).await?;
            let mut found = Found::default();
            match self.scan_parts(&manifest, query, wanted, |row| step(&mut found, row)).await {
                Err(error) if error.is_stale() => self.forget_all(&manifest),
                Err(error) => return Err(error),
                Ok(()) => return Ok(found),
            }
        }
        Err(ArchiveError::gone(edition.month))
    }

    async fn scan_parts(
        &self,
        manifest: &Arc<Manifest>,
        query: &EntriesQuery,
        wanted: &[Wanted],
        mut step: impl FnMut(Row) -> bool,
    ) -> Result<(), ArchiveError> {
        let revisions = query.revisions();
        let place = |revision: &i64| Place { account_id: query.account_id, revision: *revision };
        let (first, last) = (place(revisions.start()), place(revisions.end()));
        let parts = manifest.parts.iter().filter(|part| part.first <= last && first <= part.last);
        for part in in_order(parts, query.backward) {
            let part = self.footers().open(self.files(), part).await?;
            for group in in_order(0..part.metadata().num_row_groups(), query.backward) {
                if !self.scan_group(&part, group, query, wanted, &mut step).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// False when enough was found.
    async fn scan_group(
        &self,
        part: &Arc<OpenPart>,
        group: usize,
        query: &EntriesQuery,
        wanted: &[Wanted],
        step: &mut impl FnMut(Row) -> bool,
    ) -> Result<bool, ArchiveError> {
        let (account_id, revisions) = (query.account_id, query.revisions());
        let (first, last) = revisions.into_inner();
        let is_wanted =
            move |account: i64, revision: i64| account == account_id && first <= revision && revision <= last;
        let ranges = candidates(part.metadata(), group, wanted);
        let (mut rest, mut count) = (&*ranges, 1);
        while !rest.is_empty() {
            let next;
            (next, rest) = if query.backward {
                let (rest, next) = rest.split_at(rest.len().saturating_sub(count));
                (next, rest)
            } else {
                rest.split_at(count.min(rest.len()))
            };
            let rows = self.read_rows(part, group, next, is_wanted).await?;
            for row in in_order(rows.into_iter(), query.backward) {
                if !step(row) {
                    return Ok(false);
                }
            }
            count = count.saturating_mul(2).min(PAGES_AT_ONCE_MAX);
        }
        Ok(true)
    }
}

/// How often a read begins again because the month was restored or archived meanwhile.
const READS_OF_A_MONTH: usize = 3;

/// The same from either end.
fn in_order<T>(items: impl DoubleEndedIterator<Item = T>, backward: bool) -> impl Iterator<Item = T> {
    let mut items = items;
    std::iter::from_fn(move || if backward { items.next_back() } else { items.next() })
}
