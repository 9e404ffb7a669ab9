//! Which of an account's entries are wanted.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{FromRow, Postgres};

use super::range::Range;
use super::transaction::{TransactionRow, TransactionStatus, TransactionType, debit_status, transfers_of};
use super::{Found, Key, Place, ReadError, ReadModels};
use crate::database::ReadDatabases;
use crate::limits::FILTERED_COUNT_MAX;

/// Entries that fit everything that is given. What is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct EntryFilter {
    /// Booked then or later.
    pub(crate) from: Option<DateTime<Utc>>,
    /// Booked before.
    pub(crate) to: Option<DateTime<Utc>>,
    pub(crate) side: Option<TransactionType>,
    pub(crate) status: Option<TransactionStatus>,
    /// Minor units, inclusive.
    pub(crate) amount_min: Option<i64>,
    /// Minor units, inclusive.
    pub(crate) amount_max: Option<i64>,
    /// The account on the other side.
    pub(crate) counterparty: Option<i64>,
    /// Part of the description or reference, in small or capital letters.
    pub(crate) text: Option<String>,
}

impl EntryFilter {
    /// True when every entry fits.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Gives a statement what [`fits!`] asks for, from `$7` on.
    pub(super) fn bind<'q, Row>(
        &'q self,
        query: QueryAs<'q, Postgres, Row, PgArguments>,
    ) -> QueryAs<'q, Postgres, Row, PgArguments> {
        let kinds: Option<&[&str]> = self.side.map(|side| match side {
            TransactionType::Debit => &["debit"][..],
            TransactionType::Credit => &["credit", "reversal"][..],
        });
        query
            .bind(self.from)
            .bind(self.to)
            .bind(kinds)
            .bind(self.amount_min)
            .bind(self.amount_max)
            .bind(self.counterparty)
            .bind(self.text.as_deref())
            .bind(self.status.map(transfers_of))
    }
}

/// How far an entry's transfer has come, as far as the entry goes: its status follows from that alone. Money that came is final, and a transfer
/// that no read model knows yet is under way. A debit that came back is as good as failed, also in the moment before the transfer says so.
/// Subqueries and not joins: whatever the statistics say of the tables, each is one probe of an index for each debit that is looked at.
///
/// Most debits are old and completed. Where the transfers are known further than the debit, one that is not among the few that are anything
/// else has completed: those few are an index of their own, which is small and always in memory.
macro_rules! transfer_status {
    () => {
        concat!(
            "case when entry.kind <> 'debit' then 'completed' \
                  when entry.recorded_at < (select min(coalesce(recorded_at, '-infinity')) from checkpoints \
                                            where projection = 'transfers') \
                  then coalesce(",
            status_of_debit!("and (transfer.status <> 'completed' or transfer.reversed_at is not null)"),
            ", 'completed') else coalesce(",
            status_of_debit!(""),
            ", 'pending') end"
        )
    };
}
macro_rules! status_of_debit {
    ($among:literal) => {
        concat!(
            "(select case when transfer.reversed_at is null then transfer.status else 'failed' end \
              from transfers transfer where transfer.transfer_id = entry.transfer_id ",
            $among,
            ")"
        )
    };
}
pub(super) use status_of_debit;
pub(super) use transfer_status;

/// True for an entry that fits. The status comes last, as it alone needs another table; it is the same text as a page's. Small letters are those
/// of ASCII whatever the database's locale: so it is in the archive.
macro_rules! fits {
    () => {
        concat!(
            "($7::timestamptz is null or entry.booked_at >= $7) \
             and ($8::timestamptz is null or entry.booked_at < $8) \
             and ($9::text[] is null or entry.kind = any($9)) \
             and ($10::bigint is null or entry.amount >= $10) \
             and ($11::bigint is null or entry.amount <= $11) \
             and ($12::bigint is null or entry.counterparty = $12) \
             and ($13::text is null or strpos(lower(coalesce(entry.description, '') collate \"C\"), lower($13 collate \"C\")) > 0 \
                  or strpos(lower(coalesce(entry.reference, '') collate \"C\"), lower($13 collate \"C\")) > 0) \
             and ($14::text[] is null or ",
            transfer_status!(),
            " = any($14))"
        )
    };
}
pub(super) use fits;

/// How many of an account's entries fit a filter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FilteredCountOf {
    pub(crate) account_id: i64,
    pub(crate) range: Range,
}

/// A count, which may have ended before its range did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct FilteredCount {
    account_id: i64,
    /// How many of those that were looked at.
    pub(crate) fitting: i64,
    seen: i64,
}

impl FilteredCount {
    /// False when there are entries that were not looked at.
    pub(crate) fn is_exact(self) -> bool {
        usize::try_from(self.seen).is_ok_and(|seen| seen <= FILTERED_COUNT_MAX)
    }
}

/// Looks at the first entries of the range only: what it costs does not grow with the account.
const COUNT: &str = concat!(
    "select key.account_id, part.fitting, part.seen \
     from unnest($1::bigint[]) as key(account_id) \
     cross join lateral ( \
         select count(*) filter (where ",
    fits!(),
    ") as fitting, count(*) as seen \
         from (select * from transactions \
               where account_id = key.account_id and month between $2 and $4::date - ($5 < 0)::integer \
                 and (month, revision) > ($2, $3) and (month, revision) < ($4, $5) \
               order by month, revision limit $6) entry) part"
);

pub(super) const STATEMENTS: super::Statements =
    &[("count of what fits", COUNT), ("parts of a count of what fits", COUNT_PARTS)];

/// The same where transfers may be in another database: what is known of the entries without them.
const COUNT_PARTS: &str = concat!(
    "select key.account_id, part.final, coalesce(part.debits, '{}') as debits, part.seen \
     from unnest($1::bigint[]) as key(account_id) \
     cross join lateral ( \
         select count(*) filter (where kind <> 'debit' and fitting) as final, count(*) as seen, \
                array_agg(transfer_id) filter (where kind = 'debit' and fitting) as debits \
         from (select entry.kind, entry.transfer_id, (",
    fits!(),
    ") as fitting from (select * from transactions \
               where account_id = key.account_id and month between $2 and $4::date - ($5 < 0)::integer \
                 and (month, revision) > ($2, $3) and (month, revision) < ($4, $5) \
               order by month, revision limit $6) entry) looked_at) part"
);

#[derive(FromRow)]
struct CountParts {
    account_id: i64,
    /// Entries that fit and are final whatever becomes of their transfers.
    r#final: i64,
    /// The transfers of debits that fit.
    debits: Vec<i64>,
    seen: i64,
}

impl Key for FilteredCountOf {
    fn place(&self) -> Place {
        Place::With(self.account_id)
    }

    async fn load(databases: &ReadDatabases, keys: &[Self]) -> Result<Found<Self>, ReadError> {
        let (by_status, others): (Vec<Self>, Vec<Self>) =
            keys.iter().cloned().partition(|key| key.range.asks_for_status());
        let mut counts = databases.found(&others).await?;
        let read: Vec<_> =
            by_status.iter().map(|key| databases.count_of_status(key.account_id, &key.range)).collect();
        counts.extend(by_status.iter().cloned().zip(try_join_all(read).await?));
        Ok(counts)
    }
}

impl ReadDatabases {
    async fn count_of_status(&self, account_id: i64, range: &Range) -> Result<FilteredCount, ReadError> {
        if let Some(count) = self.count_of_status_across(account_id, range).await? {
            return Ok(count);
        }
        let (range, status) = range.whatever_status(0);
        let filter = range.filter.clone().unwrap_or_default();
        let query = range.bind(sqlx::query_as(COUNT_PARTS).bind([account_id])).bind(one_more());
        let parts: CountParts = filter.bind(query).fetch_one(&self.of(account_id).await?.pool).await?;
        let states = self.transfer_states(parts.debits.clone()).await?;
        let is_wanted = |id: &&i64| {
            let transfer = states.get(id).map(|state| state.of_entry());
            status == Some(debit_status(transfer))
        };
        let debits = i64::try_from(parts.debits.iter().filter(is_wanted).count()).unwrap_or(i64::MAX);
        let others = if status == Some(TransactionStatus::Completed) { parts.r#final } else { 0 };
        let fitting = others.saturating_add(debits);
        Ok(FilteredCount { account_id: parts.account_id, fitting, seen: parts.seen })
    }
}

impl ReadDatabases {
    /// The same for an account that has entries in archived months of the range; none for others.
    async fn count_of_status_across(
        &self,
        account_id: i64,
        range: &Range,
    ) -> Result<Option<FilteredCount>, ReadError> {
        let home = self.of(account_id).await?;
        if !home.reaches_archive(account_id, range).await? {
            return Ok(None);
        }
        let looked_at = home.entries(&[account_id], &range.looked_at(FILTERED_COUNT_MAX)).await?;
        let Some(last) = looked_at.last().map(TransactionRow::cursor) else {
            return Ok(Some(FilteredCount { account_id, fitting: 0, seen: 0 }));
        };
        let fitting = range.fitting_until(last, FILTERED_COUNT_MAX.saturating_add(1));
        let fitting = self.entries_page_of_status(account_id, &fitting).await?.items;
        Ok(Some(FilteredCount { account_id, fitting: number(fitting.len()), seen: number(looked_at.len()) }))
    }
}

impl ReadModels {
    /// True when an account has entries in archived months of the range.
    async fn reaches_archive(&self, account_id: i64, range: &Range) -> Result<bool, ReadError> {
        let (first, last) = range.months();
        self.with_archived(first, last, |mut months| async move {
            months.retain(|archived| range.touches(archived.month));
            Ok(!self.active_archived(account_id, &months).await?.is_empty())
        })
        .await
    }

    /// Counts what fits among the first entries of a range that reaches into archived months.
    async fn count_across(&self, account_id: i64, range: &Range) -> Result<FilteredCount, ReadError> {
        let looked_at = self.entries(&[account_id], &range.looked_at(FILTERED_COUNT_MAX)).await?;
        let Some(last) = looked_at.last().map(TransactionRow::cursor) else {
            return Ok(FilteredCount { account_id, fitting: 0, seen: 0 });
        };
        let fitting = self.entries(&[account_id], &range.fitting_until(last, FILTERED_COUNT_MAX)).await?;
        Ok(FilteredCount { account_id, fitting: number(fitting.len()), seen: number(looked_at.len()) })
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Entries that a count looks at.
fn one_more() -> i64 {
    i64::try_from(FILTERED_COUNT_MAX).unwrap_or(i64::MAX).saturating_add(1)
}

impl Loader<FilteredCountOf> for ReadModels {
    type Value = FilteredCount;
    type Error = ReadError;

    async fn load(
        &self,
        keys: &[FilteredCountOf],
    ) -> Result<HashMap<FilteredCountOf, FilteredCount>, ReadError> {
        let mut accounts_by_range: HashMap<&Range, Vec<i64>> = HashMap::new();
        for key in keys {
            accounts_by_range.entry(&key.range).or_default().push(key.account_id);
        }
        let mut counts = HashMap::with_capacity(keys.len());
        for (range, accounts) in accounts_by_range {
            let filter = range.filter.clone().unwrap_or_default();
            let query = range.bind(sqlx::query_as(COUNT).bind(accounts)).bind(one_more());
            let mut rows: Vec<FilteredCount> = filter.bind(query).fetch_all(&self.pool).await?;
            for row in &mut rows {
                if self.reaches_archive(row.account_id, range).await? {
                    *row = self.count_across(row.account_id, range).await?;
                }
            }
            counts.extend(
                rows.into_iter()
                    .map(|row| (FilteredCountOf { account_id: row.account_id, range: range.clone() }, row)),
            );
        }
        Ok(counts)
    }
}

/// A filter as ranges share it.
pub(crate) type SharedFilter = Arc<EntryFilter>;
