//! `dead_letters`: every transfer that was ever parked, and what happened to it since.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use ledger_core::dead_letter::{DeadLetterEvent, Resolution, StepName, TransferParked};
use ledger_core::transfer::TransferEvent;
use ledger_core::{Event, TransferId};
use ledger_streams::Recorded;
use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt;

use super::{Events, Projection, bigint, expect_rows};
use crate::ApplyError;
use crate::partition::Spread;

/// The projection.
pub(super) static PROJECTION: Projection = Projection {
    name: "dead_letters",
    version: 1,
    tables: &["dead_letters", "dead_letter_history"],
    spread: Spread::One,
    insert_only: false,
    apply: |events, db| Box::pin(apply(events, db)),
};

/// What some events do to a dead letter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Change<'a> {
    /// The last parking among them, with the time of the first and how many there were.
    pub(super) parked: Option<Parked<'a>>,
    pub(super) standing: &'static str,
    pub(super) resolution: Option<Resolution>,
    pub(super) retried_at: Option<DateTime<Utc>>,
    pub(super) resolved_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Parked<'a> {
    pub(super) last: &'a TransferParked,
    pub(super) first_at: DateTime<Utc>,
    pub(super) last_at: DateTime<Utc>,
    pub(super) times: i64,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Happened<'a> {
    pub(super) transfer_id: TransferId,
    pub(super) revision: i64,
    pub(super) place: i32,
    pub(super) kind: &'static str,
    pub(super) at: DateTime<Utc>,
    pub(super) actor: &'a str,
    pub(super) reason: Option<&'a str>,
    pub(super) step: Option<StepName>,
    pub(super) resolution: Option<Resolution>,
}

async fn apply(events: &Events<'_>, db: &mut PgConnection) -> Result<(), ApplyError> {
    // Most transfers end, and few were ever parked.
    end(&ended(events.events), db).await?;
    let history = history(events.events)?;
    if history.is_empty() {
        return Ok(());
    }
    let (parked, said): (Vec<_>, Vec<_>) =
        fold(events.events).into_iter().partition(|(_, change)| change.parked.is_some());
    upsert(&parked, db).await?;
    update(&said, db).await?;
    insert_history(&history, db).await
}

/// The dead letters' events among all.
fn letters(events: &[Recorded]) -> impl Iterator<Item = (&Recorded, &DeadLetterEvent)> {
    events.iter().filter_map(|recorded| match happens(&recorded.event) {
        Some(Happens::Letter(event)) => Some((recorded, event)),
        Some(Happens::End(_)) | None => None,
    })
}

/// What concerns dead letters.
enum Happens<'a> {
    /// Something is said of a transfer.
    Letter(&'a DeadLetterEvent),
    /// A transfer ends.
    End(TransferId),
}

fn happens(event: &Event) -> Option<Happens<'_>> {
    match event {
        Event::DeadLetter(event) => Some(Happens::Letter(event)),
        Event::Transfer(TransferEvent::Rejected(end)) => Some(Happens::End(end.transfer_id)),
        Event::Transfer(TransferEvent::Completed(end)) => Some(Happens::End(end.transfer_id)),
        Event::Transfer(TransferEvent::Failed(end)) => Some(Happens::End(end.transfer_id)),
        Event::Transfer(TransferEvent::Requested(_))
        | Event::Account(_)
        | Event::User(_)
        | Event::Reference(_)
        | Event::Statement(_)
        | Event::Webhook(_) => None,
    }
}

const fn transfer_of(event: &DeadLetterEvent) -> TransferId {
    match event {
        DeadLetterEvent::Parked(parked) => parked.transfer_id,
        DeadLetterEvent::Retried(retried) => retried.transfer_id,
        DeadLetterEvent::Resolved(resolved) => resolved.transfer_id,
    }
}

/// Transfers that end before anything is said of them in these events.
pub(super) fn ended(events: &[Recorded]) -> Vec<TransferId> {
    let (mut said, mut ended) = (HashSet::new(), Vec::new());
    for event in events.iter().filter_map(|recorded| happens(&recorded.event)) {
        match event {
            Happens::Letter(letter) => {
                said.insert(transfer_of(letter));
            }
            Happens::End(transfer_id) if said.contains(&transfer_id) => {}
            Happens::End(transfer_id) => ended.push(transfer_id),
        }
    }
    ended
}

pub(super) fn fold(events: &[Recorded]) -> BTreeMap<TransferId, Change<'_>> {
    let mut changes: BTreeMap<TransferId, Change<'_>> = BTreeMap::new();
    for recorded in events {
        let at = recorded.recorded_at;
        let event = match happens(&recorded.event) {
            Some(Happens::Letter(event)) => event,
            Some(Happens::End(transfer_id)) => {
                if let Some(change) = changes.get_mut(&transfer_id)
                    && change.standing == "parked"
                {
                    change.standing = "ended";
                }
                continue;
            }
            None => continue,
        };
        match event {
            DeadLetterEvent::Parked(last) => {
                let change = changes.entry(last.transfer_id).or_default();
                let before = change.parked;
                change.parked = Some(Parked {
                    last,
                    first_at: before.map_or(at, |before| before.first_at),
                    last_at: at,
                    times: before.map_or(0, |before| before.times).saturating_add(1),
                });
                change.standing = "parked";
            }
            DeadLetterEvent::Retried(retried) => {
                let change = changes.entry(retried.transfer_id).or_default();
                change.standing = "retried";
                change.retried_at = Some(at);
            }
            DeadLetterEvent::Resolved(resolved) => {
                let change = changes.entry(resolved.transfer_id).or_default();
                change.standing = "resolved";
                change.resolution = Some(resolved.resolution);
                change.resolved_at = Some(at);
            }
        }
    }
    changes
}

pub(super) fn history(events: &[Recorded]) -> Result<Vec<Happened<'_>>, ApplyError> {
    let mut history = Vec::new();
    for (recorded, event) in letters(events) {
        let revision = bigint(recorded.revision)?;
        let happened = |transfer_id, kind, reason| Happened {
            transfer_id,
            revision,
            place: 0,
            kind,
            at: recorded.recorded_at,
            actor: recorded.metadata.actor.as_ref(),
            reason,
            step: None,
            resolution: None,
        };
        match event {
            DeadLetterEvent::Parked(parked) => {
                let mut place = 0_i32;
                for failed in &parked.history {
                    let row = happened(parked.transfer_id, "failed", Some(failed.reason.as_str()));
                    history.push(Happened { at: failed.at, place, ..row });
                    place = place.saturating_add(1);
                }
                let row = happened(parked.transfer_id, "parked", Some(parked.reason.as_str()));
                history.push(Happened { place, step: Some(parked.step), ..row });
            }
            DeadLetterEvent::Retried(retried) => {
                history.push(happened(retried.transfer_id, "retried", retried.reason.as_deref()));
            }
            DeadLetterEvent::Resolved(resolved) => {
                let row = happened(resolved.transfer_id, "resolved", Some(resolved.reason.as_str()));
                history.push(Happened { resolution: Some(resolved.resolution), ..row });
            }
        }
    }
    Ok(history)
}

async fn upsert(rows: &[(TransferId, Change<'_>)], db: &mut PgConnection) -> Result<(), ApplyError> {
    let parked: Vec<_> = rows.iter().filter_map(|(_, row)| row.parked.map(|parked| (row, parked))).collect();
    if parked.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into dead_letters as old (transfer_id, from_account, to_account, amount, currency, standing, resolution, step,
                                          reason, attempts, times_parked, first_parked_at, parked_at, retried_at, resolved_at)
         select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         on conflict (transfer_id) do update
         set standing = excluded.standing,
             resolution = coalesce(excluded.resolution, old.resolution),
             step = excluded.step,
             reason = excluded.reason,
             attempts = excluded.attempts,
             times_parked = old.times_parked + excluded.times_parked,
             parked_at = excluded.parked_at,
             retried_at = coalesce(excluded.retried_at, old.retried_at),
             resolved_at = coalesce(excluded.resolved_at, old.resolved_at)",
    )
    .bind(parked.iter().map(|(_, parked)| parked.last.transfer_id.as_i64()).bind_iter())
    .bind(parked.iter().map(|(_, parked)| parked.last.from.as_i64()).bind_iter())
    .bind(parked.iter().map(|(_, parked)| parked.last.to.as_i64()).bind_iter())
    .bind(parked.iter().map(|(_, parked)| parked.last.amount.minor).bind_iter())
    .bind(parked.iter().map(|(_, parked)| parked.last.amount.currency.code()).bind_iter())
    .bind(parked.iter().map(|(row, _)| row.standing).bind_iter())
    .bind(parked.iter().map(|(row, _)| row.resolution.map(Resolution::as_str)).bind_iter())
    .bind(parked.iter().map(|(_, parked)| parked.last.step.as_str()).bind_iter())
    .bind(parked.iter().map(|(_, parked)| parked.last.reason.as_str()).bind_iter())
    .bind(parked.iter().map(|(_, parked)| i64::from(parked.last.attempts)).bind_iter())
    .bind(parked.iter().map(|(_, parked)| parked.times).bind_iter())
    .bind(parked.iter().map(|(_, parked)| parked.first_at).bind_iter())
    .bind(parked.iter().map(|(_, parked)| parked.last_at).bind_iter())
    .bind(parked.iter().map(|(row, _)| row.retried_at).bind_iter())
    .bind(parked.iter().map(|(row, _)| row.resolved_at).bind_iter())
    .execute(db)
    .await?;
    Ok(())
}

/// Operators' words on transfers that were parked in an earlier batch.
async fn update(rows: &[(TransferId, Change<'_>)], db: &mut PgConnection) -> Result<(), ApplyError> {
    if rows.is_empty() {
        return Ok(());
    }
    let result = sqlx::query(
        "update dead_letters
         set standing = new.standing,
             resolution = coalesce(new.resolution, dead_letters.resolution),
             retried_at = coalesce(new.retried_at, dead_letters.retried_at),
             resolved_at = coalesce(new.resolved_at, dead_letters.resolved_at)
         from unnest($1, $2, $3, $4, $5) as new (transfer_id, standing, resolution, retried_at, resolved_at)
         where dead_letters.transfer_id = new.transfer_id",
    )
    .bind(rows.iter().map(|(id, _)| id.as_i64()).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.standing).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.resolution.map(Resolution::as_str)).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.retried_at).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.resolved_at).bind_iter())
    .execute(db)
    .await?;
    expect_rows("dead_letters", rows.len(), &result)
}

/// Those of them that were parked and waited for a word wait no more.
async fn end(transfers: &[TransferId], db: &mut PgConnection) -> Result<(), ApplyError> {
    if !transfers.is_empty() {
        sqlx::query(
            "update dead_letters set standing = 'ended' where standing = 'parked' and transfer_id = any($1)",
        )
        .bind(transfers.iter().map(|id| id.as_i64()).bind_iter())
        .execute(db)
        .await?;
    }
    Ok(())
}

async fn insert_history(rows: &[Happened<'_>], db: &mut PgConnection) -> Result<(), ApplyError> {
    sqlx::query(
        "insert into dead_letter_history (transfer_id, revision, place, kind, at, actor, reason, step, resolution)
         select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(rows.iter().map(|row| row.transfer_id.as_i64()).bind_iter())
    .bind(rows.iter().map(|row| row.revision).bind_iter())
    .bind(rows.iter().map(|row| row.place).bind_iter())
    .bind(rows.iter().map(|row| row.kind).bind_iter())
    .bind(rows.iter().map(|row| row.at).bind_iter())
    .bind(rows.iter().map(|row| row.actor).bind_iter())
    .bind(rows.iter().map(|row| row.reason).bind_iter())
    .bind(rows.iter().map(|row| row.step.map(StepName::as_str)).bind_iter())
    .bind(rows.iter().map(|row| row.resolution.map(Resolution::as_str)).bind_iter())
    .execute(db)
    .await?;
    Ok(())
}
