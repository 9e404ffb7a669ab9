//! `monthly_totals`: what moved on an account in a month.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use ledger_core::AccountId;
use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt;

use super::entries::{EntryKind, entries};
use super::{Events, Projection, Sum};
use crate::ApplyError;
use crate::partition::Spread;

/// The projection.
pub(super) static PROJECTION: Projection = Projection {
    name: "monthly_totals",
    version: 1,
    tables: &["monthly_totals"],
    spread: Spread::Even,
    insert_only: false,
    apply: |events, db| Box::pin(apply(events, db)),
};

/// What some events add to a month of an account.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) debits: Sum,
    /// Credits and reversals.
    pub(super) credits: Sum,
    /// Of entries.
    pub(super) count: i64,
}

pub(super) fn fold(events: &Events<'_>) -> Result<BTreeMap<(AccountId, NaiveDate), Totals>, ApplyError> {
    let mut months: BTreeMap<_, Totals> = BTreeMap::new();
    for entry in entries(events.events) {
        let entry = entry?;
        if !events.partitions.hold_account(entry.account_id) {
            continue;
        }
        let totals = months.entry((entry.account_id, entry.month(events.time_zone))).or_default();
        totals.count = totals.count.saturating_add(1);
        let side = match entry.kind {
            EntryKind::Debit => &mut totals.debits,
            EntryKind::Credit | EntryKind::Reversal => &mut totals.credits,
        };
        *side = side.saturating_add(entry.amount.minor.into());
    }
    Ok(months)
}

async fn apply(events: &Events<'_>, db: &mut PgConnection) -> Result<(), ApplyError> {
    let months = fold(events)?;
    if months.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into monthly_totals as old (account_id, month, debits, credits, count)
         select account_id, month, debits::numeric, credits::numeric, count
         from unnest($1, $2, $3, $4, $5) as new (account_id, month, debits, credits, count)
         on conflict (account_id, month) do update
         set debits = old.debits + excluded.debits, credits = old.credits + excluded.credits, count = old.count + excluded.count",
    )
    .bind(months.keys().map(|(account_id, _)| account_id.as_i64()).bind_iter())
    .bind(months.keys().map(|(_, month)| *month).bind_iter())
    .bind(months.values().map(|totals| totals.debits.to_string()).bind_iter())
    .bind(months.values().map(|totals| totals.credits.to_string()).bind_iter())
    .bind(months.values().map(|totals| totals.count).bind_iter())
    .execute(db)
    .await?;
    Ok(())
}
