//! Exchanging live tables with others, in one transaction.

use chrono::NaiveDate;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::build::Build;
use super::limits::{EXCHANGE_SILENCE_MAX, HOLD_MAX, LOCK_TIMEOUTS, SWITCH_ATTEMPTS_MAX, SWITCH_PAUSE};
use super::{LIVE, PREVIOUS, REBUILD, RebuildError, tables};
use crate::projections::Projection;

/// Where tables are in the middle of the transaction, and at no other time.
const BETWEEN: &str = "switching";
const CHECKPOINT: &str = "projection, partition, version, position, recorded_at, updated_at";

/// Puts the tables of the schema `from` in the place of the live ones, which go to `previous`. With a build, its tables are brought to
/// exactly where the live ones are; nobody can write meanwhile, and everybody can read until the tables themselves are exchanged.
///
/// Whoever reads a table holds the exchange up, and whoever comes later waits behind it. So it waits but for a moment, lets all pass, and
/// tries again.
pub(super) async fn switch(
    db: &mut PgConnection,
    from: &str,
    projections: &[&'static Projection],
    mut build: Option<&mut Build>,
) -> Result<(), RebuildError> {
    let mut left = Vec::new();
    if projections.iter().any(|projection| projection.tables.contains(&"transactions")) {
        // Nobody reads them there, and it takes a while: before all wait. What was archived since goes with the exchange.
        leave_archived_months(db, from, &mut left).await?;
    }
    for timeout in LOCK_TIMEOUTS.into_iter().cycle().take(SWITCH_ATTEMPTS_MAX) {
        match attempt(db, from, projections, build.as_deref_mut(), &left, timeout).await {
            Err(error) if error.is_lock_timeout() => {
                tracing::debug!("tables are in use; trying again to exchange them");
                // What was begun is taken back with the connection's next word, and locks until then.
                db.ping().await?;
                tokio::time::sleep(SWITCH_PAUSE).await;
            }
            ended => return ended,
        }
    }
    Err(RebuildError::InUse)
}

async fn attempt(
    db: &mut PgConnection,
    from: &str,
    projections: &[&'static Projection],
    build: Option<&mut Build>,
    left: &[NaiveDate],
    lock_timeout: &'static str,
) -> Result<(), RebuildError> {
    let tables: Vec<&str> = projections.iter().flat_map(|projection| projection.tables).copied().collect();
    let list =
        |schema: &str| tables.iter().map(|table| format!("{schema}.{table}")).collect::<Vec<_>>().join(", ");
    let names: Vec<&str> = projections.iter().map(|projection| projection.name).collect();

    let mut transaction = db.begin().await?;
    tables::bound_silence(&mut transaction, HOLD_MAX).await?;
    let places = tables::checkpoints(&mut transaction, LIVE, projections, true).await?;
    if let Some(build) = build {
        build.advance(places).await?;
    }
    tables::bound_silence(&mut transaction, EXCHANGE_SILENCE_MAX).await?;
    let lock = format!(
        "set local lock_timeout = '{lock_timeout}';
         lock table {}, {} in access exclusive mode;",
        list(from),
        list(LIVE)
    );
    transaction.execute(AssertSqlSafe(lock)).await?;
    if tables.contains(&"transactions") {
        leave_archived_months(&mut transaction, from, &mut left.to_vec()).await?;
    }
    let begin = format!(
        "create schema {BETWEEN};
         create schema if not exists {PREVIOUS};
         create table if not exists {PREVIOUS}.checkpoints (like {LIVE}.checkpoints including all);
         create table {BETWEEN}.checkpoints (like {LIVE}.checkpoints including all);"
    );
    transaction.execute(AssertSqlSafe(begin)).await?;
    for table in &tables {
        relocate(&mut transaction, table, LIVE, BETWEEN).await?;
        relocate(&mut transaction, table, from, LIVE).await?;
        transaction.execute(AssertSqlSafe(format!("drop table if exists {PREVIOUS}.{table}"))).await?;
        relocate(&mut transaction, table, BETWEEN, PREVIOUS).await?;
        alter(&mut transaction, LIVE, table, "reset (autovacuum_enabled)").await?;
    }
    for (source, target) in [(LIVE, BETWEEN), (from, LIVE), (BETWEEN, PREVIOUS)] {
        // Rows that are there are changed, not made anew: a projector that waits for them goes on if they are where it left them.
        let put = format!(
            "insert into {target}.checkpoints ({CHECKPOINT}) select {CHECKPOINT} from {source}.checkpoints where projection = any($1)
             on conflict (projection, partition) do update set version = excluded.version, position = excluded.position,
                 recorded_at = excluded.recorded_at, updated_at = excluded.updated_at"
        );
        sqlx::query(AssertSqlSafe(put)).bind(&names).execute(&mut *transaction).await?;
    }
    // Whatever stopped them: with other rows they are tried again.
    sqlx::query("delete from projection_stops where projection = any($1)")
        .bind(&names)
        .execute(&mut *transaction)
        .await?;
    transaction.execute(AssertSqlSafe(format!("drop schema {BETWEEN} cascade"))).await?;
    if from == REBUILD {
        transaction.execute(AssertSqlSafe(format!("drop schema {REBUILD} cascade"))).await?;
    }
    Ok(transaction.commit().await?)
}

/// Months that have left the live table for the archive do not come back with another one.
async fn leave_archived_months(
    db: &mut PgConnection,
    place: &str,
    left: &mut Vec<NaiveDate>,
) -> Result<(), sqlx::Error> {
    let months: Vec<NaiveDate> = sqlx::query_scalar(
        "select month from public.archived_months where dropped_at is not null and month <> all($1) order by month",
    )
    .bind(&*left)
    .fetch_all(&mut *db)
    .await?;
    for month in months {
        sqlx::query("select public.drop_archived_month($1, $2)")
            .bind(place)
            .bind(month)
            .execute(&mut *db)
            .await?;
        left.push(month);
    }
    Ok(())
}

/// Moves a table, and what it is divided into.
async fn relocate(db: &mut PgConnection, table: &str, from: &str, to: &str) -> Result<(), sqlx::Error> {
    alter(db, from, table, &format!("set schema {to}")).await
}

/// Does the same to a table and to what it is divided into.
async fn alter(db: &mut PgConnection, schema: &str, table: &str, action: &str) -> Result<(), sqlx::Error> {
    let statements: Vec<String> = sqlx::query_scalar(
        "select format('alter table %I.%I %s', $2::text, relname, $3::text) from pg_class
         where oid = $1::regclass or oid in (select relid from pg_partition_tree($1::regclass))",
    )
    .bind(format!("{schema}.{table}"))
    .bind(schema)
    .bind(action)
    .fetch_all(&mut *db)
    .await?;
    db.execute(AssertSqlSafe(statements.join(";"))).await?;
    Ok(())
}

/// True when all of these lie in `previous`.
pub(super) async fn has_previous(
    db: &mut PgConnection,
    projections: &[&'static Projection],
) -> Result<bool, sqlx::Error> {
    let tables = projections.iter().flat_map(|projection| projection.tables);
    let tables: Vec<String> = tables.map(|table| format!("{PREVIOUS}.{table}")).collect();
    sqlx::query_scalar("select bool_and(to_regclass(name) is not null) from unnest($1) as name")
        .bind(tables)
        .fetch_one(db)
        .await
}

/// Deletes everything in `previous`.
pub(super) async fn drop_previous(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    db.execute(AssertSqlSafe(format!("drop schema if exists {PREVIOUS} cascade"))).await?;
    Ok(())
}
