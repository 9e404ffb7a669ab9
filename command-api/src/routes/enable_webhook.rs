//! `POST /api/v1/webhooks/{webhook_id}/enable`: post again.

use axum::extract::State;
use axum::response::Response;
use ledger_core::WebhookId;
use ledger_core::webhook::WebhookCommand;

use crate::CommandApi;
use crate::body::Id;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::webhook::{WebhookAnswer, command_webhook};

/// Posts again, from where it stopped: what happened meanwhile is told first.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook_id}/enable", tag = "webhooks",
    params(("webhook_id" = String, Path)),
    responses(
        (status = 200, description = "Enabled, now or before", body = WebhookAnswer),
        (status = 404, description = "webhook_not_found"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(webhook_id): Id<WebhookId>,
) -> Result<Response, Problem> {
    command_webhook(&api, &caller, webhook_id, &WebhookCommand::Enable).await
}
