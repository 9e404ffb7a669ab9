//! Transfers: how far each has come, and why it failed.

use std::collections::HashMap;

use async_graphql::Enum;
use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgPool};
use utoipa::ToSchema;

use super::{CurrencyColumn, ReadError, ReadModels};

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum TransferStatus {
    /// Under way.
    Pending,
    /// Both legs are booked.
    Completed,
    /// The credit was refused; the money is back where it came from.
    Failed,
    /// Refused before any money moved.
    Rejected,
}

/// A step of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TransferStep {
    /// A client asked for it.
    Requested,
    /// The money left the source account.
    Debited,
    /// The money arrived at the destination account.
    Credited,
    /// The money came back to the source account.
    Reversed,
    /// The end: booked.
    Completed,
    /// The end: the credit was refused.
    Failed,
    /// The end: refused before any money moved.
    Rejected,
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct TransferRow {
    pub(crate) transfer_id: i64,
    pub(crate) from_account: i64,
    pub(crate) to_account: i64,
    amount: i64,
    #[sqlx(try_from = "String")]
    pub(crate) currency: CurrencyColumn,
    pub(crate) status: TransferStatus,
    pub(crate) failure_reason: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) requested_at: DateTime<Utc>,
    debited_at: Option<DateTime<Utc>>,
    credited_at: Option<DateTime<Utc>>,
    reversed_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    from_user: Option<i64>,
    to_user: Option<i64>,
}

impl TransferRow {
    pub(crate) fn amount(&self) -> String {
        self.currency.amount(self.amount)
    }

    /// The holders of both accounts.
    pub(crate) const fn owners(&self) -> [Option<i64>; 2] {
        [self.from_user, self.to_user]
    }

    /// When both legs were booked; nothing for a transfer that ended otherwise.
    pub(crate) fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.ended_at.filter(|_| self.status == TransferStatus::Completed)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.status != TransferStatus::Pending
    }

    /// Every step so far with the time the log recorded it, in the order they are taken.
    pub(crate) fn timeline(&self) -> impl Iterator<Item = (TransferStep, DateTime<Utc>)> {
        let end = match self.status {
            TransferStatus::Pending => None,
            TransferStatus::Completed => Some(TransferStep::Completed),
            TransferStatus::Failed => Some(TransferStep::Failed),
            TransferStatus::Rejected => Some(TransferStep::Rejected),
        };
        [
            (Some(TransferStep::Requested), Some(self.requested_at)),
            (Some(TransferStep::Debited), self.debited_at),
            (Some(TransferStep::Credited), self.credited_at),
            (Some(TransferStep::Reversed), self.reversed_at),
            (end, self.ended_at),
        ]
        .into_iter()
        .filter_map(|(step, at)| step.zip(at))
    }
}

const BY_ID: &str = "
    select transfer_id, from_account, to_account, amount, currency, status, failure_reason, description, reference,
           requested_at, debited_at, credited_at, reversed_at, ended_at,
           (select user_id from accounts where account_id = from_account) as from_user,
           (select user_id from accounts where account_id = to_account) as to_user
    from transfers
    where transfer_id = any($1)";

/// A transfer by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TransferById(pub(crate) i64);

impl Loader<TransferById> for ReadModels {
    type Value = TransferRow;
    type Error = ReadError;

    async fn load(&self, keys: &[TransferById]) -> Result<HashMap<TransferById, TransferRow>, ReadError> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        let rows: Vec<TransferRow> = sqlx::query_as(BY_ID).bind(ids).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| (TransferById(row.transfer_id), row)).collect())
    }
}

/// One transfer.
pub(crate) async fn by_id(pool: &PgPool, transfer_id: i64) -> Result<Option<TransferRow>, ReadError> {
    let row = sqlx::query_as(BY_ID).bind([transfer_id]).fetch_optional(pool).await?;
    Ok(row)
}
