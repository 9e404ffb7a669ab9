//! `users`: the holders of accounts, their details as the log has them: encrypted.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ledger_core::user::UserEvent;
use ledger_core::{Event, UserId, stream};
use ledger_streams::Recorded;
use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt;

use super::{Events, Projection, expect_rows};
use crate::ApplyError;
use crate::partition::Spread;

/// The projection.
pub(super) static PROJECTION: Projection = Projection {
    name: "users",
    version: 1,
    tables: &["users"],
    spread: Spread::One,
    insert_only: false,
    apply: |events, db| Box::pin(apply(events, db)),
};

/// What some events do to a user.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Change<'a> {
    pub(super) registered_at: Option<DateTime<Utc>>,
    /// The newest details; none once erased.
    pub(super) details: Option<&'a str>,
    pub(super) erased_at: Option<DateTime<Utc>>,
}

async fn apply(events: &Events<'_>, db: &mut PgConnection) -> Result<(), ApplyError> {
    let (registered, changed): (Vec<_>, Vec<_>) =
        fold(events.events)?.into_iter().partition(|(_, change)| change.registered_at.is_some());
    insert(&registered, db).await?;
    update(&changed, db).await
}

pub(super) fn fold(events: &[Recorded]) -> Result<BTreeMap<UserId, Change<'_>>, ApplyError> {
    let mut changes: BTreeMap<UserId, Change<'_>> = BTreeMap::new();
    for recorded in events {
        let event = match &recorded.event {
            Event::User(event) => event,
            Event::Account(_)
            | Event::Transfer(_)
            | Event::Reference(_)
            | Event::Statement(_)
            | Event::DeadLetter(_)
            | Event::Webhook(_) => continue,
        };
        let change = changes.entry(user_of(recorded)?).or_default();
        match event {
            UserEvent::Registered(registered) => {
                change.registered_at = Some(recorded.recorded_at);
                change.details = Some(&registered.details.0);
            }
            UserEvent::DetailsChanged(changed) => change.details = Some(&changed.details.0),
            UserEvent::Erased(_) => {
                change.details = None;
                change.erased_at = Some(recorded.recorded_at);
            }
        }
    }
    Ok(changes)
}

fn user_of(recorded: &Recorded) -> Result<UserId, ApplyError> {
    let id = recorded.stream.strip_prefix(stream::USER).and_then(|id| id.parse().ok());
    id.ok_or(ApplyError::Unfit("not a user's stream"))
}

async fn insert(rows: &[(UserId, Change<'_>)], db: &mut PgConnection) -> Result<(), ApplyError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into users (user_id, details, registered_at, erased_at) select * from unnest($1, $2, $3, $4)",
    )
    .bind(rows.iter().map(|(id, _)| id.as_i64()).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.details).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.registered_at).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.erased_at).bind_iter())
    .execute(db)
    .await?;
    Ok(())
}

async fn update(rows: &[(UserId, Change<'_>)], db: &mut PgConnection) -> Result<(), ApplyError> {
    if rows.is_empty() {
        return Ok(());
    }
    // Every event of a user sets the details, to nothing when it erases them.
    let result = sqlx::query(
        "update users set details = new.details, erased_at = coalesce(new.erased_at, users.erased_at)
         from unnest($1, $2, $3) as new (user_id, details, erased_at)
         where users.user_id = new.user_id",
    )
    .bind(rows.iter().map(|(id, _)| id.as_i64()).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.details).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.erased_at).bind_iter())
    .execute(db)
    .await?;
    expect_rows("users", rows.len(), &result)
}
