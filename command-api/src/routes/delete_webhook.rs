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
    let not_found = || Problem::of_resource(Rejection::WebhookNotFound);
    let user_id = match api.ledger.view_webhook(webhook_id).await?.webhook {
        Some(_) => caller.managed(&api, webhook_id).await?.user_id,
        // One that is listed and never began leaves the list.
        None => {
            let listed = api.ledger.listed_webhook(webhook_id).await?;
            listed.filter(|listed| caller.may_manage(listed.user_id)).ok_or_else(not_found)?.user_id
        }
    };
    let deleted = delete(&api, &caller, ListedWebhook { webhook_id, user_id }).await?;
    Ok(stands(webhook_id, deleted.ok_or_else(not_found)?))
}
