//! Webhooks, and the log of deliveries.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use ledger_core::WebhookId;

use super::account::Money;
use super::big_int::BigInt;
use super::failure::Failure;
use super::page::{self, Connected, connect};
use super::scope::Scope;
use super::user::user_id;
use crate::connection::{IdCursor, Page, PageRequest};
use crate::problem::Problem;
use crate::read_models::webhook::{self, DeliveriesOf, DeliveryRow, WebhookRow, WebhookStatus};

/// An address that is told what happens.
pub(super) struct Webhook(WebhookRow);

/// One attempt to tell a webhook something. The newest 10,000 of each webhook are kept.
#[derive(SimpleObject)]
pub(super) struct WebhookDelivery {
    /// Unique and growing.
    id: ID,
    /// The message's id, as in the header webhook-id: the same for every attempt.
    message_id: String,
    /// The notification's type, such as `money.received`.
    r#type: String,
    /// The account that it is about.
    account_id: ID,
    /// Position in the log of its event: replay from just before it with this less 1.
    position: BigInt,
    /// 1 for the first attempt, one more for each that failed before.
    attempt: i32,
    /// When the attempt ended.
    at: DateTime<Utc>,
    /// How long it took.
    millis: i32,
    /// HTTP status of the answer; null when there was none.
    status: Option<i32>,
    /// What went wrong; null when it was delivered.
    error: Option<String>,
    /// True when the endpoint took it: any status from 200 to 299.
    delivered: bool,
}

impl From<DeliveryRow> for WebhookDelivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.delivery_id.into(),
            message_id: row.message_id,
            r#type: row.r#type,
            account_id: row.account_id.into(),
            position: BigInt(row.position.unsigned_abs()),
            attempt: row.attempt,
            at: row.at,
            millis: row.millis,
            status: row.status.map(i32::from),
            error: row.error,
            delivered: row.delivered,
        }
    }
}

#[Object]
impl Webhook {
    /// Its id, a decimal string.
    async fn id(&self) -> ID {
        self.0.webhook_id.into()
    }

    /// The user whose accounts it hears of; null for the bank's.
    async fn user_id(&self) -> Option<ID> {
        self.0.user_id.map(ID::from)
    }

    /// Where notifications are posted.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// Only these types, such as `money.received`; all when empty.
    async fn types(&self) -> &[String] {
        &self.0.types
    }

    /// Only these accounts; all of its owner when empty.
    async fn accounts(&self) -> Vec<ID> {
        self.0.accounts.iter().copied().map(ID::from).collect()
    }

    /// It is told once when an account falls below this balance.
    async fn threshold(&self) -> Option<Money> {
        self.0.threshold().map(Money::from)
    }

    /// Whether it is told anything.
    async fn status(&self) -> WebhookStatus {
        self.0.status
    }

    /// Why it is disabled.
    async fn disabled_reason(&self) -> Option<&str> {
        self.0.disabled_reason.as_deref()
    }

    /// When it was registered.
    async fn registered_at(&self) -> DateTime<Utc> {
        self.0.registered_at
    }

    /// When it was last changed, disabled, enabled or replayed.
    async fn changed_at(&self) -> DateTime<Utc> {
        self.0.changed_at
    }

    /// The log of deliveries: every attempt, newest first.
    #[graphql(complexity = "page::complexity(first, None, child_complexity)")]
    async fn deliveries(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many: 0 to 200, 50 when absent")] first: Option<i32>,
        #[graphql(desc = "Only attempts older than this cursor's")] after: Option<String>,
    ) -> Result<Connected<WebhookDelivery>, Failure> {
        let request = request(first, after)?;
        let key = DeliveriesOf { webhook_id: self.0.webhook_id, after: request.after, limit: request.limit };
        let page: Page<DeliveryRow> =
            Scope::of(context)?.loaders.load_one(key).await?.ok_or(Problem::Internal)?;
        Ok(connect(page, Default::default(), |row| IdCursor(row.delivery_id), WebhookDelivery::from))
    }
}

/// Questions about webhooks.
#[derive(Default)]
pub(super) struct WebhookQuery;

#[Object]
impl WebhookQuery {
    /// A webhook by its id. Null when there is none, or not for this caller.
    async fn webhook(&self, context: &Context<'_>, id: ID) -> Result<Option<Webhook>, Failure> {
        let scope = Scope::of(context)?;
        let id: WebhookId = id.parse().map_err(|error| Problem::invalid_id(&error))?;
        let row = webhook::by_id(&scope.databases, id.as_i64()).await?;
        Ok(row.filter(|row| scope.caller.may_read(row.user_id)).map(Webhook))
    }

    /// Webhooks in the order of their ids: of one user, or, for operators and auditors, everybody's and the bank's.
    #[graphql(complexity = "page::complexity(first, None, child_complexity)")]
    async fn webhooks(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Only this user's")] user_id: Option<ID>,
        #[graphql(desc = "How many: 0 to 200, 50 when absent")] first: Option<i32>,
        #[graphql(desc = "Only webhooks after this cursor")] after: Option<String>,
    ) -> Result<Connected<Webhook>, Failure> {
        let scope = Scope::of(context)?;
        let owner = user_id.map(|id| self::user_id(&id)).transpose()?;
        if !scope.caller.may_read(owner) {
            scope.require_everything()?;
        }
        let page = webhook::page(&scope.databases, owner, &request(first, after)?).await?;
        Ok(connect(page, Default::default(), |row| IdCursor(row.webhook_id), Webhook))
    }
}

fn request(first: Option<i32>, after: Option<String>) -> Result<PageRequest<IdCursor>, Failure> {
    Ok(PageRequest::onward(first, after)?)
}
