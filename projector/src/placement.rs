//! A database says itself which of the read models' databases it is: what one was filled with cannot be told from the rows.

use sqlx::PgConnection;

use crate::ProjectorError;
use crate::partition::Placement;

/// Refuses a database that has another place. One that was never filled has none yet.
pub(crate) async fn check(db: &mut PgConnection, given: Placement) -> Result<(), ProjectorError> {
    let there: bool =
        sqlx::query_scalar("select to_regclass('placement') is not null").fetch_one(&mut *db).await?;
    if !there {
        return Ok(());
    }
    let found: Option<(i16, i16)> =
        sqlx::query_as("select number, of from placement").fetch_optional(db).await?;
    match found {
        Some(found) if found != (i16::from(given.number()), i16::from(given.of())) => {
            Err(ProjectorError::Misplaced { found: format!("{} of {}", found.0, found.1), given })
        }
        Some(_) | None => Ok(()),
    }
}

/// Gives a database that was never filled its place, for ever; refuses one that has another.
pub(crate) async fn claim(db: &mut PgConnection, given: Placement) -> Result<(), ProjectorError> {
    sqlx::query("insert into placement (number, of) values ($1, $2) on conflict do nothing")
        .bind(i16::from(given.number()))
        .bind(i16::from(given.of()))
        .execute(&mut *db)
        .await?;
    check(db, given).await
}
