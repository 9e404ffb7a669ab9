//! How far each projection has come.

use std::fmt;

use chrono::{DateTime, Utc};
use ledger_core::Position;
use sqlx::FromRow;

use super::{ReadError, ReadModels};
use crate::database::ReadDatabases;

/// A projection's place in the log: where the furthest back of its partitions is, in whatever database.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct ProjectionRow {
    pub(crate) projection: String,
    pub(crate) version: i32,
    position: i64,
}

impl ProjectionRow {
    /// Position of the last event it handled.
    pub(crate) const fn position(&self) -> Position {
        self.position.unsigned_abs()
    }
}

/// Why a projection does not go on.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct StopRow {
    pub(crate) projection: String,
    position: i64,
    pub(crate) reason: String,
    pub(crate) stopped_at: DateTime<Utc>,
}

impl StopRow {
    /// Position of the event that it cannot take.
    pub(crate) const fn position(&self) -> Position {
        self.position.unsigned_abs()
    }
}

/// A rebuild that somebody asked for and that has not ended.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub(crate) struct RebuildRow {
    pub(crate) projections: Vec<String>,
    /// What it does; nothing while it waits for a projector.
    pub(crate) phase: Option<RebuildPhase>,
    pub(crate) percent: Option<f64>,
    pub(crate) events_per_second: Option<f64>,
    pub(crate) seconds_left: Option<f64>,
}

/// What a rebuild is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, async_graphql::Enum)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum RebuildPhase {
    /// Making tables, or looking at what an earlier attempt left.
    Preparing,
    /// Reading the log into the new tables.
    Loading,
    /// Making their indexes.
    Indexing,
    /// Reading what came meanwhile.
    CatchingUp,
    /// Comparing them with the live ones.
    Comparing,
    /// Exchanging both.
    Switching,
}

/// Every projection.
pub(crate) async fn all(databases: &ReadDatabases) -> Result<Vec<ProjectionRow>, ReadError> {
    let found = databases.each(|models| async move {
        let rows: Vec<ProjectionRow> = sqlx::query_as(
            "select projection, min(version) as version, min(position) as position from checkpoints
             group by projection order by projection",
        )
        .fetch_all(&models.pool)
        .await?;
        Ok(rows)
    });
    let mut rows: Vec<ProjectionRow> = super::merged(found.await?, |row| row.projection.clone());
    rows.dedup_by(|next, row| {
        let is_same = next.projection == row.projection;
        if is_same {
            row.version = row.version.min(next.version);
            row.position = row.position.min(next.position);
        }
        is_same
    });
    Ok(rows)
}

/// The projections that have stopped, each where the furthest back of its partitions has, in whatever database. One that went on all the
/// same, by a program that does not know of stops, has not.
pub(crate) async fn stops(databases: &ReadDatabases) -> Result<Vec<StopRow>, ReadError> {
    let found = databases.each(|models| async move {
        let rows: Vec<StopRow> = sqlx::query_as(
            "select distinct on (projection) projection, stop.position, reason, stopped_at
             from projection_stops as stop join checkpoints using (projection, partition)
             where checkpoints.position <= stop.position order by projection, stop.position",
        )
        .fetch_all(&models.pool)
        .await?;
        Ok(rows)
    });
    let mut rows = super::merged(found.await?, |row| (row.projection.clone(), row.position));
    rows.dedup_by(|next, row| next.projection == row.projection);
    Ok(rows)
}

/// The rebuilds that are under way, one at a time in each database; first those that have the furthest to go.
pub(crate) async fn rebuilds(databases: &ReadDatabases) -> Result<Vec<RebuildRow>, ReadError> {
    let found = databases.each(|models| async move {
        let row: Option<RebuildRow> = sqlx::query_as(
            "select projections, progress->>'phase' as phase, (progress->>'percent')::float8 as percent,
                 (progress->>'events_per_second')::float8 as events_per_second, (progress->>'seconds_left')::float8 as seconds_left
             from rebuilds where state in ('requested', 'running') and kind in ('rebuild', 'divide')",
        )
        .fetch_optional(&models.pool)
        .await?;
        Ok(row)
    });
    let mut rows: Vec<RebuildRow> = found.await?.into_iter().flatten().collect();
    let percent = |row: &RebuildRow| row.percent.unwrap_or_default();
    rows.sort_by(|one, other| percent(one).total_cmp(&percent(other)));
    Ok(rows)
}

/// A projection that does not come to a position by time alone.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct HeldUp {
    projection: String,
    stopped: bool,
    /// Of the rebuild that makes its rows as a newer program wants them.
    percent: Option<f64>,
}

impl fmt::Display for HeldUp {
    /// For everybody who asks: why it stopped is for operators.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.projection;
        match self.percent {
            _ if self.stopped => write!(f, "{name} has stopped, and an operator has to mend it"),
            Some(percent) => {
                write!(
                    f,
                    "{name} is being rebuilt for a newer version, {percent:.0} % done, and stands still meanwhile"
                )
            }
            None => write!(f, "{name} goes on"),
        }
    }
}

/// What holds projections up that have not come to a position: those that have stopped, and those whose rows are of an older version and are
/// being made anew.
pub(crate) async fn held_up(models: &ReadModels, position: Position) -> Result<Vec<HeldUp>, ReadError> {
    let position = i64::try_from(position).unwrap_or(i64::MAX);
    let rows = sqlx::query_as(
        "select checkpoints.projection, bool_or(stop.position is not null) as stopped,
             max(coalesce((open.progress->>'percent')::float8, 0)) filter (where open.version > checkpoints.version) as percent
         from checkpoints left join projection_stops as stop
             on stop.projection = checkpoints.projection and stop.partition = checkpoints.partition
                 and checkpoints.position <= stop.position
         left join (select name, version, progress from rebuilds, unnest(projections, versions) as wanted (name, version)
             where state in ('requested', 'running') and kind = 'rebuild') as open on open.name = checkpoints.projection
         where checkpoints.position < $1
         group by checkpoints.projection
         having bool_or(stop.position is not null or open.version > checkpoints.version)
         order by checkpoints.projection",
    )
    .bind(position)
    .fetch_all(&models.pool)
    .await?;
    Ok(rows)
}

/// What several databases tell: each is named once, however many it is in.
pub(crate) fn each_once(told: Vec<Vec<HeldUp>>) -> Vec<HeldUp> {
    let mut rows = super::merged(told, |row| (row.projection.clone(), !row.stopped));
    rows.dedup_by(|next, row| next.projection == row.projection);
    rows
}

/// The position that every projection has reached in a database; 0 when there is none yet.
pub(crate) async fn checkpoint(models: &ReadModels) -> Result<Position, ReadError> {
    let position: Option<i64> =
        sqlx::query_scalar("select min(position) from checkpoints").fetch_one(&models.pool).await?;
    Ok(position.map_or(0, i64::unsigned_abs))
}
