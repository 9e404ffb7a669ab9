//! `DELETE /api/v1/webhooks/{webhook_id}`: forget a webhook.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ledger_core::WebhookId;
use ledger_core::webhook::WebhookCommand;

use crate::CommandApi;
use crate::body::Id;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::placed;
use crate::routes::register_user::with_keys;
use crate::routes::webhook::{WebhookAnswer, command};

/// Deletes a webhook: nothing more is posted, and its secret is destroyed.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{webhook_id}", tag = "webhooks",
    params(("webhook_id" = String, Path)),
    responses(
        (status = 200, description = "Deleted", body = WebhookAnswer),
        (status = 404, description = "webhook_not_found"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(webhook_id): Id<WebhookId>,
) -> Result<Response, Problem> {
    caller.manages(&api, webhook_id).await?;
    let position = command(&api, &caller, webhook_id, &WebhookCommand::Delete).await?;
    with_keys(&api, move |keys| keys.destroy_secrets(webhook_id)).await?;
    Ok(placed(StatusCode::OK, position, &WebhookAnswer { webhook_id, position }))
}
