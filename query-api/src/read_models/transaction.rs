//! Entries of accounts: who moved what, in the order of booking.

use std::collections::{HashMap, HashSet};

use async_graphql::Enum;
use async_graphql::dataloader::Loader;
use chrono::{DateTime, NaiveDate, Utc};
use futures::future::try_join_all;
use ledger_core::{Month, Position};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use utoipa::ToSchema;

use super::entry_filter::{fits, status_of_debit, transfer_status};
use super::range::Range;
use super::transfer::TransferStatus;
use super::{CurrencyColumn, Found, Key, Place, ReadError, ReadModels};
use crate::connection::{EntryCursor, Page};
use crate::database::ReadDatabases;
use crate::limits::{STATUS_STEP_MAX, STATUS_STEP_MIN};
use crate::month::months_around;

/// Which side of the account an entry stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TransactionType {
    /// Money left the account.
    Debit,
    /// Money came to the account, also a debit that came back.
    Credit,
}

/// How final an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, Serialize, ToSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
enum EntryKind {
    Debit,
    Credit,
    Reversal,
}

/// One entry. As Redis has it, too: another form needs another number there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TransactionRow {
    pub(crate) account_id: i64,
    pub(crate) month: NaiveDate,
    pub(crate) revision: i64,
    pub(crate) transfer_id: i64,
    kind: EntryKind,
    amount: i64,
    balance_after: i64,
    pub(crate) currency: CurrencyColumn,
    pub(crate) counterparty: i64,
    pub(crate) description: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) booked_at: DateTime<Utc>,
    pub(crate) recorded_at: DateTime<Utc>,
    /// Of its transfer; none where nobody has looked.
    transfer_status: Option<TransferStatus>,
    /// Of its event, in a live update.
    #[serde(skip)]
    pub(crate) position: Option<Position>,
}

/// The columns of an entry, in the order in which a row is read. What its transfer is like comes after them.
macro_rules! entry_columns {
    () => {
        "account_id, month, revision, transfer_id, kind, amount, balance_after, currency, counterparty, description, reference, \
         booked_at, recorded_at"
    };
}

/// By the places of its columns: by their names, a page would look up seven hundred.
impl FromRow<'_, PgRow> for TransactionRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            account_id: row.try_get(0)?,
            month: row.try_get(1)?,
            revision: row.try_get(2)?,
            transfer_id: row.try_get(3)?,
            kind: row.try_get(4)?,
            amount: row.try_get(5)?,
            balance_after: row.try_get(6)?,
            currency: row.try_get(7)?,
            counterparty: row.try_get(8)?,
            description: row.try_get(9)?,
            reference: row.try_get(10)?,
            booked_at: row.try_get(11)?,
            recorded_at: row.try_get(12)?,
            transfer_status: row.try_get(13)?,
            position: None,
        })
    }
}

impl TransactionRow {
    /// An archived one.
    pub(crate) fn archived(row: archive::Row, month: NaiveDate) -> Self {
        Self {
            account_id: row.account_id,
            month,
            revision: row.revision,
            transfer_id: row.transfer_id,
            kind: match row.kind {
                archive::EntryKind::Debit => EntryKind::Debit,
                archive::EntryKind::Credit => EntryKind::Credit,
                archive::EntryKind::Reversal => EntryKind::Reversal,
            },
            amount: row.amount,
            balance_after: row.balance_after,
            currency: CurrencyColumn(row.currency),
            counterparty: row.counterparty,
            description: row.description,
            reference: row.reference,
            booked_at: row.booked_at,
            recorded_at: row.recorded_at,
            transfer_status: (row.kind == archive::EntryKind::Debit).then_some(match row.status {
                archive::Status::Completed => TransferStatus::Completed,
                archive::Status::Reversed => TransferStatus::Failed,
            }),
            position: None,
        }
    }

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

    /// True when the account had this balance with this entry in it, in minor units.
    pub(crate) const fn has_balance_after(&self, balance: i64) -> bool {
        self.balance_after == balance
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

    /// The transfer whose state its own follows from.
    pub(super) fn depends_on(&self) -> Option<i64> {
        (self.kind == EntryKind::Debit).then_some(self.transfer_id)
    }

    /// Takes note of how far that transfer has come, as far as anybody knows.
    pub(super) fn follow(&mut self, transfer: Option<TransferStatus>) {
        self.transfer_status = transfer;
    }

    /// True when nothing of it changes any more.
    pub(crate) fn is_final(&self) -> bool {
        self.status() != TransactionStatus::Pending
    }
}

/// How final a debit is whose transfer has come so far.
pub(super) const fn debit_status(transfer: Option<TransferStatus>) -> TransactionStatus {
    status(EntryKind::Debit, transfer)
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

/// What has become of the transfers whose entries have this status, as [`transfer_status!`] says it.
pub(super) fn transfers_of(wanted: TransactionStatus) -> Vec<&'static str> {
    let all = TransferStatus::ALL.into_iter();
    all.filter(|transfer| debit_status(Some(*transfer)) == wanted).map(TransferStatus::as_str).collect()
}

/// One page of one account's entries. Keys that differ only in the account become one statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EntriesOf {
    pub(crate) account_id: i64,
    pub(crate) range: Range,
}

macro_rules! page {
    ($order:literal, $fits:expr) => {
        concat!(
            "select entry.*, ",
            transfer_status!(),
            " as transfer_status \
             from unnest($1::bigint[]) as key(account_id) \
             cross join lateral ( \
                 select ",
            entry_columns!(),
            " from transactions entry \
                 where account_id = key.account_id and month between $2 and $4::date - ($5 < 0)::integer \
                   and (month, revision) > ($2, $3) and (month, revision) < ($4, $5) and ",
            $fits,
            " order by ",
            $order,
            " limit $6) entry order by ",
            $order
        )
    };
}

/// Index ranges of the primary key, read from either end. The months are said once more by themselves: partitions are known by them. An
/// end before a month's first entry leaves that month out.
const ASCENDING: &str = page!("month, revision", "true");
const DESCENDING: &str = page!("month desc, revision desc", "true");
/// The same, passing over what does not fit.
const ASCENDING_FITTING: &str = page!("month, revision", fits!());
const DESCENDING_FITTING: &str = page!("month desc, revision desc", fits!());

impl ReadModels {
    /// One more than the page has, if there is one, of each account: from the database, and from archived months.
    pub(super) async fn entries(
        &self,
        accounts: &[i64],
        range: &Range,
    ) -> Result<Vec<TransactionRow>, ReadError> {
        self.with_archived(range.after.month, range.before.month, |months| async move {
            let rows = self.entries_here(accounts, range).await?;
            if months.is_empty() {
                return Ok(rows);
            }
            self.add_archived(accounts, range, &months, rows).await
        })
        .await
    }

    async fn entries_here(&self, accounts: &[i64], range: &Range) -> Result<Vec<TransactionRow>, ReadError> {
        let statement = match (range.backward, &range.filter) {
            (false, None) => ASCENDING,
            (true, None) => DESCENDING,
            (false, Some(_)) => ASCENDING_FITTING,
            (true, Some(_)) => DESCENDING_FITTING,
        };
        let one_more = i64::try_from(range.one_more()).unwrap_or(i64::MAX);
        let mut query = range.bind(sqlx::query_as(statement).bind(accounts)).bind(one_more);
        if let Some(filter) = &range.filter {
            query = filter.bind(query);
        }
        Ok(self.pool.all(query).await?)
    }
}

impl ReadDatabases {
    /// A page of one account's entries, oldest first; of all states.
    pub(crate) async fn entries_page(
        &self,
        account_id: i64,
        range: &Range,
    ) -> Result<Page<TransactionRow>, ReadError> {
        let rows = self.of(account_id).await?.entries(&[account_id], range).await?;
        let mut page = Page::from_rows(rows, range.limit, range.backward, range.cut_off);
        self.add_states(page.items.iter_mut().collect()).await?;
        Ok(page)
    }

    /// Adds the states of transfers that are in another database than their debits.
    async fn add_states(&self, mut entries: Vec<&mut TransactionRow>) -> Result<(), ReadError> {
        if !self.are_several() {
            return Ok(());
        }
        let away = |row: &TransactionRow| {
            row.depends_on().filter(|id| self.home_of(*id) != self.home_of(row.account_id))
        };
        entries.retain(|row| away(row).is_some());
        let states = self.transfer_states(entries.iter().map(|row| row.transfer_id).collect()).await?;
        for row in entries {
            row.follow(states.get(&row.transfer_id).map(|state| state.of_entry()));
        }
        Ok(())
    }

    /// As [`Self::entries_page`], of one state, which the account's database alone does not know: reads on, in ever larger steps, until the
    /// page is full. Whoever waits for it gives up at some time.
    pub(super) async fn entries_page_of_status(
        &self,
        account_id: i64,
        range: &Range,
    ) -> Result<Page<TransactionRow>, ReadError> {
        let mut fitting: Vec<TransactionRow> = Vec::new();
        let (mut part, status) = range.whatever_status(range.limit.max(STATUS_STEP_MIN));
        while fitting.len() <= range.limit {
            let mut rows = self.of(account_id).await?.entries(&[account_id], &part).await?;
            let last = rows.last().map(TransactionRow::cursor).filter(|_| rows.len() > part.limit);
            self.add_states(rows.iter_mut().collect()).await?;
            fitting.extend(rows.into_iter().filter(|row| status.is_none_or(|status| row.status() == status)));
            let Some(last) = last else { break };
            part.go_on(last);
            part.limit = part.limit.saturating_mul(2).min(STATUS_STEP_MAX);
        }
        Ok(Page::from_rows(fitting, range.limit, range.backward, range.cut_off))
    }
}

impl Key for EntriesOf {
    fn place(&self) -> Place {
        Place::With(self.account_id)
    }

    async fn load(databases: &ReadDatabases, keys: &[Self]) -> Result<Found<Self>, ReadError> {
        let (by_status, others): (Vec<Self>, Vec<Self>) =
            keys.iter().cloned().partition(|key| key.range.asks_for_status());
        let mut pages = databases.found(&others).await?;
        databases.add_states(pages.values_mut().flat_map(|page| &mut page.items).collect()).await?;
        let read: Vec<_> = by_status
            .iter()
            .map(|key| databases.entries_page_of_status(key.account_id, &key.range))
            .collect();
        pages.extend(by_status.iter().cloned().zip(try_join_all(read).await?));
        Ok(pages)
    }
}

impl Loader<EntriesOf> for ReadModels {
    type Value = Page<TransactionRow>;
    type Error = ReadError;

    async fn load(&self, keys: &[EntriesOf]) -> Result<HashMap<EntriesOf, Page<TransactionRow>>, ReadError> {
        let mut accounts_by_range: HashMap<&Range, Vec<i64>> = HashMap::new();
        for key in keys {
            accounts_by_range.entry(&key.range).or_default().push(key.account_id);
        }
        let mut pages = HashMap::with_capacity(keys.len());
        for (range, accounts) in accounts_by_range {
            let mut rows_by_account: HashMap<i64, Vec<TransactionRow>> =
                HashMap::with_capacity(accounts.len());
            for row in self.entries(&accounts, range).await? {
                rows_by_account.entry(row.account_id).or_default().push(row);
            }
            pages.extend(accounts.into_iter().map(|account_id| {
                let rows = rows_by_account.remove(&account_id).unwrap_or_default();
                let page = Page::from_rows(rows, range.limit, range.backward, range.cut_off);
                (EntriesOf { account_id, range: range.clone() }, page)
            }));
        }
        Ok(pages)
    }
}

/// The place of an entry: its event's revision in the account's stream, and the time it was booked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryPlace {
    pub(crate) account_id: i64,
    pub(crate) revision: i64,
    pub(crate) booked_at: DateTime<Utc>,
}

/// Probes of the primary key: one for each place and month that it may be in.
const BY_PLACES: &str = concat!(
    "select entry.*, ",
    transfer_status!(),
    " as transfer_status \
     from unnest($1::bigint[], $2::date[], $3::bigint[]) as key(account_id, month, revision) \
     cross join lateral ( \
         select ",
    entry_columns!(),
    " from transactions \
         where account_id = key.account_id and month = key.month and revision = key.revision limit 1) entry"
);

pub(super) const STATEMENTS: super::Statements = &[
    ("page", ASCENDING),
    ("page from the end", DESCENDING),
    ("page that fits", ASCENDING_FITTING),
    ("page that fits, from the end", DESCENDING_FITTING),
    ("entries by place", BY_PLACES),
];

/// Those of the entries that the read models have, in any order.
pub(crate) async fn by_places(
    databases: &ReadDatabases,
    places: &[EntryPlace],
) -> Result<Vec<TransactionRow>, ReadError> {
    let places = places.iter().map(|place| (place.account_id, *place)).collect();
    let parts =
        databases.divided(places, |models, places| async move { models.by_places(&places).await }).await?;
    let mut rows: Vec<TransactionRow> = parts.into_iter().flatten().collect();
    databases.add_states(rows.iter_mut().collect()).await?;
    Ok(rows)
}

impl ReadModels {
    async fn by_places(&self, places: &[EntryPlace]) -> Result<Vec<TransactionRow>, ReadError> {
        let months = places.iter().flat_map(|place| <[Month; 2]>::from(months_around(place.booked_at)));
        let months = months.map(Month::first_day);
        let (Some(first), Some(last)) = (months.clone().min(), months.max()) else { return Ok(Vec::new()) };
        self.with_archived(first, last, |months| async move {
            let mut rows = self.by_places_here(places).await?;
            if !months.is_empty() {
                let here: HashSet<_> = rows.iter().map(|row| (row.account_id, row.revision)).collect();
                let away = places.iter().filter(|place| !here.contains(&(place.account_id, place.revision)));
                rows.extend(self.archived_places(&months, away.copied()).await?);
            }
            Ok(rows)
        })
        .await
    }

    async fn by_places_here(&self, places: &[EntryPlace]) -> Result<Vec<TransactionRow>, ReadError> {
        let (mut accounts, mut months, mut revisions) = (Vec::new(), Vec::new(), Vec::new());
        for place in places {
            let (first, last) = months_around(place.booked_at);
            for month in [Some(first), (last != first).then_some(last)].into_iter().flatten() {
                accounts.push(place.account_id);
                months.push(month.first_day());
                revisions.push(place.revision);
            }
        }
        let query = sqlx::query_as(BY_PLACES).bind(accounts).bind(months).bind(revisions);
        Ok(self.pool.all(query).await?)
    }
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
