//! The trial balance: what the bank owes, what it holds, what is under way. Per currency the three add up to zero.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use chrono::{DateTime, NaiveDate, Utc};
use futures::future::try_join_all;
use ledger_core::Currency;
use sqlx::FromRow;

use super::{CurrencyColumn, ReadError, ReadModels, SumColumn};
use crate::archived::Archived;
use crate::database::ReadDatabases;
use crate::freshness::Behind;
use crate::limits::{TOGETHER_POLL, TOGETHER_WAIT};
use crate::month::months_around;
use crate::problem::Problem;

/// The sums of one currency, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct TrialBalanceRow {
    pub(crate) currency: CurrencyColumn,
    #[sqlx(try_from = "String")]
    pub(crate) customers: SumColumn,
    #[sqlx(try_from = "String")]
    pub(crate) settlement: SumColumn,
    #[sqlx(try_from = "String")]
    pub(crate) in_transit: SumColumn,
}

impl TrialBalanceRow {
    /// Zero, or the books are wrong.
    pub(crate) fn total(&self) -> i128 {
        [self.customers, self.settlement, self.in_transit].map(i128::from).into_iter().sum()
    }
}

/// Two books that know nothing of each other: the accounts, by the balances that each event names, and what is in transit, by the
/// amounts that events moved. So the total proves something.
const NOW: &str = "
    select balances.currency, balances.customers, balances.settlement, coalesce(moved.in_transit, 0)::text as in_transit
    from (
        select currency,
               coalesce(sum(balance) filter (where kind <> 'settlement'), 0)::text as customers,
               coalesce(sum(balance) filter (where kind = 'settlement'), 0)::text as settlement
        from accounts
        group by currency
    ) balances
    left join trial_balance moved using (currency)
    order by currency";

/// As of now.
pub(crate) async fn now(databases: &ReadDatabases) -> Result<Vec<TrialBalanceRow>, Problem> {
    if databases.are_several() {
        return together(databases).await;
    }
    let rows = sqlx::query_as(NOW).fetch_all(&databases.first().await?.pool).await;
    Ok(rows.map_err(ReadError::from)?)
}

/// Between which positions what is summed is.
macro_rules! places {
    () => {
        "select coalesce(min(position), 0) as low, coalesce(max(position), 0) as high
         from checkpoints where projection in ('accounts', 'trial_balance')"
    };
}
const PLACES: &str = places!();

/// What one of several databases has, and between which positions that is: rows and checkpoints as of the same instant. What is in transit
/// is in the first alone.
const PART: &str = concat!(
    "
    select place.low, place.high, sums.currency, coalesce(sums.customers, 0)::text as customers,
           coalesce(sums.settlement, 0)::text as settlement, coalesce(sums.in_transit, 0)::text as in_transit
    from (",
    places!(),
    ") place
    left join (
        select currency, balances.customers, balances.settlement, moved.in_transit
        from (
            select currency,
                   sum(balance) filter (where kind <> 'settlement') as customers,
                   sum(balance) filter (where kind = 'settlement') as settlement
            from accounts
            group by currency
        ) balances
        full join trial_balance moved using (currency)
    ) sums on true"
);

#[derive(FromRow)]
struct PartRow {
    low: i64,
    high: i64,
    currency: Option<String>,
    #[sqlx(try_from = "String")]
    customers: SumColumn,
    #[sqlx(try_from = "String")]
    settlement: SumColumn,
    #[sqlx(try_from = "String")]
    in_transit: SumColumn,
}

impl PartRow {
    /// Nothing where there is no currency yet.
    fn sums(self) -> Result<Option<TrialBalanceRow>, String> {
        let Self { currency, customers, settlement, in_transit, .. } = self;
        let Some(currency) = currency else { return Ok(None) };
        Ok(Some(TrialBalanceRow { currency: currency.try_into()?, customers, settlement, in_transit }))
    }
}

/// Sums of several databases are one state of the bank only where all of them are at one position, and only then does the total prove
/// something. That is so whenever the projectors have caught up, if but for a moment.
async fn together(databases: &ReadDatabases) -> Result<Vec<TrialBalanceRow>, Problem> {
    let start = Instant::now();
    loop {
        let mut between = span(&databases.each(places).await?);
        // Summing takes longer than looking: it is done where it may be worth it.
        if between.0 == between.1 {
            let parts = databases.each(|models| async move {
                let rows: Vec<PartRow> = sqlx::query_as(PART).fetch_all(&models.pool).await?;
                Ok(rows)
            });
            let rows: Vec<PartRow> = parts.await?.into_iter().flatten().collect();
            between = span(&rows.iter().map(|row| (row.low, row.high)).collect::<Vec<_>>());
            if between.0 == between.1 {
                let sums = rows.into_iter().map(PartRow::sums).filter_map(Result::transpose);
                let sums: Result<Vec<_>, String> = sums.collect();
                let sums = sums.map_err(|error| ReadError::from(sqlx::Error::Decode(error.into())))?;
                return Ok(added(sums));
            }
        }
        if start.elapsed() >= TOGETHER_WAIT {
            let (low, high) = between;
            let because = String::new();
            return Err(Behind { wanted: high.unsigned_abs(), reached: low.unsigned_abs(), because }.into());
        }
        tokio::time::sleep(TOGETHER_POLL).await;
    }
}

/// Between which positions a database is.
async fn places(models: ReadModels) -> Result<(i64, i64), ReadError> {
    Ok(sqlx::query_as(PLACES).fetch_one(&models.pool).await?)
}

/// Between which positions all of them are.
fn span(places: &[(i64, i64)]) -> (i64, i64) {
    let low = places.iter().map(|place| place.0).min().unwrap_or_default();
    (low, places.iter().map(|place| place.1).max().unwrap_or_default())
}

/// One row for each currency, in the order of their codes.
fn added(rows: impl IntoIterator<Item = TrialBalanceRow>) -> Vec<TrialBalanceRow> {
    let mut currencies: BTreeMap<&'static str, TrialBalanceRow> = BTreeMap::new();
    for row in rows {
        match currencies.entry(row.currency.0.code()) {
            Entry::Vacant(vacant) => {
                vacant.insert(row);
            }
            Entry::Occupied(mut sums) => {
                let sums = sums.get_mut();
                sums.customers = sums.customers.plus(row.customers);
                sums.settlement = sums.settlement.plus(row.settlement);
                sums.in_transit = sums.in_transit.plus(row.in_transit);
            }
        }
    }
    currencies.into_values().collect()
}

/// Reads every account: its earlier months by their totals, and of the month in question its entries, each by an index range.
macro_rules! as_of {
    ($among:literal) => {
        concat!(
            "select currency, customers::text, settlement::text, (-(customers + settlement))::text as in_transit
             from (
                 select account.currency,
                        coalesce(sum(earlier.sum + entries.sum) filter (where account.kind <> 'settlement'), 0) as customers,
                        coalesce(sum(earlier.sum + entries.sum) filter (where account.kind = 'settlement'), 0) as settlement
                 from accounts account
                 cross join lateral (
                     select coalesce(sum(credits - debits), 0) as sum from monthly_totals totals
                     where totals.account_id = account.account_id and totals.month < $2
                 ) earlier
                 cross join lateral (
                     select coalesce(sum(case entry.kind when 'debit' then -entry.amount else entry.amount end), 0) as sum
                     from transactions entry
                     where entry.account_id = account.account_id and entry.month between $2 and $3 and entry.booked_at <= $1 ",
            $among,
            ") entries
                 group by account.currency
             ) sums
             order by currency"
        )
    };
}
const AS_OF: &str = as_of!("");
/// The same without entries that are in the archive, which may not have left yet.
const AS_OF_UNARCHIVED: &str = as_of!(
    "and not exists (select from unnest($4::date[], $5::timestamptz[]) as archived(month, recorded_until)
                     where archived.month = entry.month and entry.recorded_at <= archived.recorded_until)"
);

/// As of an instant of business time. What is in transit is then what has left one account and not reached the other, in short
/// whatever is on no account: the entries prove the accounts, but not the total.
pub(crate) async fn as_of(
    databases: &ReadDatabases,
    time: DateTime<Utc>,
) -> Result<Vec<TrialBalanceRow>, ReadError> {
    let parts = (0..databases.count()).map(|index| as_of_in(databases, index, time));
    Ok(added(try_join_all(parts).await?.into_iter().flatten()))
}

/// Of the accounts of one database.
async fn as_of_in(
    databases: &ReadDatabases,
    index: usize,
    time: DateTime<Utc>,
) -> Result<Vec<TrialBalanceRow>, ReadError> {
    let models = databases.at(index).await?;
    let (first, last) = months_around(time);
    let (first, last) = (first.first_day(), last.first_day());
    models
        .with_archived(first, last, |archived| async move {
            let statement = if archived.is_empty() { AS_OF } else { AS_OF_UNARCHIVED };
            let mut query = sqlx::query_as(statement).bind(time).bind(first).bind(last);
            if !archived.is_empty() {
                let (months, until): (Vec<NaiveDate>, Vec<DateTime<Utc>>) =
                    archived.iter().map(|archived| (archived.month, archived.recorded_until)).unzip();
                query = query.bind(months).bind(until);
            }
            let mut rows: Vec<TrialBalanceRow> = query.fetch_all(&models.pool).await?;
            for archived in archived {
                rows.extend(archived_part(databases, index, archived, time).await?);
            }
            Ok(rows)
        })
        .await
}

/// What archived entries of a month that were booked until an instant moved, on accounts of one database. Reads the whole month.
async fn archived_part(
    databases: &ReadDatabases,
    index: usize,
    archived: Archived,
    time: DateTime<Utc>,
) -> Result<Vec<TrialBalanceRow>, ReadError> {
    let models = databases.at(index).await?;
    let settlement: HashSet<i64> =
        sqlx::query_scalar("select account_id from accounts where kind = 'settlement'")
            .fetch_all(&models.pool)
            .await?
            .into_iter()
            .collect();
    let mut sums: BTreeMap<&'static str, (Currency, i128, i128)> = BTreeMap::new();
    let mut months_rows = models.archived.rows(archived).await?;
    while let Some(rows) = months_rows.next().await? {
        let wanted = |row: &archive::Row| row.booked_at <= time && databases.home_of(row.account_id) == index;
        for row in rows.into_iter().filter(wanted) {
            let (_, customers, bank) = sums.entry(row.currency.code()).or_insert((row.currency, 0, 0));
            let side = if settlement.contains(&row.account_id) { bank } else { customers };
            *side = match row.kind {
                archive::EntryKind::Debit => side.saturating_sub(row.amount.into()),
                archive::EntryKind::Credit | archive::EntryKind::Reversal => {
                    side.saturating_add(row.amount.into())
                }
            };
        }
    }
    let row = |(currency, customers, settlement): (Currency, i128, i128)| TrialBalanceRow {
        currency: CurrencyColumn(currency),
        customers: customers.into(),
        settlement: settlement.into(),
        in_transit: customers.saturating_add(settlement).saturating_neg().into(),
    };
    Ok(sums.into_values().map(row).collect())
}
