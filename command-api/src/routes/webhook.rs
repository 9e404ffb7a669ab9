//! What the routes of webhooks share.

use axum::response::Response;
use chrono::TimeDelta;
use http::StatusCode;
use ledger_core::webhook::{NotificationType, Settings, Webhook, WebhookCommand, WebhookStatus};
use ledger_core::{AccountId, Position, Rejection, Role, UserId, WebhookId, stream};
use ledger_streams::ListedWebhook;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::AmountText;
use crate::caller::Caller;
use crate::problem::Problem;
use crate::routes::answers::placed;
use crate::routes::register_user::with_keys;
use crate::{CommandApi, WEBHOOK_ACCOUNTS_MAX, webhook_url};

/// What a webhook is told, and where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsBody {
    /// Where notifications are posted; https, on the public internet.
    #[schema(example = "https://shop.example/daybook")]
    pub(crate) url: String,
    /// Only these: "transfer.completed", "transfer.failed", "money.received", "statement.issued", "balance.below_threshold". All when
    /// left out.
    #[serde(default)]
    pub(crate) types: Vec<String>,
    /// Only these accounts. All of the owner when left out.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub(crate) accounts: Vec<AccountId>,
    /// For "balance.below_threshold": told once when an account of this currency falls below this balance.
    pub(crate) threshold: Option<ThresholdBody>,
}

/// A balance.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThresholdBody {
    /// Decimal text with exactly the currency's digits.
    #[schema(value_type = String, example = "50.00")]
    amount: AmountText,
    /// ISO 4217 code.
    #[schema(example = "EUR")]
    currency: String,
}

/// A command on a webhook had its effect.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookAnswer {
    /// The webhook's id.
    #[schema(value_type = String, example = "258730172895232001")]
    pub(crate) webhook_id: WebhookId,
    /// Where in the log the effect stands.
    pub(crate) position: Position,
}

impl SettingsBody {
    /// The settings, as far as they are right in themselves; see [`check`].
    pub(crate) fn settings(self) -> Result<Settings, Problem> {
        let kind = |name: &String| {
            NotificationType::from_name(name).ok_or_else(|| {
                let names: Vec<_> = NotificationType::ALL.iter().map(|kind| kind.name()).collect();
                let name: String = name.chars().take(40).collect();
                let detail = format!("'{name}' is no type of notification: {}.", names.join(", "));
                Problem::bad_request("invalid_type", detail)
            })
        };
        let mut types = self.types.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
        types.sort_unstable();
        types.dedup();
        let threshold =
            self.threshold.map(|threshold| threshold.amount.money(&threshold.currency)).transpose()?;
        if self.accounts.len() > WEBHOOK_ACCOUNTS_MAX {
            let detail = format!("A webhook names at most {WEBHOOK_ACCOUNTS_MAX} accounts.");
            return Err(Problem::bad_request("too_many_accounts", detail));
        }
        let mut accounts = self.accounts;
        accounts.sort_unstable();
        accounts.dedup();
        Ok(Settings { url: self.url, types, accounts, threshold })
    }
}

/// Checks settings against the world: the address, and that the accounts are the owner's.
pub(crate) async fn check(
    api: &CommandApi,
    settings: &Settings,
    owner: Option<UserId>,
) -> Result<(), Problem> {
    webhook_url::check(&settings.url, api.options.webhooks.allow_private, &api.names).await?;
    for account in &settings.accounts {
        let found = api.ledger.view(*account).await?;
        let found = found.filter(|account| owner.is_none() || account.user_id == owner);
        found.ok_or(Rejection::AccountNotFound)?;
    }
    Ok(())
}

impl Caller {
    /// Whose webhook this caller registers: an operator's may be anybody's or the bank's, a customer's is the customer's own.
    pub(crate) fn owner(&self, named: Option<UserId>) -> Result<Option<UserId>, Problem> {
        match self.0.role {
            Role::Operator => Ok(named),
            Role::Customer if self.0.user_id.is_some() && (named.is_none() || named == self.0.user_id) => {
                Ok(self.0.user_id)
            }
            Role::Customer | Role::Auditor => {
                Err(Problem::forbidden("You register webhooks of your own only."))
            }
        }
    }

    /// The webhook, if it is there and this caller's to manage.
    pub(crate) async fn manages(&self, api: &CommandApi, id: WebhookId) -> Result<Webhook, Problem> {
        let webhook = self.managed(api, id).await?;
        let is_there = webhook.status != WebhookStatus::Deleted;
        is_there.then_some(webhook).ok_or_else(|| Problem::of_resource(Rejection::WebhookNotFound))
    }

    /// As [`Self::manages`], also when it was deleted.
    pub(crate) async fn managed(&self, api: &CommandApi, id: WebhookId) -> Result<Webhook, Problem> {
        if self.0.role == Role::Auditor {
            return Err(Problem::forbidden("Auditors change nothing."));
        }
        let webhook = api.ledger.view_webhook(id).await?.webhook;
        webhook
            .filter(|webhook| self.may_manage(webhook.user_id))
            .ok_or_else(|| Problem::of_resource(Rejection::WebhookNotFound))
    }

    /// Whether webhooks of this owner are this caller's to manage.
    pub(crate) fn may_manage(&self, owner: Option<UserId>) -> bool {
        self.0.role == Role::Operator || self.0.may_spend(owner)
    }
}

/// Gives a command to a webhook; where its effect stands.
pub(crate) async fn command(
    api: &CommandApi,
    caller: &Caller,
    id: WebhookId,
    command: &WebhookCommand,
) -> Result<Position, Problem> {
    let context = caller.context(api, stream::webhook(id));
    let executed = api.ledger.webhook(id, command, &context).await?.map_err(Problem::of_resource)?;
    Ok(executed.position)
}

/// As [`command`], for a webhook in the path; answers with where its effect stands.
pub(crate) async fn command_webhook(
    api: &CommandApi,
    caller: &Caller,
    id: WebhookId,
    given: &WebhookCommand,
) -> Result<Response, Problem> {
    caller.manages(api, id).await?;
    Ok(stands(id, command(api, caller, id, given).await?))
}

/// The effect of a command on a webhook stands there.
pub(crate) fn stands(webhook_id: WebhookId, position: Position) -> Response {
    placed(StatusCode::OK, position, &WebhookAnswer { webhook_id, position })
}

/// Deletes a webhook, and with it the key of its secrets. It leaves the list last, so that whatever was cut short is found there, and
/// finished by asking again. The position from which on it is no more; none for one that never came to be.
pub(crate) async fn delete(
    api: &CommandApi,
    caller: &Caller,
    webhook: ListedWebhook,
) -> Result<Option<Position>, Problem> {
    let id = webhook.webhook_id;
    let position = end(api, caller, id).await?;
    with_keys(api, move |keys| keys.destroy_secrets(id)).await?;
    api.ledger.unlist_webhook(webhook).await?;
    // One that had not begun may have by now. Its registration looks at the list after that, and we at it after the list.
    if position.is_some() { Ok(position) } else { end(api, caller, id).await }
}

async fn end(api: &CommandApi, caller: &Caller, id: WebhookId) -> Result<Option<Position>, Problem> {
    let context = caller.context(api, stream::webhook(id));
    match api.ledger.webhook(id, &WebhookCommand::Delete, &context).await? {
        Ok(executed) => Ok(Some(executed.position)),
        Err(Rejection::WebhookNotFound) => Ok(None),
        Err(rejection) => Err(rejection.into()),
    }
}

/// Deletes all webhooks of a user who has been erased: nobody is told of the accounts any more, and the secrets are destroyed. One that has not
/// begun stays listed, unless it never will: its registration sees that the user is erased, or it is found by erasing again. The
/// position from which on none is left; none where there was nothing to delete.
pub(crate) async fn forget_all(
    api: &CommandApi,
    caller: &Caller,
    user_id: UserId,
) -> Result<Option<Position>, Problem> {
    let owner = Some(user_id);
    let mut last = None;
    for listed in api.ledger.listed_webhooks_of(owner).await? {
        let webhook = api.ledger.view_webhook(listed.webhook_id).await?.webhook;
        if webhook.is_some_and(|webhook| webhook.user_id == owner) {
            last = last.max(delete(api, caller, listed).await?);
        }
    }
    Ok(last.max(sweep(api, caller, owner).await?))
}

/// Makes an end of what takes room on an owner's list for nothing. The position as in [`forget_all`].
async fn sweep(
    api: &CommandApi,
    caller: &Caller,
    owner: Option<UserId>,
) -> Result<Option<Position>, Problem> {
    let mut last = None;
    for webhook in api.ledger.webhooks_in_vain(owner).await? {
        last = last.max(delete(api, caller, webhook).await?);
    }
    Ok(last)
}

/// Asks for room for a webhook before anything is made for it; when there is none, looks for some.
pub(crate) async fn make_room(
    api: &CommandApi,
    caller: &Caller,
    webhook: ListedWebhook,
) -> Result<(), Problem> {
    if api.ledger.room_for_webhook(webhook).await?.is_err() {
        sweep(api, caller, webhook.user_id).await?;
        api.ledger.room_for_webhook(webhook).await??;
    }
    Ok(())
}

/// Until when a replaced secret signs on.
pub(crate) fn overlap(api: &CommandApi) -> TimeDelta {
    TimeDelta::from_std(api.options.webhooks.secret_overlap).unwrap_or(TimeDelta::MAX)
}
