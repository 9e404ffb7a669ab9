//! `POST /api/v1/webhooks`: be told what happens.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use ledger_core::user::{Sealed, UserStatus};
use ledger_core::webhook::{Settings, WebhookCommand, WebhookEvent, WebhookStatus};
use ledger_core::{AccountId, Event, Position, Rejection, UserId, WebhookId, stream};
use ledger_streams::{KeyStore, ListedWebhook, WebhookSecret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::CommandApi;
use crate::body::{self, Body};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::{placed, replayed};
use crate::routes::register_user::with_keys;
use crate::routes::webhook::{SettingsBody, ThresholdBody, check, delete, make_room};

/// A new webhook.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterWebhookBody {
    /// The client's name for this request, 1 to 255 characters; may stand in the `Idempotency-Key` header instead, or be left out.
    #[schema(example = "hook-of-shop-1")]
    idempotency_key: Option<String>,
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

/// A webhook is registered.
#[derive(Serialize, ToSchema)]
pub(crate) struct RegisteredAnswer {
    /// The webhook's id.
    #[schema(value_type = String, example = "258730172895232001")]
    webhook_id: WebhookId,
    /// What notifications are signed with, after Standard Webhooks. Absent when a request is repeated after the webhook was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: Option<String>,
    /// Where in the log the webhook begins.
    position: Position,
}

/// Registers a webhook: it is told what happens from here on. The answer has the secret. A repeated request with the same `Idempotency-Key`
/// by the same caller (role and subject) gets the same webhook, and the secret again as long as nothing was done to the webhook; without a key,
/// each request makes a webhook.
#[utoipa::path(
    post, path = "/api/v1/webhooks", tag = "webhooks",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = RegisterWebhookBody,
    responses(
        (status = 201, description = "Registered, and enabled", body = RegisteredAnswer),
        (status = 400, description = "Refused: invalid_url, webhook_address_refused, invalid_type, threshold_missing, account_not_found, …"),
        (status = 403, description = "forbidden"),
        (status = 409, description = "too_many_webhooks, idempotency_key_reused, webhook_deleted: what was registered with this key is no more"),
    )
)]
pub(crate) async fn handle(
    State(api): State<CommandApi>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body<RegisterWebhookBody>,
) -> Result<Response, Problem> {
    let user_id = caller.owner(body.user_id)?;
    let RegisterWebhookBody { idempotency_key, url, types, accounts, threshold, .. } = body;
    let key = body::optional_idempotency_key(idempotency_key, &headers)?;
    let settings = SettingsBody { url, types, accounts, threshold }.settings()?;
    let wanted = Wanted { user_id, settings };
    let claimed = match &key {
        Some(key) => api.ledger.webhook_of_key(&caller.client(), key).await?,
        None => None,
    };
    if let Some(claimed) = claimed
        && let Some(answer) = wanted.registered_before(&api, claimed).await?
    {
        return Ok(answer);
    }
    if let Some(user_id) = user_id {
        match api.ledger.view_user(user_id).await?.status {
            UserStatus::Active => {}
            UserStatus::Unknown => return Err(Rejection::UserNotFound.into()),
            UserStatus::Erased => return Err(Rejection::UserErased.into()),
        }
    }
    check(&api, &wanted.settings, user_id).await?;
    let own = api.ledger.new_webhook_id()?;
    make_room(&api, &caller, ListedWebhook { webhook_id: claimed.unwrap_or(own), user_id }).await?;
    let (webhook_id, secret, sealed) = new_secret(&api, &caller, key.as_deref(), own).await?;
    let register =
        WebhookCommand::Register { webhook_id, user_id, settings: wanted.settings.clone(), secret: sealed };
    let context = caller.context(&api, stream::webhook(webhook_id));
    match api.ledger.webhook(webhook_id, &register, &context).await? {
        Ok(done) => {
            let secret = Some(secret.text());
            let answer = RegisteredAnswer { webhook_id, secret, position: done.position };
            Ok(placed(StatusCode::CREATED, done.position, &answer))
        }
        // Somebody else with the same key was faster.
        Err(Rejection::WebhookExists) if key.is_some() => {
            let answer = wanted.registered_before(&api, webhook_id).await?;
            answer.ok_or_else(|| Rejection::WebhookExists.into())
        }
        Err(Rejection::UserErased) => {
            delete(&api, &caller, ListedWebhook { webhook_id, user_id }).await?;
            Err(Rejection::UserErased.into())
        }
        Err(rejection) => {
            // With a key, the request may come again.
            if key.is_none() {
                with_keys(&api, move |keys| keys.destroy_secrets(webhook_id)).await?;
            }
            Err(rejection.into())
        }
    }
}

/// An id, which is its own or an earlier one, and a secret for a webhook. With an idempotency key the id is that of the first request with it, and so is the key that its secrets
/// are sealed with: that key was on disk before the id was claimed.
async fn new_secret(
    api: &CommandApi,
    caller: &Caller,
    key: Option<&str>,
    own: WebhookId,
) -> Result<(WebhookId, WebhookSecret, Sealed), Problem> {
    let (secret, sealed) = with_keys(api, move |keys| keys.create_secret(own)).await?;
    let Some(key) = key else { return Ok((own, secret, sealed)) };
    let claimed = api.ledger.claim_webhook_key(&caller.client(), key, own).await?;
    if claimed == own {
        return Ok((own, secret, sealed));
    }
    let again = move |keys: &KeyStore| {
        keys.destroy_secrets(own)?;
        keys.rotate_secret(claimed)
    };
    let (secret, sealed) = with_keys(api, again).await?.ok_or_else(deleted)?;
    Ok((claimed, secret, sealed))
}

fn deleted() -> Problem {
    let detail = "The webhook that was registered with this idempotency key was deleted; register another with another key.";
    Problem::new(StatusCode::CONFLICT, "webhook_deleted", detail)
}

/// What a request asks for, and a repeated one asks for again.
struct Wanted {
    user_id: Option<UserId>,
    settings: Settings,
}

impl Wanted {
    /// The answer to a repeated request; none when the first one never came to its end.
    async fn registered_before(
        &self,
        api: &CommandApi,
        webhook_id: WebhookId,
    ) -> Result<Option<Response>, Problem> {
        let Some(first) = api.ledger.first_event(&stream::webhook(webhook_id).into()).await? else {
            return Ok(None);
        };
        let Event::Webhook(WebhookEvent::Registered(registered)) = first.event else {
            return Ok(None);
        };
        if registered.user_id != self.user_id || registered.settings != self.settings {
            return Err(Rejection::IdempotencyKeyReused.into());
        }
        let state = api.ledger.view_webhook(webhook_id).await?;
        let is_untouched = state.events == 1;
        if state.webhook.is_none_or(|webhook| webhook.status == WebhookStatus::Deleted) {
            return Err(deleted());
        }
        // The first answer is given again while nothing else has happened. Later it is no lost answer, and a secret in use is not shown.
        let secret = if is_untouched {
            with_keys(api, move |keys| keys.open_secret(webhook_id, &registered.secret)).await?
        } else {
            None
        };
        let secret = secret.map(|secret| secret.text());
        let answer = RegisteredAnswer { webhook_id, secret, position: first.position };
        Ok(Some(replayed(true, placed(StatusCode::CREATED, first.position, &answer))))
    }
}
