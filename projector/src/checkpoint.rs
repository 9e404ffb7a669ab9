//! A projection's place in the log, kept beside its rows.

use chrono::{DateTime, Utc};
use ledger_core::Position;
use ledger_core::mutation::{Rule, is_broken};
use sqlx::postgres::PgBindIterExt;
use sqlx::{PgConnection, Row};

use crate::ApplyError;
use crate::projections::{Projection, bigint};

/// A place in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Position of the last event handled, 0 before the first.
    pub position: Position,
    /// When the log recorded it.
    pub recorded_at: Option<DateTime<Utc>>,
}

/// A projection's checkpoint as the database has it.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoint {
    /// The version of the projection that wrote the rows.
    pub version: i32,
    /// How far it came.
    pub place: Place,
}

/// Reads the checkpoints of `projections`, in their order. One that has none gets one at the log's beginning.
///
/// # Errors
/// The database's.
pub async fn load(
    db: &mut PgConnection,
    projections: &[&'static Projection],
) -> Result<Vec<Checkpoint>, sqlx::Error> {
    sqlx::query(
        "insert into checkpoints (projection, version, position)
         select name, version, 0 from unnest($1, $2) as t (name, version)
         on conflict (projection) do nothing",
    )
    .bind(projections.iter().map(|projection| projection.name).bind_iter())
    .bind(projections.iter().map(|projection| projection.version).bind_iter())
    .execute(&mut *db)
    .await?;
    let rows = sqlx::query(
        "select version, position, recorded_at from unnest($1) with ordinality as t (name, place)
         join checkpoints on projection = name order by t.place",
    )
    .bind(projections.iter().map(|projection| projection.name).bind_iter())
    .fetch_all(db)
    .await?;
    let checkpoint = |row: &sqlx::postgres::PgRow| {
        let position: i64 = row.try_get("position")?;
        let place = Place { position: position.cast_unsigned(), recorded_at: row.try_get("recorded_at")? };
        Ok(Checkpoint { version: row.try_get("version")?, place })
    };
    rows.iter().map(checkpoint).collect()
}

/// Moves the checkpoints of `projections`, all of which are at `from`, to `to`.
///
/// # Errors
/// [`ApplyError::CheckpointMoved`] when one of them is not at `from`: then somebody else writes, and this transaction must not.
pub async fn advance(
    db: &mut PgConnection,
    projections: &[&Projection],
    from: Position,
    to: Place,
) -> Result<(), ApplyError> {
    let moved = sqlx::query(
        "update checkpoints set position = $3, recorded_at = $4, updated_at = now()
         where projection = any($1) and position = $2",
    )
    .bind(projections.iter().map(|projection| projection.name).bind_iter())
    .bind(bigint(from)?)
    .bind(bigint(to.position)?)
    .bind(to.recorded_at)
    .execute(db)
    .await?
    .rows_affected();
    let all = usize::try_from(moved) == Ok(projections.len());
    if all || is_broken(Rule::CheckpointIsGuarded) { Ok(()) } else { Err(ApplyError::CheckpointMoved) }
}
