//! Webhooks, and what became of their notifications.

use std::collections::HashMap;

use async_graphql::Enum;
use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use ledger_core::Money;
use sqlx::FromRow;

use super::{CurrencyColumn, Key, Place, ReadError, ReadModels};
use crate::connection::{IdCursor, Page, PageRequest};
use crate::database::ReadDatabases;

/// Whether a webhook is told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum WebhookStatus {
    /// It is.
    Enabled,
    /// Not until somebody enables it again; its place in the log is kept.
    Disabled,
}

/// One webhook. Deleted ones are no webhooks.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct WebhookRow {
    pub(crate) webhook_id: i64,
    pub(crate) user_id: Option<i64>,
    pub(crate) url: String,
    pub(crate) types: Vec<String>,
    pub(crate) accounts: Vec<i64>,
    threshold: Option<i64>,
    threshold_currency: Option<String>,
    pub(crate) status: WebhookStatus,
    pub(crate) disabled_reason: Option<String>,
    pub(crate) registered_at: DateTime<Utc>,
    pub(crate) changed_at: DateTime<Utc>,
}

impl WebhookRow {
    /// The balance that it is told of when an account falls below it.
    pub(crate) fn threshold(&self) -> Option<Money> {
        let currency = CurrencyColumn::try_from(self.threshold_currency.as_deref()?).ok()?;
        Some(currency.money(self.threshold?))
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select webhook_id, user_id, url, types, accounts, threshold, threshold_currency, status, disabled_reason, \
                    registered_at, changed_at \
             from webhooks where status <> 'deleted' and ",
            $rest
        )
    };
}

/// One webhook.
pub(crate) async fn by_id(
    databases: &ReadDatabases,
    webhook_id: i64,
) -> Result<Option<WebhookRow>, ReadError> {
    let home = databases.first().await?;
    Ok(sqlx::query_as(select!("webhook_id = $1")).bind(webhook_id).fetch_optional(&home.pool).await?)
}

/// A page of a user's webhooks, or of all webhooks, in the order of their ids.
pub(crate) async fn page(
    databases: &ReadDatabases,
    user_id: Option<i64>,
    request: &PageRequest<IdCursor>,
) -> Result<Page<WebhookRow>, ReadError> {
    let after = request.after.map_or(0, |cursor| cursor.0);
    let one_more = i64::try_from(request.limit).unwrap_or(0).saturating_add(1);
    let query = match user_id {
        Some(user_id) => {
            sqlx::query_as(select!("user_id = $3 and webhook_id > $1 order by webhook_id limit $2"))
                .bind(after)
                .bind(one_more)
                .bind(user_id)
        }
        None => {
            sqlx::query_as(select!("webhook_id > $1 order by webhook_id limit $2")).bind(after).bind(one_more)
        }
    };
    let rows = query.fetch_all(&databases.first().await?.pool).await?;
    Ok(Page::from_rows(rows, request.limit, false, request.after.is_some()))
}

/// One attempt to tell a webhook something.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct DeliveryRow {
    pub(crate) webhook_id: i64,
    pub(crate) delivery_id: i64,
    pub(crate) message_id: String,
    pub(crate) r#type: String,
    pub(crate) account_id: i64,
    pub(crate) position: i64,
    pub(crate) attempt: i32,
    pub(crate) at: DateTime<Utc>,
    pub(crate) millis: i32,
    pub(crate) status: Option<i16>,
    pub(crate) error: Option<String>,
    pub(crate) delivered: bool,
}

/// One page of one webhook's attempts, newest first. Keys that differ only in the webhook become one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DeliveriesOf {
    pub(crate) webhook_id: i64,
    /// Only older ones than this.
    pub(crate) after: Option<IdCursor>,
    pub(crate) limit: usize,
}

const DELIVERIES: &str = "
    select delivery.* from unnest($1::bigint[]) as key(webhook_id)
    cross join lateral (
        select webhook_id, delivery_id, message_id, type, account_id, position, attempt, at, millis, status, error, delivered
        from webhook_deliveries
        where webhook_id = key.webhook_id and delivery_id < $2
        order by delivery_id desc limit $3
    ) delivery
    order by delivery_id desc";

impl Key for DeliveriesOf {
    fn place(&self) -> Place {
        Place::First
    }
}

impl Loader<DeliveriesOf> for ReadModels {
    type Value = Page<DeliveryRow>;
    type Error = ReadError;

    async fn load(
        &self,
        keys: &[DeliveriesOf],
    ) -> Result<HashMap<DeliveriesOf, Page<DeliveryRow>>, ReadError> {
        let mut webhooks_by_range: HashMap<(Option<IdCursor>, usize), Vec<i64>> = HashMap::new();
        for key in keys {
            webhooks_by_range.entry((key.after, key.limit)).or_default().push(key.webhook_id);
        }
        let mut pages = HashMap::with_capacity(keys.len());
        for ((after, limit), webhooks) in webhooks_by_range {
            let rows: Vec<DeliveryRow> = sqlx::query_as(DELIVERIES)
                .bind(&webhooks)
                .bind(after.map_or(i64::MAX, |cursor| cursor.0))
                .bind(i64::try_from(limit).unwrap_or(0).saturating_add(1))
                .fetch_all(&self.pool)
                .await?;
            let mut rows_by_webhook: HashMap<i64, Vec<DeliveryRow>> = HashMap::new();
            for row in rows {
                rows_by_webhook.entry(row.webhook_id).or_default().push(row);
            }
            pages.extend(webhooks.into_iter().map(|webhook_id| {
                let rows = rows_by_webhook.remove(&webhook_id).unwrap_or_default();
                let page = Page::from_rows(rows, limit, false, after.is_some());
                (DeliveriesOf { webhook_id, after, limit }, page)
            }));
        }
        Ok(pages)
    }
}
