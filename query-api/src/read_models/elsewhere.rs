//! What a row needs of rows in other databases. With one database its statement has brought it all; with several, what lives in another
//! one is absent after the first step and is looked up in a second, with one statement for each kind and database.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::ReadError;
use super::dead_letter::{Resolution, Standing};
use super::transfer::TransferStatus;
use crate::database::ReadDatabases;

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, FromRow)]
pub(super) struct TransferState {
    transfer_id: i64,
    pub(super) status: TransferStatus,
    is_reversed: bool,
}

impl TransferState {
    /// A debit that came back is as good as failed, also in the moment before the transfer says so.
    pub(super) const fn of_entry(self) -> TransferStatus {
        if self.is_reversed { TransferStatus::Failed } else { self.status }
    }
}

const STATES: &str = "select transfer_id, status, reversed_at is not null as is_reversed from transfers where transfer_id = any($1)";
const OWNERS: &str =
    "select account_id, user_id from accounts where account_id = any($1) and user_id is not null";

/// What a dead letter says of its transfer.
#[derive(Clone, Copy, Debug)]
pub(super) struct LetterTimes {
    pub(super) parked_at: Option<DateTime<Utc>>,
    pub(super) retried_at: Option<DateTime<Utc>>,
    pub(super) resolved_at: Option<DateTime<Utc>>,
    pub(super) resolution: Option<Resolution>,
    pub(super) standing: Option<Standing>,
}

/// Rows and checkpoint as of the same instant, as they are committed together.
const LETTERS: &str = "
    select reached.position, letter.transfer_id, parked_at, retried_at, resolved_at, resolution, standing
    from (select min(position) as position from checkpoints where projection = 'dead_letters') reached
    left join dead_letters letter on letter.transfer_id = any($1)";

#[derive(FromRow)]
struct LetterRow {
    position: Option<i64>,
    transfer_id: Option<i64>,
    parked_at: Option<DateTime<Utc>>,
    retried_at: Option<DateTime<Utc>>,
    resolved_at: Option<DateTime<Utc>>,
    resolution: Option<Resolution>,
    standing: Option<Standing>,
}

/// Dead letters of some transfers, and the position up to which these are all.
#[derive(Debug, Default)]
pub(super) struct Letters {
    pub(super) by_transfer: HashMap<i64, LetterTimes>,
    pub(super) reached: Option<i64>,
}

pub(super) const STATEMENTS: super::Statements =
    &[("states of transfers", STATES), ("owners of accounts", OWNERS)];

impl ReadDatabases {
    /// How far these transfers have come.
    pub(super) async fn transfer_states(
        &self,
        transfer_ids: Vec<i64>,
    ) -> Result<HashMap<i64, TransferState>, ReadError> {
        let ids = transfer_ids.into_iter().map(|id| (id, id)).collect();
        let states = self
            .divided(ids, |models, ids| async move {
                let states: Vec<TransferState> =
                    sqlx::query_as(STATES).bind(ids).fetch_all(&models.pool).await?;
                Ok(states)
            })
            .await?;
        Ok(states.into_iter().flatten().map(|state| (state.transfer_id, state)).collect())
    }

    /// Who holds these accounts.
    pub(super) async fn owners(&self, account_ids: Vec<i64>) -> Result<HashMap<i64, i64>, ReadError> {
        let ids = account_ids.into_iter().map(|id| (id, id)).collect();
        let owners = self
            .divided(ids, |models, ids| async move {
                let owners: Vec<(i64, i64)> =
                    sqlx::query_as(OWNERS).bind(ids).fetch_all(&models.pool).await?;
                Ok(owners)
            })
            .await?;
        Ok(owners.into_iter().flatten().collect())
    }

    /// The dead letters of these transfers.
    pub(super) async fn letters(&self, transfer_ids: Vec<i64>) -> Result<Letters, ReadError> {
        if transfer_ids.is_empty() {
            return Ok(Letters::default());
        }
        let first = self.first().await?;
        let rows: Vec<LetterRow> = sqlx::query_as(LETTERS).bind(transfer_ids).fetch_all(&first.pool).await?;
        let reached = rows.first().and_then(|row| row.position);
        let letter = |row: LetterRow| {
            let LetterRow { parked_at, retried_at, resolved_at, resolution, standing, .. } = row;
            Some((row.transfer_id?, LetterTimes { parked_at, retried_at, resolved_at, resolution, standing }))
        };
        Ok(Letters { by_transfer: rows.into_iter().filter_map(letter).collect(), reached })
    }
}
