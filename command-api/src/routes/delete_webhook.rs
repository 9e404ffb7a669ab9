//! `DELETE /api/v1/webhooks/{webhook_id}`: forget a webhook.

use axum::extract::State;
use axum::response::Response;
use ledger_core::{Rejection, WebhookId};
use ledger_streams::ListedWebhook;

use crate::CommandApi;
use crate::body::Id;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::webhook::{WebhookAnswer, delete, stands};

/// Deletes a webhook: nothing more is posted, and its secret is destroyed. Asked again it finishes what was cut short.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{webhook_id}", tag = "webhooks",
    params(("webhook_id" = String, Path)),
    responses(
        (status = 200, description = "Deleted, now or before", body = WebhookAnswer),
        (status = 404, description = "webhook_not_found"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Id(webhook_id): Id<WebhookId>,
) -> Result<Response, Problem> {
    let webhook = caller.managed(&api, webhook_id).await?;
    let listed = ListedWebhook { webhook_id, user_id: webhook.user_id };
    let deleted = delete(&api, &caller, listed).await?;
    Ok(stands(webhook_id, deleted.ok_or_else(|| Problem::of_resource(Rejection::WebhookNotFound))?))
}
