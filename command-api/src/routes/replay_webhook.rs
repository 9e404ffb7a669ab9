//! `POST /api/v1/webhooks/{webhook_id}/replay`: tell again, from a place in the log.

use axum::extract::State;
use axum::response::Response;
use ledger_core::webhook::WebhookCommand;
use ledger_core::{Position, WebhookId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::CommandApi;
use crate::body::{Body, Id};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::webhook::{WebhookAnswer, command_webhook};

/// Where to go on from.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayWebhookBody {
    /// A place in the log, such as a notification's `position`; what is told begins after it. 0 is the log's beginning.
    from_position: Position,
}

/// Tells everything after a position, again or for the first time, with the same message ids as before.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook_id}/replay", tag = "webhooks",
    params(("webhook_id" = String, Path)),
    request_body = ReplayWebhookBody,
    responses(
        (status = 200, description = "Goes on from there", body = WebhookAnswer),
        (status = 400, description = "position_ahead"),
        (status = 404, description = "webhook_not_found"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(webhook_id): Id<WebhookId>,
    Body(body): Body<ReplayWebhookBody>,
) -> Result<Response, Problem> {
    if body.from_position > api.ledger.store().head().await? {
        return Err(Problem::bad_request("position_ahead", "The log has not come to this position yet."));
    }
    command_webhook(&api, &caller, webhook_id, &WebhookCommand::Replay(body.from_position)).await
}
