//! `POST /api/v1/accounts/{account_id}/close`: close an account for good.

use axum::extract::State;
use axum::response::Response;
use ledger_core::AccountId;
use ledger_core::account::AccountCommand;

use crate::CommandApi;
use crate::body::Id;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::{AccountAnswer, command_account};

/// Closes an account for good. Its balance must be zero.
#[utoipa::path(
    post, path = "/api/v1/accounts/{account_id}/close", tag = "accounts",
    params(("account_id" = String, Path)),
    responses(
        (status = 200, description = "Done, now or before", body = AccountAnswer),
        (status = 400, description = "Refused: balance_not_zero, settlement_account"),
        (status = 404, description = "account_not_found"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(account): Id<AccountId>,
) -> Result<Response, Problem> {
    caller.operator()?;
    command_account(&api, &caller, account, &AccountCommand::Close).await
}
