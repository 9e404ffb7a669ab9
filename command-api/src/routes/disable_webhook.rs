//! `POST /api/v1/webhooks/{webhook_id}/disable`: post nothing more.

use axum::extract::State;
use axum::response::Response;
use ledger_core::WebhookId;
use ledger_core::text::DESCRIPTION_CHARS_MAX;
use ledger_core::webhook::WebhookCommand;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::CommandApi;
use crate::body::{self, Body, Id};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::webhook::{WebhookAnswer, command_webhook};

/// Why a webhook is disabled. The body may be left out.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisableWebhookBody {
    /// In words, up to 140 characters.
    reason: Option<String>,
}

/// Posts nothing more until it is enabled again. Its place in the log is kept.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook_id}/disable", tag = "webhooks",
    params(("webhook_id" = String, Path)),
    request_body = Option<DisableWebhookBody>,
    responses(
        (status = 200, description = "Disabled, now or before", body = WebhookAnswer),
        (status = 404, description = "webhook_not_found"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(webhook_id): Id<WebhookId>,
    body: Option<Body<DisableWebhookBody>>,
) -> Result<Response, Problem> {
    let DisableWebhookBody { reason } = body.map(|Body(body)| body).unwrap_or_default();
    if let Some(reason) = &reason {
        body::plain("reason", "invalid_reason", reason, DESCRIPTION_CHARS_MAX)?;
    }
    let reason = reason.unwrap_or_else(|| "disabled by request".to_owned());
    command_webhook(&api, &caller, webhook_id, &WebhookCommand::Disable(reason)).await
}
