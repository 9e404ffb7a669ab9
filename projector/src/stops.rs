//! Why projections do not go on, for every process that is asked: the table `projection_stops`.

use sqlx::PgConnection;
use sqlx::postgres::PgBindIterExt;
use tokio::sync::watch;

use crate::partition::Partitions;
use crate::projections::Part;
use crate::rebuild::request;
use crate::{ProjectorStatus, Stopped};

/// Notes why a part does not go on, if its rows are still of this version. What is not noted is tried again.
pub(crate) async fn note(
    db: &mut PgConnection,
    part: Part,
    version: i32,
    stopped: &Stopped,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into projection_stops (projection, partition, position, reason)
         select projection, partition, $4, $5 from checkpoints
         where projection = $1 and partition = any($2) and version = $3
         on conflict (projection, partition) do update set position = excluded.position, reason = excluded.reason,
             stopped_at = excluded.stopped_at",
    )
    .bind(part.projection.name)
    .bind(part.partitions.iter().map(i16::from).bind_iter())
    .bind(version)
    .bind(stopped.position.cast_signed())
    .bind(&stopped.reason)
    .execute(db)
    .await?;
    Ok(())
}

/// These are tried again.
pub(crate) async fn clear(
    db: &mut PgConnection,
    parts: impl Iterator<Item = Part>,
) -> Result<(), sqlx::Error> {
    let parts: Vec<Part> = parts.collect();
    let shares = Part::shares(&parts);
    sqlx::query(
        "delete from projection_stops using unnest($1, $2) as held (name, number)
         where projection = held.name and partition = held.number",
    )
    .bind(shares.clone().map(|(projection, _)| projection.name).bind_iter())
    .bind(shares.map(|(_, partition)| i16::from(partition)).bind_iter())
    .execute(db)
    .await?;
    Ok(())
}

/// True when somebody has made the rows of a projection that does not go on anew, or has given it up, here or in another process: it is to be
/// tried again.
pub(crate) async fn are_lifted(
    db: &mut PgConnection,
    held: Partitions,
    status: &watch::Sender<ProjectorStatus>,
) -> Result<bool, sqlx::Error> {
    let (mut told, mut waiting) = (Vec::new(), Vec::new());
    for projection in &status.borrow().projections {
        if projection.stopped.is_some() {
            told.push(projection.name);
        } else if projection.rebuilding {
            waiting.push(projection.name);
        }
    }
    if !waiting.is_empty() {
        let under_way = request::under_way(db).await?;
        if waiting.iter().any(|name| under_way.iter().all(|rebuilt| rebuilt != name)) {
            return Ok(true);
        }
    }
    if told.is_empty() {
        return Ok(false);
    }
    let noted: i64 = sqlx::query_scalar(
        "select count(distinct projection) from projection_stops where projection = any($1) and partition = any($2)",
    )
    .bind(&told)
    .bind(held.iter().map(i16::from).collect::<Vec<_>>())
    .fetch_one(db)
    .await?;
    Ok(usize::try_from(noted).is_ok_and(|noted| noted < told.len()))
}
