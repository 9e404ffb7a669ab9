//! `POST /api/v1/webhooks/{webhook_id}/rotate-secret`: sign with another secret.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ledger_core::webhook::WebhookCommand;
use ledger_core::{Position, Rejection, WebhookId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::CommandApi;
use crate::body::Id;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::placed;
use crate::routes::register_user::with_keys;
use crate::routes::webhook::{command, overlap};

/// A webhook's new secret. It is shown here and never again.
#[derive(Serialize, ToSchema)]
pub(crate) struct SecretAnswer {
    /// The webhook's id.
    #[schema(value_type = String, example = "258730172895232001")]
    webhook_id: WebhookId,
    /// What notifications are signed with, after Standard Webhooks.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
    /// Where in the log the effect stands.
    position: Position,
}

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
    let answer = SecretAnswer { webhook_id, secret: secret.text(), position };
    Ok(placed(StatusCode::OK, position, &answer))
}
