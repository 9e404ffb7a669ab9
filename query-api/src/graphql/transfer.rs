//! Transfers.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use ledger_core::TransferId;

use super::big_int::BigInt;
use super::dead_letter::{self, DeadLetter};
use super::failure::Failure;
use super::scope::Scope;
use crate::problem::Problem;
use crate::read_models::transfer::{TransferById, TransferRow, TransferStatus, TransferStep};

/// Money on its way from one account to another, or there.
pub(super) struct Transfer(pub(super) TransferRow);

/// A step of a transfer that was taken.
#[derive(SimpleObject)]
pub(super) struct TimelineStep {
    /// Which.
    step: TransferStep,
    /// When the log recorded it.
    at: DateTime<Utc>,
}

#[Object]
impl Transfer {
    /// Its id, a decimal string.
    async fn id(&self) -> ID {
        self.0.transfer_id.into()
    }

    /// The id of the account to debit.
    async fn from(&self) -> ID {
        self.0.from_account.into()
    }

    /// The id of the account to credit.
    async fn to(&self) -> ID {
        self.0.to_account.into()
    }

    /// Decimal text with exactly the currency's digits.
    async fn amount(&self) -> String {
        self.0.amount()
    }

    /// ISO 4217 code.
    async fn currency(&self) -> &str {
        self.0.currency.0.code()
    }

    /// How far it has come.
    async fn status(&self) -> TransferStatus {
        self.0.status
    }

    /// Why it failed or was rejected, as a stable code such as `account_closed`.
    async fn failure_reason(&self) -> Option<&str> {
        self.0.failure_reason.as_deref()
    }

    /// The payer's text.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// The transaction's number elsewhere.
    async fn reference(&self) -> Option<&str> {
        self.0.reference.as_deref()
    }

    /// When it was asked for.
    async fn requested_at(&self) -> DateTime<Utc> {
        self.0.requested_at
    }

    /// When both legs were booked; null for a transfer that is under way or ended otherwise.
    async fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.0.completed_at()
    }

    /// Every step so far.
    #[graphql(complexity = "5 * child_complexity")]
    async fn timeline(&self) -> Vec<TimelineStep> {
        self.0.timeline().map(|(step, at)| TimelineStep { step, at }).collect()
    }

    /// In `transferUpdated`, the place in the log up to which this is what became of it: `after` it a subscription goes on. Null elsewhere.
    async fn position(&self) -> Option<BigInt> {
        self.0.position.map(BigInt)
    }

    /// What was said of it when it could not go on by itself. Null when it never was parked, and for customers.
    async fn dead_letter(&self, context: &Context<'_>) -> Result<Option<DeadLetter>, Failure> {
        dead_letter::of_transfer(Scope::of(context)?, self.0.transfer_id).await
    }
}

/// Questions about transfers.
#[derive(Default)]
pub(super) struct TransferQuery;

#[Object]
impl TransferQuery {
    /// A transfer by its id. Null when there is none, or neither account is for this caller.
    async fn transfer(&self, context: &Context<'_>, id: ID) -> Result<Option<Transfer>, Failure> {
        let scope = Scope::of(context)?;
        let row = scope.loaders.load_one(TransferById(transfer_id(&id)?.as_i64())).await?;
        Ok(row.filter(|row| scope.caller.may_read_transfer(row)).map(Transfer))
    }
}

/// Reads a transfer's id.
pub(super) fn transfer_id(id: &ID) -> Result<TransferId, Failure> {
    Ok(id.parse().map_err(|error| Problem::invalid_id(&error))?)
}
