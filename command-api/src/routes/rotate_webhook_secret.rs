//! `POST /api/v1/webhooks/{webhook_id}/rotate-secret`: sign with another secret.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ledger_core::webhook::WebhookCommand;
use ledger_core::{Rejection, WebhookId};

use crate::CommandApi;
use crate::body::Id;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::register_user::with_keys;
use crate::routes::webhook::{SecretAnswer, command, overlap, show};

/// Makes another secret. For a while both sign, so that the receiver can change over. The answer has the new one, which is never shown again.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{webhook_id}/rotate-secret", tag = "webhooks",
    params(("webhook_id" = String, Path)),
    responses(
        (status = 200, description = "Rotated", body = SecretAnswer),
        (status = 404, description = "webhook_not_found"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(webhook_id): Id<WebhookId>,
) -> Result<Response, Problem> {
    caller.manages(&api, webhook_id).await?;
    let rotated = with_keys(&api, move |keys| keys.rotate_secret(webhook_id)).await?;
    let (secret, sealed) = rotated.ok_or_else(|| Problem::of_resource(Rejection::WebhookNotFound))?;
    let previous_until = api.ledger.now() + overlap(&api);
    let rotate = WebhookCommand::RotateSecret { secret: sealed, previous_until };
    let position = command(&api, &caller, webhook_id, &rotate).await?;
    Ok(show(StatusCode::OK, webhook_id, &secret, position))
}
