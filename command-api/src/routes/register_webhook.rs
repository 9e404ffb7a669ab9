//! `POST /api/v1/webhooks`: be told what happens.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ledger_core::user::UserStatus;
use ledger_core::webhook::{WebhookCommand, WebhookStatus};
use ledger_core::{AccountId, Rejection, UserId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::body::Body;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::register_user::with_keys;
use crate::routes::webhook::{SecretAnswer, SettingsBody, ThresholdBody, command, show};
use crate::{CommandApi, WEBHOOKS_MAX, WEBHOOKS_PER_USER_MAX};

/// A new webhook.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterWebhookBody {
    /// The user whose accounts it hears of. Left out by an operator: the bank's, which hears of all; by a customer: the customer's.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    /// Where notifications are posted; https, on the public internet.
    #[schema(example = "https://shop.example/daybook")]
    url: String,
    /// Only these types, as in a change of settings. All when left out.
    #[serde(default)]
    types: Vec<String>,
    /// Only these accounts. All of the owner when left out.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    accounts: Vec<AccountId>,
    /// For "balance.below_threshold": told once when an account of this currency falls below this balance.
    threshold: Option<ThresholdBody>,
}

/// Registers a webhook: it is told what happens from here on. The answer has the secret, which is never shown again.
#[utoipa::path(
    post, path = "/api/v1/webhooks", tag = "webhooks",
    request_body = RegisterWebhookBody,
    responses(
        (status = 201, description = "Registered, and enabled", body = SecretAnswer),
        (status = 400, description = "Refused: invalid_url, webhook_address_refused, invalid_type, threshold_missing, account_not_found, …"),
        (status = 403, description = "forbidden"),
        (status = 409, description = "too_many_webhooks"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    Body(body): Body<RegisterWebhookBody>,
) -> Result<Response, Problem> {
    let user_id = caller.owner(body.user_id)?;
    if let Some(user_id) = user_id {
        match api.ledger.view_user(user_id).await?.status {
            UserStatus::Active => {}
            UserStatus::Unknown => return Err(Rejection::UserNotFound.into()),
            UserStatus::Erased => return Err(Rejection::UserErased.into()),
        }
    }
    let RegisterWebhookBody { url, types, accounts, threshold, .. } = body;
    let settings = SettingsBody { url, types, accounts, threshold }.settings(&api, user_id).await?;
    has_room(&api, user_id).await?;
    let webhook_id = api.ledger.new_webhook_id()?;
    let (secret, sealed) = with_keys(&api, move |keys| keys.create_secret(webhook_id)).await?;
    let register = WebhookCommand::Register { webhook_id, user_id, settings, secret: sealed };
    let position = command(&api, &caller, webhook_id, &register).await?;
    Ok(show(StatusCode::CREATED, webhook_id, &secret, position))
}

/// Every webhook is looked at whenever something happens: there are not to be too many.
async fn has_room(api: &CommandApi, user_id: Option<UserId>) -> Result<(), Problem> {
    let refused = |most: usize| {
        let detail = format!("There are {most} webhooks already; delete one that is not needed.");
        Err(Problem::new(StatusCode::CONFLICT, "too_many_webhooks", detail))
    };
    let listed = api.ledger.listed_webhooks().await?;
    if listed.len() >= WEBHOOKS_MAX {
        return refused(WEBHOOKS_MAX);
    }
    let own: Vec<_> = listed.iter().filter(|listed| listed.user_id == user_id).collect();
    if user_id.is_none() || own.len() < WEBHOOKS_PER_USER_MAX {
        return Ok(());
    }
    let mut live = 0;
    for listed in own {
        let webhook = api.ledger.view_webhook(listed.webhook_id).await?.webhook;
        live += usize::from(webhook.is_some_and(|webhook| webhook.status != WebhookStatus::Deleted));
    }
    if live >= WEBHOOKS_PER_USER_MAX { refused(WEBHOOKS_PER_USER_MAX) } else { Ok(()) }
}
