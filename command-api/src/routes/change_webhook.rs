//! `PUT /api/v1/webhooks/{webhook_id}`: change what a webhook is told, and where.

use axum::extract::State;
use axum::response::Response;
use ledger_core::WebhookId;
use ledger_core::webhook::WebhookCommand;

use crate::CommandApi;
use crate::body::{Body, Id};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::webhook::{SettingsBody, WebhookAnswer, check, command, stands};

/// Replaces a webhook's settings, all of them.
#[utoipa::path(
    put, path = "/api/v1/webhooks/{webhook_id}", tag = "webhooks",
    params(("webhook_id" = String, Path)),
    request_body = SettingsBody,
    responses(
        (status = 200, description = "Replaced, now or before", body = WebhookAnswer),
        (status = 400, description = "Refused: invalid_url, webhook_address_refused, invalid_type, threshold_missing, account_not_found"),
        (status = 404, description = "webhook_not_found"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(webhook_id): Id<WebhookId>,
    Body(body): Body<SettingsBody>,
) -> Result<Response, Problem> {
    let webhook = caller.manages(&api, webhook_id).await?;
    let settings = body.settings()?;
    check(&api, &settings, webhook.user_id).await?;
    let position = command(&api, &caller, webhook_id, &WebhookCommand::Change(settings)).await?;
    Ok(stands(webhook_id, position))
}
