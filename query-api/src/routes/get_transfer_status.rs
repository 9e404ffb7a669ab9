//! `GET /api/v1/transactions/{id}/status`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use ledger_core::TransferId;
use serde::Serialize;
use utoipa::ToSchema;

use super::segments::Segments;
use crate::QueryApi;
use crate::caller::Caller;
use crate::freshness::AtPosition;
use crate::problem::{Problem, ProblemBody};
use crate::read_models::transfer::{self, TransferRow, TransferStatus, TransferStep};

/// How far a transfer has come.
#[derive(Serialize, ToSchema)]
pub(crate) struct TransferStatusBody {
    transfer_id: String,
    status: TransferStatus,
    from_account: String,
    to_account: String,
    /// Decimal text with exactly the currency's digits.
    #[schema(example = "10.50")]
    amount: String,
    /// ISO 4217 code.
    currency: &'static str,
    /// Why it failed or was rejected, as a stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "account_closed")]
    failure_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    requested_at: DateTime<Utc>,
    /// When both legs were booked.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<DateTime<Utc>>,
    timeline: Vec<Step>,
}

/// A step that was taken.
#[derive(Serialize, ToSchema)]
#[schema(as = TimelineStep)]
pub(crate) struct Step {
    step: TransferStep,
    at: DateTime<Utc>,
}

impl From<TransferRow> for TransferStatusBody {
    fn from(row: TransferRow) -> Self {
        Self {
            transfer_id: row.transfer_id.to_string(),
            status: row.status,
            from_account: row.from_account.to_string(),
            to_account: row.to_account.to_string(),
            amount: row.amount(),
            currency: row.currency.0.code(),
            requested_at: row.requested_at,
            completed_at: row.completed_at(),
            timeline: row.timeline().map(|(step, at)| Step { step, at }).collect(),
            failure_reason: row.failure_reason,
            description: row.description,
            reference: row.reference,
        }
    }
}

/// A transfer's status. Send the position that came with the 202 to be sure that it is known here.
#[utoipa::path(
    get,
    path = "/api/v1/transactions/{id}/status",
    tag = "transactions",
    params(
        ("id" = String, Path, description = "The transfer's id"),
        ("x-daybook-position" = Option<String>, Header, description = "Wait until the read models have reached this position"),
    ),
    responses(
        (status = 200, body = TransferStatusBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_id`, `invalid_position`"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`transfer_not_found`: none, or not for this caller"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`projection_behind`"),
    )
)]
pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    Segments(id): Segments<String>,
) -> Result<Json<TransferStatusBody>, Problem> {
    let transfer_id: TransferId = id.parse().map_err(|error| Problem::invalid_id(&error))?;
    let read = || async { Ok(transfer::by_id(&api.databases, transfer_id.as_i64()).await?) };
    let row = api.read_at(at, read).await?;
    let row = row.filter(|row| caller.may_read_transfer(row)).ok_or(Problem::TransferNotFound)?;
    Ok(Json(row.into()))
}
