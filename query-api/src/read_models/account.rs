//! Accounts and their balances.

use std::collections::HashMap;

use async_graphql::Enum;
use async_graphql::dataloader::Loader;
use chrono::{DateTime, NaiveDate, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use ledger_core::{Money, Month};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use super::{CurrencyColumn, Found, Key, Place, ReadError, ReadModels, SumColumn};
use crate::archived::{Archived, Known};
use crate::connection::{IdCursor, Page, PageRequest};
use crate::database::ReadDatabases;
use crate::limits::ARCHIVED_SUMS_AT_ONCE;
use crate::month::months_around;

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, ToSchema, sqlx::Type)]
#[graphql(name = "AccountType")]
#[schema(as = AccountType)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum AccountKind {
    /// Everyday payments.
    Checking,
    /// Savings.
    Savings,
    /// The bank's own.
    Settlement,
}

/// Whether an account takes debits and credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum AccountStatus {
    /// It does.
    Open,
    /// Not for now.
    Frozen,
    /// Never again.
    Closed,
}

/// One account.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct AccountRow {
    pub(crate) account_id: i64,
    pub(crate) user_id: Option<i64>,
    pub(crate) reference: Option<String>,
    pub(crate) kind: AccountKind,
    pub(crate) currency: CurrencyColumn,
    pub(crate) status: AccountStatus,
    balance: i64,
    #[sqlx(try_from = "String")]
    in_transit: SumColumn,
    overdraft_limit: i64,
    pub(crate) revision: i64,
    pub(crate) opened_at: DateTime<Utc>,
}

impl AccountRow {
    /// What is on it, debits in flight taken off.
    pub(crate) const fn balance(&self) -> Money {
        self.currency.money(self.balance)
    }

    /// What may be taken off it now, in minor units.
    pub(crate) fn available(&self) -> i128 {
        i128::from(self.balance).saturating_add(self.overdraft_limit.into())
    }

    /// Debits whose transfer has not ended, in minor units.
    pub(crate) fn in_transit(&self) -> i128 {
        self.in_transit.into()
    }

    /// How far below zero it may go.
    pub(crate) const fn overdraft_limit(&self) -> Money {
        self.currency.money(self.overdraft_limit)
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select account_id, user_id, reference, kind, currency, status, balance, in_transit::text, overdraft_limit, \
                    revision, opened_at \
             from accounts ",
            $rest
        )
    };
}

const BY_ID: &str = select!("where account_id = $1");
const BY_IDS: &str = select!("where account_id = any($1)");
const BY_REFERENCES: &str = select!("where reference = any($1)");
const OF_USER: &str = select!("where user_id = $3 and account_id > $1 order by account_id limit $2");
const OF_ALL: &str = select!("where account_id > $1 order by account_id limit $2");

/// An account by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AccountById(pub(crate) i64);

impl Key for AccountById {
    fn place(&self) -> Place {
        Place::With(self.0)
    }
}

impl Loader<AccountById> for ReadModels {
    type Value = AccountRow;
    type Error = ReadError;

    async fn load(&self, keys: &[AccountById]) -> Result<HashMap<AccountById, AccountRow>, ReadError> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        let rows: Vec<AccountRow> = self.pool.all(sqlx::query_as(BY_IDS).bind(ids)).await?;
        Ok(rows.into_iter().map(|row| (AccountById(row.account_id), row)).collect())
    }
}

/// An account by its external reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AccountByReference(pub(crate) String);

impl Key for AccountByReference {
    fn place(&self) -> Place {
        Place::Anywhere
    }
}

impl Loader<AccountByReference> for ReadModels {
    type Value = AccountRow;
    type Error = ReadError;

    async fn load(
        &self,
        keys: &[AccountByReference],
    ) -> Result<HashMap<AccountByReference, AccountRow>, ReadError> {
        let references: Vec<&str> = keys.iter().map(|key| key.0.as_str()).collect();
        let rows: Vec<AccountRow> =
            sqlx::query_as(BY_REFERENCES).bind(references).fetch_all(&self.pool).await?;
        let keyed =
            rows.into_iter().filter_map(|row| Some((AccountByReference(row.reference.clone()?), row)));
        Ok(keyed.collect())
    }
}

/// One account.
pub(crate) async fn by_id(
    databases: &ReadDatabases,
    account_id: i64,
) -> Result<Option<AccountRow>, ReadError> {
    let home = databases.of(account_id).await?;
    let row = sqlx::query_as(BY_ID).bind(account_id).fetch_optional(&home.pool).await?;
    Ok(row)
}

/// A page of a user's accounts, or of all accounts, in the order of their ids.
pub(crate) async fn page(
    databases: &ReadDatabases,
    user_id: Option<i64>,
    request: &PageRequest<IdCursor>,
) -> Result<Page<AccountRow>, ReadError> {
    let after = request.after.map_or(0, |cursor| cursor.0);
    let one_more = i64::try_from(request.limit).unwrap_or(0).saturating_add(1);
    let pages = databases.each(|models| async move {
        let query = match user_id {
            Some(user_id) => sqlx::query_as(OF_USER).bind(after).bind(one_more).bind(user_id),
            None => sqlx::query_as(OF_ALL).bind(after).bind(one_more),
        };
        let rows: Vec<AccountRow> = query.fetch_all(&models.pool).await?;
        Ok(rows)
    });
    // Each database has the first ones of its own.
    let rows = super::merged(pages.await?, |row| row.account_id);
    Ok(Page::from_rows(rows, request.limit, false, request.after.is_some()))
}

/// Which of an entry's two times counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
#[graphql(name = "TimeBasis")]
pub(crate) enum TimeBasis {
    /// Business time: what belongs to that day, also if it was known later.
    Booked,
    /// The log's time: what was known then, whatever it was booked for.
    Recorded,
}

/// An account's balance at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BalanceAt {
    pub(crate) account_id: i64,
    pub(crate) time: DateTime<Utc>,
    pub(crate) by: TimeBasis,
}

#[derive(FromRow)]
struct BalanceAtRow {
    account_id: i64,
    time: DateTime<Utc>,
    #[sqlx(try_from = "String")]
    balance: SumColumn,
}

/// Whole earlier months come from their totals, so that at most two months of entries are read however old the account is.
const BOOKED_AT: &str = "
    select key.account_id, key.time, (
        (select coalesce(sum(credits - debits), 0) from monthly_totals totals
         where totals.account_id = key.account_id and totals.month < key.first)
      + (select coalesce(sum(case entry.kind when 'debit' then -entry.amount else entry.amount end), 0) from transactions entry
         where entry.account_id = key.account_id and entry.month between key.first and key.last and entry.booked_at <= key.time)
    )::text as balance
    from unnest($1::bigint[], $2::timestamptz[], $3::date[], $4::date[]) as key(account_id, time, first, last)";

/// The same without entries that are in the archive, which may not have left yet.
const BOOKED_AT_UNARCHIVED: &str = "
    select key.account_id, key.time, (
        (select coalesce(sum(credits - debits), 0) from monthly_totals totals
         where totals.account_id = key.account_id and totals.month < key.first)
      + (select coalesce(sum(case entry.kind when 'debit' then -entry.amount else entry.amount end), 0) from transactions entry
         where entry.account_id = key.account_id and entry.month between key.first and key.last and entry.booked_at <= key.time
           and not exists (select from unnest($5::date[], $6::timestamptz[]) as archived(month, recorded_until)
                           where archived.month = entry.month and entry.recorded_at <= archived.recorded_until))
    )::text as balance
    from unnest($1::bigint[], $2::timestamptz[], $3::date[], $4::date[]) as key(account_id, time, first, last)";

/// The log's time never decreases: the newest entry until then names the balance.
const RECORDED_AT: &str = "
    select key.account_id, key.time, newest.recorded_at, newest.revision, newest.balance_after
    from unnest($1::bigint[], $2::timestamptz[]) as key(account_id, time)
    cross join lateral (
        select entry.recorded_at, entry.revision, entry.balance_after from transactions entry
        where entry.account_id = key.account_id and entry.recorded_at <= key.time
        order by entry.recorded_at desc, entry.revision desc limit 1) newest";

#[derive(FromRow)]
struct NewestRow {
    account_id: i64,
    time: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    revision: i64,
    balance_after: i64,
}

pub(super) const STATEMENTS: super::Statements = &[
    ("account by id", BY_ID),
    ("accounts by id", BY_IDS),
    ("accounts by reference", BY_REFERENCES),
    ("accounts of a user", OF_USER),
    ("accounts", OF_ALL),
    ("balance by booked time", BOOKED_AT),
    ("balance by booked time, unarchived", BOOKED_AT_UNARCHIVED),
    ("balance by recorded time", RECORDED_AT),
];

impl Key for BalanceAt {
    fn place(&self) -> Place {
        Place::With(self.account_id)
    }
}

impl Loader<BalanceAt> for ReadModels {
    type Value = SumColumn;
    type Error = ReadError;

    async fn load(&self, keys: &[BalanceAt]) -> Result<HashMap<BalanceAt, SumColumn>, ReadError> {
        let by = |by: TimeBasis| keys.iter().filter(move |key| key.by == by).copied().collect::<Vec<_>>();
        let mut balances = self.balances_by_booked_time(&by(TimeBasis::Booked)).await?;
        balances.extend(self.balances_by_recorded_time(&by(TimeBasis::Recorded)).await?);
        Ok(balances)
    }
}

impl ReadModels {
    async fn balances_by_booked_time(&self, keys: &[BalanceAt]) -> Result<Found<BalanceAt>, ReadError> {
        let months = keys.iter().flat_map(|key| <[Month; 2]>::from(months_around(key.time)));
        let months = months.map(Month::first_day);
        let (Some(first), Some(last)) = (months.clone().min(), months.max()) else {
            return Ok(HashMap::new());
        };
        self.with_archived(first, last, |archived| async move {
            if archived.is_empty() {
                return self.booked(BOOKED_AT, keys, &[]).await;
            }
            // All at once and before anything else: soon after the list was taken.
            let mut balances = self.booked(BOOKED_AT_UNARCHIVED, keys, &archived).await?;
            let archived = &archived;
            let moves: Vec<_> = keys
                .iter()
                .map(|key| {
                    let key = *key;
                    async move {
                        let (first, last) = months_around(key.time);
                        let months = first.first_day()..=last.first_day();
                        let of_key = archived.iter().filter(|archived| months.contains(&archived.month));
                        let of_key: Vec<Archived> = of_key.copied().collect();
                        let moved = self.archived_moves(key.account_id, &of_key, key.time).await?;
                        Ok::<_, ReadError>((key, moved))
                    }
                })
                .collect();
            let mut moves = stream::iter(moves).buffer_unordered(ARCHIVED_SUMS_AT_ONCE);
            while let Some((key, moved)) = moves.try_next().await? {
                balances.entry(key).and_modify(|balance| *balance = balance.plus(moved.into()));
            }
            Ok(balances)
        })
        .await
    }

    async fn booked(
        &self,
        statement: &'static str,
        keys: &[BalanceAt],
        archived: &[Archived],
    ) -> Result<Found<BalanceAt>, ReadError> {
        let (ids, times): (Vec<i64>, Vec<DateTime<Utc>>) =
            keys.iter().map(|key| (key.account_id, key.time)).unzip();
        let months = times.iter().map(|time| months_around(*time));
        let (first, last): (Vec<NaiveDate>, Vec<NaiveDate>) =
            months.map(|(first, last)| (first.first_day(), last.first_day())).unzip();
        let mut query = sqlx::query_as(statement).bind(ids).bind(times).bind(first).bind(last);
        if !archived.is_empty() {
            let (months, until): (Vec<NaiveDate>, Vec<DateTime<Utc>>) =
                archived.iter().map(|archived| (archived.month, archived.recorded_until)).unzip();
            query = query.bind(months).bind(until);
        }
        let rows: Vec<BalanceAtRow> = query.fetch_all(&self.pool).await?;
        let key = |row: &BalanceAtRow| BalanceAt {
            account_id: row.account_id,
            time: row.time,
            by: TimeBasis::Booked,
        };
        Ok(rows.into_iter().map(|row| (key(&row), row.balance)).collect())
    }

    async fn balances_by_recorded_time(&self, keys: &[BalanceAt]) -> Result<Found<BalanceAt>, ReadError> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        // Whatever month it is of, it may have been recorded at any time.
        self.with_archived(NaiveDate::MIN, NaiveDate::MAX, |archived| async move {
            let (ids, times): (Vec<i64>, Vec<DateTime<Utc>>) =
                keys.iter().map(|key| (key.account_id, key.time)).unzip();
            let rows: Vec<NewestRow> =
                sqlx::query_as(RECORDED_AT).bind(ids).bind(times).fetch_all(&self.pool).await?;
            let here: HashMap<_, _> = rows
                .into_iter()
                .map(|row| {
                    let place = (row.recorded_at, row.revision);
                    ((row.account_id, row.time), Known { place, balance_after: row.balance_after })
                })
                .collect();
            let mut balances = HashMap::with_capacity(keys.len());
            for key in keys {
                let known = here.get(&(key.account_id, key.time)).copied();
                let newest = self.archived_newest(key.account_id, &archived, key.time, known).await?;
                let balance = newest.map_or(0, |known| i128::from(known.balance_after));
                balances.insert(*key, balance.into());
            }
            Ok(balances)
        })
        .await
    }
}
