//! `POST /api/v1/deadletters/{transfer_id}/resolve`: say how a parked transfer is to end.

use axum::extract::State;
use axum::response::Response;
use ledger_core::TransferId;
use ledger_core::dead_letter::{DeadLetterCommand, Resolution};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::CommandApi;
use crate::body::{self, Body, Id};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::{DeadLetterAnswer, command_dead_letter};

/// How a parked transfer is to end, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResolveBody {
    /// "refund": the money goes back, or never leaves. "complete": it arrives.
    #[schema(value_type = String, example = "refund")]
    resolution: Resolution,
    /// In words, 1 to 500 characters. It stands in the log for ever.
    #[schema(example = "ticket 4711")]
    reason: String,
}

/// Says how a parked transfer is to end. It is said once: the other way is closed from then on. Asked again it changes nothing, until the
/// transfer is parked again on its way there.
#[utoipa::path(
    post, path = "/api/v1/deadletters/{transfer_id}/resolve", tag = "operations",
    params(("transfer_id" = String, Path)),
    request_body = ResolveBody,
    responses(
        (status = 202, description = "It is being ended like this, now or before", body = DeadLetterAnswer),
        (status = 400, description = "invalid_id, invalid_body, invalid_reason"),
        (status = 404, description = "transfer_not_parked: it never was"),
        (status = 409, description = "transfer_not_parked: it is being tried again; already_resolved: in the other way"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(transfer_id): Id<TransferId>,
    Body(body): Body<ResolveBody>,
) -> Result<Response, Problem> {
    caller.operator()?;
    let ResolveBody { resolution, reason } = body;
    body::resolution_reason(&reason)?;
    command_dead_letter(&api, &caller, &DeadLetterCommand::Resolve { transfer_id, resolution, reason }).await
}
