//! `POST /api/v1/accounts/{account_id}/withdrawals`: cash off an account.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use ledger_core::{AccountId, Rejection};

use crate::CommandApi;
use crate::body::{Body, Id};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::TransferAccepted;
use crate::routes::cash::{CashBody, Way, move_cash};

/// Withdraws cash: a transfer to the bank's cash account, ended before this answers.
#[utoipa::path(
    post, path = "/api/v1/accounts/{account_id}/withdrawals", tag = "accounts",
    params(("account_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CashBody,
    responses(
        (status = 202, description = "Taken on; nearly always completed already", body = TransferAccepted),
        (status = 400, description = "Refused: insufficient_funds, account_frozen, account_closed, currency_mismatch, …"),
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
    if api.ledger.view(account).await?.is_none() {
        return Err(Problem::of_resource(Rejection::AccountNotFound));
    }
    caller.spender(&api, account).await?;
    move_cash(&api, &caller, account, &headers, body, Way::Out).await
}
