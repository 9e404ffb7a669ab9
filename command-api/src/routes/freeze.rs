//! `POST /api/v1/accounts/{account_id}/freeze`: stop debits and credits.

use axum::extract::State;
use axum::response::Response;
use ledger_core::AccountId;
use ledger_core::account::AccountCommand;
use ledger_core::text::DESCRIPTION_CHARS_MAX;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::CommandApi;
use crate::body::{self, Body, Id};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::{AccountAnswer, command_account};

/// Why an account is frozen. The body may be left out.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FreezeBody {
    /// In words, up to 140 characters.
    reason: Option<String>,
}

/// Stops debits and credits. Transfers on their way to the account come back to their senders.
#[utoipa::path(
    post, path = "/api/v1/accounts/{account_id}/freeze", tag = "accounts",
    params(("account_id" = String, Path)),
    request_body = Option<FreezeBody>,
    responses(
        (status = 200, description = "Frozen, now or before", body = AccountAnswer),
        (status = 400, description = "Refused: account_closed, settlement_account"),
        (status = 404, description = "account_not_found"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(account): Id<AccountId>,
    body: Option<Body<FreezeBody>>,
) -> Result<Response, Problem> {
    caller.operator()?;
    let FreezeBody { reason } = body.map(|Body(body)| body).unwrap_or_default();
    if let Some(reason) = &reason {
        body::plain("reason", "invalid_reason", reason, DESCRIPTION_CHARS_MAX)?;
    }
    command_account(&api, &caller, account, &AccountCommand::Freeze(reason)).await
}
