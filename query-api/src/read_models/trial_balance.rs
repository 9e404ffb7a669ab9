//! The trial balance: what the bank owes, what it holds, what is under way. Per currency the three add up to zero.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};

use super::{CurrencyColumn, ReadError, SumColumn};
use crate::month::Month;

/// The sums of one currency, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct TrialBalanceRow {
    #[sqlx(try_from = "String")]
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
pub(crate) async fn now(pool: &PgPool) -> Result<Vec<TrialBalanceRow>, ReadError> {
    Ok(sqlx::query_as(NOW).fetch_all(pool).await?)
}

/// Reads every account: its earlier months by their totals, and of the month in question its entries, each by an index range.
const AS_OF: &str = "
    select currency, customers::text, settlement::text, (-(customers + settlement))::text as in_transit
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
            where entry.account_id = account.account_id and entry.month between $2 and $3 and entry.booked_at <= $1
        ) entries
        group by account.currency
    ) sums
    order by currency";

/// As of an instant of business time. What is in transit is then what has left one account and not reached the other, in short
/// whatever is on no account: the entries prove the accounts, but not the total.
pub(crate) async fn as_of(pool: &PgPool, time: DateTime<Utc>) -> Result<Vec<TrialBalanceRow>, ReadError> {
    let (first, last) = Month::around(time);
    let rows = sqlx::query_as(AS_OF)
        .bind(time)
        .bind(first.first_day())
        .bind(last.first_day())
        .fetch_all(pool)
        .await?;
    Ok(rows)
}
