//! `transfers`: every transfer with its status and timeline.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ledger_core::account::AccountEvent;
use ledger_core::transfer::{TransferEvent, TransferRequested};
use ledger_core::{Event, Rejection, TransferId};
use ledger_streams::Recorded;
use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt;

use super::entries::{EntryKind, entries};
use super::{Events, Projection, expect_rows};
use crate::ApplyError;
use crate::copy::{COPY_ROWS_MIN, CopyRows};
use crate::partition::{Partitions, Spread};

/// The projection.
pub(super) static PROJECTION: Projection = Projection {
    name: "transfers",
    version: 1,
    tables: &["transfers"],
    spread: Spread::Even,
    insert_only: false,
    apply: |events, db| Box::pin(apply(events, db)),
};

/// What some events do to a transfer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Change<'a> {
    pub(super) requested: Option<Requested<'a>>,
    pub(super) debited_at: Option<DateTime<Utc>>,
    pub(super) credited_at: Option<DateTime<Utc>>,
    pub(super) reversed_at: Option<DateTime<Utc>>,
    pub(super) debit_refused_at: Option<DateTime<Utc>>,
    pub(super) credit_refused_at: Option<DateTime<Utc>>,
    pub(super) reversal_waived_at: Option<DateTime<Utc>>,
    pub(super) ended: Option<Ended>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Requested<'a> {
    pub(super) transfer: &'a TransferRequested,
    pub(super) booked_at: DateTime<Utc>,
    pub(super) at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) status: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) at: DateTime<Utc>,
}

async fn apply(events: &Events<'_>, db: &mut PgConnection) -> Result<(), ApplyError> {
    let (requested, changed): (Vec<_>, Vec<_>) =
        fold(events)?.into_iter().partition(|(_, change)| change.requested.is_some());
    insert(&requested, db).await?;
    update(&changed, db).await
}

/// The changes of transfers in some partitions.
struct Changes<'a> {
    partitions: Partitions,
    rows: BTreeMap<TransferId, Change<'a>>,
}

impl<'a> Changes<'a> {
    /// The change of a transfer, if that is here.
    fn of(&mut self, transfer_id: TransferId) -> Option<&mut Change<'a>> {
        self.partitions.hold_transfer(transfer_id).then(|| self.rows.entry(transfer_id).or_default())
    }
}

pub(super) fn fold<'a>(events: &Events<'a>) -> Result<BTreeMap<TransferId, Change<'a>>, ApplyError> {
    let mut changes = Changes { partitions: events.partitions, rows: BTreeMap::new() };
    for entry in entries(events.events) {
        let entry = entry?;
        let Some(change) = changes.of(entry.transfer_id) else { continue };
        let at = Some(entry.recorded.recorded_at);
        match entry.kind {
            EntryKind::Debit => change.debited_at = at,
            EntryKind::Credit => change.credited_at = at,
            EntryKind::Reversal => change.reversed_at = at,
        }
    }
    for recorded in events.events {
        let event = match &recorded.event {
            Event::Transfer(event) => event,
            Event::Account(event) => {
                answered(&mut changes, event, recorded.recorded_at);
                continue;
            }
            Event::User(_)
            | Event::Reference(_)
            | Event::DeadLetter(_)
            | Event::Statement(_)
            | Event::Webhook(_) => continue,
        };
        match event {
            TransferEvent::Requested(transfer) => {
                let Some(change) = changes.of(transfer.transfer_id) else { continue };
                let booked_at = recorded.metadata.booked_at;
                change.requested = Some(Requested { transfer, booked_at, at: recorded.recorded_at });
            }
            TransferEvent::Rejected(end) => {
                let Some(change) = changes.of(end.transfer_id) else { continue };
                change.end("rejected", Some(end.reason), recorded);
            }
            TransferEvent::Completed(end) => {
                let Some(change) = changes.of(end.transfer_id) else { continue };
                change.end("completed", None, recorded);
            }
            TransferEvent::Failed(end) => {
                let Some(change) = changes.of(end.transfer_id) else { continue };
                change.end("failed", Some(end.reason), recorded);
            }
        }
    }
    Ok(changes.rows)
}

/// Takes note of an account's answer that moves no money.
fn answered(changes: &mut Changes<'_>, event: &AccountEvent, at: DateTime<Utc>) {
    match event {
        AccountEvent::DebitRefused(no) => {
            let Some(change) = changes.of(no.transfer_id) else { return };
            change.debit_refused_at = Some(at);
        }
        AccountEvent::CreditRefused(no) => {
            let Some(change) = changes.of(no.transfer_id) else { return };
            change.credit_refused_at = Some(at);
        }
        AccountEvent::ReversalWaived(waived) => {
            let Some(change) = changes.of(waived.transfer_id) else { return };
            change.reversal_waived_at = Some(at);
        }
        AccountEvent::Opened(_)
        | AccountEvent::Debited(_)
        | AccountEvent::Credited(_)
        | AccountEvent::DebitReversed(_)
        | AccountEvent::OverdraftLimitChanged(_)
        | AccountEvent::Frozen(_)
        | AccountEvent::Unfrozen(_)
        | AccountEvent::Closed(_) => {}
    }
}

impl Change<'_> {
    fn end(&mut self, status: &'static str, reason: Option<Rejection>, recorded: &Recorded) {
        self.ended = Some(Ended { status, reason: reason.map(Rejection::code), at: recorded.recorded_at });
    }
}

async fn insert(rows: &[(TransferId, Change<'_>)], db: &mut PgConnection) -> Result<(), ApplyError> {
    let requested: Vec<_> =
        rows.iter().filter_map(|(_, row)| row.requested.map(|requested| (row, requested))).collect();
    if requested.is_empty() {
        return Ok(());
    }
    if requested.len() >= COPY_ROWS_MIN {
        return copy(&requested, db).await;
    }
    sqlx::query(
        "insert into transfers (transfer_id, from_account, to_account, amount, currency, status, failure_reason, description,
                                reference, booked_at, requested_at, debited_at, credited_at, reversed_at, ended_at,
                                debit_refused_at, credit_refused_at, reversal_waived_at)
         select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
    )
    .bind(requested.iter().map(|(_, requested)| requested.transfer.transfer_id.as_i64()).bind_iter())
    .bind(requested.iter().map(|(_, requested)| requested.transfer.from.as_i64()).bind_iter())
    .bind(requested.iter().map(|(_, requested)| requested.transfer.to.as_i64()).bind_iter())
    .bind(requested.iter().map(|(_, requested)| requested.transfer.amount.minor).bind_iter())
    .bind(requested.iter().map(|(_, requested)| requested.transfer.amount.currency.code()).bind_iter())
    .bind(requested.iter().map(|(row, _)| row.ended.map_or("pending", |ended| ended.status)).bind_iter())
    .bind(requested.iter().map(|(row, _)| row.ended.and_then(|ended| ended.reason)).bind_iter())
    .bind(requested.iter().map(|(_, requested)| requested.transfer.description.as_deref()).bind_iter())
    .bind(requested.iter().map(|(_, requested)| requested.transfer.reference.as_deref()).bind_iter())
    .bind(requested.iter().map(|(_, requested)| requested.booked_at).bind_iter())
    .bind(requested.iter().map(|(_, requested)| requested.at).bind_iter())
    .bind(requested.iter().map(|(row, _)| row.debited_at).bind_iter())
    .bind(requested.iter().map(|(row, _)| row.credited_at).bind_iter())
    .bind(requested.iter().map(|(row, _)| row.reversed_at).bind_iter())
    .bind(requested.iter().map(|(row, _)| row.ended.map(|ended| ended.at)).bind_iter())
    .bind(requested.iter().map(|(row, _)| row.debit_refused_at).bind_iter())
    .bind(requested.iter().map(|(row, _)| row.credit_refused_at).bind_iter())
    .bind(requested.iter().map(|(row, _)| row.reversal_waived_at).bind_iter())
    .execute(db)
    .await?;
    Ok(())
}

/// The same for many.
async fn copy(rows: &[(&Change<'_>, Requested<'_>)], db: &mut PgConnection) -> Result<(), ApplyError> {
    let mut copy = CopyRows::new(18, rows.len());
    for (row, requested) in rows {
        copy.row()
            .bigint(requested.transfer.transfer_id.as_i64())
            .bigint(requested.transfer.from.as_i64())
            .bigint(requested.transfer.to.as_i64())
            .bigint(requested.transfer.amount.minor)
            .text(requested.transfer.amount.currency.code())
            .text(row.ended.map_or("pending", |ended| ended.status))
            .text(row.ended.and_then(|ended| ended.reason))
            .text(requested.transfer.description.as_deref())
            .text(requested.transfer.reference.as_deref())
            .time(requested.booked_at)
            .time(requested.at)
            .time(row.debited_at)
            .time(row.credited_at)
            .time(row.reversed_at)
            .time(row.ended.map(|ended| ended.at))
            .time(row.debit_refused_at)
            .time(row.credit_refused_at)
            .time(row.reversal_waived_at);
    }
    let statement = "copy transfers (transfer_id, from_account, to_account, amount, currency, status, failure_reason, description,
                                    reference, booked_at, requested_at, debited_at, credited_at, reversed_at, ended_at,
                                    debit_refused_at, credit_refused_at, reversal_waived_at) from stdin (format binary)";
    copy.send("transfers", statement, db).await
}

async fn update(rows: &[(TransferId, Change<'_>)], db: &mut PgConnection) -> Result<(), ApplyError> {
    if rows.is_empty() {
        return Ok(());
    }
    let result = sqlx::query(
        "update transfers
         set status = coalesce(new.status, transfers.status),
             failure_reason = coalesce(new.failure_reason, transfers.failure_reason),
             debited_at = coalesce(new.debited_at, transfers.debited_at),
             credited_at = coalesce(new.credited_at, transfers.credited_at),
             reversed_at = coalesce(new.reversed_at, transfers.reversed_at),
             ended_at = coalesce(new.ended_at, transfers.ended_at),
             debit_refused_at = coalesce(new.debit_refused_at, transfers.debit_refused_at),
             credit_refused_at = coalesce(new.credit_refused_at, transfers.credit_refused_at),
             reversal_waived_at = coalesce(new.reversal_waived_at, transfers.reversal_waived_at)
         from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
           as new (transfer_id, status, failure_reason, debited_at, credited_at, reversed_at, ended_at, debit_refused_at,
                   credit_refused_at, reversal_waived_at)
         where transfers.transfer_id = new.transfer_id",
    )
    .bind(rows.iter().map(|(id, _)| id.as_i64()).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.ended.map(|ended| ended.status)).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.ended.and_then(|ended| ended.reason)).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.debited_at).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.credited_at).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.reversed_at).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.ended.map(|ended| ended.at)).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.debit_refused_at).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.credit_refused_at).bind_iter())
    .bind(rows.iter().map(|(_, row)| row.reversal_waived_at).bind_iter())
    .execute(db)
    .await?;
    expect_rows("transfers", rows.len(), &result)
}
