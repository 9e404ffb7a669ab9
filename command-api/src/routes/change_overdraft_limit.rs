//! `POST /api/v1/accounts/{account_id}/overdraft-limit`: change how far below zero an account may go.

use axum::extract::State;
use axum::response::Response;
use ledger_core::AccountId;
use ledger_core::account::AccountCommand;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::CommandApi;
use crate::body::{AmountText, Body, Id};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::{AccountAnswer, command_account};

/// The new limit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OverdraftLimitBody {
    /// Zero or more; decimal text with exactly the currency's digits.
    #[schema(value_type = String, example = "500.00")]
    amount: AmountText,
    /// ISO 4217 code, the account's.
    #[schema(example = "EUR")]
    currency: String,
}

/// Changes how far below zero the account may go.
#[utoipa::path(
    post, path = "/api/v1/accounts/{account_id}/overdraft-limit", tag = "accounts",
    params(("account_id" = String, Path)),
    request_body = OverdraftLimitBody,
    responses(
        (status = 200, description = "Changed, now or before", body = AccountAnswer),
        (status = 400, description = "Refused: invalid_amount, currency_mismatch, overdraft_in_use, account_closed"),
        (status = 404, description = "account_not_found"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(account): Id<AccountId>,
    Body(body): Body<OverdraftLimitBody>,
) -> Result<Response, Problem> {
    caller.operator()?;
    let limit = body.amount.money(&body.currency)?;
    command_account(&api, &caller, account, &AccountCommand::ChangeOverdraftLimit(limit)).await
}
