//! How far each projection has come.

use ledger_core::Position;
use sqlx::{FromRow, PgPool};

use super::ReadError;

/// A projection's place in the log: where the furthest back of its partitions is.
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
pub(crate) async fn all(pool: &PgPool) -> Result<Vec<ProjectionRow>, ReadError> {
    let rows = sqlx::query_as(
        "select projection, min(version) as version, min(position) as position from checkpoints
         group by projection order by projection",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

/// The position that every projection has reached; 0 when there is none yet.
pub(crate) async fn checkpoint(pool: &PgPool) -> Result<Position, ReadError> {
    let position: Option<i64> =
        sqlx::query_scalar("select min(position) from checkpoints").fetch_one(pool).await?;
    Ok(position.map_or(0, i64::unsigned_abs))
}
