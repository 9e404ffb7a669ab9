//! Transfers: how far each has come, and why it failed.

use std::collections::HashMap;

use async_graphql::Enum;
use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use ledger_core::Position;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;

use super::dead_letter::{Resolution, Standing};
use super::{CurrencyColumn, Found, Key, Place, ReadError, ReadModels};
use crate::connection::StuckCursor;
use crate::database::ReadDatabases;

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, Deserialize, ToSchema, sqlx::Type)]
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

impl TransferStatus {
    pub(super) const ALL: [Self; 4] = [Self::Pending, Self::Completed, Self::Failed, Self::Rejected];

    /// As the table has it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
        }
    }
}

/// A step of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TransferStep {
    /// A client asked for it.
    Requested,
    /// The source account refused.
    DebitRefused,
    /// The money left the source account.
    Debited,
    /// The destination account refused.
    CreditRefused,
    /// The transfer was put aside for an operator; the last time.
    Parked,
    /// An operator had it tried again; the last time.
    Retried,
    /// An operator said how it is to end; the last time.
    Resolved,
    /// The source account does without the money, which goes to the destination account after all.
    ReversalWaived,
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

/// What a transfer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum StepName {
    /// The source account's answer.
    Debit,
    /// Its end, after the source account refused.
    Reject,
    /// The destination account's answer.
    Credit,
    /// The money's way back, after the destination account refused.
    Reverse,
    /// The source account's word that the money does not come back.
    WaiveReversal,
    /// The credit that was refused before.
    ForceCredit,
    /// Its end, after both legs were booked.
    Complete,
    /// Its end, after the money came back.
    Fail,
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct TransferRow {
    pub(crate) transfer_id: i64,
    pub(crate) from_account: i64,
    pub(crate) to_account: i64,
    amount: i64,
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
    debit_refused_at: Option<DateTime<Utc>>,
    credit_refused_at: Option<DateTime<Utc>>,
    reversal_waived_at: Option<DateTime<Utc>>,
    parked_at: Option<DateTime<Utc>>,
    retried_at: Option<DateTime<Utc>>,
    resolved_at: Option<DateTime<Utc>>,
    resolution: Option<Resolution>,
    standing: Option<Standing>,
    from_user: Option<i64>,
    to_user: Option<i64>,
    /// In a live update: everything up to here is in it.
    #[sqlx(skip)]
    pub(crate) position: Option<Position>,
}

impl TransferRow {
    pub(crate) fn amount(&self) -> String {
        self.currency.amount(self.amount)
    }

    pub(crate) const fn cursor(&self) -> StuckCursor {
        StuckCursor { requested_at: self.requested_at, transfer_id: self.transfer_id }
    }

    /// The holders of both accounts.
    pub(crate) const fn owners(&self) -> [Option<i64>; 2] {
        [self.from_user, self.to_user]
    }

    /// When both legs were booked; nothing for a transfer that ended otherwise.
    pub(crate) fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.ended_at.filter(|_| self.status == TransferStatus::Completed)
    }

    /// When the log recorded its last step.
    pub(crate) fn changed_at(&self) -> DateTime<Utc> {
        self.timeline().map(|(_, at)| at).max().unwrap_or(self.requested_at)
    }

    /// True when it has changed since `older` was read.
    pub(crate) fn is_newer_than(&self, older: &Self) -> bool {
        self.changed_at() >= older.changed_at() && *self != Self { position: self.position, ..older.clone() }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.status != TransferStatus::Pending
    }

    /// True while it waits for an operator.
    pub(crate) fn is_parked(&self) -> bool {
        self.standing == Some(Standing::Parked) && !self.has_ended()
    }

    /// What it waits for: the process manager's next step, as the rows tell it. Nothing when it has ended.
    pub(crate) fn waits_for(&self) -> Option<StepName> {
        let step = if self.has_ended() {
            return None;
        } else if self.credited_at.is_some() {
            StepName::Complete
        } else if self.reversed_at.is_some() {
            StepName::Fail
        } else if self.reversal_waived_at.is_some() {
            StepName::ForceCredit
        } else if self.credit_refused_at.is_some() {
            match self.resolution {
                Some(Resolution::Complete) => StepName::WaiveReversal,
                Some(Resolution::Refund) | None => StepName::Reverse,
            }
        } else if self.debited_at.is_some() {
            StepName::Credit
        } else if self.debit_refused_at.is_some() {
            StepName::Reject
        } else {
            StepName::Debit
        };
        Some(step)
    }

    /// Every step so far with the time the log recorded it, in the order they were taken.
    pub(crate) fn timeline(&self) -> impl Iterator<Item = (TransferStep, DateTime<Utc>)> + use<> {
        let end = match self.status {
            TransferStatus::Pending => None,
            TransferStatus::Completed => Some(TransferStep::Completed),
            TransferStatus::Failed => Some(TransferStep::Failed),
            TransferStatus::Rejected => Some(TransferStep::Rejected),
        };
        let mut steps = [
            (Some(TransferStep::Requested), Some(self.requested_at)),
            (Some(TransferStep::DebitRefused), self.debit_refused_at),
            (Some(TransferStep::Debited), self.debited_at),
            (Some(TransferStep::CreditRefused), self.credit_refused_at),
            (Some(TransferStep::Parked), self.parked_at),
            (Some(TransferStep::Retried), self.retried_at),
            (Some(TransferStep::Resolved), self.resolved_at),
            (Some(TransferStep::ReversalWaived), self.reversal_waived_at),
            (Some(TransferStep::Credited), self.credited_at),
            (Some(TransferStep::Reversed), self.reversed_at),
            (end, self.ended_at),
        ];
        // What was recorded at the same time stays in the order above.
        steps.sort_by_key(|(_, at)| *at);
        steps.into_iter().filter_map(|(step, at)| step.zip(at))
    }
}

/// Few transfers have a dead letter, and it is found by primary key.
macro_rules! select_transfers {
    ($rest:literal) => {
        concat!(
            "select transfer_id, from_account, to_account, transfers.amount, transfers.currency, status, failure_reason, description, \
                    reference, requested_at, debited_at, credited_at, reversed_at, ended_at, debit_refused_at, credit_refused_at, \
                    reversal_waived_at, letter.parked_at, letter.retried_at, letter.resolved_at, letter.resolution, letter.standing, \
                    (select user_id from accounts where account_id = from_account) as from_user, \
                    (select user_id from accounts where account_id = to_account) as to_user \
             from transfers \
             left join lateral ( \
                 select parked_at, retried_at, resolved_at, resolution, standing from dead_letters \
                 where dead_letters.transfer_id = transfers.transfer_id \
             ) letter on true ",
            $rest
        )
    };
}
pub(super) use select_transfers;

const BY_ID: &str = select_transfers!("where transfer_id = any($1)");

pub(super) const STATEMENTS: super::Statements =
    &[("transfers by id", BY_ID), ("transfers by id with their place", BY_ID_PLACED)];

/// A transfer by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TransferById(pub(crate) i64);

impl Key for TransferById {
    fn place(&self) -> Place {
        Place::With(self.0)
    }

    async fn load(databases: &ReadDatabases, keys: &[Self]) -> Result<Found<Self>, ReadError> {
        let mut found = databases.found(keys).await?;
        complete(databases, found.values_mut().collect()).await?;
        Ok(found)
    }
}

impl Loader<TransferById> for ReadModels {
    type Value = TransferRow;
    type Error = ReadError;

    async fn load(&self, keys: &[TransferById]) -> Result<HashMap<TransferById, TransferRow>, ReadError> {
        let ids: Vec<i64> = keys.iter().map(|key| key.0).collect();
        let rows: Vec<TransferRow> = sqlx::query_as(BY_ID).bind(ids).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| (TransferById(row.transfer_id), row)).collect())
    }
}

/// With the place up to which the rows hold everything, as of the same instant: rows and checkpoints are committed together.
const BY_ID_PLACED: &str = concat!(
    "select placed.*, (select min(position) from checkpoints where projection in ('transfers', 'dead_letters')) as reached from (",
    select_transfers!("where transfer_id = any($1)"),
    ") placed"
);

#[derive(FromRow)]
struct Placed {
    #[sqlx(flatten)]
    row: TransferRow,
    reached: Option<i64>,
}

/// Those of the transfers that there are, in any order, each with its `position`.
pub(crate) async fn by_ids_placed(
    databases: &ReadDatabases,
    ids: &[i64],
) -> Result<Vec<TransferRow>, ReadError> {
    let parts = databases.divided(ids.iter().map(|id| (*id, *id)).collect(), |models, ids| async move {
        let rows: Vec<Placed> = sqlx::query_as(BY_ID_PLACED).bind(ids).fetch_all(&models.pool).await?;
        Ok(rows)
    });
    let with_position =
        |Placed { row, reached }: Placed| TransferRow { position: reached.map(i64::unsigned_abs), ..row };
    let mut rows: Vec<TransferRow> = parts.await?.into_iter().flatten().map(with_position).collect();
    complete(databases, rows.iter_mut().collect()).await?;
    Ok(rows)
}

/// One transfer.
pub(crate) async fn by_id(
    databases: &ReadDatabases,
    transfer_id: i64,
) -> Result<Option<TransferRow>, ReadError> {
    let home = databases.of(transfer_id).await?;
    let mut row = sqlx::query_as(BY_ID).bind([transfer_id]).fetch_optional(&home.pool).await?;
    complete(databases, row.iter_mut().collect()).await?;
    Ok(row)
}

/// Adds what other databases have: who holds the accounts, and the dead letters.
pub(super) async fn complete(
    databases: &ReadDatabases,
    rows: Vec<&mut TransferRow>,
) -> Result<(), ReadError> {
    if !databases.are_several() {
        return Ok(());
    }
    let is_away = |account_id: i64, row: &TransferRow| {
        databases.home_of(account_id) != databases.home_of(row.transfer_id)
    };
    let sides = rows.iter().flat_map(|row| [row.from_account, row.to_account].map(|side| (side, &**row)));
    let accounts = sides.filter(|(side, row)| is_away(*side, row)).map(|(side, _)| side).collect();
    let ids = rows.iter().map(|row| row.transfer_id).filter(|id| databases.home_of(*id) != 0).collect();
    let (owners, letters) = tokio::try_join!(databases.owners(accounts), databases.letters(ids))?;
    for row in rows {
        row.from_user = row.from_user.or_else(|| owners.get(&row.from_account).copied());
        row.to_user = row.to_user.or_else(|| owners.get(&row.to_account).copied());
        if databases.home_of(row.transfer_id) != 0 {
            row.position = row.position.map(|own| letters.reached.map_or(0, i64::unsigned_abs).min(own));
        }
        if let Some(letter) = letters.by_transfer.get(&row.transfer_id) {
            row.parked_at = letter.parked_at;
            row.retried_at = letter.retried_at;
            row.resolved_at = letter.resolved_at;
            row.resolution = letter.resolution;
            row.standing = letter.standing;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
