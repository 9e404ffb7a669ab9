//! `openings`: how many accounts were opened on each day, by currency.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use ledger_core::Event;
use ledger_core::account::AccountEvent;
use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt;

use super::{Events, Projection};
use crate::ApplyError;
use crate::partition::Spread;

/// The projection.
pub(super) static PROJECTION: Projection = Projection {
    name: "openings",
    version: 1,
    tables: &["openings"],
    spread: Spread::One,
    insert_only: false,
    apply: |events, db| Box::pin(apply(events, db)),
};

/// By day in the bank's time zone, and by currency code.
pub(super) fn fold(events: &Events<'_>) -> Result<BTreeMap<(NaiveDate, &'static str), i64>, ApplyError> {
    let mut days = BTreeMap::new();
    for recorded in events.events {
        match &recorded.event {
            Event::Account(AccountEvent::Opened(opened)) => {
                let day = recorded.metadata.booked_at.with_timezone(&events.time_zone).date_naive();
                let count: &mut i64 = days.entry((day, opened.currency.code())).or_default();
                *count = count.saturating_add(1);
            }
            Event::Account(
                AccountEvent::Debited(_)
                | AccountEvent::Credited(_)
                | AccountEvent::DebitReversed(_)
                | AccountEvent::DebitRefused(_)
                | AccountEvent::CreditRefused(_)
                | AccountEvent::ReversalWaived(_)
                | AccountEvent::OverdraftLimitChanged(_)
                | AccountEvent::Frozen(_)
                | AccountEvent::Unfrozen(_)
                | AccountEvent::Closed(_),
            )
            | Event::Transfer(_)
            | Event::User(_)
            | Event::Reference(_)
            | Event::Statement(_)
            | Event::DeadLetter(_)
            | Event::Webhook(_) => {}
        }
    }
    Ok(days)
}

async fn apply(events: &Events<'_>, db: &mut PgConnection) -> Result<(), ApplyError> {
    let days = fold(events)?;
    if days.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into openings as old (day, currency, count)
         select * from unnest($1, $2, $3)
         on conflict (day, currency) do update set count = old.count + excluded.count",
    )
    .bind(days.keys().map(|(day, _)| *day).bind_iter())
    .bind(days.keys().map(|(_, currency)| *currency).bind_iter())
    .bind(days.values().copied().bind_iter())
    .execute(db)
    .await?;
    Ok(())
}
