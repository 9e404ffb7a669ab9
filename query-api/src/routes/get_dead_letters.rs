//! `GET /api/v1/deadletters`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use crate::QueryApi;
use crate::caller::Caller;
use crate::connection::PageRequest;
use crate::freshness::AtPosition;
use crate::problem::{Problem, ProblemBody};
use crate::read_models::dead_letter::{self, DeadLetterRow, Resolution, Standing};
use crate::read_models::transfer::{StepName, TransferStatus};

/// Which dead letters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeadLettersQuery {
    /// Only those that stand like this; `parked` are the ones that wait for an operator.
    standing: Option<Standing>,
    /// How many: 0 to 200, 50 when absent.
    first: Option<i32>,
    /// The cursor of the page before, from its `next`.
    after: Option<String>,
}

/// A page of dead letters.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLettersPage {
    /// In the order of their transfers' ids.
    dead_letters: Vec<DeadLetter>,
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A transfer that was put aside because it could not go on by itself.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetter {
    transfer_id: String,
    /// A parked transfer is pending.
    transfer_status: TransferStatus,
    from_account: String,
    to_account: String,
    /// Decimal text with exactly the currency's digits.
    #[schema(example = "10.50")]
    amount: String,
    /// ISO 4217 code.
    currency: &'static str,
    /// What was said of it last, or `ended`.
    standing: Standing,
    /// How an operator said that it is to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<Resolution>,
    /// What it waited for when it was parked last.
    step: StepName,
    /// Why it was parked last: a stable code, or an error.
    #[schema(example = "balance_out_of_range")]
    reason: String,
    /// How often it had been tried then, since it was asked for or since an operator's last word.
    attempts: i64,
    /// How often it was parked.
    times_parked: i64,
    first_parked_at: DateTime<Utc>,
    /// The last time.
    parked_at: DateTime<Utc>,
}

impl From<DeadLetterRow> for DeadLetter {
    fn from(row: DeadLetterRow) -> Self {
        Self {
            transfer_id: row.transfer_id.to_string(),
            transfer_status: row.transfer_status(),
            from_account: row.from_account.to_string(),
            to_account: row.to_account.to_string(),
            amount: row.amount(),
            currency: row.currency.0.code(),
            standing: row.standing(),
            resolution: row.resolution,
            step: row.step,
            attempts: row.attempts,
            times_parked: row.times_parked,
            first_parked_at: row.first_parked_at,
            parked_at: row.parked_at,
            reason: row.reason,
        }
    }
}

/// Transfers that were parked, for operators and auditors.
#[utoipa::path(
    get,
    path = "/api/v1/deadletters",
    tag = "operations",
    params(
        DeadLettersQuery,
        ("x-daybook-position" = Option<String>, Header, description = "Wait until the read models have reached this position"),
    ),
    responses(
        (status = 200, body = DeadLettersPage),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_page`, `invalid_cursor`, `invalid_query`, `invalid_position`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`projection_behind`"),
    )
)]
pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    Asked(query): Asked<DeadLettersQuery>,
) -> Result<Json<DeadLettersPage>, Problem> {
    caller.require_everything()?;
    let DeadLettersQuery { standing, first, after } = query;
    let page = PageRequest::onward(first, after)?;
    let read = || async { Ok(dead_letter::page(&api.databases, standing, &page).await?) };
    let page = api.read_at(at, read).await?;
    let next = page.next(|row| row.cursor());
    Ok(Json(DeadLettersPage { dead_letters: page.items.into_iter().map(DeadLetter::from).collect(), next }))
}
