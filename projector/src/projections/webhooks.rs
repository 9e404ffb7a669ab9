//! `webhooks`: who is told what, where, and whether at all. Secrets stay in the log.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ledger_core::webhook::{Settings, WebhookEvent};
use ledger_core::{Event, UserId, WebhookId, stream};
use ledger_streams::Recorded;
use sqlx::PgConnection;

use super::{Events, Projection, expect_rows};
use crate::ApplyError;
use crate::partition::Spread;

/// The projection.
pub(super) static PROJECTION: Projection = Projection {
    name: "webhooks",
    version: 1,
    tables: &["webhooks"],
    spread: Spread::One,
    insert_only: false,
    apply: |events, db| Box::pin(apply(events, db)),
};

/// What some events do to a webhook.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Change<'a> {
    pub(super) registered: Option<(Option<UserId>, DateTime<Utc>)>,
    pub(super) settings: Option<&'a Settings>,
    /// The newest status, with the reason for being disabled.
    pub(super) status: Option<(&'static str, Option<&'a str>)>,
    pub(super) changed_at: DateTime<Utc>,
}

async fn apply(events: &Events<'_>, db: &mut PgConnection) -> Result<(), ApplyError> {
    let (registered, changed): (Vec<_>, Vec<_>) =
        fold(events.events)?.into_iter().partition(|(_, change)| change.registered.is_some());
    insert(&registered, db).await?;
    update(&changed, db).await
}

pub(super) fn fold(events: &[Recorded]) -> Result<BTreeMap<WebhookId, Change<'_>>, ApplyError> {
    let mut changes: BTreeMap<WebhookId, Change<'_>> = BTreeMap::new();
    for recorded in events {
        let event = match &recorded.event {
            Event::Webhook(event) => event,
            Event::Account(_)
            | Event::Transfer(_)
            | Event::User(_)
            | Event::Reference(_)
            | Event::DeadLetter(_)
            | Event::Statement(_) => continue,
        };
        let id = stream::webhook_id(&recorded.stream).ok_or(ApplyError::Unfit("not a webhook's stream"))?;
        let change = changes.entry(id).or_default();
        change.changed_at = recorded.recorded_at;
        match event {
            WebhookEvent::Registered(registered) => {
                change.registered = Some((registered.user_id, recorded.recorded_at));
                change.settings = Some(&registered.settings);
                change.status = Some(("enabled", None));
            }
            WebhookEvent::Changed(changed) => change.settings = Some(&changed.settings),
            WebhookEvent::Disabled(disabled) => {
                change.status = Some(("disabled", Some(disabled.reason.as_str())));
            }
            WebhookEvent::Enabled(_) => change.status = Some(("enabled", None)),
            WebhookEvent::Deleted(_) => change.status = Some(("deleted", None)),
            WebhookEvent::SecretRotated(_) | WebhookEvent::Replayed(_) => {}
        }
    }
    Ok(changes)
}

/// A row as the statements take it: JSON, because an array of arrays is no column of `unnest`.
fn rows(changes: &[(WebhookId, Change<'_>)]) -> String {
    let row = |(id, change): &(WebhookId, Change<'_>)| {
        let settings = change.settings;
        let threshold = settings.and_then(|settings| settings.threshold);
        serde_json::json!({
            "webhook_id": id.as_i64(),
            "user_id": change.registered.and_then(|(user_id, _)| user_id).map(UserId::as_i64),
            "url": settings.map(|settings| &settings.url),
            "types": settings.map(|settings| &settings.types),
            "accounts": settings.map(|settings| settings.accounts.iter().map(|id| id.as_i64()).collect::<Vec<_>>()),
            "threshold": threshold.map(|threshold| threshold.minor),
            "threshold_currency": threshold.map(|threshold| threshold.currency),
            "status": change.status.map(|(status, _)| status),
            "disabled_reason": change.status.and_then(|(_, reason)| reason),
            "registered_at": change.registered.map(|(_, at)| at),
            "changed_at": change.changed_at,
        })
    };
    serde_json::Value::from_iter(changes.iter().map(row)).to_string()
}

async fn insert(changes: &[(WebhookId, Change<'_>)], db: &mut PgConnection) -> Result<(), ApplyError> {
    if changes.is_empty() {
        return Ok(());
    }
    sqlx::query("insert into webhooks select * from jsonb_populate_recordset(null::webhooks, $1::jsonb)")
        .bind(rows(changes))
        .execute(db)
        .await?;
    Ok(())
}

async fn update(changes: &[(WebhookId, Change<'_>)], db: &mut PgConnection) -> Result<(), ApplyError> {
    if changes.is_empty() {
        return Ok(());
    }
    // Settings change as a whole, and so do status and reason.
    let result = sqlx::query(
        "update webhooks
         set url = coalesce(new.url, webhooks.url),
             types = coalesce(new.types, webhooks.types),
             accounts = coalesce(new.accounts, webhooks.accounts),
             threshold = case when new.url is null then webhooks.threshold else new.threshold end,
             threshold_currency = case when new.url is null then webhooks.threshold_currency else new.threshold_currency end,
             status = coalesce(new.status, webhooks.status),
             disabled_reason = case when new.status is null then webhooks.disabled_reason else new.disabled_reason end,
             changed_at = new.changed_at
         from jsonb_populate_recordset(null::webhooks, $1::jsonb) as new
         where webhooks.webhook_id = new.webhook_id",
    )
    .bind(rows(changes))
    .execute(db)
    .await?;
    expect_rows("webhooks", changes.len(), &result)
}
