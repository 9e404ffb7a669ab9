//! `trial_balance`: where a currency's money is. The three sums of a row add up to zero, which the table itself checks.

use std::collections::BTreeMap;

use ledger_streams::Recorded;
use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt;

use super::entries::entries;
use super::{Events, Projection, Sum};
use crate::ApplyError;
use crate::partition::Spread;

/// The projection.
pub(super) static PROJECTION: Projection = Projection {
    name: "trial_balance",
    version: 1,
    tables: &["trial_balance"],
    spread: Spread::One,
    insert_only: false,
    apply: |events, db| Box::pin(apply(events, db)),
};

/// What some events add to a currency's sums.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) customers: Sum,
    pub(super) settlement: Sum,
    pub(super) in_transit: Sum,
}

/// By currency code.
pub(super) fn fold(events: &[Recorded]) -> Result<BTreeMap<&'static str, Sums>, ApplyError> {
    let mut currencies: BTreeMap<_, Sums> = BTreeMap::new();
    for entry in entries(events) {
        let entry = entry?;
        let sums = currencies.entry(entry.amount.currency.code()).or_default();
        let side = if entry.is_settlement() { &mut sums.settlement } else { &mut sums.customers };
        *side = side.saturating_add(entry.on_balance().into());
        sums.in_transit = sums.in_transit.saturating_add(entry.on_transit().into());
    }
    Ok(currencies)
}

async fn apply(events: &Events<'_>, db: &mut PgConnection) -> Result<(), ApplyError> {
    let currencies = fold(events.events)?;
    if currencies.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into trial_balance as old (currency, customers, settlement, in_transit)
         select currency, customers::numeric, settlement::numeric, in_transit::numeric
         from unnest($1, $2, $3, $4) as new (currency, customers, settlement, in_transit)
         on conflict (currency) do update
         set customers = old.customers + excluded.customers, settlement = old.settlement + excluded.settlement,
             in_transit = old.in_transit + excluded.in_transit",
    )
    .bind(currencies.keys().copied().bind_iter())
    .bind(currencies.values().map(|sums| sums.customers.to_string()).bind_iter())
    .bind(currencies.values().map(|sums| sums.settlement.to_string()).bind_iter())
    .bind(currencies.values().map(|sums| sums.in_transit.to_string()).bind_iter())
    .execute(db)
    .await?;
    Ok(())
}
