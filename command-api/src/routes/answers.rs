//! What the routes answer.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use ledger_core::account::AccountCommand;
use ledger_core::dead_letter::{DeadLetterCommand, Resolution};
use ledger_core::transfer::TransferStatus;
use ledger_core::{AccountId, Position, Rejection, TransferId, UserId, stream};
use ledger_streams::TransferReceipt;
use serde::Serialize;
use utoipa::ToSchema;

use crate::CommandApi;
use crate::caller::Caller;
use crate::problem::Problem;

/// A transfer was taken on. Read routes and GraphQL take `position` in `X-Daybook-Position` to show it.
#[derive(Serialize, ToSchema)]
pub(crate) struct TransferAccepted {
    /// The transfer's id.
    #[schema(value_type = String, example = "258730172895232001")]
    transfer_id: TransferId,
    /// "pending" or "completed".
    #[schema(example = "pending")]
    status: &'static str,
    /// Where in the log it stands.
    position: Position,
}

/// A command on an account had its effect.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountAnswer {
    /// The account's id.
    #[schema(value_type = String, example = "258730172895232001")]
    pub(crate) account_id: AccountId,
    /// Where in the log the effect stands.
    pub(crate) position: Position,
}

/// A command on a user had its effect.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserAnswer {
    /// The user's id.
    #[schema(value_type = String, example = "258730172895232001")]
    pub(crate) user_id: UserId,
    /// Where in the log the effect stands.
    pub(crate) position: Position,
}

/// An operator's word on a parked transfer stands; the process manager acts on it.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetterAnswer {
    /// The transfer's id.
    #[schema(value_type = String, example = "258730172895232001")]
    transfer_id: TransferId,
    /// "retried" or "resolved".
    #[schema(example = "resolved")]
    standing: &'static str,
    /// "refund" or "complete", when it was resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "refund")]
    resolution: Option<Resolution>,
    /// Where in the log the word stands.
    position: Position,
}

/// 202 for a transfer that goes on, the recorded refusal for one that does not.
pub(crate) fn accepted(receipt: &TransferReceipt, status: TransferStatus) -> Result<Response, Problem> {
    let status = match status {
        TransferStatus::Pending => "pending",
        TransferStatus::Completed => "completed",
        TransferStatus::Rejected(reason) | TransferStatus::Failed(reason) => {
            let TransferReceipt { transfer_id, position, replayed, .. } = receipt;
            return Err(Problem::of_transfer(reason, *transfer_id, *position, *replayed));
        }
    };
    let answer = TransferAccepted { transfer_id: receipt.transfer_id, status, position: receipt.position };
    Ok(replayed(receipt.replayed, placed(StatusCode::ACCEPTED, answer.position, &answer)))
}

/// Marks an answer that was given before.
pub(crate) fn replayed(replayed: bool, mut response: Response) -> Response {
    if replayed {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// A JSON answer whose position also stands in a header, ready to be sent back.
pub(crate) fn placed(status: StatusCode, position: Position, answer: &impl Serialize) -> Response {
    let header = [("x-daybook-position", HeaderValue::from(position))];
    (status, header, Json(answer)).into_response()
}

/// Gives a command to the account in the path and answers with where its effect stands.
pub(crate) async fn command_account(
    api: &CommandApi,
    caller: &Caller,
    account_id: AccountId,
    command: &AccountCommand,
) -> Result<Response, Problem> {
    let context = caller.context(api, stream::account(account_id));
    let executed = api.ledger.account(account_id, command, &context).await?.map_err(Problem::of_resource)?;
    let answer = AccountAnswer { account_id, position: executed.position };
    Ok(placed(StatusCode::OK, answer.position, &answer))
}

/// Gives an operator's command on a parked transfer and answers with what stands from here on.
pub(crate) async fn command_dead_letter(
    api: &CommandApi,
    caller: &Caller,
    command: &DeadLetterCommand,
) -> Result<Response, Problem> {
    let (transfer_id, standing, resolution) = match command {
        DeadLetterCommand::Park { parked, .. } => (parked.transfer_id, "parked", None),
        DeadLetterCommand::Retry { transfer_id, .. } => (*transfer_id, "retried", None),
        DeadLetterCommand::Resolve { transfer_id, resolution, .. } => {
            (*transfer_id, "resolved", Some(*resolution))
        }
    };
    let Some(stream) = api.ledger.dead_letter_stream(transfer_id).await? else {
        return Err(Problem::of_resource(Rejection::TransferNotParked));
    };
    let executed = api.ledger.dead_letter(command, &caller.context(api, stream)).await??;
    let answer = DeadLetterAnswer { transfer_id, standing, resolution, position: executed.position };
    Ok(replayed(executed.events.is_empty(), placed(StatusCode::ACCEPTED, answer.position, &answer)))
}
