//! `GET /api/v1/accounts/{id}`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use ledger_core::AccountId;
use serde::Serialize;
use utoipa::ToSchema;

use super::segments::Segments;
use crate::QueryApi;
use crate::caller::Caller;
use crate::freshness::AtPosition;
use crate::problem::{Problem, ProblemBody};
use crate::read_models::account::{self, AccountKind, AccountRow, AccountStatus};

/// An account. Amounts are decimal text with exactly the currency's digits.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    account_id: String,
    /// The account's number elsewhere.
    reference: Option<String>,
    /// Its holder; null for settlement accounts and imported accounts.
    user_id: Option<String>,
    r#type: AccountKind,
    /// ISO 4217 code.
    currency: &'static str,
    status: AccountStatus,
    opened_at: DateTime<Utc>,
    /// What is on it, debits in flight taken off.
    #[schema(example = "10.50")]
    balance: String,
    /// What may be taken off it now: balance plus overdraft limit.
    available: String,
    /// Debits whose transfer has not ended.
    in_transit: String,
    /// How far below zero it may go.
    overdraft_limit: String,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Self {
            account_id: row.account_id.to_string(),
            balance: row.balance().amount(),
            available: row.currency.amount(row.available()),
            in_transit: row.currency.amount(row.in_transit()),
            overdraft_limit: row.overdraft_limit().amount(),
            reference: row.reference,
            user_id: row.user_id.map(|id| id.to_string()),
            r#type: row.kind,
            currency: row.currency.0.code(),
            status: row.status,
            opened_at: row.opened_at,
        }
    }
}

/// An account and its balance.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{id}",
    tag = "accounts",
    params(
        ("id" = String, Path, description = "The account's id"),
        ("x-daybook-position" = Option<String>, Header, description = "Wait until the read models have reached this position"),
    ),
    responses(
        (status = 200, body = Account),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_id`, `invalid_position`"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`account_not_found`: none, or not for this caller"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`projection_behind`"),
    )
)]
pub(crate) async fn handle(
    State(api): State<QueryApi>,
    caller: Caller,
    at: AtPosition,
    Segments(id): Segments<String>,
) -> Result<Json<Account>, Problem> {
    let account_id = account_id(&id)?;
    let row = api.read_with(account_id.as_i64(), at, || visible(&api, &caller, account_id)).await?;
    Ok(Json(row.into()))
}

/// Reads an account's id.
pub(super) fn account_id(id: &str) -> Result<AccountId, Problem> {
    id.parse().map_err(|error| Problem::invalid_id(&error))
}

/// The account, if there is one for this caller.
pub(super) async fn visible(api: &QueryApi, caller: &Caller, id: AccountId) -> Result<AccountRow, Problem> {
    let row = account::by_id(&api.databases, id.as_i64()).await?;
    row.filter(|row| caller.may_read(row.user_id)).ok_or(Problem::AccountNotFound)
}
