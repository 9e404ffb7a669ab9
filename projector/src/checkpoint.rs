//! A projection's place in the log, kept beside its rows.

use chrono::{DateTime, Utc};
use ledger_core::Position;
use ledger_core::mutation::{Rule, is_broken};
use sqlx::postgres::{PgBindIterExt, PgRow};
use sqlx::{PgConnection, Row};

use crate::ApplyError;
use crate::partition::Partitions;
use crate::projections::{Part, Projection, bigint};

/// A place in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Position of the last event handled, 0 before the first.
    pub position: Position,
    /// When the log recorded it.
    pub recorded_at: Option<DateTime<Utc>>,
}

/// A checkpoint as the database has it.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoint {
    /// Whose it is: a projection in one partition.
    pub part: Part,
    /// The version of the projection that wrote the rows.
    pub version: i32,
    /// How far it came.
    pub place: Place,
}

/// Reads the checkpoints of `parts`, one for each partition. One that has none gets one at the log's beginning.
///
/// # Errors
/// The database's.
pub async fn load(db: &mut PgConnection, parts: &[Part]) -> Result<Vec<Checkpoint>, sqlx::Error> {
    let shares = Part::shares(parts);
    let names = || shares.clone().map(|(projection, _)| projection.name).bind_iter();
    let partitions = || shares.clone().map(|(_, partition)| i16::from(partition)).bind_iter();
    sqlx::query(
        "insert into checkpoints (projection, partition, version, position)
         select name, number, version, 0 from unnest($1, $2, $3) as t (name, number, version)
         on conflict (projection, partition) do nothing",
    )
    .bind(names())
    .bind(partitions())
    .bind(shares.clone().map(|(projection, _)| projection.version).bind_iter())
    .execute(&mut *db)
    .await?;
    let rows = sqlx::query(
        "select version, position, recorded_at from unnest($1, $2) with ordinality as t (name, number, place)
         join checkpoints on projection = name and partition = number order by t.place",
    )
    .bind(names())
    .bind(partitions())
    .fetch_all(db)
    .await?;
    let checkpoint = |((projection, partition), row): ((&'static Projection, u8), &PgRow)| {
        let position: i64 = row.try_get("position")?;
        let place = Place { position: position.cast_unsigned(), recorded_at: row.try_get("recorded_at")? };
        let part = Part { projection, partitions: Partitions::one(partition) };
        Ok(Checkpoint { part, version: row.try_get("version")?, place })
    };
    shares.zip(&rows).map(checkpoint).collect()
}

/// Moves the checkpoints of `parts`, all of which are at `from`, to `to`. Comes first in a transaction, before any row: whoever locks
/// checkpoints then knows that no writer holds a table and waits for them.
///
/// # Errors
/// [`ApplyError::CheckpointMoved`] when one of them is not at `from`, or of another version: then somebody else writes, and this
/// transaction must not.
pub async fn advance(
    db: &mut PgConnection,
    parts: &[Part],
    from: Position,
    to: Place,
) -> Result<(), ApplyError> {
    let shares = Part::shares(parts);
    let moved = sqlx::query(
        "update checkpoints set position = $5, recorded_at = $6, updated_at = now()
         from unnest($1, $2, $3) as held (name, number, version)
         where projection = held.name and partition = held.number and checkpoints.version = held.version and position = $4",
    )
    .bind(shares.clone().map(|(projection, _)| projection.name).bind_iter())
    .bind(shares.clone().map(|(_, partition)| i16::from(partition)).bind_iter())
    .bind(shares.clone().map(|(projection, _)| projection.version).bind_iter())
    .bind(bigint(from)?)
    .bind(bigint(to.position)?)
    .bind(to.recorded_at)
    .execute(db)
    .await?
    .rows_affected();
    let all = usize::try_from(moved) == Ok(shares.count());
    if all || is_broken(Rule::CheckpointIsGuarded) { Ok(()) } else { Err(ApplyError::CheckpointMoved) }
}
