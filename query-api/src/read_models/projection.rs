//! How far each projection has come.

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

/// The position that every projection has reached in a database; 0 when there is none yet.
pub(crate) async fn checkpoint(models: &ReadModels) -> Result<Position, ReadError> {
    let position: Option<i64> =
        sqlx::query_scalar("select min(position) from checkpoints").fetch_one(&models.pool).await?;
    Ok(position.map_or(0, i64::unsigned_abs))
}
