//! A database says by which time zone its entries are put into months: whoever makes statements must have the same.

use chrono_tz::Tz;
use sqlx::PgConnection;

use crate::ProjectorError;

/// Notes the zone. Another one than before changes what is projected from now on, and is worth a warning.
pub(crate) async fn note(db: &mut PgConnection, zone: Tz) -> Result<(), ProjectorError> {
    let before: Option<String> =
        sqlx::query_scalar("select name from bank_time_zone").fetch_optional(&mut *db).await?;
    if before.as_deref() == Some(zone.name()) {
        return Ok(());
    }
    if let Some(before) = before {
        tracing::warn!(
            before,
            now = zone.name(),
            "the bank's time zone is another one: what was projected before keeps its months until it is rebuilt"
        );
    }
    sqlx::query("insert into bank_time_zone (name) values ($1) on conflict ((true)) do update set name = excluded.name")
        .bind(zone.name())
        .execute(db)
        .await?;
    Ok(())
}
