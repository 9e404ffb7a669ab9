//! `statements`: what was issued for an account and month, each issue a row.

use chrono::NaiveDate;
use ledger_core::statement::{StatementEvent, StatementIssued};
use ledger_core::{Event, Month};
use ledger_streams::Recorded;
use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt;

use super::{Events, Projection, bigint};
use crate::ApplyError;
use crate::partition::Spread;

/// The projection.
pub(super) static PROJECTION: Projection = Projection {
    name: "statements",
    version: 1,
    tables: &["statements"],
    spread: Spread::Even,
    insert_only: true,
    apply: |events, db| Box::pin(apply(events, db)),
};

/// An issue, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Issued<'a> {
    pub(super) month: NaiveDate,
    pub(super) statement: &'a StatementIssued,
    recorded: &'a Recorded,
    files: String,
}

pub(super) fn fold<'a>(events: &Events<'a>) -> Result<Vec<Issued<'a>>, ApplyError> {
    let mut rows = Vec::new();
    for recorded in events.events {
        let statement = match &recorded.event {
            Event::Statement(StatementEvent::Issued(statement)) => statement,
            Event::Account(_)
            | Event::Transfer(_)
            | Event::User(_)
            | Event::Reference(_)
            | Event::DeadLetter(_)
            | Event::Webhook(_) => continue,
        };
        if !events.partitions.hold_account(statement.account_id) {
            continue;
        }
        let month: Month = statement.month.parse().map_err(|_| ApplyError::Unfit("not a month"))?;
        let files = serde_json::to_string(&statement.files).map_err(|_| ApplyError::Unfit("not JSON"))?;
        rows.push(Issued { month: month.first_day(), statement, recorded, files });
    }
    Ok(rows)
}

async fn apply(events: &Events<'_>, db: &mut PgConnection) -> Result<(), ApplyError> {
    let rows = fold(events)?;
    if rows.is_empty() {
        return Ok(());
    }
    let counts = rows.iter().map(|row| bigint(row.statement.count)).collect::<Result<Vec<_>, _>>()?;
    let positions = rows.iter().map(|row| bigint(row.statement.position)).collect::<Result<Vec<_>, _>>()?;
    sqlx::query(
        "insert into statements (account_id, month, issue, revision, currency, opening, closing, debits, credits, count, position,
                                 files, issued_at)
         select account_id, month, issue, revision, currency, opening, closing, debits, credits, count, position, files::jsonb, issued_at
         from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
              as new (account_id, month, issue, revision, currency, opening, closing, debits, credits, count, position, files, issued_at)",
    )
    .bind(rows.iter().map(|row| row.statement.account_id.as_i64()).bind_iter())
    .bind(rows.iter().map(|row| row.month).bind_iter())
    .bind(rows.iter().map(|row| row.statement.issue.cast_signed()).bind_iter())
    .bind(rows.iter().map(|row| row.recorded.revision.cast_signed()).bind_iter())
    .bind(rows.iter().map(|row| row.statement.opening.currency.code()).bind_iter())
    .bind(rows.iter().map(|row| row.statement.opening.minor).bind_iter())
    .bind(rows.iter().map(|row| row.statement.closing.minor).bind_iter())
    .bind(rows.iter().map(|row| row.statement.total_debits.minor).bind_iter())
    .bind(rows.iter().map(|row| row.statement.total_credits.minor).bind_iter())
    .bind(counts)
    .bind(positions)
    .bind(rows.iter().map(|row| row.files.as_str()).bind_iter())
    .bind(rows.iter().map(|row| row.recorded.recorded_at).bind_iter())
    .execute(db)
    .await?;
    Ok(())
}
