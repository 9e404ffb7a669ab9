//! What deposits and withdrawals share: a transfer against the bank's cash account, waited for until it has ended.

use axum::response::Response;
use http::HeaderMap;
use ledger_core::settlement::Settlement;
use ledger_core::transfer::TransferStatus;
use ledger_core::{AccountId, Rejection};
use ledger_streams::{Context, TransferEnd, TransferReceipt, TransferRequest};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::{self, AmountText};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::accepted;
use crate::{CommandApi, SETTLE_TIMEOUT};

/// Cash over the counter.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CashBody {
    /// The client's name for this request, 1 to 255 characters; may stand in the `Idempotency-Key` header instead.
    idempotency_key: Option<String>,
    /// Decimal text with exactly the currency's digits.
    #[schema(value_type = String, example = "100.00")]
    amount: AmountText,
    /// ISO 4217 code.
    #[schema(example = "EUR")]
    currency: String,
    /// Up to 140 characters for the statement.
    description: Option<String>,
    /// The transaction's number elsewhere, up to 64 characters.
    reference: Option<String>,
}

/// Which way the cash goes.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// Onto the account.
    In,
    /// Off the account.
    Out,
}

pub(crate) async fn move_cash(
    api: &CommandApi,
    caller: &Caller,
    account: AccountId,
    headers: &HeaderMap,
    body: CashBody,
    way: Way,
) -> Result<Response, Problem> {
    let idempotency_key = body::idempotency_key(body.idempotency_key, headers)?;
    let amount = body.amount.money(&body.currency)?;
    body::description(body.description.as_ref())?;
    body::reference(body.reference.as_ref())?;
    // Before a settlement account of that currency is opened for it.
    match api.ledger.view(account).await?.map(|account| account.currency()) {
        None => return Err(Problem::of_resource(Rejection::AccountNotFound)),
        Some(currency) if currency != amount.currency => return Err(Rejection::CurrencyMismatch.into()),
        Some(_) => {}
    }
    let cash = Settlement::Cash.account_id(amount.currency);
    let (from, to) = match way {
        Way::In => (cash, account),
        Way::Out => (account, cash),
    };
    let request = TransferRequest {
        client: caller.client(),
        idempotency_key,
        from,
        to,
        amount,
        description: body.description,
        reference: body.reference,
        already_booked: false,
    };
    let context = caller.context(api, request.stream());
    api.ledger.settlement_account(Settlement::Cash, amount.currency, &context).await?;
    let (receipt, status) = settle(api, &request, &context).await?;
    accepted(&receipt, status)
}

/// Requests a transfer and takes it to its end within [`SETTLE_TIMEOUT`]; after that the process manager goes on with it.
pub(crate) async fn settle(
    api: &CommandApi,
    request: &TransferRequest,
    context: &Context,
) -> Result<(TransferReceipt, TransferStatus), Problem> {
    let claim = api.ledger.claim(&context.correlation_id);
    let mut receipt = api.ledger.request_transfer(request, context).await??;
    if receipt.status != TransferStatus::Pending {
        receipt.position = receipt.ended_at.unwrap_or(receipt.position);
        return Ok((receipt.clone(), receipt.status));
    }
    let mut run = receipt.run.clone();
    let driven = tokio::time::timeout(SETTLE_TIMEOUT, api.ledger.drive(&mut run)).await;
    drop(claim);
    let status = match driven {
        Ok(Ok(TransferEnd::At(position))) => {
            receipt.position = receipt.position.max(position);
            run.process.status()
        }
        // What was accepted is on disk: the answer is "pending", not a failure, and the process manager goes on.
        Ok(Ok(TransferEnd::Stuck(_))) | Err(_) => TransferStatus::Pending,
        Ok(Err(error)) => {
            tracing::warn!(stream = %context.correlation_id, %error, "a transfer is left to the process manager");
            TransferStatus::Pending
        }
    };
    Ok((receipt, status))
}
