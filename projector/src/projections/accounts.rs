//! `accounts`: every account as it stands.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ledger_core::account::{AccountEvent, AccountOpened};
use ledger_core::{AccountId, Event};
use ledger_streams::Recorded;
use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt;

use super::entries::{account_of, entries};
use super::{Events, Projection, Sum, bigint, expect_rows};
use crate::ApplyError;
use crate::partition::Spread;

/// The projection.
pub(super) static PROJECTION: Projection = Projection {
    name: "accounts",
    version: 1,
    tables: &["accounts"],
    spread: Spread::Even,
    insert_only: false,
    apply: |events, db| Box::pin(apply(events, db)),
};

/// What some events do to an account.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Change<'a> {
    pub(super) opened: Option<(&'a AccountOpened, DateTime<Utc>)>,
    /// Of the account's own events: the revision before the first, -1 before all, and the last.
    pub(super) revisions: Option<(i64, i64)>,
    pub(super) balance: Option<i64>,
    /// Change of what is in transit.
    pub(super) in_transit: Sum,
    pub(super) status: Option<&'static str>,
    pub(super) overdraft_limit: Option<i64>,
}

async fn apply(events: &Events<'_>, db: &mut PgConnection) -> Result<(), ApplyError> {
    let (opened, changed): (Vec<_>, Vec<_>) =
        fold(events)?.into_iter().partition(|(_, change)| change.opened.is_some());
    insert(&opened, db).await?;
    update(&changed, db).await
}

pub(super) fn fold<'a>(events: &Events<'a>) -> Result<BTreeMap<AccountId, Change<'a>>, ApplyError> {
    let mut changes: BTreeMap<AccountId, Change<'_>> = BTreeMap::new();
    for entry in entries(events.events) {
        let entry = entry?;
        if !events.partitions.hold_account(entry.source()) {
            continue;
        }
        let change = changes.entry(entry.source()).or_default();
        change.in_transit = change.in_transit.saturating_add(entry.on_transit().into());
    }
    for recorded in events.events {
        let event = match &recorded.event {
            Event::Account(event) => event,
            Event::Transfer(_)
            | Event::User(_)
            | Event::Reference(_)
            | Event::Statement(_)
            | Event::DeadLetter(_)
            | Event::Webhook(_) => continue,
        };
        let account_id = account_of(recorded)?;
        if !events.partitions.hold_account(account_id) {
            continue;
        }
        let change = changes.entry(account_id).or_default();
        change.follow(recorded)?;
        match event {
            AccountEvent::Opened(opened) => change.opened = Some((opened, recorded.metadata.booked_at)),
            AccountEvent::Debited(entry) => change.balance = Some(entry.balance_after.minor),
            AccountEvent::Credited(entry) => change.balance = Some(entry.balance_after.minor),
            AccountEvent::DebitReversed(entry) => change.balance = Some(entry.balance_after.minor),
            AccountEvent::DebitRefused(_)
            | AccountEvent::CreditRefused(_)
            | AccountEvent::ReversalWaived(_) => {}
            AccountEvent::OverdraftLimitChanged(changed) => {
                change.overdraft_limit = Some(changed.limit.minor);
            }
            AccountEvent::Frozen(_) => change.status = Some("frozen"),
            AccountEvent::Unfrozen(_) => change.status = Some("open"),
            AccountEvent::Closed(_) => change.status = Some("closed"),
        }
    }
    Ok(changes)
}

impl Change<'_> {
    /// Takes note of the event's revision, which must be the next of its stream.
    fn follow(&mut self, recorded: &Recorded) -> Result<(), ApplyError> {
        let revision = bigint(recorded.revision)?;
        let before = revision.saturating_sub(1);
        match &mut self.revisions {
            None => self.revisions = Some((before, revision)),
            Some((_, last)) if *last == before => *last = revision,
            Some(_) => {
                return Err(ApplyError::Unfit("an event of the account is missing before it"));
            }
        }
        Ok(())
    }
}

async fn insert(rows: &[(AccountId, Change<'_>)], db: &mut PgConnection) -> Result<(), ApplyError> {
    let opened: Vec<_> =
        rows.iter().filter_map(|(id, row)| row.opened.map(|opened| (id, row, opened))).collect();
    if opened.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into accounts (account_id, user_id, reference, kind, currency, status, balance, in_transit, overdraft_limit,
                               revision, opened_at)
         select account_id, user_id, reference, kind, currency, status, balance, in_transit::numeric, overdraft_limit, revision, opened_at
         from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
           as new (account_id, user_id, reference, kind, currency, status, balance, in_transit, overdraft_limit, revision, opened_at)",
    )
    .bind(opened.iter().map(|(id, ..)| id.as_i64()).bind_iter())
    .bind(opened.iter().map(|(_, _, (opened, _))| opened.user_id.map(|user| user.as_i64())).bind_iter())
    .bind(opened.iter().map(|(_, _, (opened, _))| opened.reference.as_deref()).bind_iter())
    .bind(opened.iter().map(|(_, _, (opened, _))| opened.kind.as_str()).bind_iter())
    .bind(opened.iter().map(|(_, _, (opened, _))| opened.currency.code()).bind_iter())
    .bind(opened.iter().map(|(_, row, _)| row.status.unwrap_or("open")).bind_iter())
    .bind(opened.iter().map(|(_, row, _)| row.balance.unwrap_or(0)).bind_iter())
    .bind(opened.iter().map(|(_, row, _)| row.in_transit.to_string()).bind_iter())
    .bind(
        opened
            .iter()
            .map(|(_, row, (opened, _))| row.overdraft_limit.unwrap_or(opened.overdraft_limit.minor))
            .bind_iter(),
    )
    .bind(opened.iter().map(|(_, row, _)| row.revisions.map_or(0, |(_, last)| last)).bind_iter())
    .bind(opened.iter().map(|(_, _, (_, opened_at))| *opened_at).bind_iter())
    .execute(db)
    .await?;
    Ok(())
}

/// Changes only a row that is at the revision before the first new event, so that no gap goes unnoticed.
async fn update(rows: &[(AccountId, Change<'_>)], db: &mut PgConnection) -> Result<(), ApplyError> {
    if rows.is_empty() {
        return Ok(());
    }
    let result = sqlx::query(
        "update accounts
         set balance = coalesce(new.balance, accounts.balance),
             in_transit = accounts.in_transit + new.in_transit::numeric,
             status = coalesce(new.status, accounts.status),
             overdraft_limit = coalesce(new.overdraft_limit, accounts.overdraft_limit),
             revision = coalesce(new.revision, accounts.revision)
         from unnest($1, $2, $3, $4, $5, $6, $7)
           as new (account_id, before, revision, balance, in_transit, status, overdraft_limit)
         where accounts.account_id = new.account_id and accounts.revision = coalesce(new.before, accounts.revision)",
    )
    .bind(rows.iter().map(|(id, _)| id.as_i64()).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.revisions.map(|(before, _)| before)).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.revisions.map(|(_, last)| last)).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.balance).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.in_transit.to_string()).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.status).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.overdraft_limit).bind_iter())
    .execute(db)
    .await?;
    expect_rows("accounts", rows.len(), &result)
}
