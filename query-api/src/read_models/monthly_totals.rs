//! What a month did to an account, and how many entries there are: both without reading entries.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use chrono::NaiveDate;
use ledger_core::Month;
use sqlx::FromRow;

use super::{CurrencyColumn, Key, Place, ReadError, ReadModels, SumColumn};
use crate::database::ReadDatabases;

/// A month of an account. A month without entries has totals too: it closes as it opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TotalsOf {
    pub(crate) account_id: i64,
    pub(crate) month: Month,
}

/// The figures of a month, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct TotalsRow {
    account_id: i64,
    month: NaiveDate,
    #[sqlx(try_from = "String")]
    opening: SumColumn,
    #[sqlx(try_from = "String")]
    debits: SumColumn,
    #[sqlx(try_from = "String")]
    credits: SumColumn,
    count: i64,
}

/// The figures of a month, as text of the account's currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) month: Month,
    pub(crate) opening: String,
    pub(crate) closing: String,
    pub(crate) debits: String,
    pub(crate) credits: String,
    pub(crate) count: i64,
}

impl TotalsRow {
    /// The figures in the account's currency.
    pub(crate) fn in_currency(&self, currency: CurrencyColumn, month: Month) -> Totals {
        let [opening, credits, debits] = [self.opening, self.credits, self.debits].map(i128::from);
        let closing = opening.saturating_add(credits).saturating_sub(debits);
        Totals {
            month,
            opening: currency.amount(opening),
            closing: currency.amount(closing),
            debits: currency.amount(debits),
            credits: currency.amount(credits),
            count: self.count,
        }
    }
}

/// Whole histories may be booked after what they led to, so that a balance by business time leaves the 64 bits that balances keep to. An
/// account has one row a month, so summing all earlier ones reads a dozen rows a year.
const TOTALS: &str = "
    select key.account_id, key.month,
           (select coalesce(sum(earlier.credits - earlier.debits), 0)::text from monthly_totals earlier
            where earlier.account_id = key.account_id and earlier.month < key.month) as opening,
           coalesce(totals.debits, 0)::text as debits, coalesce(totals.credits, 0)::text as credits,
           coalesce(totals.count, 0) as count
    from unnest($1::bigint[], $2::date[]) as key(account_id, month)
    left join monthly_totals totals on totals.account_id = key.account_id and totals.month = key.month";

impl Key for TotalsOf {
    fn place(&self) -> Place {
        Place::With(self.account_id)
    }
}

impl Loader<TotalsOf> for ReadModels {
    type Value = TotalsRow;
    type Error = ReadError;

    async fn load(&self, keys: &[TotalsOf]) -> Result<HashMap<TotalsOf, TotalsRow>, ReadError> {
        let (ids, months): (Vec<i64>, Vec<NaiveDate>) =
            keys.iter().map(|key| (key.account_id, key.month.first_day())).unzip();
        let rows: Vec<TotalsRow> =
            sqlx::query_as(TOTALS).bind(ids).bind(months).fetch_all(&self.pool).await?;
        let keyed = rows.into_iter().filter_map(|row| {
            let month = Month::of_first_day(row.month)?;
            Some((TotalsOf { account_id: row.account_id, month }, row))
        });
        Ok(keyed.collect())
    }
}

impl ReadDatabases {
    /// One month of one account.
    pub(crate) async fn totals(&self, key: TotalsOf) -> Result<TotalsRow, ReadError> {
        let row = sqlx::query_as(TOTALS)
            .bind([key.account_id])
            .bind([key.month.first_day()])
            .fetch_one(&self.of(key.account_id).await?.pool)
            .await?;
        Ok(row)
    }
}

/// How many entries an account has, in one month or in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CountOf {
    pub(crate) account_id: i64,
    pub(crate) month: Option<Month>,
}

const COUNT: &str = "
    select key.account_id, key.month,
           (select coalesce(sum(totals.count), 0)::bigint from monthly_totals totals
            where totals.account_id = key.account_id and (key.month is null or totals.month = key.month))
    from unnest($1::bigint[], $2::date[]) as key(account_id, month)";

pub(super) const STATEMENTS: super::Statements =
    &[("totals of a month", TOTALS), ("count of entries", COUNT)];

impl Key for CountOf {
    fn place(&self) -> Place {
        Place::With(self.account_id)
    }
}

impl Loader<CountOf> for ReadModels {
    type Value = i64;
    type Error = ReadError;

    async fn load(&self, keys: &[CountOf]) -> Result<HashMap<CountOf, i64>, ReadError> {
        let (ids, months): (Vec<i64>, Vec<Option<NaiveDate>>) =
            keys.iter().map(|key| (key.account_id, key.month.map(Month::first_day))).unzip();
        let rows: Vec<(i64, Option<NaiveDate>, i64)> =
            sqlx::query_as(COUNT).bind(ids).bind(months).fetch_all(&self.pool).await?;
        let keyed = rows.into_iter().map(|(account_id, month, count)| {
            let month = month.and_then(Month::of_first_day);
            (CountOf { account_id, month }, count)
        });
        Ok(keyed.collect())
    }
}
