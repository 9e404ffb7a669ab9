//! `GET /api/v1/deadletters/{id}`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use ledger_core::TransferId;
use serde::Serialize;
use utoipa::ToSchema;

use super::get_dead_letters::DeadLetter;
use super::segments::Segments;
use crate::QueryApi;
use crate::caller::Caller;
use crate::freshness::AtPosition;
use crate::problem::{Problem, ProblemBody};
use crate::read_models::dead_letter::{self, DeadLetterEvent, HappenedRow, Resolution};
use crate::read_models::transfer::StepName;

/// A dead letter with its history.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetterWithHistory {
    #[serde(flatten)]
    dead_letter: DeadLetter,
    /// What happened to it, in order: the newest 50.
    history: Vec<Happened>,
}

/// Something that happened to a dead letter.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetterHistory)]
pub(crate) struct Happened {
    event: DeadLetterEvent,
    at: DateTime<Utc>,
    /// Who: role and subject.
    #[schema(example = "operator:operator")]
    actor: String,
    /// Why: a code or an error for tries and parkings, an operator's words for the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What the transfer waited for when it was parked.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<StepName>,
    /// How it is to end, when it was resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<Resolution>,
}

impl From<HappenedRow> for Happened {
    fn from(row: HappenedRow) -> Self {
        Self {
            event: row.kind,
            at: row.at,
            actor: row.actor,
            reason: row.reason,
            step: row.step,
            resolution: row.resolution,
        }
    }
}

/// What was said of a transfer that was parked, for operators and auditors.
#[utoipa::path(
    get,
    path = "/api/v1/deadletters/{id}",
    tag = "operations",
    params(
        ("id" = String, Path, description = "The transfer's id"),
        ("x-daybook-position" = Option<String>, Header, description = "Wait until the read models have reached this position"),
    ),
    responses(
        (status = 200, body = DeadLetterWithHistory),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_id`, `invalid_position`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`dead_letter_not_found`: it was never parked"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`projection_behind`"),
    )
)]
pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    Segments(id): Segments<String>,
) -> Result<Json<DeadLetterWithHistory>, Problem> {
    caller.require_everything()?;
    let transfer_id: TransferId = id.parse().map_err(|error| Problem::invalid_id(&error))?;
    let transfer_id = transfer_id.as_i64();
    let read = || async {
        Ok(tokio::try_join!(
            dead_letter::by_transfer(&api.databases, transfer_id),
            dead_letter::history(&api.databases, transfer_id),
        )?)
    };
    let (row, history) = api.read_at(at, read).await?;
    let dead_letter = row.ok_or(Problem::DeadLetterNotFound)?.into();
    Ok(Json(DeadLetterWithHistory {
        dead_letter,
        history: history.into_iter().map(Happened::from).collect(),
    }))
}
