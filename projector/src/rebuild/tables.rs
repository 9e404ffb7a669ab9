//! The new tables: as the live ones are, without their indexes at first.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row};

use super::limits::INDEX_MEMORY;
use super::{LIVE, REBUILD, RebuildError};
use crate::checkpoint::{Checkpoint, Place};
use crate::partition::Partitions;
use crate::projections::{Part, Projection};
use crate::session;

/// What a rebuild's connections call themselves.
pub(super) const NAME: &str = "daybook-rebuild";

/// A connection for what is not projecting: requests, locks, comparing.
pub(super) async fn connect(database_url: &str) -> Result<PgConnection, sqlx::Error> {
    let options = database_url
        .parse::<PgConnectOptions>()?
        .application_name(NAME)
        .options([("client_min_messages", "warning"), ("statement_timeout", "0")])
        .options(session::KEEPALIVES)
        .disable_statement_logging();
    session::in_time(PgConnection::connect_with(&options)).await
}

/// A connection that writes to the tables of a schema.
pub(super) async fn connect_to(database_url: &str, schema: &str) -> Result<PgConnection, sqlx::Error> {
    let memory = ("maintenance_work_mem", INDEX_MEMORY);
    session::connect_with(
        database_url,
        NAME,
        &[("search_path", schema), ("statement_timeout", "0"), ("lock_timeout", "0"), memory],
    )
    .await
}

/// Bounds how long a transaction may say nothing; then the server ends it.
pub(super) async fn bound_silence(
    transaction: &mut PgConnection,
    silence_max: &'static str,
) -> Result<(), sqlx::Error> {
    let bound = format!("set local idle_in_transaction_session_timeout = '{silence_max}'");
    transaction.execute(AssertSqlSafe(bound)).await?;
    Ok(())
}

/// The checkpoints that a schema has of these projections. With `lock`, nobody moves them before this transaction ends.
pub(super) async fn checkpoints(
    db: &mut PgConnection,
    schema: &str,
    projections: &[&'static Projection],
    lock: bool,
) -> Result<Vec<Checkpoint>, sqlx::Error> {
    let lock = if lock { "for update" } else { "" };
    let select = format!(
        "select projection, partition, version, position, recorded_at from {schema}.checkpoints
         where projection = any($1) order by projection, partition {lock}"
    );
    let names: Vec<&str> = projections.iter().map(|projection| projection.name).collect();
    let rows = sqlx::query(AssertSqlSafe(select)).bind(names).fetch_all(db).await?;
    let mut checkpoints = Vec::new();
    for row in &rows {
        let name: &str = row.try_get("projection")?;
        let partition: i16 = row.try_get("partition")?;
        let position: i64 = row.try_get("position")?;
        let place = Place { position: position.cast_unsigned(), recorded_at: row.try_get("recorded_at")? };
        let projection = projections.iter().find(|projection| projection.name == name);
        let (Some(projection), Ok(partition)) = (projection, u8::try_from(partition)) else { continue };
        let part = Part { projection, partitions: Partitions::one(partition) };
        checkpoints.push(Checkpoint { part, version: row.try_get("version")?, place });
    }
    Ok(checkpoints)
}

/// True when the schema holds a build of just these projections in this program's versions: begun, or finished but for the exchange.
pub(super) async fn are_there(
    db: &mut PgConnection,
    projections: &[&'static Projection],
) -> Result<bool, sqlx::Error> {
    let there: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(format!("{REBUILD}.checkpoints"))
        .fetch_one(&mut *db)
        .await?;
    if !there {
        return Ok(false);
    }
    let begun: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
        "select count(distinct projection) from {REBUILD}.checkpoints"
    )))
    .fetch_one(&mut *db)
    .await?;
    let checkpoints = checkpoints(db, REBUILD, projections, false).await?;
    let ours = projections.iter().all(|projection| {
        checkpoints
            .iter()
            .any(|found| found.part.projection.name == projection.name && found.version == projection.version)
    });
    Ok(ours && usize::try_from(begun) == Ok(projections.len()))
}

/// Makes them, empty, in place of whatever was there.
pub(super) async fn make(
    db: &mut PgConnection,
    projections: &[&'static Projection],
) -> Result<(), RebuildError> {
    let mut transaction = db.begin().await?;
    let schema = format!(
        "drop schema if exists {REBUILD} cascade;
         create schema {REBUILD};
         create table {REBUILD}.checkpoints (like {LIVE}.checkpoints including all);"
    );
    transaction.execute(AssertSqlSafe(schema)).await?;
    for projection in projections {
        for table in projection.tables {
            let clauses = clauses(&mut transaction, table).await?;
            let create = format!(
                "create table {REBUILD}.{table} (like {LIVE}.{table} including all excluding indexes) {clauses}"
            );
            transaction.execute(AssertSqlSafe(create)).await?;
            for division in divisions(&mut transaction, table).await? {
                transaction.execute(AssertSqlSafe(division)).await?;
            }
        }
        if !projection.insert_only {
            for table in projection.tables {
                for (_, statement) in constraints(&mut transaction, table, &["p"]).await? {
                    transaction.execute(AssertSqlSafe(statement)).await?;
                }
            }
        }
    }
    Ok(transaction.commit().await?)
}

/// Deletes them, finished or not.
pub(super) async fn drop_unfinished(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    db.execute(AssertSqlSafe(format!("drop schema if exists {REBUILD} cascade"))).await?;
    Ok(())
}

/// How the live table is divided, or what was set for it. Nothing vacuums the new one before its time.
async fn clauses(db: &mut PgConnection, table: &str) -> Result<String, sqlx::Error> {
    let row = sqlx::query(
        "select pg_get_partkeydef(oid) as divided, array_to_string(reloptions, ', ') as options from pg_class where oid = $1::regclass",
    )
    .bind(format!("{LIVE}.{table}"))
    .fetch_one(db)
    .await?;
    if let Some(divided) = row.try_get::<Option<String>, _>("divided")? {
        return Ok(format!("partition by {divided}"));
    }
    let options: Option<String> = row.try_get("options")?;
    let options = options.map(|options| format!(", {options}")).unwrap_or_default();
    Ok(format!("with (autovacuum_enabled = false{options})"))
}

/// The months of the live table, as statements: else whoever needs one first would make the others wait for the end of its batch. One that is open
/// on a side is from before there were any; its rows are divided anew.
async fn divisions(db: &mut PgConnection, table: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select format('create table %1$I.%2$I partition of %1$I.%3$I %4$s with (autovacuum_enabled = false)',
                       $2::text, relname, $3::text, bound)
         from pg_inherits join pg_class on pg_class.oid = inhrelid, pg_get_expr(relpartbound, inhrelid) as bound
         where inhparent = $1::regclass and bound !~ 'MINVALUE|MAXVALUE'",
    )
    .bind(format!("{LIVE}.{table}"))
    .bind(REBUILD)
    .bind(table)
    .fetch_all(db)
    .await
}

/// The live table's constraints of some kinds that the new one lacks, as statements, by name.
async fn constraints(
    db: &mut PgConnection,
    table: &str,
    kinds: &[&str],
) -> Result<Vec<(String, String)>, sqlx::Error> {
    let rows = sqlx::query(
        "select quote_ident(conname) as name, pg_get_constraintdef(oid) as definition from pg_constraint as live
         where conrelid = $1::regclass and contype::text = any($3)
           and not exists (select from pg_constraint as new where new.conrelid = $2::regclass and new.conname = live.conname)",
    )
    .bind(format!("{LIVE}.{table}"))
    .bind(format!("{REBUILD}.{table}"))
    .bind(kinds)
    .fetch_all(db)
    .await?;
    let statement = |row: &sqlx::postgres::PgRow| {
        let (name, definition): (String, String) = (row.try_get("name")?, row.try_get("definition")?);
        let statement = format!("alter table {REBUILD}.{table} add constraint {name} {definition}");
        Ok((name, statement))
    };
    rows.iter().map(statement).collect()
}

/// What the new tables still lack: keys, indexes, statistics. Made in any order.
pub(super) async fn finish(
    db: &mut PgConnection,
    projections: &[&'static Projection],
) -> Result<Vec<String>, sqlx::Error> {
    let mut statements = Vec::new();
    for table in projections.iter().flat_map(|projection| projection.tables) {
        statements.extend(constraints(db, table, &["p", "u", "x"]).await?.into_iter().map(|(_, made)| made));
        let indexes: Vec<String> = sqlx::query_scalar(
            "select pg_get_indexdef(indexrelid) from pg_index join pg_class as live on live.oid = indexrelid
             where indrelid = $1::regclass and not exists (select from pg_constraint where conindid = indexrelid)
               and not exists (select from pg_class as new where new.relname = live.relname and new.relnamespace = $2::regnamespace)",
        )
        .bind(format!("{LIVE}.{table}"))
        .bind(REBUILD)
        .fetch_all(&mut *db)
        .await?;
        let elsewhere = |index: String| {
            let (live, new) = (format!(" {LIVE}.{table} "), format!(" {REBUILD}.{table} "));
            // That of a divided table is described without its parts, and made with them.
            index.replacen(&format!(" ONLY{live}"), &live, 1).replacen(&live, &new, 1)
        };
        statements.extend(indexes.into_iter().map(elsewhere));
    }
    Ok(statements)
}

/// What the planner is to know of the new tables.
pub(super) fn statistics(projections: &[&'static Projection]) -> Vec<String> {
    let tables = projections.iter().flat_map(|projection| projection.tables);
    tables.map(|table| format!("analyze {REBUILD}.{table}")).collect()
}
