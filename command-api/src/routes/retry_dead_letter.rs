//! `POST /api/v1/deadletters/{transfer_id}/retry`: have a parked transfer tried again.

use axum::extract::State;
use axum::response::Response;
use ledger_core::TransferId;
use ledger_core::dead_letter::DeadLetterCommand;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::CommandApi;
use crate::body::{self, Body, Id};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::{DeadLetterAnswer, command_dead_letter};

/// Why a transfer is tried again. The body may be left out.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryBody {
    /// In words, up to 500 characters.
    reason: Option<String>,
}

/// Has a parked transfer tried again, for whom what stood in its way was removed. An earlier resolution stands. Asked again it changes
/// nothing, until the transfer is parked again.
#[utoipa::path(
    post, path = "/api/v1/deadletters/{transfer_id}/retry", tag = "operations",
    params(("transfer_id" = String, Path)),
    request_body = Option<RetryBody>,
    responses(
        (status = 202, description = "It is tried again, now or before", body = DeadLetterAnswer),
        (status = 400, description = "invalid_id, invalid_reason"),
        (status = 404, description = "transfer_not_parked: it never was"),
        (status = 409, description = "transfer_not_parked: it was resolved, and is not parked again"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(transfer_id): Id<TransferId>,
    body: Option<Body<RetryBody>>,
) -> Result<Response, Problem> {
    caller.operator()?;
    let RetryBody { reason } = body.map(|Body(body)| body).unwrap_or_default();
    reason.as_deref().map_or(Ok(()), body::resolution_reason)?;
    command_dead_letter(&api, &caller, &DeadLetterCommand::Retry { transfer_id, reason }).await
}
