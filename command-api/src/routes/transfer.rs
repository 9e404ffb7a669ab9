//! `POST /api/v1/transactions/{account_id}/account`: move money from this account to another.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use ledger_core::AccountId;
use ledger_core::transfer::TransferStatus;
use ledger_streams::TransferRequest;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::CommandApi;
use crate::body::{self, AmountText, Body, Id};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::{TransferAccepted, accepted};

/// A transfer to another account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransferBody {
    /// The client's name for this request, 1 to 255 characters; may stand in the `Idempotency-Key` header instead.
    #[schema(example = "order-4711")]
    idempotency_key: Option<String>,
    /// The account to debit: the one in the path. May be left out; also `from_acc`.
    #[serde(alias = "from_acc")]
    #[schema(value_type = Option<String>)]
    from_account: Option<AccountId>,
    /// The account to credit; also `to_acct`.
    #[serde(alias = "to_acct", alias = "to_acc")]
    #[schema(value_type = String)]
    to_account: AccountId,
    /// Decimal text with exactly the currency's digits.
    #[schema(value_type = String, example = "10.50")]
    amount: AmountText,
    /// ISO 4217 code.
    #[schema(example = "EUR")]
    currency: String,
    /// Up to 140 characters for both statements.
    description: Option<String>,
    /// The transaction's number elsewhere, up to 64 characters.
    reference: Option<String>,
}

/// Requests a transfer. Both events, the request and the debit, are on disk before this answers.
#[utoipa::path(
    post, path = "/api/v1/transactions/{account_id}/account", tag = "transfers",
    params(("account_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = TransferBody,
    responses(
        (status = 202, description = "Debited; the credit follows", body = TransferAccepted),
        (status = 400, description = "Refused: insufficient_funds, account_frozen, account_closed, account_not_found, currency_mismatch, same_account, invalid_amount, …"),
        (status = 409, description = "idempotency_key_reused"),
        (status = 503, description = "event_store_unavailable: repeat the request"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(account): Id<AccountId>,
    headers: HeaderMap,
    Body(body): Body<TransferBody>,
) -> Result<Response, Problem> {
    if body.from_account.is_some_and(|from| from != account) {
        return Err(Problem::bad_request("account_mismatch", "from_account is not the account in the path."));
    }
    let idempotency_key = body::idempotency_key(body.idempotency_key, &headers)?;
    let amount = body.amount.money(&body.currency)?;
    body::description(body.description.as_ref())?;
    body::reference(body.reference.as_ref())?;
    caller.spender(&api, account).await?;

    let request = TransferRequest {
        client: caller.client(),
        idempotency_key,
        from: account,
        to: body.to_account,
        amount,
        description: body.description,
        reference: body.reference,
        already_booked: false,
    };
    let context = caller.context(&api, request.stream());
    let receipt = api.ledger.request_transfer(&request, &context).await??;
    // A repeated request gets its first answer, which said "pending" even if the transfer has ended since.
    let status = match receipt.status {
        TransferStatus::Rejected(reason) => TransferStatus::Rejected(reason),
        TransferStatus::Pending | TransferStatus::Completed | TransferStatus::Failed(_) => {
            TransferStatus::Pending
        }
    };
    accepted(&receipt, status)
}
