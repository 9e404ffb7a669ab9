//! `GET /api/v1/transactions/stuck`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use crate::QueryApi;
use crate::caller::Caller;
use crate::connection::PageRequest;
use crate::freshness::AtPosition;
use crate::limits::STUCK_AFTER_SECONDS;
use crate::problem::{Problem, ProblemBody};
use crate::read_models::stuck;
use crate::read_models::transfer::{StepName, TransferRow};

/// Which transfers.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StuckQuery {
    /// How many seconds ago they were asked for at least: 60 when absent.
    older_than: Option<u32>,
    /// How many: 0 to 200, 50 when absent.
    first: Option<i32>,
    /// The cursor of the page before, from its `next`.
    after: Option<String>,
}

/// A page of transfers that have not ended for longer than they should.
#[derive(Serialize, ToSchema)]
pub(crate) struct StuckPage {
    /// Oldest first.
    transfers: Vec<StuckTransfer>,
    /// The cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A transfer that has not ended for longer than it should.
#[derive(Serialize, ToSchema)]
pub(crate) struct StuckTransfer {
    transfer_id: String,
    from_account: String,
    to_account: String,
    /// Decimal text with exactly the currency's digits.
    #[schema(example = "10.50")]
    amount: String,
    /// ISO 4217 code.
    currency: &'static str,
    requested_at: DateTime<Utc>,
    /// Whole seconds since it was asked for.
    age_seconds: i64,
    /// What it waits for.
    step: StepName,
    /// True while it waits for an operator: it is a dead letter.
    parked: bool,
}

impl StuckTransfer {
    fn of(row: &TransferRow, now: DateTime<Utc>) -> Self {
        Self {
            transfer_id: row.transfer_id.to_string(),
            from_account: row.from_account.to_string(),
            to_account: row.to_account.to_string(),
            amount: row.amount(),
            currency: row.currency.0.code(),
            requested_at: row.requested_at,
            age_seconds: stuck::age_seconds(row, now),
            // What was read as pending waits for something.
            step: row.waits_for().unwrap_or(StepName::Complete),
            parked: row.is_parked(),
        }
    }
}

/// Transfers that have not ended although they were asked for some time ago, parked ones included, for operators and auditors.
#[utoipa::path(
    get,
    path = "/api/v1/transactions/stuck",
    tag = "operations",
    params(
        StuckQuery,
        ("x-daybook-position" = Option<String>, Header, description = "Wait until the read models have reached this position"),
    ),
    responses(
        (status = 200, body = StuckPage),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_page`, `invalid_cursor`, `invalid_query`, `invalid_position`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`projection_behind`"),
    )
)]
pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    Asked(query): Asked<StuckQuery>,
) -> Result<Json<StuckPage>, Problem> {
    caller.require_everything()?;
    let StuckQuery { older_than, first, after } = query;
    let page = PageRequest::onward(first, after)?;
    let age = TimeDelta::seconds(older_than.unwrap_or(STUCK_AFTER_SECONDS).into());
    let read = || async {
        let now = Utc::now();
        Ok((now, stuck::page(&api.databases, now, age, &page).await?))
    };
    let (now, page) = api.read_at(at, read).await?;
    let next = page.next(|row| row.cursor());
    let transfers = page.items.iter().map(|row| StuckTransfer::of(row, now)).collect();
    Ok(Json(StuckPage { transfers, next }))
}
