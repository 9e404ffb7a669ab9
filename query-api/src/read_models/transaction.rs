//! Entries of accounts: who moved what, in the order of booking.

use std::collections::HashMap;

use async_graphql::Enum;
use async_graphql::dataloader::Loader;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use super::transfer::TransferStatus;
use super::{CurrencyColumn, ReadError, ReadModels};
use crate::connection::{EntryCursor, Page, PageRequest};
use crate::limits::LATEST_TRANSACTIONS;
use crate::month::Month;

/// Which side of the account an entry stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TransactionType {
    /// Money left the account.
    Debit,
    /// Money came to the account, also a debit that came back.
    Credit,
}

/// How final an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TransactionStatus {
    /// A debit whose money has not arrived yet.
    Pending,
    /// Final.
    Completed,
    /// A debit whose money came back by another entry.
    Reversed,
}

/// What happened to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
enum EntryKind {
    Debit,
    Credit,
    Reversal,
}

/// One entry.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct TransactionRow {
    pub(crate) account_id: i64,
    pub(crate) month: NaiveDate,
    pub(crate) revision: i64,
    pub(crate) transfer_id: i64,
    kind: EntryKind,
    amount: i64,
    balance_after: i64,
    #[sqlx(try_from = "String")]
    pub(crate) currency: CurrencyColumn,
    pub(crate) counterparty: i64,
    pub(crate) description: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) booked_at: DateTime<Utc>,
    pub(crate) recorded_at: DateTime<Utc>,
    /// Of a debit's transfer; null for other entries.
    transfer_status: Option<TransferStatus>,
}

impl TransactionRow {
    /// Unique among all entries, and the same for ever: an entry is an event of its account's stream.
    pub(crate) fn id(&self) -> String {
        format!("{}-{}", self.account_id, self.revision)
    }

    pub(crate) const fn cursor(&self) -> EntryCursor {
        EntryCursor { month: self.month, revision: self.revision }
    }

    pub(crate) fn amount(&self) -> String {
        self.currency.amount(self.amount)
    }

    pub(crate) fn balance_after(&self) -> String {
        self.currency.amount(self.balance_after)
    }

    pub(crate) const fn side(&self) -> TransactionType {
        match self.kind {
            EntryKind::Debit => TransactionType::Debit,
            EntryKind::Credit | EntryKind::Reversal => TransactionType::Credit,
        }
    }

    pub(crate) fn status(&self) -> TransactionStatus {
        status(self.kind, self.transfer_status)
    }
}

/// Money that came is final. A debit is, once its transfer completed; a debit whose transfer no read model knows yet is pending.
const fn status(kind: EntryKind, transfer: Option<TransferStatus>) -> TransactionStatus {
    match (kind, transfer) {
        (EntryKind::Credit | EntryKind::Reversal, _)
        | (EntryKind::Debit, Some(TransferStatus::Completed)) => TransactionStatus::Completed,
        (EntryKind::Debit, Some(TransferStatus::Failed | TransferStatus::Rejected)) => {
            TransactionStatus::Reversed
        }
        (EntryKind::Debit, Some(TransferStatus::Pending) | None) => TransactionStatus::Pending,
    }
}

/// One page of one account's entries. Keys that differ only in the account become one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EntriesOf {
    pub(crate) account_id: i64,
    pub(crate) range: Range,
}

/// Part of an account's entries, both ends exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Range {
    after: EntryCursor,
    before: EntryCursor,
    limit: usize,
    backward: bool,
    /// True when the side that the page does not grow towards was cut by a cursor.
    cut_off: bool,
}

impl Range {
    /// A page of one month, or of all.
    pub(crate) fn new(month: Option<Month>, page: &PageRequest<EntryCursor>) -> Self {
        let first = EntryCursor::before(month.map_or(FIRST_DAY, Month::first_day));
        let end = EntryCursor::before(month.map_or(LAST_DAY, Month::end));
        Self {
            after: page.after.map_or(first, |after| after.max(first)),
            before: page.before.map_or(end, |before| before.min(end)),
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
        Self::new(
            None,
            &PageRequest { after: None, before: None, limit: LATEST_TRANSACTIONS, backward: true },
        )
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

/// The transfer's status is a subquery and not a join: whatever the statistics say of the tables, it is one probe of an index for each
/// debit on the page. A debit that came back is as good as failed, also in the moment before the transfer says so.
macro_rules! page {
    ($order:literal) => {
        concat!(
            "select entry.*, case entry.kind when 'debit' then ( \
                 select case when transfer.reversed_at is null then transfer.status else 'failed' end \
                 from transfers transfer where transfer.transfer_id = entry.transfer_id \
             ) end as transfer_status \
             from unnest($1::bigint[]) as key(account_id) \
             cross join lateral ( \
                 select account_id, month, revision, transfer_id, kind, amount, balance_after, currency, \
                        counterparty, description, reference, booked_at, recorded_at \
                 from transactions \
                 where account_id = key.account_id \
                   and (month, revision) > ($2, $3) and (month, revision) < ($4, $5) \
                 order by ",
            $order,
            " limit $6) entry order by ",
            $order
        )
    };
}

/// Index ranges of the primary key, read from either end.
const ASCENDING: &str = page!("month, revision");
const DESCENDING: &str = page!("month desc, revision desc");

impl ReadModels {
    async fn entries(&self, accounts: &[i64], range: &Range) -> Result<Vec<TransactionRow>, ReadError> {
        let statement = if range.backward { DESCENDING } else { ASCENDING };
        let one_more = i64::try_from(range.limit).unwrap_or(0).saturating_add(1);
        let rows = sqlx::query_as(statement)
            .bind(accounts)
            .bind(range.after.month)
            .bind(range.after.revision)
            .bind(range.before.month)
            .bind(range.before.revision)
            .bind(one_more)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows)
    }

    /// A page of one account's entries, oldest first.
    pub(crate) async fn entries_page(
        &self,
        account_id: i64,
        range: &Range,
    ) -> Result<Page<TransactionRow>, ReadError> {
        let rows = self.entries(&[account_id], range).await?;
        Ok(Page::from_rows(rows, range.limit, range.backward, range.cut_off))
    }
}

impl Loader<EntriesOf> for ReadModels {
    type Value = Page<TransactionRow>;
    type Error = ReadError;

    async fn load(&self, keys: &[EntriesOf]) -> Result<HashMap<EntriesOf, Page<TransactionRow>>, ReadError> {
        let mut accounts_by_range: HashMap<Range, Vec<i64>> = HashMap::new();
        for key in keys {
            accounts_by_range.entry(key.range).or_default().push(key.account_id);
        }
        let mut pages = HashMap::with_capacity(keys.len());
        for (range, accounts) in accounts_by_range {
            let mut rows_by_account: HashMap<i64, Vec<TransactionRow>> =
                HashMap::with_capacity(accounts.len());
            for row in self.entries(&accounts, &range).await? {
                rows_by_account.entry(row.account_id).or_default().push(row);
            }
            pages.extend(accounts.into_iter().map(|account_id| {
                let rows = rows_by_account.remove(&account_id).unwrap_or_default();
                let page = Page::from_rows(rows, range.limit, range.backward, range.cut_off);
                (EntriesOf { account_id, range }, page)
            }));
        }
        Ok(pages)
    }
}

/// One entry by its event: its stream's account, its revision and the time it was booked for.
pub(crate) async fn by_event(
    models: &ReadModels,
    account_id: i64,
    revision: i64,
    booked_at: DateTime<Utc>,
) -> Result<Option<TransactionRow>, ReadError> {
    let (first, last) = Month::around(booked_at);
    for month in [Some(first), (last != first).then_some(last)].into_iter().flatten() {
        let range = Range {
            after: EntryCursor { month: month.first_day(), revision: revision.saturating_sub(1) },
            before: EntryCursor { month: month.first_day(), revision: revision.saturating_add(1) },
            limit: 1,
            backward: false,
            cut_off: false,
        };
        if let Some(row) = models.entries(&[account_id], &range).await?.pop() {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
