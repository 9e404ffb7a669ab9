//! `POST /api/v1/accounts/{account_id}/deposits`: cash onto an account.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use ledger_core::AccountId;

use crate::CommandApi;
use crate::body::{Body, Id};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::TransferAccepted;
use crate::routes::cash::{CashBody, Way, move_cash};

/// Deposits cash: a transfer from the bank's cash account, ended before this answers.
#[utoipa::path(
    post, path = "/api/v1/accounts/{account_id}/deposits", tag = "accounts",
    params(("account_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CashBody,
    responses(
        (status = 202, description = "Taken on; nearly always completed already", body = TransferAccepted),
        (status = 400, description = "Refused: account_frozen, account_closed, currency_mismatch, invalid_amount, …"),
        (status = 404, description = "account_not_found"),
        (status = 409, description = "idempotency_key_reused"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(account): Id<AccountId>,
    headers: HeaderMap,
    Body(body): Body<CashBody>,
) -> Result<Response, Problem> {
    caller.operator()?;
    move_cash(&api, &caller, account, &headers, body, Way::In).await
}
