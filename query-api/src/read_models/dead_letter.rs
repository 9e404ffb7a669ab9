//! Dead letters: transfers that were parked, and what became of them.

use std::collections::HashMap;

use async_graphql::Enum;
use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;

use super::transfer::{StepName, TransferStatus};
use super::{CurrencyColumn, Found, Key, Place, ReadError, ReadModels};
use crate::connection::{DeadLetterCursor, Page, PageRequest};
use crate::database::ReadDatabases;
use crate::limits::{DEAD_LETTER_HISTORY_MAX, STANDING_STEP};

/// What was said last of a transfer that was parked, or that nothing needs to be said any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[graphql(name = "DeadLetterStanding")]
#[schema(as = DeadLetterStanding)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Standing {
    /// It waits for an operator.
    Parked,
    /// It was to be tried again.
    Retried,
    /// It was to end as an operator said.
    Resolved,
    /// It was parked, and has ended since without an operator's word: another driver was at work.
    // In the table when it ended after it was parked; else derived.
    Ended,
}

/// How an operator said that a parked transfer is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Resolution {
    /// The money goes back, or never leaves.
    Refund,
    /// The money arrives.
    Complete,
}

/// What can happen to a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum DeadLetterEvent {
    /// A try came to nothing.
    Failed,
    /// The transfer was put aside.
    Parked,
    /// An operator had it tried again.
    Retried,
    /// An operator said how it is to end.
    Resolved,
}

/// One dead letter.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct DeadLetterRow {
    pub(crate) transfer_id: i64,
    pub(crate) from_account: i64,
    pub(crate) to_account: i64,
    amount: i64,
    pub(crate) currency: CurrencyColumn,
    standing: Standing,
    pub(crate) resolution: Option<Resolution>,
    pub(crate) step: StepName,
    pub(crate) reason: String,
    pub(crate) attempts: i64,
    pub(crate) times_parked: i64,
    pub(crate) first_parked_at: DateTime<Utc>,
    pub(crate) parked_at: DateTime<Utc>,
    /// Null while no read model has the transfer.
    transfer_status: Option<TransferStatus>,
}

impl DeadLetterRow {
    pub(crate) fn amount(&self) -> String {
        self.currency.amount(self.amount)
    }

    /// How far its transfer has come.
    pub(crate) fn transfer_status(&self) -> TransferStatus {
        self.transfer_status.unwrap_or(TransferStatus::Pending)
    }

    /// What was said of it last, unless it has ended without a word. One that was parked after its end, by a driver that slept, stands as parked.
    pub(crate) fn standing(&self) -> Standing {
        match (self.standing, self.transfer_status()) {
            (Standing::Parked, TransferStatus::Pending) => Standing::Parked,
            (Standing::Parked, _) => Standing::Ended,
            (said, _) => said,
        }
    }

    pub(crate) const fn cursor(&self) -> DeadLetterCursor {
        DeadLetterCursor(self.transfer_id)
    }
}

/// Something that happened to a dead letter.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct HappenedRow {
    transfer_id: i64,
    pub(crate) kind: DeadLetterEvent,
    pub(crate) at: DateTime<Utc>,
    pub(crate) actor: String,
    pub(crate) reason: Option<String>,
    pub(crate) step: Option<StepName>,
    pub(crate) resolution: Option<Resolution>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select transfer_id, from_account, to_account, amount, currency, standing, resolution, step, reason, attempts, \
                    times_parked, first_parked_at, parked_at, \
                    (select status from transfers where transfers.transfer_id = dead_letters.transfer_id) as transfer_status \
             from dead_letters ",
            $rest
        )
    };
}

/// The dead letter of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DeadLetterOf(pub(crate) i64);

impl Key for DeadLetterOf {
    fn place(&self) -> Place {
        Place::First
    }

    async fn load(databases: &ReadDatabases, keys: &[Self]) -> Result<Found<Self>, ReadError> {
        let mut found = databases.found(keys).await?;
        complete(databases, found.values_mut().collect()).await?;
        Ok(found)
    }
}

impl Loader<DeadLetterOf> for ReadModels {
    type Value = DeadLetterRow;
    type Error = ReadError;

    async fn load(&self, keys: &[DeadLetterOf]) -> Result<HashMap<DeadLetterOf, DeadLetterRow>, ReadError> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        let rows: Vec<DeadLetterRow> =
            sqlx::query_as(select!("where transfer_id = any($1)")).bind(ids).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| (DeadLetterOf(row.transfer_id), row)).collect())
    }
}

/// One dead letter.
pub(crate) async fn by_transfer(
    databases: &ReadDatabases,
    transfer_id: i64,
) -> Result<Option<DeadLetterRow>, ReadError> {
    let pool = &databases.first().await?.pool;
    let mut row =
        sqlx::query_as(select!("where transfer_id = $1")).bind(transfer_id).fetch_optional(pool).await?;
    complete(databases, row.iter_mut().collect()).await?;
    Ok(row)
}

/// Adds how far those transfers have come that are in other databases.
async fn complete(databases: &ReadDatabases, mut rows: Vec<&mut DeadLetterRow>) -> Result<(), ReadError> {
    if !databases.are_several() {
        return Ok(());
    }
    rows.retain(|row| databases.home_of(row.transfer_id) != 0);
    let states = databases.transfer_states(rows.iter().map(|row| row.transfer_id).collect()).await?;
    for row in rows {
        row.transfer_status = states.get(&row.transfer_id).map(|state| state.status);
    }
    Ok(())
}

/// A range of the index by standing. What is parked is probed by the transfers' key: a few may have been parked after their end.
const STANDING: &str = select!(
    "where standing = $3 and transfer_id > $1 \
       and (standing <> 'parked' \
            or not exists (select from transfers \
                           where transfers.transfer_id = dead_letters.transfer_id and status <> 'pending')) \
     order by transfer_id limit $2"
);

/// Those too.
const ENDED: &str = select!(
    "where standing in ('parked', 'ended') and transfer_id > $1 \
       and (standing = 'ended' \
            or exists (select from transfers \
                       where transfers.transfer_id = dead_letters.transfer_id and status <> 'pending')) \
     order by transfer_id limit $2"
);

/// All that may have ended without a word, for those whose transfers are in other databases.
const MAYBE_ENDED: &str =
    select!("where standing in ('parked', 'ended') and transfer_id > $1 order by transfer_id limit $2");

/// A page of all dead letters, or of those that stand like this, in the order of their transfers' ids.
pub(crate) async fn page(
    databases: &ReadDatabases,
    standing: Option<Standing>,
    request: &PageRequest<DeadLetterCursor>,
) -> Result<Page<DeadLetterRow>, ReadError> {
    let mut after = request.after.map_or(0, |cursor| cursor.0);
    if !databases.are_several() {
        let rows = part(databases, standing, after, request.limit).await?;
        return Ok(Page::from_rows(rows, request.limit, false, request.after.is_some()));
    }
    // Of some it is known only when their transfers have been looked up whether they stand like this.
    let mut fitting: Vec<DeadLetterRow> = Vec::new();
    let step = request.limit.max(STANDING_STEP);
    while fitting.len() <= request.limit {
        let mut rows = part(databases, standing, after, step).await?;
        let last = rows.last().map(|row| row.transfer_id).filter(|_| rows.len() > step);
        complete(databases, rows.iter_mut().collect()).await?;
        fitting.extend(rows.into_iter().filter(|row| standing.is_none_or(|wanted| row.standing() == wanted)));
        let Some(last) = last else { break };
        after = last;
    }
    Ok(Page::from_rows(fitting, request.limit, false, request.after.is_some()))
}

/// One more than `limit` of those that come after a transfer, and stand like this as far as the first database knows.
async fn part(
    databases: &ReadDatabases,
    standing: Option<Standing>,
    after: i64,
    limit: usize,
) -> Result<Vec<DeadLetterRow>, ReadError> {
    let one_more = i64::try_from(limit).unwrap_or(0).saturating_add(1);
    let query = match standing {
        Some(Standing::Ended) if databases.are_several() => {
            sqlx::query_as(MAYBE_ENDED).bind(after).bind(one_more)
        }
        Some(Standing::Ended) => sqlx::query_as(ENDED).bind(after).bind(one_more),
        Some(standing) => sqlx::query_as(STANDING).bind(after).bind(one_more).bind(standing),
        None => sqlx::query_as(select!("where transfer_id > $1 order by transfer_id limit $2"))
            .bind(after)
            .bind(one_more),
    };
    Ok(query.fetch_all(&databases.first().await?.pool).await?)
}

/// What happened to a transfer's dead letter: the newest, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HistoryOf(pub(crate) i64);

/// Ranges of the primary key, read from the end.
const HISTORY: &str = "
    select happened.transfer_id, kind, at, actor, reason, step, resolution
    from unnest($1::bigint[]) as key(transfer_id)
    cross join lateral (
        select * from dead_letter_history
        where transfer_id = key.transfer_id
        order by revision desc, place desc
        limit $2
    ) happened
    order by revision, place";

impl Key for HistoryOf {
    fn place(&self) -> Place {
        Place::First
    }
}

impl Loader<HistoryOf> for ReadModels {
    type Value = Vec<HappenedRow>;
    type Error = ReadError;

    async fn load(&self, keys: &[HistoryOf]) -> Result<HashMap<HistoryOf, Vec<HappenedRow>>, ReadError> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        let mut histories: HashMap<HistoryOf, Vec<HappenedRow>> = HashMap::new();
        for row in self.histories(ids).await? {
            histories.entry(HistoryOf(row.transfer_id)).or_default().push(row);
        }
        Ok(histories)
    }
}

/// What happened to a transfer's dead letter.
pub(crate) async fn history(
    databases: &ReadDatabases,
    transfer_id: i64,
) -> Result<Vec<HappenedRow>, ReadError> {
    databases.first().await?.histories(vec![transfer_id]).await
}

impl ReadModels {
    async fn histories(&self, transfer_ids: Vec<i64>) -> Result<Vec<HappenedRow>, ReadError> {
        let most = i64::try_from(DEAD_LETTER_HISTORY_MAX).unwrap_or(i64::MAX);
        Ok(sqlx::query_as(HISTORY).bind(transfer_ids).bind(most).fetch_all(&self.pool).await?)
    }
}
